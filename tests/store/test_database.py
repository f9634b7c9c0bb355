"""Threads, transactions, cancelling, several programs on one file, and kill -9."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from tests.contracts.store import conversation, message
from tests.store.parts import KEY, names_of
from tui_chat.core.clock import now
from tui_chat.core.errors import NotFound, StoreFailed
from tui_chat.store import SqliteStore, open_store
from tui_chat.store.database import Database
from tui_chat.store.migrations import STEPS

KILL_ROUNDS = int(os.environ.get("TUI_CHAT_KILL_ROUNDS", "5"))

LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000000) SELECT count(*) FROM n"
"""A statement of some ten seconds."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "history.db", KEY, create=True, clock=now)
    yield database
    await database.close()


def put(db: apsw.Connection, key: str, text: str) -> None:
    db.execute("INSERT OR REPLACE INTO value(key, json) VALUES (?, ?)", (key, text))


def get(db: apsw.Connection, key: str) -> str | None:
    rows = db.execute("SELECT json FROM value WHERE key = ?", (key,)).fetchall()
    return str(rows[0][0]) if rows else None


async def test_writes_happen_in_the_order_of_calls(database: Database) -> None:
    await asyncio.gather(*(database.run(lambda db, n=n: put(db, "a", str(n))) for n in range(50)))  # type: ignore[misc]

    assert await database.read(lambda db: get(db, "a")) == "49"


async def test_work_that_raises_leaves_nothing(database: Database) -> None:
    def fail(db: apsw.Connection) -> None:
        put(db, "a", "half")
        raise NotFound("no")

    with pytest.raises(NotFound):
        await database.run(fail)
    assert await database.read(lambda db: get(db, "a")) is None


async def test_a_cancelled_write_is_whole_and_the_next_one_follows(database: Database) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(db: apsw.Connection) -> None:
        put(db, "a", "1")
        began.set()
        go_on.wait(10)
        put(db, "b", "1")

    running = asyncio.create_task(database.run(slow))
    await asyncio.to_thread(began.wait, 10)
    waiting = asyncio.create_task(database.run(lambda db: put(db, "c", "1")))
    await asyncio.sleep(0)
    for task in (running, waiting):
        task.cancel()
    for task in (running, waiting):
        with pytest.raises(asyncio.CancelledError):
            await task
    go_on.set()

    assert await database.read(lambda db: [get(db, key) for key in "abc"]) == ["1", "1", "1"]


async def test_a_cancelled_write_that_fails_later_prints_nothing(database: Database) -> None:
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    go_on = threading.Event()

    def fail(db: apsw.Connection) -> None:
        go_on.wait(10)
        raise NotFound("no")

    task = asyncio.create_task(database.run(fail))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    go_on.set()
    await database.read(lambda db: None)
    await asyncio.sleep(0)
    gc.collect()

    assert said == []


async def test_a_cancelled_search_is_interrupted_and_the_next_one_answers(database: Database) -> None:
    began = threading.Event()

    def long(db: apsw.Connection) -> object:
        began.set()
        return db.execute(LONG).fetchall()

    task = asyncio.create_task(database.aside(long))
    await asyncio.to_thread(began.wait, 10)
    await asyncio.sleep(0.05)  # into the statement
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with asyncio.timeout(5):
        assert await database.aside(lambda db: db.execute("SELECT 1").fetchall()) == [(1,)]


async def test_a_search_that_is_cancelled_before_it_began_never_begins(database: Database) -> None:
    began, go_on = threading.Event(), threading.Event()
    ran: list[bool] = []

    def slow(db: apsw.Connection) -> None:
        began.set()
        go_on.wait(10)

    first = asyncio.create_task(database.aside(slow))
    await asyncio.to_thread(began.wait, 10)
    second = asyncio.create_task(database.aside(lambda db: ran.append(True)))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    await first
    await database.aside(lambda db: None)

    assert ran == []


async def test_the_second_connection_cannot_write(database: Database) -> None:
    with pytest.raises(StoreFailed):
        await database.aside(lambda db: put(db, "a", "1"))
    assert await database.read(lambda db: get(db, "a")) is None


async def test_a_list_sees_every_write_that_was_awaited(database: Database) -> None:
    for number in range(20):
        await database.run(lambda db, n=number: put(db, "a", str(n)))  # type: ignore[misc]
        assert await database.aside(lambda db: get(db, "a")) == str(number)


async def test_closing_finishes_what_was_called_and_refuses_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    database = await Database.open(path, KEY, create=True, clock=now)
    await database.aside(lambda db: None)
    writes = [asyncio.create_task(database.run(lambda db, n=n: put(db, str(n), "1"))) for n in range(20)]  # type: ignore[misc]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writes)
    with pytest.raises(StoreFailed, match="closed"):
        await database.read(lambda db: None)
    again = await Database.open(path, KEY, create=False, clock=now)

    assert await again.read(lambda db: [get(db, str(n)) for n in range(20)]) == ["1"] * 20
    await again.close()
    assert names_of(tmp_path) == ["history.db"]


