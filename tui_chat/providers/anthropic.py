"""Anthropic's Messages, as Anthropic and the servers compatible with it speak them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from math import floor
from typing import Any, ClassVar

from tui_chat.core.context import ContextPlan
from tui_chat.core.events import Delta
from tui_chat.core.models import Attachment, ToolCall, ToolResult
from tui_chat.core.ports import ModelCard
from tui_chat.core.sampling import on_the_wire
from tui_chat.providers.anthropic_stream import MessageStream
from tui_chat.providers.body import encoded
from tui_chat.providers.exchange import Sleep, exchange
from tui_chat.providers.http import Answer, Connection, Refused
from tui_chat.providers.models import cards, entries
from tui_chat.providers.refusals import not_this_dialect
from tui_chat.providers.turns import Piece, Turn, arguments_of, system_of, turns_of
from tui_chat.providers.wire import Wire

_ODD_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")


class AnthropicProvider:
    """One endpoint that speaks Anthropic's Messages.

    Only what the plan holds is sent, and the limit that the dialect demands: no sampling parameter that the
    user did not set (newer models refuse them), no wish for thinking.
    """

    dialect: ClassVar[str] = "anthropic"
    wire: ClassVar[Wire] = Wire(
        service="an Anthropic-compatible service",
        address="Anthropic's own is https://api.anthropic.com.",
        key_header="x-api-key",
        key_prefix="",
        # Not the newest: compatible servers and proxies know this one, and it refuses nothing that is sent here.
        headers={"anthropic-version": "2023-06-01"},
    )

    def __init__(self, connection: Connection, *, sleep: Sleep = asyncio.sleep) -> None:
        self._connection = connection
        self._sleep = sleep
        # The address may end in the version, as those of other services do, or before it, as Anthropic's own.
        self._version = "" if connection.address.path.endswith("/v1") else "v1/"

    def render(self, plan: ContextPlan, *, model: str) -> bytes:
        """The request's body. Messages of one side in a row are one, with a blank line between."""
        body: dict[str, object] = {"model": model, "max_tokens": self._most_tokens(plan, model)}
        if system := system_of(plan.payload):
            body["system"] = system
        body["messages"] = [_message(turn) for turn in turns_of(plan.payload)]
        body["stream"] = True
        body |= on_the_wire(plan.sampling, self.dialect)
        return encoded(body)

    def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        """Ask, again at most twice while nothing has come back, and yield what comes."""

        async def ask(plan: ContextPlan) -> Answer | Refused:
            # In a thread: the first rendering reads the table of models, and images take their time.
            body = await asyncio.to_thread(self.render, plan, model=model)
            return await self._connection.post(f"{self._version}messages", body, model=model)

        return exchange(ask, plan, MessageStream, sleep=self._sleep)

    async def models(self) -> Sequence[ModelCard]:
        """Those of ``GET /v1/models``, up to a thousand, with the context window where the server says it."""
        url = f"{self._connection.address.url}/{self._version}models?limit=1000"
        described = entries(await self._connection.get_json(url))
        if described is None:
            raise not_this_dialect(self._connection.speaker(url))
        return cards(described)

    async def close(self) -> None:
        await self._connection.close()

    # -- inside ---------------------------------------------------------------------------

    def _most_tokens(self, plan: ContextPlan, model: str) -> int:
        """The limit of the reply, in tokens: what the model can say, but at most a quarter of its window.

        Where the prompt leaves less than that, what it leaves: prompt and limit together beyond the
        window are refused. Never less than the plan keeps for the reply.
        """
        from tui_chat.core.catalogue import find  # here, because only this dialect needs the table for a request

        budget = plan.budget
        facts = find(model, endpoint_host=self._connection.address.host)
        most = budget.context_window // 4
        if facts is not None and facts.max_output is not None:
            most = min(most, facts.max_output)
        left = floor(budget.context_window - plan.totals.tokens * (1 + budget.margin))
        return max(1, min(most, max(left, budget.reserved_for_reply)))


def _message(turn: Turn) -> dict[str, object]:
    content: str | list[dict[str, Any]]
    match turn.pieces:
        case (str() as text,):
            content = text
        case pieces:
            content = [_block(piece) for piece in pieces]
    return {"role": "assistant" if turn.by_model else "user", "content": content}


def _block(piece: Piece) -> dict[str, Any]:
    match piece:
        case ToolCall():
            return {"type": "tool_use", "id": _id(piece.id), "name": piece.name, "input": arguments_of(piece)}
        case ToolResult():
            return {"type": "tool_result", "tool_use_id": _id(piece.id), "content": piece.text}
        case Attachment():
            source = {"type": "base64", "media_type": piece.mime, "data": piece.base64}
            return {"type": "image", "source": source}
        case str():
            return {"type": "text", "text": piece}


def _id(call: str) -> str:
    """A call's id as the service takes it: other services make them with dots and colons."""
    return _ODD_IN_IDS.sub("_", call) or "_"
