"""Summaries in the database: derived texts that do not outlive what they were made from.

The schema's triggers erase a summary in the statement that takes one of its sources out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_chat.core.errors import NotFound
from tui_chat.core.models import clean_surrogates
from tui_chat.core.summary import Source, Summary
from tui_chat.store.rows import Row, conversation_key, fetch, insert

if TYPE_CHECKING:
    import apsw

_SUMMARY = """
SELECT id, uuid, text, model, made_at, tokens, edited, pieces, prompt_version FROM summary
WHERE conversation_id = ? ORDER BY made_at DESC, id DESC"""

_SOURCES = """
SELECT m.uuid, s.characters, s.tokens FROM summary_source s JOIN message m ON m.id = s.message_id
WHERE s.summary_id = ? ORDER BY s.place"""

# CROSS JOIN: the list leads, each message is one look into the index.
_ADD_SOURCES = """
INSERT INTO summary_source(summary_id, place, message_id, characters, tokens)
SELECT ?1, each.key, m.id, each.value ->> 1, each.value ->> 2
FROM json_each(?2) each CROSS JOIN message m ON m.uuid = each.value ->> 0
WHERE m.conversation_id = ?3 AND m.removal_id IS NULL"""


def keep(db: apsw.Connection, conversation_id: str, summary: Summary) -> None:
    """Add it, or replace the one of its id.

    Raises NotFound where a source is not (or no longer) a visible message of the conversation.
    """
    conversation = conversation_key(db, conversation_id)
    db.execute("DELETE FROM summary WHERE uuid = ?", (summary.id,))
    key = insert(db, "summary", _values(summary) | {"conversation_id": conversation})
    db.execute(_ADD_SOURCES, (key, json.dumps(summary.sources), conversation))
    if db.changes() != len(summary.sources):
        raise NotFound("A message that was summarised is gone.", hint="Make the summary again.")


def kept(db: apsw.Connection, conversation_id: str) -> list[Summary]:
    """The conversation's summaries, newest first."""
    rows = fetch(db, _SUMMARY, (conversation_key(db, conversation_id),))
    return [_summary_of(row, [Source(*each) for each in fetch(db, _SOURCES, (row[0],))]) for row in rows]


def drop(db: apsw.Connection, summary_id: str) -> None:
    """Erase it. Raises NotFound."""
    db.execute("DELETE FROM summary WHERE uuid = ?", (summary_id,))
    if db.changes() != 1:
        raise NotFound("There is no such summary.")


def number(db: apsw.Connection) -> int:
    """How many there are in all."""
    return int(fetch(db, "SELECT count(*) FROM summary")[0][0])


def _values(summary: Summary) -> dict[str, object]:
    return {
        "uuid": summary.id,
        "made_at": summary.made_at,
        "tokens": summary.tokens,
        "edited": int(summary.edited),
        "pieces": summary.pieces,
        "prompt_version": summary.prompt_version,
        "model": clean_surrogates(summary.model),
        "text": clean_surrogates(summary.text),
    }


def _summary_of(row: Row, sources: Sequence[Source]) -> Summary:
    _, uuid, text, model, made_at, tokens, edited, pieces, prompt_version = row
    return Summary(uuid, text, tuple(sources), model, made_at, tokens, bool(edited), pieces, prompt_version)
