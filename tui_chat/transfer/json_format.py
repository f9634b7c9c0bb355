"""The program's own format: one JSON document that holds everything, byte for byte in every text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

from tui_chat.core.clock import Millis, to_rfc3339
from tui_chat.core.errors import BadInput
from tui_chat.core.forms import Form, conversation_form, json_pieces, message_form
from tui_chat.core.models import Conversation, MemorySettings, Message, ModelRef, Role, Status, Usage
from tui_chat.core.ports import ExportedConversation
from tui_chat.core.sampling import PARAMETERS, Sampling, sampling_of
from tui_chat.memory import STRATEGIES
from tui_chat.transfer.reading import Node, refusal

FORMAT = "tui-chat"
VERSION = 1

_OWN = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"format"\s*:\s*"tui-chat"')
_TRIMS = ("exact", "blocks")
_SCOPES = ("conversation", "all")


class JsonFormat:
    """The export envelope, version 1. What ``dump`` writes, ``load`` reads back without a loss."""

    name = "json"

    # -- out --------------------------------------------------------------------------

    def dump(self, conversations: Sequence[ExportedConversation], *, exported_at: Millis, generator: str) -> bytes:
        """One document, indented, in UTF-8 with a final newline."""
        envelope = {
            "format": FORMAT,
            "version": VERSION,
            "exported_at": to_rfc3339(exported_at),
            "generator": generator,
            "conversations": [_whole(each) for each in conversations],
        }
        document = BytesIO()
        document.writelines(piece.encode() for piece in json_pieces(envelope))
        document.write(b"\n")
        return document.getvalue()

    # -- in ---------------------------------------------------------------------------

    def recognises(self, data: bytes) -> bool:
        """Whether this says it is of this format, in whatever order its keys are."""
        if _OWN.match(data):
            return True
        if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") or b'"tui-chat"' not in data:
            return False
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict) and document.get("format") == FORMAT

    def load(self, data: bytes) -> Sequence[ExportedConversation]:
        """Every conversation of the document. Raises BadInput unless all of it is understood."""
        document = Node("", _parsed(data)).table()
        if document.pop("format").text() != FORMAT:
            raise refusal("format", "is not “tui-chat”")
        version = document.pop("version")
        if version.number() > VERSION:
            raise BadInput("This file was written by a newer version of tui_chat.", hint="Update tui_chat.")
        if version.value < 1:
            raise version.refused("is no version")
        document.pop("exported_at").time()
        document.pop("generator").text()
        conversations = [_conversation(node) for node in document.pop("conversations").items()]
        document.end()
        _refuse_duplicates("conversations", [each.conversation.id for each in conversations])
        _refuse_duplicates("messages", [message.id for each in conversations for message in each.messages])
        return conversations


def _whole(exported: ExportedConversation) -> Form:
    form = conversation_form(exported.conversation)
    if form["head"] not in {message.id for message in exported.messages}:
        form["head"] = None  # an export names nothing that it does not hold
    return {**form, "messages": [message_form(message) for message in exported.messages]}


def _parsed(data: bytes) -> Any:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"The file is not UTF-8 text (byte {error.start}).") from None
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadInput(f"The file is not JSON (line {error.lineno}, column {error.colno}).") from None
    except (ValueError, RecursionError):
        raise BadInput("The file is not JSON that can be read: a number or a nesting is beyond measure.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise BadInput("The file names a field twice in one object; which one holds cannot be known.")
    return table


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _conversation(node: Node) -> ExportedConversation:
    table = node.table()
    title = table.pop("title").text()
    conversation = Conversation(
        id=table.pop("id").id(),
        title=title,
        created_at=table.pop("created_at").time(),
        updated_at=table.pop("updated_at").time(),
        system_prompt=table.pop("system_prompt").optional(Node.text),
        model=table.pop("model").optional(_model),
        memory=table.pop("memory").optional(_memory),
        sampling=_sampling(table.pop_optional("sampling")),
        tags=_tags(table.pop("tags")),
        pinned=table.pop("pinned").flag(),
        archived=table.pop("archived").flag(),
        head=table["head"].optional(Node.id),
    )
    head = table.pop("head")
    messages: dict[str, Message] = {}
    for each in table.pop("messages").items():
        message = _message(each, messages)
        messages[message.id] = message
    table.end()
    if conversation.head is not None and conversation.head not in messages:
        raise head.refused("is no message of this conversation")
    return ExportedConversation(conversation, tuple(messages.values()))


def _message(node: Node, earlier: dict[str, Message]) -> Message:
    table = node.table()
    identity, parent = table.pop("id"), table.pop("parent_id")
    message = Message(
        id=identity.id(),
        parent_id=parent.optional(Node.id),
        role=table.pop("role").one_of(Role),
        text=table.pop("text").text(),
        created_at=table.pop("created_at").time(),
        parts=tuple(each.part() for each in table.pop("parts").items()),
        status=table.pop("status").one_of(Status),
        error=table.pop("error").optional(Node.text),
        model=table.pop("model").optional(_model),
        usage=table.pop("usage").optional(_usage),
        pinned=table.pop("pinned").flag(),
        excluded=table.pop("excluded").flag(),
    )
    table.end()
    if message.status is Status.STREAMING:
        raise node.refused("is still streaming, which no file can be")
    if message.id in earlier:
        raise identity.refused("is used twice")
    # Parents come first, so a circle cannot be written at all.
    if message.parent_id is not None and message.parent_id not in earlier:
        raise parent.refused("is no earlier message of this conversation")
    return message


def _model(node: Node) -> ModelRef:
    table = node.table()
    model = ModelRef(table.pop("endpoint").text(), table.pop("name").text())
    table.end()
    return model


def _memory(node: Node) -> MemorySettings:
    table = node.table()
    strategy, trim, scope = table.pop("strategy"), table.pop("trim"), table.pop_optional("scope")
    memory = MemorySettings(strategy.text(), table.pop("max_messages").number(), trim.text())
    table.end()
    if memory.strategy not in {each.name for each in STRATEGIES}:
        raise strategy.refused("is no memory strategy that this version knows")
    if memory.trim not in _TRIMS:
        raise trim.refused("is neither “exact” nor “blocks”")
    if scope is None:
        return memory
    if scope.text() not in _SCOPES:
        raise scope.refused("is neither “conversation” nor “all”")
    return replace(memory, scope=scope.text())


def _sampling(node: Node | None) -> Sampling | None:
    if node is None:
        return None
    table = node.table()
    named = {name: each for name in PARAMETERS if (each := table.pop_optional(name)) is not None}
    table.end()
    for name, each in named.items():
        if not PARAMETERS[name].hold(each.value):
            raise each.refused(f"is not {PARAMETERS[name].words}")
    return sampling_of({name: each.value for name, each in named.items()})


def _usage(node: Node) -> Usage:
    table = node.table()
    usage = Usage(*(table.pop(name).number() for name in ("input_tokens", "output_tokens", "cached_tokens")))
    table.end()
    return usage


def _tags(node: Node) -> tuple[str, ...]:
    tags = tuple(each.text() for each in node.items())
    if len(set(tags)) < len(tags):
        raise node.refused("holds a tag twice")
    return tags


def _refuse_duplicates(what: str, ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        raise refusal(what, "use an id twice")
