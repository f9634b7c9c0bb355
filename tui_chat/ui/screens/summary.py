"""The summary that stands for older messages: made on request, read, edited, and only then sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.getters import query_one
from textual.screen import ModalScreen
from textual.widgets import Footer, Static, TextArea

from tui_chat.core import clock
from tui_chat.core.clean import clean, clean_line
from tui_chat.core.errors import TuiChatError
from tui_chat.core.summary import Summary
from tui_chat.services.summaries import Emit, OnPiece
from tui_chat.ui.forms import Said
from tui_chat.ui.text import plain


class Answer(StrEnum):
    """How a prompt that needs a summary goes on."""

    WITH = "with"
    WITHOUT = "without"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the screen is about: the messages that no longer fit, and what a summary of them would cost.

    ``sources`` are first lines of what it is (or would be) made from, oldest first, without newlines.
    """

    messages: int
    model: str
    cost: str
    sources: Sequence[str] = field(repr=False)
    is_due: bool = True
    sending: bool = False


class Make(Protocol):
    """Makes a summary: from the one before and what is missing since, or ``anew`` from all the messages."""

    def __call__(self, emit: Emit, *, on_piece: OnPiece | None, anew: bool) -> Awaitable[Summary]: ...


@dataclass(frozen=True, slots=True)
class Work:
    """What the screen can have done."""

    make: Make
    keep: Callable[[Summary, str], Awaitable[Summary]]


class SummaryScreen(ModalScreen[Answer | None]):
    """Shows the summary there is, or offers to make one. Nothing is asked of the model before enter.

    ``Answer.WITH`` after it was seen and taken, ``WITHOUT`` where the prompt shall go without it, None
    for back. What was made is kept even if the person goes back: it was paid for.
    """

    BINDINGS = [
        Binding("ctrl+r", "make", "Make it", id="summary.make", tooltip="Ask the model for a summary, or for another"),
        Binding("ctrl+s", "use", "Use it", id="summary.use", tooltip="Keep the text as it stands, and go on"),
        Binding("ctrl+w", "without", "Without", id="summary.without", tooltip="Send without a summary, this time"),
        Binding("escape", "back", "Back", id="summary.back", tooltip="Stop it, or go back; your prompt is kept"),
    ]

    DEFAULT_CSS = """
    SummaryScreen {
        align: center middle;
        & > Vertical { width: 96; max-width: 100%; height: 90%; border: round $primary 60%; border-title-style: bold;
            background: $background; padding: 1 2 0 2; }
        & #said { height: auto; margin-bottom: 1; }
        & TextArea { height: 2fr; border: none; padding: 0 1; background: $surface; }
        & #sources { height: 1fr; margin-top: 1; border-top: solid $primary 30%; color: $text-muted; }
        & Footer { dock: bottom; background: transparent; }
    }
    """

    editor = query_one(TextArea)
    state = query_one(Said)

    def __init__(self, wanted: Wanted, work: Work, summary: Summary | None) -> None:
        super().__init__()
        self._wanted = wanted
        self._work = work
        self._summary = summary
        self._making = False

    def compose(self) -> ComposeResult:
        frame = Vertical()
        frame.border_title = plain("Summary of older messages")
        with frame:
            yield Static(plain(self._intro()), markup=False, id="said")
            yield TextArea("", soft_wrap=True, tab_behavior="focus", id="summary")
            yield Said()
            with VerticalScroll(id="sources"):
                yield Static(plain("\n".join(self._sources())), markup=False)
            yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Show what there is."""
        if self._summary is not None:
            self._show(self._summary)
        self.editor.read_only = self._summary is None
        self.editor.focus()

    def _intro(self) -> str:
        wanted = self._wanted
        them = f"{wanted.messages:,} older message{'' if wanted.messages == 1 else 's'}"
        if not wanted.is_due:
            return (
                f"This stands for {them}: the model gets it instead of them. You may edit it; details may be missing."
            )
        by = clean_line(wanted.model) or "the model"
        what = f"{them} no longer fit. {by} can make a summary of them, which it then gets instead: {wanted.cost}."
        return (
            f"{what}\nctrl+r asks for it; you see it before it is used. It goes with each prompt until more is dropped."
        )

    def _sources(self) -> Sequence[str]:
        return [f"Made from {len(self._wanted.sources):,} messages:", *map(clean_line, self._wanted.sources)]

    def _show(self, summary: Summary) -> None:
        self.editor.text = clean(summary.text)
        edited = ", edited by you" if summary.edited else ""
        pieces = f", in {summary.pieces} pieces" if summary.pieces > 1 else ""
        when = clock.local_time(summary.made_at)
        self.state.say(f"Made {when} by {clean_line(summary.model)}{pieces}, ~{summary.tokens:,} tokens{edited}.")

    # -- what the keys do ----------------------------------------------------------------------------

    def action_make(self) -> None:
        """Ask the model; the text before is replaced only when another is there."""
        if not self._making:
            self._make()

    @work(group="make", exclusive=True)
    async def _make(self) -> None:
        before = self.editor.text
        self._making, self.editor.read_only = True, True
        self.editor.text = ""
        self.state.say("Asking for a summary… esc stops it.")

        try:
            # Where nothing is missing, another one is wanted: from all of it.
            self._summary = await self._work.make(self._take, on_piece=self._begin, anew=not self._wanted.is_due)
            self._show(self._summary)
            self.state.good("Read it; ctrl+s uses it as it stands then.")
        except TuiChatError as error:
            self.editor.text = before
            self.state.fail(error)
        finally:
            self._making = False
            self.editor.read_only = self._summary is None

    async def _begin(self, piece: int, pieces: int) -> None:
        """Another request goes out: its answer holds what the ones before said."""
        self.editor.text = ""
        of = f" Piece {piece} of {pieces}." if pieces > 1 else ""
        self.state.say(f"The summary is being written.{of} esc stops it.")

    async def _take(self, text: str) -> None:
        """Show what arrives."""
        self.editor.insert(clean(text), self.editor.document.end)
        self.editor.scroll_end(animate=False)

    async def action_use(self) -> None:
        """Keep it as it stands, and go on."""
        if self._making or self._summary is None:
            self.state.say("There is no summary yet: ctrl+r asks for one." if not self._making else "One moment…")
            return
        try:
            if self.editor.text != clean(self._summary.text):
                self._summary = await self._work.keep(self._summary, self.editor.text)
        except TuiChatError as error:
            self.state.fail(error)
            return
        self.dismiss(Answer.WITH)

    def action_without(self) -> None:
        """Send without it, this time."""
        self.dismiss(Answer.WITHOUT)

    def action_back(self) -> None:
        """Stop what is being made, else leave."""
        if self._making:
            self.workers.cancel_group(self, "make")
            self.state.say("Stopped; nothing was kept of it.")
            self._making = False
        else:
            self.dismiss(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a prompt that waits can go without."""
        return self._wanted.sending if action == "without" else True
