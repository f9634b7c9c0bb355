"""What the model remembers: what each strategy would send, the choice, and what retrieval finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.fakes import ScriptedProvider
from tests.ui.asking import TITLE, a_world, exchanges, fill
from tests.ui.chat_app import Chat
from tests.ui.plans import plan_of
from tests.ui.screen_fakes import SMALL, USUAL, Host, burst, settle, words
from tui_chat.core.catalogue import find
from tui_chat.core.context import ContextPlan, PlanError, Warning
from tui_chat.core.errors import StoreFailed, TuiChatError
from tui_chat.core.models import MemorySettings
from tui_chat.ui.screens.memory import Look, MemoryScreen

DIALOG = "What the model remembers"
BOAT = ("user", "My sister's boat is called Aurora and lies in Bergen.")
NOTED = ("assistant", "Noted: the boat Aurora, in Bergen.")


# -- the screen by itself ----------------------------------------------------------------------


async def sends_all(memory: MemorySettings) -> ContextPlan:
    return replace(plan_of(sent=memory.max_messages), strategy=memory.strategy)


@asynccontextmanager
async def remembered(
    memory: MemorySettings | None = None, *, look: Look = sends_all, size: tuple[int, int] = USUAL, **more: Any
) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host(lambda: MemoryScreen(memory or MemorySettings(), look, **more))
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        yield app, pilot


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_each_strategy_says_what_it_means_and_what_it_would_send(size: tuple[int, int]) -> None:
    async with remembered(size=size) as (app, pilot):
        text = words(app)
        for _ in range(3):
            await burst(pilot, "down")
            text += words(app)

        for said in ("● Window: the newest messages", "○ Everything: all", "○ Summary:", "○ Retrieval:"):
            assert said in text
        assert "All 20 messages sent · ~1,880 of 5,485 tokens" in text


async def test_the_one_that_holds_is_highlighted_and_escape_changes_nothing() -> None:
    async with remembered(MemorySettings("summary", max_messages=8)) as (app, pilot):
        await burst(pilot, "enter")
        assert [MemorySettings("summary", max_messages=8)] == app.results

    async with remembered() as (app, pilot):
        await burst(pilot, "down", "+", "t", "escape")
        assert [None] == app.results


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_number_trimming_and_place_are_changed_by_keys_and_tried_at_once(size: tuple[int, int]) -> None:
    async with remembered(size=size) as (app, pilot):
        await burst(pilot, "+", "+", "-", "t", "a")
        text = words(app)
        await burst(pilot, "down", "down", "down", "enter")

        assert "at most 22 messages" in text
        assert "All 22 messages sent" in text
        assert "half of them at once" in text
        assert "all of your conversations" in text
        assert [MemorySettings("retrieval", max_messages=22, trim="blocks", scope="all")] == app.results


@pytest.mark.parametrize(("begin", "keys", "number"), [(21, "+", 22), (21, "-", 18), (1, "-", 0), (999, "+", 1_000)])
async def test_the_number_goes_by_whole_exchanges_and_stays_within_bounds(begin: int, keys: str, number: int) -> None:
    async with remembered(MemorySettings(max_messages=begin)) as (app, pilot):
        await burst(pilot, keys, "enter")

        assert [number] == [each.max_messages for each in app.results]


async def test_an_unknown_strategy_from_elsewhere_begins_at_the_first() -> None:
    async with remembered(MemorySettings("dreaming", trim="sometimes")) as (app, pilot):
        await burst(pilot, "enter")

        assert ["window"] == [each.strategy for each in app.results]


@pytest.mark.parametrize(
    ("warning", "said"),
    [
        (Warning("not_summarised", 18, 28, why="due"), "a summary of 18 would be offered first"),
        (Warning("not_summarised", 18, 28, why="too_long"), "no room for a summary of the others"),
        (Warning("not_summarised", 18, 28, why="the service failed"), "18 not summarised"),
        (Warning("summarised", 18, 28, model="llama3.2"), "18 only as a summary"),
        (Warning("not_found", 14, 28, found=4), "4 older messages found relevant"),
        (Warning("not_found", 17, 28, found=1), "1 older message found relevant"),
        (Warning("not_found", 18, 28), "nothing relevant found in older messages"),
        (Warning("not_searched", 18, 28, why="building"), "the index is being built"),
    ],
)
async def test_what_becomes_of_the_older_messages_is_said(warning: Warning, said: str) -> None:
    async def look(memory: MemorySettings) -> ContextPlan:
        return plan_of(sent=10, not_sent=18, warning=warning)

    async with remembered(look=look) as (app, _):
        assert 4 == words(app).count(said)


async def test_a_price_a_refusal_and_a_failure_are_said_in_place_of_the_effect() -> None:
    async def look(memory: MemorySettings) -> ContextPlan:
        if memory.strategy == "full":
            return plan_of(error=PlanError("over_budget", 9_400, 5_485))
        if memory.strategy == "retrieval":
            raise StoreFailed("The history [/bad] could not\x1b]52;c;aGk=\x07 be read.")
        return plan_of(tokens=500_000, room=800_000)

    facts = find("gpt-4o", endpoint_host="api.openai.com")
    async with remembered(look=look, facts=facts) as (app, _):
        text = words(app)

        assert facts is not None
        assert "~500,000 of 800,000 tokens · ~$1.25 + reply" in text
        assert "Not sent: the whole conversation and this message need ~9,400 of 5,485 tokens." in text
        assert "The history [/bad] could not" in text
        assert "\x1b" not in text


async def test_where_a_prompt_was_refused_what_holds_is_not_offered_again() -> None:
    async with remembered(MemorySettings("full"), refused=True) as (app, pilot):
        text = words(app)
        await burst(pilot, "enter")

        assert "Not sent: the whole conversation does not fit." in text
        assert "Everything" not in text
        assert ["window"] == [each.strategy for each in app.results]


async def test_choosing_does_not_wait_for_what_is_still_tried() -> None:
    gate = asyncio.Event()

    async def look(memory: MemorySettings) -> ContextPlan:
        await gate.wait()
        return plan_of()

    async with remembered(look=look) as (app, pilot):
        waiting = words(app)
        await burst(pilot, "down", "enter")
        chosen = list(app.results)
        gate.set()
        await settle(pilot)

        assert 4 == waiting.count("…")
        assert [MemorySettings("full")] == chosen


# -- chosen in the chat ----------------------------------------------------------------------------


@asynccontextmanager
async def chat_about_boats(provider: ScriptedProvider, **more: Any) -> AsyncIterator[Chat]:
    """A conversation that spoke of a boat long ago, with a window of four messages."""
    world = a_world(provider, memory=MemorySettings(max_messages=4), **more)
    await fill(world, [BOAT, NOTED, *exchanges(8)])
    await fill(world, [("user", "The mooring in Stavanger costs 90 a night."), NOTED], number=2, title="Sea [b]trip[/]")
    async with world.app(conversation=TITLE, size=(120, 40)) as chat:
        await chat.until(lambda: chat.screen.plan is not None)
        yield chat


async def choose(chat: Chat, *keys: str) -> None:
    """Open the dialog by the palette, press these keys and enter."""
    await chat.press("ctrl+p", *"what the model", "enter")
    await chat.until_seen(DIALOG)
    await chat.press(*keys, "enter")
    await chat.until(lambda: DIALOG not in chat.seen())
    await chat.pilot.pause()


async def test_what_is_chosen_holds_here_and_shows_at_once() -> None:
    provider = ScriptedProvider()
    async with chat_about_boats(provider) as chat:
        before = words(chat.app)
        await choose(chat, "+", "+")
        await chat.until_seen("10 of 18 earlier messages are not sent")
        await chat.press("ctrl+n")
        await chat.until(lambda: "Trip" not in chat.screen.shown.conversation.title)

        assert "14 of 18 earlier messages are not sent" in before
        assert 4 == chat.services.planning.memory_of(chat.screen.shown.conversation).max_messages


async def test_it_holds_for_a_conversation_that_has_not_begun() -> None:
    provider = ScriptedProvider()
    async with a_world(provider).app() as chat:
        await choose(chat, "down")
        await chat.send("Hi")
        await chat.until_seen("reply 1")

        assert ["full"] == [plan.strategy for plan in provider.sent]


async def test_retrieval_says_what_it_found_and_sends_it_as_a_quotation() -> None:
    provider = ScriptedProvider()
    async with chat_about_boats(provider) as chat:
        await choose(chat, "up")
        chat.screen.prompt.insert("Where does the boat Aurora lie?")
        await chat.until_seen("found relevant are sent")
        banner = words(chat.app)
        await chat.press("enter")
        await chat.until_seen("reply 1")

        assert "14 older messages: 3 found relevant are sent, 11 are not." in banner
        asked = provider.sent[0].payload[-1].content
        assert asked.startswith("Where does the boat Aurora lie?")
        assert "> My sister's boat is called Aurora and lies in Bergen." in asked
        assert "mooring" not in asked
        assert BOAT[1] not in [each.content for each in provider.sent[0].payload]


async def test_where_nothing_is_relevant_it_says_so() -> None:
    async with chat_about_boats(ScriptedProvider()) as chat:
        await choose(chat, "up")
        chat.screen.prompt.insert("xylophone zither glockenspiel")

        await chat.until_seen("nothing relevant was found among them")


async def test_all_conversations_are_searched_only_by_choice_and_named_by_their_title() -> None:
    provider = ScriptedProvider()
    async with chat_about_boats(provider) as chat:
        await choose(chat, "a", "up")
        await chat.send("What does the mooring in Stavanger cost?")
        await chat.until_seen("reply 1")
        await chat.until_quiet()
        chat.screen.prompt.insert("What does the mooring in Stavanger cost?")
        await chat.press("f3")
        await chat.until_seen("Raw request")
        inspected = words(chat.app)

        asked = provider.sent[0].payload[-1].content
        assert "> The mooring in Stavanger costs 90 a night." in asked
        assert "Sea [b]trip[/]" in asked
        assert "“Sea [b]trip[/]”: The mooring in Stavanger costs 90 a night." in inspected


def hold(chat: Chat, monkeypatch: pytest.MonkeyPatch, fails: TuiChatError | None = None) -> Callable[[], None]:
    """Let the index be built only when what is returned is called."""
    recall, gate = chat.services.recall, asyncio.Event()
    build = recall._hold

    async def held(*arguments: Any) -> Any:
        await gate.wait()
        if fails is not None:
            raise fails
        return await build(*arguments)

    monkeypatch.setattr(recall, "_hold", held)
    return gate.set


async def test_while_the_index_is_built_it_says_so_and_then_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat_about_boats(ScriptedProvider()) as chat:
        release = hold(chat, monkeypatch)
        await choose(chat, "up")
        chat.screen.prompt.insert("Where does the boat Aurora lie?")
        await chat.until_seen("the index is being built")
        meanwhile = chat.screen.plan
        release()
        await chat.until_seen("3 found relevant are sent")

        assert meanwhile is not None
        assert "not_searched" == meanwhile.warnings[0].code
        assert 4 == meanwhile.totals.sent


async def test_keys_act_while_the_index_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat_about_boats(ScriptedProvider()) as chat:
        release = hold(chat, monkeypatch)
        await choose(chat, "up")
        await chat.press(*"boat")
        await chat.until_seen("the index is being built")
        await chat.press(*" Aurora", "backspace")

        assert "boat Auror" == chat.screen.prompt.draft
        release()


async def test_a_search_that_fails_is_said_and_costs_no_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = ScriptedProvider()
    async with chat_about_boats(provider) as chat:
        hold(chat, monkeypatch, StoreFailed("The history could not be read."))()
        await choose(chat, "up")
        chat.screen.prompt.insert("Where does the boat Aurora lie?")
        await chat.until_seen("The history could not be read")
        await chat.press("enter")
        await chat.until_seen("reply 1")

        assert "Where does the boat Aurora lie?" == provider.sent[0].payload[-1].content


async def test_m_in_the_inspector_changes_the_strategy_and_shows_the_new_plan() -> None:
    async with chat_about_boats(ScriptedProvider()) as chat:
        chat.screen.prompt.insert("Where does the boat Aurora lie?")
        await chat.press("f3")
        await chat.until_seen("Raw request")
        before = words(chat.app)
        await chat.press("m")
        await chat.until_seen(DIALOG)
        await chat.press("up", "enter")
        await chat.until_seen("found relevant")
        await chat.until(lambda: DIALOG not in chat.seen())
        after = words(chat.app)
        await chat.press("m")
        await chat.until_seen(DIALOG)
        await chat.press("escape")
        await chat.until(lambda: DIALOG not in chat.seen())
        await chat.until_seen("Raw request")
        await chat.press("escape")
        await chat.until(lambda: "Raw request" not in chat.seen())

        assert "14 before window (limit of messages)" in before
        assert "3 quotations inside" in after
        assert "retrieval" == chat.services.planning.memory_of(chat.screen.shown.conversation).strategy
        assert "Where does the boat Aurora lie?" == chat.screen.prompt.draft


# -- what it costs ------------------------------------------------------------------------------------

OPENAI = "https://api.openai.com/v1"


async def test_a_listed_model_of_a_cloud_service_has_a_price_and_says_where_it_comes_from() -> None:
    world = a_world(ScriptedProvider(), url=OPENAI, name="gpt-4o")
    async with world.app(size=(110, 30)) as chat:
        chat.screen.prompt.insert("one word and another " * 200)
        await chat.until(lambda: chat.screen.plan is not None and chat.screen.plan.totals.tokens > 100)
        await chat.pilot.pause()
        gauge, plan = chat.screen.gauge, chat.screen.plan
        chat.app.screen._handle_tooltip_timer(gauge)
        await chat.pilot.pause()
        text = words(chat.app)

        assert plan is not None
        # 2.50 dollars a million tokens.
        assert f"~${plan.totals.tokens * 2.5 / 1e6:.3f} + reply" in text
        assert "$2.50 sent, $1.25" in text
        assert "The service's own bill" in text


@pytest.mark.parametrize(
    ("url", "name"), [("http://127.0.0.1:1/v1", "gpt-4o"), (OPENAI, "gpt-99-unheard-of"), (OPENAI, "[/foo]\x1b]52;")]
)
async def test_local_and_unknown_models_have_none(url: str, name: str) -> None:
    world = a_world(ScriptedProvider(), url=url, name=name)
    async with world.app(size=(110, 30)) as chat:
        chat.screen.prompt.insert("one word and another " * 200)
        await chat.until(lambda: chat.screen.plan is not None and chat.screen.plan.totals.tokens > 100)
        await chat.pilot.pause(0.1)

        assert "+ reply" not in chat.seen()
        assert "$" not in chat.seen()
        assert "\x1b" not in chat.seen()
