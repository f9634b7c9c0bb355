"""The history: one encrypted file per user profile.

Encrypted, all of it: texts, titles, drafts, attachments, summaries, what was spent, settings, provider keys, the
search index, the write-ahead log and temporary files (SQLite3 Multiple Ciphers, ChaCha20-Poly1305 with a tag on every
page, a raw 256-bit key from ``crypto``). Readable to who holds the disk: that the file exists, its
size and times, its page size, page numbers in the log's frames.

A changed byte is refused when its page is read; ``check_integrity`` reads all pages. An *old* page
or an old file put back at its place is not noticed: no encryption of pages can. What is erased for
good is overwritten in the file and gone from the search index when the call returns; copies made by file systems,
flash disks and backups are beyond reach.

Decided:

* Whole pages and not single records: search works at once on a locked-down file, where an index in
  memory would cost most of a minute and half a gigabyte at each start of a long history.
* ``synchronous=FULL``: what was acknowledged survives a power cut; one sync for each commit.
* A message is two rows, a small one and its text: a conversation of ten thousand opens by reading
  small rows only. What it costs: one more insert for each message.
* What is attached is named in its message's text row; its content is elsewhere, in pieces of 256 KiB, each content
  once. Triggers erase it with the last message or draft that it goes with. What it costs: a removed message keeps
  its files until it is erased.
* The order of messages is the order of their arrival, and parents stand before children.
* A removed message stays in its place, marked, until it is erased; its children hang on its nearest
  ancestor that is left. Nothing removed or deleted is found by search.
* A summary lives as long as all of its sources: triggers erase it with the first that is taken out, and putting
  that one back does not bring it back. What it costs: a row for each source of each summary.
* The ledger of spending outlives what was paid for, and then names no conversation.
* Erasing for good is done in small transactions, so that other programs get in between: what is to go
  is marked first and nowhere to be seen, and what a crash left is erased by the next purge.
* The file is made beside its place and named when it is whole: there is no half-made history.

Two programs may use one file at once; a local disk is needed (the log uses shared memory).
"""

from __future__ import annotations

from pathlib import Path

from tui_chat.core.clock import Clock, now
from tui_chat.core.secret import Secret
from tui_chat.store.connection import cipher_version
from tui_chat.store.database import Database
from tui_chat.store.store import SqliteStore

__all__ = ["SqliteStore", "cipher_version", "open_store"]


async def open_store(path: Path, key: Secret, *, create: bool, clock: Clock = now) -> SqliteStore:
    """Open the history at ``path``; ``create`` makes it where it does not exist (its folder must).

    Raises DamagedHistory where it is missing, not ours, or not readable with this key; NewerSchema,
    the file untouched; StoreFailed where the system refuses; ValueError for what is not a key.
    """
    return SqliteStore(await Database.open(path, key, create=create, clock=clock))
