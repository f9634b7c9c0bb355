"""Erasing for good: marked at once, then done in small transactions, so that other programs get in between.

What is marked (``deleted_at`` or ``at`` is ``ERASING``) is nowhere to be seen and never comes back. Its own
row goes last: what a crash left half done is marked still, and the next purge ends it.

The search index forgets a word at the price of rewriting the page it stands on (2 to 6 ms a message). So many
messages leave it the quick way, crossed out, and then the whole index is written anew without them in small
steps (0.1 ms an erased message, 10 ms a thousand others).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from tui_chat.core.clock import Millis
from tui_chat.store.rows import ERASING, ancestor, conversation_key, fetch

if TYPE_CHECKING:
    import apsw

    from tui_chat.store.database import Database, Work

BATCH = 200
"""Messages erased in one transaction."""

BATCH_BYTES = 16_000_000
"""The same for the contents that go with them, as far as one message has not more: overwriting takes as long as
writing, and another program waits 5 seconds at most."""

_REST = 0.02
"""Seconds between transactions: another program that waits for its turn looks at least ten times a second."""

_MERGE_PAGES = 64
"""Pages of the search index written in one transaction, about 20 ms."""

_MARKED = f"""
SELECT id, parent_id FROM message WHERE conversation_id IN (SELECT id FROM conversation WHERE deleted_at = {ERASING})
UNION ALL
SELECT id, parent_id FROM message WHERE removal_id IN (SELECT id FROM removal WHERE at = {ERASING})
LIMIT ?"""


@dataclass(frozen=True, slots=True)
class _Marks:
    """The rows that are to go when all that is theirs is gone."""

    conversations: tuple[int, ...]
    removals: tuple[int, ...]


async def erase(database: Database, mark: Work[None]) -> None:
    """Erase what ``mark`` marks, and what an earlier run left marked."""
    marks = await database.run(lambda db: _begin(db, mark))
    if marks is not None:
        await _repeat(database, erase_batch)
        await _repeat(database, _merge)
        await database.run(lambda db: _end(db, marks))
    await database.empty_log()


async def _repeat(database: Database, step: Work[bool]) -> None:
    """Do the step, each time in a transaction, until it says that nothing is left to do."""
    while True:
        if not await database.run(step):
            return
        await asyncio.sleep(_REST)


# -- marking --------------------------------------------------------------------------------


def is_due(db: apsw.Connection, before: Millis) -> bool:
    """Whether there is anything that was deleted or taken out before that instant."""
    return bool(
        fetch(
            db,
            "SELECT 1 FROM conversation WHERE deleted_at < ?1 UNION ALL SELECT 1 FROM removal WHERE at < ?1 LIMIT 1",
            (before,),
        )
    )


def mark_old(db: apsw.Connection, before: Millis) -> None:
    """Mark what was deleted or taken out before that instant."""
    db.execute(f"UPDATE conversation SET deleted_at = {ERASING} WHERE deleted_at < ?", (before,))
    db.execute(f"UPDATE removal SET at = {ERASING} WHERE at < ?", (before,))


def mark_conversations(db: apsw.Connection, ids: Sequence[str]) -> None:
    """Mark them. Raises NotFound, for one that is marked already too."""
    keys = [conversation_key(db, uuid, even_deleted=True) for uuid in ids]
    for key in keys:
        db.execute(f"UPDATE conversation SET deleted_at = {ERASING} WHERE id = ?", (key,))


# -- steps, each a transaction ------------------------------------------------------------------


def _begin(db: apsw.Connection, mark: Work[None]) -> _Marks | None:
    """Mark; None where that was little and is erased already."""
    left_over = _marks(db)
    mark(db)
    marks = _marks(db)
    # What is left over may have been crossed out in the index already.
    if left_over == _Marks((), ()) and len(_marked(db)) == len(fetch(db, _MARKED, (BATCH + 1,))):
        _erase_marked(db)
        _end(db, marks)
        return None
    return marks


def erase_batch(db: apsw.Connection) -> bool:
    """Erase some of the marked messages, crossed out in the index; whether there were any."""
    # Inside the transaction: no other program ever sees the index so.
    db.execute("INSERT INTO message_fts(message_fts, rank) VALUES ('secure-delete', 0)")
    some = _erase_marked(db)
    db.execute("INSERT INTO message_fts(message_fts, rank) VALUES ('secure-delete', 1)")
    return some


def _erase_marked(db: apsw.Connection) -> bool:
    """Erase a batch of marked messages; what hung on them hangs on the nearest ancestor that is left."""
    gone = _marked(db)
    numbers = (json.dumps(list(gone)),)
    these = "IN (SELECT value FROM json_each(?))"
    for child, parent in fetch(db, f"SELECT id, parent_id FROM message WHERE parent_id {these}", numbers):
        if child not in gone:
            left = ancestor(parent, parent_of=gone.__getitem__, is_gone=gone.__contains__)
            db.execute("UPDATE message SET parent_id = ? WHERE id = ?", (left, child))
    db.execute(f"DELETE FROM message WHERE id {these}", numbers)
    return bool(gone)


def _marked(db: apsw.Connection) -> dict[int, int | None]:
    """The marked messages of one batch, and the parent of each."""
    batch: dict[int, int | None] = dict(fetch(db, _MARKED, (BATCH,)))
    weights: dict[int, int] = dict(
        fetch(
            db,
            "SELECT l.message_id, sum(a.size) FROM message_attachment l JOIN attachment a ON a.id = l.attachment_id"
            " WHERE l.message_id IN (SELECT value FROM json_each(?)) GROUP BY l.message_id",
            (json.dumps(list(batch)),),
        )
    )
    kept: dict[int, int | None] = {}
    for key, total in zip(batch, accumulate(weights.get(key, 0) for key in batch), strict=True):
        if kept and total > BATCH_BYTES:
            break
        kept[key] = batch[key]
    return kept


def _merge(db: apsw.Connection) -> bool:
    """Write some more of the index anew without what is crossed out; whether there is more to do."""
    before = db.total_changes()
    # Negative: all of the index, until one part is left, and not only parts of a like size.
    db.execute("INSERT INTO message_fts(message_fts, rank) VALUES ('merge', ?)", (-_MERGE_PAGES,))
    return db.total_changes() - before > 1  # the statement itself counts one


def _end(db: apsw.Connection, marks: _Marks) -> None:
    """Erase the marked rows themselves, with drafts and tags."""
    for key in marks.conversations:
        db.execute("DELETE FROM conversation WHERE id = ?", (key,))
    for key in marks.removals:
        db.execute("DELETE FROM removal WHERE id = ?", (key,))


def _marks(db: apsw.Connection) -> _Marks:
    conversations = fetch(db, f"SELECT id FROM conversation WHERE deleted_at = {ERASING}")
    removals = fetch(db, f"SELECT id FROM removal WHERE at = {ERASING}")
    return _Marks(tuple(key for (key,) in conversations), tuple(key for (key,) in removals))
