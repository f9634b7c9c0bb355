"""The branch that is held: what of it must be given, indexed in slices by a worker, and what is found in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from tui_chat.core.clock import Millis, to_rfc3339
from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import clean_surrogates
from tui_chat.core.ports import Passage
from tui_chat.core.recall import Hit, twin_of
from tui_chat.core.search_text import indexed, match
from tui_chat.recall.table import MOST_ROWS, Row, Table

SITTING: Millis = 6 * 3_600_000
"""After a longer silence another sitting begins."""

MOST_TERMS = 64
"""Of more terms the rarest are looked for: a pasted log has thousands, and they say what it is about."""

MOST_COUNTED = 200
"""A term in so many messages is common; by how much matters no more."""

MOST_SMOOTHED = 1_000
"""The best are smoothed with each other; what comes after them would add next to nothing."""

SLICE_CHARACTERS = 200_000
"""About 20 ms of a worker, in which a cancel waits for it."""

_Result = TypeVar("_Result")


class _Held(NamedTuple):
    """A message that is indexed: what is told when it is found, and what was its next when it was."""

    hit: Hit
    next: str | None
    sitting: int


class BranchIndex:
    """Implements ``core.ports.Recall``, whose docstrings are the promise.

    A message is indexed with its neighbours, so one whose next has changed is indexed again.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "recall")
        self._order = asyncio.Lock()
        self._table: Table | None = None
        self._held: list[_Held] = []
        self._closed = False

    @property
    def size(self) -> int:
        """See the port."""
        return len(self._held)

    def missing(self, ids: Sequence[str]) -> Sequence[str]:
        """See the port; the first may be one that is only a neighbour."""
        kept = self._kept(ids)
        return () if kept == len(ids) == len(self._held) else ids[max(0, kept - 1) :]

    async def hold(self, ids: Sequence[str], passages: Sequence[Passage]) -> None:
        """See the port. Raises ValueError where the passages are not those that were missing."""
        async with self._order:
            given = len(ids) - len(passages)
            kept = self._kept(ids)
            if [each.id for each in passages] != list(ids[given:]) or given > len(ids) - len(self.missing(ids)):
                raise ValueError("these are not the messages that were missing")
            if kept < len(self._held):
                await self._run(lambda: self._cut(kept))
            for start, end in _slices(passages, kept - given):
                await self._run(lambda: self._add(passages, start, end))  # noqa: B023 - run before the next

    async def rank(self, terms: Sequence[str], *, limit: int = 200) -> Sequence[Hit]:
        """See the port."""
        async with self._order:
            return await self._run(lambda: self._rank(terms, limit))

    async def close(self) -> None:
        """See the port. What is asked afterwards is refused with TuiChatError."""
        async with self._order:
            if not self._closed:
                await self._run(self._forget)
                self._closed = True
                self._thread.shutdown(wait=False)

    # -- in the worker ------------------------------------------------------------------

    async def _run(self, work: Callable[[], _Result]) -> _Result:
        if self._closed:
            raise TuiChatError("The index of this conversation is closed.")
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # Till the slice is done nobody may look at what is held. Nor does anybody look at its failure.
            await asyncio.wait({future})
            future.exception()
            raise

    def _cut(self, start: int) -> None:
        if start == 0:
            # Another branch altogether: nothing of the old one is left, not even to be merged away.
            self._forget()
            return
        del self._held[start:]
        self._the_table().cut(start)

    def _add(self, passages: Sequence[Passage], start: int, end: int) -> None:
        """Index those passages, the others are their neighbours."""
        first = max(0, start - 1)
        forms = [_form(each.text) for each in passages[first : end + 1]]
        rows: list[Row] = []
        held: list[_Held] = []
        before = self._held[-1] if self._held else None
        for place in range(start, end):
            passage, at = passages[place], place - first
            near = "\n".join((*forms[max(0, at - 1) : at], *forms[at + 1 : at + 2]))
            rows.append((len(self._held) + len(rows), forms[at], near, day_of(passage.created_at)))
            following = passages[place + 1].id if place + 1 < len(passages) else None
            before = _Held(_hit(passage), following, _sitting(before, passage))
            held.append(before)
        self._the_table().add(rows)
        self._held += held

    def _rank(self, terms: Sequence[str], limit: int) -> Sequence[Hit]:
        if self._table is None or limit < 1:
            return ()
        times = _expressions(terms)
        wanted = list(times) if len(times) <= MOST_TERMS else self._rarest(times)
        if not wanted:
            return ()
        expression = " OR ".join(each for each in wanted for _ in range(times[each]))
        scores = smoothed(self._table.best(expression, MOST_SMOOTHED), lambda place: self._held[place].sitting)
        best = sorted(scores.items(), key=lambda each: (-each[1], -each[0]))[:limit]
        return [self._held[place].hit._replace(score=score) for place, score in best]

    def _rarest(self, times: Mapping[str, int]) -> list[str]:
        """Those of them that occur: first what is asked for more than once, then what is in the fewest messages."""
        counts = zip(times, self._the_table().counts(list(times), MOST_COUNTED), strict=True)
        found = [(-times[each], count, each) for each, count in counts if count]
        return [each for _, _, each in sorted(found, key=lambda of: of[:2])[:MOST_TERMS]]

    def _the_table(self) -> Table:
        if self._table is None:
            self._table = Table()
        return self._table

    def _forget(self) -> None:
        self._held = []
        if self._table is not None:
            self._table.close()
            self._table = None

    # -- inside -------------------------------------------------------------------------

    def _kept(self, ids: Sequence[str]) -> int:
        """How many messages of the branch are indexed where they stand, with the neighbours they have."""
        followings = [*ids[1:], None]
        for place, (held, id, following) in enumerate(zip(self._held, ids, followings, strict=False)):
            if held.hit.id != id or held.next != following:
                return place
        return min(len(self._held), len(ids))


