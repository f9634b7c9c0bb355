"""Taking in whole conversations, all of them or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_chat.core.errors import BadInput
from tui_chat.core.models import Conversation, Message
from tui_chat.core.ports import ImportCount
from tui_chat.store import conversations, messages
from tui_chat.store.rows import fetch

if TYPE_CHECKING:
    import apsw


def take_in(db: apsw.Connection, given: Sequence[tuple[Conversation, Sequence[Message]]]) -> ImportCount:
    """Insert every conversation whose id is not known, keeping ids, times and every field.

    Raises BadInput where the trees are not whole or a message's id is known; the caller's transaction
    then takes everything back.
    """
    added = count = unchanged = 0
    for conversation, tree in given:
        if fetch(db, "SELECT 1 FROM conversation WHERE uuid = ?", (conversation.id,)):
            unchanged += 1
            continue
        _take_in_one(db, conversation, tree)
        added += 1
        count += len(tree)
    return ImportCount(added, count, unchanged)


def _take_in_one(db: apsw.Connection, conversation: Conversation, tree: Sequence[Message]) -> None:
    key = conversations.add(db, conversation)
    places: dict[str, int] = {}
    for message in tree:
        if message.parent_id is not None and message.parent_id not in places:
            raise BadInput("A message stands before the one it answers, or that one is missing.")
        parent = None if message.parent_id is None else places[message.parent_id]
        # Nobody is writing it any more, whatever the file says.
        places[message.id] = messages.write_new(db, key, message.settled(), parent)
    if conversation.head is not None:
        if conversation.head not in places:
            raise BadInput("A conversation shows a message that is missing.")
        db.execute("UPDATE conversation SET head_id = ? WHERE id = ?", (places[conversation.head], key))
