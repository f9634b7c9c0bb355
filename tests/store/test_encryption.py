"""Nothing of the history is readable without its key, and nothing changed is taken for it."""

from __future__ import annotations

import random
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.contracts.store import chain, conversation, message
from tests.store.parts import KEY, OTHER_KEY, content, files_with, names_of, put, run_script
from tui_chat.core.errors import DamagedHistory, StoreFailed
from tui_chat.core.models import Message, Status
from tui_chat.core.ports import Body, Removal
from tui_chat.core.secret import Secret
from tui_chat.store import SqliteStore, open_store
from tui_chat.store.connection import connect

CANARY = "zqxwcanary"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history" / "history.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    path.parent.mkdir(mode=0o700)
    store = await open_store(path, KEY, create=True)
    yield store
    await store.close()


async def fill_with(store: SqliteStore, word: str) -> str:
    """Write the word everywhere something can be written; the conversation's id."""
    made = conversation(f"{word} title", system_prompt=f"{word} prompt", tags=(f"{word} tag",))
    await store.add_conversation(made)
    prompt, reply = chain(f"{word} prompt", f"{word} reply")
    await store.add_message(made.id, prompt)
    await store.add_message(made.id, reply)
    streaming = message("", prompt, status=Status.STREAMING)
    await store.add_message(made.id, streaming)
    await store.checkpoint(streaming.id, Body(f"{word} half"), 1)
    await store.save_draft(made.id, f"{word} draft")
    await store.set_value("place", f'"{word}"')
    await store.set_secret(f"{word}", Secret(f"sk-{word}"))
    await store.search(word)
    return made.id


