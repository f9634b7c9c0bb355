"""The ranked index: what is found and how well, what is indexed again, and that it leaves no trace."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recall.parts import HOUR, NOON, branch, ids_found, passage, put
from tui_chat.core.errors import TuiChatError
from tui_chat.core.ports import Passage
from tui_chat.memory.query import terms_of
from tui_chat.recall import BranchIndex
from tui_chat.recall.branch_index import MOST_TERMS, day_of, smoothed


@pytest.fixture
async def index() -> AsyncIterator[BranchIndex]:
    made = BranchIndex()
    yield made
    await made.close()


# -- what is found -----------------------------------------------------------------------------------


async def test_messages_with_any_of_the_terms_are_found_the_best_first(index: BranchIndex) -> None:
    filler = [f"nothing of that kind here {number}" for number in range(8)]
    await put(index, branch("a red bicycle", *filler, "a red door", *filler, "my red bicycle is a fast bicycle"))

    assert ["m18", "m0", "m9"] == [id for id in await ids_found(index, "bicycle", "red") if id in ("m0", "m9", "m18")]
    assert [] == await ids_found(index, "zebra")
    assert [] == await ids_found(index)


async def test_a_hit_carries_what_is_told_of_its_message(index: BranchIndex) -> None:
    await put(index, [passage("m0", "red\nblue", NOON)])

    (hit,) = await index.rank(["red"])

    assert ("m0", NOON, 3, 2, None) == (hit.id, hit.created_at, hit.tokens, hit.lines, hit.conversation)
    assert hit.score > 0


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("We cycled to the lakes", "cycling by the lake"),
        ("Crème brûlée", "CREME"),
        ("我喜欢日本語です", "日本語?"),
        ("绿茶和红茶", "茶"),
        ("안녕하세요 세계", "안녕"),
        ("हिन्दी किताब", "किताब"),
        ("call foo_bar(max_tokens)", "max_tokens"),
        ("one\0two", "two"),
        ("cafe\u0301", "café"),
    ],
)
async def test_other_forms_accents_and_scripts_are_found(index: BranchIndex, text: str, question: str) -> None:
    await put(index, branch("something else", "and more", "of it", text))

    assert "m3" == (await ids_found(index, *terms_of(question)))[0]


async def test_what_was_said_around_a_message_finds_it_too_but_less(index: BranchIndex) -> None:
    await put(index, branch("Where is the dentist?", "In Oak Street.", "Thanks.", "And the weather?", "Fine."))

    hits = {hit.id: hit.score for hit in await index.rank(["dentist"])}

    assert {"m0", "m1"} == set(hits)
    assert hits["m0"] > hits["m1"] > 0


async def test_a_date_finds_what_was_said_that_day(index: BranchIndex) -> None:
    await put(index, branch("one", "two", "three", "four", every=31 * 24 * HOUR))

    assert "m1" == (await ids_found(index, *terms_of("What did we do in June?")))[0]


async def test_of_those_that_are_as_good_the_newer_come_first(index: BranchIndex) -> None:
    await put(index, branch(*["red"] * 7, every=24 * HOUR))

    # The first and the last have only one neighbour.
    assert ["m5", "m4", "m3", "m2", "m1"] == [id for id in await ids_found(index, "red") if id not in ("m0", "m6")]


async def test_no_more_than_the_limit_is_told(index: BranchIndex) -> None:
    await put(index, branch(*["red"] * 20))

    assert 3 == len(await index.rank(["red"], limit=3))
    assert [] == list(await index.rank(["red"], limit=0))


async def test_the_same_text_has_the_same_twin(index: BranchIndex) -> None:
    await put(index, branch("red door", "blue door", "red door"))

    twins = {hit.id: hit.twin for hit in await index.rank(["door"])}

    assert twins["m0"] == twins["m2"] != twins["m1"]
    assert 0 not in twins.values()


def test_a_score_gets_shares_of_its_neighbours_within_a_sitting() -> None:
    scores = {0: 10.0, 1: 20.0, 2: 30.0, 4: 40.0}

    after = smoothed(scores, lambda place: int(place >= 2))

    assert after == pytest.approx({0: 10 + 0.2 * 20, 1: 20 + 0.2 * 10, 2: 30 + 0.1 * 40, 4: 40 + 0.1 * 30})


async def test_a_long_silence_parts_what_helps_each_other(index: BranchIndex) -> None:
    async def best_of(gap: int) -> float:
        near = BranchIndex()
        texts = ["red one", "x", "red two", "x", "x", "x", "x", "x"]
        await put(near, [passage(f"m{n}", text, NOON + n * (gap if n == 2 else 1)) for n, text in enumerate(texts)])
        score = (await near.rank(["red"]))[0].score
        await near.close()
        return score

    assert await best_of(2 * HOUR) > await best_of(4 * HOUR)


def test_a_day_is_written_in_plain_english_for_any_instant() -> None:
    assert "8 May 2023" == day_of(1_683_504_000_000)
    assert "1 January 1970" == day_of(0)
    assert "29 December 9999" == day_of(2**70)


# -- any text ----------------------------------------------------------------------------------------

SYNTAX = [
    '"',
    "'",
    "*",
    ":",
    "NEAR",
    "NEAR(a b, 2)",
    "AND",
    "OR",
    "NOT",
    "^",
    "(",
    ")",
    "{text}",
    "-",
    "+",
    "text:a",
    "\0",
]


@settings(max_examples=150, deadline=None)
@given(
    terms=st.lists(
        st.text(max_size=20) | st.sampled_from(SYNTAX) | st.sampled_from(["\ud800", "a" * 1000]), max_size=90
    ),
    text=st.text(max_size=50) | st.just("\ud800 a"),
)
def test_no_term_and_no_text_can_make_it_fail(terms: list[str], text: str) -> None:
    async def try_it() -> None:
        index = BranchIndex()
        await put(index, branch(text, "NEAR and OR not", 'a "b" c'))
        await index.rank(terms)
        await index.rank([" ".join(terms)])
        await index.close()

    asyncio.run(try_it())


@pytest.mark.parametrize(
    ("term", "best"),
    [
        ("alpha*", ["m1"]),
        ('"alpha', ["m1"]),
        ("^alpha", ["m1"]),
        ("(alpha", ["m1"]),
        ("not", ["m9"]),
        ("alphabet NOT x", ["m9"]),
        ("text:alpha", []),
        ("*", []),
        ('"', []),
    ],
)
async def test_syntax_in_a_term_is_none(index: BranchIndex, term: str, best: list[str]) -> None:
    await put(index, branch(*["x", "alpha", "x", "x", "x", "alphabet", "x", "x", "x", "not", "x"]))

    assert best == (await ids_found(index, term))[:1]


async def test_a_draft_of_100_kb_is_known_by_its_rarest_words(index: BranchIndex) -> None:
    common = [f"common{number}" for number in range(3 * MOST_TERMS)]
    await put(index, branch(*[" ".join(common)] * 30, "a rare bird", *[" ".join(common)] * 30))

    found = await ids_found(index, *common, *(f"unheard{number}" for number in range(12_000)), "bird")

    assert "m30" == found[0]


async def test_a_term_that_is_given_more_often_counts_more(index: BranchIndex) -> None:
    await put(index, branch(*["x", "red", "x", "x", "x", "blue", "x"], every=24 * HOUR))

    assert "m1" == (await ids_found(index, "red", "red", "red", "blue"))[0]
    assert "m5" == (await ids_found(index, "red", "blue", "blue", "blue"))[0]


async def test_of_too_many_terms_those_that_are_given_more_often_are_kept(index: BranchIndex) -> None:
    rare = [f"rare{number}" for number in range(2 * MOST_TERMS)]
    await put(index, branch("the door", *rare, *["a door"] * 9))

    assert "m0" in await ids_found(index, "door", "door", "door", *rare)


# -- keeping it in step ------------------------------------------------------------------------------


async def test_a_turn_is_added_without_indexing_the_rest_again(index: BranchIndex) -> None:
    texts = [f"text {number}" for number in range(50)]
    assert 50 == await put(index, branch(*texts))

    assert 0 == await put(index, branch(*texts))
    assert 4 == await put(index, branch(*texts, "a question", "an answer"))
    assert 52 == index.size


async def test_the_neighbour_of_what_is_added_learns_of_it(index: BranchIndex) -> None:
    await put(index, branch("Where is it?"))
    assert [] == await ids_found(index, "street")

    await put(index, branch("Where is it?", "In Oak Street."))

    assert ["m1", "m0"] == await ids_found(index, "street")


async def test_another_branch_keeps_what_it_shares(index: BranchIndex) -> None:
    shared = branch(*[f"text {number}" for number in range(40)])
    await put(index, [*shared, passage("a", "an apple"), passage("b", "a berry")])

    assert 3 == await put(index, [*shared, passage("c", "a cherry")])

    assert ["c", "m39"] == (await ids_found(index, "cherry"))[:2]
    assert [] == await ids_found(index, "apple", "berry")


async def test_a_removed_message_is_gone_and_so_are_its_words_from_its_neighbours(index: BranchIndex) -> None:
    passages = branch("one", "two", "a secret", "four", "five")
    await put(index, passages)
    assert {"m1", "m2", "m3"} == set(await ids_found(index, "secret"))

    await put(index, [*passages[:2], *passages[3:]])

    assert [] == await ids_found(index, "secret")
    assert ["m3"] == (await ids_found(index, "four"))[:1]
    assert 4 == index.size


async def test_a_removed_last_message_is_gone_too(index: BranchIndex) -> None:
    passages = branch("one", "two", "a secret")
    await put(index, passages)

    await put(index, passages[:2])

    assert [] == await ids_found(index, "secret")


async def test_an_empty_branch_holds_nothing(index: BranchIndex) -> None:
    await put(index, branch("one"))

    assert 0 == await put(index, [])

    assert 0 == index.size
    assert [] == await ids_found(index, "one")


async def test_messages_other_than_the_missing_ones_are_refused(index: BranchIndex) -> None:
    passages = branch("one", "two", "three")
    await put(index, passages)

    with pytest.raises(ValueError):
        await index.hold(["m0", "m1", "m2", "m3"], [passage("m3", "four")])
    with pytest.raises(ValueError):
        await index.hold(["m0", "m1"], branch("one"))


WORDS = st.lists(st.sampled_from(["red", "door", "lake", "pie"]), min_size=1, max_size=4).map(" ".join)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Passage]]:
    """A branch that grows, loses messages anywhere, and goes on elsewhere."""
    states: list[list[Passage]] = [[]]
    for step in range(draw(st.integers(1, 5))):
        kept = [each for each in states[-1][: draw(st.integers(0, 9))] if draw(st.integers(0, 6))]
        texts = draw(st.lists(WORDS, max_size=5))
        states.append([*kept, *branch(*texts, name=f"s{step}-", every=draw(st.sampled_from([1, 5 * HOUR])))])
    return states


@settings(max_examples=60, deadline=None)
@given(states=histories())
def test_however_a_branch_came_about_it_is_ranked_as_if_built_afresh(states: list[list[Passage]]) -> None:
    async def ranks() -> tuple[list[Any], list[Any]]:
        grown, fresh = BranchIndex(), BranchIndex()
        for state in states:
            await put(grown, state)
        await put(fresh, states[-1])
        found = [
            [(hit.id, pytest.approx(hit.score)) for hit in await each.rank(["red", "lake"])] for each in (grown, fresh)
        ]
        await grown.close()
        await fresh.close()
        return found[0], found[1]

    grown, fresh = asyncio.run(ranks())

    assert fresh == grown


async def test_a_cancelled_build_holds_a_part_and_goes_on_from_there(index: BranchIndex) -> None:
    passages = branch(*[f"word{number} " * 5000 for number in range(40)])
    build = asyncio.create_task(put(index, passages))
    while index.size == 0:
        await asyncio.sleep(0)

    build.cancel()
    with pytest.raises(asyncio.CancelledError):
        await build

    held = index.size
    assert 0 < held < 40
    assert 40 - held + 2 >= await put(index, passages)
    assert ["m20"] == (await ids_found(index, "word20"))[:1]


class GatedIndex(BranchIndex):
    """Each slice waits at a gate, in the worker."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Event(), threading.Event()

    def _add(self, passages: Sequence[Passage], start: int, end: int) -> None:
        self.entered.set()
        self.gate.wait(60)
        super()._add(passages, start, end)


