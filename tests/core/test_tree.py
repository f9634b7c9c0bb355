"""The tree of messages: whatever its shape, the branch is a way from a root to the head."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core.models import MessageHeader, Role, Status
from tui_chat.core.tree import Tree

quick = settings(max_examples=150, deadline=None)


def node(id: str, parent: str | None) -> MessageHeader:
    return MessageHeader(id, parent, Role.USER, Status.COMPLETE, 0, None, None, 1, 1, 1, 1, 0, False, False, False)


def tree(spelled: str, head: str | None = None) -> Tree:
    """``"a ab bc"``: a is a root, b answers a, c answers b."""
    return Tree([node(word[-1], word[0] if len(word) == 2 else None) for word in spelled.split()], head)


@st.composite
def forests(draw: st.DrawFn) -> list[MessageHeader]:
    """Parents before children, some of them roots, some hanging on a message that is gone."""
    headers: list[MessageHeader] = []
    for index in range(draw(st.integers(1, 20))):
        parent = draw(st.sampled_from([None, "gone", *(f"m{earlier}" for earlier in range(index))]))
        headers.append(node(f"m{index}", parent))
    return headers


@st.composite
def tangles(draw: st.DrawFn) -> list[MessageHeader]:
    """Any parents at all, themselves and circles included."""
    size = draw(st.integers(1, 8))
    ids = [f"m{index}" for index in range(size)]
    return [node(id, draw(st.none() | st.sampled_from(ids))) for id in ids]


def parents(headers: list[MessageHeader]) -> dict[str, str | None]:
    ids = {header.id for header in headers}
    return {header.id: header.parent_id if header.parent_id in ids else None for header in headers}


@quick
@given(forests(), st.data())
def test_the_branch_leads_from_a_root_to_the_head_step_by_step(
    headers: list[MessageHeader], data: st.DataObject
) -> None:
    head = data.draw(st.sampled_from(headers)).id

    branch = [header.id for header in Tree(headers, head).branch]

    assert branch[-1] == head
    assert [None, *branch[:-1]] == [parents(headers)[id] for id in branch]


@quick
@given(forests())
def test_every_message_is_the_child_of_one_place_in_the_order_given(headers: list[MessageHeader]) -> None:
    it = Tree(headers, None)

    children = {place: list(it.children(place)) for place in (None, *parents(headers))}
    expected = {place: [id for id, parent in parents(headers).items() if parent == place] for place in children}
    assert expected == children


@quick
@given(forests(), st.data())
def test_siblings_are_the_versions_at_one_place(headers: list[MessageHeader], data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(headers)).id

    siblings = Tree(headers, None).siblings(message)

    assert [id for id, parent in parents(headers).items() if parent == parents(headers)[message]] == list(siblings)


@quick
@given(forests(), st.data())
def test_the_leaf_below_is_an_end_of_a_branch_through_the_message(
    headers: list[MessageHeader], data: st.DataObject
) -> None:
    it = Tree(headers, None)
    message = data.draw(st.sampled_from(headers)).id

    leaf = it.leaf_below(message)

    assert not it.children(leaf)
    assert message in [header.id for header in it.path_to(leaf)]


@quick
@given(forests(), st.data(), st.integers(-3, 3))
def test_a_neighbour_shows_another_version_of_the_same_place(
    headers: list[MessageHeader], data: st.DataObject, step: int
) -> None:
    it = Tree(headers, None)
    message = data.draw(st.sampled_from(headers)).id
    versions = it.siblings(message)
    place = versions.index(message) + step

    leaf = it.neighbour(message, step)

    if 0 <= place < len(versions):
        assert leaf is not None
        assert versions[place] in [header.id for header in it.path_to(leaf)]
    else:
        assert leaf is None


@quick
@given(tangles(), st.data())
def test_circles_end_every_walk(headers: list[MessageHeader], data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(headers)).id
    it = Tree(headers, message)

    branch = [header.id for header in it.branch]
    assert branch[-1] == message
    assert len(set(branch)) == len(branch)
    assert message in it.siblings(message)
    assert it.leaf_below(message) in it
    assert it.neighbour(message, 0) is not None


def test_an_unknown_head_shows_nothing() -> None:
    it = tree("a ab", head="gone")

    assert it.head is None
    assert it.branch == ()


def test_an_empty_conversation_is_an_empty_tree() -> None:
    it = Tree([], None)

    assert len(it) == 0
    assert it.branch == ()
    assert list(it.children(None)) == []


def test_the_leaf_below_follows_the_newest_versions() -> None:
    it = tree("a ab ac be cd cf")

    assert it.leaf_below("a") == "f"
    assert it.leaf_below("b") == "e"


def test_stepping_between_versions_keeps_to_their_order() -> None:
    it = tree("a ab ac ad", head="d")

    assert it.neighbour("d", -1) == "c"
    assert it.neighbour("c", -1) == "b"
    assert it.neighbour("b", -1) is None
    assert it.neighbour("d", 1) is None


def test_a_branch_of_ten_thousand_messages_is_walked_without_recursion() -> None:
    headers = [node(f"m{index}", f"m{index - 1}" if index else None) for index in range(10_000)]

    it = Tree(headers, "m9999")

    assert len(it.branch) == 10_000
    assert it.leaf_below("m0") == "m9999"
