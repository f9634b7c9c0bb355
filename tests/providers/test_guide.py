"""The offline guide: honest, offline, and about this program."""

from __future__ import annotations

import pytest

from tests.contracts.provider import ProviderContract, collect, plan_of, text_of
from tui_chat.core.events import Finished, TextDelta
from tui_chat.core.guide import flowing, topics
from tui_chat.core.ports import ModelCard, Provider
from tui_chat.providers.guide import SAMPLE, WORDS, GuideProvider


async def ask(*texts: str) -> str:
    return text_of(await collect(GuideProvider(), plan_of(*texts), model="guide"))


class TestGuide(ProviderContract):
    model = "guide"

    def offline(self) -> Provider:
        return GuideProvider()


async def test_every_answer_says_that_it_is_not_an_ai() -> None:
    for question in ("", "hello", "/help", "memory", "/sample", "why is a message dimmed?"):
        assert "not an AI" in (await ask(question)).partition("\n")[0]


async def test_it_streams_in_pieces_and_finishes() -> None:
    deltas = await collect(GuideProvider(), plan_of("/sample"), model="guide")

    assert len([delta for delta in deltas if isinstance(delta, TextDelta)]) > 5
    assert SAMPLE in text_of(deltas)
    assert Finished("stop") == deltas[-1]


async def test_the_sample_has_every_kind_of_block() -> None:
    for mark in ("# ", "1. ", "   - ", "| ", "```python", "> ", "](https://", "**", "`code`", "naïve café 漢字 🙂"):
        assert mark in SAMPLE


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("memory", "memory"),
        ("/help memory", "memory"),
        ("Why are messages dimmed and not sent?", "memory"),
        ("How do I connect Ollama?", "start"),
        ("How do I use a gguf file?", "start"),
        ("Is my history encrypted?", "privacy"),
        ("which keyboard shortcuts are there", "keys"),
        ("How can I EXPORT this to Markdown?", "export"),
        ("can I edit my question and resend it", "branches"),
    ],
)
async def test_a_question_is_answered_with_its_topic(question: str, topic: str) -> None:
    assert flowing(topics()[topic]) in await ask(question)


@pytest.mark.parametrize("greeting", ["hi", "Hello again!", "help"])
async def test_a_greeting_is_answered_with_what_there_is_to_ask(greeting: str) -> None:
    assert "Ask for a topic by its name" in await ask(greeting)


async def test_help_lists_every_topic() -> None:
    answer = await ask("/help")

    for name in topics():
        assert f"**{name}**" in answer


async def test_only_the_last_question_counts() -> None:
    assert flowing(topics()["privacy"]) in await ask("memory", "…", "privacy")


async def test_an_unknown_question_is_answered_honestly_with_how_to_connect() -> None:
    answer = await ask("write me a poem about autumn")

    assert "did not understand" in answer
    assert "ctrl+n" in answer
    assert "ctrl+o" in answer


async def test_it_sends_nothing_and_offers_itself() -> None:
    provider = GuideProvider()

    assert provider.render(plan_of("secret"), model="guide") == b""
    assert [ModelCard("guide")] == list(await provider.models())


def test_every_topic_has_words_that_ask_for_it() -> None:
    assert set(WORDS) == set(topics())
