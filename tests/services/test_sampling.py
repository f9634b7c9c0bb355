"""Sampling parameters in a turn: whose hold, what is left out, and what a refusal teaches."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.fakes import ScriptedProvider, answer
from tests.samplings import ALL
from tests.services.conftest import MODEL, Bench, MakeBench, Watcher
from tui_chat.core.context import ContextPlan
from tui_chat.core.digest import plan_of
from tui_chat.core.errors import ServerFailed, StoreFailed
from tui_chat.core.events import Delta, Finished, ParameterDropped, PlanReady, TextDelta, UsageReported
from tui_chat.core.models import Conversation, ModelRef, Status, Usage
from tui_chat.core.sampling import LeftOut, Sampling
from tui_chat.core.settings import Endpoint
from tui_chat.services.sampling import MOST_REFUSED, Takes, forget_refused, refused, remember_refused, takes

WARM = Sampling(temperature=0.7, top_p=0.9)
REFUSED = LeftOut("temperature", 0.7, refused=True)
SAID = "test-model takes no temperature 0.7: it was left out, and will be from now on."


def refusing() -> list[Delta]:
    return [ParameterDropped("temperature"), *answer("Yes.")]


async def talk(bench: Bench, conversation: Conversation, text: str = "hi") -> Watcher:
    watch = Watcher()
    await bench.chat.send(conversation.id, text, watch)
    return watch


async def warm(bench: Bench) -> Conversation:
    made = await bench.library.new(model=MODEL)
    await bench.library.set_sampling(made.id, WARM)
    return made


def plans(watch: Watcher) -> list[ContextPlan]:
    return [event.plan for event in watch.all(PlanReady) if isinstance(event, PlanReady)]


# -- whose hold ---------------------------------------------------------------------------------


async def test_nothing_is_sent_unless_it_was_set(bench: MakeBench) -> None:
    provider = ScriptedProvider()
    made = bench(provider)

    await talk(made, await made.library.new(model=MODEL))

    assert [(Sampling(), ())] == [(plan.sampling, plan.unsampled) for plan in provider.sent]


async def test_a_conversations_own_hold_and_else_the_users(bench: MakeBench) -> None:
    provider = ScriptedProvider()
    made = bench(provider)
    made.settings = replace(made.settings, sampling=Sampling(seed=7))
    for own in (None, WARM, Sampling()):
        conversation = await made.library.new(model=MODEL)
        await made.library.set_sampling(conversation.id, own)
        await talk(made, conversation)

    assert [Sampling(seed=7), WARM, Sampling()] == [plan.sampling for plan in provider.sent]


async def test_what_a_service_has_no_name_for_is_left_out_and_listed(bench: MakeBench) -> None:
    store = bench(ScriptedProvider()).store
    anthropic = await takes(store, Endpoint("a", "https://api.anthropic.com", "anthropic"), MODEL)
    openai = await takes(store, Endpoint("o", "https://api.openai.com/v1"), MODEL)
    guide = await takes(store, Endpoint("guide", "", "guide"), MODEL)
    unknown = await takes(store, None, MODEL)

    assert (ALL.without("seed"), (LeftOut("seed", 7, refused=False),)) == anthropic.of(ALL)
    assert (ALL.without("top_k"), (LeftOut("top_k", 40, refused=False),)) == openai.of(ALL)
    assert Sampling() == guide.of(ALL)[0]
    assert (ALL, ()) == unknown.of(ALL)


# -- a refusal ----------------------------------------------------------------------------------


async def test_a_refused_one_is_said_beside_the_reply_and_left_out_from_then_on(bench: MakeBench) -> None:
    provider = ScriptedProvider(refusing(), answer("Again."))
    made = bench(provider)
    conversation = await warm(made)

    first = await talk(made, conversation)
    second = await talk(made, conversation)

    assert (Status.COMPLETE, "Yes.", SAID) == (first.reply.status, first.reply.text, first.reply.error)
    assert [WARM, Sampling(top_p=0.9)] == [plan.sampling for plan in plans(first)]
    assert (REFUSED,) == plans(first)[-1].unsampled
    assert [WARM, Sampling(top_p=0.9)] == [plan.sampling for plan in provider.sent]
    assert (REFUSED,) == provider.sent[-1].unsampled
    assert None is second.reply.error
    kept = plan_of(await made.store.digest(first.reply.id) or "")
    assert (Sampling(top_p=0.9), (REFUSED,)) == (kept.sampling, kept.unsampled)


async def test_it_is_remembered_for_that_model_and_value_only(bench: MakeBench) -> None:
    made = bench(ScriptedProvider(refusing()))
    conversation = await warm(made)
    await talk(made, conversation)

    other_model = await made.planning.basis(replace(conversation, model=ModelRef("test", "other")))
    this = (await made.planning.basis(conversation)).takes

    assert (WARM, ()) == other_model.takes.of(WARM)
    assert (WARM.without("temperature"), (REFUSED,)) == this.of(WARM)
    assert (Sampling(temperature=1.0), ()) == this.of(Sampling(temperature=1.0))


async def test_a_change_by_the_user_has_all_of_it_tried_again(bench: MakeBench) -> None:
    provider = ScriptedProvider(refusing(), refusing())
    made = bench(provider)
    conversation = await warm(made)
    await talk(made, conversation)

    await made.planning.forget_refused(MODEL)
    again = await talk(made, conversation)

    assert [WARM, WARM] == [plan.sampling for plan in provider.sent]
    assert SAID == again.reply.error


async def test_a_drop_is_said_with_whatever_else_there_is_to_say(bench: MakeBench) -> None:
    dropped = ParameterDropped("temperature")
    provider = ScriptedProvider(
        [dropped, TextDelta("Yes"), Finished("length")],
        [ParameterDropped("top_p"), TextDelta("Yes"), ServerFailed("It failed.", hint="Try again.")],
    )
    made = bench(provider)
    conversation = await warm(made)

    cut, failed = await talk(made, conversation), await talk(made, conversation)

    assert f"The reply was cut off at the model's length limit. {SAID}" == cut.reply.error
    said = "It failed. Try again. test-model takes no top_p 0.9: it was left out, and will be from now on."
    assert (Status.FAILED, said) == (failed.reply.status, failed.reply.error)


async def test_where_it_cannot_be_remembered_nothing_is_promised(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench(ScriptedProvider(refusing()))
    conversation = await warm(made)
    set_value = made.store.set_value

    async def full(key: str, value: str) -> None:
        if key.startswith("refused-parameters:"):
            raise StoreFailed("The disk is full.")
        await set_value(key, value)

    monkeypatch.setattr(made.store, "set_value", full)
    watch = await talk(made, conversation)

    assert (Status.COMPLETE, "test-model takes no temperature 0.7: it was left out.") == (
        watch.reply.status,
        watch.reply.error,
    )


async def test_a_provider_that_drops_what_was_not_sent_is_not_believed(bench: MakeBench) -> None:
    made = bench(ScriptedProvider([ParameterDropped("seed"), ParameterDropped("canary"), *answer("Yes.")]))

    watch = await talk(made, await warm(made))

    assert (Status.COMPLETE, None) == (watch.reply.status, watch.reply.error)
    assert {} == await refused(made.store, MODEL)


async def test_a_summary_is_asked_for_without_them(bench: MakeBench) -> None:
    summary: list[Delta] = [TextDelta("They said hello."), UsageReported(Usage(10, 5)), Finished("stop")]
    provider = ScriptedProvider(answer("one"), answer("two"), summary)
    made = bench(provider)
    made.settings = replace(made.settings, sampling=ALL)
    conversation = await made.library.new(model=MODEL)
    memory = replace(made.settings.memory, strategy="summary", max_messages=2)
    await made.library.set_memory(conversation.id, memory)
    await talk(made, conversation, "first")
    await talk(made, conversation, "second")
    opened = await made.library.open(conversation.id)
    plan = await made.planning.plan(conversation.id, "third")

    async def emit(piece: str) -> None:
        """Nobody watches."""

    await made.summaries.make(opened.conversation, opened.tree.branch, plan, MODEL, emit)

    assert [ALL, ALL, Sampling()] == [each.sampling for each in provider.sent]


# -- what is remembered -------------------------------------------------------------------------


async def test_so_many_values_are_remembered_and_damage_is_learned_again(bench: MakeBench) -> None:
    store = bench(ScriptedProvider()).store
    for seed in range(MOST_REFUSED + 2):
        await remember_refused(store, MODEL, LeftOut("seed", seed, refused=True))
    await remember_refused(store, MODEL, LeftOut("seed", 5, refused=True))
    kept = (await refused(store, MODEL))["seed"]
    await forget_refused(store, MODEL)
    forgotten = await refused(store, MODEL)

    assert (5, 9, 8) == kept[:3]
    assert MOST_REFUSED == len(kept) == len(set(kept))
    assert {} == forgotten
    for damaged in ("", "[", "7", "[1]", '{"canary": [1]}', '{"seed": 1}', '{"seed": ["x"]}'):
        await store.set_value(f"refused-parameters:{MODEL}", damaged)
        assert (ALL, ()) == Takes(refused=await refused(store, MODEL)).of(ALL)


async def test_what_is_remembered_holds_no_text(bench: MakeBench) -> None:
    made = bench(ScriptedProvider(refusing()))
    await talk(made, await warm(made), "the prompt canary")

    assert {"temperature": [0.7]} == json.loads(await made.store.value(f"refused-parameters:{MODEL}") or "")
