"""Google's Gemini: ``generateContent``, streamed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from tui_chat.core.context import ContextPlan
from tui_chat.core.events import Delta
from tui_chat.core.models import Attachment, ToolCall, ToolResult, clean_surrogates
from tui_chat.core.ports import ModelCard
from tui_chat.core.sampling import on_the_wire
from tui_chat.providers.body import encoded
from tui_chat.providers.exchange import Sleep, exchange
from tui_chat.providers.gemini_stream import ContentStream
from tui_chat.providers.http import Answer, Connection, Refused
from tui_chat.providers.models import MOST_MODELS, cards
from tui_chat.providers.refusals import not_this_dialect
from tui_chat.providers.turns import Piece, arguments_of, system_of, turns_of
from tui_chat.providers.wire import Wire

_VERSION = re.compile(r"/v[0-9]\w*$")

_MOST_PAGES = 10

_KINDS = ("models/", "tunedModels/")
"""What a model's whole name begins with."""


class GeminiProvider:
    """One endpoint that speaks Gemini.

    Only what the plan holds is sent: no sampling parameter that the user did not set, no limit, no wish for
    thinking.
    """

    dialect: ClassVar[str] = "gemini"
    wire: ClassVar[Wire] = Wire(
        service="Gemini",
        address="Google's own is https://generativelanguage.googleapis.com.",
        key_header="x-goog-api-key",
        key_prefix="",
    )

    def __init__(self, connection: Connection, *, sleep: Sleep = asyncio.sleep) -> None:
        self._connection = connection
        self._sleep = sleep
        # An address may choose its version. Without one the beta, because only that knows the *-latest names.
        self._version = "" if _VERSION.search(connection.address.path) else "v1beta/"

    def render(self, plan: ContextPlan, *, model: str) -> bytes:
        """The request's body, which does not name the model. Messages of one side in a row are one content."""
        names = {call.id: call.name for message in plan.payload for call in message.calls}
        contents = [
            {"role": "model" if turn.by_model else "user", "parts": [_part(piece, names) for piece in turn.pieces]}
            for turn in turns_of(plan.payload)
        ]
        body: dict[str, object] = {"contents": contents}
        if system := system_of(plan.payload):
            body["systemInstruction"] = {"parts": [{"text": system}]}
        if config := on_the_wire(plan.sampling, self.dialect):
            body["generationConfig"] = config
        return encoded(body)

    def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        """Ask, again at most twice while nothing has come back, and yield what comes."""
        path = f"{self._version}{_resource(model)}:streamGenerateContent?alt=sse"

        async def ask(plan: ContextPlan) -> Answer | Refused:
            # In a thread: images take their time.
            body = await asyncio.to_thread(self.render, plan, model=model)
            return await self._connection.post(path, body, model=model)

        return exchange(ask, plan, ContentStream, sleep=self._sleep)

    async def models(self) -> Sequence[ModelCard]:
        """Those of ``GET /models`` that can chat, from all its pages, with their context windows."""
        described: list[Mapping[str, Any]] = []
        token = ""
        for _ in range(_MOST_PAGES):
            page = f"&pageToken={quote(token, safe='')}" if token else ""
            url = f"{self._connection.address.url}/{self._version}models?pageSize=1000{page}"
            value = await self._connection.get_json(url)
            if (listed := _listed(value)) is None:
                raise not_this_dialect(self._connection.speaker(url))
            described += _chatting(listed)
            next_token = value.get("nextPageToken")
            if not isinstance(next_token, str) or not next_token or len(described) >= MOST_MODELS:
                break
            token = clean_surrogates(next_token)
        return cards(tuple(described[:MOST_MODELS]))

    async def close(self) -> None:
        await self._connection.close()


def _resource(model: str) -> str:
    """The model's path; a name that says what kind of model it is keeps that."""
    kind, _, name = model.partition("/")
    if not model.startswith(_KINDS):
        kind, name = "models", model
    return f"{kind}/{quote(clean_surrogates(name), safe='')}"


def _part(piece: Piece, names: Mapping[str, str]) -> dict[str, Any]:
    match piece:
        case ToolCall():
            return {"functionCall": {"id": piece.id, "name": piece.name, "args": arguments_of(piece)}}
        case ToolResult():
            name = names.get(piece.id, piece.id)
            return {"functionResponse": {"id": piece.id, "name": name, "response": {"output": piece.text}}}
        case Attachment():
            return {"inlineData": {"mimeType": piece.mime, "data": piece.base64}}
        case str():
            return {"text": piece}


def _listed(value: Any) -> list[Any] | None:
    """The models of a page; None where it is no such page: llama.cpp lists some too, but by plain names."""
    if not isinstance(value, dict) or (value and not isinstance(value.get("models"), list)):
        return None
    models: list[Any] = value.get("models") or []
    names = [str(each.get("name") or "") for each in models if isinstance(each, dict)]
    return models if not any(names) or any(name.startswith(_KINDS) for name in names) else None


def _chatting(listed: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The models that answer a chat, described as other servers describe theirs."""
    return [
        {"id": each["name"].removeprefix("models/"), "context_length": each.get("inputTokenLimit")}
        for each in listed
        if isinstance(each, dict) and isinstance(each.get("name"), str) and _can_chat(each)
    ]


def _can_chat(model: Mapping[str, Any]) -> bool:
    methods = model.get("supportedGenerationMethods")
    return not isinstance(methods, list) or "generateContent" in methods
