"""Conversations as Markdown to read: the branch on show, and honestly what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tui_chat.core.clock import Millis, to_rfc3339
from tui_chat.core.models import Attachment, Message, Role, Status
from tui_chat.core.ports import ExportedConversation

_SPEAKERS = {Role.USER: "You", Role.ASSISTANT: "Reply", Role.TOOL: "Tool", Role.SYSTEM: "System"}


class MarkdownFormat:
    """One document; each conversation begins with a heading. For reading, not for importing."""

    name = "markdown"

    def dump(self, conversations: Sequence[ExportedConversation], *, exported_at: Millis, generator: str) -> bytes:
        """UTF-8 with a final newline; texts stand as they were written."""
        documents = ["\n\n".join(_blocks(each)) for each in conversations]
        documents.append(f"*Exported {_minute(exported_at)} by {generator}.*")
        return ("\n\n---\n\n".join(documents) + "\n").encode()


def _blocks(exported: ExportedConversation) -> Iterator[str]:
    conversation = exported.conversation
    branch = _branch(exported)
    yield f"# {_one_line(conversation.title) or 'Untitled'}"
    facts = [f"Started {_minute(conversation.created_at)}"]
    if conversation.model is not None:
        facts.append(f"model {_one_line(str(conversation.model))}")
    if conversation.tags:
        facts.append("tags " + ", ".join(_one_line(tag) for tag in conversation.tags))
    yield " · ".join(facts)
    if left_out := len(exported.messages) - len(branch):
        yield f"*{left_out} message{'' if left_out == 1 else 's'} of other branches left out.*"
    if conversation.system_prompt:
        yield f"## System prompt\n\n{_quoted(conversation.system_prompt)}"
    for message in branch:
        yield from _message(message.settled())


def _message(message: Message) -> Iterator[str]:
    speaker = _SPEAKERS[message.role]
    if message.role is Role.ASSISTANT and message.model is not None:
        speaker = _one_line(message.model.name)
    status = "" if message.status is Status.COMPLETE else f" · {message.status.value}"
    yield f"## {speaker} · {_minute(message.created_at)}{status}"
    if message.thinking:
        yield f"*Thinking:*\n\n{_quoted(message.thinking)}"
    if message.text:
        yield message.text.rstrip("\r\n")
    for part in message.parts:
        if isinstance(part, Attachment):
            yield f"*Attachment: {_one_line(part.name)} ({_one_line(part.mime)}, {len(part.data)} bytes)*"
    if message.error:
        yield f"*{_one_line(message.error)}*"


def _branch(exported: ExportedConversation) -> list[Message]:
    """The messages from the root to the head."""
    by_id = {message.id: message for message in exported.messages}
    branch: list[Message] = []
    current = exported.conversation.head
    while current is not None and current in by_id and len(branch) < len(by_id):
        branch.append(by_id[current])
        current = by_id[current].parent_id
    branch.reverse()
    return branch


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _minute(instant: Millis) -> str:
    """``2026-11-20 08:00 UTC``"""
    return to_rfc3339(instant)[:16].replace("T", " ") + " UTC"
