"""Erasing for good: in steps that let others in, out of every page, and finished after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.store import chain, conversation, message, spending, summary
from tests.store.parts import KEY
from tui_chat.core.clock import now
from tui_chat.core.errors import NotFound
from tui_chat.core.models import Message
from tui_chat.core.ports import Removal
from tui_chat.store import SqliteStore, erasing, open_store
from tui_chat.store.connection import connect
from tui_chat.store.database import Database
from tui_chat.store.rows import fetch

CANARY = "zqxjkvbcanary"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_store(path, KEY, create=True)
    yield store
    await store.close()


@pytest.fixture
async def database(store: SqliteStore, path: Path) -> AsyncIterator[Database]:
    """The same file, opened by another program."""
    database = await Database.open(path, KEY, create=False, clock=now)
    yield database
    await database.close()


async def saved(store: SqliteStore, messages: Sequence[Message], title: str = "A title") -> str:
    made = conversation(title)
    await store.import_conversations([(made, messages)])
    return made.id


def many(text: str, number: int = erasing.BATCH + 50) -> list[Message]:
    """More than is erased at once."""
    return chain(*(f"{text} and w{index}x{text[:3]}" for index in range(number)))


async def left(database: Database) -> int:
    """How many messages the file holds."""
    return int((await database.read(lambda db: fetch(db, "SELECT count(*) FROM message")))[0][0])


def decrypted(path: Path) -> bytes:
    with closing(connect(path, KEY)) as db:
        return db.serialize("main").lower()


async def test_others_get_in_between_while_many_messages_are_erased(
    store: SqliteStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "BATCH", 10)
    erased = await saved(store, many("text", 200))
    erase = asyncio.create_task(store.erase_conversations([erased]))
    seen = set()
    while not erase.done():
        seen.add(await left(database))
    await erase

    assert len(seen - {0, 200}) > 3
    assert await left(database) == 0


async def test_many_erased_messages_are_in_no_page_even_with_the_key(store: SqliteStore, path: Path) -> None:
    kept = many("ordinary")
    await saved(store, kept)
    erased = await saved(store, many(CANARY), title=CANARY)
    await store.erase_conversations([erased])
    found = await store.search("ordinary", limit=1000)

    assert CANARY.encode() not in decrypted(path)
    assert CANARY[:3].encode() not in decrypted(path)
    assert len(found) == len(kept)
    assert await store.check_integrity() == "ok"


async def test_many_purged_messages_are_in_no_page_even_with_the_key(store: SqliteStore, path: Path) -> None:
    first, *rest = many(CANARY)
    made = await saved(store, [message("first", id=first.id), *rest])
    await store.remove_messages(made, [each.id for each in rest[:-1]], Removal.DELETE, 1)
    last = rest[-1]
    await store.finish_message(message("last", id=last.id), 1)
    await store.purge(2)

    assert CANARY.encode() not in decrypted(path)
    assert [(each.id, each.parent_id) for each in await store.headers(made)] == [(first.id, None), (last.id, first.id)]
    assert await store.check_integrity() == "ok"


async def test_few_messages_are_in_no_page_after_many_were_erased(store: SqliteStore, path: Path) -> None:
    large, small = await saved(store, many("large")), await saved(store, chain(CANARY))
    await store.erase_conversations([large])
    await store.erase_conversations([small])

    assert CANARY.encode() not in decrypted(path)


async def test_few_messages_are_erased_out_of_the_index_after_a_step_was_taken_back(
    store: SqliteStore, path: Path
) -> None:
    """The steps make the index quick and forgetful for a moment; that must not outlast one that failed."""

    def fail(db: object) -> None:
        erasing.erase_batch(db)  # type: ignore[arg-type]
        raise NotFound("no")

    large, small = await saved(store, many("large")), await saved(store, chain(CANARY))
    await store._database.run(lambda db: erasing.mark_conversations(db, [large]))
    with pytest.raises(NotFound):
        await store._database.run(fail)
    await store._database.run(
        lambda db: db.execute("DELETE FROM conversation WHERE uuid = ?", (small,)).fetchall(),
    )
    await store._database.empty_log()

    assert CANARY.encode() not in decrypted(path)


async def test_a_conversation_that_is_half_erased_is_nowhere_and_the_next_purge_ends_it(
    store: SqliteStore, database: Database, path: Path
) -> None:
    said = many(CANARY)
    erased = await saved(store, said, title=CANARY)
    await database.run(lambda db: erasing.mark_conversations(db, [erased]))
    await database.run(erasing.erase_batch)  # and the program dies
    for call in (
        store.conversation(erased),
        store.messages(erased),
        store.message(said[-1].id),
        store.undelete_conversation(erased),
        store.delete_conversations([erased], 5),
        store.save_draft(erased, "x"),
    ):
        with pytest.raises(NotFound):
            await call
    lists = [*(await store.index(deleted=True)).keys, *(await store.index()).keys, *await store.find(CANARY)]
    lists += [*await store.find(CANARY, deleted=True), *await store.search(CANARY)]
    half = await left(database)
    await store.purge(1)

    assert lists == []
    assert half == 50
    assert await left(database) == 0
    assert CANARY.encode() not in decrypted(path)
    with pytest.raises(NotFound):
        await store.erase_conversations([erased])


async def test_a_purge_that_died_before_the_index_was_tidied_is_ended_by_the_next(
    store: SqliteStore, database: Database, path: Path
) -> None:
    erased = await saved(store, many(CANARY))
    await database.run(lambda db: erasing.mark_conversations(db, [erased]))
    while await database.run(erasing.erase_batch):
        pass
    await store.purge(1)

    assert CANARY.encode() not in decrypted(path)
    assert await database.read(lambda db: fetch(db, "SELECT * FROM conversation")) == []


async def test_a_half_erased_removal_is_not_restored(store: SqliteStore, database: Database) -> None:
    made = await saved(store, many("text"))
    removal = await store.remove_messages(made, None, Removal.CLEAR, 1)
    await database.run(lambda db: erasing.mark_old(db, 2))
    await database.run(erasing.erase_batch)

    with pytest.raises(NotFound):
        await store.restore_removal(removal)
    assert await store.last_clear(made) is None
    assert await store.headers(made) == []


async def test_a_purge_of_nothing_does_not_wait_for_another_program_that_writes(
    store: SqliteStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(db: object) -> None:
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)

    holding = asyncio.create_task(database.run(hold))
    await began.wait()

    async with asyncio.timeout(2):
        await store.purge(1)
    go_on.set()
    await holding


# -- what was made from messages ------------------------------------------------------------------


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


@pytest.mark.parametrize("end", ["delete", "clear", "drop", "erase", "purge"])
async def test_a_summary_whose_source_is_gone_is_in_no_page_and_not_in_the_log_even_with_the_key(
    store: SqliteStore, path: Path, end: str
) -> None:
    said = chain("1", "2", "3")
    made = await saved(store, said)
    lost = summary(*said, text=f"{CANARY} {'long ' * 5000}", model=CANARY)
    left = summary(said[2], text="it stays")
    await store.keep_summary(made, lost)
    await store.keep_summary(made, left)
    before = decrypted(path)
    match end:
        case "delete":
            await store.remove_messages(made, [said[0].id], Removal.DELETE, 1)
        case "clear":
            await store.remove_messages(made, None, Removal.CLEAR, 1)
        case "drop":
            await store.drop_summary(lost.id)
        case "erase":
            await store.erase_conversations([made])
        case "purge":
            await store.delete_conversations([made], 1)
            await store.purge(2)

    assert CANARY.encode() in before
    assert CANARY.encode() not in decrypted(path)
    assert 0 == log_of(path).stat().st_size
    assert await store.check_integrity() == "ok"
    if end in ("delete", "drop"):
        assert [left] == await store.summaries(made)


async def test_a_summary_goes_with_the_first_of_its_sources_that_is_erased(
    store: SqliteStore, database: Database, path: Path
) -> None:
    said = many("text")
    erased = await saved(store, said)
    await store.keep_summary(erased, summary(*said, text=CANARY))
    await database.run(lambda db: erasing.mark_conversations(db, [erased]))
    await database.run(erasing.erase_batch)  # and the program dies

    assert [] == await database.read(lambda db: fetch(db, "SELECT uuid FROM summary"))
    await store.purge(1)
    assert CANARY.encode() not in decrypted(path)


async def test_a_removal_that_is_taken_back_takes_no_summary(store: SqliteStore) -> None:
    said = message("said")
    made = await saved(store, [said])
    kept = summary(said)
    await store.keep_summary(made, kept)

    with pytest.raises(NotFound):
        await store.remove_messages(made, [said.id, "nothing"], Removal.DELETE, 1)
    assert [kept] == await store.summaries(made)


async def test_a_removal_without_summaries_leaves_the_log_alone(store: SqliteStore, path: Path) -> None:
    """Emptying it may have to wait for another program."""
    said = message("said")
    made = await saved(store, [said])
    await store.remove_messages(made, [said.id], Removal.DELETE, 1)

    assert log_of(path).stat().st_size


async def test_an_erased_conversation_is_nowhere_in_the_ledger(
    store: SqliteStore, database: Database, path: Path
) -> None:
    made = await saved(store, [message("said")])
    await store.add_spending(spending(made))
    await store.erase_conversations([made])
    await store.add_spending(spending(made))

    assert made.encode() not in decrypted(path)
    assert [(None,), (None,)] == await database.read(lambda db: fetch(db, "SELECT conversation_id FROM spending"))


async def test_a_half_erased_conversation_takes_no_summary_and_no_spending(
    store: SqliteStore, database: Database
) -> None:
    said = message("said")
    made = await saved(store, [said])
    await database.run(lambda db: erasing.mark_conversations(db, [made]))
    await store.add_spending(spending(made))

    assert (0, 30) == ((await store.spent(conversation_id=made)).tokens, (await store.spent()).tokens)
    with pytest.raises(NotFound):
        await store.keep_summary(made, summary(said))
