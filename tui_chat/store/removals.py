"""Taking messages out of a conversation, and putting them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_chat.core.clock import Millis
from tui_chat.core.errors import NotFound
from tui_chat.core.ids import make_id
from tui_chat.core.ports import Removal
from tui_chat.store import messages
from tui_chat.store.rows import ERASING, conversation_key, fetch, insert

if TYPE_CHECKING:
    import apsw


def remove(db: apsw.Connection, conversation_id: str, ids: Sequence[str] | None, kind: Removal, at: Millis) -> str:
    """Take messages out (None: all). The branch on show then ends at its nearest message that is left."""
    conversation = conversation_key(db, conversation_id)
    ((head,),) = fetch(db, "SELECT head_id FROM conversation WHERE id = ?", (conversation,))
    uuid = make_id()
    removal = insert(
        db,
        "removal",
        {"uuid": uuid, "conversation_id": conversation, "kind": kind.value, "at": at, "head_before": head},
    )
    if ids is None:
        db.execute(
            "UPDATE message SET removal_id = ? WHERE conversation_id = ? AND removal_id IS NULL",
            (removal, conversation),
        )
    else:
        for message in dict.fromkeys(ids):
            _remove_one(db, conversation, message, removal)
    _show(db, conversation, head)
    return uuid


def _remove_one(db: apsw.Connection, conversation: int, uuid: str, removal: int) -> None:
    db.execute(
        "UPDATE message SET removal_id = ? WHERE uuid = ? AND conversation_id = ? AND removal_id IS NULL",
        (removal, uuid, conversation),
    )
    if db.changes() != 1:
        raise NotFound("There is no such message in this conversation.")


def restore(db: apsw.Connection, uuid: str) -> None:
    """Put back what a removal took out, and the branch that was on show."""
    rows = fetch(db, "SELECT id, conversation_id, head_before FROM removal WHERE uuid = ? AND at > ?", (uuid, ERASING))
    if not rows:
        raise NotFound("There is nothing to restore.", hint="It was restored already, or erased for good.")
    ((removal, conversation, head),) = rows
    db.execute("UPDATE message SET removal_id = NULL WHERE removal_id = ?", (removal,))
    db.execute("DELETE FROM removal WHERE id = ?", (removal,))
    _show(db, conversation, head)


def last_clear(db: apsw.Connection, conversation_id: str) -> str | None:
    """The newest clear that was not undone."""
    rows = fetch(
        db,
        "SELECT uuid FROM removal WHERE conversation_id = ? AND kind = 'clear' AND at > ?"
        " ORDER BY at DESC, id DESC LIMIT 1",
        (conversation_key(db, conversation_id), ERASING),
    )
    return str(rows[0][0]) if rows else None


def _show(db: apsw.Connection, conversation: int, head: int | None) -> None:
    """Put the branch on show that ends at ``head``, or at its nearest ancestor that is left."""
    exists = head is not None and fetch(db, "SELECT 1 FROM message WHERE id = ?", (head,))
    left = messages.visible(db, head) if exists else None
    db.execute("UPDATE conversation SET head_id = ? WHERE id = ?", (left, conversation))