async def test_no_byte_on_disk_shows_what_was_written(
    store: SqliteStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    await fill_with(store, CANARY)
    open_files = {file.name for file in path.parent.iterdir()}
    while_open = files_with(tmp_path, CANARY.encode())
    await store.close()

    assert open_files == {"history.db", "history.db-wal", "history.db-shm"}
    assert while_open == []
    assert files_with(tmp_path, CANARY.encode()) == []
    assert files_with(tmp_path, b"CREATE TABLE") == []
    assert files_with(tmp_path, b"SQLite format 3") == []


def test_the_same_search_finds_it_in_a_plain_file(tmp_path: Path) -> None:
    with closing(apsw.Connection(str(tmp_path / "plain.db"))) as db:
        db.execute("CREATE TABLE t(x TEXT)")
        db.execute("INSERT INTO t VALUES (?)", (CANARY,))

    assert files_with(tmp_path, CANARY.encode()) == ["plain.db"]
    assert files_with(tmp_path, b"SQLite format 3") == ["plain.db"]


async def test_what_is_erased_for_good_is_in_no_page_even_with_the_key(store: SqliteStore, path: Path) -> None:
    kept = await fill_with(store, "ordinary")
    erased = await fill_with(store, CANARY)
    await store.set_secret(CANARY, None)
    await store.set_value("place", "1")

    def decrypted() -> bytes:
        with closing(connect(path, KEY)) as db:
            return db.serialize("main").lower()

    before = decrypted()
    await store.erase_conversations([erased])

    assert CANARY.encode() in before
    assert content(path.with_name("history.db-wal")) == b""
    assert CANARY.encode() not in decrypted()
    assert b"ordinary" in decrypted()
    assert await store.conversation(kept)


async def test_purged_messages_leave_the_search_index(store: SqliteStore, path: Path) -> None:
    made = conversation()
    await store.add_conversation(made)
    said = message(f"the {CANARY} word")
    await store.add_message(made.id, said)
    await store.remove_messages(made.id, [said.id], Removal.DELETE, 1)
    await store.purge(2)
    with closing(connect(path, KEY)) as db:
        decrypted = db.serialize("main").lower()

    assert CANARY.encode() not in decrypted


async def test_files_are_the_owners_alone(store: SqliteStore, path: Path) -> None:
    await fill_with(store, "x")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == dict.fromkeys(("history.db", "history.db-wal", "history.db-shm"), 0o600)


async def test_another_key_is_refused_and_changes_nothing(store: SqliteStore, path: Path) -> None:
    await fill_with(store, "x")
    await store.close()
    before = content(path)

    with pytest.raises(DamagedHistory):
        await open_store(path, OTHER_KEY, create=False)
    assert content(path) == before
    await (await open_store(path, KEY, create=False)).close()


@pytest.mark.parametrize("key", [Secret(b""), Secret(b"k" * 31), Secret(b"k" * 33), Secret("00" * 32)])
async def test_what_is_no_key_opens_and_makes_nothing(tmp_path: Path, key: Secret) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        await open_store(tmp_path / "history.db", key, create=True)
    assert names_of(tmp_path) == []


async def test_bare_bytes_are_no_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        await open_store(tmp_path / "history.db", b"k" * 32, create=True)  # type: ignore[arg-type]


async def test_plain_apsw_in_the_way_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(apsw, "mc_version")

    with pytest.raises(StoreFailed, match="apsw-sqlite3mc"):
        await open_store(tmp_path / "history.db", KEY, create=True)
    assert names_of(tmp_path) == []


async def test_a_plain_database_at_its_place_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(apsw.Connection(str(path))) as db:
        db.execute("CREATE TABLE conversation(id INTEGER PRIMARY KEY)")
    before = content(path)

    with pytest.raises(DamagedHistory, match="not encrypted"):
        await open_store(path, KEY, create=True)
    assert content(path) == before


@pytest.mark.parametrize("rubbish", [b"", b"SQLite", b"\0" * 8192, b"rubbish" * 5000])
async def test_a_file_that_is_no_history_is_damage(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "history.db"
    put(path, rubbish)

    with pytest.raises(DamagedHistory):
        await open_store(path, KEY, create=True)
    assert content(path) == rubbish


async def test_a_missing_file_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(DamagedHistory, match="missing"):
        await open_store(tmp_path / "history.db", KEY, create=False)
    assert names_of(tmp_path) == []


async def test_a_missing_folder_is_a_failure_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed) as raised:
        await open_store(tmp_path / "nowhere" / "history.db", KEY, create=True)
    assert raised.value.hint


async def test_the_file_has_the_chosen_cipher_and_page_size(store: SqliteStore, path: Path) -> None:
    with closing(connect(path, KEY)) as db:
        assert (db.pragma("cipher"), db.pragma("page_size"), db.pragma("journal_mode")) == ("chacha20", 8192, "wal")


async def test_a_changed_byte_is_never_taken_for_the_history(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    for _ in range(20):
        made = conversation()
        await store.add_conversation(made)
        for each in chain(*(f"some words {number} " * 60 for number in range(4))):
            await store.add_message(made.id, each)
    ids = [row.conversation.id for row in await store.listed((await store.index()).keys)]
    expected = [await store.messages(each) for each in ids]
    await store.close()
    whole = content(path)
    chance = random.Random(7)
    copy = tmp_path / "copy.db"

    silent = 0
    for place in [0, 17, 100, *(chance.randrange(len(whole)) for _ in range(40))]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        put(copy, bytes(flipped))
        silent += await reads_on(copy, ids, expected)
    assert silent == 0


async def reads_on(path: Path, ids: list[str], expected: Sequence[Sequence[Message]]) -> bool:
    """Whether a changed file goes unnoticed. Readable and different is the worst: it fails at once."""
    try:
        store = await open_store(path, KEY, create=False)
    except DamagedHistory:
        return False
    try:
        assert [await store.messages(each) for each in ids] == expected
        return await store.check_integrity() == "ok"
    except DamagedHistory:
        return False
    finally:
        await store.close()


async def test_swapped_pages_are_refused(store: SqliteStore, path: Path) -> None:
    made = conversation()
    await store.add_conversation(made)
    for each in chain(*("words " * 500 for _ in range(20))):
        await store.add_message(made.id, each)
    await store.close()
    pages = [content(path)[i : i + 8192] for i in range(0, len(content(path)), 8192)]
    put(path, b"".join([*pages[:-2], pages[-1], pages[-2]]))

    store = await open_store(path, KEY, create=False)
    assert await store.check_integrity() != "ok"
    await store.close()


async def test_errors_hold_neither_values_nor_key(store: SqliteStore, path: Path) -> None:
    def fail(db: apsw.Connection) -> None:
        db.execute("INSERT INTO secret(name, value) VALUES (?, ?)", (CANARY, CANARY))  # STRICT: not a BLOB

    with pytest.raises(StoreFailed) as raised:
        await store._database.run(fail)
    shown = [raised.value.sentence, repr(raised.value), repr(raised.value.__cause__)]
    frames = raised.value.__cause__ and raised.value.__cause__.__traceback__

    assert not any(CANARY in text for text in shown)
    assert frames is None
    assert KEY.reveal().hex() not in repr(vars(store._database))


async def test_a_full_disk_is_said_to_be_one(store: SqliteStore) -> None:
    def limit(db: apsw.Connection) -> None:
        db.pragma("max_page_count", 1)

    await store._database.run(limit)

    with pytest.raises(StoreFailed, match="full") as raised:
        await store.set_value("big", "x" * 200_000)
    assert raised.value.hint
    assert await store.value("big") is None


def test_importing_the_store_imports_no_library() -> None:
    assert run_script("import sys, tui_chat.store; sys.exit('apsw' in sys.modules)") == 0


async def test_a_copied_file_opens_with_its_key(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    made = await fill_with(store, "word")
    await store.close()
    put(tmp_path / "elsewhere.db", content(path))
    copy = await open_store(tmp_path / "elsewhere.db", KEY, create=False)

    assert (await copy.conversation(made)).title == "word title"
    await copy.close()
