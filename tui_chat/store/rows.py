"""Values become rows in one function, and back in one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from tui_chat.core import parts, tokens
from tui_chat.core.attachments import Carried, carried
from tui_chat.core.errors import DamagedHistory, NotFound
from tui_chat.core.models import (
    Attachment,
    Conversation,
    MemorySettings,
    Message,
    MessageHeader,
    ModelRef,
    Part,
    Role,
    Status,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    clean_surrogates,
)
from tui_chat.core.sampling import Sampling
from tui_chat.core.search_text import indexed

if TYPE_CHECKING:
    import apsw

Row = tuple[Any, ...]

ESTIMATOR = 1
"""The version of ``core.tokens.measure`` whose results are stored; raise it with the estimator."""

ERASING = 0
"""The time of deleting or removing (1970) that says: it is being erased, and never comes back."""

_ROLES: Mapping[str, Role] = {role.value: role for role in Role}
_STATUSES: Mapping[str, Status] = {status.value: status for status in Status}

# -- conversations ----------------------------------------------------------------------

CONVERSATION = """
SELECT c.uuid, c.title, c.created_at, c.updated_at, c.system_prompt, c.model_endpoint, c.model_name,
  c.memory_strategy, c.memory_max_messages, c.memory_trim, c.memory_scope, c.sampling, c.pinned, c.archived,
  (SELECT h.uuid FROM message h WHERE h.id = c.head_id AND h.removal_id IS NULL),
  (SELECT json_group_array(t.name ORDER BY t.place) FROM conversation_tag t WHERE t.conversation_id = c.id)
FROM conversation c"""
"""Selects rows for ``conversation_of``."""


def conversation_of(row: Row) -> Conversation:
    """The conversation of a row of ``CONVERSATION``."""
    uuid, title, created, updated, prompt, endpoint, model, *memory, sampling, pinned, archived, head, tags = row
    return Conversation(
        id=uuid,
        title=title,
        created_at=created,
        updated_at=updated,
        system_prompt=prompt,
        model=_model_of(endpoint, model),
        memory=_memory_of(*memory),
        sampling=None if sampling is None else Sampling(**json.loads(sampling)),
        tags=tuple(json.loads(tags)),
        pinned=bool(pinned),
        archived=bool(archived),
        head=head,
    )


def conversation_values(conversation: Conversation) -> dict[str, object]:
    """The columns of a conversation, without tags and head."""
    model, memory, sampling = conversation.model, conversation.memory, conversation.sampling
    return {
        "uuid": conversation.id,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "pinned": int(conversation.pinned),
        "archived": int(conversation.archived),
        "model_endpoint": model and model.endpoint,
        "model_name": model and model.name,
        "memory_strategy": memory and memory.strategy,
        "memory_max_messages": memory and memory.max_messages,
        "memory_trim": memory and memory.trim,
        "memory_scope": memory and memory.scope,
        "sampling": None if sampling is None else json.dumps(sampling.values),
        "system_prompt": None if conversation.system_prompt is None else clean_surrogates(conversation.system_prompt),
        **title_values(conversation.title),
    }


def title_values(title: str) -> dict[str, object]:
    """The columns of a title."""
    title = clean_surrogates(title)
    return {"title": title, "title_search": _search_text(title)}


# -- messages -----------------------------------------------------------------------------

MESSAGE = """
SELECT m.id, m.uuid, m.parent_id, m.removal_id, m.role, m.status, m.error, m.created_at, m.model_endpoint, m.model_name,
  m.input_tokens, m.output_tokens, m.cached_tokens, m.pinned, m.excluded, b.text, b.parts
