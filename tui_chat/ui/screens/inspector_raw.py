"""The inspector's view of a request's body: the bytes as text, broken only where a line is full."""

from __future__ import annotations

import asyncio
import re
import string
import time
from array import array
from bisect import bisect_right

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui_chat.core.clean import clean
from tui_chat.ui.markdown import crop, fold
from tui_chat.ui.screens.inspector_list import TURN
from tui_chat.ui.widgets.file_words import size_words

MOST_SHOWN = 1_000_000
"""Characters of a body that are shown: a few hundred thousand tokens."""

PIECE = 10_000
"""Characters that are broken into lines at once: some thousandths of a second in the slowest script."""

SLICE_SECONDS = 0.008
"""How long breaking lines keeps a key waiting."""

_PLAIN = Style()

_LONG_BASE64 = 2_000
_HEAD = 40
"""Characters of it that are shown."""

_BASE64_LETTERS = (string.ascii_letters + string.digits + "+/=").encode()
_DATA_URL = re.compile(rb"data:[a-z/+.-]{1,80};base64,")


def for_the_eye(raw: bytes) -> tuple[str, int]:
    """A body as text, at most ``MOST_SHOWN`` characters, and how many more there are.

    Of long base64 only the beginning is shown, with a note in place of the rest that says so. Nothing
    else is left out.
    """
    pieces: list[str] = []
    start = shown = 0
    while start < len(raw) and shown < MOST_SHOWN:
        probe = start + _LONG_BASE64
        opening = raw.rfind(b'"', start, probe) + 1 or start
        closing = raw.find(b'"', probe)
        end = len(raw) if closing < 0 else closing
        if _is_base64(inside := raw[opening:end]):
            size = size_words(len(inside) * 3 // 4)
            note = f"…base64, {size}, shortened here for the eye: y copies all of it…"
            piece = f"{raw[start:opening].decode(errors='replace')}{inside[:_HEAD].decode()}{note}"
        else:
            piece = raw[start:end].decode(errors="replace")
        pieces.append(piece)
        shown += len(piece)
        start = end
    text = "".join(pieces)
    return text[:MOST_SHOWN], len(raw[start:].decode(errors="replace")) + max(0, len(text) - MOST_SHOWN)


def _is_base64(text: bytes) -> bool:
    """Whether it is long, and nothing but base64 (or that in an address of its own)."""
    if len(text) <= _LONG_BASE64:
        return False
    beginning = _DATA_URL.match(text)
    rest = text[beginning.end() :] if beginning else text
    # The head first: most texts have a space in it, and the rest is megabytes.
    return not any(each.translate(None, _BASE64_LETTERS) for each in (rest[:_LONG_BASE64], rest))


class Folded:
    """A text as lines of so many cells, worked out piece by piece.

    Nothing is left out or added: ``"".join`` of the lines is the text so far. A line keeps its newline.
    """

    def __init__(self, text: str, width: int, *, piece: int = PIECE) -> None:
        self._text = text
        self._piece = piece
        # Narrower, a wide character would fit nowhere.
        self._width = max(2, width)
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def characters(self) -> int:
        """How much of the text is in lines."""
        return self._ends[-1]

    @property
    def done(self) -> bool:
        """Whether all of it is."""
        return self.characters == len(self._text)

    def line(self, number: int) -> str:
        """One line, as it stands in the text."""
        return self._text[self._ends[number] : self._ends[number + 1]]

    def start_of(self, number: int) -> int:
        """The first character of a line."""
        return self._ends[number]

    def line_with(self, character: int) -> int:
        """The line in which this character is."""
        return min(bisect_right(self._ends, character) - 1, max(0, len(self) - 1))

    def go_on(self) -> None:
        """Break one more piece."""
        start = self.characters
        piece = self._text[start : start + self._piece]
        newline = piece.find("\n")
        lines = fold([(piece if newline < 0 else piece[:newline], _PLAIN)], self._width)
        lengths = [length for line in lines for length in self._fitting(line.plain, line.width)]
        if newline >= 0:
            lengths[-1] += 1
        elif len(lengths) > 1 and start + len(piece) < len(self._text):
            # The last line may go on in the next piece.
            lengths.pop()
        for length in lengths:
            self._ends.append(self._ends[-1] + length)

    def _fitting(self, text: str, width: int) -> list[int]:
        """The length of a line; of its parts where Rich made it too wide (joiners that join nothing)."""
        if width <= self._width or len(text) == 1:
            return [len(text)]
        halves = text[: len(text) // 2], text[len(text) // 2 :]
        return [length for half in halves for length in self._fitting(half, cell_len(half))]


class RawRequest(ScrollView, can_focus=True):
    """A body to read. It is broken into lines behind the keys, as far as there is time between them."""

    BINDINGS = [
        *TURN,
        Binding("y", "screen.copy_raw", "Copy", id="inspector.copy", tooltip="Copy the whole body as it is sent"),
        Binding("j", "scroll_down", "Down", id="inspector.raw_down", tooltip="One line down", show=False),
        Binding("k", "scroll_up", "Up", id="inspector.raw_up", tooltip="One line up", show=False),
        Binding("space", "page_down", "Page down", id="inspector.raw_page", tooltip="One page down", show=False),
        Binding("g", "scroll_home", "Top", id="inspector.raw_top", tooltip="To the beginning", show=False),
        Binding("G", "scroll_end", "End", id="inspector.raw_end", tooltip="To the end", show=False),
    ]

    DEFAULT_CSS = """
    RawRequest { height: 1fr; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    """

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        shown, more = for_the_eye(raw)
        # JSON holds tabs only as \t; another body's are shown as spaces.
        self._text = clean(shown).replace("\t", "    ")
        self._note = f"… {more:,} more characters are not shown. y copies all." if more > 0 else ""
        self._width = 0
        self._folded = Folded(self._text, self._width)
        self._anchor: int | None = None

    @property
    def shown(self) -> str:
        """The text as far as it is broken into lines, put together again from them."""
        return "".join(self._folded.line(number) for number in range(len(self._folded)))

    def on_resize(self, event: Resize) -> None:
        """Break the lines anew; what stood at the top stands there again."""
        width = self.scrollable_content_region.width
        if width <= 0 or width == self._width:
            return
        if self._anchor is None and len(self._folded):
            self._anchor = self._folded.start_of(min(self.scroll_offset.y, len(self._folded) - 1))
        self._width = width
        self._folded = Folded(self._text, width)
        self._go_on()
        if not self._folded.done:
            self.run_worker(self._fold(self._folded), group="fold")

    async def _fold(self, folded: Folded) -> None:
        """Go on until all is in lines, or another width is wanted."""
        while folded is self._folded and not folded.done:
            await asyncio.sleep(0)
            self._go_on()

    def _go_on(self) -> None:
        """Break lines for as long as a key may wait."""
        folded, until = self._folded, time.perf_counter() + SLICE_SECONDS
        while not folded.done:
            folded.go_on()
            if time.perf_counter() > until:
                break
        self.virtual_size = Size(0, len(folded) + bool(self._note))
        if self._anchor is not None:
            line = folded.line_with(self._anchor)
            # It cannot come to the top before a screen full of lines is below it.
            if folded.done or line + self.size.height < len(folded):
                self.scroll_to(y=line, animate=False)
                self._anchor = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the body, or the note below it."""
        number, width = y + self.scroll_offset.y, self._width
        if number < len(self._folded):
            text = self._folded.line(number).rstrip("\n")
        else:
            is_note = self._folded.done and number == len(self._folded)
            text = crop(self._note, width) if is_note else ""
        return Strip([Segment(text, self.rich_style)]).adjust_cell_length(width, self.rich_style)

    def action_scroll_home(self) -> None:
        """To the beginning, at once."""
        self.scroll_home(animate=False)

    def action_scroll_end(self) -> None:
        """To the end, at once."""
        self.scroll_end(animate=False)
