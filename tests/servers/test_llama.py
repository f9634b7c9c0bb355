"""Our OpenAI dialect against the real llama.cpp server."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from tests.contracts.provider import SECONDS, collect, plan_of, text_of, thinking_of
from tests.servers.llama import REPLY, THOUGHT, llama_server, require_llama
from tui_chat.core.errors import ContextTooLong, NotFoundAtServer, NotThisDialect
from tui_chat.core.events import Delta, Finished, TextDelta, UsageReported
from tui_chat.core.models import Usage
from tui_chat.core.ports import ModelCard
from tui_chat.core.settings import Endpoint
from tui_chat.providers.connect import HttpProviders
from tui_chat.providers.discovery import discover
from tui_chat.providers.http import Connection
from tui_chat.providers.openai import OpenAIProvider

TEMPLATE_TOKENS = 19
"""What the template adds to a prompt of one user message."""


@pytest.fixture(scope="module")
def chat_url() -> Iterator[str]:
    require_llama()
    with llama_server("chat", ctx=256) as url:
        yield url


@pytest.fixture
async def chat(chat_url: str) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider(Connection(Endpoint("llama", chat_url)))
    yield provider
    await provider.close()


async def test_the_known_reply_streams_in_pieces(chat: OpenAIProvider) -> None:
    deltas = await collect(chat, plan_of("zzz"), model="tiny")

    assert text_of(deltas) == REPLY
    assert "naïve café 漢字 🙂" in text_of(deltas)
    assert len([delta for delta in deltas if isinstance(delta, TextDelta)]) > 10
    assert Finished("stop") == deltas[-1]


async def test_usage_counts_the_prompts_tokens(chat: OpenAIProvider) -> None:
    reported = [
        [delta for delta in await collect(chat, plan_of("z" * size), model="tiny") if isinstance(delta, UsageReported)]
        for size in (10, 20)
    ]

    inputs = [usages[-1].usage.input_tokens for usages in reported]
    assert inputs == [10 + TEMPLATE_TOKENS, 20 + TEMPLATE_TOKENS]
    assert Usage(inputs[1], 31, reported[1][-1].usage.cached_tokens) == reported[1][-1].usage


async def test_the_context_window_is_learned_with_the_models(chat: OpenAIProvider) -> None:
    assert [ModelCard("tiny-chat", 256, takes_images=False)] == list(await chat.models())


async def test_an_overflow_is_understood_with_both_numbers(chat: OpenAIProvider) -> None:
    with pytest.raises(ContextTooLong) as caught:
        await collect(chat, plan_of("z" * 700), model="tiny")

    assert (caught.value.needed, caught.value.limit) == (700 + TEMPLATE_TOKENS, 256)
    assert "719" in str(caught.value)


async def test_a_system_prompt_and_history_are_taken(chat: OpenAIProvider) -> None:
    deltas = await collect(chat, plan_of("one", "two", "three", system="be brief"), model="tiny")

    assert text_of(deltas) == REPLY


async def test_discovery_finds_it_by_what_it_says(chat_url: str) -> None:
    port = int(chat_url.split(":")[2].removesuffix("/v1"))

    (found,) = await discover([port])

    assert ("llama.cpp", chat_url) == (found.kind, found.base_url)
    assert (ModelCard("tiny-chat", 256, takes_images=False),) == found.models


async def test_thinking_is_told_apart() -> None:
    require_llama()
    with llama_server("think") as url:
        provider = OpenAIProvider(Connection(Endpoint("llama", url)))
        deltas = await collect(provider, plan_of("zzz"), model="tiny")
        await provider.close()

    assert (thinking_of(deltas), text_of(deltas)) == (THOUGHT, REPLY)


async def test_stopping_frees_the_servers_slot() -> None:
    require_llama()
    with llama_server("loop", ctx=32768) as url:
        provider = OpenAIProvider(Connection(Endpoint("llama", url)))
        deltas: list[Delta] = []
        async with aclosing(provider.stream(plan_of("zzz"), model="tiny")) as stream:
            async for delta in stream:
                deltas.append(delta)
                if len(deltas) == 3:
                    busy = await asyncio.to_thread(slot_is_busy, url)
                    break
        freed = await asyncio.to_thread(slot_is_freed, url)
        await provider.close()

    assert busy
    assert freed
    assert text_of(deltas)


async def test_a_reply_that_fills_the_window_ends_by_length() -> None:
    require_llama()
    with llama_server("loop", ctx=256) as url:
        provider = OpenAIProvider(Connection(Endpoint("llama", url)))
        deltas = await collect(provider, plan_of("zzz"), model="tiny")
        await provider.close()

    assert Finished("length") == deltas[-1]


def slot_is_busy(url: str) -> bool:
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/slots", timeout=SECONDS) as answer:
        slots: list[dict[str, Any]] = json.load(answer)
    return any(slot["is_processing"] for slot in slots)


def slot_is_freed(url: str) -> bool:
    """Ask until it is, or until the bound: the server offers nothing to wait for."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if not slot_is_busy(url):
            return True
        time.sleep(0.01)
    return False


async def test_a_dialect_that_it_does_not_speak_is_not_taken_for_one(chat_url: str) -> None:
    for dialect, error in (("gemini", NotThisDialect), ("ollama", NotFoundAtServer)):
        other = HttpProviders().open(Endpoint("llama", chat_url, dialect), None)
        with pytest.raises(error):
            await other.models()
        await other.close()
