"""A turn keeps its promises: saved before asked, exactly one end, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes import GatedProvider, ScriptedProvider, answer
from tests.services.conftest import MODEL, Bench, MakeBench, Watcher
from tui_chat.core.errors import BadInput, ContextTooLong, NotReached, OverBudget, Refused, StoreFailed, TuiChatError
from tui_chat.core.events import (
    Delta,
    Finished,
    PlanReady,
    PromptSaved,
    ReplyStarted,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    UsageReported,
)
from tui_chat.core.models import MemorySettings, Message, Role, Status, Thinking, Usage
from tui_chat.core.settings import GUIDE_MODEL
from tui_chat.services.options import Options

Scripted = Callable[..., Bench]


async def start(
    bench: Bench, text: str, watch: Watcher, conversation_id: str | None = None
) -> tuple[str, asyncio.Task[None]]:
    """Begin a turn and wait until half of its reply is there."""
    cid = conversation_id or (await bench.library.new()).id
    task = asyncio.create_task(bench.chat.send(cid, text, watch))
    await watch.until(TextDelta)
    return cid, task


async def test_a_turn_emits_its_events_in_order(scripted: Scripted) -> None:
    bench, watch = scripted(answer("Hello.")), Watcher()
    cid = (await bench.library.new()).id

    await bench.chat.send(cid, "Hi", watch)

    assert [type(event) for event in watch.events] == [PromptSaved, ReplyStarted, PlanReady, TextDelta, TurnEnded]
    assert await bench.branch(cid) == [("user", "Hi", "complete"), ("assistant", "Hello.", "complete")]


async def test_the_prompt_is_saved_before_the_model_is_asked(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    saved_when_asked: list[list[tuple[str, str, str]]] = []

    class Looks(GatedProvider):
        async def stream(self, plan, *, model):  # type: ignore[no-untyped-def]
            saved_when_asked.append(await b.branch(cid))
            yield TextDelta("x")
            yield Finished("stop")

    b = bench(Looks())
    cid = (await b.library.new()).id
    await b.chat.send(cid, "Hi", watch)

    assert saved_when_asked[0][0] == ("user", "Hi", "complete")


async def test_what_is_sent_is_the_plan(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(answer("one"), answer("two")), Watcher()
    b = bench(provider)
    cid = (await b.library.new(system_prompt="Be brief.")).id
    await b.chat.send(cid, "first", watch)
    before = await b.planning.plan(cid, "second")

    await b.chat.send(cid, "second", watch)

    assert before.payload == provider.sent[-1].payload
    sent = [(each.role, each.content) for each in provider.sent[-1].payload]
    assert sent == [("system", "Be brief."), ("user", "first"), ("assistant", "one"), ("user", "second")]


async def test_a_prompt_that_cannot_be_saved_is_not_sent(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id

    async def full(*args: object, **kwargs: object) -> None:
        raise StoreFailed("The disk is full.")

    monkeypatch.setattr(b.store, "add_prompt", full)
    with pytest.raises(StoreFailed):
        await b.chat.send(cid, "Hi", watch)

    assert (watch.events, provider.sent) == ([], [])
    assert not b.chat.is_replying(cid)


async def test_stopping_keeps_the_partial_reply(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid, task = await start(b, "Hi", watch)

    assert b.chat.stop(cid)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await b.branch(cid) == [("user", "Hi", "complete"), ("assistant", "half an ", "stopped")]
    assert gated.connections_closed == 1
    assert len(watch.all(TurnEnded)) == 1


async def test_a_second_cancel_does_not_cut_the_save(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid, task = await start(b, "Hi", watch)
    saving, gate = asyncio.Event(), asyncio.Event()
    finish = b.store.finish_message

    async def slow(message: Message, at: int) -> None:
        saving.set()
        await gate.wait()
        await finish(message, at)

    monkeypatch.setattr(b.store, "finish_message", slow)
    task.cancel()
    await saving.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await b.chat.close()

    assert (await b.branch(cid))[-1] == ("assistant", "half an ", "stopped")


async def test_closing_stops_the_turns_and_waits_for_their_saves(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid, task = await start(b, "Hi", watch)

    await b.chat.close()

    assert task.cancelled()
    assert (await b.branch(cid))[-1] == ("assistant", "half an ", "stopped")


async def test_cancelling_the_drawing_saves_the_reply_and_closes_the_connection(bench: MakeBench) -> None:
    gated = GatedProvider()
    b = bench(gated)
    cid = (await b.library.new()).id
    drawing = asyncio.Event()

    async def draw(event: object) -> None:
        if isinstance(event, TextDelta):
            drawing.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(b.chat.send(cid, "Hi", draw))
    await drawing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await b.branch(cid))[-1] == ("assistant", "half an ", "stopped")
    assert gated.connections_closed == 1


async def test_a_fault_in_the_drawing_fails_the_reply_keeps_its_text_and_is_raised(bench: MakeBench) -> None:
    b, ended = bench(GatedProvider()), []
    cid = (await b.library.new()).id

    async def draw(event: object) -> None:
        if isinstance(event, TextDelta):
            raise ZeroDivisionError
        if isinstance(event, TurnEnded):
            ended.append(event)

    with pytest.raises(ZeroDivisionError):
        await b.chat.send(cid, "Hi", draw)

    assert (await b.branch(cid))[-1] == ("assistant", "half an ", "failed")
    assert len(ended) == 1
    assert not b.chat.is_replying(cid)


async def test_a_dropped_connection_keeps_the_text_and_the_error_beside_it(scripted: Scripted) -> None:
    bench, watch = scripted([TextDelta("Half"), NotReached("The connection was cut.", hint="Try again.")]), Watcher()
    cid = (await bench.library.new()).id

    await bench.chat.send(cid, "Hi", watch)

    assert (watch.reply.text, watch.reply.status) == ("Half", Status.FAILED)
    assert watch.reply.error == "The connection was cut. Try again."
    assert (await bench.store.message(watch.reply.id)).error == watch.reply.error


async def test_error_text_is_never_sent_back_to_the_model(bench: MakeBench) -> None:
    provider = ScriptedProvider([NotReached("Nobody answers.")], answer("ok"))
    b, watch = bench(provider), Watcher()
    cid = (await b.library.new()).id
    await b.chat.send(cid, "one", watch)

    await b.chat.send(cid, "two", watch)

    assert [(each.role, each.content) for each in provider.sent[-1].payload] == [("user", "one"), ("user", "two")]


async def test_a_reply_of_thinking_only_fails_and_says_so(scripted: Scripted) -> None:
    bench, watch = scripted([ThinkingDelta("hm"), Finished("length")]), Watcher()
    cid = (await bench.library.new()).id

    await bench.chat.send(cid, "Hi", watch)

    assert watch.reply.status is Status.FAILED
    assert watch.reply.parts == (Thinking("hm"),)
    assert "thought, but gave no answer" in (watch.reply.error or "")


async def test_thinking_and_usage_are_kept_with_the_reply(scripted: Scripted) -> None:
    script = [ThinkingDelta("hm"), TextDelta("4"), UsageReported(Usage(11, 2, 3)), Finished("stop")]
    bench, watch = scripted(script), Watcher()
    cid = (await bench.library.new()).id

    await bench.chat.send(cid, "2+2", watch)

    kept = await bench.store.message(watch.reply.id)
    assert (kept.text, kept.parts, kept.usage) == ("4", (Thinking("hm"),), Usage(11, 2, 3))
    assert kept.model == MODEL


async def test_a_cut_at_the_length_limit_is_said_beside_a_complete_reply(scripted: Scripted) -> None:
    bench, watch = scripted([TextDelta("Half"), Finished("length")]), Watcher()
    cid = (await bench.library.new()).id

    await bench.chat.send(cid, "Hi", watch)

    assert watch.reply.status is Status.COMPLETE
    assert "length limit" in (watch.reply.error or "")


async def test_an_empty_prompt_is_refused(scripted: Scripted) -> None:
    bench, watch = scripted(), Watcher()
    cid = (await bench.library.new()).id

    with pytest.raises(BadInput):
        await bench.chat.send(cid, " \n ", watch)

    assert await bench.branch(cid) == []


async def test_a_prompt_over_the_budget_is_kept_and_not_sent(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id

    await b.chat.send(cid, "word " * 9000, watch)

    ended = watch.all(TurnEnded)[-1]
    assert isinstance(ended, TurnEnded)
    assert isinstance(ended.error, OverBudget)
    assert provider.sent == []
    assert [status for _, _, status in await b.branch(cid)] == ["complete", "failed"]


async def test_a_refused_length_teaches_the_context_window(scripted: Scripted) -> None:
    bench, watch = scripted([ContextTooLong("Too long.", limit=512)]), Watcher()
    cid = (await bench.library.new()).id

    await bench.chat.send(cid, "Hi", watch)

    assert (await bench.endpoints.window(MODEL)).tokens == 512


async def test_a_prompt_typed_during_a_reply_is_saved_queued_and_answered_after_it(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid, task = await start(b, "one", watch)

    await b.chat.send(cid, "two", watch)
    await b.chat.send(cid, "three", watch)
    queued_now = b.chat.queued(cid)
    branch_meanwhile = await b.branch(cid)
    gated.gate.set()
    await task

    assert len(queued_now) == 2
    assert [text for _, text, _ in branch_meanwhile] == ["one", branch_meanwhile[1][1], "two", "three"]
    assert [text for _, text, _ in await b.branch(cid)] == [
        "one", "half an answer", "two", "half an answer", "three", "half an answer",
    ]  # fmt: skip
    assert [event.queued for event in watch.all(PromptSaved) if isinstance(event, PromptSaved)] == [False, True, True]
    assert len(watch.all(TurnEnded)) == len(watch.all(ReplyStarted)) == 3


async def test_each_queued_prompt_is_sent_with_the_branch_before_it_only(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid, task = await start(b, "one", watch)
    await b.chat.send(cid, "two", watch)
    await b.chat.send(cid, "three", watch)
    gated.gate.set()
    await task

    assert [each.content for each in gated.sent[1].payload] == ["one", "half an answer", "two"]


async def test_a_stop_pauses_the_queue_and_again_resumes_it(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid, task = await start(b, "one", watch)
    await b.chat.send(cid, "two", watch)

    b.chat.stop(cid)
    with pytest.raises(asyncio.CancelledError):
        await task
    paused = (len(gated.sent), len(b.chat.queued(cid)), [text for _, text, _ in await b.branch(cid)])
    gated.gate.set()
    await b.chat.regenerate(cid, watch.reply.id, watch)

    assert paused == (1, 1, ["one", "half an ", "two"])
    assert [text for _, text, _ in await b.branch(cid)] == ["one", "half an answer", "two", "half an answer"]


async def test_turns_of_one_conversation_never_interleave(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id

    await asyncio.gather(*(b.chat.send(cid, f"prompt {n}", watch) for n in range(8)))

    roles = [role for role, _, _ in await b.branch(cid)]
    assert roles == ["user", "assistant"] * 8
    running = 0
    for event in watch.events:
        running += isinstance(event, ReplyStarted) - isinstance(event, TurnEnded)
        assert running in (0, 1)


async def test_conversations_talk_side_by_side(bench: MakeBench) -> None:
    gated, one, two = GatedProvider(), Watcher(), Watcher()
    b = bench(gated)
    first, first_task = await start(b, "one", one)
    second, second_task = await start(b, "two", two)

    both = b.chat.is_replying(first) and b.chat.is_replying(second)
    gated.gate.set()
    await asyncio.gather(first_task, second_task)

    assert both
    assert (one.reply.text, two.reply.text) == ("half an answer", "half an answer")


async def test_regenerate_makes_a_branch_and_keeps_the_first_reply(scripted: Scripted) -> None:
    bench, watch = scripted(answer("one"), answer("two")), Watcher()
    cid = (await bench.library.new()).id
    await bench.chat.send(cid, "Hi", watch)
    first = watch.reply.id

    await bench.chat.regenerate(cid, first, watch)

    tree = (await bench.library.open(cid)).tree
    assert [text for _, text, _ in await bench.branch(cid)] == ["Hi", "two"]
    assert list(tree.siblings(first)) == [first, watch.reply.id]


async def test_again_after_a_failure_replaces_the_empty_reply(scripted: Scripted) -> None:
    bench, watch = scripted([NotReached("Nobody answers.")], answer("here")), Watcher()
    cid = (await bench.library.new()).id
    await bench.chat.send(cid, "Hi", watch)

    await bench.chat.regenerate(cid, watch.reply.id, watch)

    tree = (await bench.library.open(cid)).tree
    assert [text for _, text, _ in await bench.branch(cid)] == ["Hi", "here"]
    assert len(tree.siblings(watch.reply.id)) == 1


async def test_an_edit_makes_a_branch_and_undo_shows_the_old_one(scripted: Scripted) -> None:
    bench, watch = scripted(answer("one"), answer("two")), Watcher()
    cid = (await bench.library.new()).id
    await bench.chat.send(cid, "Hi", watch)
    opened = await bench.library.open(cid)
    bench.library.remember_branch("edit", cid, opened.tree.head)

    await bench.chat.edit(cid, opened.tree.branch[0].id, "Hello", watch)
    edited = [text for _, text, _ in await bench.branch(cid)]
    await bench.library.undo()

    assert edited == ["Hello", "two"]
    assert [text for _, text, _ in await bench.branch(cid)] == ["Hi", "one"]


async def test_the_reply_is_checkpointed_while_it_streams(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    _cid, task = await start(b, "Hi", watch)

    async with asyncio.timeout(10):
        while (await b.store.message(watch.started.id)).text != "half an ":
            await asyncio.sleep(0)
    status = (await b.store.message(watch.started.id)).status
    gated.gate.set()
    await task

    assert status is Status.STREAMING


async def test_failing_to_save_the_end_is_said_once(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    b, watch = bench(ScriptedProvider(answer("text"))), Watcher()
    cid = (await b.library.new()).id

    async def full(*args: object) -> None:
        raise StoreFailed("The disk is full.")

    monkeypatch.setattr(b.store, "finish_message", full)
    await b.chat.send(cid, "Hi", watch)

    ended = watch.all(TurnEnded)
    assert len(ended) == 1
    assert isinstance(ended[0], TurnEnded)
    assert isinstance(ended[0].error, StoreFailed)
    assert ended[0].reply.text == "text"


async def test_a_prompt_that_was_not_the_draft_leaves_it(scripted: Scripted) -> None:
    bench, watch = scripted(), Watcher()
    cid = (await bench.library.new()).id
    await bench.library.save_draft(cid, "half a thought")

    await bench.chat.send(cid, "Hi", watch, keep_draft=True)

    assert "half a thought" == (await bench.library.open(cid)).draft


async def test_the_first_prompt_becomes_the_title(scripted: Scripted) -> None:
    bench, watch = scripted(), Watcher()
    cid = (await bench.library.new()).id

    await bench.chat.send(cid, "\n  Trip to Oslo \nwhat to see?", watch)

    assert (await bench.library.conversation(cid)).title == "Trip to Oslo"


async def test_sending_empties_the_saved_draft(scripted: Scripted) -> None:
    bench, watch = scripted(), Watcher()
    cid = (await bench.library.new()).id
    await bench.library.save_draft(cid, "Hi")

    await bench.chat.send(cid, "Hi", watch)

    assert (await bench.library.open(cid)).draft == ""


async def test_options_hold_for_one_request(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id
    await b.chat.send(cid, "one", watch)

    await b.chat.send(cid, "two", watch, Options(max_messages=0))
    await b.chat.send(cid, "three", watch)

    assert [len(plan.payload) for plan in provider.sent] == [1, 1, 5]


async def test_what_holds_for_one_request_holds_for_no_prompt_that_waits_behind_it(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid = (await b.library.new()).id
    alone = Options(max_messages=0, system_prompt="Be brief.")
    task = asyncio.create_task(b.chat.send(cid, "one", watch, alone))
    await watch.until(TextDelta)

    await b.chat.send(cid, "two", watch)
    await b.chat.send(cid, "three", watch, alone)
    gated.gate.set()
    await task

    assert [["Be brief.", "one"], ["one", "half an answer", "two"], ["Be brief.", "three"]] == [
        [each.content for each in plan.payload] for plan in gated.sent
    ]


async def test_a_reply_that_speaks_and_ends_at_once_leaves_no_task_behind(scripted: Scripted) -> None:
    bench = scripted(*[answer("one")] * 5)
    cid = (await bench.library.new()).id
    before = asyncio.all_tasks()

    for _ in range(5):
        await bench.chat.send(cid, "Hi", Watcher())
        await bench.branch(cid)  # the history is asked last, and whatever waited for it has had its turn

    assert before == asyncio.all_tasks()


async def test_an_unsaved_turn_stores_nothing(scripted: Scripted) -> None:
    bench, watch = scripted(answer("one")), Watcher()
    conversation = await bench.library.new()

    await bench.chat.ask_unsaved(conversation, (), "Hi", watch, Options())

    assert watch.reply.text == "one"
    assert await bench.branch(conversation.id) == []


async def test_lone_surrogates_are_replaced_where_text_enters(scripted: Scripted) -> None:
    bench, watch = scripted([TextDelta("a\ud800b"), Finished("stop")]), Watcher()
    cid = (await bench.library.new()).id

    await bench.chat.send(cid, "x\udfffy", watch)

    assert [text for _, text, _ in await bench.branch(cid)] == ["x\ufffdy", "a\ufffdb"]


async def test_a_reply_without_a_prompt_cannot_be_asked_again(scripted: Scripted) -> None:
    bench, watch = scripted(), Watcher()
    cid = (await bench.library.new()).id
    greeting = Message("greeting", None, Role.ASSISTANT, "Welcome", 1)
    await bench.store.add_message(cid, greeting)

    with pytest.raises(BadInput):
        await bench.chat.regenerate(cid, greeting.id, watch)

    assert not bench.chat.is_replying(cid)


async def test_a_cancel_while_the_reply_gets_its_place_leaves_none(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    b, watch = bench(ScriptedProvider()), Watcher()
    cid = (await b.library.new()).id
    added, gate, add = asyncio.Event(), asyncio.Event(), b.store.add_message

    async def slow(conversation_id: str, message: Message, **options: Any) -> None:
        await add(conversation_id, message, **options)
        added.set()
        await gate.wait()

    monkeypatch.setattr(b.store, "add_message", slow)
    task = asyncio.create_task(b.chat.send(cid, "Hi", watch))
    await added.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await b.chat.close()

    assert await b.branch(cid) == [("user", "Hi", "complete")]
    assert watch.all(ReplyStarted) == watch.all(TurnEnded) == []


async def test_closing_waits_for_a_prompt_that_is_being_saved_and_does_not_ask(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id
    saving, gate, add = asyncio.Event(), asyncio.Event(), b.store.add_prompt

    async def slow(conversation_id: str, prompt: Message, *, title: str, keep_draft: bool) -> None:
        saving.set()
        await gate.wait()
        await add(conversation_id, prompt, title=title, keep_draft=keep_draft)

    monkeypatch.setattr(b.store, "add_prompt", slow)
    task = asyncio.create_task(b.chat.send(cid, "Hi", watch))
    await saving.wait()
    closing = asyncio.create_task(b.chat.close())
    await asyncio.sleep(0)
    gate.set()
    await closing
    await task

    assert await b.branch(cid) == [("user", "Hi", "complete")]
    assert provider.sent == []


async def test_nothing_is_sent_after_closing(scripted: Scripted) -> None:
    bench, watch = scripted(), Watcher()
    cid = (await bench.library.new()).id
    await bench.chat.close()

    with pytest.raises(Refused):
        await bench.chat.send(cid, "Hi", watch)

    assert await bench.branch(cid) == []


async def test_a_queued_prompt_that_was_deleted_is_passed_over(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid, task = await start(b, "one", watch)
    await b.chat.send(cid, "two", watch)
    await b.chat.send(cid, "three", watch)
    await b.library.delete_message(cid, b.chat.queued(cid)[0])
    gated.gate.set()
    await task

    assert [text for _, text, _ in await b.branch(cid)] == ["one", "half an answer", "three", "half an answer"]


async def test_a_deleted_queued_prompt_does_not_keep_the_reply_from_being_asked_again(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid, task = await start(b, "one", watch)
    await b.chat.send(cid, "two", watch)
    b.chat.stop(cid)
    with pytest.raises(asyncio.CancelledError):
        await task
    await b.library.delete_message(cid, b.chat.queued(cid)[0])
    gated.gate.set()

    await b.chat.regenerate(cid, watch.reply.id, watch)

    assert [text for _, text, _ in await b.branch(cid)] == ["one", "half an answer"]


async def test_a_prompt_queued_on_another_branch_stays_there(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid = (await b.library.new()).id
    gated.gate.set()
    await b.chat.send(cid, "old", watch)
    old_leaf = watch.reply.id
    gated.gate.clear()
    editing = asyncio.create_task(b.chat.edit(cid, watch.events[0].prompt.id, "new", watch))  # type: ignore[union-attr]
    await watch.until(ReplyStarted, 2)
    await b.chat.send(cid, "behind the new one", watch)
    await b.library.show_branch(cid, old_leaf)
    await b.chat.send(cid, "behind the old one", watch)
    gated.gate.set()
    await editing

    texts = [[message.content for message in plan.payload] for plan in gated.sent]
    assert ["new", "half an answer", "behind the new one"] in texts
    assert ["old", "half an answer", "behind the old one"] in texts


async def test_an_unsaved_turn_that_is_cancelled_says_what_had_arrived(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    conversation = await b.library.new()
    task = asyncio.create_task(b.chat.ask_unsaved(conversation, (), "Hi", watch, Options()))
    await watch.until(TextDelta)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (watch.reply.text, watch.reply.status) == ("half an ", Status.STOPPED)


async def test_a_reply_that_could_not_be_saved_is_saved_later(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    b, watch = bench(ScriptedProvider(answer("text"))), Watcher()
    cid = (await b.library.new()).id
    finish, tries = b.store.finish_message, 0

    async def busy(message: Message, at: int) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StoreFailed("Another program is using the history.")
        await finish(message, at)

    monkeypatch.setattr(b.store, "finish_message", busy)
    await b.chat.send(cid, "Hi", watch)
    await b.chat.close()

    assert await b.branch(cid) == [("user", "Hi", "complete"), ("assistant", "text", "complete")]


async def test_asking_for_any_waiting_prompt_goes_on_with_the_first(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid, task = await start(b, "one", watch)
    await b.chat.send(cid, "two", watch)
    await b.chat.send(cid, "three", watch)
    b.chat.stop(cid)
    with pytest.raises(asyncio.CancelledError):
        await task
    gated.gate.set()

    await b.chat.regenerate(cid, b.chat.queued(cid)[-1], watch)

    texts = [text for _, text, _ in await b.branch(cid)]
    assert texts == ["one", "half an ", "two", "half an answer", "three", "half an answer"]


async def test_a_reply_keeps_what_the_model_saw(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new(system_prompt="Be brief.")).id
    for number in range(12):
        await b.chat.send(cid, f"prompt {number}", watch)

    tree = (await b.library.open(cid)).tree
    seen = await b.library.seen_by(watch.reply.id, tree.path_to(watch.reply.parent_id)[:-1])

    assert seen is not None
    assert replace(seen, payload=provider.sent[-1].payload) == provider.sent[-1]


async def test_counts_of_the_server_calibrate_the_estimate(bench: MakeBench) -> None:
    script: list[Delta | TuiChatError] = [TextDelta("ok"), UsageReported(Usage(40, 1)), Finished("stop")]
    provider, watch = ScriptedProvider(script, script, script), Watcher()
    b = bench(provider)
    text = "some words to be counted, and a few more of them to be counted"
    for _ in range(3):
        await b.chat.send((await b.library.new()).id, text, watch)

    before, _, after = provider.sent
    assert after.totals.tokens > before.totals.tokens
    assert (before.budget.margin, after.budget.margin) == (0.40, 0.05)


async def test_a_server_that_counted_far_less_than_was_sent_is_said_to_have_cut(bench: MakeBench) -> None:
    def counted(tokens: int) -> list[Delta | TuiChatError]:
        return [TextDelta("ok"), UsageReported(Usage(tokens, 1)), Finished("stop")]

    long = "word " * 400
    provider, watch = ScriptedProvider(counted(407), counted(407), counted(100)), Watcher()
    b = bench(provider)
    for _ in range(3):
        await b.chat.send((await b.library.new()).id, long, watch)

    assert watch.reply.status is Status.COMPLETE
    assert "it has probably cut the beginning" in (watch.reply.error or "")


async def test_a_window_of_blocks_keeps_its_beginning_until_it_is_full(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    blocks = MemorySettings(max_messages=8, trim="blocks")
    cid = (await b.library.new(memory=blocks)).id

    for number in range(12):
        await b.chat.send(cid, f"prompt {number}", watch)

    firsts = [plan.payload[0].content for plan in provider.sent]
    assert len(set(firsts)) < len(firsts) / 2
    assert all(len(plan.payload) <= 9 for plan in provider.sent)


async def test_what_was_said_to_the_guide_is_told_to_no_model_unless_it_is_included(bench: MakeBench) -> None:
    provider = ScriptedProvider(answer("I am no AI."), answer("Hello."), answer("Well."))
    made = bench(provider)
    home = (await made.library.new(model=GUIDE_MODEL)).id
    await made.chat.send(home, "My name is Alice.", Watcher())
    await made.library.set_model(home, MODEL)

    await made.chat.send(home, "Who am I?", Watcher())
    said = (await made.library.branch(home))[1]
    await made.library.mark_message(home, said.id, excluded=False)
    await made.chat.send(home, "And now?", Watcher())

    sent = [[message.content for message in plan.payload] for plan in provider.sent[1:]]
    assert [
        ["Who am I?"],
        ["My name is Alice.", "I am no AI.", "Who am I?", "Hello.", "And now?"],
    ] == sent
    assert ["excluded"] == [warning.code for warning in provider.sent[1].warnings]
