"""What requests teach and cost: the last exact count, anchors, refusals, the ledger, and limits of spending."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from tests.fakes import GatedProvider, ScriptedProvider, answer
from tests.services.conftest import MODEL, Bench, MakeBench, Watcher
from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import ContextTooLong, NotReached, OverCap, TuiChatError
from tui_chat.core.events import Delta, Finished, TextDelta, TurnEnded, UsageReported
from tui_chat.core.ids import make_id
from tui_chat.core.models import Attachment, MemorySettings, Message, Role, Status, Usage
from tui_chat.core.settings import Caps
from tui_chat.services.options import Options

Script = list[Delta | TuiChatError]


def counted(input_tokens: int, output_tokens: int = 1) -> Script:
    """An answer with the server's own count."""
    return [TextDelta("ok"), UsageReported(Usage(input_tokens, output_tokens)), Finished("stop")]


def ended(watch: Watcher) -> TurnEnded:
    """The last end of a turn."""
    last = watch.all(TurnEnded)[-1]
    assert isinstance(last, TurnEnded)
    return last


async def spent(bench: Bench) -> int:
    """All tokens in the ledger."""
    return (await bench.store.spent()).tokens


# -- counts -----------------------------------------------------------------------------------


async def test_the_next_estimate_starts_from_the_last_exact_count(bench: MakeBench) -> None:
    long = "a few more words than the estimate knows of " * 10
    provider, watch = ScriptedProvider(counted(110)), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id
    await b.chat.send(cid, long, watch)
    conversation, branch = await b.library.conversation(cid), (await b.library.open(cid)).tree.branch
    basis = await b.planning.basis(conversation)

    anchored = b.planning.preview(conversation, branch, "And now?", basis)
    plain = b.planning.preview(conversation, branch, "And now?", replace(basis, known=replace(basis.known, last=None)))

    assert basis.known.last is not None
    residual = basis.known.last.residual(basis.known.calibration.factor)
    assert residual != 0
    assert residual == anchored.totals.tokens - plain.totals.tokens


