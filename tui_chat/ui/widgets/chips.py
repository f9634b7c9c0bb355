"""The files that go with the prompt, as chips above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from tui_chat.core.models import Attachment
from tui_chat.ui.widgets.file_words import file_words, is_sendable

MOST_LINES = 2
_WIDEST = 48
_WIDEST_SHORT = 28
"""Cells of one chip, and of one that says no size."""

_MOST = 20
"""More never have room."""

_BETWEEN = "  "
_CROSS = " ×"
_NOT_SENT = " · not sent"


class _Chip(NamedTuple):
    """One chip in its place; ``file`` None stands for those that have no room."""

    text: str
    line: int
    start: int
    sent: bool
    file: Attachment | None


class Chips(Widget):
    """One for each file, in at most two lines; what would not be sent says so. Hidden where there is none.

    A click on a cross posts ``RemoveWanted``, one elsewhere ``ListWanted``. ``fixed`` files have no
    cross: they stay what they are.
    """

    DEFAULT_CSS = """
    Chips {
        display: none;
        height: auto;
        padding: 0 1;
        color: $text-muted;
        &.-shown { display: block; }
    }
    """

    @dataclass
    class RemoveWanted(Message):
        """This file shall no longer go with the prompt."""

        file: Attachment = field(repr=False)

    class ListWanted(Message):
        """The files are to be seen in full."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._files: tuple[Attachment, ...] = ()
        self._fixed = False
        self._takes_images = True

    def show_files(self, files: Sequence[Attachment], *, fixed: bool, takes_images: bool) -> None:
        """Show these; without ``takes_images`` images are not sent."""
        new = (tuple(files), fixed, takes_images)
        if new != (self._files, self._fixed, self._takes_images):
            self._files, self._fixed, self._takes_images = new
            self.set_class(bool(files), "-shown")
            self.refresh(layout=True)

    def render(self) -> Content:
        """The chips, wrapped."""
        pieces: list[str | tuple[str, str]] = []
        line = column = 0
        for chip in self._placed():
            pieces += ["\n"] * (chip.line - line)
            column = column if chip.line == line else 0
            line = chip.line
            pieces.append(" " * (chip.start - column))
            pieces.append(chip.text if chip.sent else (chip.text, "$text-warning bold"))
            column = chip.start + cell_len(chip.text)
        return Content.assemble(*pieces)

    def on_click(self, event: events.Click) -> None:
        """A cross removes its file; anything else shows all of them."""
        event.stop()
        offset = event.get_content_offset(self)
        for chip in self._placed() if offset is not None else ():
            end = chip.start + cell_len(chip.text)
            on_cross = offset is not None and offset.y == chip.line and end - len(_CROSS) <= offset.x < end
            if on_cross and chip.file is not None and not self._fixed:
                self.post_message(self.RemoveWanted(chip.file))
                return
        self.post_message(self.ListWanted())

    def _placed(self) -> list[_Chip]:
        """All of them in full, else as many short ones as fit, and one that counts the rest."""
        if not self._files:
            return []  # drawn once more before it is hidden
        width = self.content_size.width or self.container_size.width - 2
        most = min(len(self._files), _MOST)
        for shown, short in ((most, False), *((number, True) for number in range(most, 0, -1))):
            placed = self._flow(shown, width, short=short)
            if placed[-1].line < MOST_LINES:
                return placed
        return self._flow(0, width, short=True)

    def _flow(self, shown: int, width: int, *, short: bool) -> list[_Chip]:
        """The first so many, and how many more there are, broken into lines of so many cells."""
        widest = min(_WIDEST_SHORT if short else _WIDEST, width)
        texts = [(self._text(each, widest, short=short), self._is_sent(each), each) for each in self._files[:shown]]
        rest = self._files[shown:]
        placed: list[_Chip] = []
        line = column = 0
        more: list[tuple[str, bool, Attachment | None]] = [*texts, *([self._more(rest, shown)] if rest else [])]
        for text, sent, file in more:
            start = column + len(_BETWEEN) if column else 0
            if column and start + cell_len(text) > width:
                line, start = line + 1, 0
            placed.append(_Chip(text, line, start, sent, file))
            column = start + cell_len(text)
        return placed

    def _text(self, file: Attachment, width: int, *, short: bool) -> str:
        more = "" if self._is_sent(file) else _NOT_SENT
        cross = "" if self._fixed else _CROSS
        return file_words(file, width - len(cross), more=more, short=short) + cross

    def _more(self, rest: Sequence[Attachment], shown: int) -> tuple[str, bool, Attachment | None]:
        unsent = sum(not self._is_sent(each) for each in rest)
        said = f"+{len(rest)} more" if shown else f"{len(rest)} files"
        return f"{said}, {unsent} not sent" if unsent else said, not unsent, None

    def _is_sent(self, file: Attachment) -> bool:
        return is_sendable(file, takes_images=self._takes_images)
