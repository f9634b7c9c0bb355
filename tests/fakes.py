"""Fakes the tests own: providers whose replies wait at a gate, and a keyring in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import TuiChatError
from tui_chat.core.events import Delta, Finished, TextDelta
from tui_chat.core.ports import FoundServer, ModelCard, Provider
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint


class _Sends:
    """What every fake does: remember exactly what it was asked to send."""

    def __init__(self) -> None:
        self.sent: list[ContextPlan] = []
        self.closed = 0
        self.cards: Sequence[ModelCard] = (ModelCard("test-model", 8192),)

    def render(self, plan: ContextPlan, *, model: str) -> bytes:
        messages = [{"role": each.role, "content": each.content} for each in plan.payload]
        return json.dumps({"model": model, "messages": messages}).encode()

    async def models(self) -> Sequence[ModelCard]:
        return self.cards

    async def close(self) -> None:
        self.closed += 1


class ScriptedProvider(_Sends):
    """Answers each request with the next script: deltas, and an error raised where it stands."""

    def __init__(self, *scripts: Sequence[Delta | TuiChatError]) -> None:
        super().__init__()
        self._scripts = list(scripts)

    async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        self.sent.append(plan)
        script = self._scripts.pop(0) if self._scripts else answer(f"reply {len(self.sent)}")
        for step in script:
            if isinstance(step, TuiChatError):
                raise step
            yield step


class GatedProvider(_Sends):
    """Says ``half an ``, then waits at its gate, then ``answer`` and the end."""

    def __init__(self) -> None:
        super().__init__()
        self.spoke = asyncio.Event()
        self.gate = asyncio.Event()
        self.connections_closed = 0

    async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        self.sent.append(plan)
        try:
            yield TextDelta("half an ")
            self.spoke.set()
            await self.gate.wait()
            yield TextDelta("answer")
            yield Finished("stop")
        finally:
            self.connections_closed += 1


def answer(text: str) -> list[Delta]:
    """A script: this text, and a proper end."""
    return [TextDelta(text), Finished("stop")]


@dataclass
class FakeProviders:
    """Hands out one provider for every endpoint, and finds what it is told to find."""

    provider: Provider
    found: Sequence[FoundServer] = ()
    opened: list[tuple[Endpoint, Secret | None]] = field(default_factory=list)

    def open(self, endpoint: Endpoint, key: Secret | None) -> Provider:
        self.opened.append((endpoint, key))
        return self.provider

    async def discover(self) -> Sequence[FoundServer]:
        return self.found


class FixedClock:
    """An instant that moves only when told."""

    def __init__(self, instant: int = 1_795_000_000_000) -> None:
        self.instant = instant

    def __call__(self) -> int:
        return self.instant

    def forward(self, milliseconds: int) -> None:
        self.instant += milliseconds
