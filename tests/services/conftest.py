"""Services joined to a real encrypted history and a provider of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes import FakeProviders, FixedClock, ScriptedProvider
from tui_chat.core.events import ReplyStarted, TurnEnded, TurnEvent
from tui_chat.core.models import Message, ModelRef
from tui_chat.core.ports import ConversationStore, Provider
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, Settings
from tui_chat.recall import BranchIndex
from tui_chat.services.chat import ChatService
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.library import LibraryService
from tui_chat.services.planning import PlanningService
from tui_chat.services.recalling import RecallService
from tui_chat.services.spending import SpendingService
from tui_chat.services.summaries import SummaryService
from tui_chat.store import open_store

MODEL = ModelRef("test", "test-model")


@dataclass
class Watcher:
    """An ``emit`` that remembers, and lets a test wait for a kind of event."""

    events: list[TurnEvent] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, event: TurnEvent) -> None:
        self.events.append(event)
        self._news.set()

    def all(self, kind: type[TurnEvent]) -> list[TurnEvent]:
        """Every event of that kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[TurnEvent], count: int = 1) -> None:
        """Wait for so many events of that kind."""
        async with asyncio.timeout(10):
            while len(self.all(kind)) < count:
                self._news.clear()
                await self._news.wait()

    @property
    def reply(self) -> Message:
        """The last reply that ended."""
        ended = self.all(TurnEnded)[-1]
        assert isinstance(ended, TurnEnded)
        return ended.reply

    @property
    def started(self) -> Message:
        """The last reply that started."""
        started = self.all(ReplyStarted)[-1]
        assert isinstance(started, ReplyStarted)
        return started.reply


@dataclass
class Bench:
    """Services on one history."""

    store: ConversationStore
    chat: ChatService
    planning: PlanningService
    library: LibraryService
    endpoints: EndpointService
    spending: SpendingService
    summaries: SummaryService
    recall: RecallService
    clock: FixedClock
    settings: Settings

    async def branch(self, conversation_id: str) -> list[tuple[str, str, str]]:
        """Role, text and status of the messages on show."""
        return [(m.role, m.text, m.status) for m in await self.library.branch(conversation_id)]


MakeBench = Callable[[Provider], Bench]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ConversationStore]:
    """A real encrypted history."""
    opened = await open_store(tmp_path / "history.db", Secret(b"k" * 32), create=True)
    yield opened
    await opened.close()


@pytest.fixture
def bench(store: ConversationStore) -> MakeBench:
    """Joins services with a provider."""

    def make(provider: Provider) -> Bench:
        settings = Settings(model=MODEL, endpoints=(Endpoint("test", "http://127.0.0.1:1/v1"),))
        clock = FixedClock()
        endpoints = EndpointService(
            FakeProviders(provider), store, lambda: made.settings, lambda _: None, {}, asks_consent=True
        )
        spending = SpendingService(store, lambda: made.settings, endpoints, now=clock)
        summaries = SummaryService(store, endpoints, spending=spending, now=clock)
        recall = RecallService(store, BranchIndex)
        planning = PlanningService(store, endpoints, lambda: made.settings, recall=recall, summaries=summaries)
        made = Bench(
            store,
            ChatService(store, endpoints, planning, spending, now=clock),
            planning,
            LibraryService(store, now=clock),
            endpoints,
            spending,
            summaries,
            recall,
            clock,
            settings,
        )
        return made

    return make


@pytest.fixture
def scripted(bench: MakeBench) -> Callable[..., Bench]:
    """A bench whose model answers by script."""
    return lambda *scripts: bench(ScriptedProvider(*scripts))
