"""Which line of the transcript belongs to which message: heights, measured or estimated, and their sums."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Sequence
from itertools import accumulate
from typing import NamedTuple

from tui_chat.core.models import MessageHeader

RULE_LINES = 2
"""The rule where the model's view begins, and a blank line."""


class Place(NamedTuple):
    """A line of a message: 0 is its header; the rule above a message is at -2 and -1."""

    row: int
    line: int


class Rows:
    """The messages on show, oldest first.

    A message that was never drawn has an estimated height, so that a conversation of any length
    opens at the cost of one screen. Nothing here is kept per line.
    """

    def __init__(self) -> None:
        self.headers: list[MessageHeader] = []
        self.heights: list[int] = []
        self.exact = bytearray()
        self.rule: int | None = None
        """The row above which the rule stands; the number of rows for below the last; None for nowhere."""
        self._index: dict[str, int] = {}
        self._tops: list[int] = [0]

    def __len__(self) -> int:
        return len(self.headers)

    # -- content

    def replace(self, headers: Sequence[MessageHeader], width: int, *, known: Container[str] = ()) -> None:
        """Other messages; the measured heights of those in ``known`` hold still."""
        heights = {
            header.id: height
            for header, height, exact in zip(self.headers, self.heights, self.exact, strict=True)
            if exact and header.id in known
        }
        self.headers = list(headers)
        self._index = {header.id: index for index, header in enumerate(self.headers)}
        self.rule = None
        self.forget_heights(width)
        for message_id in heights.keys() & self._index.keys():
            self.measure(self._index[message_id], heights[message_id])
        self.add_up()

    def insert(self, index: int, header: MessageHeader) -> None:
        """One more message, not yet measured."""
        self.headers.insert(index, header)
        self.heights.insert(index, 0)
        self.exact.insert(index, False)
        if self.rule is not None and self.rule > index:
            self.rule += 1
        for place in range(index, len(self.headers)):
            self._index[self.headers[place].id] = place
        self.add_up()

    def index(self, message_id: str) -> int | None:
        """The row of a message; None where it is not on show."""
        return self._index.get(message_id)

    # -- heights

    def forget_heights(self, width: int) -> None:
        """Estimate every height for lines of so many cells."""
        width = max(1, width)
        self.heights = [
            2
            + header.lines
            + header.characters // width
            + header.has_thinking
            + header.attachments
            + (header.error is not None)
            for header in self.headers
        ]
        self.exact = bytearray(len(self.headers))
        self.add_up()

    def measure(self, index: int, height: int) -> None:
        """The true height; ``add_up`` is due when all that is wanted is measured."""
        self.heights[index], self.exact[index] = height, True

    def grow(self, index: int, height: int) -> None:
        """The true height of one of the last rows, summed up at once."""
        more = height - self.heights[index]
        self.measure(index, height)
        if more:
            for place in range(index + 1, len(self._tops)):
                self._tops[place] += more

    def add_up(self) -> None:
        """Bring the sums up to date."""
        self._tops = [0, *accumulate(self.heights)]
        if self.rule is not None:
            for place in range(self.rule + 1, len(self._tops)):
                self._tops[place] += RULE_LINES

    @property
    def total(self) -> int:
        """Lines in all."""
        return self._tops[-1] + (RULE_LINES if self.rule == len(self.headers) else 0)

    # -- places

    def line_of(self, place: Place) -> int:
        """The line of the document."""
        return self._tops[place.row] + self._rule_lines(place.row) + place.line

    def place_of(self, line: int) -> Place:
        """What stands in a line of the document; lines outside are taken to its ends."""
        last = len(self.headers) - (self.rule != len(self.headers))
        row = max(0, min(bisect_right(self._tops, line) - 1, last))
        return Place(row, line - self._tops[row] - self._rule_lines(row))

    def bottom(self, row: int) -> int:
        """The line behind a message's last."""
        return self._tops[row + 1]

    def _rule_lines(self, row: int) -> int:
        return RULE_LINES if row == self.rule else 0
