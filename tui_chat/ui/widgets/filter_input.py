"""The one-line filter above the list of conversations."""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input

from tui_chat.core.clean import clean_line
from tui_chat.ui.widgets.ordered_keys import run_own_binding


class FilterInput(Input):
    """Posts ``Input.Changed`` with each change (its owner waits for a pause), and ``Left`` when the list is meant."""

    BINDINGS = [
        Binding("down,enter", "leave", "To the list", id="filter.leave", tooltip="Go to the list"),
        Binding("escape", "clear", "Clear", id="filter.clear", tooltip="Clear the filter; once more to leave it"),
    ]

    DEFAULT_CSS = """
    FilterInput { border: none; height: 1; padding: 0 1; background: transparent; }
    FilterInput:focus { border: none; }
    """

    class Left(Message):
        """The user wants to go on in the list."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(placeholder="⌕ filter", id=id, classes=classes)
        self.cursor_blink = False

    async def _on_key(self, event: events.Key) -> None:
        # What is not handled here goes on to Input._on_key: Textual calls every class's handler.
        await run_own_binding(self, event)

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert_text_at_cursor(clean_line(event.text).strip()[:200])

    def action_leave(self) -> None:
        """Go to the list."""
        self.post_message(self.Left())

    def action_clear(self) -> None:
        """Clear the filter, or leave it where it is empty."""
        if self.value:
            self.value = ""
        else:
            self.action_leave()
