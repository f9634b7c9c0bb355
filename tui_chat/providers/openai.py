"""OpenAI's Chat Completions, as OpenAI and the many servers compatible with it speak them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from tui_chat.core.context import ContextPlan, PayloadMessage
from tui_chat.core.errors import ProviderError
from tui_chat.core.events import Delta
from tui_chat.core.models import Role, ToolCall
from tui_chat.core.ports import ModelCard
from tui_chat.core.sampling import on_the_wire
from tui_chat.providers.body import encoded
from tui_chat.providers.exchange import Sleep as Sleep
from tui_chat.providers.exchange import exchange
from tui_chat.providers.http import Answer, Connection, Refused
from tui_chat.providers.models import LM_STUDIO, cards, entries, lm_studio_sees, lm_studio_windows
from tui_chat.providers.openai_stream import ChatStream
from tui_chat.providers.refusals import not_this_dialect
from tui_chat.providers.turns import BETWEEN, arguments_of

_TAKE_TURNS = re.compile(
    # The second is how Mistral's chat templates begin the same sentence, of which only the beginning is kept.
    r"\balternat|optional system message|\bsuccessive (?:user|assistant)|\binterleave",
    re.IGNORECASE,
)
"""A chat template's, or a service's, demand that user and assistant take turns, in the words of those known."""

_WANTS_THINKING = re.compile(
    r"\bmissing\W+reasoning_content\b|\breasoning_content\b.*\bmust be passed back", re.IGNORECASE
)
"""DeepSeek's demand, where it is thinking and the conversation holds calls of tools."""


class OpenAIProvider:
    """One OpenAI-compatible endpoint.

    Only what the plan holds is sent: no sampling parameter that the user did not set, no limit.
    """

    dialect: ClassVar[str] = "openai"

    def __init__(self, connection: Connection, *, sleep: Sleep = asyncio.sleep) -> None:
        self._connection = connection
        self._sleep = sleep
        self._asks_usage = True
        self._takes_turns = False
        self._wants_thinking = False

    def render(self, plan: ContextPlan, *, model: str) -> bytes:
        """The request's body.

        Without ``stream_options`` once this server refused them. Once it demanded that user and
        assistant take turns, neighbours of one role are one message, with a blank line between. Once it
        demanded the field of thinking, each answer has one, though an empty one: tui_chat has no tools, so
        the calls it sends, for which alone that is demanded, were made elsewhere or by another model.
        """
        payload = _in_turns(plan.payload) if self._takes_turns else plan.payload
        messages = [said for message in payload for said in _messages(message)]
        if self._wants_thinking:
            answered = Role.ASSISTANT.value
            messages = [{**said, "reasoning_content": ""} if said["role"] == answered else said for said in messages]
        body: dict[str, object] = {"model": model, "messages": messages, "stream": True}
        if self._asks_usage:
            body["stream_options"] = {"include_usage": True}
        body |= on_the_wire(plan.sampling, self.dialect)
        return encoded(body)

    def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        """Ask, again at most twice while nothing has come back, and yield what comes."""
        return exchange(lambda plan: self._ask(plan, model), plan, ChatStream, sleep=self._sleep)

    async def models(self) -> Sequence[ModelCard]:
        """Those of ``GET {base}/models``, with the context window where the server says it."""
        url = f"{self._connection.address.url}/models"
        described = entries(await self._connection.get_json(url))
        if described is None:
            raise not_this_dialect(self._connection.speaker(url))
        found = cards(described)
        if found and all(entry.get("owned_by") == LM_STUDIO for entry in described):
            return cards(described, *await self._lm_studio())
        return found

    async def close(self) -> None:
        await self._connection.close()

    # -- inside ---------------------------------------------------------------------------

    async def _ask(self, plan: ContextPlan, model: str) -> Answer | Refused:
        """One try; where the server only refuses the form, it is asked again in another, now and from now on."""
        while True:
            # In a thread: images take their time.
            body = await asyncio.to_thread(self.render, plan, model=model)
            outcome = await self._connection.post("chat/completions", body, model=model)
            if isinstance(outcome, Answer) or not self._learns_from(outcome):
                return outcome
            if await asyncio.to_thread(self.render, plan, model=model) == body:  # it had all that already
                return outcome

    def _learns_from(self, refused: Refused) -> bool:
        """Whether it is refused for its form, which then is changed."""
        if refused.status in (400, 422) and "stream_options" in refused.about:
            self._asks_usage = False
            return True
        if refused.status in (400, 422, 500) and _TAKE_TURNS.search(refused.about):
            self._takes_turns = True
            return True
        if refused.status == 400 and _WANTS_THINKING.search(refused.about):
            self._wants_thinking = True
            return True
        return False

    async def _lm_studio(self) -> tuple[dict[str, int], dict[str, bool]]:
        """Windows, and what takes images, from its own list; empty where it has none, which only costs knowing."""
        root = self._connection.address.url.removesuffix("/v1")
        sees: dict[str, bool] = {}
        for version in ("v1", "v0"):
            try:
                listed = await self._connection.get_json(f"{root}/api/{version}/models")
            except ProviderError:
                continue
            sees = sees or lm_studio_sees(listed)
            if windows := lm_studio_windows(listed):
                return windows, sees
        return {}, sees


def _messages(message: PayloadMessage) -> Iterator[Mapping[str, object]]:
    """One message as it goes out; of several results each is one of its own."""
    if message.results:
        for result in message.results:
            yield {"role": message.role.value, "tool_call_id": result.id, "content": result.text}
    elif message.calls:
        calls = [_call(call) for call in message.calls]
        yield {"role": message.role.value, "content": message.content or None, "tool_calls": calls}
    elif message.images:
        yield {"role": message.role.value, "content": list(_parts(message))}
    else:
        yield {"role": message.role.value, "content": message.content}


def _parts(message: PayloadMessage) -> Iterator[Mapping[str, object]]:
    """Images before the text, as other services advise; the models behind this dialect are often theirs."""
    for image in message.images:
        yield {"type": "image_url", "image_url": {"url": f"data:{image.mime};base64,{image.base64}"}}
    if message.content.strip():  # services refuse an empty one
        yield {"type": "text", "text": message.content}


def _call(call: ToolCall) -> Mapping[str, object]:
    """The arguments as the model wrote them; where that is no object, in one: some servers parse them again."""
    arguments = arguments_of(call)
    as_written = call.arguments.strip() and arguments != {"arguments": call.arguments}
    text = call.arguments if as_written else json.dumps(arguments, ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text}}


def _in_turns(payload: Sequence[PayloadMessage]) -> Sequence[PayloadMessage]:
    """With neighbours of one role put together, but for calls and their results, which stand as they are."""
    merged: list[PayloadMessage] = []
    for message in payload:
        last = merged[-1] if merged else None
        if last and last.role is message.role and _is_plain(last) and _is_plain(message):
            texts = [text for text in (last.content, message.content) if text]
            merged[-1] = replace(last, content=BETWEEN.join(texts), images=(*last.images, *message.images))
        else:
            merged.append(message)
    return merged


def _is_plain(message: PayloadMessage) -> bool:
    return message.role in (Role.USER, Role.ASSISTANT) and not message.calls
