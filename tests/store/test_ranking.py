"""Ranking over all conversations: what a common word may cost, and what is given up for it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.store import conversation, message
from tests.store.parts import KEY
from tui_chat.core.recall import twin_of
from tui_chat.store import SqliteStore, open_store, ranking


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_store(tmp_path / "history.db", KEY, create=True)
    yield store
    await store.close()


async def saved(store: SqliteStore, *texts: str) -> None:
    """A conversation of these messages, whose ids are their places."""
    tree = [message(text, id=str(place)) for place, text in enumerate(texts)]
    await store.import_conversations([(conversation(), tree)])


async def found(store: SqliteStore, *terms: str) -> list[str]:
    return [hit.id for hit in await store.ranked(terms, without=[])]


async def test_the_rarest_terms_are_ranked_where_all_would_cost_too_much(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "PLACES", 5)
    await saved(store, *["common middle"] * 3, *["common"] * 9, "rare", "rare middle")  # 12, 4 and 2 places

    assert ["12", "13"] == sorted(await found(store, "common", "middle", "rare"))
    assert ["0", "1", "13", "2"] == sorted(await found(store, "common", "absent", "middle"))


async def test_a_common_term_alone_finds_its_newest_places(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "PLACES", 3)
    await saved(store, *["common word"] * 5, "else", "common")

    assert ["6", "4", "3"] == await found(store, "common")
    assert ["6", "4", "3"] == await found(store, "common", "word", "common")


async def test_a_long_list_of_terms_is_known_by_its_rarest(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "TERMS", 2)
    await saved(store, "two", "two", "two", "three", "three", "four")

    assert {"3", "4", "5"} == set(await found(store, "two", "three", "absent", "four"))


async def test_thousands_of_terms_are_fine(store: SqliteStore) -> None:
    await saved(store, "w77", "else")

    assert ["0"] == await found(store, *(f"w{number}" for number in range(5000)))


async def test_it_reads_beside_a_write_that_takes_long(store: SqliteStore) -> None:
    """As search does: a keystroke's ranking waits for no writer."""
    await saved(store, "needle")
    began, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: object) -> None:
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)

    holding = asyncio.create_task(store._database.run(hold))
    await began.wait()

    async with asyncio.timeout(5):
        assert ["0"] == await found(store, "needle")
    go_on.set()
    await holding


def test_a_twin_is_the_same_in_every_process() -> None:
    assert 8544981882565443001 == twin_of("needle")


WORDS = ("red", "green", "Grün", "日本語", "blue's", "*", "OR")
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), min_size=1, max_size=8)


@given(TEXTS, st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=4))
@settings(max_examples=25, deadline=None)
def test_what_any_term_finds_alone_all_of_them_find_together(texts: Sequence[str], terms: Sequence[str]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = await open_store(Path(folder, "history.db"), KEY, create=True)
            try:
                await saved(store, *texts)
                alone = {hit.message_id for term in terms for hit in await store.search(term) if hit.message_id}
                together = await found(store, *terms)
            finally:
                await store.close()

        assert alone == set(together)
        assert len(together) == len(set(together))

    asyncio.run(run())
