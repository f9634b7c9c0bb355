"""Units: a user message and everything up to the next one, sent whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
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
    sendable = [bool(each.characters) or each.is_sendable for each in branch]
    for place in tools.orphans:
        sendable[place] = False
    heads = [index for index, header in enumerate(branch) if header.role is Role.USER and sendable[index]]
    first = next((index for index, can_be_sent in enumerate(sendable) if can_be_sent), len(branch))
    first_head = heads[0] if heads else len(branch)
    starts = heads if first == first_head else [first, *heads]
    standing_in = {place: cancelled_size(calls, request) for place, calls in tools.cancelled.items()}
    units = []
    for start, end in zip(starts, [*starts[1:], len(branch)], strict=False):
        messages = tokens = 0
        pinned = excluded = False
        for index in range(start, end):
            header = branch[index]
            pinned = pinned or header.pinned
            excluded = excluded or header.excluded
            if sendable[index]:
                messages += 1
                tokens += sizes[index]
                if standing_in:
                    tokens += standing_in.get(index, 0)
        has_head = start >= first_head
        units.append(Unit(start, end, messages, tokens, has_head, pinned and has_head and not excluded, excluded))
    return units
