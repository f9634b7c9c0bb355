"""The contents of attachments: in pieces, each content once, gone with the last message or draft that it goes with.

A message's own row says what goes with it - name, kind, checksum, size -, so that reading a message reads no content.
The schema's triggers erase a content in the statement that takes the last one away from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

from tui_chat.core.attachments import is_image, is_text
from tui_chat.core.errors import BadInput, DamagedHistory, NotFound
from tui_chat.core.models import Attachment, Part, clean_surrogates
from tui_chat.store.rows import conversation_key, fetch

if TYPE_CHECKING:
    import apsw

CHUNK = 256 * 1024
"""Bytes of a piece: no more than one is in memory twice."""

_SEEN = """
SELECT a.sha256 FROM json_each(?) wanted CROSS JOIN attachment a ON a.sha256 = wanted.value
WHERE EXISTS (
  SELECT 1 FROM message_attachment l
  JOIN message m ON m.id = l.message_id JOIN conversation c ON c.id = m.conversation_id
  WHERE l.attachment_id = a.id AND m.removal_id IS NULL AND c.deleted_at IS NULL)
OR EXISTS (
  SELECT 1 FROM draft_attachment d JOIN conversation c ON c.id = d.conversation_id
  WHERE d.attachment_id = a.id AND c.deleted_at IS NULL)"""


def contents(db: apsw.Connection, hashes: Iterable[str]) -> Mapping[str, bytes]:
    """The data by checksum. Raises NotFound where one goes with nothing that can be seen."""
    wanted = dict.fromkeys(hashes)
    seen = [sha256 for (sha256,) in fetch(db, _SEEN, (json.dumps(list(wanted)),))]
    if len(seen) < len(wanted):
        raise NotFound("There is no such attachment.")
    return {sha256: _content(db, sha256) for sha256 in seen}


def loaded(db: apsw.Connection, parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts with the data of every attachment. Raises BadInput for one whose content is not in the file."""
    return tuple(_loaded(db, part) if isinstance(part, Attachment) else part for part in parts)


def measurable(db: apsw.Connection, parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts with the data of those attachments that a request may carry, to be measured; raises as ``loaded``."""
    return tuple(
        _loaded(db, part) if isinstance(part, Attachment) and (is_text(part) or is_image(part)) else part
        for part in parts
    )


def link(db: apsw.Connection, message: int, parts: Sequence[Part]) -> None:
    """With this message go these attachments and no others. Raises BadInput for a checksum that is not the data's."""
    contents = [(message, _keep(db, part)) for part in parts if isinstance(part, Attachment)]
    for pair in contents:
        db.execute("INSERT OR IGNORE INTO message_attachment(message_id, attachment_id) VALUES (?, ?)", pair)
    # Behind the others: a content that goes with it before and after is not written twice.
    db.execute(
        "DELETE FROM message_attachment WHERE message_id = ? AND attachment_id NOT IN (SELECT value FROM json_each(?))",
        (message, json.dumps([content for _, content in contents])),
    )


def draft(db: apsw.Connection, uuid: str) -> list[Attachment]:
    """What goes with a conversation's draft, with its data, in its order."""
    rows = fetch(
        db,
        "SELECT d.name, d.mime, a.sha256 FROM draft_attachment d JOIN attachment a ON a.id = d.attachment_id"
        " WHERE d.conversation_id = ? ORDER BY d.place",
        (conversation_key(db, uuid),),
    )
    return [Attachment(name, mime, sha256, _content(db, sha256)) for name, mime, sha256 in rows]


def save_draft(db: apsw.Connection, uuid: str, attachments: Sequence[Attachment]) -> None:
    """Keep these with the draft, instead of what went with it before."""
    conversation = conversation_key(db, uuid, even_deleted=True)
    # The new ones at places of their own first: what stays is not written twice.
    ((first,),) = fetch(
        db, "SELECT coalesce(max(place) + 1, 0) FROM draft_attachment WHERE conversation_id = ?", (conversation,)
    )
    for place, each in enumerate(attachments, first):
        db.execute(
            "INSERT INTO draft_attachment(conversation_id, place, name, mime, attachment_id) VALUES (?, ?, ?, ?, ?)",
            (conversation, place, clean_surrogates(each.name), clean_surrogates(each.mime), _keep(db, each)),
        )
    db.execute("DELETE FROM draft_attachment WHERE conversation_id = ? AND place < ?", (conversation, first))


def _keep(db: apsw.Connection, attachment: Attachment) -> int:
    """The number of its content, which is written where it is not known."""
    if attachment.is_loaded and hashlib.sha256(attachment.data).hexdigest() != attachment.sha256:
        raise BadInput("An attachment is not what its checksum says.", hint="Attach it again.")
    for (key,) in fetch(db, "SELECT id FROM attachment WHERE sha256 = ?", (attachment.sha256,)):
        return int(key)
    if not attachment.is_loaded:
        raise _not_here()
    db.execute("INSERT INTO attachment(sha256, size) VALUES (?, ?)", (attachment.sha256, attachment.size))
    key = int(db.last_insert_rowid())
    view = memoryview(attachment.data)
    for place, start in enumerate(range(0, attachment.size, CHUNK)):
        db.execute(
            "INSERT INTO attachment_chunk(attachment_id, place, data) VALUES (?, ?, ?)",
            (key, place, view[start : start + CHUNK]),
        )
    return key


def _loaded(db: apsw.Connection, attachment: Attachment) -> Attachment:
    if attachment.is_loaded:
        return attachment
    data = _content(db, attachment.sha256)
    return replace(attachment, data=data, size=len(data))


def _content(db: apsw.Connection, sha256: str) -> bytes:
    """Put together as it is read: in memory there is one whole content, and a piece."""
    rows = fetch(db, "SELECT id, size FROM attachment WHERE sha256 = ?", (sha256,))
    if not rows:
        raise _not_here()
    ((key, size),) = rows
    content = BytesIO()
    for (piece,) in db.execute("SELECT data FROM attachment_chunk WHERE attachment_id = ? ORDER BY place", (key,)):
        content.write(piece)
    if content.tell() != size:
        raise DamagedHistory("An attachment of the history cannot be read.", hint="Put back a backup.")
    return content.getvalue()


def _not_here() -> BadInput:
    return BadInput("The content of an attachment is not at hand.", hint="Attach it again.")
