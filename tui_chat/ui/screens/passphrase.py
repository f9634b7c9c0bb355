"""Asks for a new passphrase, twice."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.widgets import Input, Static

from tui_chat.core.errors import BadInput
from tui_chat.core.secret import Secret
from tui_chat.ui.forms import Card, Said, SecretField
from tui_chat.ui.modal import Modal
from tui_chat.ui.text import plain

SHORT = 12
"""Characters below which a new passphrase earns a remark, never a refusal."""


def short_remark(typed: str) -> str:
    """What to say beside a new passphrase while it is typed."""
    return "Short. Four or more random words are easy to keep and hard to guess." if 0 < len(typed) < SHORT else ""


class PassphraseScreen(Modal[Secret | None]):
    """The new passphrase, typed the same twice; None where the person steps back."""

    BINDINGS = [Binding("escape", "back", "Back", id="passphrase.back", tooltip="One step back; nothing is changed")]

    DEFAULT_CSS = """
    PassphraseScreen {
        align: center middle;
        & #label, & #note { color: $text-muted; }
    }
    """

    label = query_one("#label", Static)
    field = query_one(SecretField)
    note = query_one("#note", Static)
    said = query_one(Said)

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._first: Secret | None = None

    def compose(self) -> ComposeResult:
        label, note = Static(id="label", markup=False), Static(id="note", markup=False)
        yield Card(self._title, label, SecretField(), note, Said())

    def on_mount(self) -> None:
        self.field.empties = True
        self.field.focus()
        self._ask(None)

    def on_unmount(self) -> None:
        self._first = None

    def _ask(self, first: Secret | None) -> None:
        self._first = first
        self.label.update(plain("Choose a passphrase" if first is None else "The same again"))
        self.said.clear()

    def on_input_changed(self, event: Input.Changed) -> None:
        """A remark while typing."""
        event.stop()
        self.note.update(plain(short_remark(event.value) if self._first is None else ""))

    def on_secret_field_entered(self, event: SecretField.Entered) -> None:
        """Take it the first or the second time."""
        event.stop()
        if not event.secret:
            self.said.fail(BadInput("It is empty.", hint="Type something first."))
        elif self._first is None:
            self._ask(event.secret)
        elif event.secret != self._first:
            self._ask(None)
            self.said.fail(BadInput("The two are not the same.", hint="Choose the passphrase once more."))
        else:
            self.dismiss(event.secret)

    def action_back(self) -> None:
        """One step back."""
        if self._first is None:
            self.dismiss(None)
        else:
            self._ask(None)
