"""What is made of a server's own words."""

from __future__ import annotations

import pytest

from tui_chat.core.secret import Secret
from tui_chat.providers.refusals import Speaker, complaint_in, refusal


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
