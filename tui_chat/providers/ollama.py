"""Ollama's own protocol: the only one in which it can be told how large a window to use, and not to cut silently."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from tui_chat.core.context import ContextPlan, PayloadMessage
from tui_chat.core.errors import ContextTooLong, NotFoundAtServer, ProviderError, ServerFailed, Unauthorized
from tui_chat.core.events import Delta
from tui_chat.core.models import ToolCall
from tui_chat.core.ports import ModelCard
from tui_chat.core.sampling import on_the_wire
from tui_chat.core.settings import Endpoint
from tui_chat.providers.body import encoded
from tui_chat.providers.exchange import Sleep, exchange
from tui_chat.providers.http import LARGEST_BODY, Answer, Connection, Refused
from tui_chat.providers.ollama_models import Listed, Shown, cards, listed, loaded, shown
from tui_chat.providers.ollama_stream import OllamaStream
from tui_chat.providers.refusals import not_this_dialect, parse_json
from tui_chat.providers.turns import arguments_of
from tui_chat.providers.wire import Wire

MOST_SHOWN = 64
"""Models described one by one in one call; the others keep what was known of them."""

_CLOUD = "ollama.com"
"""Speaks as any server of theirs does, and need not say of a model that it runs there."""

SHOWN_AT_ONCE = 4
SHOW_SECONDS = 2.0
"""For all descriptions together: a prompt may be waiting for them."""

_PULLABLE = re.compile(r"\w[\w.:/-]{0,100}", re.ASCII)
"""Names that can stand in a command which a person may copy into a shell."""


class OllamaProvider:
    """One Ollama server.

    Every request says ``num_ctx``, which is the plan's context window, and forbids both ways of
    cutting: ``truncate`` drops old messages before, ``shift`` while answering. Versions before
    October 2025 do not know these two and cut all the same; their own count of the prompt tells.
    The three stay the same from request to request, because a change loads the model anew.
    Nothing is said about thinking: models that can think then do.
    """

    dialect: ClassVar[str] = "ollama"
    wire: ClassVar[Wire] = Wire(
        service="Ollama", address="Ollama's ends with its port, such as http://127.0.0.1:11434."
    )

    def __init__(self, connection: Connection, *, sleep: Sleep = asyncio.sleep) -> None:
        self._connection = connection
        self._sleep = sleep
        self._shown: dict[Listed, Shown] = {}

    def render(self, plan: ContextPlan, *, model: str) -> bytes:
        """The request's body."""
        body = {
            "model": model,
            "messages": list(_messages(plan.payload)),
            "stream": True,
            "truncate": False,
            "shift": False,
            "options": {"num_ctx": plan.budget.context_window, **on_the_wire(plan.sampling, self.dialect)},
        }
        return encoded(body)

    def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        """Ask, again at most twice while nothing has come back, and yield what comes."""
        return exchange(lambda plan: self._ask(plan, model), plan, OllamaStream, sleep=self._sleep)

    async def models(self) -> Sequence[ModelCard]:
        """Those of ``GET /api/tags`` that can chat, each with the window to ask for where there was time to learn it.

        At most ``MOST_SHOWN`` + 2 requests and, behind the first, ``SHOW_SECONDS``.
        """
        url = f"{self._connection.address.url}/api/tags"
        models = listed(await self._connection.get_json(url))
        if models is None:
            raise not_this_dialect(self._connection.speaker(url))
        if self._connection.address.host == _CLOUD:
            models = tuple(replace(each, runs_at=each.runs_at or _CLOUD) for each in models)
        in_memory = await self._look(models)
        return cards(
            (model, self._shown.get(model), in_memory.get(model.name)) for model in models if self._chats(model)
        )

    async def close(self) -> None:
        await self._connection.close()

    # -- asking ---------------------------------------------------------------------------

    async def _ask(self, plan: ContextPlan, model: str) -> Answer | Refused:
        # In a thread: images take their time.
        body = await asyncio.to_thread(self.render, plan, model=model)
        outcome = await self._connection.post("api/chat", body, model=model)
        return self._explained(outcome, model) if isinstance(outcome, Refused) else outcome

    def _explained(self, refused: Refused, model: str) -> Refused:
        """With Ollama's own way out, where there is one."""
        error, about = refused.error, refused.about.lower()
        if isinstance(error, ContextTooLong):  # its window is what was asked for
            hint = "Send fewer earlier messages, or give this endpoint a larger context window (f2)."
            too_long = ContextTooLong(str(error), hint=hint, limit=error.limit, needed=error.needed)
            return replace(refused, error=too_long)
        if refused.status == 404 and "model" in about:
            pull = f"ollama pull {model}" if _PULLABLE.fullmatch(model) else "ollama pull"
            hint = f"Fetch it with {pull}, or choose another (ctrl+o)."
            return replace(refused, error=NotFoundAtServer(str(error), hint=hint))
        if isinstance(error, Unauthorized) and self._connection.speaker("").key is None:
            hint = "A model in Ollama's cloud needs ollama signin on the server's computer, or a key (f2)."
            return replace(refused, error=Unauthorized(str(error), hint=hint))
        if "system memory" in about:
            hint = "Choose a smaller model (ctrl+o), or give this endpoint a smaller context window (f2)."
            return replace(refused, error=ServerFailed(str(error), hint=hint), again=False)
        return refused

    # -- models ---------------------------------------------------------------------------

    def _chats(self, model: Listed) -> bool:
        return model.can_chat and (model not in self._shown or self._shown[model].can_chat)

    async def _look(self, models: Sequence[Listed]) -> Mapping[str, int]:
        """Have the models described that are new, as far as time allows; with how many tokens the loaded ones run."""
        self._shown = {each: self._shown[each] for each in models if each in self._shown}
        new = [each for each in models if each.can_chat and each not in self._shown][:MOST_SHOWN]
        gate = asyncio.Semaphore(SHOWN_AT_ONCE)
        in_memory: dict[str, int] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(SHOW_SECONDS), asyncio.TaskGroup() as group:
                group.create_task(self._look_loaded(in_memory))
                for each in new:
                    group.create_task(self._show(each, gate))
        return in_memory

    async def _look_loaded(self, into: dict[str, int]) -> None:
        with suppress(ProviderError):  # before July 2025 it does not say
            into.update(loaded(await self._connection.get_json(f"{self._connection.address.url}/api/ps")))

    async def _show(self, model: Listed, gate: asyncio.Semaphore) -> None:
        body = json.dumps({"model": model.name}).encode()
        async with gate:
            outcome = await self._connection.post("api/show", body, model=model.name)
            if isinstance(outcome, Answer):
                with suppress(ProviderError, ValueError):
                    self._shown[model] = shown(parse_json(await _whole(outcome)))


