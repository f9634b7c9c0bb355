"""The library: what is removed comes back, what is named is found, what is opened is as it was left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.fakes import answer
from tests.services.conftest import Bench, Watcher
from tui_chat.core.clock import DAY
from tui_chat.core.errors import Ambiguous, NotFound
from tui_chat.core.models import ModelRef
from tui_chat.core.sampling import Sampling

Scripted = Callable[..., Bench]


async def a_chat(bench: Bench, *prompts: str) -> str:
    """A conversation with these prompts, answered."""
    cid = (await bench.library.new()).id
    for prompt in prompts:
        bench.clock.forward(1000)
        await bench.chat.send(cid, prompt, Watcher())
    return cid


async def test_deleting_can_be_undone(scripted: Scripted) -> None:
    bench = scripted()
    cid = await a_chat(bench, "Hi")
    before = await bench.branch(cid)

    await bench.library.delete([cid])
    gone = len((await bench.library.index()).keys)
    step = await bench.library.undo()

    assert gone == 0
    assert step is not None
    assert step.description == "delete"
    assert await bench.branch(cid) == before


async def test_clearing_keeps_settings_and_can_be_undone(scripted: Scripted) -> None:
    bench = scripted()
    cid = await a_chat(bench, "one", "two")
    await bench.library.set_system_prompt(cid, "Be brief.")
    before = await bench.branch(cid)

    await bench.library.clear(cid)
    cleared = await bench.branch(cid)
    settings = await bench.library.conversation(cid)
    await bench.library.undo()

    assert cleared == []
    assert settings.system_prompt == "Be brief."
    assert settings.title == "one"
    assert await bench.branch(cid) == before


async def test_undoing_a_clear_shows_the_old_messages_even_after_new_ones(scripted: Scripted) -> None:
    bench = scripted()
    cid = await a_chat(bench, "old")
    await bench.library.clear(cid)
    await bench.chat.send(cid, "new", Watcher())

    await bench.library.undo()

    assert [text for _, text, _ in await bench.branch(cid)] == ["old", "reply 1"]
    assert len((await bench.library.open(cid)).tree) == 4


async def test_deleting_a_message_keeps_what_answered_it(scripted: Scripted) -> None:
    bench = scripted(answer("one"), answer("two"))
    cid = await a_chat(bench, "a", "b")
    branch = (await bench.library.open(cid)).tree.branch

    await bench.library.delete_message(cid, branch[1].id)
    without = [text for _, text, _ in await bench.branch(cid)]
    await bench.library.undo()

    assert without == ["a", "b", "two"]
    assert [text for _, text, _ in await bench.branch(cid)] == ["a", "one", "b", "two"]


async def test_deleting_the_last_message_and_going_on(scripted: Scripted) -> None:
    bench = scripted(answer("one"), answer("two"))
    cid = await a_chat(bench, "a")
    branch = (await bench.library.open(cid)).tree.branch

    await bench.library.delete_message(cid, branch[-1].id)
    await bench.chat.send(cid, "b", Watcher())

    assert [text for _, text, _ in await bench.branch(cid)] == ["a", "b", "two"]


async def test_undo_walks_back_step_by_step(scripted: Scripted) -> None:
    bench = scripted()
    cid = await a_chat(bench, "Hi")
    await bench.library.rename(cid, "Second")
    await bench.library.delete([cid])

    await bench.library.undo()
    restored = (await bench.library.conversation(cid)).title
    await bench.library.undo()

    assert restored == "Second"
    assert (await bench.library.conversation(cid)).title == "Hi"
    assert await bench.library.undo() is None


async def test_undelete_restores_a_deletion_else_the_last_clear(scripted: Scripted) -> None:
    bench = scripted()
    cid = await a_chat(bench, "Hi")
    await bench.library.clear(cid)
    await bench.library.delete([cid])

    first = await bench.library.undelete(cid)
    empty = await bench.branch(cid)
    second = await bench.library.undelete(cid)

    assert (first, second) == ("conversation", "messages")
    assert empty == []
    assert len(await bench.branch(cid)) == 2
    with pytest.raises(NotFound):
        await bench.library.undelete(cid)


async def test_after_thirty_days_what_was_deleted_is_erased(scripted: Scripted) -> None:
    bench = scripted()
    cid = await a_chat(bench, "Hi")
    await bench.library.delete([cid])
    bench.clock.forward(29 * DAY)
    await bench.library.tidy()
    kept = len((await bench.library.index(deleted=True)).keys)
    bench.clock.forward(2 * DAY)

    await bench.library.tidy()

    assert kept == 1
    assert len((await bench.library.index(deleted=True)).keys) == 0


async def test_a_conversation_is_found_by_parts_of_its_id_by_title_and_as_the_last(scripted: Scripted) -> None:
    bench = scripted()
    one = await a_chat(bench, "First topic")
    two = await a_chat(bench, "Second topic")

    found = [await bench.library.find(name) for name in (one, one[-8:], "First topic", "@last")]

    assert [each.id for each in found] == [one, one, one, two]
    with pytest.raises(NotFound):
        await bench.library.find("nothing like it")


async def test_an_ambiguous_name_lists_the_candidates(scripted: Scripted) -> None:
    bench = scripted()
    await bench.library.new("Same")
    await bench.library.new("Same")

    with pytest.raises(Ambiguous) as caught:
        await bench.library.find("Same")

    assert len(caught.value.candidates) == 2


async def test_tidying_marks_replies_whose_writer_died(scripted: Scripted) -> None:
    from tui_chat.core.models import Message, Role, Status
    from tui_chat.core.ports import Body

    bench = scripted()
    cid = await a_chat(bench, "Hi")
    head = (await bench.library.conversation(cid)).head
    left = Message("left", head, Role.ASSISTANT, "", bench.clock(), status=Status.STREAMING)
    await bench.store.add_message(cid, left)
    await bench.store.checkpoint("left", Body("what had arrived"), bench.clock())

    bench.clock.forward(9_000)
    young = await bench.library.tidy()
    bench.clock.forward(2_000)
    old = await bench.library.tidy()

    assert (young, old) == (0, 1)
    assert (await bench.branch(cid))[-1] == ("assistant", "what had arrived", "stopped")


async def test_search_finds_titles_and_messages_but_nothing_deleted(scripted: Scripted) -> None:
    bench = scripted(answer("the fjord is deep"), answer("nothing"))
    one = await a_chat(bench, "Oslo")
    two = await a_chat(bench, "Fjord cruise")

    both = {hit.conversation_id for hit in await bench.library.search("fjord")}
    await bench.library.delete([one])
    left = {hit.conversation_id for hit in await bench.library.search("fjord")}

    assert both == {one, two}
    assert left == {two}


async def test_changes_at_the_same_moment_take_nothing_from_each_other(scripted: Scripted) -> None:
    bench, model = scripted(), ModelRef("test", "other")
    cid = (await bench.library.new("Named")).id

    await asyncio.gather(
        bench.library.set_model(cid, model),
        bench.library.set_sampling(cid, Sampling(seed=7)),
        bench.library.pin(cid, pinned=True),
        bench.library.rename(cid, "Renamed"),
    )

    changed = await bench.library.conversation(cid)
    assert ("Renamed", model, Sampling(seed=7), True) == (
        changed.title, changed.model, changed.sampling, changed.pinned,
    )  # fmt: skip
