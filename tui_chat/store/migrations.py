"""Named steps from an empty file to the current schema, each in one transaction with its record.

A step is never changed once released: a change of the schema is a new step at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tui_chat.core import parts, tokens
from tui_chat.core.clock import Clock
from tui_chat.core.errors import NewerSchema
from tui_chat.core.models import Attachment, Role, ToolCall, ToolResult
from tui_chat.store import attachments
from tui_chat.store.rows import encoded_parts, fetch, files_column
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


def m003_tools_and_attachments(db: apsw.Connection) -> None:
    """Beside a message's measures: the ids of its tool calls and results, and how many files go with it.

    The estimates of messages with tool parts are made again: they now count what the tools say.
    """
    db.execute("ALTER TABLE message ADD COLUMN tools TEXT")  # {"calls": [ids], "answers": [ids]}; NULL: none
    db.execute("ALTER TABLE message ADD COLUMN attachments INTEGER NOT NULL DEFAULT 0")
    with_such = "instr(parts, '\"tool_') OR instr(parts, '\"attachment\"')"
    # The numbers first: parts may hold files, and all of them at once would not fit into memory.
    for (key,) in fetch(db, f"SELECT id FROM message_body WHERE {with_such}"):
        ((text, encoded),) = fetch(db, "SELECT text, parts FROM message_body WHERE id = ?", (key,))
        _write_tools_and_attachments(db, key, text, json.loads(encoded))


def _write_tools_and_attachments(
    db: apsw.Connection, key: int, text: str, message_parts: Sequence[dict[str, str]]
) -> None:
    kinds = [part["type"] for part in message_parts]
    db.execute("UPDATE message SET attachments = ? WHERE id = ?", (kinds.count("attachment"), key))
    spoken = [parts.from_json(part) for part in message_parts if part["type"] in ("tool_call", "tool_result")]
    if not spoken:
        return
    calls = [part.id for part in spoken if isinstance(part, ToolCall)]
    answers = [part.id for part in spoken if isinstance(part, ToolResult)]
    measure = tokens.measure(parts.sent_text(text, spoken))
    db.execute(
        "UPDATE message SET tools = ?, token_estimate = ?, letters = ?, other_letters = ? WHERE id = ?",
        (json.dumps({"calls": calls, "answers": answers}), *measure, key),
    )


def m004_summaries(db: apsw.Connection) -> None:
    """Summaries and what each was made from; one that loses a source is erased in the same statement."""
    db.execute("""
CREATE TABLE summary(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL UNIQUE,
  conversation_id INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
  made_at INTEGER NOT NULL,
  tokens INTEGER NOT NULL,            -- the estimate of its text
  edited INTEGER NOT NULL,
  pieces INTEGER NOT NULL,
  prompt_version INTEGER NOT NULL,
  model TEXT NOT NULL,
  text TEXT NOT NULL) STRICT;
CREATE INDEX summary_conversation ON summary(conversation_id, made_at);
CREATE TABLE summary_source(
  summary_id INTEGER NOT NULL REFERENCES summary(id) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  message_id INTEGER NOT NULL REFERENCES message(id) ON DELETE CASCADE,
  characters INTEGER NOT NULL,        -- its measures, when the summary was made
  tokens INTEGER NOT NULL,
  PRIMARY KEY(summary_id, place)) WITHOUT ROWID, STRICT;
CREATE INDEX summary_source_message ON summary_source(message_id);
-- Whatever takes a message out, its words do not live on in a summary.
CREATE TRIGGER source_removed AFTER UPDATE OF removal_id ON message WHEN new.removal_id IS NOT NULL BEGIN
  DELETE FROM summary WHERE id IN (SELECT summary_id FROM summary_source WHERE message_id = new.id); END;
-- Before: afterwards nothing says any more what it was a source of.
CREATE TRIGGER source_erased BEFORE DELETE ON message BEGIN
  DELETE FROM summary WHERE id IN (SELECT summary_id FROM summary_source WHERE message_id = old.id); END;
""")


def m005_spending(db: apsw.Connection) -> None:
    """The ledger: what each request cost. It outlives its conversation and then knows nothing of it.

    ``usd`` is a real number: one token of a cheap model costs a hundredth of a millionth, which whole millionths
    would round to nothing, and SQLite's sum compensates its rounding.
    """
    db.execute("""
CREATE TABLE spending(
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  conversation_id INTEGER REFERENCES conversation(id) ON DELETE SET NULL,
  tokens INTEGER NOT NULL,            -- asked and answered
  usd REAL,                           -- NULL: no price was known
  estimated INTEGER NOT NULL,
  model TEXT NOT NULL) STRICT;
