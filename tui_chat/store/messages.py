"""Messages in the database: a tree per conversation, written while it streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tui_chat.core.clock import Millis
from tui_chat.core.errors import BadInput, NotFound
from tui_chat.core.models import Message, MessageHeader, Status
from tui_chat.core.ports import Body
from tui_chat.store import attachments
from tui_chat.store.rows import (
    HEADER,
    MESSAGE,
    Row,
    ancestor,
    body_values,
    conversation_key,
    fetch,
    header_of,
    insert,
    is_measured,
    measured,
    message_of,
    message_values,
    parts_of,
    update,
)

if TYPE_CHECKING:
    import apsw

ABANDONED = "The program ended before the reply did."
"""The error beside a reply whose writer died."""

# -- writing --------------------------------------------------------------------------------


def add(db: apsw.Connection, conversation_id: str, message: Message, *, adopt: Sequence[str] = ()) -> None:
    """Insert a message; see the port."""
    conversation = conversation_key(db, conversation_id)
    adopted = [_place(db, conversation, uuid) for uuid in adopt]
    parent = None if message.parent_id is None else _place(db, conversation, message.parent_id)
    _refuse_circle(db, parent, adopted)
    key = write_new(db, conversation, message, parent)
    for child in adopted:
        db.execute("UPDATE message SET parent_id = ? WHERE id = ?", (key, child))
    if not adopted:
        db.execute("UPDATE conversation SET head_id = ? WHERE id = ?", (key, conversation))
    db.execute("UPDATE conversation SET updated_at = ? WHERE id = ?", (message.created_at, conversation))


def write_new(db: apsw.Connection, conversation: int, message: Message, parent: int | None) -> int:
    """Insert a message's two rows, and what is attached. Raises BadInput where its id is known."""
    if fetch(db, "SELECT 1 FROM message WHERE uuid = ?", (message.id,)):
        raise BadInput("A message of that id exists already.")
    message = replace(message, parts=attachments.measurable(db, message.parts))
    streaming = message.status is Status.STREAMING
    place = {
        "conversation_id": conversation,
        "parent_id": parent,
        "checkpoint_at": message.created_at if streaming else None,
        "finished_at": None if streaming else message.created_at,
    }
    key = insert(db, "message", message_values(message) | place)
    insert(db, "message_body", {"id": key} | body_values(message.text, message.parts, finished=not streaming))
    if message.parts:
        attachments.link(db, key, message.parts)
    return key


def checkpoint(db: apsw.Connection, uuid: str, body: Body, at: Millis) -> None:
    """Write what has arrived; one that is finished meanwhile (by another process) stays as it is."""
    for key, status in fetch(db, "SELECT id, status FROM message WHERE uuid = ?", (uuid,)):
        if status == Status.STREAMING:
            update(db, "message_body", key, body_values(body.text, body.parts, finished=False))
            attachments.link(db, key, body.parts)
            update(db, "message", key, {"checkpoint_at": at})
        return
    raise _no_message()


def finish(db: apsw.Connection, message: Message, at: Millis) -> None:
    """Write how it ended; it enters the search index."""
    message = replace(message, parts=attachments.measurable(db, message.parts))
    kept = ("uuid", "role", "created_at", "pinned", "excluded")
    values = {name: value for name, value in message_values(message).items() if name not in kept}
    streaming = message.status is Status.STREAMING
    for (key,) in fetch(db, "SELECT id FROM message WHERE uuid = ?", (message.id,)):
        update(db, "message", key, values | {"finished_at": None if streaming else at})
        update(db, "message_body", key, body_values(message.text, message.parts, finished=not streaming))
        attachments.link(db, key, message.parts)
        return
    raise _no_message()


def mark(db: apsw.Connection, uuid: str, marks: Mapping[str, bool]) -> None:
    """Set ``pinned``, ``excluded`` or both. Raises NotFound."""
    if marks:
        update(db, "message", _key(db, uuid), {name: int(value) for name, value in marks.items()})


def keep_digest(db: apsw.Connection, uuid: str, digest: str) -> None:
    """Keep a plan's digest beside its reply. Raises NotFound."""
    db.execute("INSERT OR REPLACE INTO plan_digest(id, json) VALUES (?, ?)", (_key(db, uuid), digest))


def digest(db: apsw.Connection, uuid: str) -> str | None:
    """A reply's digest, None where it has none."""
    found = fetch(db, "SELECT json FROM plan_digest JOIN message USING (id) WHERE uuid = ?", (uuid,))
    return str(found[0][0]) if found else None


def stop_abandoned(db: apsw.Connection, before: Millis) -> int:
    """Finish what nobody writes any more, as stopped; how many."""
    rows = fetch(db, f"{MESSAGE} WHERE m.status = 'streaming' AND m.checkpoint_at < ?", (before,))
    for row in rows:
        message = message_of(row, None)
        stopped = replace(message, status=Status.STOPPED, error=message.error or ABANDONED)
        (last,) = fetch(db, "SELECT checkpoint_at FROM message WHERE id = ?", (row[0],))[0]
        finish(db, stopped, last)
    return len(rows)


def _place(db: apsw.Connection, conversation: int, uuid: str) -> int:
    """The row number of a message of this conversation, removed or not."""
    for (key,) in fetch(db, "SELECT id FROM message WHERE uuid = ? AND conversation_id = ?", (uuid, conversation)):
        return int(key)
    raise NotFound("There is no such message in this conversation.")


def _refuse_circle(db: apsw.Connection, parent: int | None, adopted: Sequence[int]) -> None:
    while adopted and parent is not None:
        if parent in adopted:
            raise BadInput("A message cannot be its own ancestor.")
        parent = _parent_of(db, parent)


