"""The header of a message that is at hand."""

from __future__ import annotations

from tui_chat.core import tokens
from tui_chat.core.attachments import carried
from tui_chat.core.models import Message, MessageHeader, ToolCall, ToolResult
from tui_chat.core.parts import sent_text


def header_of(message: Message) -> MessageHeader:
    """Everything about a message but its text, measured."""
    files = carried(message.role, message.parts)
    measure = tokens.measure(sent_text(message.text, message.parts))
    return MessageHeader(
        id=message.id,
        parent_id=message.parent_id,
        role=message.role,
        status=message.status,
        created_at=message.created_at,
        model_name=message.model.name if message.model else None,
        error=message.error,
        characters=len(message.text),
        lines=message.text.count("\n") + 1 if message.text else 0,
        tokens=measure.tokens,
        letters=measure.letters,
        other_letters=measure.other_letters,
        has_thinking=bool(message.thinking),
        pinned=message.pinned,
        excluded=message.excluded,
        calls=tuple(part.id for part in message.parts if isinstance(part, ToolCall)),
        answers=tuple(part.id for part in message.parts if isinstance(part, ToolResult)),
        attachments=files.files,
        images=files.images,
        image_tokens=files.image_tokens,
        other_files=files.others,
    )
