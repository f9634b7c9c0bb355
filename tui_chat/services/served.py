"""The provider of a model file that runs here: where its server ended, it says that instead of a lost connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import NotReached, TuiChatError
from tui_chat.core.events import Delta
from tui_chat.core.ports import ModelCard, Provider


class Served:
    """Speaks by another provider; ``why_gone`` says why its server ended, None where it goes on."""

    def __init__(self, provider: Provider, why_gone: Callable[[], Awaitable[TuiChatError | None]]) -> None:
        self._provider = provider
        self._why_gone = why_gone

    def render(self, plan: ContextPlan, *, model: str) -> bytes:
        """As the server gets it."""
        return self._provider.render(plan, model=model)

    async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        """See the port."""
        try:
            async with aclosing(self._provider.stream(plan, model=model)) as deltas:
                async for delta in deltas:
                    yield delta
        except NotReached as error:
            why = await self._why_gone()
            if why is None:
                raise
            raise why from error

    async def models(self) -> Sequence[ModelCard]:
        """See the port."""
        return await self._provider.models()

    async def close(self) -> None:
        """See the port."""
        await self._provider.close()
