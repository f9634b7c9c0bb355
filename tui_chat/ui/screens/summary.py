"""The summary that stands for older messages: made on request, read, edited, and only then sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Footer, Static

from tui_chat.core import clock
from tui_chat.core.clean import clean, clean_line
from tui_chat.core.errors import OverCap, TuiChatError
from tui_chat.core.summary import Summary
from tui_chat.services.summaries import Emit, OnPiece
from tui_chat.ui.forms import AskScreen, Said
from tui_chat.ui.modal import Modal
from tui_chat.ui.screens.system_prompt import Editor
from tui_chat.ui.text import plain


class Answer(StrEnum):
    """How a prompt goes on."""

    WITH = "with"
    """All that no longer fits is in the summary."""

    WITHOUT = "without"
    """What is in none stays out."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the screen is about: so many messages no longer fit, ``missing`` of them are in no summary yet.

    ``cost`` is what making one takes. ``sources`` are first lines of what it is (or would be) made
    from, oldest first, the newest of them where they are too many to list.
    """

    messages: int
    missing: int
    model: str
    cost: str
    sources: Sequence[str] = field(repr=False)
    sending: bool = False


class Make(Protocol):
    """Makes a summary: from the one before and what is missing since, or ``anew`` from all the messages."""

    def __call__(self, emit: Emit, *, on_piece: OnPiece | None, anew: bool, over_cap: bool) -> Awaitable[Summary]: ...


@dataclass(frozen=True, slots=True)
class Work:
    """What the screen can have done."""

    make: Make
    keep: Callable[[Summary, str], Awaitable[Summary]]


class SummaryEditor(Editor):
    """The summary's text. While there is none, the keys that would delete a word in it are free."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is deleted where nothing can be typed."""
        if action == "delete_word_left":
            return not self.read_only
        return super().check_action(action, parameters)