async def test_the_last_count_of_another_model_is_none_of_this_one_s(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(counted(40)), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id
    await b.chat.send(cid, "some words to be counted, and a few more of them", watch)
    conversation = await b.library.conversation(cid)

    other = await b.planning.basis(conversation, Options(model=replace(MODEL, name="another")))

    assert (await b.planning.basis(conversation)).known.last is not None
    assert other.known.last is None


async def test_a_count_that_shows_a_cut_teaches_nothing(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(counted(407), counted(407), counted(100)), Watcher()
    b = bench(provider)
    for _ in range(3):
        cid = (await b.library.new()).id
        await b.chat.send(cid, "word " * 400, watch)

    assert (await b.planning.basis(await b.library.conversation(cid))).known.last is None


async def test_a_refusal_that_names_its_count_teaches_limit_and_factor(bench: MakeBench) -> None:
    text = "some words to be counted, and a few more of them " * 4
    refusal = ContextTooLong("Too long.", limit=512, needed=70)
    provider, watch = ScriptedProvider([refusal]), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id

    await b.chat.send(cid, text, watch)

    basis = await b.planning.basis(await b.library.conversation(cid))
    assert 512 == basis.window.tokens
    assert basis.known.last is not None
    assert 70 == basis.known.last.real
    assert 1 == len(provider.sent)


# -- anchors ----------------------------------------------------------------------------------

BLOCKS = MemorySettings(max_messages=8, trim="blocks")


async def test_each_branch_keeps_its_own_beginning_of_the_window(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new(memory=BLOCKS)).id
    for number in range(7):
        await b.chat.send(cid, f"prompt {number}", watch)
    first_leaf = (await b.library.conversation(cid)).head
    anchored = provider.sent[-1].anchor
    branch = (await b.library.open(cid)).tree.branch
    await b.chat.edit(cid, branch[0].id, "another beginning", watch)
    for number in range(7):
        await b.chat.send(cid, f"other prompt {number}", watch)
    other = provider.sent[-1].anchor

    assert first_leaf is not None
    await b.library.show_branch(cid, first_leaf)
    tree = (await b.library.open(cid)).tree
    kept = (await b.planning.basis(await b.library.conversation(cid))).known.anchors

    assert None not in (anchored, other)
    assert anchored != other
    assert anchored == kept.on(tree.branch, kept.rules)


async def test_a_pin_drops_the_beginning_of_the_window(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new(memory=BLOCKS)).id
    for number in range(6):
        await b.chat.send(cid, f"prompt {number}", watch)
    conversation, tree = await b.library.conversation(cid), (await b.library.open(cid)).tree
    basis = await b.planning.basis(conversation)
    held = b.planning.preview(conversation, tree.branch, "?", basis)
    pinned = [tree.branch[0]._replace(pinned=True), *tree.branch[1:]]

    rules = basis.known.anchors.rules
    assert held.anchor == basis.known.anchors.on(tree.branch, rules)
    assert basis.known.anchors.on(pinned, rules) is None


async def test_a_draft_that_is_only_looked_at_moves_no_anchor(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new(memory=BLOCKS)).id
    for number in range(6):
        await b.chat.send(cid, f"prompt {number}", watch)
    conversation = await b.library.conversation(cid)
    before = (await b.planning.basis(conversation)).known.anchors

    await b.planning.plan(cid, "a draft " * 2000)

    assert before == (await b.planning.basis(conversation)).known.anchors


# -- the ledger ---------------------------------------------------------------------------------


async def test_a_reply_is_entered_as_the_server_counted_it(bench: MakeBench) -> None:
    b = bench(ScriptedProvider(counted(40, 7)))
    await b.chat.send((await b.library.new()).id, "Hi", Watcher())

    assert 47 == await spent(b)


async def test_a_stopped_reply_is_entered_as_estimated(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    cid = (await b.library.new()).id
    task = asyncio.create_task(b.chat.send(cid, "Hi", watch))
    await watch.until(TextDelta)
    b.chat.stop(cid)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert gated.sent[0].totals.tokens < await spent(b)


async def test_a_reply_stopped_before_its_first_word_is_entered_too(bench: MakeBench) -> None:
    asked = asyncio.Event()

    class Silent(ScriptedProvider):
        async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
            asked.set()
            await asyncio.Event().wait()
            yield TextDelta("never")

    b = bench(Silent())
    cid = (await b.library.new()).id
    task = asyncio.create_task(b.chat.send(cid, "Hi", Watcher()))
    await asked.wait()
    b.chat.stop(cid)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert 0 < await spent(b)


async def test_a_request_that_reached_nobody_costs_nothing(bench: MakeBench) -> None:
    b = bench(ScriptedProvider([NotReached("Refused.")]))
    await b.chat.send((await b.library.new()).id, "Hi", Watcher())

    assert 0 == await spent(b)


async def test_an_unsaved_turn_enters_nothing(bench: MakeBench) -> None:
    b = bench(ScriptedProvider(counted(40, 7)))
    conversation = await b.library.new()
    await b.chat.ask_unsaved(conversation, (), "Hi", Watcher(), Options())

    assert 0 == await spent(b)


# -- limits of spending -----------------------------------------------------------------------


async def test_over_a_limit_nothing_is_sent_and_the_prompt_is_kept(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(counted(40, 7), counted(60, 7)), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id
    await b.chat.send(cid, "Hi", watch)
    b.settings = replace(b.settings, caps=Caps(day_tokens=50))

    await b.chat.send(cid, "Again", watch)

    assert isinstance(ended(watch).error, OverCap)
    assert 1 == len(provider.sent)
    assert ["Hi", "ok", "Again", ""] == [text for _, text, _ in await b.branch(cid)]
    assert 47 == await spent(b)


async def test_who_was_asked_may_go_over_the_limit_once(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    b.settings = replace(b.settings, caps=Caps(conversation_tokens=1))
    cid = (await b.library.new()).id

    await b.chat.send(cid, "Hi", watch, Options(over_cap=True))
    await b.chat.send(cid, "Again", watch)

    assert 1 == len(provider.sent)
    assert isinstance(ended(watch).error, OverCap)


async def test_a_prompt_that_waited_was_not_asked_about(bench: MakeBench) -> None:
    gated, watch = GatedProvider(), Watcher()
    b = bench(gated)
    b.settings = replace(b.settings, caps=Caps(conversation_tokens=1))
    cid = (await b.library.new()).id
    task = asyncio.create_task(b.chat.send(cid, "one", watch, Options(over_cap=True)))
    await watch.until(TextDelta)
    await b.chat.send(cid, "two", watch)
    gated.gate.set()
    await task

    assert 1 == len(gated.sent)
    assert Status.FAILED is watch.reply.status
    assert "tokens a conversation that you allowed" in (watch.reply.error or "")


async def test_without_a_limit_it_is_the_model_s_turn(bench: MakeBench) -> None:
    provider = ScriptedProvider(answer("Hello."))
    b = bench(provider)
    await b.chat.send((await b.library.new()).id, "Hi", Watcher())

    assert 1 == len(provider.sent)


# -- files ------------------------------------------------------------------------------------------


async def test_a_text_file_of_an_earlier_message_goes_out_with_it(bench: MakeBench) -> None:
    data = b"the bowline holds"
    file = Attachment("knots.txt", "text/plain", hashlib.sha256(data).hexdigest(), data)
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    cid = (await b.library.new()).id
    await b.store.add_message(cid, Message(make_id(), None, Role.USER, "Read this.", b.clock(), parts=(file,)))

    await b.chat.send(cid, "And?", watch)

    assert Status.COMPLETE is watch.reply.status
    assert "the bowline holds" in provider.sent[0].payload[0].content
