"""kill -9 while replies stream and drafts are typed: what was acknowledged is there.

``TUI_CHAT_KILL_ROUNDS`` says how often (5); each round goes on with the file that the one before left.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.killed import KEY, TYPED
from tests.servers.slow_model import SlowModel, counting, slow_model
from tui_chat.core.clock import now
from tui_chat.core.models import Status
from tui_chat.services.library import ABANDONED_AFTER, LibraryService
from tui_chat.services.replies import CHECKPOINT_SECONDS
from tui_chat.store import SqliteStore, open_store

ROUNDS = int(os.environ.get("TUI_CHAT_KILL_ROUNDS", "5"))

CHECKPOINT = 0.2
"""Shorter than the program's, so that a round is short; the promise is the same in its proportion."""

GRACE = 0.3
"""Seconds that a busy machine may be late."""

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Told:
    """What a killed program had been told."""

    prompts: dict[str, str] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    pieces: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    checkpoints: dict[str, int] = field(default_factory=dict)
    slowest_write: float = 0.0
    draft: str = ""

    @property
    def running(self) -> set[str]:
        """The replies that had begun to arrive and had no end."""
        return self.pieces.keys() - self.ended.keys()

    def take(self, line: str) -> None:
        event: dict[str, Any] = json.loads(line)
        match event["what"]:
            case "prompt":
                self.prompts[event["id"]] = event["text"]
            case "piece":
                self.pieces.setdefault(event["id"], []).append((event["at"], event["text"]))
            case "checkpoint":
                self.checkpoints[event["id"]] = event["length"]
                self.slowest_write = max(self.slowest_write, event["seconds"])
            case "ended":
                assert event["status"] == "complete"
                self.ended[event["id"]] = event["text"]
            case "draft":
                self.draft = event["text"]

    def lost_since(self, reply_id: str, kept: str) -> float | None:
        """When the first piece arrived that is not among what was kept; None where nothing is missing."""
        length = 0
        for at, text in self.pieces[reply_id]:
            length += len(text)
            if length > len(kept):
                return at
        return None


def brief_or_endless(prompt: str) -> Iterator[str]:
    if prompt.startswith("endless"):
        yield from counting(prompt)
    else:
        word = prompt.split()[2]
        yield from (f"{word}r{number} " for number in range(20))


def killed_at_random(history: Path, model: SlowModel) -> tuple[Told, float]:
    """Run the program until a random moment after its first piece; what it was told, and when it was killed."""
    argv = [sys.executable, "-m", "tests.servers.killed", str(history), model.url, str(CHECKPOINT)]
    told = Told()
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for line in program.stdout:
            told.take(line)
            if told.pieces:
                break
        time.sleep(random.uniform(0, 1))
        died = time.monotonic()
        program.kill()
        for line in program.stdout:
            if line.endswith("\n"):
                told.take(line)
    assert program.returncode == -9, "the program ended before it was killed"
    return told, died


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    rounds = []
    with slow_model(brief_or_endless, pause=0.008) as model:
        for _ in range(ROUNDS):
            told, died = await asyncio.to_thread(killed_at_random, history, model)
            store = await open_store(history, KEY, create=False)
            try:
                await check_acknowledged(store, told)
                await check_running(store, told, died)
            finally:
                await store.close()
            rounds.append(told)

    store = await open_store(history, KEY, create=False)
    for told in rounds:
        await check_acknowledged(store, told)
    await store.close()
    print(
        f"{len(rounds)} kills: {sum(len(told.prompts) for told in rounds)} prompts, "
        f"{sum(len(told.ended) for told in rounds)} complete replies, "
        f"{sum(len(told.running) for told in rounds)} running ones, none lost"
    )


async def check_acknowledged(store: SqliteStore, told: Told) -> None:
    """Prompts and complete replies are there byte for byte and are found; the file is whole."""
    kept = await store.bodies([*told.prompts, *told.ended])
    texts = {message_id: body.text for message_id, body in kept.items()}

    assert told.prompts | told.ended == texts
    assert "ok" == await store.check_integrity()
    for message_id, text in list(told.prompts.items())[-3:]:
        assert message_id in [hit.message_id for hit in await store.search(text.split()[2])]
    for message_id, text in list(told.ended.items())[-3:]:
        assert [message_id] == [hit.message_id for hit in await store.search(text.split()[-1])]


async def check_running(store: SqliteStore, told: Told, died: float) -> None:
    """A running reply lost at most what came since its last checkpoint; reopening later calls it stopped."""
    for reply_id in told.running:
        kept = (await store.message(reply_id)).text
        received = "".join(text for _, text in told.pieces[reply_id])
        lost_since = told.lost_since(reply_id, kept)

        assert kept.startswith(received) or received.startswith(kept)
        assert len(kept) >= told.checkpoints.get(reply_id, 0)
        assert lost_since is None or died - lost_since <= CHECKPOINT + 2 * told.slowest_write + GRACE
    assert (await store.draft(TYPED)).startswith(told.draft)

    assert 0 == await LibraryService(store).tidy(), "a reply whose writer lived a moment ago is left alone"
    statuses = {reply_id: (await store.message(reply_id)).status for reply_id in told.running}
    # Killed between the save of an end and its announcement, a reply is whole although nobody was told.
    unfinished = [reply_id for reply_id, status in statuses.items() if status is not Status.COMPLETE]
    assert {statuses[reply_id] for reply_id in unfinished} <= {Status.STREAMING}
    later = LibraryService(store, now=lambda: now() + ABANDONED_AFTER + 1)
    assert await later.tidy() >= len(unfinished)
    for reply_id in unfinished:
        reply = await store.message(reply_id)
        assert (Status.STOPPED, True) == (reply.status, bool(reply.error))
        if reply.text:
            assert reply_id in [hit.message_id for hit in await store.search(reply.text.split()[0], limit=1000)]


def test_the_program_writes_a_running_reply_each_second() -> None:
    assert CHECKPOINT_SECONDS <= 1.0
