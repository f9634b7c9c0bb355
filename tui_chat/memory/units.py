"""Units: a user message and everything up to the next one, sent whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tui_chat.core.models import MessageHeader, Role
from tui_chat.core.tokens import MESSAGE_TOKENS


class Unit(NamedTuple):
    """A stretch of the branch from index ``start``; only messages that can be sent are counted."""

    start: int
    messages: int
    tokens: int


def units_of(branch: Sequence[MessageHeader]) -> list[Unit]:
    """The branch in units, oldest first.

    What stands before the first user message is a unit without a head. A user message without a
    text is never sent, so it heads no unit: else a window could begin with the answer to it.
    """
    units: list[Unit] = []
    start = messages = tokens = 0
    for index, header in enumerate(branch):
        if not header.has_text:
            continue
        if header.role is Role.USER:
            if messages:
                units.append(Unit(start, messages, tokens))
            start, messages, tokens = index, 0, 0
        messages += 1
        tokens += header.tokens + MESSAGE_TOKENS
    if messages:
        units.append(Unit(start, messages, tokens))
    return units


def first_user_message(branch: Sequence[MessageHeader]) -> int:
    """The index of the first unit with a head; the branch's length where there is none."""
    heads = (index for index, header in enumerate(branch) if header.role is Role.USER and header.has_text)
    return next(heads, len(branch))
