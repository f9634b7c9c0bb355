"""The JSON form of parts."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core import parts
from tui_chat.core.models import Attachment, Part, Thinking, ToolCall, ToolResult

texts = st.text(max_size=40)


def attachment(name: str, mime: str, data: bytes) -> Attachment:
    return Attachment(name, mime, hashlib.sha256(data).hexdigest(), data)


any_part: st.SearchStrategy[Part] = st.one_of(
    st.builds(Thinking, texts),
    st.builds(attachment, texts, texts, st.binary(max_size=60)),
    st.builds(ToolCall, texts, texts, texts),
    st.builds(ToolResult, texts, texts),
)


@given(any_part)
@settings(max_examples=100)
def test_a_part_survives_its_json_form(part: Part) -> None:
    text = json.dumps(parts.to_json(part))

    assert part == parts.from_json(json.loads(text))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"type": "picture"},
        {"type": "thinking"},
        {"type": "thinking", "text": 1},
        {"type": "thinking", "text": "a", "more": "b"},
        {"type": "attachment", "name": "a", "mime": "b", "sha256": "00", "data": "!"},
        {"type": "attachment", "name": "a", "mime": "b", "sha256": "00" * 32, "data": "YQ=="},
    ],
)
def test_what_is_not_understood_whole_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        parts.from_json(value)


def test_lone_surrogates_become_replacement_characters() -> None:
    assert Thinking("a\ufffdb") == parts.from_json({"type": "thinking", "text": "a\ud800b"})


def test_an_attachment_with_a_foreign_checksum_is_not_written() -> None:
    with pytest.raises(ValueError, match="checksum"):
        parts.to_json(Attachment("a", "text/plain", "0" * 64, b"data"))
