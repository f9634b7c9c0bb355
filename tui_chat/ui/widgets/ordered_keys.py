"""Runs a text field's own key bindings in the order in which the keys were typed."""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.widget import Widget


async def run_own_binding(widget: Widget, event: events.Key) -> bool:
    """Run the binding that ``widget`` itself has for this key, here and now; True where it did something.

    Textual 8.2.8 lets printable keys act in the focused widget but sends bound keys (backspace,
    arrows, enter) up to the app and back, so typing ``a<backspace>bc`` in one burst is reordered
    (Textual issue 6605). A widget calls this first in its ``_on_key``. Keymaps hold.
    """
    if event.is_printable:
        return False
    for binding in own_bindings(widget).get(event.key, ()):
        if not binding.priority and await widget.app.run_action(binding.action, widget):
            event.stop()
            event.prevent_default()
            return True
    return False


async def run_binding_in_order(widget: Widget, event: events.Key) -> bool:
    """As ``run_own_binding``, for the bindings of the screen and the app too.

    What is typed behind a key that changes the screen's conversation or its focus then meets the
    new one: keys that were sent here before the focus moved go on to where it is now.
    """
    focused = widget.app.screen.focused
    if focused is not None and focused is not widget:
        event.stop()
        event.prevent_default()
        focused._forward_event(events.Key(event.key, event.character))
        return True
    if event.is_printable:
        return False
    for namespace, bindings in widget.screen._binding_chain:
        for binding in bindings.key_to_bindings.get(event.key, ()):
            if not binding.priority and await widget.app.run_action(binding.action, namespace):
                event.stop()
                event.prevent_default()
                return True
    return False


def own_bindings(widget: Widget) -> dict[str, list[Binding]]:
    """The bindings of the widget itself by key, after the app's keymap; none where it is not in focus."""
    # Private in Textual, and the only place where a keymap is already applied: it has a test.
    chain = widget.screen._binding_chain
    return next((bindings.key_to_bindings for node, bindings in chain if node is widget), {})
