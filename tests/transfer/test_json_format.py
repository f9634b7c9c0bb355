"""The program's own format: nothing lost on the way out, nothing half understood on the way in."""

from __future__ import annotations

import copy
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attached import attached
from tests.contracts.exporter import LIBRARIES, ExporterContract
from tests.contracts.store import conversation, message
from tui_chat.core.errors import BadInput
from tui_chat.core.models import Conversation, MemorySettings, Message, Role, Status, Thinking
from tui_chat.core.ports import ExportedConversation
from tui_chat.core.sampling import Sampling
from tui_chat.transfer.json_format import JsonFormat

FORMAT = JsonFormat()
AT = 1_795_000_000_000


def with_scope(library: list[ExportedConversation], scope: str) -> list[ExportedConversation]:
    """The library, retrieval looking there wherever a conversation has a memory of its own."""
    conversations = [each.conversation for each in library]
    memories = [each.memory and replace(each.memory, scope=scope) for each in conversations]
    return [
        replace(each, conversation=replace(each.conversation, memory=memory))
        for each, memory in zip(library, memories, strict=True)
    ]


SCOPED_LIBRARIES = st.builds(with_scope, LIBRARIES, st.sampled_from(["conversation", "all"]))


def dump(library: list[ExportedConversation]) -> bytes:
    return FORMAT.dump(library, exported_at=AT, generator="tui-chat 0.1.0")


class TestJson(ExporterContract):
    exporter = FORMAT


def test_a_file_is_in_memory_four_times_while_it_is_written_whatever_stands_beside_it() -> None:
    size = 3_000_000
    library = [ExportedConversation(conversation(), (message("👍", parts=(attached(b"x" * size),)),))]
    tracemalloc.start()
    try:
        written = len(dump(library))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    # As base64 in its form, quoted, encoded, and in the document.
    assert most < written * 4.5


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(library=SCOPED_LIBRARIES)
def test_what_is_exported_imports_as_the_same_and_exports_as_the_same_bytes(
    library: list[ExportedConversation],
) -> None:
    data = dump(library)

    loaded = FORMAT.load(data)

    assert library == loaded
    assert data == dump(list(loaded))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(library=SCOPED_LIBRARIES)
def test_an_export_holds_to_its_schema_and_has_no_raw_control_character(library: list[ExportedConversation]) -> None:
    schema = json.loads(files("tui_chat").joinpath("transfer/schemas/export.json").read_text())

    text = dump(library).decode()

    jsonschema.validate(json.loads(text), schema)
    assert not [
        character for character in text if character != "\n" and ord(character) in {*range(32), *range(127, 160)}
    ]


EXAMPLE = [
    ExportedConversation(
        Conversation("c-1", "title", AT, AT, head="m-2", tags=("a",)),
        (
            Message("m-1", None, Role.USER, "prompt", AT),
            Message("m-2", "m-1", Role.ASSISTANT, "reply", AT, parts=(Thinking("hm"),), status=Status.STOPPED),
        ),
    )
]


def test_the_envelope_reads_as_the_contract_writes_it() -> None:
    document = json.loads(dump(EXAMPLE))

    assert list(document) == ["format", "version", "exported_at", "generator", "conversations"]
    assert document["exported_at"] == "2026-11-18T11:06:40.000Z"
    assert document["conversations"][0]["messages"][1] == {
        "id": "m-2",
        "parent_id": "m-1",
        "role": "assistant",
        "text": "reply",
        "parts": [{"type": "thinking", "text": "hm"}],
        "status": "stopped",
        "error": None,
        "created_at": "2026-11-18T11:06:40.000Z",
        "model": None,
        "usage": None,
        "pinned": False,
        "excluded": False,
    }


def test_a_scope_is_named_only_where_it_is_not_the_conversation() -> None:
    here, everywhere = (
        [replace(EXAMPLE[0], conversation=replace(EXAMPLE[0].conversation, memory=MemorySettings(scope=scope)))]
        for scope in ("conversation", "all")
    )
    keys = [list(json.loads(dump(each))["conversations"][0]["memory"]) for each in (here, everywhere)]

    assert [["strategy", "max_messages", "trim"], ["strategy", "max_messages", "trim", "scope"]] == keys


def test_a_scope_may_be_named_though_it_is_the_conversation() -> None:
    document = json.loads(dump(EXAMPLE))
    first(document).update(memory=MEMORY | {"scope": "conversation"})

    assert MemorySettings("full", 1) == FORMAT.load(json.dumps(document).encode())[0].conversation.memory


