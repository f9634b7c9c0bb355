"""The ledger of what requests cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui_chat.core.clock import Millis
from tui_chat.core.models import clean_surrogates
from tui_chat.core.ports import Spending, Spent
from tui_chat.store.rows import ERASING, fetch, insert

if TYPE_CHECKING:
    import apsw

_SUM = "SELECT coalesce(sum(tokens), 0), coalesce(sum(usd), 0.0), count(*) - count(usd) FROM spending"


def add(db: apsw.Connection, spending: Spending) -> None:
    """Enter it; of a conversation that was erased meanwhile it keeps nothing."""
    insert(
        db,
        "spending",
        {
            "at": spending.at,
            "conversation_id": _conversation(db, spending.conversation_id),
            "tokens": spending.input_tokens + spending.output_tokens,
            "usd": spending.usd,
            "estimated": int(spending.estimated),
            "model": clean_surrogates(spending.model),
        },
    )


def spent(db: apsw.Connection, *, conversation_id: str | None, since: Millis) -> Spent:
    """The sum; nothing for a conversation that nobody knows."""
    if conversation_id is None:
        return Spent(*fetch(db, f"{_SUM} WHERE at >= ?", (since,))[0])
    key = _conversation(db, conversation_id)
    return Spent(*fetch(db, f"{_SUM} WHERE conversation_id = ? AND at >= ?", (key, since))[0])


def _conversation(db: apsw.Connection, uuid: str) -> int | None:
    """Its row number, deleted or not; None where it was erased."""
    alive = f"coalesce(deleted_at, -1) != {ERASING}"
    rows = fetch(db, f"SELECT id FROM conversation WHERE uuid = ? AND {alive}", (uuid,))
    return int(rows[0][0]) if rows else None
