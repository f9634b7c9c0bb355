"""The wait before a request is tried again: told, cut short, or cancelled."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.contracts.provider import plan_of
from tests.providers.loopback import Loopback, Reply
from tests.providers.test_openai import chunk
from tui_chat.core.events import RetryScheduled, TextDelta
from tui_chat.core.settings import Endpoint
from tui_chat.providers.connect import HttpProviders

BUSY = Reply(b"{}", 429, headers={"retry-after": "50"})
ANSWER = Reply(chunk({"content": "At last."}) + chunk({}, "stop") + b"data: [DONE]\n\n")


async def never(_: float) -> None:
    await asyncio.Event().wait()


async def test_a_wait_can_be_cut_short() -> None:
    async with Loopback(BUSY, ANSWER) as server, asyncio.timeout(10):
        provider = HttpProviders(sleep=never, ports=()).open(Endpoint("x", server.url), None)
        said = []
        async for delta in provider.stream(plan_of("Hello?"), model="m"):
            if isinstance(delta, RetryScheduled):
                assert 50 == delta.seconds
                delta.now.set()
            if isinstance(delta, TextDelta):
                said.append(delta.text)
        await provider.close()

    assert ["At last."] == said
    assert 2 == len(server.requests)


async def test_a_cancelled_wait_asks_no_more() -> None:
    resting = asyncio.Event()

    async def rest(_: float) -> None:
        resting.set()
        await never(_)

    async def ask() -> None:
        async with aclosing(provider.stream(plan_of("Hello?"), model="m")) as deltas:
            async for _ in deltas:
                pass

    async with Loopback(BUSY, ANSWER) as server, asyncio.timeout(10):
        provider = HttpProviders(sleep=rest, ports=()).open(Endpoint("x", server.url), None)
        asking = asyncio.create_task(ask())
        await resting.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await provider.close()

    assert 1 == len(server.requests)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
