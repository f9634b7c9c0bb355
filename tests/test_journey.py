"""Whole journeys through the app: from a first prompt to another profile's copy; and thirty turns under the window."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from tests.fakes import ScriptedProvider, answer
from tests.servers.slow_model import slow_model
from tests.ui.chat_app import Chat, World
from tui_chat.core.context import ContextPlan, Kind
from tui_chat.core.events import Delta, TextDelta
from tui_chat.core.settings import Endpoint
from tui_chat.providers.connect import HttpProviders

UNUSUAL = (
    "naïve 漢字 \U0001f642\u200d\tand\r\nline\u2028ends, \x1b[31mred\x1b[0m \x00 and\u00a0no-break, \\u0041 `code`\n\n"
)


class Unfinished(ScriptedProvider):
    """Goes on like its parent, but says only the half of its second answer, and then nothing."""

    async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        if len(self.sent) == 1:
            self.sent.append(plan)
            yield TextDelta(f"half {UNUSUAL}")
            await asyncio.Event().wait()
        async for delta in super().stream(plan, model=model):
            yield delta


async def test_a_conversation_goes_from_prompt_to_another_profile_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "exported.json"
    world = World(Unfinished(answer(f"whole {UNUSUAL}"), answer("after a stop")))
    async with world.app() as chat:
        await chat.send("Knots\n\nWhich one holds?")
        await chat.until_seen("whole naïve")
        await chat.send("And which one slips?")
        await chat.until_seen("half naïve")
        await chat.press("escape")
        await chat.until_seen("stopped")
        await chat.press("escape", "r")
        await chat.until_seen("after a stop")
        await chat.until_quiet()
        chat.screen.prompt.draft = "an unsent thought"
        await chat.press("ctrl+q")

    async with world.app() as chat:
        await chat.until_seen("after a stop")
        assert "an unsent thought" == chat.screen.prompt.text
        await chat.press("ctrl+s")
        await chat.until(lambda: type(chat.app.screen).__name__ == "ExportScreen")
        chat.app.screen.query_one(Input).value = str(file)
        await chat.press("enter")
        await chat.until_seen("Exported to")  # the rest wraps as the path is long
        title = chat.screen.shown.conversation.title
        messages = await chat.services.library.branch(chat.screen.shown.id)
        await chat.press("ctrl+q")
    exported = file.read_bytes()

    monkeypatch.setenv("TUI_CHAT_USER", "bea")
    other = await world.services()
    count = await other.transfer.load(exported)
    again = await other.transfer.export(None)
    await other.close()
    async with world.app(conversation=title) as chat:
        await chat.until_seen("after a stop")
        assert "‹2/2›" in chat.seen()
        assert messages == await chat.services.library.branch(chat.screen.shown.id)

    assert (1, 5, 0) == (count.conversations, count.messages, count.unchanged)
    assert conversations(exported) == conversations(again)
    texts = [message["text"] for message in json.loads(exported)["conversations"][0]["messages"]]
    assert [f"whole {UNUSUAL}", f"half {UNUSUAL}"] == [text for text in texts if UNUSUAL in text]
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


def conversations(exported: bytes) -> bytes:
    """The bytes of an export behind its header, which says when it was made."""
    return exported.partition(b'"conversations"')[2]


# -- thirty turns -----------------------------------------------------------------------------


async def test_in_thirty_turns_the_warning_and_what_is_sent_never_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_chat.ui.screens.chat_shell.PLAN_SECONDS", 0.01)
    with slow_model(lambda prompt: ["an answer to ", prompt], pause=0) as model:
        provider = HttpProviders(ports=()).open(Endpoint("test", model.url), None)
        async with World(provider).app() as chat:
            for turn in range(1, 31):
                plan = await typed(chat, f"prompt {turn}")
                earlier, not_sent = 2 * (turn - 1), max(0, 2 * (turn - 11))

                assert (earlier - not_sent, not_sent) == (plan.totals.sent, plan.totals.not_sent)
                warning = f"{not_sent} of {earlier} earlier messages are not sent"
                assert (not_sent > 0) == ("not sent" in chat.seen()), chat.seen()
                if not_sent:
                    await chat.until_seen(warning)

                expected = await payload_of(chat, plan)
                await chat.press("enter")
                await chat.until(lambda turn=turn: len(model.requests) == turn)  # type: ignore[misc]
                await chat.until_quiet()

                assert expected == model.requests[-1]["messages"]
    assert "prompt 20" == expected[0]["content"]


async def typed(chat: Chat, text: str) -> ContextPlan:
    """Type it, and wait for the plan of it; the plan that is shown."""
    chat.screen.prompt.insert(text)
    await chat.until(lambda: shown_plan(chat) is not None)
    await chat.pilot.pause()
    plan = shown_plan(chat)
    assert plan is not None
    return plan


def shown_plan(chat: Chat) -> ContextPlan | None:
    plan = chat.screen.plan
    return plan if plan is not None and any(entry.kind is Kind.DRAFT for entry in plan.entries) else None


async def payload_of(chat: Chat, plan: ContextPlan) -> Sequence[dict[str, Any]]:
    """What the plan on the screen says will be sent, with the texts of its messages."""
    sent = sorted((entry for entry in plan.entries if entry.sent), key=lambda entry: entry.order or 0)
    bodies = await chat.services.library.bodies([entry.id for entry in sent if entry.id])
    draft = chat.screen.prompt.text
    return [{"role": entry.role, "content": bodies[entry.id].text if entry.id else draft} for entry in sent]
