"""Contents of attachments in the file: in pieces, once, read when they are asked for, and gone when they are erased."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.attached import attached, picture
from tests.contracts.store import conversation, message
from tests.store.parts import KEY, files_with
from tui_chat.core.clock import now
from tui_chat.core.models import Attachment, Message
from tui_chat.core.ports import Removal
from tui_chat.store import SqliteStore, erasing, open_store
from tui_chat.store.attachments import CHUNK
from tui_chat.store.connection import connect
from tui_chat.store.database import Database
from tui_chat.store.rows import fetch

CANARY = b"zqxjkvb canary "


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


async def saved(store: SqliteStore, *messages: Message) -> str:
    made = conversation()
    await store.import_conversations([(made, messages)])
    return made.id


def large(size: int = 3 * CHUNK + 5, *, seed: int = 0) -> Attachment:
    """A file of several pieces, with the canary in each."""
    noise = random.Random(seed).randbytes(1000)
    return attached((CANARY + noise) * (size // 1000), "application/pdf", "a.pdf")


def decrypted(path: Path) -> bytes:
    with closing(connect(path, KEY)) as db:
        return db.serialize("main")


async def rows(database: Database) -> list[tuple[int, ...]]:
    """How many contents the file holds, in how many pieces, of how many bytes at most."""
    return await database.read(
        lambda db: fetch(
            db,
            "SELECT (SELECT count(*) FROM attachment), count(*), coalesce(max(length(data)), 0) FROM attachment_chunk",
        )
    )


async def test_a_content_is_in_pieces_and_in_the_file_once(store: SqliteStore, database: Database) -> None:
    file = large()
    home = await saved(store, message(parts=(file, file)), message(parts=(file,)))
    await store.save_draft_attachments(home, [file])

    assert [(1, 4, CHUNK)] == await rows(database)


async def test_no_byte_of_it_can_be_read_without_the_key(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    home = await saved(store, message(parts=(large(),)))
    await store.save_draft_attachments(home, [large(seed=1)])

    assert CANARY in decrypted(path)
    assert [] == files_with(tmp_path, CANARY)


@pytest.mark.parametrize("end", ["erase", "purge", "purge conversation", "draft", "send", "erase draft", "finish"])
async def test_what_goes_with_nothing_any_more_is_in_no_page_even_with_the_key(
    store: SqliteStore, database: Database, path: Path, end: str
) -> None:
    said = message(parts=(large(),)) if "draft" not in end and end != "send" else message()
    home = await saved(store, said)
    if end in ("draft", "send", "erase draft"):
        await store.save_draft_attachments(home, [large()])
    before = decrypted(path)
    match end:
        case "erase" | "erase draft":
            await store.erase_conversations([home])
        case "purge":
            await store.remove_messages(home, None, Removal.CLEAR, 1)
            await store.purge(2)
        case "purge conversation":
            await store.delete_conversations([home], 1)
            await store.purge(2)
        case "draft":
            await store.save_draft_attachments(home, [picture()])
        case "send":
            await store.add_prompt(home, message("without it"), title="")
        case "finish":
            await store.finish_message(message("without it", id=said.id), 1)

    assert CANARY in before
    assert CANARY not in decrypted(path)
    assert 1 >= (await rows(database))[0][0]
    assert "ok" == await store.check_integrity()


async def test_a_removed_message_keeps_its_files_until_it_is_purged(store: SqliteStore, database: Database) -> None:
    said = message(parts=(large(),))
    home = await saved(store, said)
    await store.remove_messages(home, [said.id], Removal.DELETE, 5)
    await store.purge(5)

    assert 1 == (await rows(database))[0][0]


async def test_others_get_in_between_while_large_files_are_erased(
    store: SqliteStore, database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "BATCH_BYTES", 2_000_000)
    home = await saved(store, *(message(parts=(large(seed=place),)) for place in range(8)))
    erase = asyncio.create_task(store.erase_conversations([home]))
    seen = set()
    while not erase.done():
        seen.add((await rows(database))[0][0])
    await erase

    assert seen - {0, 8}
    assert [(0, 0, 0)] == await rows(database)
    assert CANARY not in decrypted(path)


async def test_a_file_larger_than_a_batch_is_erased_all_the_same(
    store: SqliteStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "BATCH_BYTES", 1)
    home = await saved(store, *(message(parts=(large(seed=place),)) for place in range(3)))
    await store.remove_messages(home, None, Removal.CLEAR, 1)
    await store.purge(2)

    assert [(0, 0, 0)] == await rows(database)
    assert [] == await store.messages(home)
    assert await store.last_clear(home) is None


async def test_a_message_whose_second_file_is_refused_leaves_nothing_of_the_first(
    store: SqliteStore, database: Database
) -> None:
    with pytest.raises(Exception, match="not at hand"):
        await saved(store, message(parts=(large(), attached("unknown").unloaded())))

    assert [(0, 0, 0)] == await rows(database)


# -- memory -----------------------------------------------------------------------------------

SIZE = 8_000_000


async def peak_of(work: Callable[[], object]) -> int:
    """Bytes of Python's own, at most, while that is done."""
    tracemalloc.start()
    try:
        await work()  # type: ignore[misc]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_a_conversation_with_a_large_file_is_opened_without_reading_it(store: SqliteStore) -> None:
    said = message("look", parts=(attached(bytes(SIZE), "application/pdf"),))
    home = await saved(store, said)

    async def open_it() -> None:
        await store.conversation(home)
        await store.headers(home)
        await store.bodies([said.id])

    assert await peak_of(open_it) < SIZE // 20


async def test_a_content_is_in_memory_once_while_it_is_read_and_never_twice_while_it_is_written(
    store: SqliteStore,
) -> None:
    file = attached(random.Random(1).randbytes(SIZE), "application/pdf")
    said = message(parts=(file,))
    home = await saved(store)
    writing = await peak_of(lambda: store.add_message(home, said))
    reading = await peak_of(lambda: store.contents([file.sha256]))

    assert writing < SIZE // 2
    assert reading < SIZE * 3 // 2
