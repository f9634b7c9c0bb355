"""A line of the screen as a value, and the ways to break styled text into lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style

Run = tuple[str, Style]
"""Text in one style."""


class Line(NamedTuple):
    """One line: its segments and their width in cells.

    ``lead`` characters at its beginning are drawn, not text (a bar, an indent): copying leaves them
    out. ``glue`` is what stood between the line above and this one: a newline, the space at which
    a paragraph was wrapped, nothing within a word; None where the line is no text at all.
    """

    segments: tuple[Segment, ...]
    width: int
    lead: int = 0
    glue: str | None = "\n"

    @property
    def plain(self) -> str:
        """What it shows."""
        return "".join([segment.text for segment in self.segments])

    def padded(self, width: int, style: Style) -> Line:
        """At least that wide."""
        if self.width >= width:
            return self
        return self._replace(segments=(*self.segments, Segment(" " * (width - self.width), style)), width=width)


BLANK = Line((), 0)

TAB = 4
"""Cells a tab is shown as, at most."""

# Characters of which each takes one cell; a text of other ones is measured word by word.
_NARROW = re.compile(r"[\x20-\x7e\xa0-\xac\xae-\u02ff\u0370-\u0482\u2010-\u2027\u2030-\u205e\u2500-\u25fc]*")
_Place = tuple[int, int, str]
"""Where a line begins and ends in the text, and what stood before it."""

_WORD = re.compile(r"\S+\s*|\s+")


def wrap(runs: Sequence[Run], width: int) -> list[Line]:
    """Break at spaces (in a word only where it is wider than the line) and at newlines."""
    text = "".join([run[0] for run in runs])
    if "\t" in text:
        runs = [(part.replace("\t", " " * TAB), style) for part, style in runs]
        text = text.replace("\t", " " * TAB)
    return _lines(runs, text, list(_places(text, max(1, width))))


def fold(runs: Sequence[Run], width: int) -> list[Line]:
    """Break where the line is full, keeping every space: for code. ``runs`` hold no newline."""
    text = "".join([run[0] for run in runs])
    width = max(1, width)
    if _NARROW.fullmatch(text):
        ends = [*range(width, len(text), width), len(text)]
    elif cell_len(text) <= width:
        ends = [len(text)]
    else:
        ends = list(accumulate(map(len, chop_cells(text, width))))
    return _lines(runs, text, [(start, end, "" if start else "\n") for start, end in pairwise((0, *ends))])


def crop(text: str, width: int) -> str:
    """The text in at most so many cells, with an ellipsis where it was cut."""
    if cell_len(text) <= width:
        return text
    return (chop_cells(text, width - 1)[0].rstrip() if width > 1 else "") + "…"


def prefixed(lines: Iterable[Line], first: str, rest: str, style: Style) -> list[Line]:
    """The lines behind a mark; ``rest`` stands before all but the first and is as wide."""
    out: list[Line] = []
    width = cell_len(first)
    head, other = Segment(first, style), Segment(rest, style)
    for line in lines:
        mark = other if out else head
        # What is drawn on every line (a bar) and what indents a wrapped line is no text; a bullet is.
        drawn = first == rest or line.lead > 0 or line.glue != "\n"
        lead = line.lead + len(mark.text) if drawn else 0
        out.append(Line((mark, *line.segments), line.width + width, lead, line.glue))
    return out


def _places(text: str, width: int) -> Iterator[_Place]:
    start = 0
    for paragraph in text.split("\n"):
        if _NARROW.fullmatch(paragraph):
            yield from _narrow_places(paragraph, width, start)
        else:
            yield from _wide_places(paragraph, width, start)
        start += len(paragraph) + 1


def _narrow_places(text: str, width: int, offset: int) -> Iterator[_Place]:
    start, total, glue = 0, len(text.rstrip(" ")), "\n"
    while total - start > width:
        space = text.rfind(" ", start, start + width + 1)
        if space > start and (end := start + len(text[start:space].rstrip(" "))) > start:
            yield offset + start, offset + end, glue
            start, glue = space + 1, " "
            while text[start] == " ":
                start += 1
        else:
            yield offset + start, offset + start + width, glue
            start, glue = start + width, ""
    yield offset + start, offset + total, glue


def _wide_places(text: str, width: int, offset: int) -> Iterator[_Place]:
    start, cells, glue = 0, 0, "\n"
    for match in _WORD.finditer(text):
        word = match[0]
        bare = word.rstrip()
        if cells + cell_len(bare) <= width:
            cells += cell_len(word)
            continue
        if cell_len(bare) <= width:
            yield offset + start, offset + start + len(text[start : match.start()].rstrip()), glue
            start, cells, glue = match.start(), cell_len(word), " "
            continue
        # Wider than a line (an address, or a script without spaces): fill up this line, then fold.
        head = chop_cells(bare, width - cells)[0] if width - cells > 1 else ""
        pieces = [head, *chop_cells(bare[len(head) :], width)]
        at = match.start()
        for piece in pieces[:-1]:
            at += len(piece)
            end = start + len(text[start:at].rstrip())
            if end > start:
                yield offset + start, offset + end, glue
                glue = "" if end == at else " "
            start = at
        cells = cell_len(pieces[-1]) + len(word) - len(bare)
    yield offset + start, offset + start + len(text[start:].rstrip()), glue


def _lines(runs: Sequence[Run], text: str, places: Sequence[_Place]) -> list[Line]:
    """The runs, whose text this is, cut at these places, which ascend: each run is looked at once."""
    if len(runs) == 1:
        style = runs[0][1]
        return [
            Line((Segment(text[start:end], style),) if end > start else (), cell_len(text[start:end]), 0, glue)
            for start, end, glue in places
        ]
    lines: list[Line] = []
    rest = iter(runs)
    position, after, part, style = 0, 0, "", Style.null()
    for start, end, glue in places:
        segments: list[Segment] = []
        while True:
            if after > start and position < end and (cut := part[max(0, start - position) : end - position]):
                segments.append(Segment(cut, style))
            if after >= end or (run := next(rest, None)) is None:
                break
            position, (part, style) = after, run
            after += len(part)
        lines.append(Line(tuple(segments), cell_len(text[start:end]), 0, glue))
    return lines
