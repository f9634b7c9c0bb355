"""The lines of a text that is still growing: only its open end is read again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from tui_chat.ui.markdown.blocks import LIMIT, Blocks, cut_note
from tui_chat.ui.markdown.fences import OpenFence
from tui_chat.ui.markdown.inks import Inks
from tui_chat.ui.markdown.lines import BLANK, Line
from tui_chat.ui.markdown.parse import parse
from tui_chat.ui.markdown.tables import Drawn

if TYPE_CHECKING:
    from markdown_it.token import Token

_LISTS = ("bullet_list_open", "ordered_list_open")


class Stream:
    """Markdown that arrives in pieces.

    ``lines`` are at every moment those of ``blocks.render`` of what has arrived, with two exceptions
    that end with the text: a link by reference whose definition comes later, and the colours of a
    long code block until it closes (``is_exact``).

    A block is settled once the first line of the next one is complete; of an open list, all items
    but the last; of an open code block, all but its last lines. What is settled is not read again.
    """

    def __init__(self, width: int, inks: Inks) -> None:
        self.source = ""
        self.lines: list[Line] = []
        self._width = width
        self._inks = inks
        self._settled = 0  # lines that stay
        self._tail = 0  # where in the source the open end begins
        self._gap = False  # whether a blank line stands before the open end
        self._number: int | None = None  # of the next item, where the open end continues an ordered list
        self._fence: OpenFence | None = None  # then the open end is its code
        self._references: dict[str, Any] = {}
        self._drawn: Drawn = {}

    @property
    def is_exact(self) -> bool:
        """Whether a rendering of the whole is sure to give the same lines, colours included."""
        return "]:" not in self.source and (self._fence is None or self._fence.is_exact)

    def feed(self, text: str) -> None:
        """Take more of the text, which must be clean."""
        self.source += text
        del self.lines[self._settled :]
        while self._settle_something():
            del self.lines[self._settled :]
        self.lines += cut_note(len(self.source), self._width, self._inks)

    def _settle_something(self) -> bool:
        """Settle what has become certain and say so; where there is nothing, draw the open end."""
        tail = self.source[self._tail : LIMIT]
        if self._fence is not None:
            return self._settle_fence(self._fence, tail)
        tokens = parse(tail, dict(self._references))
        tops = [k for k, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0 and token.map]
        if not tops:
            return False
        blocks = Blocks(tail, tokens, self._inks, drawn=self._drawn)
        certain = _last_certain(tokens, tops, tail)
        if certain:
            self._put(blocks.render(0, certain, self._width, number=self._number))
            self._settle(_start_of(tokens[certain], tail))
            return True
        if tokens[0].type in _LISTS and self._settle_items(tail, tokens, blocks):
            return True
        if (fence := OpenFence.opened_by(tokens[0], tail, self._width, self._inks)) is not None:
            self._put([])
            self._settle(fence.start)
            self._fence = fence
            return True
        self._put(blocks.render(0, len(tokens), self._width, number=self._number))
        return False

    def _settle_items(self, tail: str, tokens: Sequence[Token], blocks: Blocks) -> bool:
        """Settle all items of the open list but the last."""
        items = blocks.items(0)
        last = items.index(_last_certain(tokens, items, tail))
        number = blocks.first_number(0) if self._number is None else self._number
        for item, following in islice(pairwise(items), last):
            self._put(blocks.item(item, self._width, depth=0, number=number))
            self._gap = blocks.apart(following)
            number = None if number is None else number + 1
        if last:
            self._settle(_start_of(tokens[items[last]], tail), gap=self._gap, number=number)
        return last > 0

    def _settle_fence(self, fence: OpenFence, code: str) -> bool:
        end = fence.read(code)
        self.lines += fence.lines
        if end is None:
            return False
        self._fence = None
        self._settle(end)
        return True

    def _put(self, lines: Sequence[Line]) -> None:
        """Append a block, behind a blank line where one belongs."""
        if self.lines and self._gap:
            self.lines.append(BLANK)
        self.lines += lines

    def _settle(self, length: int, *, gap: bool = True, number: int | None = None) -> None:
        """All lines so far stay, and the open end begins so many characters later."""
        done = self.source[self._tail : self._tail + length]
        if "]:" in done:
            parse(done, self._references)
        self._tail += length
        self._settled = len(self.lines)
        self._gap, self._number = gap, number
        self._drawn = {}


def _last_certain(tokens: Sequence[Token], starts: Sequence[int], text: str) -> int:
    """The last of these blocks whose beginning no later text can change; the first one else.

    A block's kind shows in its first line, a table's in its second, once they are complete.
    """
    complete = text.count("\n")
    for index in reversed(starts):
        token = tokens[index]
        if token.map and token.map[0] + (2 if token.type == "table_open" else 1) <= complete:
            return index
    return starts[0]


def _start_of(token: Token, text: str) -> int:
    """Where in the text the block begins."""
    place = 0
    for _ in range(token.map[0] if token.map else 0):
        place = text.index("\n", place) + 1
    return place