-- A sum reads one of these and no row.
CREATE INDEX spending_time ON spending(at, tokens, usd);
CREATE INDEX spending_conversation ON spending(conversation_id, at, tokens, usd);
""")


def m006_memory_scope(db: apsw.Connection) -> None:
    """Where retrieval looks; NULL: in the conversation."""
    db.execute("ALTER TABLE conversation ADD COLUMN memory_scope TEXT")


def m007_attachments(db: apsw.Connection) -> None:
    """The contents of attachments, out of their messages' parts; and what of them a request can carry.

    A draft has attachments too. The estimates of messages with files are made again.
    """
    db.execute("""
CREATE TABLE attachment(
  id INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL) STRICT;
CREATE TABLE attachment_chunk(
  attachment_id INTEGER NOT NULL REFERENCES attachment(id) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  data BLOB NOT NULL,
  UNIQUE(attachment_id, place)) STRICT;
CREATE TABLE message_attachment(
  message_id INTEGER NOT NULL REFERENCES message(id) ON DELETE CASCADE,
  attachment_id INTEGER NOT NULL REFERENCES attachment(id),
  PRIMARY KEY(message_id, attachment_id)) WITHOUT ROWID, STRICT;
CREATE INDEX message_attachment_content ON message_attachment(attachment_id);
CREATE TABLE draft_attachment(
  conversation_id INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  attachment_id INTEGER NOT NULL REFERENCES attachment(id),
  name TEXT NOT NULL,
  mime TEXT NOT NULL,
  PRIMARY KEY(conversation_id, place)) WITHOUT ROWID, STRICT;
CREATE INDEX draft_attachment_content ON draft_attachment(attachment_id);
-- Whatever takes the last one away that it goes with, the content goes too.
CREATE TRIGGER message_attachment_gone AFTER DELETE ON message_attachment BEGIN
  DELETE FROM attachment WHERE id = old.attachment_id
    AND NOT EXISTS (SELECT 1 FROM message_attachment WHERE attachment_id = old.attachment_id)
    AND NOT EXISTS (SELECT 1 FROM draft_attachment WHERE attachment_id = old.attachment_id); END;
CREATE TRIGGER draft_attachment_gone AFTER DELETE ON draft_attachment BEGIN
  DELETE FROM attachment WHERE id = old.attachment_id
    AND NOT EXISTS (SELECT 1 FROM message_attachment WHERE attachment_id = old.attachment_id)
    AND NOT EXISTS (SELECT 1 FROM draft_attachment WHERE attachment_id = old.attachment_id); END;
-- How many files, images, their tokens, and files that no request carries: a JSON array, and NULL for most messages.
-- One column in the place of a number in each of ten thousand rows.
ALTER TABLE message ADD COLUMN files TEXT;
ALTER TABLE message DROP COLUMN attachments;
""")
    # The numbers first, then one message at a time: all of them at once would not fit into memory.
    for (key,) in fetch(db, "SELECT id FROM message_body WHERE instr(parts, '\"attachment\"')"):
        _move_attachments(db, key)


def _move_attachments(db: apsw.Connection, key: int) -> None:
    ((role, text, encoded),) = fetch(
        db, "SELECT role, text, parts FROM message_body JOIN message USING (id) WHERE id = ?", (key,)
    )
    forms = json.loads(encoded)
    del encoded  # a file may be large, and is in memory often enough
    whole = [parts.from_json(part) for part in forms]
    del forms
    if not any(isinstance(part, Attachment) for part in whole):
        return
    attachments.link(db, key, whole)
    measure = tokens.measure(parts.sent_text(text, whole))
    db.execute("UPDATE message_body SET parts = ? WHERE id = ?", (encoded_parts(whole), key))
    db.execute(
        "UPDATE message SET files = ?, token_estimate = ?, letters = ?, other_letters = ? WHERE id = ?",
        (files_column(Role(role), whole), *measure, key),
    )


def m008_sampling(db: apsw.Connection) -> None:
    """The sampling parameters of a conversation, a JSON object of those that are set; NULL: the user's defaults."""
    db.execute("ALTER TABLE conversation ADD COLUMN sampling TEXT")


STEPS: Sequence[Step] = (
    m001_conversations_and_messages,
    m002_plan_digests,
    m003_tools_and_attachments,
    m004_summaries,
    m005_spending,
    m006_memory_scope,
    m007_attachments,
    m008_sampling,
)


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