async def test_the_event_loop_goes_on_while_the_file_is_busy(database: Database) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    ticking = asyncio.create_task(tick())
    go_on = threading.Event()
    work = asyncio.create_task(database.run(lambda db: go_on.wait(10)))
    await asyncio.sleep(0.1)
    go_on.set()
    await work
    ticking.cancel()

    assert ticks > 5


# -- several programs on one file -----------------------------------------------------------


async def test_two_programs_may_write_one_history(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    one = await open_store(path, KEY, create=True)
    two = await open_store(path, KEY, create=True)
    made = conversation()
    await one.add_conversation(made)

    async def fill(store: SqliteStore) -> None:
        for _ in range(25):
            await store.add_message(made.id, message())

    await asyncio.gather(fill(one), fill(two))

    assert len(await one.headers(made.id)) == len(await two.headers(made.id)) == 50
    assert await one.check_integrity() == "ok"
    await one.close()
    await two.close()


async def test_many_first_starts_at_once_make_one_file(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    stores = await asyncio.gather(*(open_store(path, KEY, create=True) for _ in range(4)))
    made = conversation()
    await stores[0].add_conversation(made)

    assert [await store.conversation(made.id) for store in stores] == [made] * 4
    for store in stores:
        await store.close()
    assert names_of(tmp_path) == ["history.db"]


async def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    ready, path = tmp_path / "ready.db", tmp_path / "history.db"

    def m002_another_is_quicker(db: apsw.Connection) -> None:
        if ready.exists() and not path.exists():
            ready.rename(path)

    steps = (*STEPS, m002_another_is_quicker)
    quicker = await Database.open(ready, KEY, create=True, clock=now, steps=steps)
    await quicker.run(lambda db: put(db, "a", "kept"))
    await quicker.close()
    database = await Database.open(path, KEY, create=True, clock=now, steps=steps)

    assert await database.read(lambda db: get(db, "a")) == "kept"
    await database.close()


async def test_a_history_that_is_held_too_long_is_said_to_be_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui_chat.store.connection.BUSY_MILLISECONDS", 50)
    path = tmp_path / "history.db"
    one = await Database.open(path, KEY, create=True, clock=now)
    two = await Database.open(path, KEY, create=True, clock=now)
    began, go_on = threading.Event(), threading.Event()

    def hold(db: apsw.Connection) -> None:
        began.set()
        go_on.wait(10)

    holding = asyncio.create_task(one.run(hold))
    await asyncio.to_thread(began.wait, 10)

    with pytest.raises(StoreFailed, match="Another program"):
        await two.run(lambda db: put(db, "a", "1"))
    go_on.set()
    await holding
    await two.run(lambda db: put(db, "a", "1"))
    await one.close()
    await two.close()


# -- kill -9 ----------------------------------------------------------------------------------

WRITER = """
    import asyncio, os, pathlib, sys
    from tests.contracts.store import message
    from tests.store.parts import KEY
    from tests.store.test_database import text_of
    from dataclasses import replace
    from tui_chat.core.models import Status
    from tui_chat.core.ports import Body
    from tui_chat.store import open_store
    async def main():
        store = await open_store(pathlib.Path(sys.argv[1]), KEY, create=False)
        while True:
            reply = message("", status=Status.STREAMING)
            await store.add_message(sys.argv[2], reply)
            text = text_of(reply.id)
            await store.checkpoint(reply.id, Body(text[:40]), 1)
            await store.finish_message(replace(reply, text=text, status=Status.COMPLETE), 2)
            os.write(1, reply.id.encode() + b"\\n")
    asyncio.run(main())
"""


def text_of(message_id: str) -> str:
    """A text that follows from the id, so that a reader can tell whether it is whole."""
    chance = random.Random(message_id)
    return " ".join([f"mark{message_id[-12:]}", *(f"{chance.getrandbits(24):06x}" for _ in range(150))])


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    made = conversation()
    store = await open_store(path, KEY, create=True)
    await store.add_conversation(made)
    await store.close()
    chance = random.Random(os.urandom(8))
    acknowledged: list[str] = []
    for _ in range(KILL_ROUNDS):
        acknowledged += await asyncio.to_thread(write_until_killed, path, made.id, chance.random() * 0.2)
        store = await open_store(path, KEY, create=False)
        bodies = await store.bodies(acknowledged)
        lost = [each for each in acknowledged if bodies[each].text != text_of(each)]
        found = await store.search(f"mark{acknowledged[-1][-12:]}")

        assert lost == []
        assert [hit.message_id for hit in found] == [acknowledged[-1]]
        assert await store.check_integrity() == "ok"
        await store.close()
    assert len(acknowledged) >= KILL_ROUNDS


def write_until_killed(path: Path, conversation_id: str, seconds: float) -> list[str]:
    """Let a program write, kill it after its first acknowledgement and some time; what it acknowledged."""
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path), conversation_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(seconds)  # the moment of the kill is the point
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    return [line.decode() for line in (first + rest).split(b"\n")[:-1]]
