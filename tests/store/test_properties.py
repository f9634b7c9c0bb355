"""Trees of any shape and texts of any kind come back as they were."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attached import attached, picture
from tests.contracts.exporter import PARTS
from tests.contracts.store import conversation, message, spending, summary
from tests.samplings import SAMPLINGS
from tests.store.parts import KEY
from tui_chat.core.errors import NotFound
from tui_chat.core.headers import header_of
from tui_chat.core.models import Attachment, Conversation, MemorySettings, Message, Role, Status, Usage
from tui_chat.core.ports import ExportedConversation, Removal, Spending, Spent
from tui_chat.core.sampling import Sampling
from tui_chat.core.tree import Tree
from tui_chat.store import SqliteStore, open_store
from tui_chat.transfer.json_format import JsonFormat

texts = st.text(max_size=30)

FILES = st.sampled_from(
    [attached("a"), attached("b", name="b"), picture(), attached("a", "a/b"), attached(""), attached(bytes(300_000))]
)


@st.composite
def trees(draw: st.DrawFn) -> list[Message]:
    """Messages of a tree, parents before children."""
    tree: list[Message] = []
    for _ in range(draw(st.integers(1, 9))):
        made = message(
            draw(texts),
            role=draw(st.sampled_from(Role)),
            status=draw(st.sampled_from([Status.COMPLETE, Status.STOPPED, Status.FAILED])),
            error=draw(st.none() | texts),
            usage=draw(st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))),
            parts=tuple(draw(st.lists(PARTS | FILES, max_size=3))),
            pinned=draw(st.booleans()),
        )
        parent = draw(st.none() | st.sampled_from(tree)) if tree else None
        tree.append(replace(made, parent_id=parent.id if parent else None))
    return tree


def with_store(use: object, *arguments: object) -> None:
    """Run an async test body on a new store."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = await open_store(Path(folder, "history.db"), KEY, create=True)
            try:
                await use(store, *arguments)  # type: ignore[operator]
            finally:
                await store.close()

    asyncio.run(run())


async def saved(store: SqliteStore, tree: list[Message]) -> Conversation:
    made = conversation()
    await store.add_conversation(made)
    for each in tree:
        await store.add_message(made.id, each)
    return made


@given(trees())
@settings(max_examples=40, deadline=None)
def test_a_tree_comes_back_as_it_was(tree: list[Message]) -> None:
    with_store(tree_comes_back, tree)


async def tree_comes_back(store: SqliteStore, tree: list[Message]) -> None:
    made = await saved(store, tree)
    headers = await store.headers(made.id)

    assert await store.messages(made.id) == tree
    assert [header_of(each) for each in tree] == headers


@given(trees())
@settings(max_examples=40, deadline=None)
def test_an_export_carries_everything_into_another_history(tree: list[Message]) -> None:
    with_store(into_another, tree)


async def into_another(store: SqliteStore, tree: list[Message]) -> None:
    made = await saved(store, tree)
    whole = ExportedConversation(await store.conversation(made.id), tuple(await store.messages(made.id)))
    (again,) = JsonFormat().load(JsonFormat().dump([whole], exported_at=1, generator="g"))
    await store.erase_conversations([made.id])
    await store.import_conversations([(again.conversation, again.messages)])

    assert whole.conversation == await store.conversation(made.id)
    assert tree == await store.messages(made.id)
    assert [header_of(each) for each in tree] == await store.headers(made.id)


@given(trees(), st.lists(FILES, max_size=3), st.data())
@settings(max_examples=40, deadline=None)
def test_a_content_is_there_exactly_as_long_as_something_goes_with_it(
    tree: list[Message], draft: list[Attachment], data: st.DataObject
) -> None:
    with_store(as_long_as_something, tree, draft, data)