class SummaryScreen(Modal[Answer | None]):
    """Shows the summary there is, or offers to make one. Nothing is asked of the model before ctrl+r.

    None for back. What was made is kept even if the person goes back: it was paid for.
    """

    BINDINGS = [
        Binding("ctrl+r", "make", "Make it", id="summary.make", tooltip="Ask the model for a summary, or for another"),
        Binding("ctrl+s", "use", "Use it", id="summary.use", tooltip="Keep the text as it stands, and go on"),
        # ctrl+w deletes a word as soon as there is a text to be edited: a slip there must not send.
        Binding(
            "ctrl+n,ctrl+w", "without", "Without", id="summary.without", tooltip="Send what is not in a summary without"
        ),
        Binding("escape", "back", "Back", id="summary.back", tooltip="Stop it, or go back; your prompt is kept"),
    ]

    DEFAULT_CSS = """
    SummaryScreen {
        align: center middle;
        & > Vertical { width: 96; max-width: 100%; height: 90%; border: round $primary 60%; border-title-style: bold;
            border-title-color: $foreground; background: $background; padding: 1 2 0 2; }
        & #said { height: auto; margin-bottom: 1; }
        & SummaryEditor { height: 2fr; min-height: 3; }
        & #sources { height: 1fr; margin-top: 1; border-top: solid $primary 30%; color: $text-muted;
            scrollbar-size-vertical: 1;
            & Static { text-wrap: nowrap; text-overflow: ellipsis; } }
        & #sources:focus { border-top: solid $primary; }
        & Footer { dock: bottom; background: transparent; }
        & Footer FooterKey { background: transparent; }
    }
    """

    intro = query_one("#said", Static)
    editor = query_one(SummaryEditor)
    state = query_one(Said)

    def __init__(self, wanted: Wanted, work: Work, summary: Summary | None) -> None:
        super().__init__()
        self._wanted = wanted
        self._work = work
        self._summary = summary
        self._is_complete = summary is not None and not wanted.missing
        self._is_making = False
        self._is_warned = False
        """Whether the person was told that what they changed would be lost."""

    def compose(self) -> ComposeResult:
        frame = Vertical()
        frame.border_title = plain("Summary of older messages")
        with frame:
            yield Static(plain(self._intro()), markup=False, id="said")
            yield SummaryEditor("")
            yield Said()
            with VerticalScroll(id="sources"):
                yield Static(plain("\n".join(self._sources())), markup=False)
            yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Show what there is."""
        self.editor.placeholder = Content("There is no summary yet; ctrl+r asks for one.")
        if self._summary is not None:
            self._show(self._summary)
        self.editor.read_only = self._summary is None
        self.editor.focus()

    # -- what it says ----------------------------------------------------------------------------

    def _intro(self) -> str:
        wanted, by = self._wanted, clean_line(self._wanted.model) or "The model"
        if self._is_complete:
            return (
                f"This stands for {_messages(wanted.messages)}: the model gets it in their place. "
                "You may edit it; details may be missing."
            )
        before = wanted.messages - wanted.missing
        if before and self._summary is not None:
            return (
                f"{_messages(wanted.missing, 'more ')} no longer fit{_s(wanted.missing)}. "
                f"Below is the summary of the {before:,} before; "
                f"ctrl+r has {by} fold the new ones in: {wanted.cost}. You see it before it is used."
            )
        return (
            f"{_messages(wanted.missing, 'older ')} no longer fit{_s(wanted.missing)}. "
            f"{by} can make a summary, which it then gets in their place: {wanted.cost}.\n"
            "ctrl+r asks for it; you see it before it is used. It goes with each prompt until more is dropped."
        )

    def _sources(self) -> Sequence[str]:
        wanted = self._wanted
        listed = f", the last {len(wanted.sources):,}" if len(wanted.sources) < wanted.messages else ""
        return [f"Made from {_messages(wanted.messages)}{listed}:", *map(clean_line, wanted.sources)]

    def _show(self, summary: Summary) -> None:
        self.intro.update(plain(self._intro()))
        self.editor.text = clean(summary.text)
        edited = ", edited by you" if summary.edited else ""
        pieces = f", in {summary.pieces} pieces" if summary.pieces > 1 else ""
        when = clock.local_time(summary.made_at)
        next_ = " ctrl+s uses it as it stands." if self._wanted.sending else ""
        made = f"Made {when} by {clean_line(summary.model)}{pieces}, ~{summary.tokens:,} tokens{edited}."
        self.state.say(f"{made}{next_}")

    # -- making it ---------------------------------------------------------------------------------

    def action_make(self) -> None:
        """Ask the model; the text before is replaced only when another is there."""
        if not self._is_making and not self._must_warn("ctrl+r again asks for another"):
            self._is_making = True
            self._make()

    @work(group="make", exclusive=True)
    async def _make(self) -> None:
        before = self.editor.text
        self.editor.read_only = True
        self.editor.text = ""
        self.state.say("Asking for a summary… esc stops it.")
        try:
            made = await self._made()
        except (TuiChatError, asyncio.CancelledError) as error:
            if self in self.app.screen_stack:  # else the person went on without it
                self.editor.text = before
                self._end_making()
                self._say_why(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            if self not in self.app.screen_stack:
                return
            self._summary, self._is_complete = made, True
            self._show(made)
            self._end_making()

    async def _made(self) -> Summary:
        # Where nothing is missing another one is wanted: from all of it.
        anew = not self._wanted.missing
        try:
            return await self._work.make(self._take, on_piece=self._begin, anew=anew, over_cap=False)
        except OverCap as error:
            question = f"{error}\n{error.hint}\n\nAsk for the summary all the same?"
            if not await self.app.push_screen_wait(AskScreen("Over your limit", question)):
                raise
            return await self._work.make(self._take, on_piece=self._begin, anew=anew, over_cap=True)

    def _end_making(self) -> None:
        self._is_making = self._is_warned = False
        self.editor.read_only = self._summary is None

    def _say_why(self, error: BaseException) -> None:
        if isinstance(error, TuiChatError):
            self.state.fail(error)
        else:
            self.state.say("Stopped; nothing was kept of it.")

    async def _begin(self, piece: int, pieces: int) -> None:
        """Another request goes out: its answer holds what the ones before said."""
        if self not in self.app.screen_stack:
            return
        self.editor.text = ""
        of = f" Piece {piece} of {pieces}." if pieces > 1 else ""
        self.state.say(f"The summary is being written.{of} esc stops it.")

    async def _take(self, text: str) -> None:
        """Show what arrives."""
        if self in self.app.screen_stack:
            self.editor.insert(clean(text), self.editor.document.end)
            self.editor.scroll_end(animate=False)

    # -- going on, or back ---------------------------------------------------------------------------

    async def action_use(self) -> None:
        """Keep it as it stands, and go on."""
        if self._is_making or self._summary is None:
            self.state.say("One moment…" if self._is_making else "There is no summary yet: ctrl+r asks for one.")
            return
        try:
            # Not clean(...): what the person did not see is not sent either.
            if self.editor.text != self._summary.text:
                self._summary = await self._work.keep(self._summary, self.editor.text)
        except TuiChatError as error:
            self.state.fail(error)
        else:
            self.dismiss(Answer.WITH if self._is_complete else Answer.WITHOUT)

    def action_without(self) -> None:
        """Send as it is: what is in no summary stays out."""
        if not self._must_warn("ctrl+n again sends without them"):
            self.dismiss(Answer.WITHOUT)

    def action_back(self) -> None:
        """Stop what is being made, else leave."""
        if self._is_making:
            self.workers.cancel_group(self, "make")
        elif not self._must_warn("esc again leaves without them"):
            self.dismiss(None)

    def _must_warn(self, again: str) -> bool:
        """Whether the person was just told, for the first time, that what they changed would be lost."""
        is_changed = self._summary is not None and self.editor.text != clean(self._summary.text)
        if self._is_making or self._is_warned or not is_changed:
            return False
        self._is_warned = True
        self.state.say(f"ctrl+s keeps your changes; {again}.")
        return True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a prompt that waits can go without."""
        return self._wanted.sending if action == "without" else True


def _messages(number: int, kind: str = "") -> str:
    return f"{number:,} {kind}message{'' if number == 1 else 's'}"


def _s(number: int) -> str:
    return "s" if number == 1 else ""