FROM message m JOIN message_body b ON b.id = m.id"""
"""Selects rows for ``message_of``."""


def message_of(row: Row, parent: str | None) -> Message:
    """The message of a row of ``MESSAGE``, hanging on ``parent``."""
    _, uuid, _, _, role, status, error, created, endpoint, model, put_in, put_out, cached, pinned, excluded, *body = row
    text, encoded = body
    return Message(
        id=uuid,
        parent_id=parent,
        role=_ROLES[role],
        text=text,
        created_at=created,
        parts=parts_of(encoded),
        status=_STATUSES[status],
        error=error,
        model=_model_of(endpoint, model),
        usage=None if put_in is None else Usage(put_in, put_out, cached),
        pinned=bool(pinned),
        excluded=bool(excluded),
    )


def message_values(message: Message) -> dict[str, object]:
    """The columns of a message's row, without its place in the tree and its times of writing; parts must be loaded."""
    model, usage = message.model, message.usage
    return {
        "uuid": message.id,
        "role": message.role.value,
        "status": message.status.value,
        "created_at": message.created_at,
        "model_endpoint": model and model.endpoint,
        "model_name": model and model.name,
        "input_tokens": usage and usage.input_tokens,
        "output_tokens": usage and usage.output_tokens,
        "cached_tokens": usage and usage.cached_tokens,
        "pinned": int(message.pinned),
        "excluded": int(message.excluded),
        "error": None if message.error is None else clean_surrogates(message.error),
        "has_thinking": int(_has_thinking(message.parts)),
        "tools": _tools(message.parts),
        "files": files_column(message.role, message.parts),
        **_measures(message),
    }


def body_values(text: str, message_parts: Sequence[Part], *, finished: bool) -> dict[str, object]:
    """The columns of a message's heavy row; a finished one is in the search index."""
    text = clean_surrogates(text)
    return {
        "indexed": int(finished),
        "text": text,
        "search_text": _search_text(text) if finished else None,
        "parts": encoded_parts(message_parts),
    }


def files_column(role: Role, message_parts: Sequence[Part]) -> str | None:
    """The figures of ``core.attachments.Carried``, as a JSON array; None for a message without files, as most are."""
    figures = carried(role, message_parts)
    return json.dumps(figures) if figures.files else None


def encoded_parts(message_parts: Sequence[Part]) -> str | None:
    """The parts as a body row holds them."""
    return json.dumps([_form_of(part) for part in message_parts]) if message_parts else None


def parts_of(encoded: str | None) -> tuple[Part, ...]:
    """The parts of a body row; attachments without their data, which is elsewhere."""
    if encoded is None:
        return ()
    try:
        return tuple(map(_part_of, json.loads(encoded)))
    except (ValueError, KeyError) as error:
        raise DamagedHistory("A message of the history cannot be read.", hint="Put back a backup.") from error


# -- headers ------------------------------------------------------------------------------

HEADER = """
SELECT id, uuid, parent_id, removal_id, role, status, created_at, model_name, error, characters, lines,
  token_estimate, letters, other_letters, has_thinking, pinned, excluded, tools, files, estimator
FROM message"""
"""Selects rows for ``header_of``."""

_NO_TOOLS: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
_NOTHING_ELSE = (*_NO_TOOLS, *Carried())


def header_of(row: Row, parent: str | None) -> MessageHeader:
    """The header of a row of ``HEADER``, hanging on ``parent``."""
    tools, files = row[17], row[18]
    more: tuple[object, ...] = _NOTHING_ELSE
    if tools is not None or files is not None:
        more = (*(_tools_of(tools) if tools else _NO_TOOLS), *(json.loads(files) if files else Carried()))
    # By place and made at once: ten thousand of them are read when a conversation is opened.
    return MessageHeader._make(
        (row[1], parent, _ROLES[row[4]], _STATUSES[row[5]], *row[6:14], row[14] == 1, row[15] == 1, row[16] == 1, *more)
    )


def is_measured(row: Row) -> bool:
    """Whether a row of ``HEADER`` holds this estimator's measures; a streaming message's are not kept up."""
    return bool(row[-1] == ESTIMATOR)


def measured(row: Row, text: str, now: Sequence[Part]) -> Row:
    """The row of ``HEADER`` with the measures of its text and parts as they are now; the parts must be loaded."""
    measures = (len(text), _lines(text), *tokens.measure(parts.sent_text(text, now)), int(_has_thinking(now)))
    return (*row[:9], *measures, *row[15:17], _tools(now), files_column(_ROLES[row[4]], now), ESTIMATOR)


# -- inside ---------------------------------------------------------------------------------


