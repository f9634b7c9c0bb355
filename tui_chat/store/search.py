"""Finding conversations by title and messages by text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui_chat.core.ports import SearchHit
from tui_chat.core.search_text import excerpt, match
from tui_chat.store.rows import fetch

if TYPE_CHECKING:
    import apsw

_TITLES = """
SELECT c.uuid, c.title FROM title_fts JOIN conversation c ON c.id = title_fts.rowid
WHERE title_fts MATCH ? AND c.deleted_at IS NULL ORDER BY c.updated_at DESC, c.id DESC LIMIT ?"""

# In order of arrival, newest first: a common word among a million messages costs a millisecond so, and
# half a second where all places are ranked. CROSS JOIN: the index leads.
_MESSAGES = """
SELECT c.uuid, c.title, m.uuid, m.role, m.created_at, b.text
FROM message_fts CROSS JOIN message m ON m.id = message_fts.rowid
  CROSS JOIN conversation c ON c.id = m.conversation_id CROSS JOIN message_body b ON b.id = m.id
WHERE message_fts MATCH ? AND m.removal_id IS NULL AND c.deleted_at IS NULL
ORDER BY message_fts.rowid DESC LIMIT ?"""


def search(db: apsw.Connection, query: str, *, limit: int) -> list[SearchHit]:
    """Titles first, then messages, newest first, ``limit`` in all; any text is a valid query.

    Where more than ``limit`` are found, the messages kept are those that arrived last in this file
    (an imported old message arrived when it was imported).
    """
    expression = match(query)
    if not expression or limit < 1:
        return []
    titles = [SearchHit(uuid, title, excerpt(title, query)) for uuid, title in fetch(db, _TITLES, (expression, limit))]
    messages = [
        SearchHit(uuid, title, excerpt(text, query), message, role, created_at)
        for uuid, title, message, role, created_at, text in fetch(db, _MESSAGES, (expression, limit - len(titles)))
    ]
    return titles + sorted(messages, key=lambda hit: -(hit.created_at or 0))
