"""A payload for dialects that know two sides only, which must take turns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tui_chat.core.context import PayloadMessage
from tui_chat.core.models import Attachment, Role, ToolCall, ToolResult
from tui_chat.providers.refusals import parse_json

Piece = str | Attachment | ToolCall | ToolResult
"""An attachment is an image."""

BETWEEN = "\n\n"
"""What keeps two messages apart that go out as one: a blank line."""


@dataclass(frozen=True, slots=True)
class Turn:
    """All that one side says before the other does; the results of tools come from the user's side."""

    by_model: bool
    pieces: tuple[Piece, ...]


def system_of(payload: Sequence[PayloadMessage]) -> str:
    """The system prompt; empty where there is none."""
    texts = (message.content for message in payload if message.role is Role.SYSTEM)
    return BETWEEN.join(text for text in texts if text.strip())


def turns_of(payload: Sequence[PayloadMessage]) -> list[Turn]:
    """Everything but the system prompt. Messages of nothing but white space are left out: services refuse them.

    Images stand before their message's text, as Anthropic and Google advise.
    """
    turns: list[Turn] = []
    for message in payload:
        pieces = tuple(_pieces(message))
        if not pieces:
            continue
        by_model = message.role is Role.ASSISTANT
        if turns and turns[-1].by_model is by_model:
            pieces = _joined(turns.pop().pieces, pieces)
        turns.append(Turn(by_model, pieces))
    return turns


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """A call's arguments as the object that some dialects demand; what is none goes into it as the text it is."""
    if not call.arguments.strip():
        return {}
    try:
        value = parse_json(call.arguments)
        # Eight deeper than here, because the request around it nests too; no NaN, which is no JSON.
        json.dumps([[[[[[[[value]]]]]]]], allow_nan=False)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": call.arguments}


def _pieces(message: PayloadMessage) -> Iterator[Piece]:
    if message.role is Role.SYSTEM:
        return
    yield from message.images
    if message.content.strip() and not message.results:  # else the text only repeats them
        yield message.content
    yield from message.calls
    yield from message.results


def _joined(before: tuple[Piece, ...], after: tuple[Piece, ...]) -> tuple[Piece, ...]:
    last, first = before[-1], after[0]
    if isinstance(last, str) and isinstance(first, str):
        return (*before[:-1], f"{last}{BETWEEN}{first}", *after[1:])
    return (*before, *after)
