"""Units: a user message and everything up to the next one, sent whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import accumulate, compress, repeat
from operator import and_, attrgetter, is_, mul, sub
from typing import NamedTuple

from tui_chat.core.models import MessageHeader, Role
from tui_chat.core.tokens import MESSAGE_TOKENS
from tui_chat.memory.request import Request
from tui_chat.memory.tools import CANCELLED_TOKENS, ToolPairs


class Unit(NamedTuple):
    """A stretch of the branch from index ``start`` to before ``end``; only messages that can be sent are counted.

    A mark on one of its messages holds for the whole unit, and never beats always. Without a head - it
    stands before the first user message - a unit cannot be pinned: no request may begin with an answer.
    """

    start: int
    end: int
    messages: int
    tokens: int
    has_head: bool
    pinned: bool
    excluded: bool


_unit = partial(tuple.__new__, Unit)


def sizes_of(branch: Sequence[MessageHeader], request: Request) -> list[int]:
    """What each message of the branch costs, in tokens; images as they are: what was learned of texts says nothing."""
    if request.factor == 1:
        sizes = [header.tokens + MESSAGE_TOKENS for header in branch]
    else:
        # Chats are of few lengths: each is corrected once.
        corrected = {tokens: request.corrected(tokens + MESSAGE_TOKENS) for tokens in {each.tokens for each in branch}}
        sizes = [corrected[header.tokens] for header in branch]
    if any(map(attrgetter("images"), branch)):
        return [size + header.image_tokens for size, header in zip(sizes, branch, strict=True)]
    return sizes


def cancelled_size(calls: Sequence[str], request: Request) -> int:
    """What the synthetic results of these calls cost."""
    return request.corrected(MESSAGE_TOKENS + CANCELLED_TOKENS * len(calls))


def units_of(branch: Sequence[MessageHeader], sizes: Sequence[int], request: Request, tools: ToolPairs) -> list[Unit]:
    """The branch in units, oldest first, each from its first message that can be sent.

    What stands before the first user message is a unit without a head. A user message without a
    text (nor a file that is sent) is never sent, so it heads no unit: else a window could begin with the answer to it.
    """
    # At every key, over ten thousand messages: by maps and sums, without a step of Python for each.
    sendable = list(map(bool, map(attrgetter("characters"), branch)))
    if not all(sendable):
        sendable = [has_text or each.is_sendable for has_text, each in zip(sendable, branch, strict=True)]
    for place in tools.orphans:
        sendable[place] = False
    if True not in sendable:
        return []
    first = sendable.index(True)
    is_user = map(is_, map(attrgetter("role"), branch), repeat(Role.USER))
    heads = list(compress(range(len(branch)), map(and_, is_user, sendable)))
    starts = heads if heads and first == heads[0] else [first, *heads]
    within = _Within(starts, [*starts[1:], len(branch)])
    costs = list(map(mul, sizes, sendable))
    for place, calls in tools.cancelled.items():
        costs[place] += cancelled_size(calls, request)
    has_head = [starts is heads, *repeat(True, len(starts) - 1)]
    excluded, pinned = (
        within.any_of(map(attrgetter("excluded"), branch)),
        within.any_of(map(attrgetter("pinned"), branch)),
    )
    if True in pinned:
        pinned = [pin and head and not never for pin, head, never in zip(pinned, has_head, excluded, strict=True)]
    rows = zip(starts, within.ends, within.sums(sendable), within.sums(costs), has_head, pinned, excluded, strict=True)
    return list(map(_unit, rows))


class _Within(NamedTuple):
    """Stretches, one behind the other."""

    starts: Sequence[int]
    ends: Sequence[int]

    def sums(self, values: Iterable[int]) -> list[int]:
        """Of the values in each of them."""
        before = list(accumulate(values, initial=0))
        return list(map(sub, map(before.__getitem__, self.ends), map(before.__getitem__, self.starts)))

    def any_of(self, values: Iterable[bool]) -> list[bool]:
        """Whether one of the values in each of them is."""
        given = list(values)
        return list(map(bool, self.sums(given))) if True in given else [False] * len(self.starts)
