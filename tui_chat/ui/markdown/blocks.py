"""Block tokens as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style

from tui_chat.ui.markdown.fences import fence, language_of
from tui_chat.ui.markdown.inks import BOLD, UNDERLINE, Inks
from tui_chat.ui.markdown.inline import inline
from tui_chat.ui.markdown.lines import BLANK, Line, Run, prefixed, wrap
from tui_chat.ui.markdown.parse import closings, parse
from tui_chat.ui.markdown.tables import MAX_ROWS, Cell, Drawn, table

if TYPE_CHECKING:
    from markdown_it.token import Token

LIMIT = 2_000_000
"""Characters of a message that are shown; a note says how many are not."""

MAX_DEPTH = 12
"""Lists and quotes within each other that are drawn; deeper ones are an ellipsis."""

MIN_WIDTH = 8
"""Cells that text gets at least, however deep it stands."""

_BULLETS = "•◦▪‣"
_TASKS = {"[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ "}
_BOX = len("[ ] ")
_QUOTE = "▎ "


def render(text: str, width: int, inks: Inks) -> list[Line]:
    """A whole text. It must be clean already (``core.clean``)."""
    shown = text[:LIMIT]
    tokens = parse(shown)
    lines = Blocks(shown, tokens, inks).render(0, len(tokens), width)
    return lines + cut_note(len(text), width, inks)


def cut_note(characters: int, width: int, inks: Inks) -> list[Line]:
    """What stands below a text of that length: nothing, or how much of it is not shown."""
    if characters <= LIMIT:
        return []
    note = f"… {characters - LIMIT:,} more characters not shown; copying the message gives all."
    return [BLANK, *wrap([(note, inks.warning)], width)]


class Blocks:
    """The blocks of one parsed text.

    Whether list items stand apart is read from the blank lines of the source, item by item, where
    CommonMark asks the whole list: so what is drawn of an item does not change when more items come.
    """

    def __init__(self, source: str, tokens: Sequence[Token], inks: Inks, *, drawn: Drawn | None = None) -> None:
        self._source = source.split("\n")
        self._tokens = tokens
        self._closing = closings(tokens)
        self._inks = inks
        self._drawn = drawn

    def render(
        self, start: int, end: int, width: int, *, depth: int = 0, number: int | None = None, skip: int = 0
    ) -> list[Line]:
        """The blocks from token ``start`` up to ``end``, a blank line between them.

        Of the first block: ``number`` is its first item's number where it is an ordered list that
        began earlier, ``skip`` the characters of its text that are not shown.
        """
        width = max(width, MIN_WIDTH)
        lines: list[Line] = []
        index = start
        while index < end:
            if index == start:
                new = self._block(index, width, depth, number=number, skip=skip)
            else:
                new = self._block(index, width, depth)
            if new and lines and (depth == 0 or self.apart(index)):
                lines.append(BLANK)
            lines += new
            index = self._closing[index] + 1
        return lines

    def items(self, start: int) -> list[int]:
        """The items of the list that begins at token ``start``."""
        items, index = [], start + 1
        while index < self._closing[start]:
            items.append(index)
            index = self._closing[index] + 1
        return items

    def first_number(self, index: int) -> int | None:
        """The number of the list's first item; None where it has bullets."""
        token = self._tokens[index]
        return int(token.attrs.get("start", 1)) if token.type == "ordered_list_open" else None

    def item(self, index: int, width: int, *, depth: int, number: int | None) -> list[Line]:
        """One list item with its mark: a number, a box or a bullet."""
        inks = self._inks
        first, end = index + 1, self._closing[index]
        box = self._task(first, end)
        mark = f"{number}. {box}" if number is not None else box or f"{_BULLETS[depth % len(_BULLETS)]} "
        inside = max(width - len(mark), MIN_WIDTH)
        if depth >= MAX_DEPTH:
            body = [_ellipsis(inks)]
        else:
            body = self.render(first, end, inside, depth=depth + 1, skip=_BOX if box else 0)
        return prefixed(body or [BLANK], mark, " " * len(mark), inks.dim)

    def apart(self, index: int) -> bool:
        """Whether the source has a blank line before this block."""
        place = self._tokens[index].map
        return bool(place and place[0] and not self._source[place[0] - 1].strip(" \t>"))

    def _block(self, index: int, width: int, depth: int, *, number: int | None = None, skip: int = 0) -> list[Line]:
        token, inks = self._tokens[index], self._inks
        match token.type:
            case "paragraph_open":
                return wrap(_without(self._inline(index + 1, inks.text), skip), width)
            case "heading_open":
                return wrap(self._inline(index + 1, self._heading_style(token.tag)), width)
            case "fence":
                return fence(token.content, language_of(token.info), width, inks)
            case "code_block":
                return fence(token.content, "", width, inks)
            case "bullet_list_open" | "ordered_list_open":
                return self._list(index, width, depth, number)
            case "blockquote_open":
                return self._quote(index, width, depth)
            case "table_open":
                return self._table(index, width)
            case "hr":
                return [Line((Segment("─" * width, inks.dim),), width)]
            case _:
                return wrap([(token.content, inks.text)], width) if token.content else []

    def _inline(self, index: int, base: Style) -> list[Run]:
        return inline(self._tokens[index], self._inks, base)

    def _heading_style(self, tag: str) -> Style:
        match tag:
            case "h1":
                return self._inks.heading + UNDERLINE
            case "h2":
                return self._inks.heading
            case _:
                return self._inks.text + BOLD

    def _list(self, index: int, width: int, depth: int, number: int | None) -> list[Line]:
        number = self.first_number(index) if number is None else number
        lines: list[Line] = []
        for place, item in enumerate(self.items(index)):
            if lines and self.apart(item):
                lines.append(BLANK)
            lines += self.item(item, width, depth=depth, number=None if number is None else number + place)
        return lines

    def _task(self, first: int, end: int) -> str:
        """The box of an item that begins like a task."""
        if first + 1 >= end or self._tokens[first].type != "paragraph_open":
            return ""
        children = self._tokens[first + 1].children or []
        return _TASKS.get(children[0].content[:4], "") if children and children[0].type == "text" else ""

    def _quote(self, index: int, width: int, depth: int) -> list[Line]:
        if depth >= MAX_DEPTH:
            body = [_ellipsis(self._inks)]
        else:
            body = self.render(index + 1, self._closing[index], width - len(_QUOTE), depth=depth + 1)
        return prefixed(body or [BLANK], _QUOTE, _QUOTE, self._inks.dim)

    def _table(self, index: int, width: int) -> list[Line]:
        rows: list[list[Cell]] = []
        hidden = 0
        align = ""
        for token in self._tokens[index : self._closing[index]]:
            if token.type == "tr_open":
                hidden += len(rows) > MAX_ROWS
                if not hidden:
                    rows.append([])
            elif token.type in ("th_open", "td_open"):
                align = str(token.attrs.get("style", "")).removeprefix("text-align:")
            elif token.type == "inline" and not hidden:
                base = self._inks.text + BOLD if len(rows) == 1 else self._inks.text
                rows[-1].append(Cell(inline(token, self._inks, base), align))
        # What was drawn before is of the table that the text begins with.
        return table(rows, width, self._inks, hidden_rows=hidden, drawn=None if index else self._drawn)


def _without(runs: list[Run], skip: int) -> list[Run]:
    """The runs without so many characters of the first."""
    return [(runs[0][0][skip:], runs[0][1]), *runs[1:]] if skip else runs


def _ellipsis(inks: Inks) -> Line:
    return Line((Segment("…", inks.dim),), 1)
