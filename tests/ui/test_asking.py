"""What is asked before something is sent: nothing is sent before the answer, and nothing typed is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes import GatedProvider, ScriptedProvider, answer
from tests.ui.asking import TITLE, a_world, exchanges, fill
from tests.ui.chat_app import Chat
from tests.ui.screen_fakes import burst, words
from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import ContextTooLong
from tui_chat.core.events import Delta, Finished, TextDelta, UsageReported
from tui_chat.core.models import MemorySettings, ModelRef, Status, Usage
from tui_chat.core.settings import Caps
from tui_chat.core.tokens import measure
from tui_chat.services.options import LONG_BRANCH, LONG_DRAFT

FULL = MemorySettings("full")
REFUSED = "the whole conversation does not fit"
LONG = "so it is and " * 75
"""Too long by itself for a window of 512 tokens, and only a few lines."""


def last_sent(provider: ScriptedProvider | GatedProvider) -> str:
    """The message that was asked to be answered."""
    return provider.sent[-1].payload[-1].content


async def draft_of(chat: Chat) -> str:
    """What kill -9 would leave of the prompt."""
    return (await chat.services.library.open(chat.screen.shown.id)).draft


# -- over the budget -----------------------------------------------------------------------


async def test_what_does_not_fit_is_offered_otherwise_and_stays_in_the_prompt_even_over_a_kill() -> None:
    provider = ScriptedProvider()
    world = a_world(provider, window=2_000, memory=FULL)
    await fill(world, exchanges(20))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        await chat.send("And what then?")
        await chat.until_seen(REFUSED)
        await chat.until_seen("older messages found relevant")

        text = words(chat.app)
        offered = [name for name in ("Window:", "Everything:", "Summary:", "Retrieval:") if name in text]
        assert ["Window:", "Summary:", "Retrieval:"] == offered
        assert "20 of 40 messages sent" in text
        assert "a summary of 30 would be offered first" in text
        assert "And what then?" == chat.screen.prompt.draft
        async with asyncio.timeout(20):
            while await draft_of(chat) != "And what then?":
                await chat.pilot.pause(0.05)
        assert [] == provider.sent


async def test_choosing_sends_the_prompt_and_holds_for_the_conversation() -> None:
    provider = ScriptedProvider()
    world = a_world(provider, window=1_000, memory=FULL)
    await fill(world, exchanges(12))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        await chat.send("And what then?")
        await chat.until_seen(REFUSED)
        await chat.press("enter")
        await chat.until_seen("reply 1")
        await chat.send("And after that?")
        await chat.until_seen("reply 2")

        assert ["window", "window"] == [plan.strategy for plan in provider.sent]
        assert "And after that?" == last_sent(provider)
        assert "" == chat.screen.prompt.draft
        memory = (await chat.services.library.conversation(chat.screen.shown.id)).memory
        assert MemorySettings("window") == memory


async def test_escape_sends_nothing_and_keeps_the_text() -> None:
    provider = ScriptedProvider()
    world = a_world(provider, window=1_000, memory=FULL)
    await fill(world, exchanges(12))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        await chat.send("And what then?")
        await chat.until_seen(REFUSED)
        await chat.press("escape")
        await chat.until(lambda: REFUSED not in chat.seen())
        await chat.pilot.pause()

        assert [] == provider.sent
        assert "And what then?" == chat.screen.prompt.draft
        assert FULL == chat.services.planning.memory_of(chat.screen.shown.conversation)
        assert 24 == len(chat.screen.shown.branch)


async def test_what_is_typed_behind_a_prompt_that_is_asked_about_is_kept_apart() -> None:
    provider = ScriptedProvider()
    world = a_world(provider, window=1_000, memory=FULL)
    await fill(world, exchanges(12))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        chat.screen.prompt.insert("first")
        await burst(chat.pilot, "enter", *"second", "enter", *"third")
        await chat.until_seen(REFUSED)
        asked = chat.screen.prompt.draft
        await chat.press("enter")
        await chat.until_seen("reply 1")

        assert "first\nsecond\nthird" == asked
        assert "first" == last_sent(provider)
        assert "second\nthird" == chat.screen.prompt.draft
        assert 1 == len(provider.sent)


async def test_prompts_in_quick_succession_are_sent_in_their_order_where_nothing_is_to_be_asked() -> None:
    provider = ScriptedProvider()
    world = a_world(provider, memory=MemorySettings("summary"), caps=Caps(day_tokens=1_000_000))
    async with world.app() as chat:
        chat.screen.prompt.insert("first")
        await burst(chat.pilot, "enter", *"second", "enter", *"third", "enter")
        await chat.until(lambda: len(provider.sent) == 3)
        await chat.until_quiet()

        assert ["first", "second", "third"] == [plan.payload[-1].content for plan in provider.sent]
        assert "" == chat.screen.prompt.draft
        assert 6 == len(chat.screen.shown.branch)


async def test_an_edit_that_does_not_fit_stays_an_edit_and_the_draft_waits() -> None:
    provider = ScriptedProvider()
    world = a_world(provider, window=1_000, memory=FULL)
    await fill(world, exchanges(12))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        chat.screen.prompt.insert("my draft")
        await chat.press("escape", "G", "k", "e")
        await chat.until_seen("Editing an earlier message")
        chat.screen.prompt.draft = "question 12, in better words"
        await chat.press("enter")
        await chat.until_seen(REFUSED)
        behind = (chat.screen.prompt.draft, chat.screen.edited is not None)
        await chat.press("enter")
        await chat.until_seen("reply 1")

        assert ("question 12, in better words", True) == behind
        assert "question 12, in better words" == last_sent(provider)
        assert "my draft" == chat.screen.prompt.draft
        assert chat.screen.edited is None
        assert "Editing" not in chat.seen()


async def test_another_reply_that_does_not_fit_is_asked_about_once_and_the_old_one_stays() -> None:
    provider = ScriptedProvider()
    world = a_world(provider, window=1_000, memory=FULL)
    await fill(world, exchanges(12))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        await burst(chat.pilot, "escape", "G", "r", "r")
        await chat.until_seen("the whole conversation does not fit")
        await chat.press("escape")
        await chat.until(lambda: REFUSED not in chat.seen())
        await chat.pilot.pause()
        kept = chat.seen()
        await chat.press("r")
        await chat.until_seen(REFUSED)
        await chat.press("enter")
        await chat.until_seen("reply 1")

        assert "answer 12" in kept
        assert "question 12" in last_sent(provider)
        assert "‹2/2›" in chat.seen()


# -- too long by itself ------------------------------------------------------------------------


async def too_long(chat: Chat, text: str = LONG) -> None:
    """Send what is too long by itself, and wait until it is known what of it would fit."""
    await chat.send(text)
    await chat.until_seen("Send only its last")


async def test_a_prompt_that_is_too_long_by_itself_says_by_how_much_and_back_changes_nothing() -> None:
    provider = ScriptedProvider()
    async with a_world(provider, window=512).app() as chat:
        chat.screen.prompt.insert(LONG)
        await chat.until_seen("✖ Not sent: this message needs ~")
        said = chat.seen()
        await chat.press("enter")
        await chat.until_seen("Send only its last")
        text = " ".join(chat.seen().split())
        await chat.press("enter")
        await chat.until(lambda: "Too long" not in chat.seen())
        await chat.pilot.pause()

        plan = chat.screen.plan
        assert plan is not None
        assert plan.error is not None
        needed, room = plan.error.needed, plan.error.room
        assert f"needs ~{needed:,} of {room:,} tokens" in said
        assert f"~{needed - room:,} too many" in text
        assert LONG == chat.screen.prompt.draft
        assert [] == provider.sent


@pytest.mark.parametrize(("keys", "end"), [(["down"], "first"), (["down", "down"], "last")])
async def test_one_end_is_sent_and_the_rest_stays_in_the_prompt(keys: Sequence[str], end: str) -> None:
    provider = ScriptedProvider()
    text = " ".join(f"word {number}" for number in range(150))
    world = a_world(provider, window=512)
    await fill(world, exchanges(1, words=3))
    async with world.app(conversation=TITLE, size=(100, 40)) as chat:
        await too_long(chat, text)
        await chat.press(*keys, "enter")
        await chat.until_seen("reply 1")

        sent, left = last_sent(provider), chat.screen.prompt.draft
        whole = (sent, left) if end == "first" else (left, sent)
        assert text.split() == " ".join(whole).split()
        assert provider.sent[0].budget.input - provider.sent[0].totals.tokens < 10
        assert (text.startswith if end == "first" else text.endswith)(sent)


async def test_a_text_of_a_megabyte_is_asked_about_without_holding_up_the_keys() -> None:
    provider = ScriptedProvider()
    text = "word after word " * 62_500
    assert len(text) > LONG_DRAFT
    async with a_world(provider, window=4_096).app() as chat:
        chat.screen.prompt.draft = text
        await chat.press("enter")
        await chat.until_seen("Send only its first")
        assert text == chat.screen.prompt.draft
        await chat.press("down", "enter")
        await chat.until_seen("reply 1")

        assert text.split() == f"{last_sent(provider)} {chat.screen.prompt.draft}".split()


async def test_a_long_text_that_is_changed_while_it_is_measured_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = ScriptedProvider()
    async with a_world(provider, window=200_000).app() as chat:
        planning, gate, looking = chat.services.planning, asyncio.Event(), asyncio.Event()
        look = planning.look

        async def slow(*arguments: object, **options: object) -> ContextPlan:
            looking.set()
            await gate.wait()
            return await look(*arguments, **options)  # type: ignore[arg-type]

        chat.screen.prompt.draft = "long " * 12_000  # fits a window of 200,000 tokens
        monkeypatch.setattr(planning, "look", slow)
        await chat.press("enter")
        await looking.wait()
        await chat.press("ctrl+a", "X")
        gate.set()

        await chat.until_seen("You changed it meanwhile")
        assert [] == provider.sent
        assert chat.screen.prompt.draft.endswith("long ")
        assert "X" in chat.screen.prompt.draft


# -- limits of spending ---------------------------------------------------------------------------


async def test_over_a_limit_of_the_day_yes_sends_and_no_keeps_the_prompt() -> None:
    provider = ScriptedProvider()
    async with a_world(provider, caps=Caps(day_tokens=5)).app() as chat:
        await chat.send("Tell me more")
        await chat.until_seen("Send it all the same?")
        text = " ".join(chat.seen().split())
        await chat.press("enter")  # answers nothing: it may have been meant for what was before
        await chat.press("n")
        await chat.until(lambda: "all the same" not in chat.seen())
        kept, sent = chat.screen.prompt.draft, len(provider.sent)
        await chat.press("enter")
        await chat.until_seen("Send it all the same?")
        await chat.press("y")
        await chat.until_seen("reply 1")

        assert "of the 5 tokens a day that you allowed" in text
        assert ("Tell me more", 0) == (kept, sent)
        assert "Tell me more" == last_sent(provider)
        assert "" == chat.screen.prompt.draft


async def test_under_the_limits_nothing_is_asked() -> None:
    provider = ScriptedProvider()
    async with a_world(provider, caps=Caps(day_tokens=10_000)).app() as chat:
        await chat.send("Tell me more")

        await chat.until_seen("reply 1")


async def test_a_queued_prompt_over_a_limit_fails_visibly_and_r_asks() -> None:
    gated = GatedProvider()
    world = a_world(gated, caps=Caps(conversation_tokens=40))
    async with world.app() as chat:
        await chat.send("Tell me more")
        await chat.until_seen("half an")
        await chat.send("and more")
        await chat.until_seen("queued")
        shown = chat.screen.shown
        await chat.services.spending.record(shown.id, ModelRef("test", "test-model"), gated.sent[0], Usage(30, 5), "")
        gated.gate.set()
        await chat.until_seen("of the 40 tokens a conversation that")
        await chat.until_quiet()
        sent = len(gated.sent)
        await chat.press("escape", "r")
        await chat.until_seen("Send it all the same?")
        await chat.press("y")
        await chat.until(lambda: len(gated.sent) == 2)
        await chat.until_quiet()

        assert 1 == sent
        assert "and more" == last_sent(gated)
        assert "of the 40 tokens" not in chat.seen()


# -- a server that takes less -----------------------------------------------------------------------

TOO_LONG = "Too long for this model"


async def refused(chat: Chat) -> None:
    """Send a prompt that the server refuses as too long."""
    await chat.send("And what then?")
    await chat.until_seen(TOO_LONG)


async def test_a_refusal_with_a_limit_is_learned_and_offers_to_send_less() -> None:
    error = ContextTooLong("The prompt is too long.", limit=600, needed=800)
    provider = ScriptedProvider([error], answer("Now it fits."))
    world = a_world(provider)
    await fill(world, exchanges(8))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        await refused(chat)
        question, sent = " ".join(chat.seen().split()), len(provider.sent)
        await chat.press("y")
        await chat.until_seen("Now it fits.")
        await chat.pilot.pause()

        assert "it takes 600 tokens" in question
        assert 1 == sent
        first, second = provider.sent
        assert 16 == first.totals.sent > second.totals.sent > 0
        assert "And what then?" == last_sent(provider)
        plan = chat.screen.plan
        assert plan is not None
        assert (600, False) == (plan.budget.context_window, plan.budget.assumed)
        assert f"of {plan.budget.input:,} tokens" in chat.seen()


async def test_a_refusal_without_a_limit_offers_half_of_what_was_refused() -> None:
    provider = ScriptedProvider([ContextTooLong("Too many tokens.")], answer("Now it fits."))
    world = a_world(provider)
    await fill(world, exchanges(8))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        await refused(chat)
        await chat.press("y")
        await chat.until_seen("Now it fits.")

        first, second = provider.sent
        assert first.totals.tokens // 4 < second.totals.tokens <= first.totals.tokens // 2


async def test_no_leaves_the_refusal_and_r_asks_again_by_hand() -> None:
    provider = ScriptedProvider([ContextTooLong("Too many tokens.", limit=600)], answer("Now it fits."))
    world = a_world(provider)
    await fill(world, exchanges(8))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        await refused(chat)
        await chat.press("n")
        await chat.until(lambda: TOO_LONG not in chat.seen())
        await chat.pilot.pause(0.2)
        left, sent = chat.seen(), len(provider.sent)
        await chat.press("escape", "r")
        await chat.until_seen("Now it fits.")

        assert "Too many tokens." in left
        assert 1 == sent
        assert 2 == len(provider.sent)


async def test_a_server_that_refuses_again_is_asked_again_only_with_a_yes_and_with_less_each_time() -> None:
    provider = ScriptedProvider(*[[ContextTooLong("Too many tokens.", limit=600)] for _ in range(9)])
    world = a_world(provider)
    await fill(world, exchanges(8))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        await refused(chat)
        for number in (1, 2):
            await chat.until_seen(TOO_LONG)
            assert number == len(provider.sent)
            await chat.press("y")
            await chat.until(lambda number=number: len(provider.sent) > number)  # type: ignore[misc]
        await chat.until_seen("Nothing more can be left out")

        sizes = [plan.totals.tokens for plan in provider.sent]
        assert sorted(set(sizes), reverse=True) == sizes
        assert TOO_LONG not in chat.seen()


async def test_a_refused_message_that_cannot_be_made_smaller_is_not_offered_again() -> None:
    provider = ScriptedProvider([ContextTooLong("Too many tokens.", limit=256)])
    async with a_world(provider).app() as chat:
        await chat.send(LONG)

        await chat.until_seen("Nothing more can be left out")
        assert TOO_LONG not in chat.seen()
        assert 1 == len(provider.sent)


async def test_with_everything_chosen_a_refusal_leads_to_what_is_left_out() -> None:
    provider = ScriptedProvider([ContextTooLong("Too many tokens.", limit=600)], answer("Now it fits."))
    world = a_world(provider, memory=FULL)
    await fill(world, exchanges(8))
    async with world.app(conversation=TITLE, size=(110, 34)) as chat:
        await refused(chat)
        assert "Something must be left out first" in chat.seen()
        await chat.press("y")
        await chat.until_seen(REFUSED)
        await chat.press("enter")
        await chat.until_seen("Now it fits.")

        assert ["full", "window"] == [plan.strategy for plan in provider.sent]


async def test_a_refusal_in_a_conversation_that_is_not_on_show_waits_there() -> None:
    gated = GatedProvider()
    async with a_world(gated).app() as chat:
        await chat.send("Hi")
        await chat.until_seen("half an")
        gated.stream = ScriptedProvider([ContextTooLong("Too many tokens.", limit=600)]).stream  # type: ignore[method-assign]
        await chat.send("queued one")
        await chat.until_seen("queued")
        await chat.press("ctrl+n")
        gated.gate.set()
        await chat.until(lambda: not any(chat.services.chat.is_replying(row) for row in _ids(chat)))
        await chat.pilot.pause(0.2)

        assert TOO_LONG not in chat.seen()
        await chat.press("alt+down")
        await chat.until_seen("Too many tokens.")
        assert chat.screen.shown.branch[-1].status is Status.FAILED


def _ids(chat: Chat) -> list[str]:
    return list(chat.services.chat._turns)


# -- what the server counted -------------------------------------------------------------------------


async def test_the_last_exact_count_stands_beside_the_estimate_until_the_next_prompt() -> None:
    script: list[Delta] = [TextDelta("Hello"), UsageReported(Usage(1_234, 56)), Finished("stop")]
    provider = ScriptedProvider(script)
    async with a_world(provider).app(size=(110, 30)) as chat:
        await chat.send("Hi")

        await chat.until_seen("last 1,234 + 56")
        assert "~1,234" not in chat.seen()
        await chat.press("ctrl+n")
        await chat.until(lambda: "last 1,234" not in chat.seen())


# -- the plan of the draft, where it takes long ---------------------------------------------------------

RETRIEVAL = MemorySettings("retrieval", max_messages=4)


class Held:
    """Holds back every plan that is looked for, until it is let go by its draft."""

    def __init__(self, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gates: dict[str | None, asyncio.Event] = {}
        self.done: list[str | None] = []
        self._look = chat.services.planning.look
        monkeypatch.setattr(chat.services.planning, "look", self.look)

    async def look(self, conversation: Any, branch: Any, draft: str | None, *rest: Any, **more: Any) -> ContextPlan:
        await self.gates.setdefault(draft, asyncio.Event()).wait()
        try:
            return await self._look(conversation, branch, draft, *rest, **more)
        finally:
            self.done.append(draft)


async def test_a_plan_that_comes_late_does_not_replace_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(ScriptedProvider(), memory=RETRIEVAL)
    await fill(world, exchanges(12))
    async with world.app(conversation=TITLE) as chat:
        await chat.until(lambda: chat.screen.plan is not None)
        held = Held(chat, monkeypatch)
        chat.screen.prompt.draft = "older"
        await chat.until(lambda: "older" in held.gates)
        chat.screen.prompt.draft = "newer, and much longer than it was"
        await chat.until(lambda: chat.screen.prompt.draft in held.gates)
        held.gates[chat.screen.prompt.draft].set()
        await chat.until(lambda: chat.screen.prompt.draft in held.done)
        await chat.pilot.pause()
        newer = chat.screen.plan
        held.gates["older"].set()
        await chat.pilot.pause(0.1)

        assert newer is not None
        assert newer == chat.screen.plan
        assert measure(chat.screen.prompt.draft).tokens < newer.entries[-1].tokens


async def test_no_plan_of_another_conversation_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(ScriptedProvider(), memory=RETRIEVAL)
    await fill(world, exchanges(12))
    await fill(world, exchanges(3), number=2, title="Another one")
    async with world.app(conversation=TITLE) as chat:
        await chat.until(lambda: chat.screen.plan is not None)
        assert "are not sent" in words(chat.app)
        held = Held(chat, monkeypatch)
        await chat.press("alt+down")
        await chat.until(lambda: chat.screen.shown.conversation.title == "Another one")
        await chat.until(lambda: None in held.gates)
        await chat.pilot.pause()
        meanwhile, shown = chat.screen.plan, words(chat.app)
        await chat.press("alt+up")
        await chat.until(lambda: chat.screen.shown.conversation.title == TITLE)
        held.gates[None].set()
        await chat.until(lambda: chat.screen.plan is not None)
        await chat.pilot.pause(0.1)

        assert meanwhile is None
        assert "are not sent" not in shown
        assert "of 4,388 tokens" not in shown
        assert chat.screen.plan is not None
        assert 24 == chat.screen.plan.totals.sent + chat.screen.plan.totals.not_sent


async def test_a_long_conversation_is_planned_beside_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = ScriptedProvider()
    world = a_world(provider)
    await fill(world, exchanges(LONG_BRANCH // 2 + 50, words=3))
    async with world.app(conversation=TITLE) as chat:
        planning, threads = chat.services.planning, set()
        preview = planning.preview

        def seen_in(*arguments: Any, **options: Any) -> ContextPlan:
            threads.add(threading.get_ident())
            return preview(*arguments, **options)

        monkeypatch.setattr(planning, "preview", seen_in)
        await chat.send("And what then?")
        await chat.until_seen("reply 1")
        await chat.until_quiet()
        chat.screen.prompt.draft = "one more"
        await chat.until(lambda: chat.screen.plan is not None and chat.screen.plan.totals.sent == 20)

        assert threads
        assert threading.get_ident() not in threads
        assert "2,082 of 2,102 earlier messages are not sent" in words(chat.app)


@pytest.mark.parametrize("what", ["look", "basis"])
async def test_locking_while_a_plan_is_made_shows_nothing_of_it(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    world = a_world(ScriptedProvider(), memory=RETRIEVAL)
    await fill(world, exchanges(12))
    async with world.app(conversation=TITLE) as chat:
        await chat.until(lambda: chat.screen.plan is not None)
        planning, gate, begun = chat.services.planning, asyncio.Event(), asyncio.Event()
        inner = getattr(planning, what)

        async def held(*arguments: Any, **options: Any) -> Any:
            begun.set()
            await gate.wait()
            return await inner(*arguments, **options)

        monkeypatch.setattr(planning, what, held)
        chat.screen.prompt.draft = "half a thought"
        if what == "basis":
            chat.screen.learn_basis()
        await begun.wait()
        await chat.screen.run_action("app.lock")
        await chat.until(lambda: chat.app.screen is not chat.screen)
        gate.set()
        await chat.pilot.pause(0.2)

        text = words(chat.app)
        assert chat.screen.plan is None
        assert "are not sent" not in text
        assert "question" not in text
        assert [] == [each.message for each in chat.app._notifications]


async def test_a_plan_that_comes_late_is_not_shown_over_one_that_was_made_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = a_world(ScriptedProvider(), memory=RETRIEVAL)
    await fill(world, exchanges(12))
    async with world.app(conversation=TITLE) as chat:
        await chat.until(lambda: chat.screen.plan is not None)
        held = Held(chat, monkeypatch)
        chat.screen.prompt.draft = "older"
        await chat.until(lambda: "older" in held.gates)
        shown = chat.screen.shown
        chat.screen.shown = replace(shown, conversation=replace(shown.conversation, memory=FULL))
        chat.screen.replan()
        at_once = chat.screen.plan
        held.gates["older"].set()
        await chat.pilot.pause(0.1)

        assert at_once is not None
        assert at_once.strategy == "full"
        assert at_once == chat.screen.plan


@pytest.mark.parametrize("number", [12, LONG_BRANCH // 2 + 50])
async def test_locking_while_a_prompt_is_looked_at_keeps_it_as_a_draft(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    provider = ScriptedProvider()
    world = a_world(provider, caps=Caps(day_tokens=1_000_000) if number == 12 else None)
    await fill(world, exchanges(number, words=3))
    async with world.app(conversation=TITLE) as chat:
        await chat.until(lambda: chat.screen.plan is not None)
        held = Held(chat, monkeypatch)
        await chat.send("And what then?")
        await chat.until(lambda: "And what then?" in held.gates)
        await chat.screen.run_action("app.lock")
        await chat.until(lambda: chat.app.screen is not chat.screen)
        held.gates["And what then?"].set()
        await chat.pilot.pause(0.2)

    services = await world.services()
    try:
        found = await services.library.find(TITLE)
        assert found is not None
        opened = await services.library.open(found.id)
        assert "And what then?" == opened.draft
        assert 2 * number == len(opened.tree.branch)
        assert [] == provider.sent
    finally:
        await services.close()
