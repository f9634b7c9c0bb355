"""A busy server on the screen: the wait is counted down, cut short with ctrl+r, or stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tests.fakes import ScriptedProvider
from tests.ui.chat_app import World
from tui_chat.core.context import ContextPlan
from tui_chat.core.events import Delta, Finished, RetryScheduled, TextDelta


class Busy(ScriptedProvider):
    """Busy once for 40 seconds; then answers."""

    def __init__(self) -> None:
        super().__init__()
        self.cut_short = False

    async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        scheduled = RetryScheduled(40, "The server has too much to do.")
        yield scheduled
        await scheduled.now.wait()
        self.cut_short = True
        yield TextDelta("At last.")
        yield Finished("stop")


async def test_the_wait_is_counted_down_and_ctrl_r_cuts_it_short() -> None:
    provider = Busy()
    async with World(provider).app() as chat:
        await chat.send("Hello?")
        await chat.until_seen("busy, again in 40 s")
        await chat.until_seen("The server has too much to do.")
        await chat.until_seen("again in 39 s")
        await chat.press("ctrl+r")
        await chat.until_seen("At last.")
        await chat.until_quiet()

        assert provider.cut_short
        assert "busy" not in chat.screen.key_bar.urgent


async def test_the_wait_is_stopped_with_escape() -> None:
    provider = Busy()
    async with World(provider).app() as chat, asyncio.timeout(30):
        await chat.send("Hello?")
        await chat.until_seen("busy, again in")
        await chat.press("escape")
        await chat.until_quiet()

        assert not provider.cut_short
        assert "" == chat.screen.key_bar.urgent


class Failing(ScriptedProvider):
    """Fails twice for one reason; then answers."""

    async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        for _ in range(2):
            scheduled = RetryScheduled(40, "The server failed.")
            yield scheduled
            await scheduled.now.wait()
        yield TextDelta("At last.")
        yield Finished("stop")


async def test_the_same_reason_is_said_once_for_a_reply() -> None:
    async with World(Failing()).app() as chat:
        await chat.send("Hello?")
        for _ in range(2):
            await chat.until_seen("busy, again in")
            await chat.press("ctrl+r")
        await chat.until_seen("At last.")

        assert ["The server failed."] == [each.message for each in chat.app._notifications]
        await chat.until_quiet()
        await chat.press("ctrl+r")
        await chat.until_seen("Nothing is being asked again.")
