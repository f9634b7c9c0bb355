"""Export and import through a named format."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TypeVar

from tui_chat.core.clock import Clock
from tui_chat.core.clock import now as clock_now
from tui_chat.core.errors import BadInput
from tui_chat.core.ports import ConversationStore, ExportedConversation, Exporter, ImportCount, Importer

Format = TypeVar("Format", Exporter, Importer)


class TransferService:
    """Conversations to bytes and back, losing nothing."""

    def __init__(
        self,
        store: ConversationStore,
        *,
        exporters: Sequence[Exporter],
        importers: Sequence[Importer],
        generator: str,
        now: Clock = clock_now,
    ) -> None:
        self._store = store
        self._exporters = {exporter.name: exporter for exporter in exporters}
        self._importers = {importer.name: importer for importer in importers}
        self._generator = generator
        self._now = now

    @property
    def formats(self) -> Sequence[str]:
        """The names of the formats to export to."""
        return tuple(self._exporters)

    async def export(self, conversation_ids: Sequence[str] | None, *, format: str = "json") -> bytes:
        """These conversations (None: all that are not deleted), each with its whole tree."""
        exporter = self._named(self._exporters, format)
        ids = conversation_ids if conversation_ids is not None else await self._all_ids()
        exported = []
        for conversation_id in ids:
            conversation = await self._store.conversation(conversation_id)
            messages = await self._store.messages(conversation_id)
            exported.append(ExportedConversation(conversation, tuple(messages)))
        # In a thread: files may be megabytes.
        dump = partial(exporter.dump, exported_at=self._now(), generator=self._generator)
        return await asyncio.to_thread(dump, exported)

    async def load(self, *contents: bytes, format: str | None = None, dry_run: bool = False) -> ImportCount:
        """Everything in these files' contents, or nothing: raises BadInput unless all of it is understood."""
        loaded = await asyncio.to_thread(self._loaded, contents, format)
        conversations = [(each.conversation, each.messages) for each in loaded]
        return await self._store.import_conversations(conversations, dry_run=dry_run)

    def _loaded(self, contents: Sequence[bytes], format: str | None) -> Sequence[ExportedConversation]:
        return [each for data in contents for each in self._importer(data, format).load(data)]

    def _importer(self, data: bytes, format: str | None) -> Importer:
        if format is not None:
            return self._named(self._importers, format)
        for importer in self._importers.values():
            if importer.recognises(data):
                return importer
        raise BadInput(
            "This is not a file that tui_chat can import.", hint=f"Known formats: {', '.join(self._importers)}."
        )

    async def _all_ids(self) -> list[str]:
        ids: list[str] = []
        for archived in (False, True):
            index = await self._store.index(archived=archived)
            rows = await self._store.listed(index.keys)
            ids += [row.conversation.id for row in rows]
        # Oldest first, and the same after an import: the list's order of equal times is the store's own.
        return sorted(ids)

    @staticmethod
    def _named(table: dict[str, Format], name: str) -> Format:
        if name not in table:
            raise BadInput(f"There is no format {name!r}.", hint=f"Known formats: {', '.join(table)}.")
        return table[name]