def at_root(endpoint: Endpoint) -> Endpoint:
    """The endpoint without the ``/v1`` that belongs to the compatible dialect's address."""
    return replace(endpoint, base_url=endpoint.base_url.strip().rstrip("/").removesuffix("/v1"))


async def _whole(answer: Answer) -> bytes:
    """A whole body, and then its connection is free. Raises NotThisDialect beyond ``LARGEST_BODY``."""
    body = bytearray()
    try:
        while piece := await answer.next():
            body += piece
            if len(body) > LARGEST_BODY:
                raise not_this_dialect(answer.speaker)
    finally:
        await answer.close()
    return bytes(body)


def _messages(payload: Sequence[PayloadMessage]) -> Iterator[Mapping[str, object]]:
    """Each message as it goes out; a result names the tool whose call it answers."""
    names = {call.id: call.name for message in payload for call in message.calls}
    for message in payload:
        said = {"role": message.role.value, "content": message.content}
        if message.calls:
            yield {**said, "tool_calls": [_call(call) for call in message.calls]}
        for result in message.results:
            yield {**said, "content": result.text, "tool_name": names.get(result.id, ""), "tool_call_id": result.id}
        if message.images:
            yield {**said, "images": [image.base64 for image in message.images]}
        elif not message.calls and not message.results:
            yield said


def _call(call: ToolCall) -> Mapping[str, object]:
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments_of(call)}}
