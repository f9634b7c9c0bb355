"""Conversations in the database: their settings, lists, drafts, and their end."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tui_chat.core.clock import Millis
from tui_chat.core.errors import BadInput, NotFound
from tui_chat.core.models import Conversation, clean_surrogates
from tui_chat.core.ports import ConversationIndex, ListedConversation
from tui_chat.core.search_text import match
from tui_chat.store.rows import (
    CONVERSATION,
    ERASING,
    conversation_key,
    conversation_of,
    conversation_values,
    fetch,
    insert,
    title_values,
    update,
)

if TYPE_CHECKING:
    import apsw

_SHORTEST_NAME = 8
"""Characters of an id that may stand for it: fewer are too easily another's."""

_IS_DELETED = f"deleted_at > {ERASING}"

_UNTOUCHED = """title = '' AND coalesce(system_prompt, '') = '' AND NOT pinned
  AND NOT EXISTS (SELECT 1 FROM message WHERE conversation_id = conversation.id)
  AND NOT EXISTS (SELECT 1 FROM draft WHERE conversation_id = conversation.id)
  AND NOT EXISTS (SELECT 1 FROM draft_attachment WHERE conversation_id = conversation.id)
  AND NOT EXISTS (SELECT 1 FROM conversation_tag WHERE conversation_id = conversation.id)"""


def add(db: apsw.Connection, conversation: Conversation) -> int:
    """Insert it with its tags, without its head. Raises BadInput where the id is known."""
    if fetch(db, "SELECT 1 FROM conversation WHERE uuid = ?", (conversation.id,)):
        raise BadInput("A conversation of that id exists already.")
    key = insert(db, "conversation", conversation_values(conversation))
    _write_tags(db, key, conversation.tags)
    return key


def change(db: apsw.Connection, uuid: str, make: Callable[[Conversation], Conversation]) -> Conversation:
    """Write every field of what is made of it but tags and head."""
    update(db, "conversation", conversation_key(db, uuid), conversation_values(make(get(db, uuid))))
    return get(db, uuid)


def get(db: apsw.Connection, uuid: str) -> Conversation:
    """The conversation of that id."""
    for row in fetch(db, f"{CONVERSATION} WHERE c.uuid = ? AND c.deleted_at IS NULL", (uuid,)):
        return conversation_of(row)
    raise NotFound("There is no such conversation.")


def newest(db: apsw.Connection) -> Conversation | None:
    """The one with the newest ``updated_at``, not archived."""
    # One look into the index for each kind; across both it would be read whole.
    rows = [
        row
        for pinned in (0, 1)
        for row in fetch(
            db,
            "SELECT updated_at, id FROM conversation WHERE deleted_at IS NULL AND archived = 0 AND pinned = ?"
            " ORDER BY updated_at DESC, id DESC LIMIT 1",
            (pinned,),
        )
    ]
    if not rows:
        return None
    return conversation_of(fetch(db, f"{CONVERSATION} WHERE c.id = ?", (max(rows)[1],))[0])


def name_if_unnamed(db: apsw.Connection, uuid: str, title: str) -> None:
    """Give it that title where it has none."""
    key = conversation_key(db, uuid)
    if fetch(db, "SELECT 1 FROM conversation WHERE id = ? AND title = ''", (key,)):
        update(db, "conversation", key, title_values(title))


def set_head(db: apsw.Connection, uuid: str, head: str | None) -> None:
    """Put that branch on show. Raises NotFound where the message is not the conversation's."""
    key, head_id = conversation_key(db, uuid, even_deleted=True), None
    if head is not None:
        rows = fetch(
            db, "SELECT id FROM message WHERE uuid = ? AND conversation_id = ? AND removal_id IS NULL", (head, key)
        )
        if not rows:
            raise NotFound("There is no such message in this conversation.")
        head_id = rows[0][0]
    db.execute("UPDATE conversation SET head_id = ? WHERE id = ?", (head_id, key))


def set_tags(db: apsw.Connection, uuid: str, tags: Sequence[str]) -> None:
    """Give it these tags, in this order; one that is named twice counts once."""
    key = conversation_key(db, uuid)
    db.execute("DELETE FROM conversation_tag WHERE conversation_id = ?", (key,))
    _write_tags(db, key, tags)


def _write_tags(db: apsw.Connection, key: int, tags: Sequence[str]) -> None:
    for place, name in enumerate(dict.fromkeys(clean_surrogates(tag) for tag in tags)):
        db.execute("INSERT INTO conversation_tag(conversation_id, name, place) VALUES (?, ?, ?)", (key, name, place))


# -- lists ----------------------------------------------------------------------------------