async def test_who_cancels_a_build_waits_till_its_slice_is_done() -> None:
    index = GatedIndex()
    build = asyncio.create_task(put(index, branch("red", "blue")))
    await asyncio.to_thread(index.entered.wait, 60)

    build.cancel()
    await asyncio.wait({build}, timeout=0.05)
    running = not build.done()
    index.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await build

    assert running
    assert 2 == index.size
    await index.close()


async def test_what_is_asked_during_a_build_is_answered_after_it(index: BranchIndex) -> None:
    build = asyncio.create_task(put(index, branch(*[f"word{number} " * 5000 for number in range(10)])))
    await asyncio.sleep(0)

    assert "m9" == (await ids_found(index, "word9"))[0]
    assert build.done()


async def test_a_closed_index_has_forgotten_everything() -> None:
    index = BranchIndex()
    await put(index, branch("red"))

    await index.close()
    await index.close()

    assert 0 == index.size
    with pytest.raises(TuiChatError, match="closed"):
        await index.rank(["red"])


# -- no trace ----------------------------------------------------------------------------------------


@contextmanager
def opened_files() -> Iterator[list[object]]:
    """What SQLite opens meanwhile; a temporary file has no name."""
    names: list[object] = []
    ordinary = apsw.vfs_names()[0]

    class Watching(apsw.VFS):
        def xOpen(self, name: Any, flags: Any) -> apsw.VFSFile:
            names.append(name)
            return apsw.VFSFile(ordinary, name, flags)

    watching = Watching("watching", ordinary, makedefault=True)
    try:
        yield names
    finally:
        watching.unregister()


def database_with_a_large_sort(path: Path) -> None:
    """A file, and a temporary one for sorting what its cache does not hold."""
    db = apsw.Connection(str(path))
    db.pragma("temp_store", "FILE")
    db.pragma("cache_size", 10)
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 3000)"
    db.execute(f"{numbers} SELECT x FROM n ORDER BY hex(randomblob(500))").fetchall()
    db.close()


async def test_nothing_is_ever_written_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with opened_files() as names:
        index = BranchIndex()
        words = [f"word{number}" for number in range(300_000)]
        await put(index, branch(*[" ".join(words[start : start + 100]) for start in range(0, 300_000, 100)]))
        await index.rank([f"word{number}" for number in range(200)])
        await put(index, branch("another"))
        await index.close()
        by_the_index = len(names)
        database_with_a_large_sort(tmp_path / "probe.db")

    assert 0 == by_the_index
    assert None in names
    assert ["probe.db"] == [path.name for path in tmp_path.iterdir()]
