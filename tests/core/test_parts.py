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


def test_all_that_is_sent_of_a_message_is_its_text_its_files_its_calls_and_its_results() -> None:
    file, call = attachment("a.txt", "text/plain", b"content"), ToolCall("1", "look", '{"at": "it"}')
    pdf, result = attachment("a.pdf", "application/pdf", b"%PDF"), ToolResult("1", "found")
    block = "[Attached file: a.txt]\n```\ncontent\n```"

    assert "said" == parts.sent_text("said", (Thinking("hm"), pdf))
    assert f'said\n\n{block}\nlook\n{{"at": "it"}}' == parts.sent_text("said", (call, file))
    assert block == parts.sent_text("", (file,))
    assert "found" == parts.sent_text("found", (result, file))
    assert "found\nmore" == parts.sent_text("found", (result, ToolResult("2", "more")))


def test_an_attachment_that_is_not_loaded_is_not_written() -> None:
    with pytest.raises(ValueError, match="checksum"):
        parts.to_json(attachment("a", "text/plain", b"data").unloaded())


def test_lone_surrogates_become_replacement_characters() -> None:
    assert Thinking("a\ufffdb") == parts.from_json({"type": "thinking", "text": "a\ud800b"})


def test_an_attachment_with_a_foreign_checksum_is_not_written() -> None:
    with pytest.raises(ValueError, match="checksum"):
        parts.to_json(Attachment("a", "text/plain", "0" * 64, b"data"))
