"""What a provider yields, and what happens in a turn, in order.

A turn emits ``PromptSaved`` (not for regenerate), ``ReplyStarted``, ``PlanReady``, any number of
deltas, and exactly one ``TurnEnded`` for every ``ReplyStarted``. ``PlanReady`` comes again, before the
first delta of text, where the model refused a sampling parameter.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import Message, Usage

# -- from a provider ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """A piece of the model's thinking; never part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class UsageReported:
    """The server's own count; the last one of a stream holds."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """The server was busy before its first byte: the request is tried again after so many seconds.

    Setting ``now`` cuts the wait short; a cancel ends it and the turn.
    """

    seconds: float
    reason: str
    now: asyncio.Event = field(default_factory=asyncio.Event, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ParameterDropped:
    """The server refused this sampling parameter, by the name in ``Sampling``: it is asked again without, at once."""

    name: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The server's proper end: ``stop``, ``length``, ``content_filter``, ``tool_calls`` or a word of its own."""

    reason: str


Delta = TextDelta | ThinkingDelta | UsageReported | RetryScheduled | ParameterDropped | Finished

# -- in a turn --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PromptSaved:
    """The prompt is in the history; ``queued`` where it waits for a reply that is running."""

    prompt: Message
    queued: bool = False


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """An empty reply stands in the history; planning and asking follow."""

    reply: Message


@dataclass(frozen=True, slots=True)
class PlanReady:
    """What is about to be sent, to the byte."""

    plan: ContextPlan


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The reply as it was saved; ``error`` where it failed (or where saving did)."""

    reply: Message
    error: TuiChatError | None = None


TurnEvent = PromptSaved | ReplyStarted | PlanReady | TextDelta | ThinkingDelta | RetryScheduled | TurnEnded
