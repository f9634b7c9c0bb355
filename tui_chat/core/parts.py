"""The JSON form of a message's parts: what the export and the history file both hold."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping

from tui_chat.core.attachments import expanded
from tui_chat.core.models import Attachment, Part, Thinking, ToolCall, ToolResult, clean_surrogates


def to_json(part: Part) -> dict[str, str]:
    """The part as a JSON object; ``from_json`` of it is the part again.

    Raises ValueError for an attachment whose checksum is not its data's.
    """
    match part:
        case Thinking(text):
            return {"type": "thinking", "text": text}
        case Attachment(name, mime, sha256, data):
            _check(sha256, data)
            return {"type": "attachment", "name": name, "mime": mime, "sha256": sha256, "data": part.base64}
        case ToolCall(id_, name, arguments):
            return {"type": "tool_call", "id": id_, "name": name, "arguments": arguments}
        case ToolResult(id_, text):
            return {"type": "tool_result", "id": id_, "text": text}


def from_json(value: object) -> Part:
    """The part of a JSON object; lone surrogates in its texts become U+FFFD.

    Raises ValueError for an unknown type, a missing, unknown or mistyped field, or an attachment
    whose checksum is not its data's: what is not understood whole is not taken in part.
    """
    if not isinstance(value, Mapping):
        raise ValueError("a part is not an object")
    match value.get("type"):
        case "thinking":
            return Thinking(*_texts(value, "text"))
        case "attachment":
            name, mime, sha256, encoded = _texts(value, "name", "mime", "sha256", "data")
            return Attachment(name, mime, sha256, _check(sha256, _decoded(encoded)))
        case "tool_call":
            return ToolCall(*_texts(value, "id", "name", "arguments"))
        case "tool_result":
            return ToolResult(*_texts(value, "id", "text"))
    raise ValueError("a part is of an unknown type")


def sent_text(text: str, parts: Iterable[Part]) -> str:
    """All of a message that a request carries as text, for measuring: files, tool calls and results too.

    Attachments must be loaded.
    """
    parts = tuple(parts)
    more = [expanded(text, parts)]
    for part in parts:
        match part:
            case ToolCall(_, name, arguments):
                more += [name, arguments]
            case ToolResult(_, result) if result != text:
                more.append(result)
    return "\n".join(more)


def _texts(value: Mapping[str, object], *names: str) -> list[str]:
    """Those fields, which must be texts and the only ones beside ``type``."""
    if unknown := value.keys() - {"type", *names}:
        raise ValueError(f"a part has {len(unknown)} unknown fields")
    texts = []
    for name in names:
        text = value.get(name)
        if not isinstance(text, str):
            raise ValueError(f"a part's {name!r} is not a text")
        texts.append(clean_surrogates(text))
    return texts


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("an attachment's data is not base64") from error


def _check(sha256: str, data: bytes) -> bytes:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError("an attachment's checksum is not its data's")
    return data