async def as_long_as_something(
    store: SqliteStore, tree: list[Message], draft: list[Attachment], data: st.DataObject
) -> None:
    made = await saved(store, tree)
    await store.save_draft_attachments(made.id, draft)
    every = {part.sha256: part.data for each in (*tree, *[message(parts=tuple(draft))]) for part in files_in(each)}
    gone = data.draw(st.lists(st.sampled_from(tree), unique_by=lambda each: each.id))
    removal = await store.remove_messages(made.id, [each.id for each in gone], Removal.DELETE, 10)
    left = [each for each in tree if each not in gone]
    match data.draw(st.sampled_from(["purge", "undo", "send", "nothing"])):
        case "purge":
            await store.purge(11)
        case "undo":
            await store.restore_removal(removal)
            left = tree
        case "send":
            left = [*left, message(parts=tuple(each.unloaded() for each in draft[:1]))]
            await store.add_prompt(made.id, left[-1], title="")
            draft = []
    there = {part.sha256 for each in left for part in files_in(each)} | {each.sha256 for each in draft}

    for sha256, content in every.items():
        if sha256 in there:
            assert {sha256: content} == await store.contents([sha256])
        else:
            with pytest.raises(NotFound):
                await store.contents([sha256])
    assert draft == await store.draft_attachments(made.id)
    assert "ok" == await store.check_integrity()


def files_in(said: Message) -> list[Attachment]:
    return [part for part in said.parts if isinstance(part, Attachment)]


@given(trees(), st.data())
@settings(max_examples=40, deadline=None)
def test_removing_joins_what_is_left_and_undoing_gives_it_back(tree: list[Message], data: st.DataObject) -> None:
    with_store(removing_joins, tree, data)


async def removing_joins(store: SqliteStore, tree: list[Message], data: st.DataObject) -> None:
    made = await saved(store, tree)
    before = await store.headers(made.id)
    head = (await store.conversation(made.id)).head
    gone = set(data.draw(st.lists(st.sampled_from([each.id for each in tree]), unique=True)))
    removal = await store.remove_messages(made.id, sorted(gone), Removal.DELETE, 10)
    headers = await store.headers(made.id)
    left = Tree(headers, None)
    whole = Tree(before, None)

    assert [header.id for header in headers] == [each.id for each in tree if each.id not in gone]
    for header in headers:
        path = [each.id for each in whole.path_to(header.id) if each.id not in gone]
        assert [each.id for each in left.path_to(header.id)] == path
        assert (await store.message(header.id)).parent_id == header.parent_id
    expected = [each.id for each in whole.path_to(head) if each.id not in gone]
    assert (await store.conversation(made.id)).head == (expected[-1] if expected else None)

    if data.draw(st.booleans()):
        await store.purge(11)
        assert await store.headers(made.id) == headers
        assert await store.check_integrity() == "ok"
    else:
        await store.restore_removal(removal)
        assert await store.headers(made.id) == before
        assert (await store.conversation(made.id)).head == head


@given(trees(), st.data())
@settings(max_examples=40, deadline=None)
def test_parents_stand_before_children_after_adoptions(tree: list[Message], data: st.DataObject) -> None:
    with_store(parents_before_children, tree, data)


async def parents_before_children(store: SqliteStore, tree: list[Message], data: st.DataObject) -> None:
    made = await saved(store, tree)
    for _ in range(3):
        headers = await store.headers(made.id)
        child = data.draw(st.sampled_from(list(headers)))
        between = message("between", parent_id=child.parent_id)
        await store.add_message(made.id, between, adopt=[child.id])
    headers = await store.headers(made.id)
    seen: set[str | None] = {None}
    for header in headers:
        assert header.parent_id in seen
        seen.add(header.id)

    assert len(headers) == len(tree) + 3
    assert [each.id for each in await store.messages(made.id)] == [header.id for header in headers]


@given(texts, texts, texts)
@settings(max_examples=40, deadline=None)
def test_any_text_is_stored_exactly_and_any_query_is_valid(title: str, text: str, query: str) -> None:
    with_store(stored_exactly, title, text, query)


