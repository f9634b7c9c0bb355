"""Ranking the messages of all conversations by their relevance to some words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_chat.core.models import Role
from tui_chat.core.recall import Hit
from tui_chat.core.search_text import match
from tui_chat.store.rows import fetch

if TYPE_CHECKING:
    import apsw

# CROSS JOIN: the index leads, best first, and the rest is looked up until there are enough.
_RANKED = """
SELECT m.uuid, -bm25(message_fts), m.role, m.created_at, m.token_estimate, m.lines, b.text, c.title
FROM message_fts CROSS JOIN message m ON m.id = message_fts.rowid
  CROSS JOIN conversation c ON c.id = m.conversation_id CROSS JOIN message_body b ON b.id = m.id
WHERE message_fts MATCH ? AND m.removal_id IS NULL AND NOT m.excluded AND c.deleted_at IS NULL AND c.uuid != ?
ORDER BY message_fts.rank LIMIT ?"""


def ranked(db: apsw.Connection, terms: Sequence[str], *, without: str, limit: int) -> list[Hit]:
    """Messages in which any of the terms occurs, best first; see the port."""
    expression = " OR ".join(f"({each})" for each in dict.fromkeys(map(match, terms)) if each)
    if not expression or limit < 1:
        return []
    return [
        Hit(uuid, score, Role(role), created_at, tokens, lines, _twin(text), title)
        for uuid, score, role, created_at, tokens, lines, text, title in fetch(
            db, _RANKED, (expression, without, limit)
        )
    ]


def _twin(text: str) -> int:
    """The same for the same text, in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
