"""Edits the system prompt of one conversation."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.widgets import Static, TextArea

from tui_chat.core.tokens import measure
from tui_chat.ui.forms import Card
from tui_chat.ui.modal import Modal
from tui_chat.ui.text import clean, plain
from tui_chat.ui.widgets.ordered_keys import run_own_binding


class Editor(TextArea):
    """A plain editor whose keys act in the order in which they were typed."""

    DEFAULT_CSS = """
    Editor {
        height: 10;
        border: none;
        border-left: outer $primary;
        padding: 0 1;
        background: $surface;
        &:focus { border: none; border-left: outer $primary; }
    }
    """

    def __init__(self, text: str) -> None:
        super().__init__(_one_line_end(text), highlight_cursor_line=False)
        self.cursor_blink = False

    async def _on_key(self, event: events.Key) -> None:
        # What is not handled here goes on to TextArea._on_key: Textual calls every class's handler.
        await run_own_binding(self, event)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        if result := self._replace_via_keyboard(_one_line_end(event.text), *self.selection):
            self.move_cursor(result.end_location)


class SystemPromptScreen(Modal[str | None]):
    """The new system prompt (empty for none); None where it stays as it is."""

    BINDINGS = [
        Binding("ctrl+s", "save", "Save", id="system.save", tooltip="Use this system prompt from the next message on"),
        Binding("escape", "cancel", "Cancel", id="system.cancel", tooltip="Change nothing"),
    ]

    DEFAULT_CSS = """
    SystemPromptScreen {
        align: center middle;
        & #tokens { color: $text-muted; margin-top: 1; }
    }
    """

    editor = query_one(Editor)
    tokens = query_one("#tokens", Static)

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield Card(
            "System prompt",
            Static(plain("Sent before everything else, with each message of this conversation."), markup=False),
            Editor(self._text),
            Static(id="tokens", markup=False),
        )

    def on_mount(self) -> None:
        self.editor.move_cursor(self.editor.document.end)
        self.editor.focus()
        self._count()

    def on_text_area_changed(self) -> None:
        """Say what it costs."""
        self._count()

    def _count(self) -> None:
        tokens = measure(self.editor.text).tokens
        self.tokens.update(plain(f"~{tokens:,} tokens of each request." if tokens else "None: nothing is sent."))

    def action_save(self) -> None:
        """Take the text as it stands."""
        text = self.editor.text
        if text == _one_line_end(self._text):
            text = self._text  # shown cleaned and left alone: it stays what it is
        self.dismiss(text if text.strip() else "")

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(None)


def _one_line_end(text: str) -> str:
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))
