"""A text that does not fit by itself: the person may send one end of it, or go back and shorten it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.getters import query_one
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from tui_chat.core.context import ContextPlan
from tui_chat.core.sentences import error_sentence
from tui_chat.ui.forms import Card, Choices, Pick
from tui_chat.ui.text import plain

Fits = Callable[[str], bool]


class TooLongScreen(ModalScreen[str | None]):
    """Gives the part to send; None where the person goes back. Nothing is ever cut without this question."""

    BINDINGS = [Binding("escape,q", "back", "Back", id="too_long.back", tooltip="Back to the prompt; it is kept whole")]

    DEFAULT_CSS = "TooLongScreen { align: center middle; }"

    choices = query_one(Choices)

    def __init__(self, text: str, plan: ContextPlan, fits: Fits) -> None:
        super().__init__()
        self._text = text
        self._plan = plan
        self._fits = fits

    def compose(self) -> ComposeResult:
        error = self._plan.error
        said = "" if error is None else f"{error_sentence(error)}\nAbout {error.needed - error.room:,} too many.\n"
        yield Card("Too long", Static(plain(said), markup=False), Choices())

    def on_mount(self) -> None:
        """Offer the way back at once, the others when it is known how much of the text fits."""
        self._offer(None, None)
        self.choices.focus()
        self._cut()

    @work(group="cut", exclusive=True)
    async def _cut(self) -> None:
        # In a thread: each try measures the whole text.
        head = await asyncio.to_thread(most, len(self._text), lambda length: self._fits(self._text[:length]))
        tail = await asyncio.to_thread(most, len(self._text), lambda length: self._fits(self._text[-length:]))
        self._offer(self._text[:head] if head else None, self._text[-tail:] if tail else None)

    def _offer(self, head: str | None, tail: str | None) -> None:
        picks = [Pick(Content("Back: I shorten it myself"), "back")]
        if head is not None and head.strip():
            picks.append(Pick(Content(f"Send only its first {len(head):,} of {len(self._text):,} characters"), head))
        if tail is not None and tail.strip():
            picks.append(Pick(Content(f"Send only its last {len(tail):,} of {len(self._text):,} characters"), tail))
        self.choices.clear_options()
        self.choices.add_options(picks)
        self.choices.highlighted = 0

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        value = event.option.value if isinstance(event.option, Pick) else None
        self.dismiss(None if value == "back" else str(value))

    def action_back(self) -> None:
        """Send nothing."""
        self.dismiss(None)


def most(length: int, fits: Callable[[int], bool]) -> int:
    """The most characters that fit, of ``length`` that do not; found by halving, so ``fits`` is asked rarely."""
    low, high = 0, length
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
