"""Tool calls and their results: sent together or not at all, whatever an imported conversation is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from tui_chat.core.models import MessageHeader, Role

CANCELLED = "cancelled"
"""The result that stands in for one that never came."""

CANCELLED_TOKENS = 4
"""The most one such result costs: the word, and what marks whose it is."""


@dataclass(frozen=True, slots=True)
class ToolPairs:
    """What is wrong with a branch's tool calls, by places on it.

    ``orphans`` are results that no call before them in their exchange asked for: they are never sent.
    ``cancelled`` are the calls that got no result, by the place of the last message that is sent of
    their exchange: behind it the synthetic results stand.
    """

    orphans: frozenset[int] = frozenset()
    cancelled: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


_NONE = ToolPairs()


def tool_pairs(branch: Sequence[MessageHeader]) -> ToolPairs:
    """Match calls with results. A call is answered by the tool messages right behind it, in any order.

    What is never sent stands between nothing. Ids need only be unique within one exchange: some servers
    number the calls of every answer from 0. A message of several results is an orphan as a whole.
    """
    if not any(map(attrgetter("calls"), branch)) and Role.TOOL not in map(attrgetter("role"), branch):
        return _NONE
    orphans = set()
    cancelled: dict[int, tuple[str, ...]] = {}
    open_calls: Counter[str] = Counter()
    last = 0
    for place, header in enumerate(branch):
        if not header.is_sendable:
            continue
        if header.role is Role.TOOL:
            answers = Counter(header.answers)
            if not answers or any(open_calls[id] < count for id, count in answers.items()):
                orphans.add(place)
                continue
            open_calls.subtract(answers)
        elif open_calls or header.calls:
            _cancel(open_calls, last, cancelled)
            open_calls = Counter(header.calls if header.role is Role.ASSISTANT else ())
        last = place
    _cancel(open_calls, last, cancelled)
    return ToolPairs(frozenset(orphans), cancelled)


def _cancel(open_calls: Counter[str], place: int, cancelled: dict[int, tuple[str, ...]]) -> None:
    if calls := tuple(open_calls.elements()):
        cancelled[place] = calls