def smoothed(scores: Mapping[int, float], sitting_of: Callable[[int], int]) -> dict[int, float]:
    """Each score with a fifth of its neighbours' and a tenth of theirs, as far as they are of its sitting.

    What a message is about is said around it: measured, this finds 1 to 2 points more.
    """
    after = {}
    for place, score in scores.items():
        sitting = sitting_of(place)
        for distance, share in ((1, 0.2), (2, 0.1)):
            around = 0.0
            for other in (place - distance, place + distance):
                if other in scores and sitting_of(other) == sitting:
                    around += scores[other]
            score += share * around
        after[place] = score
    return after


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def day_of(instant: Millis) -> str:
    """``8 May 2023``, in UTC: so that a question with a month in it finds the month."""
    year, month, day = to_rfc3339(instant)[:10].split("-")
    return f"{int(day)} {_MONTHS[int(month) - 1]} {int(year)}"


def _hit(passage: Passage) -> Hit:
    of_text = twin_of(passage.text)
    return Hit(passage.id, 0.0, passage.role, passage.created_at, passage.tokens, passage.lines, of_text)


def _sitting(before: _Held | None, passage: Passage) -> int:
    if before is None:
        return 0
    return before.sitting + (passage.created_at - before.hit.created_at > SITTING)


def _slices(passages: Sequence[Passage], start: int) -> Iterator[tuple[int, int]]:
    """Where slices of about the same work begin and end; one huge message is one by itself."""
    size = 0
    for place in range(start, len(passages)):
        size += len(passages[place].text)
        if size >= SLICE_CHARACTERS or place - start + 1 >= MOST_ROWS:
            yield start, place + 1
            start, size = place + 1, 0
    if start < len(passages):
        yield start, len(passages)


_PIECE = 50_000


def _form(text: str) -> str:
    """The indexed form; of a huge text in pieces, between which other threads get the interpreter's lock."""
    text = clean_surrogates(text)
    return "".join(indexed(text[place : place + _PIECE]) for place in range(0, len(text), _PIECE))


_MOST_LETTERS = 200


def _expressions(terms: Sequence[str]) -> Counter[str]:
    """Each word as a quoted phrase, in which nothing is syntax, with how often it is asked for; no endless words."""
    words = (clean_surrogates(word) for term in terms for word in term.split())
    phrases = (match(word) for word in words if len(word) <= _MOST_LETTERS)
    return Counter(phrase for phrase in phrases if phrase)
