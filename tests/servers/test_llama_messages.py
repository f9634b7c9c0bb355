"""Our Anthropic dialect against the real llama.cpp server's own ``/v1/messages``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from tests.contracts.provider import KEY, collect, plan_of, text_of, thinking_of
from tests.servers.llama import REPLY, THOUGHT, llama_server, require_llama
from tests.servers.test_llama import TEMPLATE_TOKENS, slot_is_busy, slot_is_freed
from tui_chat.core.context import PayloadMessage
from tui_chat.core.errors import ContextTooLong
from tui_chat.core.events import Delta, Finished, TextDelta, UsageReported
from tui_chat.core.models import Role, ToolCall, ToolResult
from tui_chat.core.ports import ModelCard, Provider
from tui_chat.core.settings import Endpoint
from tui_chat.providers.connect import HttpProviders


def messages_at(url: str) -> Provider:
    return HttpProviders().open(Endpoint("llama", url, "anthropic"), KEY)


@pytest.fixture(scope="module")
def chat_url() -> Iterator[str]:
    require_llama()
    with llama_server("chat", ctx=256) as url:
        yield url


@pytest.fixture(params=["/v1", ""], ids=["address with version", "address without"])
async def chat(chat_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    provider = messages_at(chat_url.removesuffix("/v1") + request.param)
    yield provider
    await provider.close()


async def test_the_known_reply_streams_in_pieces(chat: Provider) -> None:
    deltas = await collect(chat, plan_of("zzz"), model="tiny")

    assert REPLY == text_of(deltas)
    assert len([delta for delta in deltas if isinstance(delta, TextDelta)]) > 10
    assert Finished("stop") == deltas[-1]


async def test_usage_counts_the_prompts_tokens_cached_or_not(chat: Provider) -> None:
    reported = []
    for size in (10, 20, 20):
        deltas = await collect(chat, plan_of("z" * size), model="tiny")
        reported += [delta.usage for delta in deltas if isinstance(delta, UsageReported)]

    assert [10 + TEMPLATE_TOKENS, 20 + TEMPLATE_TOKENS, 20 + TEMPLATE_TOKENS] == [
        usage.input_tokens for usage in reported
    ]
    assert 20 + TEMPLATE_TOKENS - 1 == reported[-1].cached_tokens
    assert {31} == {usage.output_tokens for usage in reported}


async def test_the_context_window_is_learned_with_the_models(chat: Provider) -> None:
    assert [ModelCard("tiny-chat", 256, takes_images=False)] == list(await chat.models())


async def test_an_overflow_is_understood_with_both_numbers(chat: Provider) -> None:
    with pytest.raises(ContextTooLong) as caught:
        await collect(chat, plan_of("z" * 700), model="tiny")

    assert (700 + TEMPLATE_TOKENS, 256) == (caught.value.needed, caught.value.limit)


async def test_a_system_prompt_and_history_are_taken_and_counted(chat: Provider) -> None:
    deltas = await collect(chat, plan_of("one", "two", "three", system="be brief"), model="tiny")

    assert REPLY == text_of(deltas)


async def test_tool_calls_and_results_of_the_history_are_taken(chat: Provider) -> None:
    plan = replace(
        plan_of("x"),
        payload=(
            PayloadMessage(Role.USER, "q"),
            PayloadMessage(Role.ASSISTANT, "a", calls=(ToolCall("functions.get:0", "get", '{"city":"Oslo"}'),)),
            PayloadMessage(Role.TOOL, "rain", results=(ToolResult("functions.get:0", "rain"),)),
            PayloadMessage(Role.USER, "zzz"),
        ),
    )

    assert REPLY == text_of(await collect(chat, plan, model="tiny"))


async def test_thinking_is_told_apart() -> None:
    require_llama()
    with llama_server("think") as url:
        provider = messages_at(url)
        deltas = await collect(provider, plan_of("zzz"), model="tiny")
        await provider.close()

    assert (THOUGHT, REPLY) == (thinking_of(deltas), text_of(deltas))


async def test_the_limit_that_the_dialect_demands_ends_a_reply() -> None:
    require_llama()
    with llama_server("loop", ctx=32768) as url:
        provider = messages_at(url)
        plan = plan_of("zzz")
        deltas = await collect(provider, plan, model="tiny")
        most = json.loads(provider.render(plan, model="tiny"))["max_tokens"]
        await provider.close()

    (usage,) = [delta.usage for delta in deltas if isinstance(delta, UsageReported)]
    assert (most, Finished("length")) == (usage.output_tokens, deltas[-1])


async def test_stopping_frees_the_servers_slot() -> None:
    require_llama()
    plan = plan_of("zzz")
    endless = replace(plan, budget=replace(plan.budget, context_window=4 * 32768))
    with llama_server("loop", ctx=32768) as url:
        provider = messages_at(url)
        deltas: list[Delta] = []
        async with aclosing(provider.stream(endless, model="tiny")) as stream:
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
