"""Named steps from an empty file to the current schema, each in one transaction with its record.

A step is never changed once released: a change of the schema is a new step at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tui_chat.core.clock import Clock
from tui_chat.core.errors import NewerSchema
from tui_chat.store.schema import FIRST

if TYPE_CHECKING:
    import apsw

Step = Callable[["apsw.Connection"], None]


def m001_conversations_and_messages(db: apsw.Connection) -> None:
    """Conversations, their trees of messages, drafts, values, secrets, and what search needs."""
    db.execute(FIRST)


def m002_plan_digests(db: apsw.Connection) -> None:
    """What the model saw when it gave a reply: ids and reasons, no text. It goes with its message."""
    db.execute(
        "CREATE TABLE plan_digest("
        " id INTEGER PRIMARY KEY REFERENCES message(id) ON DELETE CASCADE, json TEXT NOT NULL) STRICT"
    )


STEPS: Sequence[Step] = (m001_conversations_and_messages, m002_plan_digests)


def require_known(db: apsw.Connection, steps: Sequence[Step]) -> None:
    """Raises NewerSchema, having only read, where the file holds steps that this program does not know."""
    if not set(_done(db)) <= {_name(step) for step in steps}:
        raise NewerSchema(
            "The history was written by a newer version of tui_chat.", hint="Update tui_chat; nothing was changed."
        )


def migrate(db: apsw.Connection, steps: Sequence[Step], clock: Clock) -> None:
    """Do the steps that are missing, in order; after a crash each has happened wholly or not."""
    for step in steps:
        if _name(step) in _done(db):
            continue
        db.execute("BEGIN IMMEDIATE")
        try:
            # Again, now that nobody else can: two programs may have been updated at once.
            if _name(step) not in _done(db):
                step(db)
                db.execute("INSERT INTO migration(name, applied_at) VALUES (?, ?)", (_name(step), clock()))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _done(db: apsw.Connection) -> list[str]:
    """The names of the steps the file records."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").fetchall():
        return []
    return [str(name) for (name,) in db.execute("SELECT name FROM migration")]


def _name(step: Step) -> str:
    return step.__name__