def index(db: apsw.Connection, *, text: str, archived: bool, deleted: bool, tag: str | None) -> ConversationIndex:
    """The list's order. ``deleted`` lists those only, archived or not, and their keys are negative."""
    conditions, values = [_IS_DELETED if deleted else "deleted_at IS NULL"], list[int | str]()
    if not deleted:
        conditions.append("archived = ?")
        values.append(int(archived))
    if expression := match(text, beginnings=True):
        conditions.append("id IN (SELECT rowid FROM title_fts WHERE title_fts MATCH ?)")
        values.append(expression)
    elif text.strip():  # marks only, an emoji: not in the index
        conditions.append("instr(title, ?) > 0")
        values.append(clean_surrogates(text.strip()))
    if tag is not None:
        conditions.append("id IN (SELECT conversation_id FROM conversation_tag WHERE name = ?)")
        values.append(clean_surrogates(tag))
    rows = fetch(
        db,
        f"SELECT {'-id' if deleted else 'id'}, updated_at, pinned FROM conversation WHERE {' AND '.join(conditions)}"
        " ORDER BY pinned DESC, updated_at DESC, id DESC",
        values,
    )
    keys, times, pins = zip(*rows, strict=True) if rows else ((), (), ())
    return ConversationIndex(array("q", keys), array("q", times), sum(pins))


def listed(db: apsw.Connection, keys: Sequence[int]) -> list[ListedConversation]:
    """The rows of an index, in the order asked for; those deleted (or brought back) meanwhile are left out."""
    found = []
    count = "SELECT count(*) FROM message WHERE conversation_id = ? AND removal_id IS NULL"
    for key in keys:
        alive = "c.deleted_at IS NULL" if key > 0 else f"c.{_IS_DELETED}"
        for row in fetch(db, f"{CONVERSATION} WHERE c.id = ? AND {alive}", (abs(key),)):
            found.append(ListedConversation(key, conversation_of(row), fetch(db, count, (abs(key),))[0][0]))
    return found


def find(db: apsw.Connection, name: str, *, deleted: bool) -> list[Conversation]:
    """By id, beginning or end of one, else by exact title, newest first; ``deleted`` looks among those only."""
    name = clean_surrogates(name)
    alive = _IS_DELETED if deleted else "deleted_at IS NULL"
    for condition, values in (
        ("uuid = ?1", (name,)),
        ("substr(uuid, 1, ?2) = ?1 OR substr(uuid, -?2) = ?1", (name, len(name))),
        ("title = ?1", (name,)),
    ):
        if len(values) == 2 and len(name) < _SHORTEST_NAME:
            continue
        rows = fetch(db, f"SELECT id FROM conversation WHERE {alive} AND ({condition})", values)
        if rows:
            return [
                conversation_of(row)
                for row in fetch(
                    db,
                    f"{CONVERSATION} WHERE c.id IN (SELECT value FROM json_each(?))"
                    " ORDER BY c.updated_at DESC, c.id DESC",
                    (json.dumps([key for (key,) in rows]),),
                )
            ]
    return []


# -- the end of a conversation ----------------------------------------------------------------


def delete(db: apsw.Connection, ids: Sequence[str], at: Millis) -> None:
    """Mark them as deleted; one that is already keeps its time."""
    for uuid in ids:
        key = conversation_key(db, uuid, even_deleted=True)
        db.execute("UPDATE conversation SET deleted_at = ? WHERE id = ? AND deleted_at IS NULL", (at, key))


def undelete(db: apsw.Connection, uuid: str) -> None:
    """Bring it back."""
    db.execute(
        "UPDATE conversation SET deleted_at = NULL WHERE id = ?", (conversation_key(db, uuid, even_deleted=True),)
    )


def erase_if_untouched(db: apsw.Connection, uuid: str) -> bool:
    """Erase one that nobody ever did anything with; see the port."""
    db.execute(f"DELETE FROM conversation WHERE id = ? AND {_UNTOUCHED}", (conversation_key(db, uuid),))
    return db.changes() == 1


# -- drafts -----------------------------------------------------------------------------------


def draft(db: apsw.Connection, uuid: str) -> str:
    """What is typed but not sent."""
    rows = fetch(db, "SELECT text FROM draft WHERE conversation_id = ?", (conversation_key(db, uuid),))
    return str(rows[0][0]) if rows else ""


def save_draft(db: apsw.Connection, uuid: str, text: str) -> None:
    """Keep it; an empty one leaves nothing."""
    key = conversation_key(db, uuid, even_deleted=True)
    if not text:
        db.execute("DELETE FROM draft WHERE conversation_id = ?", (key,))
        return
    db.execute(
        "INSERT INTO draft(conversation_id, text) VALUES (?1, ?2) ON CONFLICT(conversation_id) DO UPDATE SET text = ?2",
        (key, clean_surrogates(text)),
    )
