"""The JSON forms of conversations and messages (version 1): what the export and every ``--json`` hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tui_chat.core.clock import to_rfc3339
from tui_chat.core.models import Conversation, MemorySettings, Message, ModelRef, Usage
from tui_chat.core.parts import to_json

Form = dict[str, Any]

# json escapes U+0000-001F itself. Outside of texts a document holds none of these.
_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


# What many programs take for a line's end.
_LINE_ESCAPES = _ESCAPES | {0x2028: "\\u2028", 0x2029: "\\u2029"}


def json_pieces(value: object, *, indent: int = 2) -> Iterator[str]:
    """``json_text`` in pieces, each text by itself: one emoji makes a whole document take four times its memory."""
    encoder = json.JSONEncoder(ensure_ascii=False, indent=indent, allow_nan=False)
    for piece in encoder.iterencode(value):
        # Most are marks, and the largest are base64: nothing of them is to be escaped.
        yield piece if piece.isascii() and "\x7f" not in piece else piece.translate(_ESCAPES)


def json_text(value: object, *, indent: int | None = 2) -> str:
    """One JSON document that is safe on a terminal: control characters escaped, all else readable.

    Without ``indent`` it is one line to whoever counts lines.
    """
    if indent is None:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).translate(_LINE_ESCAPES)
    return "".join(json_pieces(value, indent=indent))


def conversation_form(conversation: Conversation) -> Form:
    """A conversation without its messages. Sampling parameters are named only where it has its own."""
    own = {} if conversation.sampling is None else {"sampling": dict(conversation.sampling.values)}
    return {
        "id": conversation.id,
        "title": conversation.title,
        "created_at": to_rfc3339(conversation.created_at),
        "updated_at": to_rfc3339(conversation.updated_at),
        "system_prompt": conversation.system_prompt,
        "model": _model(conversation.model),
        "memory": _memory(conversation.memory),
        **own,
        "tags": list(conversation.tags),
        "pinned": conversation.pinned,
        "archived": conversation.archived,
        "head": conversation.head,
    }


def message_form(message: Message) -> Form:
    """A message as every form outside the app shows it: still streaming reads as stopped."""
    settled = message.settled()
    return {
        "id": settled.id,
        "parent_id": settled.parent_id,
        "role": settled.role.value,
        "text": settled.text,
        "parts": [to_json(part) for part in settled.parts],
        "status": settled.status.value,
        "error": settled.error,
        "created_at": to_rfc3339(settled.created_at),
        "model": _model(settled.model),
        "usage": _usage(settled.usage),
        "pinned": settled.pinned,
        "excluded": settled.excluded,
    }


def _model(model: ModelRef | None) -> Form | None:
    return None if model is None else {"endpoint": model.endpoint, "name": model.name}


def _memory(memory: MemorySettings | None) -> Form | None:
    if memory is None:
        return None
    form = {"strategy": memory.strategy, "max_messages": memory.max_messages, "trim": memory.trim}
    return form if memory.scope == "conversation" else {**form, "scope": memory.scope}


def _usage(usage: Usage | None) -> Form | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
    }