async def stored_exactly(store: SqliteStore, title: str, text: str, query: str) -> None:
    made = replace(conversation(title), system_prompt=text, tags=(title,))
    await store.add_conversation(made)
    said = message(text)
    await store.add_message(made.id, said)
    await store.search(query)
    await store.index(text=query)
    await store.find(query)

    assert await store.conversation(made.id) == replace(made, head=said.id, updated_at=said.created_at)
    assert await store.message(said.id) == said


@given(trees(), st.data())
@settings(max_examples=25, deadline=None)
def test_a_summary_lives_exactly_as_long_as_all_of_its_sources(tree: list[Message], data: st.DataObject) -> None:
    with_store(as_long_as_its_sources, tree, data)


async def as_long_as_its_sources(store: SqliteStore, tree: list[Message], data: st.DataObject) -> None:
    made = await saved(store, tree)
    some = st.lists(st.sampled_from(tree), max_size=3, unique_by=lambda each: each.id)
    kept = [summary(*data.draw(some), text=data.draw(texts)) for _ in range(3)]
    for each in kept:
        await store.keep_summary(made.id, each)
    here = {each.id for each in tree}
    for _ in range(3):
        if gone := {each.id for each in data.draw(some)} & here:
            removal = await store.remove_messages(made.id, sorted(gone), data.draw(st.sampled_from(Removal)), 10)
            here -= gone
            kept = [each for each in kept if not gone & {source.id for source in each.sources}]
            if data.draw(st.booleans()):
                await store.restore_removal(removal)
                here |= gone
        if data.draw(st.booleans()):
            await store.purge(11)

    assert kept[::-1] == await store.summaries(made.id)
    assert "ok" == await store.check_integrity()


Entry = tuple[int, int, int, float | None]
spendings: st.SearchStrategy[list[Entry]] = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 10**12), st.integers(0, 10**12), st.none() | st.floats(0, 100)),
    max_size=8,
)


@given(spendings, st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_the_ledger_is_the_sum_of_what_was_entered(entries: list[Entry], since: int) -> None:
    with_store(ledger_is_the_sum, entries, since)


async def ledger_is_the_sum(store: SqliteStore, entries: list[Entry], since: int) -> None:
    homes = [await saved(store, []) for _ in range(3)]
    given_ = [
        spending(homes[home].id, at=at, input_tokens=asked, output_tokens=answered, usd=usd)
        for at, (home, asked, answered, usd) in enumerate(entries)
    ]
    for each in given_:
        await store.add_spending(each)

    for home in (None, *homes):
        these = [each for each in given_ if each.at >= since and home in (None, home_of(each, homes))]
        found = await store.spent(conversation_id=home.id if home else None, since=since)
        priced = [each.usd for each in these if each.usd is not None]
        expected = Spent(
            tokens=sum(each.input_tokens + each.output_tokens for each in these), unpriced=len(these) - len(priced)
        )
        assert expected == replace(found, usd=0.0)
        assert abs(sum(priced) - found.usd) < 1e-9


def home_of(entry: Spending, homes: list[Conversation]) -> Conversation:
    return next(home for home in homes if home.id == entry.conversation_id)


@given(
    st.builds(MemorySettings, texts, st.integers(0, 2**53), texts, st.sampled_from(["conversation", "all"])), SAMPLINGS
)
@settings(max_examples=25, deadline=None)
def test_what_a_conversation_remembers_and_draws_by_comes_back_as_it_was(
    memory: MemorySettings, sampling: Sampling
) -> None:
    with_store(remembers, memory, sampling)


async def remembers(store: SqliteStore, memory: MemorySettings, sampling: Sampling) -> None:
    made = conversation(memory=memory, sampling=sampling)
    given_ = conversation(memory=memory, sampling=sampling)
    await store.add_conversation(made)
    await store.import_conversations([(given_, [])])
    changed = replace(made, memory=replace(memory, scope="all"))
    added = await store.conversation(made.id)
    await store.update_conversation(made.id, lambda _: changed)

    assert [made, given_, changed] == [added, await store.conversation(given_.id), await store.conversation(made.id)]
