"""The schema of the export: it takes what we write and nothing beside it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

SCHEMA = json.loads((files("tui_chat.transfer") / "schemas" / "export.json").read_text())
validator = jsonschema.Draft202012Validator(SCHEMA)

ENVELOPE: dict[str, Any] = {
    "format": "tui-chat",
    "version": 1,
    "exported_at": "2026-11-20T08:00:00.000Z",
    "generator": "tui-chat 0.1.0",
    "conversations": [
        {
            "id": "0193445e-0000-7000-8000-000000000000",
            "title": "Knots",
            "created_at": "2026-11-20T07:00:00.000Z",
            "updated_at": "2026-11-20T07:30:00.000Z",
            "system_prompt": "Be kind.",
            "model": {"endpoint": "local", "name": "llama"},
            "memory": {"strategy": "window", "max_messages": 20, "trim": "exact"},
            "tags": ["boats"],
            "pinned": False,
            "archived": False,
            "head": "0193445e-0000-7000-8000-000000000001",
            "messages": [
                {
                    "id": "0193445e-0000-7000-8000-000000000001",
                    "parent_id": None,
                    "role": "assistant",
                    "text": "A bowline.\n",
                    "parts": [
                        {"type": "thinking", "text": "Hm."},
                        {
                            "type": "attachment",
                            "name": "a.txt",
                            "mime": "text/plain",
                            "sha256": "0" * 64,
                            "data": "YQ==",
                        },
                        {"type": "tool_call", "id": "call_1", "name": "look", "arguments": "{}"},
                        {"type": "tool_result", "id": "call_1", "text": "found"},
                    ],
                    "status": "stopped",
                    "error": None,
                    "created_at": "2026-11-20T07:00:00.000Z",
                    "model": {"endpoint": "local", "name": "llama"},
                    "usage": {"input_tokens": 12, "output_tokens": 4, "cached_tokens": 0},
                    "pinned": False,
                    "excluded": False,
                }
            ],
        }
    ],
}

Path = tuple[str | int, ...]


def objects(value: object, path: Path = ()) -> Iterator[Path]:
    """The way to every object in a document."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            yield from objects(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from objects(inner, (*path, index))


def at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def changed(path: Path, name: str, value: object) -> Any:
    document = copy.deepcopy(ENVELOPE)
    at(document, path)[name] = value
    return document


every_object = pytest.mark.parametrize(
    "path", list(objects(ENVELOPE)), ids=lambda path: "/".join(map(str, path)) or "/"
)
CONVERSATION: Path = ("conversations", 0)
MESSAGE: Path = (*CONVERSATION, "messages", 0)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_an_export_with_everything_in_it_is_valid() -> None:
    validator.validate(ENVELOPE)


def test_an_export_of_nothing_is_valid() -> None:
    validator.validate({**ENVELOPE, "conversations": []})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *((CONVERSATION, name) for name in ("system_prompt", "model", "memory", "head")),
        *((MESSAGE, name) for name in ("parent_id", "error", "model", "usage")),
    ],
)
def test_what_may_be_missing_is_null(path: Path, name: str) -> None:
    validator.validate(changed(path, name, None))


@pytest.mark.parametrize("scope", ["conversation", "all"])
def test_a_memory_may_say_where_retrieval_looks(scope: str) -> None:
    validator.validate(changed((*CONVERSATION, "memory"), "scope", scope))


@pytest.mark.parametrize("sampling", [{}, {"temperature": 0.7, "top_p": 1, "top_k": 1000, "seed": 0}])
def test_a_conversation_may_have_parameters_of_its_own(sampling: dict[str, float]) -> None:
    validator.validate(changed(CONVERSATION, "sampling", sampling))


@every_object
def test_a_field_nobody_knows_is_refused_everywhere(path: Path) -> None:
    assert not validator.is_valid(changed(path, "colour", "red"))


@every_object
def test_every_field_is_required(path: Path) -> None:
    for name in at(ENVELOPE, path):
        document = copy.deepcopy(ENVELOPE)
        del at(document, path)[name]
        assert not validator.is_valid(document), name


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ((), "format", "other"),
        ((), "version", 2),
        ((), "exported_at", "2026-11-20T08:00:00Z"),
        ((), "exported_at", "2026-11-20T08:00:00.000+01:00"),
        (CONVERSATION, "id", ""),
        (CONVERSATION, "tags", "boats"),
        (CONVERSATION, "pinned", 0),
        (MESSAGE, "role", "robot"),
        (MESSAGE, "status", "streaming"),
        (MESSAGE, "text", None),
        (MESSAGE, "parts", [{"type": "song"}]),
        ((*MESSAGE, "usage"), "input_tokens", -1),
        ((*MESSAGE, "usage"), "input_tokens", "12"),
        ((*MESSAGE, "parts", 1), "sha256", "abc"),
        ((*CONVERSATION, "memory"), "trim", "sideways"),
        ((*CONVERSATION, "memory"), "max_messages", -1),
        ((*CONVERSATION, "memory"), "scope", "everywhere"),
        ((*CONVERSATION, "memory"), "scope", None),
        (CONVERSATION, "sampling", None),
        (CONVERSATION, "sampling", {"top_p": 0}),
        (CONVERSATION, "sampling", {"seed": 1.5}),
    ],
)
def test_a_value_of_another_kind_is_refused(path: Path, name: str, value: object) -> None:
    assert not validator.is_valid(changed(path, name, value))