def test_parameters_are_named_only_where_a_conversation_has_its_own() -> None:
    own = (None, Sampling(), Sampling(temperature=0.7, seed=7))
    libraries = ([replace(EXAMPLE[0], conversation=replace(EXAMPLE[0].conversation, sampling=each))] for each in own)
    forms = [json.loads(dump(library))["conversations"][0] for library in libraries]

    assert ["missing", {}, {"temperature": 0.7, "seed": 7}] == [form.get("sampling", "missing") for form in forms]


def test_a_head_that_is_not_exported_is_not_named() -> None:
    dangling = [ExportedConversation(replace(EXAMPLE[0].conversation, head="gone"), EXAMPLE[0].messages)]

    assert FORMAT.load(dump(dangling))[0].conversation.head is None


Change = Callable[[dict[str, Any]], object]
CONVERSATION = "conversations[0]"
SECOND = "conversations[0].messages[1]"


MEMORY = {"strategy": "full", "max_messages": 1, "trim": "exact"}


def first(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["conversations"][0]
    return found


def second(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = first(document)["messages"][1]
    return found


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("the document", lambda d: d.update(canary=1)),
        ("the document", lambda d: d.pop("generator")),
        ("version", lambda d: d.update(version="1")),
        ("version", lambda d: d.update(version=True)),
        ("version", lambda d: d.update(version=0)),
        ("newer version", lambda d: d.update(version=2, canary=1)),
        ("exported_at", lambda d: d.update(exported_at="2026-11-18")),
        ("conversations", lambda d: d.update(conversations={})),
        ("conversations use an id twice", lambda d: d["conversations"].append(dict(first(d), messages=[], head=None))),
        ("messages use an id twice", lambda d: d["conversations"].append(dict(first(d), id="c-2"))),
        (CONVERSATION, lambda d: first(d).update(canary=1)),
        (CONVERSATION, lambda d: first(d).pop("tags")),
        (f"{CONVERSATION}.id", lambda d: first(d).update(id="")),
        (f"{CONVERSATION}.id", lambda d: first(d).update(id="a b")),
        (f"{CONVERSATION}.title", lambda d: first(d).update(title=None)),
        (f"{CONVERSATION}.created_at", lambda d: first(d).update(created_at="2026-13-18T11:06:40.000Z")),
        (f"{CONVERSATION}.created_at", lambda d: first(d).update(created_at="2026-11-18T11:06:40")),
        (f"{CONVERSATION}.created_at", lambda d: first(d).update(created_at="1969-11-18T11:06:40Z")),
        (f"{CONVERSATION}.created_at", lambda d: first(d).update(created_at="1970-01-01T00:00:00+00:01")),
        (f"{CONVERSATION}.updated_at", lambda d: first(d).update(updated_at="9999-12-31T23:59:59-12:00")),
        (f"{SECOND}.created_at", lambda d: second(d).update(created_at="9999-12-30T00:00:00Z")),
        ("exported_at", lambda d: d.update(exported_at="9999-12-31T23:59:59-12:00")),
        (f"{CONVERSATION}.pinned", lambda d: first(d).update(pinned=0)),
        (f"{CONVERSATION}.tags", lambda d: first(d).update(tags=["a", "a"])),
        (f"{CONVERSATION}.tags[0]", lambda d: first(d).update(tags=[1])),
        (f"{CONVERSATION}.model", lambda d: first(d).update(model="gpt")),
        (f"{CONVERSATION}.model", lambda d: first(d).update(model={"endpoint": "a"})),
        (
            f"{CONVERSATION}.memory.strategy",
            lambda d: first(d).update(memory={"strategy": "canary", "max_messages": 1, "trim": "exact"}),
        ),
        (
            f"{CONVERSATION}.memory.trim",
            lambda d: first(d).update(memory={"strategy": "full", "max_messages": 1, "trim": "canary"}),
        ),
        (
            f"{CONVERSATION}.memory.scope",
            lambda d: first(d).update(memory=MEMORY | {"scope": "canary"}),
        ),
        (f"{CONVERSATION}.memory.scope", lambda d: first(d).update(memory=MEMORY | {"scope": None})),
        (f"{CONVERSATION}.memory", lambda d: first(d).update(memory=MEMORY | {"canary": 1})),
        (f"{CONVERSATION}.sampling", lambda d: first(d).update(sampling=None)),
        (f"{CONVERSATION}.sampling", lambda d: first(d).update(sampling={"canary": 1})),
        (f"{CONVERSATION}.sampling.temperature", lambda d: first(d).update(sampling={"temperature": 2.1})),
        (f"{CONVERSATION}.sampling.temperature", lambda d: first(d).update(sampling={"temperature": None})),
        (f"{CONVERSATION}.sampling.top_p", lambda d: first(d).update(sampling={"top_p": 0})),
        (f"{CONVERSATION}.sampling.top_k", lambda d: first(d).update(sampling={"top_k": 1.5})),
        (f"{CONVERSATION}.sampling.seed", lambda d: first(d).update(sampling={"seed": True})),
        (f"{CONVERSATION}.head", lambda d: first(d).update(head="canary")),
        (f"{SECOND}.id", lambda d: second(d).update(id="m-1")),
        (f"{SECOND}.parent_id", lambda d: second(d).update(parent_id="canary")),
        (f"{SECOND}.parent_id", lambda d: second(d).update(parent_id="m-2")),
        (f"{CONVERSATION}.messages[0].parent_id", lambda d: first(d)["messages"][0].update(parent_id="m-2")),
        (f"{CONVERSATION}.messages[0].parent_id", lambda d: first(d)["messages"].reverse()),
        (f"{SECOND}.role", lambda d: second(d).update(role="canary")),
        (f"{SECOND}.role", lambda d: second(d).update(role=["user"])),
        (f"{SECOND}.status", lambda d: second(d).update(status="canary")),
        (SECOND, lambda d: second(d).update(status="streaming")),
        (f"{SECOND}.text", lambda d: second(d).update(text=["canary"])),
        (f"{SECOND}.parts[0]", lambda d: second(d).update(parts=[{"type": "canary"}])),
        (f"{SECOND}.parts[0]", lambda d: second(d).update(parts=[{"type": "thinking", "text": "x", "canary": 1}])),
        (
            f"{SECOND}.usage.input_tokens",
            lambda d: second(d).update(usage={"input_tokens": 1.5, "output_tokens": 0, "cached_tokens": 0}),
        ),
        (
            f"{SECOND}.usage.input_tokens",
            lambda d: second(d).update(usage={"input_tokens": 2**53, "output_tokens": 0, "cached_tokens": 0}),
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_its_place_and_not_repeated(place: str, change: Change) -> None:
    document = json.loads(dump(EXAMPLE))
    change(document)

    with pytest.raises(BadInput) as refusal:
        FORMAT.load(json.dumps(document).encode())

    assert place in str(refusal.value)
    assert "canary" not in refusal.value.sentence


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"format": "tui-chat"',
        b"\xff\xfe{}",
        b'{"format": "tui-chat", "format": "tui-chat"}',
        b'{"format": NaN}',
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput):
        FORMAT.load(data)


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    data = dump(EXAMPLE).replace(b'"prompt"', rb'"a\ud800b"')

    assert FORMAT.load(data)[0].messages[0].text == "a\ufffdb"


def test_it_is_recognised_by_its_content_in_any_order_of_keys() -> None:
    document = json.loads(dump(EXAMPLE))

    assert FORMAT.recognises(dump(EXAMPLE))
    assert FORMAT.recognises(json.dumps(document, sort_keys=True).encode())
    assert not FORMAT.recognises(b'{"title": "tui-chat"}')
    assert not FORMAT.recognises(b"# Title\n")
    assert not FORMAT.recognises(b'{"a": "tui-chat", ')


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_value_is_refused_or_harmless_but_never_a_crash(data: st.DataObject) -> None:
    document = json.loads(dump(EXAMPLE))
    target: Any = document
    while isinstance(target, dict | list) and target:
        holder = target
        key = data.draw(st.sampled_from(sorted(target) if isinstance(target, dict) else range(len(target))))
        target = target[key]
        if data.draw(st.booleans()):
            break
    holder[key] = data.draw(st.sampled_from([None, 0, -1, 1e300, True, "", "m-1", [], {}, [[]], {"a": 1}]))
    before = copy.deepcopy(document)

    try:
        loaded = FORMAT.load(json.dumps(document).encode())
    except BadInput:
        return
    assert before["conversations"] == json.loads(dump(list(loaded)))["conversations"]