# -- reading ----------------------------------------------------------------------------------


def headers(db: apsw.Connection, conversation_id: str) -> list[MessageHeader]:
    """The tree without texts; see the port."""
    conversation = conversation_key(db, conversation_id)
    rows = fetch(db, f"{HEADER} WHERE conversation_id = ? ORDER BY id", (conversation,))
    names = {row[0]: row[1] for row in rows}
    return [
        header_of(row if is_measured(row) else _measured_now(db, row), None if parent is None else names[parent])
        for row, parent in _arranged(rows)
    ]


def messages(db: apsw.Connection, conversation_id: str) -> list[Message]:
    """The tree with texts, in the order of ``headers``."""
    conversation = conversation_key(db, conversation_id)
    rows = fetch(db, f"{MESSAGE} WHERE m.conversation_id = ? ORDER BY m.id", (conversation,))
    names = {row[0]: row[1] for row in rows}
    return [_loaded(db, message_of(row, None if parent is None else names[parent])) for row, parent in _arranged(rows)]


def message(db: apsw.Connection, uuid: str) -> Message:
    """One message, hanging where ``headers`` says."""
    for row in fetch(db, f"{MESSAGE} WHERE m.uuid = ? AND m.removal_id IS NULL", (uuid,)):
        _require_shown(db, row[0])
        parent = visible(db, row[2])
        return _loaded(db, message_of(row, None if parent is None else _name(db, parent)))
    raise _no_message()


def bodies(db: apsw.Connection, ids: Iterable[str]) -> Mapping[str, Body]:
    """The texts of these messages, attachments not loaded. Raises NotFound where one is not there."""
    wanted = dict.fromkeys(ids)
    rows = fetch(
        db,
        "SELECT m.uuid, b.text, b.parts FROM json_each(?) wanted CROSS JOIN message m ON m.uuid = wanted.value"
        " JOIN message_body b ON b.id = m.id JOIN conversation c ON c.id = m.conversation_id"
        " WHERE m.removal_id IS NULL AND c.deleted_at IS NULL",
        (json.dumps(list(wanted)),),
    )
    found = {uuid: Body(text, parts_of(encoded)) for uuid, text, encoded in rows}
    if len(found) < len(wanted):
        raise _no_message()
    return found


def visible(db: apsw.Connection, key: int | None) -> int | None:
    """The nearest of that message and its ancestors that is not removed."""
    return ancestor(key, parent_of=lambda each: _parent_of(db, each), is_gone=lambda each: _is_removed(db, each))


def _arranged(rows: Sequence[Row]) -> list[tuple[Row, int | None]]:
    """The visible rows and the number of the parent each hangs on: in order of arrival, parents first.

    A row begins with its number, its id, its parent's number and its removal's.
    """
    parents: dict[int, int | None] = {row[0]: row[2] for row in rows}
    gone = {row[0] for row in rows if row[3] is not None}
    placed = [(row, row[2]) for row in rows if row[3] is None]
    if gone:
        placed = [
            (row, ancestor(parent, parent_of=parents.__getitem__, is_gone=gone.__contains__)) for row, parent in placed
        ]
    if all(parent is None or parent < row[0] for row, parent in placed):
        return placed
    return _parents_first(placed)


def _parents_first(placed: Sequence[tuple[Row, int | None]]) -> list[tuple[Row, int | None]]:
    """The same; a message that arrived after the one it became the parent of is moved before it."""
    by_key = {row[0]: (row, parent) for row, parent in placed}
    done: dict[int, tuple[Row, int | None]] = {}
    for row, parent in placed:
        path, current = [row[0]], parent
        while current is not None and current not in done and current not in path:
            path.append(current)
            current = by_key[current][1]
        for key in reversed(path):
            done.setdefault(key, by_key[key])
    return list(done.values())


def _measured_now(db: apsw.Connection, row: Row) -> Row:
    ((text, encoded),) = fetch(db, "SELECT text, parts FROM message_body WHERE id = ?", (row[0],))
    return measured(row, text, attachments.measurable(db, parts_of(encoded)))


def _loaded(db: apsw.Connection, message: Message) -> Message:
    """With the data of its attachments."""
    return replace(message, parts=attachments.loaded(db, message.parts)) if message.parts else message


def _key(db: apsw.Connection, uuid: str) -> int:
    for (key,) in fetch(db, "SELECT id FROM message WHERE uuid = ?", (uuid,)):
        return int(key)
    raise _no_message()


def _require_shown(db: apsw.Connection, key: int) -> None:
    """Raises NotFound where the message's conversation is deleted."""
    shown = (
        "SELECT 1 FROM message m JOIN conversation c ON c.id = m.conversation_id"
        " WHERE m.id = ? AND c.deleted_at IS NULL"
    )
    if not fetch(db, shown, (key,)):
        raise _no_message()


def _parent_of(db: apsw.Connection, key: int) -> int | None:
    ((parent,),) = fetch(db, "SELECT parent_id FROM message WHERE id = ?", (key,))
    return None if parent is None else int(parent)


def _is_removed(db: apsw.Connection, key: int) -> bool:
    ((removal,),) = fetch(db, "SELECT removal_id FROM message WHERE id = ?", (key,))
    return removal is not None


def _name(db: apsw.Connection, key: int) -> str:
    ((uuid,),) = fetch(db, "SELECT uuid FROM message WHERE id = ?", (key,))
    return str(uuid)


def _no_message() -> NotFound:
    return NotFound("There is no such message.")
