"""What looks like a secret is asked about once before it goes to a cloud endpoint, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes import ScriptedProvider
from tests.ui.chat_app import Chat, World
from tui_chat.core.settings import Endpoint
from tui_chat.services.endpoints import Reach

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2"
PROMPT = f"Why does {TOKEN} not work?"


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


def cloud(chat: Chat) -> None:
    """From now on the model is far away; nothing is contacted, the provider is a fake."""
    program = chat.screen.program
    endpoints = (Endpoint("test", "https://api.example.com/v1"),)
    program.save_settings(replace(program.settings, endpoints=endpoints))


async def test_nothing_is_sent_before_the_answer_and_no_keeps_the_prompt(provider: ScriptedProvider) -> None:
    async with World(provider).app() as chat:
        cloud(chat)
        await chat.send(PROMPT)
        await chat.until_seen("what looks like")
        assert "a GitHub token: ghp_… (40 characters)" in chat.seen()
        assert "api.example.com" in chat.seen()
        assert [] == provider.sent

        await chat.press("n")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert PROMPT == chat.screen.prompt.draft
        assert [] == provider.sent


async def test_yes_sends_it_and_the_same_secret_is_not_asked_about_again(provider: ScriptedProvider) -> None:
    async with World(provider).app() as chat:
        cloud(chat)
        await chat.send(PROMPT)
        await chat.until_seen("what looks like")
        await chat.press("y")
        await chat.until_seen("reply 1")
        await chat.until_quiet()

        await chat.send(f"Again: {TOKEN}")
        await chat.until_seen("reply 2")

        assert [PROMPT, f"Again: {TOKEN}"] == [plan.payload[-1].content for plan in provider.sent]


async def test_what_stays_on_this_computer_is_not_asked_about(provider: ScriptedProvider) -> None:
    async with World(provider).app() as chat:
        model = chat.services.planning.model_of(chat.screen.shown.conversation)
        assert model is not None
        assert Reach.LOCAL is chat.services.endpoints.reach(model)

        await chat.send(PROMPT)
        await chat.until_seen("reply 1")


async def test_who_switched_it_off_is_not_asked(provider: ScriptedProvider) -> None:
    async with World(provider).app() as chat:
        cloud(chat)
        program = chat.screen.program
        program.save_settings(replace(program.settings, guard_secrets=False))

        await chat.send(PROMPT)
        await chat.until_seen("reply 1")
