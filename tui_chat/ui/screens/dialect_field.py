"""The field for the protocol that an endpoint speaks: one of a few, stepped through with the arrow keys."""

from __future__ import annotations

from textual.binding import Binding

from tui_chat.core.settings import DIALECTS
from tui_chat.ui.forms import Field

LABELS = {"openai": "OpenAI-compatible", "anthropic": "Anthropic", "gemini": "Gemini", "ollama": "Ollama"}
"""What people call the dialects."""


class DialectField(Field):
    """Holds one dialect. Left and right step through them, space too, and a letter goes to the next that begins so.

    ``by_hand``: the person chose it, so nothing else should.
    """

    BINDINGS = [
        Binding("right,down", "step(1)", "Next", id="dialect.next", tooltip="The next protocol", show=False),
        Binding("left,up", "step(-1)", "Before", id="dialect.before", tooltip="The protocol before", show=False),
    ]

    def __init__(self, dialect: str, *, by_hand: bool, id: str) -> None:
        self._dialect = dialect
        self.by_hand = by_hand
        super().__init__(self._shown, moves_on=True, id=id)

    @property
    def dialect(self) -> str:
        """The one that is shown."""
        return self._dialect

    def put(self, dialect: str) -> None:
        """Show this one."""
        self._dialect = dialect
        self.value = self._shown
        self.cursor_position = 0

    @property
    def _shown(self) -> str:
        return f"‹ {LABELS[self._dialect]} ›"

    def action_step(self, step: int) -> None:
        """Go to the next one, or to the one before."""
        self.by_hand = True
        self.put(DIALECTS[(DIALECTS.index(self._dialect) + step) % len(DIALECTS)])

    def replace(self, text: str, start: int, end: int) -> None:
        """Nothing is written here: what is typed chooses."""
        if text == " ":
            self.action_step(1)
            return
        following = [*DIALECTS, *DIALECTS][DIALECTS.index(self._dialect) + 1 :]
        wanted = [each for each in following if LABELS[each].casefold().startswith(text.casefold())]
        if text and wanted:
            self.by_hand = True
            self.put(wanted[0])

    def insert_pasted(self, text: str) -> None:
        """Nothing is pasted here."""
