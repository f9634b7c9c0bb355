"""Foreign text is safe to show."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.widgets import Static

from tui_chat.core.clean import MARKS_PER_BASE
from tui_chat.ui.text import clean, clean_line, plain

any_text = st.text(st.characters(exclude_categories=()), max_size=200) | st.text(
    st.sampled_from("a\x1b\x07\x9b\x7f\r\n\t\u202e\u2066\u200b\u200d\ufe0f\u0301\ud83d\ude00\U000e0068é漢"), max_size=60
)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\x1b]52;c;aGFjaw==\x07b", "a\ufffd]52;c;aGFjaw==\ufffdb"),
        ("a\x9b2J\x9d0;t\x9cb", "a\ufffd2J\ufffd0;t\ufffdb"),
        ("a\x00b\x7fc\x08", "a\ufffdb\ufffdc\ufffd"),
        ("safe\rEVIL\r\n", "safeEVIL\n"),
        ("a\u2028b\u2029c\x85d", "a\nb\nc\nd"),
        ("abc \u202eevil\u2066x\u2069\u200f\u061c", "abc evilx"),
        ("a\u200bb\u2060c\ufeffd", "abcd"),
        ("hi\U000e0068\U000e0069", "hi"),
        ("x\ud83dy", "x\ufffdy"),
        ("\ud83d\ude00", "😀"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_what_a_terminal_would_obey_is_replaced_or_dropped(hostile: str, shown: str) -> None:
    assert shown == clean(hostile)


@pytest.mark.parametrize("text", ["👨‍👩‍👧‍👦 🏳️‍🌈 ❤️ 1️⃣", "می‌خواهم", "é ñ 漢字 한국어", "नमस्ते", "x" * 50 + "────────────"])
def test_living_scripts_and_emoji_stay_as_they_are(text: str) -> None:
    assert text == clean(text)


def test_marks_beyond_the_cap_are_dropped() -> None:
    assert clean("e" + "\u0301" * 200 + "x") == "e" + "\u0301" * MARKS_PER_BASE + "x"


def test_a_line_has_neither_newlines_nor_tabs() -> None:
    assert clean_line("a\nb\tc") == "a b c"


@settings(max_examples=200)
@given(any_text)
def test_clean_text_holds_nothing_unsafe_and_cleaning_it_again_changes_nothing(text: str) -> None:
    cleaned = clean(text)

    unsafe = {c for c in cleaned if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\n\t"}
    assert set() == unsafe
    assert cleaned == clean(cleaned)


async def test_plain_shows_markup_literally() -> None:
    content = plain("[bold]x[/] [@click=app.quit]y[/] [/foo]")

    assert content.plain == "[bold]x[/] [@click=app.quit]y[/] [/foo]"
    assert list(content.spans) == []
    assert isinstance(Static(content), Static)
