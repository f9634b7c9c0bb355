"""Finding earlier messages: one index in step with the branch, built behind the scenes, and no failure in a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import pytest

from tests.contracts.store import conversation, message
from tui_chat.core.errors import StoreFailed, TuiChatError
from tui_chat.core.models import Message, MessageHeader, Role, Status, ToolCall
from tui_chat.core.ports import Body, ConversationStore, Recall, Removal
from tui_chat.core.recall import Hit
from tui_chat.core.tokens import measure
from tui_chat.core.tree import Tree
from tui_chat.recall import BranchIndex
from tui_chat.services import recalling
from tui_chat.services.recalling import Found, RecallService

ENOUGH = "quartz xylophone"
"""Makes of a draft with one word one that needs no help from the prompt before."""


class WatchedStore:
    """A history that tells whose texts were read, and lets them (or the one that is ``stuck``) wait, or fails."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store
        self.read: list[tuple[str, ...]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.stuck: str | None = None
        self.reached = asyncio.Event()
        self.failure: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def bodies(self, ids: Iterable[str]) -> Mapping[str, Body]:
        wanted = tuple(ids)
        self.read.append(wanted)
        self.reached.set()
        if self.stuck is None or self.stuck in wanted:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return await self._store.bodies(wanted)


class Bench:
    """A conversation in a real history, and the service under test."""

    def __init__(self, store: ConversationStore, make_index: Callable[[], Recall] = BranchIndex) -> None:
        self.store = store
        self.watched = WatchedStore(store)
        self.service = RecallService(cast(ConversationStore, self.watched), make_index)
        self.conversation = conversation()
        self.last: Message | None = None

    async def say(self, *texts: str, **fields: Any) -> list[str]:
        """Messages behind the last one; their ids."""
        ids = []
        for text in texts:
            self.last = message(text, self.last, **fields)
            await self.store.add_message(self.conversation.id, self.last)
            ids.append(self.last.id)
        return ids

    async def branch(self) -> Sequence[MessageHeader]:
        shown = await self.store.conversation(self.conversation.id)
        return Tree(await self.store.headers(self.conversation.id), shown.head).branch

    async def find(
        self,
        draft: str,
        *,
        branch: Sequence[MessageHeader] | None = None,
        scope: str = "conversation",
        wait: bool = True,
    ) -> Found:
        branch = await self.branch() if branch is None else branch
        return await self.service.find(self.conversation, branch, draft, scope=scope, wait=wait)

    async def ids(self, draft: str, **options: Any) -> list[str]:
        found = await self.find(draft, **options)
        assert found.problem == ""
        return [hit.id for hit in found.hits]


@pytest.fixture
async def bench(store: ConversationStore) -> AsyncIterator[Bench]:
    made = Bench(store)
    await store.add_conversation(made.conversation)
    yield made
    made.watched.gate.set()
    await made.service.close()


# -- what is found -----------------------------------------------------------------------------------


async def test_what_bears_on_the_draft_is_found_best_first_as_shares_of_the_best(bench: Bench) -> None:
    ids = await bench.say("My bicycle is red", "A red bicycle is nice", "What about the weather", "It will rain")

    found = await bench.find("Which colour has the bicycle that I ride?")

    assert set(ids[:3]) == {hit.id for hit in found.hits}
    assert 1.0 == found.hits[0].score
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


async def test_a_hit_tells_what_its_quotation_costs(bench: Bench) -> None:
    await bench.say("a red\r\rdoor", parts=(ToolCall("c", "look", '{"a": "long argument of a call"}'),))

    (hit,) = (await bench.find("door")).hits

    assert (measure("a red\r\rdoor").tokens, 3) == (hit.tokens, hit.lines)


async def test_a_draft_of_few_words_is_helped_by_the_prompt_before(bench: Bench) -> None:
    ids = await bench.say("the bicycle is red", "ok", "the boat is blue", "ok", "Tell me about the bicycle", "Sure.")

    assert ids[0] in await bench.ids("And?")


@pytest.mark.parametrize("draft", ["", "?", "   "])
async def test_without_a_word_nothing_is_looked_for(bench: Bench, draft: str) -> None:
    assert Found() == await bench.find(draft)


async def test_without_a_hit_nothing_is_found_and_nothing_is_wrong(bench: Bench) -> None:
    await bench.say("one", "two")

    assert Found() == await bench.find("zebra crossing stripes")


async def test_neither_a_reply_that_arrives_nor_an_empty_message_is_read(bench: Bench) -> None:
    await bench.say("a red door")
    branch = await bench.branch()
    arriving = branch[0]._replace(id="arriving", role=Role.ASSISTANT, status=Status.STREAMING)
    empty = branch[0]._replace(id="empty", role=Role.ASSISTANT, status=Status.FAILED, characters=0)

    assert [branch[0].id] == await bench.ids("door", branch=[*branch, arriving, empty])


# -- other conversations -----------------------------------------------------------------------------


async def test_other_conversations_are_searched_only_where_asked(bench: Bench) -> None:
    own = await bench.say("a red door", "nothing else")
    other = Bench(bench.store)
    other.conversation = conversation("The other one")
    await bench.store.add_conversation(other.conversation)
    foreign = await other.say("a blue door")

    assert foreign[0] not in await bench.ids("which door")
    found = await bench.find("which door", scope="all")

    labels = {hit.id: hit.conversation for hit in found.hits}
    assert "The other one" == labels[foreign[0]]
    assert labels[own[0]] is None
    assert [1.0, 1.0] == [hit.score for hit in found.hits if hit.id in (own[0], foreign[0])]


async def test_a_message_found_here_stands_before_one_as_good_elsewhere(bench: Bench) -> None:
    own = await bench.say("a red door")
    other = Bench(bench.store)
    await bench.store.add_conversation(other.conversation)
    foreign = await other.say("a red door")

    found = await bench.find("door", scope="all")

    assert [own[0], foreign[0]] == [hit.id for hit in found.hits]
    assert found.hits[0].twin == found.hits[1].twin


# -- in step with the branch -------------------------------------------------------------------------


async def test_only_what_is_new_is_read(bench: Bench) -> None:
    ids = await bench.say(*[f"text number {number}" for number in range(10)])
    await bench.ids("number")
    bench.watched.read.clear()

    new = await bench.say("a question", "an answer")
    await bench.ids("number")
    await bench.ids("text")

    assert [(new[0],), (*ids[-2:], *new)] == bench.watched.read


async def test_a_long_branch_is_read_in_slices(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalling, "SLICE", 10)
    await bench.say(*[f"text number {number}" for number in range(35)])

    found = await bench.find("number 7 text")

    assert 35 == len(found.hits)
    # Each begins with the last one again, which has a next now, and the one before it for its neighbour.
    assert [1, 10, 12, 12, 7] == [len(ids) for ids in bench.watched.read]


async def test_a_removed_message_is_gone_from_the_index(bench: Bench) -> None:
    ids = await bench.say("one", "two", "a secret word", "four")
    assert ids[2] in await bench.ids(f"secret {ENOUGH}")

    await bench.store.remove_messages(bench.conversation.id, (ids[2],), Removal.DELETE, 0)

    assert [] == await bench.ids(f"secret {ENOUGH}")
    assert ids[3] in await bench.ids("four")


async def test_another_branch_is_searched_when_it_is_on_show(bench: Bench) -> None:
    ids = await bench.say("a question", "an apple")
    await bench.ids(f"apple {ENOUGH}")
    bench.last = await bench.store.message(ids[0])
    other = await bench.say("a berry")

    assert other == (await bench.ids(f"berry {ENOUGH}"))[:1]
    assert [] == await bench.ids(f"apple {ENOUGH}")


# -- while it is built -------------------------------------------------------------------------------


async def test_a_plan_of_a_draft_does_not_wait_for_the_index_which_is_built_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await bench.say("a red door", "ok", "hello")
    branch = await bench.branch()
    await bench.ids("door", branch=branch[2:])  # the prompt before is known
    monkeypatch.setattr(recalling, "GLANCE_SECONDS", 0.0)
    bench.watched.gate.clear()

    assert Found(problem="building") == await bench.find("door", branch=branch, wait=False)

    bench.watched.gate.set()
    assert ids[0] in await bench.ids("door", branch=branch)
    monkeypatch.setattr(recalling, "GLANCE_SECONDS", 0.2)
    bench.watched.read.clear()
    assert ids[0] in await bench.ids("door", branch=branch, wait=False)
    assert [] == bench.watched.read


async def test_a_prompt_that_is_sent_waits_some_seconds_and_no_longer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.say("hello")
    branch = await bench.branch()
    await bench.ids("hello", branch=branch)
    await bench.say("a red door", role=Role.ASSISTANT)
    monkeypatch.setattr(recalling, "WAIT_SECONDS", 0.01)
    bench.watched.gate.clear()

    assert Found(problem="building") == await bench.find("door")


async def test_a_build_goes_on_when_who_asked_for_it_goes(bench: Bench) -> None:
    ids = await bench.say("hello")
    await bench.ids("hello")
    ids += await bench.say("a red door", role=Role.ASSISTANT)
    branch = await bench.branch()
    bench.watched.gate.clear()
    bench.watched.reached.clear()
    asking = asyncio.create_task(bench.find("door", branch=branch))
    await bench.watched.reached.wait()

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    bench.watched.read.clear()
    bench.watched.gate.set()

    assert ids[1] == (await bench.ids("door", branch=branch))[0]
    assert [] == bench.watched.read


async def test_of_two_branches_asked_for_at_once_each_gets_its_own(bench: Bench) -> None:
    other = Bench(bench.store)
    await bench.store.add_conversation(other.conversation)
    mine, theirs = await bench.say("a red door"), await other.say("a blue door")
    branches = [await bench.branch(), await other.branch()]

    found = await asyncio.gather(*(bench.find("door", branch=branch) for branch in branches * 5))

    assert [mine, theirs] * 5 == [[hit.id for hit in each.hits] for each in found]


async def test_a_branch_that_nobody_waits_for_any_more_neither_holds_up_the_next_nor_comes_after_it(
    bench: Bench,
) -> None:
    await bench.say("hello")
    await bench.ids("hello")
    (bench.watched.stuck,) = await bench.say("a red door", role=Role.ASSISTANT)
    other = Bench(bench.store)
    await bench.store.add_conversation(other.conversation)
    ids = await other.say("a blue door")
    old, new = await bench.branch(), await other.branch()
    bench.watched.gate.clear()
    bench.watched.reached.clear()
    asking = asyncio.create_task(bench.find("door", branch=old))
    await bench.watched.reached.wait()
    asking.cancel()
    await asyncio.wait({asking})

    assert ids == await bench.ids("door", branch=new)

    bench.watched.gate.set()
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    assert ids == await bench.ids("door", branch=new)


class GatedIndex(BranchIndex):
    """Answers when its gate is open."""

    gate: asyncio.Event

    async def rank(self, terms: Sequence[str], *, limit: int = 200) -> Sequence[Hit]:
        await self.gate.wait()
        return await super().rank(terms, limit=limit)


async def test_what_is_ready_is_asked_to_its_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    index = GatedIndex()
    index.gate = asyncio.Event()
    index.gate.set()
    bench.service = RecallService(bench.store, lambda: index)
    ids = await bench.say("a red door")
    await bench.ids("door")
    monkeypatch.setattr(recalling, "GLANCE_SECONDS", 0.0)
    index.gate.clear()

    asking = asyncio.create_task(bench.find("door", wait=False))
    asyncio.get_running_loop().call_later(0.05, index.gate.set)

    assert ids == [hit.id for hit in (await asking).hits]


# -- failures ----------------------------------------------------------------------------------------


async def test_a_failing_history_is_told_and_tried_again(bench: Bench) -> None:
    ids = await bench.say("a red door")
    bench.watched.failure = StoreFailed("The history could not be read.", hint="Look.")

    assert Found(problem="The history could not be read. Look.") == await bench.find("door")

    bench.watched.failure = None
    assert ids == await bench.ids("door")


async def test_a_build_that_fails_is_told_and_begun_again(bench: Bench) -> None:
    await bench.say("hello")
    await bench.ids("hello")  # the prompt before is known
    ids = await bench.say("a red door", role=Role.ASSISTANT)
    bench.watched.failure = StoreFailed("The history could not be read.")

    assert Found(problem="The history could not be read.") == await bench.find("door")

    bench.watched.failure = None
    assert ids == (await bench.ids("door"))[:1]


async def test_a_message_that_went_meanwhile_is_no_failure(bench: Bench) -> None:
    ids = await bench.say("a red door", "a blue door", "hello", "bye")
    branch = await bench.branch()
    await bench.store.remove_messages(bench.conversation.id, (ids[1],), Removal.DELETE, 0)

    assert Found(problem="building") == await bench.find("door", branch=branch)
    assert ids[0] in await bench.ids("door")


class BrokenIndex(BranchIndex):
    """Fails when it is asked."""

    failure: Exception | None = None

    async def rank(self, terms: Sequence[str], *, limit: int = 200) -> Sequence[Hit]:
        if self.failure is not None:
            raise self.failure
        return await super().rank(terms, limit=limit)


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (TuiChatError("The index failed.", hint="Again."), "The index failed. Again."),
        (MemoryError("with a secret"), "A fault in tui_chat (MemoryError)."),
    ],
)
async def test_a_failing_index_is_told_and_made_anew(bench: Bench, failure: Exception, sentence: str) -> None:
    made: list[BrokenIndex] = []

    def make() -> Recall:
        made.append(BrokenIndex())
        made[-1].failure = failure if len(made) == 1 else None
        return made[-1]

    bench.service = RecallService(bench.store, make)
    ids = await bench.say("a red door")

    assert Found(problem=sentence) == await bench.find("door")
    assert ids == await bench.ids("door")
    assert [0, 1] == [index.size for index in made]


# -- the end -----------------------------------------------------------------------------------------


async def test_closing_forgets_everything(bench: Bench) -> None:
    made: list[BranchIndex] = []

    def make() -> Recall:
        made.append(BranchIndex())
        return made[-1]

    bench.service = RecallService(bench.store, make)
    await bench.say("a red door")
    await bench.ids("door")

    await bench.service.close()

    assert 0 == made[0].size
    assert Found(problem="building") == await bench.find("door")
    assert 1 == len(made)


async def test_closing_lets_nobody_wait(bench: Bench) -> None:
    await bench.say("hello")
    await bench.ids("hello")
    await bench.say("a red door", role=Role.ASSISTANT)
    bench.watched.gate.clear()
    bench.watched.reached.clear()
    asking = asyncio.create_task(bench.find("door"))
    await bench.watched.reached.wait()

    await bench.service.close()

    assert Found(problem="building") == await asking
