"""OpenAI's Chat Completions, as OpenAI and the many servers compatible with it speak them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import ClassVar

from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import ProviderError
from tui_chat.core.events import Delta, RetryScheduled
from tui_chat.core.models import clean_surrogates
from tui_chat.core.ports import ModelCard
from tui_chat.providers.http import Answer, Connection, Refused
from tui_chat.providers.models import LM_STUDIO, cards, entries, lm_studio_windows
from tui_chat.providers.openai_stream import ChatStream
from tui_chat.providers.refusals import not_this_dialect
from tui_chat.providers.waits import LONGEST_WAIT, RETRIES, backoff

Sleep = Callable[[float], Awaitable[None]]


class OpenAIProvider:
    """One OpenAI-compatible endpoint.

    Only what the plan holds is sent: no sampling parameter (newer models refuse them), no limit.
    """

    dialect: ClassVar[str] = "openai"

    def __init__(
        self,
        connection: Connection,
        *,
        sleep: Sleep = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._connection = connection
        self._sleep = sleep
        self._chance = chance
        self._asks_usage = True

    def render(self, plan: ContextPlan, *, model: str) -> bytes:
        """The request's body; without ``stream_options`` once this server refused them."""
        body: dict[str, object] = {
            "model": model,
            "messages": [
                {"role": message.role.value, "content": clean_surrogates(message.content)} for message in plan.payload
            ],
            "stream": True,
        }
        if self._asks_usage:
            body["stream_options"] = {"include_usage": True}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        """Ask, again at most twice while nothing has come back, and yield what comes."""
        retry = 0
        while isinstance(outcome := await self._ask(plan, model), Refused):
            wait = self._wait(outcome, retry)
            yield RetryScheduled(wait, str(outcome.error))
            await self._sleep(wait)
            retry += 1
        try:
            chat = ChatStream(outcome.speaker, outcome.content_type)
            while not chat.complete:
                for delta in chat.feed(await self._next(outcome, chat)):
                    yield delta
        finally:
            await outcome.close()

    async def models(self) -> Sequence[ModelCard]:
        """Those of ``GET {base}/models``, with the context window where the server says it."""
        url = f"{self._connection.address.url}/models"
        described = entries(await self._connection.get_json(url))
        if described is None:
            raise not_this_dialect(self._connection.speaker(url))
        found = cards(described)
        if found and all(entry.get("owned_by") == LM_STUDIO for entry in described):
            return cards(described, await self._lm_studio_windows())
        return found

    async def close(self) -> None:
        await self._connection.close()

    # -- inside ---------------------------------------------------------------------------

    async def _ask(self, plan: ContextPlan, model: str) -> Answer | Refused:
        """One try; a server that does not know ``stream_options`` is asked again without, now and from now on."""
        outcome = await self._connection.post("chat/completions", self.render(plan, model=model), model=model)
        if isinstance(outcome, Refused) and outcome.status in (400, 422) and "stream_options" in outcome.about:
            self._asks_usage = False
            return await self._connection.post("chat/completions", self.render(plan, model=model), model=model)
        return outcome

    def _wait(self, refused: Refused, retry: int) -> float:
        """Seconds until the next try. Raises the refusal where there is none."""
        wait = backoff(retry, self._chance()) if refused.wait is None else refused.wait
        if not refused.again or retry >= RETRIES or wait > LONGEST_WAIT:
            raise refused.error
        return wait

    async def _next(self, answer: Answer, chat: ChatStream) -> bytes:
        """The next piece. Once the model has finished, an end that is late or rough is an end all the same."""
        if not chat.ending:
            return await answer.next()
        try:
            return await answer.next(within=chat.patience)
        except ProviderError:
            return b""

    async def _lm_studio_windows(self) -> dict[str, int]:
        """From its own list, beside the compatible one; empty where it has none, which only costs a figure."""
        root = self._connection.address.url.removesuffix("/v1")
        for version in ("v1", "v0"):
            try:
                windows = lm_studio_windows(await self._connection.get_json(f"{root}/api/{version}/models"))
            except ProviderError:
                continue
            if windows:
                return windows
        return {}
