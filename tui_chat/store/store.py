"""``SqliteStore``: the history's port, each method one piece of work on the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tui_chat.core.clock import Millis
from tui_chat.core.errors import DamagedHistory, TuiChatError
from tui_chat.core.models import Attachment, Conversation, Message, MessageHeader, clean_surrogates
from tui_chat.core.ports import (
    Body,
    ConversationIndex,
    ImportCount,
    ListedConversation,
    Removal,
    SearchHit,
    Spending,
    Spent,
)
from tui_chat.core.recall import Hit
from tui_chat.core.secret import Secret
from tui_chat.core.summary import Summary
from tui_chat.store import (
    attachments,
    conversations,
    erasing,
    imports,
    ledger,
    messages,
    ranking,
    removals,
    search,
    summaries,
)
from tui_chat.store.database import Database
from tui_chat.store.rows import conversation_key, fetch

if TYPE_CHECKING:
    import apsw


class SqliteStore:
    """The encrypted history; implements ``core.ports.ConversationStore``, whose docstrings are the promise."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- conversations ------------------------------------------------------------------

    async def add_conversation(self, conversation: Conversation) -> None:
        def add(db: apsw.Connection) -> None:
            conversations.add(db, conversation)
            if conversation.head is not None:
                conversations.set_head(db, conversation.id, conversation.head)

        await self._database.run(add)

    async def update_conversation(
        self, conversation_id: str, change: Callable[[Conversation], Conversation]
    ) -> Conversation:
        return await self._database.run(lambda db: conversations.change(db, conversation_id, change))

    async def conversation(self, conversation_id: str) -> Conversation:
        return await self._database.read(lambda db: conversations.get(db, conversation_id))

    async def index(
        self, *, text: str = "", archived: bool = False, deleted: bool = False, tag: str | None = None
    ) -> ConversationIndex:
        return await self._database.aside(
            lambda db: conversations.index(db, text=text, archived=archived, deleted=deleted, tag=tag)
        )

    async def listed(self, keys: Sequence[int]) -> Sequence[ListedConversation]:
        return await self._database.aside(lambda db: conversations.listed(db, keys))

    async def find(self, name: str, *, deleted: bool = False) -> Sequence[Conversation]:
        return await self._database.aside(lambda db: conversations.find(db, name, deleted=deleted))

    async def key(self, conversation_id: str) -> int:
        return await self._database.read(lambda db: conversation_key(db, conversation_id))

    async def newest(self) -> Conversation | None:
        return await self._database.read(conversations.newest)

    async def set_head(self, conversation_id: str, head: str | None) -> None:
        await self._database.run(lambda db: conversations.set_head(db, conversation_id, head))

    async def set_tags(self, conversation_id: str, tags: Sequence[str]) -> None:
        await self._database.run(lambda db: conversations.set_tags(db, conversation_id, tags))

    async def delete_conversations(self, ids: Sequence[str], at: Millis) -> None:
        await self._database.run(lambda db: conversations.delete(db, ids, at))

    async def undelete_conversation(self, conversation_id: str) -> None:
        await self._database.run(lambda db: conversations.undelete(db, conversation_id))

    async def erase_conversations(self, ids: Sequence[str]) -> None:
        await erasing.erase(self._database, lambda db: erasing.mark_conversations(db, ids))

    async def erase_if_untouched(self, conversation_id: str) -> bool:
        return await self._database.run(lambda db: conversations.erase_if_untouched(db, conversation_id))

    # -- messages -----------------------------------------------------------------------

    async def headers(self, conversation_id: str) -> Sequence[MessageHeader]:
        return await self._database.read(lambda db: messages.headers(db, conversation_id))

    async def bodies(self, ids: Iterable[str]) -> Mapping[str, Body]:
        wanted = tuple(ids)
        return await self._database.read(lambda db: messages.bodies(db, wanted))

    async def contents(self, hashes: Iterable[str]) -> Mapping[str, bytes]:
        wanted = tuple(hashes)
        return await self._database.read(lambda db: attachments.contents(db, wanted))

    async def message(self, message_id: str) -> Message:
        return await self._database.read(lambda db: messages.message(db, message_id))

    async def messages(self, conversation_id: str) -> Sequence[Message]:
        return await self._database.read(lambda db: messages.messages(db, conversation_id))

    async def add_message(self, conversation_id: str, message: Message, *, adopt: Sequence[str] = ()) -> None:
        await self._database.run(lambda db: messages.add(db, conversation_id, message, adopt=adopt))

    async def add_prompt(self, conversation_id: str, prompt: Message, *, title: str, keep_draft: bool = False) -> None:
        def add(db: apsw.Connection) -> None:
            messages.add(db, conversation_id, prompt)
            conversations.name_if_unnamed(db, conversation_id, title)
            if not keep_draft:
                conversations.save_draft(db, conversation_id, "")
                attachments.save_draft(db, conversation_id, ())

        await self._database.run(add)

    async def checkpoint(self, message_id: str, body: Body, at: Millis) -> None:
        await self._database.run(lambda db: messages.checkpoint(db, message_id, body, at))

    async def finish_message(self, message: Message, at: Millis) -> None:
        await self._database.run(lambda db: messages.finish(db, message, at))

    async def mark_message(self, message_id: str, *, pinned: bool | None = None, excluded: bool | None = None) -> None:
        marks = {name: value for name, value in (("pinned", pinned), ("excluded", excluded)) if value is not None}
        await self._database.run(lambda db: messages.mark(db, message_id, marks))

    async def keep_digest(self, message_id: str, digest: str) -> None:
        await self._database.run(lambda db: messages.keep_digest(db, message_id, digest))

    async def digest(self, message_id: str) -> str | None:
        return await self._database.read(lambda db: messages.digest(db, message_id))

    async def keep_summary(self, conversation_id: str, summary: Summary) -> None:
        await self._database.run(lambda db: summaries.keep(db, conversation_id, summary))

    async def summaries(self, conversation_id: str) -> Sequence[Summary]:
        return await self._database.read(lambda db: summaries.kept(db, conversation_id))

    async def drop_summary(self, summary_id: str) -> None:
        await self._database.run(lambda db: summaries.drop(db, summary_id))
        await self._database.empty_log()

    async def add_spending(self, spending: Spending) -> None:
        await self._database.run(lambda db: ledger.add(db, spending))

    async def spent(self, *, conversation_id: str | None = None, since: Millis = 0) -> Spent:
        return await self._database.read(lambda db: ledger.spent(db, conversation_id=conversation_id, since=since))

    async def stop_abandoned(self, before: Millis) -> int:
        return await self._database.run(lambda db: messages.stop_abandoned(db, before))

    async def remove_messages(self, conversation_id: str, ids: Sequence[str] | None, kind: Removal, at: Millis) -> str:
        def remove(db: apsw.Connection) -> tuple[str, bool]:
            before = summaries.number(db)
            return removals.remove(db, conversation_id, ids, kind, at), summaries.number(db) < before

        removal, has_erased = await self._database.run(remove)
        if has_erased:
            await self._database.empty_log()
        return removal

    async def restore_removal(self, removal_id: str) -> None:
        await self._database.run(lambda db: removals.restore(db, removal_id))

    async def last_clear(self, conversation_id: str) -> str | None:
        return await self._database.read(lambda db: removals.last_clear(db, conversation_id))

    async def purge(self, before: Millis) -> None:
        # Most often nothing is, and then nobody who writes is waited for.
        if await self._database.read(lambda db: erasing.is_due(db, before)):
            await erasing.erase(self._database, lambda db: erasing.mark_old(db, before))

    # -- drafts, values, secrets ----------------------------------------------------------

    async def draft(self, conversation_id: str) -> str:
        return await self._database.read(lambda db: conversations.draft(db, conversation_id))

    async def save_draft(self, conversation_id: str, text: str) -> None:
        await self._database.run(lambda db: conversations.save_draft(db, conversation_id, text))

    async def draft_attachments(self, conversation_id: str) -> Sequence[Attachment]:
        return await self._database.read(lambda db: attachments.draft(db, conversation_id))

    async def save_draft_attachments(self, conversation_id: str, given: Sequence[Attachment]) -> None:
        await self._database.run(lambda db: attachments.save_draft(db, conversation_id, given))

    async def value(self, key: str) -> str | None:
        def get(db: apsw.Connection) -> str | None:
            rows = fetch(db, "SELECT json FROM value WHERE key = ?", (key,))
            return str(rows[0][0]) if rows else None

        return await self._database.read(get)

    async def set_value(self, key: str, value: str) -> None:
        write = "INSERT INTO value(key, json) VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET json = ?2"
        await self._database.run(lambda db: _done(db.execute(write, (key, clean_surrogates(value)))))

    async def secret(self, name: str) -> Secret | None:
        def get(db: apsw.Connection) -> Secret | None:
            rows = fetch(db, "SELECT value FROM secret WHERE name = ?", (name,))
            return Secret(rows[0][0]) if rows else None

        return await self._database.read(get)

    async def set_secret(self, name: str, value: Secret | None) -> None:
        def write(db: apsw.Connection) -> None:
            db.execute("DELETE FROM secret WHERE name = ?", (name,))
            if value is not None:
                db.execute("INSERT INTO secret(name, value) VALUES (?, ?)", (name, value.reveal()))

        await self._database.run(write)

    # -- search, transfer, upkeep ---------------------------------------------------------

    async def search(self, query: str, *, limit: int = 50) -> Sequence[SearchHit]:
        return await self._database.aside(lambda db: search.search(db, clean_surrogates(query), limit=limit))

    async def ranked(self, terms: Sequence[str], *, without: Sequence[str], limit: int = 200) -> Sequence[Hit]:
        given = tuple(map(clean_surrogates, terms))
        return await self._database.aside(lambda db: ranking.ranked(db, given, without=without, limit=limit))

    async def import_conversations(
        self, conversations: Sequence[tuple[Conversation, Sequence[Message]]], *, dry_run: bool = False
    ) -> ImportCount:
        try:
            return await self._database.run(lambda db: _take_in(db, conversations, dry_run=dry_run))
        except _DryRun as rehearsal:
            return rehearsal.count

    async def check_integrity(self) -> str:
        try:
            # A fresh connection: FTS5's check reports damage where another connection has changed the index.
            return await self._database.apart(_check_integrity)
        except DamagedHistory as error:  # an answer here
            return str(error)

    async def close(self) -> None:
        await self._database.close()


class _DryRun(TuiChatError):
    """Takes a rehearsed import back out of the file; it never leaves this module."""

    def __init__(self, count: ImportCount) -> None:
        super().__init__("A rehearsal.")
        self.count = count


def _take_in(
    db: apsw.Connection, given: Sequence[tuple[Conversation, Sequence[Message]]], *, dry_run: bool
) -> ImportCount:
    count = imports.take_in(db, given)
    if dry_run:
        raise _DryRun(count)
    return count


def _check_integrity(db: apsw.Connection) -> str:
    rows = [str(text) for (text,) in fetch(db, "PRAGMA integrity_check(10)")]
    rows += [f"a reference in {table} leads nowhere" for table, *_ in fetch(db, "PRAGMA foreign_key_check")]
    return "; ".join(row for row in rows if row != "ok") or "ok"


def _done(_: object) -> None:
    """The end of a statement that returns nothing."""
