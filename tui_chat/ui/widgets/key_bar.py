"""The bottom line: which keys do what, for the part that has the focus."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget


class KeyBar(Widget):
    """One line of ``key description`` for the screen's shown bindings, as many as fit.

    One widget for all of them: Textual's Footer mounts one each and mounts them again with each
    change of focus.
    """

    DEFAULT_CSS = """
    KeyBar { height: 1; padding: 0 1; background: $panel; color: $foreground; dock: bottom; }
    """

    urgent: reactive[str] = reactive("")
    """A key and what it does now, shown before all others: ``esc stop``."""

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.refresh())

    def render(self) -> Content:
        """The bindings that work now."""
        shown: dict[str, tuple[str, str]] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.description:
                shown.setdefault(binding.action, (self.app.get_key_display(binding), binding.description))
        pieces = []
        room = self.content_size.width
        if self.urgent:
            pieces.append(Content(f" {self.urgent} ").stylize("bold reverse $text-warning"))
            pieces.append(Content("  "))
            room -= cell_len(self.urgent) + 4
        for key, description in shown.values():
            room -= cell_len(key) + cell_len(description) + 3
            if room < -2:
                break
            pieces += [Content(key).stylize("bold $text-accent"), Content(f" {description}  ")]
        return Content.assemble(*pieces)