def _measures(message: Message) -> dict[str, object]:
    streaming = message.status is Status.STREAMING
    text = "" if streaming else clean_surrogates(message.text)
    sent = "" if streaming else clean_surrogates(parts.sent_text(text, message.parts))
    measure = tokens.measure(sent) if sent else tokens.Measure(0, 0, 0)
    return {
        "characters": len(text),
        "lines": _lines(text),
        "token_estimate": measure.tokens,
        "letters": measure.letters,
        "other_letters": measure.other_letters,
        "estimator": 0 if streaming else ESTIMATOR,
    }


def _lines(text: str) -> int:
    return text.count("\n") + 1 if text else 0


def _has_thinking(message_parts: Sequence[Part]) -> bool:
    return any(isinstance(part, Thinking) and part.text for part in message_parts)


def _tools(message_parts: Sequence[Part]) -> str | None:
    """The ids of the tool calls and of the results among the parts, as JSON; None where there are none."""
    calls = [clean_surrogates(part.id) for part in message_parts if isinstance(part, ToolCall)]
    answers = [clean_surrogates(part.id) for part in message_parts if isinstance(part, ToolResult)]
    return json.dumps({"calls": calls, "answers": answers}) if calls or answers else None


def _tools_of(encoded: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    tools = json.loads(encoded)
    return tuple(tools["calls"]), tuple(tools["answers"])


def _search_text(text: str) -> str | None:
    form = indexed(text)
    return None if form == text else form


def _form_of(part: Part) -> dict[str, object]:
    """As in the export; but of an attachment only what there is (``store.attachments`` has its content)."""
    if not isinstance(part, Attachment):
        return {**parts.to_json(part)}
    return {"type": "attachment", "name": part.name, "mime": part.mime, "sha256": part.sha256, "size": part.size}


def _part_of(form: Mapping[str, Any]) -> Part:
    if form["type"] != "attachment":
        return parts.from_json(form)
    name, mime = clean_surrogates(form["name"]), clean_surrogates(form["mime"])
    return Attachment(name, mime, form["sha256"], b"", form["size"])


def _memory_of(strategy: str | None, most: int, trim: str, scope: str | None) -> MemorySettings | None:
    """``scope`` is NULL in what was written before there was one."""
    return None if strategy is None else MemorySettings(strategy, most, trim, scope or MemorySettings().scope)


def _model_of(endpoint: str | None, name: str | None) -> ModelRef | None:
    return None if endpoint is None or name is None else ModelRef(endpoint, name)


# -- statements -----------------------------------------------------------------------------


def fetch(db: apsw.Connection, statement: str, values: Sequence[object] = ()) -> list[Row]:
    """Every row that the statement finds."""
    return db.execute(statement, cast("Any", values)).fetchall()


def insert(db: apsw.Connection, table: str, values: Mapping[str, object]) -> int:
    """Insert a row and return its number. The names are this program's own."""
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    db.execute(f"INSERT INTO {table}({names}) VALUES ({marks})", _bindings(values))
    return int(db.last_insert_rowid())


def update(db: apsw.Connection, table: str, key: int, values: Mapping[str, object]) -> None:
    """Change columns of the row of that number."""
    changes = ", ".join(f"{name} = ?" for name in values)
    db.execute(f"UPDATE {table} SET {changes} WHERE id = ?", (*_bindings(values), key))


def _bindings(values: Mapping[str, object]) -> tuple[Any, ...]:
    return tuple(values.values())


def conversation_key(db: apsw.Connection, uuid: str, *, even_deleted: bool = False) -> int:
    """The row number of a conversation. Raises NotFound, also for a deleted one unless said otherwise."""
    for key, deleted_at in fetch(db, "SELECT id, deleted_at FROM conversation WHERE uuid = ?", (uuid,)):
        if deleted_at is None or (even_deleted and deleted_at != ERASING):
            return int(key)
    raise NotFound("There is no such conversation.")


def ancestor(
    parent: int | None, *, parent_of: Callable[[int], int | None], is_gone: Callable[[int], bool]
) -> int | None:
    """The nearest of ``parent`` and its ancestors that is not gone."""
    while parent is not None and is_gone(parent):
        parent = parent_of(parent)
    return parent
