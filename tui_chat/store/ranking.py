"""Ranking the messages of all conversations by their relevance to some words.

bm25 scores every place of every word, and a draft is full of words that stand in every second message: 64
words cost 0.25 s of processor time among 100,000 short messages. So the words are taken rarest first, until
together they stand in ``PLACES`` messages; the others, which say least of what is meant, neither find nor score.
Where even the rarest stands in more, only its newest places are ranked. Then the 64 words cost 0.04 s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_chat.core import tokens
from tui_chat.core.models import Role
from tui_chat.core.recall import Hit, twin_of
from tui_chat.core.search_text import match
from tui_chat.store.rows import ESTIMATOR, Row, fetch

if TYPE_CHECKING:
    import apsw

PLACES = 20_000
"""Places in the index that one answer ranks; in a history of fewer messages a word rarely has more."""

TERMS = 64
"""Terms of one answer: a long draft is known by its rarest words, and each has its price."""

# CROSS JOIN: the index leads, best first, and the rest is looked up until there are enough.
_RANKED = f"""
SELECT m.uuid, -message_fts.rank, m.role, m.created_at, m.lines, b.text, c.title,
  iif(m.estimator = {ESTIMATOR} AND m.tools IS NULL AND m.files IS NULL, m.token_estimate, NULL)
FROM message_fts CROSS JOIN message m ON m.id = message_fts.rowid
  CROSS JOIN conversation c ON c.id = m.conversation_id CROSS JOIN message_body b ON b.id = m.id
WHERE message_fts MATCH ? AND message_fts.rowid >= ?
  AND m.removal_id IS NULL AND NOT m.excluded AND c.deleted_at IS NULL
  AND c.uuid NOT IN (SELECT value FROM json_each(?))
ORDER BY message_fts.rank LIMIT ?"""

_COUNT = "SELECT count(*) FROM (SELECT 1 FROM message_fts WHERE message_fts MATCH ? LIMIT ?)"
_NEWEST = "SELECT rowid FROM message_fts WHERE message_fts MATCH ? ORDER BY rowid DESC LIMIT 1 OFFSET ?"


def ranked(db: apsw.Connection, terms: Sequence[str], *, without: Sequence[str], limit: int) -> list[Hit]:
    """Messages in which any of the terms occurs, best first, ties newer first; any text is a valid term.

    Given up for speed: of more than ``TERMS`` terms, or where they stand in more than ``PLACES`` messages, the
    commonest are passed over; and where even the rarest stands in more, it finds its newest places only.
    """
    chosen, oldest = _affordable(db, [each for each in dict.fromkeys(map(match, terms)) if each])
    if not chosen or limit < 1:
        return []
    expression = " OR ".join(f"({each})" for each in chosen)
    hits = [_hit_of(row) for row in fetch(db, _RANKED, (expression, oldest, json.dumps(list(without)), limit))]
    return sorted(hits, key=lambda hit: (-hit.score, -hit.created_at))


def _affordable(db: apsw.Connection, expressions: Sequence[str]) -> tuple[list[str], int]:
    """The rarest of them that occur, within the limits, and the row from which on they are ranked."""
    counted = [(fetch(db, _COUNT, (each, PLACES + 1))[0][0], each) for each in expressions]
    chosen, places = list[str](), 0
    for number, each in sorted(pair for pair in counted if pair[0]):
        if len(chosen) == TERMS or (chosen and places + number > PLACES):
            break
        chosen.append(each)
        places += number
    return chosen, fetch(db, _NEWEST, (chosen[0], PLACES - 1))[0][0] if places > PLACES else 0


def _hit_of(row: Row) -> Hit:
    uuid, score, role, created_at, lines, text, title, estimate = row
    # A message with tool calls or files has an estimate of all that is sent of it, and a hit is its text.
    count = tokens.measure(text).tokens if estimate is None else estimate
    return Hit(uuid, score, Role(role), created_at, count, lines, twin_of(text), title)
