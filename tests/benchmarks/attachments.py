"""What a large file costs: kept, opened, sent, exported, erased; by hand: ``python -m tests.benchmarks.attachments``.

Milliseconds of processor time, and Python's own memory at most, as a multiple of the file's size (SQLite's
page cache, 24 MiB, and what the system keeps for files are beside it).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import apsw

from tests.attached import attached, picture
from tests.contracts.provider import plan_of
from tests.contracts.store import conversation, message
from tests.store.parts import KEY
from tui_chat.core.attachments import weigh
from tui_chat.core.clock import now
from tui_chat.core.context import PayloadMessage
from tui_chat.core.models import Attachment, Message, Role
from tui_chat.core.parts import to_json
from tui_chat.core.ports import ExportedConversation
from tui_chat.core.settings import Endpoint
from tui_chat.providers import DIALECTS
from tui_chat.providers.connect import HttpProviders
from tui_chat.store import SqliteStore, open_store
from tui_chat.store.database import Database
from tui_chat.store.migrations import STEPS
from tui_chat.transfer.json_format import JsonFormat

SIZE = 50_000_000
IMAGE = 5_000_000
TEXT = 1_000_000


_times: dict[str, float] = {}


async def cost(name: str, size: int, work: Callable[[], Awaitable[object]]) -> None:
    """The first time it is measured how long that takes; the second time its memory, and a row is printed."""
    gc.collect()
    if name not in _times:
        began = time.process_time()
        await work()
        _times[name] = (time.process_time() - began) * 1e3
        return
    tracemalloc.start()
    kept = await work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del kept
    print(f"{name:44} {_times[name]:8.0f} ms {peak / size:6.2f} x")


async def of_a_store(folder: Path) -> None:
    file = attached(os.urandom(SIZE), "application/pdf", "large.pdf")
    said = message("look", parts=(file,))
    made = conversation()
    store = await open_store(folder / "history.db", KEY, create=True)
    await store.add_conversation(made)
    await cost("keep 50 MB with a draft", SIZE, lambda: store.save_draft_attachments(made.id, [file]))
    prompt = replace(said, parts=(file.unloaded(),))
    await cost("send it: the prompt takes it over", SIZE, lambda: store.add_prompt(made.id, prompt, title="t"))
    await store.close()

    store = await open_store(folder / "history.db", KEY, create=False)
    await cost("open its conversation", SIZE, lambda: opened(store, made.id, prompt.id))
    await cost("read it", SIZE, lambda: store.contents([each.sha256 for each in files_of(prompt)]))
    await cost("read the message whole", SIZE, lambda: store.message(prompt.id))
    await cost("export it", SIZE, lambda: exported(store, made.id))
    await cost("erase it", SIZE, lambda: store.erase_conversations([made.id]))
    await store.close()


async def opened(store: SqliteStore, conversation_id: str, message_id: str) -> None:
    await store.conversation(conversation_id)
    await store.headers(conversation_id)
    await store.bodies([message_id])


async def exported(store: SqliteStore, conversation_id: str) -> bytes:
    whole = ExportedConversation(
        await store.conversation(conversation_id), tuple(await store.messages(conversation_id))
    )
    return JsonFormat().dump([whole], exported_at=0, generator="")


def files_of(said: Message) -> list[Attachment]:
    return [part for part in said.parts if isinstance(part, Attachment)]


async def of_an_old_file(folder: Path) -> None:
    """One whose messages held their files as base64."""
    database = await Database.open(folder / "old.db", KEY, create=True, clock=now, steps=STEPS[:6])
    parts = json.dumps([to_json(attached(os.urandom(SIZE), "application/pdf"))])

    def write(db: apsw.Connection) -> None:
        db.execute(
            "INSERT INTO conversation(uuid, created_at, updated_at, pinned, archived, title)"
            " VALUES ('c', 1, 1, 0, 0, '')"
        )
        db.execute(
            "INSERT INTO message(uuid, conversation_id, role, status, created_at, pinned, excluded, characters, lines,"
            " token_estimate, letters, other_letters, estimator, has_thinking, attachments)"
            " VALUES ('m', 1, 'user', 'complete', 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1)"
        )
        db.execute("INSERT INTO message_body(id, indexed, text, parts) VALUES (1, 1, '', ?)", (parts,))

    await database.run(write)
    await database.close()

    async def migrate() -> None:
        store = await open_store(folder / "old.db", KEY, create=False)
        await store.close()

    await cost("open an old history with it, once", SIZE, migrate)


async def of_requests() -> None:
    large = picture()
    large = attached(large.data + os.urandom(IMAGE), "image/png", "photo.png")
    plan = replace(plan_of(), payload=(PayloadMessage(Role.USER, "What is it?", images=(large,)),))
    for dialect in DIALECTS[:4]:
        provider = HttpProviders().open(Endpoint("e", "http://127.0.0.1:1/v1", dialect.dialect), None)

        async def render() -> bytes:
            return provider.render(plan, model="m")  # noqa: B023 - called before the loop goes on

        await cost(f"render 5 MB of image for {dialect.dialect}", IMAGE, render)
    unlike = os.urandom(4).hex()  # those of an earlier round are remembered
    text = attached(f"The quick brown fox {unlike} jumps over the lazy dog. " * (TEXT // 53), name="text.txt")
    for name in ("weigh a draft with 1 MB of text", "the same at the next key"):

        async def weighed() -> object:
            return weigh([text])

        await cost(name, TEXT, weighed)


async def main() -> None:
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            await of_a_store(Path(folder))
            await of_an_old_file(Path(folder))
        await of_requests()


if __name__ == "__main__":
    asyncio.run(main())
