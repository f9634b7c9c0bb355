"""What is made of a server's own words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tui_chat.core.errors import ContextTooLong
from tui_chat.core.secret import Secret
from tui_chat.providers.http import Refused
from tui_chat.providers.refusals import ABOUT, QUOTED, Speaker, complaint, complaint_in, refusal


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        ("Invalid key", ": Invalid key. Check"),
        ("Invalid key.", ": Invalid key. Check"),
        ("Is it yours?", ": Is it yours? Check"),
        ("It said “no.”", ": It said “no.” Check"),
        ("Invalid key (sk-1)", ": Invalid key (sk-1). Check"),
        ("Bad value:", ": Bad value. Check"),
        ("无效的密钥。", ": 无效的密钥。 Check"),
        ("x" * 400, "x… Check"),
        (" : ", " (401). Check"),
        ("", " (401). Check"),
    ],
)
def test_a_servers_words_end_before_the_hint_begins(words: str, quoted: str) -> None:
    error = refusal(
        Speaker("openai", "https://x.example/v1", key=Secret("k")), 401, complaint_in({"error": {"message": words}})
    )

    assert quoted in error.sentence


RUNNERS = {
    "code": 400,
    "message": "request (719 tokens) exceeds the available context size (256 tokens), try increasing it",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 719,
    "n_ctx": 256,
}


@pytest.mark.parametrize("inner", [{"error": RUNNERS}, RUNNERS])
def test_an_error_that_is_handed_on_as_json_in_a_text_is_read_once(inner: dict[str, Any]) -> None:
    said = complaint(json.dumps({"error": f"  {json.dumps(inner)}"}))
    error = refusal(Speaker("ollama", "http://127.0.0.1:11434/api/chat"), 400, said)

    assert (256, 719) == (said.limit, said.needed)
    assert RUNNERS["message"] == said.words
    assert isinstance(error, ContextTooLong)


@pytest.mark.parametrize("text", ["{not json", '{"a": 1}', '{"error": ["a"]}', "{" * 50_000, '{"error": null}'])
def test_a_text_that_only_looks_like_json_stays_what_the_server_said(text: str) -> None:
    said = complaint_in({"error": text})

    assert said.words
    assert said.words.startswith("{")


def test_of_json_in_json_in_json_only_the_first_is_read() -> None:
    text = json.dumps({"error": json.dumps({"error": json.dumps({"error": "deep"})})})

    assert '{"error": "deep"}' == complaint(text).words


@pytest.mark.parametrize("form", ["{}", '{{"error": {{"message": "{}", "param": "messages"}}}}'])
def test_what_a_refusal_is_about_is_searched_whole_but_quoted_short(form: str) -> None:
    words = "word " * 100 + "must alternate sk-canary"
    said = complaint(form.format(words), key=Secret("sk-canary"))

    assert QUOTED == len(said.words)
    assert "alternate" in said.about
    assert "sk-canary" not in said.about
    assert ABOUT == len(complaint("x" * 10**6).about)


def test_what_a_server_quotes_of_a_prompt_is_in_no_repr() -> None:
    said = complaint_in({"error": {"message": "unsupported: " + "x" * QUOTED + " a canary of the prompt"}})
    refused = Refused(refusal(Speaker("openai", "https://x.example/v1"), 400, said), status=400, about=said.about)

    assert "canary" in refused.about
    assert "canary" not in f"{said!r} {refused!r}"
