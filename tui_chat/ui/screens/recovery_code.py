"""Shows a new recovery code, once."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.widgets import Static

from tui_chat.ui import clipboard
from tui_chat.ui.forms import Card, Said
from tui_chat.ui.modal import Modal
from tui_chat.ui.text import plain

_INTRO = (
    "This code opens your history when everything else fails.\n"
    "Write it down, away from this computer. It is not shown again."
)
_QUESTION = "Is it written down? y confirms, esc shows it once more."


class RecoveryCodeScreen(Modal[bool]):
    """True once the person says that the code is written down; False where that is put off.

    Enter hides the code and asks; only then ``y`` confirms, so that no key pressed in passing does.
    """

    BINDINGS = [
        Binding("enter", "written", "I have written it down", id="recovery.written", tooltip="Hide the code and ask"),
        Binding("y", "confirm", "Yes, it is", id="recovery.confirm", tooltip="Confirm that it is written down"),
        Binding("c", "copy", "Copy", id="recovery.copy", tooltip="Copy the code; the clipboard keeps it"),
        Binding("escape", "back", "Back", id="recovery.back", tooltip="Show the code again, or put it off"),
    ]

    DEFAULT_CSS = """
    RecoveryCodeScreen {
        align: center middle;
        & #code { margin: 1 0; padding: 1 2; border-left: outer $primary; text-style: bold; height: 4; }
    }
    """

    code = query_one("#code", Static)
    said = query_one(Said)

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code
        self._asking = False

    def compose(self) -> ComposeResult:
        yield Card(
            "Your recovery code",
            Static(plain(_INTRO), markup=False),
            Static(plain(in_lines(self._code)), id="code", markup=False),
            Said(),
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While the code is hidden, only the answer counts."""
        match action:
            case "written" | "copy":
                return not self._asking
            case "confirm":
                return self._asking
        return True

    def action_written(self) -> None:
        """Hide the code and ask."""
        self._ask(True)

    def action_confirm(self) -> None:
        """It is written down."""
        self._code = ""
        self.dismiss(True)

    def action_back(self) -> None:
        """Show the code again, or leave without having written it down."""
        if self._asking:
            self._ask(False)
        else:
            self._code = ""
            self.dismiss(False)

    async def action_copy(self) -> None:
        """Copy it, and say what that means."""
        how = await clipboard.copy(self.app, self._code)
        self.said.say(f"{how} The clipboard keeps it, and other programs can read it there: replace it soon.")

    def _ask(self, asking: bool) -> None:
        self._asking = asking
        shown = in_lines(self._code)
        self.code.update(plain("".join("•" if c.isalnum() else c for c in shown) if asking else shown))
        if asking:
            self.said.say(_QUESTION)
        else:
            self.said.clear()
        self.refresh_bindings()


def in_lines(code: str) -> str:
    """The code's groups, four to a line."""
    groups = code.split("-")
    return "\n".join("  ".join(groups[i : i + 4]) for i in range(0, len(groups), 4))
