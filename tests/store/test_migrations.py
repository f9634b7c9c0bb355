"""Steps of the schema: all of one or nothing of it, and nothing of a newer program's."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from tests.attached import attached, picture
from tests.contracts.store import chain, conversation, full_message, message, spending, summary
from tests.store.parts import KEY, content, run_script
from tui_chat.core import tokens
from tui_chat.core.clock import now
from tui_chat.core.errors import NewerSchema
from tui_chat.core.headers import header_of
from tui_chat.core.models import MemorySettings, Message, Role, Status, Thinking, ToolCall, ToolResult
from tui_chat.core.parts import to_json
from tui_chat.core.ports import Spent
from tui_chat.store import open_store
from tui_chat.store.connection import connect
from tui_chat.store.database import Database
from tui_chat.store.migrations import STEPS

BEFORE_TOOLS = STEPS[:2]
"""The steps of the files in which headers knew of texts only."""


def m002_shelves(db: apsw.Connection) -> None:
    db.execute(
        "CREATE TABLE shelf(id INTEGER PRIMARY KEY) STRICT; ALTER TABLE conversation ADD COLUMN shelf_id INTEGER"
    )


def m003_fails(db: apsw.Connection) -> None:
    db.execute("CREATE TABLE half(id INTEGER PRIMARY KEY) STRICT")
    raise RuntimeError("the step fails in its middle")


def names_in(path: Path) -> set[str]:
    with closing(connect(path, KEY)) as db:
        return {str(name) for (name,) in db.execute("SELECT name FROM sqlite_schema UNION SELECT name FROM migration")}


async def test_a_step_is_done_once_and_recorded(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = await open_store(path, KEY, create=True)
    made = conversation()
    await store.add_conversation(made)
    await store.close()
    for _ in range(2):
        database = await Database.open(path, KEY, create=False, clock=now, steps=(*STEPS, m002_shelves))
        await database.close()

    assert {"shelf", "m002_shelves", "m001_conversations_and_messages"} <= names_in(path)


async def test_a_step_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    await (await open_store(path, KEY, create=True)).close()
    before = names_in(path)

    with pytest.raises(RuntimeError):
        await Database.open(path, KEY, create=False, clock=now, steps=(*STEPS, m002_shelves, m003_fails))
    assert names_in(path) == before | {"shelf", "m002_shelves"}


async def test_a_program_killed_within_a_step_leaves_the_old_schema(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = await open_store(path, KEY, create=True)
    made = conversation()
    await store.add_conversation(made)
    await store.close()
    before = names_in(path)
    script = f"""
        import asyncio, os, pathlib, signal
        from tests.store.parts import KEY
        from tests.store.test_migrations import m002_shelves
        from tui_chat.core.clock import now
        from tui_chat.store.database import Database
        from tui_chat.store.migrations import STEPS
        def m002_killed(db):
            m002_shelves(db)
            db.pragma("cache_size", 1)
            db.execute("CREATE TABLE big(x)")
            for _ in range(9):
                db.execute("INSERT INTO big VALUES (randomblob(100000))")
            os.kill(os.getpid(), signal.SIGKILL)
        path = pathlib.Path({str(path)!r})
        asyncio.run(Database.open(path, KEY, create=False, clock=now, steps=(*STEPS, m002_killed)))
    """

    assert run_script(script) == -signal.SIGKILL
    assert names_in(path) == before
    store = await open_store(path, KEY, create=False)
    assert await store.conversation(made.id) == made
    await store.close()


async def test_a_program_killed_while_making_the_file_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    script = f"""
        import asyncio, os, pathlib, signal
        from tests.store.parts import KEY
        from tui_chat.core.clock import now
        from tui_chat.store.database import Database
        from tui_chat.store.migrations import STEPS
        def m002_killed(db):
            os.kill(os.getpid(), signal.SIGKILL)
        path = pathlib.Path({str(path)!r})
        asyncio.run(Database.open(path, KEY, create=True, clock=now, steps=(*STEPS, m002_killed)))
    """

    assert run_script(script) == -signal.SIGKILL
    assert not path.exists()
    await (await open_store(path, KEY, create=True)).close()


async def test_a_newer_schema_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    database = await Database.open(path, KEY, create=True, clock=now, steps=(*STEPS, m002_shelves))
    await database.close()
    before = content(path)

    with pytest.raises(NewerSchema) as raised:
        await open_store(path, KEY, create=True)
    assert content(path) == before
    assert raised.value.hint


async def test_a_newer_schema_with_a_full_log_is_not_touched_either(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    script = f"""
        import asyncio, os, pathlib
        from tests.store.parts import KEY
        from tests.store.test_migrations import m002_shelves
        from tui_chat.core.clock import now
        from tui_chat.store.database import Database
        from tui_chat.store.migrations import STEPS
        async def main():
            path = pathlib.Path({str(path)!r})
            database = await Database.open(path, KEY, create=True, clock=now, steps=(*STEPS, m002_shelves))
            await database.run(lambda db: db.execute("INSERT INTO shelf VALUES (7)").fetchall())
            os._exit(0)
        asyncio.run(main())
    """
    assert run_script(script) == 0
    log = path.with_name("history.db-wal")
    before = (content(path), content(log))
    assert before[1]

    with pytest.raises(NewerSchema):
        await open_store(path, KEY, create=False)
    assert (content(path), content(log)) == before
    with closing(connect(path, KEY)) as db:
        assert db.execute("SELECT id FROM shelf").fetchall() == [(7,)]


def test_steps_have_names_of_their_own() -> None:
    names = [step.__name__ for step in STEPS]

    assert len(set(names)) == len(names)
    assert all(step.__doc__ for step in STEPS)


async def old_file(path: Path, *said: Message) -> str:
    """A file as the program wrote it before there were tools in it; the id of its conversation."""
    made = conversation("Old")

    def write(db: apsw.Connection) -> None:
        db.execute(
            "INSERT INTO conversation(uuid, created_at, updated_at, pinned, archived, title, memory_strategy,"
            " memory_max_messages, memory_trim) VALUES (?, 1, 2, 0, 0, 'Old', 'full', 7, 'blocks')",
            (made.id,),
        )
        for each in said:
            write_old(db, each)

    database = await Database.open(path, KEY, create=True, clock=now, steps=BEFORE_TOOLS)
    await database.run(write)
    await database.close()
    return made.id


def write_old(db: apsw.Connection, said: Message) -> None:
    """The rows of a message, measured by its text alone; while it streams it is not measured."""
    streaming = said.status is Status.STREAMING
    measures = (
        (0, 0, 0, 0, 0, 0) if streaming else (len(said.text), int(bool(said.text)), *tokens.measure(said.text), 1)
    )
    model = said.model and said.model.name
    place = (said.id, said.parent_id, said.role.value)
    marks = (int(bool(said.thinking)), int(said.pinned), int(said.excluded))
    db.execute(
        "INSERT INTO message(uuid, conversation_id, parent_id, role, status, created_at, model_endpoint, model_name,"
        " error, characters, lines, token_estimate, letters, other_letters, estimator, has_thinking, pinned, excluded)"
        " VALUES (?, 1, (SELECT id FROM message WHERE uuid = ?), ?, ?, ?, 'e', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*place, said.status.value, said.created_at, model, said.error, *measures, *marks),
    )
    parts = json.dumps([to_json(part) for part in said.parts]) if said.parts else None
    db.execute(
        "INSERT INTO message_body(id, indexed, text, parts) VALUES (last_insert_rowid(), ?, ?, ?)",
        (int(not streaming), said.text, parts),
    )


async def test_the_messages_of_an_old_file_have_the_headers_of_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    prompt, reply = chain('say "tool_call" and "attachment"', "said")
    said = [
        prompt,
        reply,
        full_message(reply),
        message("thought", parts=(Thinking('"type": "tool_call", "type": "attachment"'),)),
        message("", role=Role.ASSISTANT, parts=(ToolCall("a\0", "look", '{"at": "日本"}'), ToolCall("b", "x", "{}"))),
        message("found", role=Role.TOOL, parts=(ToolResult("a\0", "found"), ToolResult("b", "nothing"))),
        message("half", status=Status.STREAMING, parts=(ToolCall("c", "look", "{}"),)),
    ]
    home = await old_file(path, *said)

    store = await open_store(path, KEY, create=False)
    headers = await store.headers(home)
    await store.close()

    assert [header_of(each) for each in said] == headers


async def test_the_files_of_an_old_history_are_moved_out_of_its_messages(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    text, photo = attached("a canary " * 100_000), picture(1000, 500)
    said = [
        message("look", parts=(Thinking("hm"), text, photo, ToolCall("a", "look", "{}"), text)),
        message("", parts=(attached(b"%PDF-1.7", "application/pdf", "näme"),)),
        message("", parts=(replace(photo, name="again"),), role=Role.ASSISTANT),
        message("half", status=Status.STREAMING, parts=(attached(""),)),
        message('nothing but a word: "attachment"', parts=(Thinking('"attachment"'),)),
    ]
    home = await old_file(path, *said)

    store = await open_store(path, KEY, create=False)
    headers, messages = await store.headers(home), await store.messages(home)
    contents = await store.contents([text.sha256, photo.sha256])
    check = await store.check_integrity()
    await store.close()

    assert (said, [header_of(each) for each in said]) == (messages, headers)
    assert {text.sha256: text.data, photo.sha256: photo.data} == contents
    assert "ok" == check
    with closing(connect(path, KEY)) as db:
        assert [(4, 900_000)] == db.execute("SELECT count(*), max(size) FROM attachment").fetchall()
        assert [(5,)] == db.execute("SELECT count(*) FROM message_attachment").fetchall()
        # What it was before, base64, is in no page either.
        assert text.base64[:60].encode() not in db.serialize("main")


async def test_an_old_conversation_is_looked_through_alone_and_can_be_summarised_and_paid_for(tmp_path: Path) -> None:
    path, said = tmp_path / "history.db", message()
    home = await old_file(path, said)

    store = await open_store(path, KEY, create=False)
    memory = (await store.conversation(home)).memory
    kept = summary(said)
    await store.keep_summary(home, kept)
    await store.add_spending(spending(home))
    summaries, spent = await store.summaries(home), await store.spent(conversation_id=home)
    check = await store.check_integrity()
    await store.close()

    assert MemorySettings("full", 7, "blocks", "conversation") == memory
    assert [kept] == summaries
    assert Spent(tokens=30, usd=0.5) == spent
    assert "ok" == check
