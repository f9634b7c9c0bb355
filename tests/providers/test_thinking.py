"""Thinking in tags, however it is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core.events import TextDelta, ThinkingDelta
from tui_chat.providers.thinking import ThinkSplitter


def split(*pieces: str) -> tuple[str, str]:
    splitter = ThinkSplitter()
    deltas = [delta for piece in pieces for delta in splitter.feed(piece)] + list(splitter.end())
    thinking = "".join(delta.text for delta in deltas if isinstance(delta, ThinkingDelta))
    return thinking, "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>Hm.</think>\n\nYes.", ("Hm.", "Yes.")),
        (" \n<think>\nHm.\n</think>Yes. ", ("\nHm.\n", "Yes. ")),
        ("Yes <think>no</think>", ("", "Yes <think>no</think>")),
        ("<think>Hm.", ("Hm.", "")),
        ("<think>Hm.</thi", ("Hm.</thi", "")),
        ("<think>a</think>b</think><think>c", ("a", "b</think><think>c")),
        ("<thinking>x", ("", "<thinking>x")),
        ("<thi", ("", "<thi")),
        ("  Yes", ("", "  Yes")),
        ("", ("", "")),
    ],
)
def test_only_a_tag_at_the_very_start_is_thinking(text: str, expected: tuple[str, str]) -> None:
    assert expected == split(text)


def test_a_plain_answer_is_passed_on_at_once() -> None:
    splitter = ThinkSplitter()

    assert [TextDelta("Y")] == list(splitter.feed("Y"))
    assert [TextDelta("<think>")] == list(splitter.feed("<think>"))


TEXTS = st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", "</", " ", "\n", "a", "漢"]), max_size=10).map(
    "".join
)


@settings(max_examples=150)
@given(TEXTS, st.lists(st.integers(0, 80), max_size=10))
def test_where_a_text_is_cut_makes_no_difference(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})

    assert split(text) == split(*(text[start:end] for start, end in pairwise(places)))
    assert split(text) == split(*text)
