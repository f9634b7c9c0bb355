"""Trees of any shape and texts of any kind come back as they were."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.store import conversation, message
from tests.store.parts import KEY
from tui_chat.core import tokens
from tui_chat.core.models import Conversation, Message, Role, Status, Thinking, ToolCall, Usage
from tui_chat.core.parts import sent_text
from tui_chat.core.ports import Removal
from tui_chat.core.tree import Tree
from tui_chat.store import SqliteStore, open_store

texts = st.text(max_size=30)


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
            parts=tuple(
                draw(st.lists(st.builds(Thinking, texts) | st.builds(ToolCall, texts, texts, texts), max_size=2))
            ),
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
    assert [(header.id, header.parent_id, header.status) for header in headers] == [
        (each.id, each.parent_id, each.status) for each in tree
    ]
    assert [(header.tokens, header.letters, header.other_letters) for header in headers] == [
        tuple(tokens.measure(sent_text(each.text, each.parts))) for each in tree
    ]


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
