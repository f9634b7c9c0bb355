"""A line of the screen as a value, and the ways to break styled text into lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
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
_WORD = re.compile(r"\S+\s*|\s+")


def wrap(runs: Sequence[Run], width: int) -> list[Line]:
    """Break at spaces (in a word only where it is wider than the line) and at newlines."""
    return [
        Line(_cut(paragraph, start, end), cell_len(text[start:end]), 0, glue)
        for paragraph, text in _paragraphs(runs)
        for start, end, glue in _places(text, max(1, width))
    ]


def fold(runs: Sequence[Run], width: int) -> list[Line]:
    """Break where the line is full, keeping every space: for code. ``runs`` hold no newline."""
    text = "".join([run[0] for run in runs])
    width = max(1, width)
    if _NARROW.fullmatch(text):
        if len(text) <= width:
            return [Line(tuple([Segment(*run) for run in runs]), len(text))]
        ends = [*range(width, len(text), width), len(text)]
    elif cell_len(text) <= width:
        return [Line(tuple([Segment(*run) for run in runs]), cell_len(text))]
    else:
        ends, end = [], 0
        for piece in chop_cells(text, width):
            end += len(piece)
            ends.append(end)
    return [
        Line(_cut(runs, start, end), cell_len(text[start:end]), 0, "" if start else "\n")
        for start, end in pairwise((0, *ends))
    ]


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


def _paragraphs(runs: Sequence[Run]) -> Iterator[tuple[Sequence[Run], str]]:
    text = "".join([run[0] for run in runs])
    if "\t" in text:
        runs = [(part.replace("\t", " " * TAB), style) for part, style in runs]
        text = text.replace("\t", " " * TAB)
    if "\n" not in text:
        yield runs, text
        return
    start = 0
    for paragraph in text.split("\n"):
        end = start + len(paragraph)
        yield [(s.text, s.style or Style.null()) for s in _cut(runs, start, end)], paragraph
        start = end + 1


def _places(text: str, width: int) -> Iterator[tuple[int, int, str]]:
    """Start and end of each line and what stood before it."""
    narrow = _NARROW.fullmatch(text) is not None
    if narrow and len(text) <= width:
        yield 0, len(text.rstrip(" ")), "\n"
    elif narrow:
        yield from _narrow_places(text, width)
    else:
        yield from _wide_places(text, width)


def _narrow_places(text: str, width: int) -> Iterator[tuple[int, int, str]]:
    start, total, glue = 0, len(text.rstrip(" ")), "\n"
    while total - start > width:
        space = text.rfind(" ", start, start + width + 1)
        if space > start and text[start:space].strip(" "):
            end = start + len(text[start:space].rstrip(" "))
            yield start, end, glue
            start, glue = space + 1, " "
            while text[start] == " ":
                start += 1
        else:
            yield start, start + width, glue
            start, glue = start + width, ""
    yield start, total, glue


def _wide_places(text: str, width: int) -> Iterator[tuple[int, int, str]]:
    start, cells, glue = 0, 0, "\n"
    for match in _WORD.finditer(text):
        word = match[0]
        bare = cell_len(word.rstrip())
        if cells + bare <= width:
            cells += cell_len(word)
            continue
        if bare <= width:
            yield start, start + len(text[start : match.start()].rstrip()), glue
            start, cells, glue = match.start(), cell_len(word), " "
            continue
        # Wider than a line (an address, or a script without spaces): fill up this line, then fold.
        at, bare_word = match.start(), word.rstrip()
        head = chop_cells(bare_word, width - cells)[0] if width - cells > 1 else ""
        pieces = [head, *chop_cells(bare_word[len(head) :], width)]
        for piece in pieces[:-1]:
            at += len(piece)
            end = start + len(text[start:at].rstrip())
            if end > start:
                yield start, end, glue
                glue = "" if end == at else " "
            start = at
        cells = cell_len(pieces[-1]) + len(word) - len(bare_word)
    yield start, start + len(text[start:].rstrip()), glue


def _cut(runs: Sequence[Run], start: int, end: int) -> tuple[Segment, ...]:
    """The characters from ``start`` to ``end`` as segments."""
    if len(runs) == 1:
        return (Segment(runs[0][0][start:end], runs[0][1]),) if end > start else ()
    out: list[Segment] = []
    position = 0
    for text, style in runs:
        after = position + len(text)
        if after > start and position < end and (part := text[max(0, start - position) : end - position]):
            out.append(Segment(part, style))
        position = after
        if position >= end:
            break
    return tuple(out)
