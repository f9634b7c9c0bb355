"""Export: beside the event loop, since a conversation may hold megabytes of files."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tests.attached import attached
from tests.contracts.store import conversation, message
from tui_chat.core.clock import Millis
from tui_chat.core.ports import ConversationStore, ExportedConversation, ImportCount
from tui_chat.services.transfer import TransferService


class Watched:
    """A format that tells in which thread it worked, and keeps what it was given."""

    name = "watched"

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.held: Sequence[ExportedConversation] = ()

    def dump(self, conversations: Sequence[ExportedConversation], *, exported_at: Millis, generator: str) -> bytes:
        self.threads.append(threading.current_thread())
        self.held = conversations
        return b"written"

    def recognises(self, data: bytes) -> bool:
        self.threads.append(threading.current_thread())
        return data == b"written"

    def load(self, data: bytes) -> Sequence[ExportedConversation]:
        self.threads.append(threading.current_thread())
        return self.held


async def test_writing_and_reading_hold_up_nobody_who_waits_on_the_event_loop(store: ConversationStore) -> None:
    kept, watched = conversation("Kept"), Watched()
    await store.add_conversation(kept)
    await store.add_message(kept.id, message("look", parts=(attached("some text"),)))
    transfer = TransferService(store, exporters=(watched,), importers=(watched,), generator="x")

    data = await transfer.export(None, format="watched")
    count = await transfer.load(data)

    assert (b"written", ImportCount(0, 0, 1)) == (data, count)
    assert 3 == len(watched.threads)
    assert threading.main_thread() not in watched.threads
