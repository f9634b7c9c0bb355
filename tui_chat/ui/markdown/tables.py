"""Tables that fit the width: the widest columns give way first."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.segment import Segment

from tui_chat.ui.markdown.inks import Inks
from tui_chat.ui.markdown.lines import BLANK, Line, Run, wrap

MAX_ROWS = 2_000
MAX_COLUMNS = 50
"""What is drawn of a table; a note says what is not."""

_SEPARATOR = " │ "
_RULE = "─┼─"


class Cell(NamedTuple):
    """A cell's text and where it stands: ``left``, ``right`` or ``center``."""

    runs: Sequence[Run]
    align: str

    @property
    def width(self) -> int:
        return max(map(cell_len, "".join([text for text, _ in self.runs]).split("\n")))


Row = Sequence[Cell]
Drawn = MutableMapping[tuple[int, tuple[int, ...]], list[Line]]
"""Rows that were drawn already, by their number and the columns' widths: a growing table draws new ones only."""


def table(
    rows: Sequence[Row], width: int, inks: Inks, *, hidden_rows: int = 0, drawn: Drawn | None = None
) -> list[Line]:
    """The rows, the first of them as the head. All have the same number of cells."""
    hidden_columns = max(0, len(rows[0]) - MAX_COLUMNS)
    rows = [row[:MAX_COLUMNS] for row in rows]
    widths = _widths(rows, width)
    drawn = {} if drawn is None else drawn
    lines = _row(rows[0], widths, inks)
    lines.append(_line(_RULE.join(["─" * column for column in widths]), inks))
    # The last row may still be growing.
    for number, row in enumerate(rows[1:-1]):
        key = (number, widths)
        if (known := drawn.get(key)) is None:
            known = drawn[key] = _row(row, widths, inks)
        lines += known
    if len(rows) > 1:
        lines += _row(rows[-1], widths, inks)
    if hidden_rows or hidden_columns:
        lines += wrap([(_note(hidden_rows, hidden_columns), inks.warning)], width)
    return lines


def _note(rows: int, columns: int) -> str:
    parts = [f"{count:,} more {name}" for count, name in ((rows, "rows"), (columns, "columns")) if count]
    return f"… {' and '.join(parts)} not shown; copying the message gives all."


def _line(text: str, inks: Inks) -> Line:
    return Line((Segment(text, inks.dim),), cell_len(text))


def _widths(rows: Sequence[Row], width: int) -> tuple[int, ...]:
    """Columns as wide as their widest cell, the widest shrunk until all fit; a column keeps one cell."""
    wanted = [max(1, *(cell.width for cell in column)) for column in zip(*rows, strict=True)]
    room = width - len(_SEPARATOR) * (len(wanted) - 1)
    if sum(wanted) <= room:
        return tuple(wanted)
    low, high = 1, max(wanted)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(column, middle) for column in wanted) <= room:
            low = middle
        else:
            high = middle - 1
    return tuple(min(column, low) for column in wanted)


def _row(row: Row, widths: Sequence[int], inks: Inks) -> list[Line]:
    cells = [wrap(cell.runs, width) for cell, width in zip(row, widths, strict=True)]
    separator = Segment(_SEPARATOR, inks.dim)
    lines = []
    for y in range(max(map(len, cells))):
        segments: list[Segment] = []
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            if column:
                segments.append(separator)
            line = cells[column][y] if y < len(cells[column]) else BLANK
            before, after = _padding(cell.align, width - line.width)
            segments += [Segment(" " * before, inks.text)] if before else []
            segments += line.segments
            segments += [Segment(" " * after, inks.text)] if after else []
        lines.append(Line(tuple(segments), sum(widths) + len(_SEPARATOR) * (len(widths) - 1)))
    return lines


def _padding(align: str, space: int) -> tuple[int, int]:
    space = max(0, space)
    match align:
        case "right":
            return space, 0
        case "center":
            return space // 2, space - space // 2
        case _:
            return 0, space
