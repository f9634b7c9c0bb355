"""A text that does not fit by itself: the person may send one end of it, or go back and shorten it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.getters import query_one
from textual.widgets import OptionList, Static

from tui_chat.core.context import ContextPlan
from tui_chat.core.sentences import error_sentence
from tui_chat.ui.forms import Card, Choices, Pick, Said
from tui_chat.ui.modal import Modal
from tui_chat.ui.text import plain

Fits = Callable[[str], bool]

NEAR = 80
"""Characters within which a cut looks for a space: half a word says nothing."""

_FIRST = 1_024
"""Characters that are tried first; whatever fits is found in tries of at most four times its size."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A text in two: what is sent, and what is left for the prompt."""

    sent: str = field(repr=False)
    left: str = field(repr=False)


class TooLongScreen(Modal[Cut | None]):
    """Gives the part to send; None where the person goes back. Nothing is ever cut without this question."""

    BINDINGS = [Binding("escape,q", "back", "Back", id="too_long.back", tooltip="Back to the prompt; it is kept whole")]

    DEFAULT_CSS = "TooLongScreen { align: center middle; }"

    choices = query_one(Choices)
    state = query_one(Said)

    def __init__(self, text: str, plan: ContextPlan, fits: Fits) -> None:
        super().__init__()
        self._text = text
        self._plan = plan
        self._fits = fits

    def compose(self) -> ComposeResult:
        error = self._plan.error
        said = "" if error is None else f"{error_sentence(error)} That is ~{error.needed - error.room:,} too many.\n"
        yield Card("Too long", Static(plain(said), markup=False), Choices(), Said())

    def on_mount(self) -> None:
        """Offer the way back at once, the others when it is known how much of the text fits."""
        self._offer({})
        self.choices.focus()
        self.state.say("Measuring what would fit…")
        self._cut()

    @work(group="cut", exclusive=True)
    async def _cut(self) -> None:
        # In a thread: each try measures as much text as it tries.
        head = await asyncio.to_thread(head_of, self._text, self._fits)
        tail = await asyncio.to_thread(tail_of, self._text, self._fits)
        if self not in self.app.screen_stack:
            return  # gone back meanwhile
        self._offer({"first": head, "last": tail})
        if head.sent or tail.sent:
            self.state.say("What is not sent stays in the prompt.")
        else:
            self.state.say("No part of it fits: what else is sent leaves no room (f3 shows it).")

    def _offer(self, cuts: dict[str, Cut]) -> None:
        picks = [Pick(Content("Back: I shorten it myself"), "back")]
        for end, cut in cuts.items():
            if cut.sent:
                sent, of = len(cut.sent), len(self._text)
                picks.append(Pick(Content(f"Send only its {end} {sent:,} of {of:,} characters"), cut))
        self.choices.set_options(picks)
        self.choices.highlighted = 0

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        value = event.option.value if isinstance(event.option, Pick) else None
        self.dismiss(value if isinstance(value, Cut) else None)

    def action_back(self) -> None:
        """Send nothing."""
        self.dismiss(None)


def head_of(text: str, fits: Fits) -> Cut:
    """As much of the text's beginning as fits, up to a space where one is near."""
    end = most(len(text), lambda length: fits(text[:length]))
    # Behind a space: the word that it ends fits as well.
    near = max((at for at in range(max(0, end - NEAR), end) if text[at].isspace()), default=end - 1) + 1
    sent = text[:near].rstrip()
    return Cut(sent, text[near:]) if sent else Cut("", text)


def tail_of(text: str, fits: Fits) -> Cut:
    """As much of the text's end as fits, from a space on where one is near."""
    start = len(text) - most(len(text), lambda length: fits(text[len(text) - length :]))
    near = next((at for at in range(start, min(len(text), start + NEAR)) if text[at].isspace()), start)
    sent = text[near:].lstrip()
    return Cut(sent, text[:near]) if sent else Cut("", text)


def most(length: int, fits: Callable[[int], bool]) -> int:
    """The most characters that fit, of ``length`` that do not: found by doubling, then by halving."""
    low, high = 0, min(_FIRST, length)
    while high < length and fits(high):
        low, high = high, min(2 * high, length)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
