"""The token estimator: its weights, and that no text breaks it or makes it slow."""

from __future__ import annotations

import base64
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core import tokens
from tui_chat.core.tokens import SLICE, Measure, measure, slices

anything = st.text(st.characters(exclude_categories=()), max_size=200) | st.text("aB1/+ \n\r\té你क👍.", max_size=200)
quick = settings(max_examples=200, deadline=None)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("\x00\ud800\u16a0", 12),  # nothing known: 4 each
        ("hello", 1),
        ("hello world", 2),
        ("letter", 1),
        ("letters", 2),  # 0.2 for each letter past the sixth
        ("internationalisation", 4),
        ("1234567890", 9),
        ("().,;:!?", 5),
        ("if x:\n    y = 1\n", 7),
        ("a" + " " * 30 + "b", 3),
        ("\n" * 10, 4),
        ("\r\n" * 10, 4),
        ("über", 4),
        ("Привет, мир", 4),
        ("नमस्ते", 5),
        ("こんにちは", 4),
        ("你好，世界。", 6),
        ("안녕하세요", 4),
        ("👍", 3),
        ("— “quoted”…", 5),
        ("\u16a0", 4),
        (base64.b64encode(bytes(range(60))).decode(), 58),
        ("0123456789abcdef" * 4, 47),
    ],
)
def test_the_weights_add_up(text: str, tokens: int) -> None:
    assert tokens == measure(text).tokens


def test_a_long_word_a_long_number_and_a_path_are_not_taken_for_encoded_data() -> None:
    assert measure("a" * 30).tokens == 6
    assert measure("1" * 30).tokens == 27
    assert measure("usr/share/doc/package/readme").tokens == 8


@pytest.mark.parametrize(
    ("text", "letters", "other_letters"),
    [
        ("Hello, you 2!", 8, 0),
        ("Größe", 5, 0),
        ("Привет you", 9, 6),
        ("你好 ok", 4, 2),
        ("abc123" * 10, 30, 0),
        ("👍 12 — ", 0, 0),
        ("ᚠ", 1, 1),
    ],
)
def test_letters_are_counted_by_script(text: str, letters: int, other_letters: int) -> None:
    assert (letters, other_letters) == measure(text)[1:]


@quick
@given(anything)
def test_any_text_has_an_estimate(text: str) -> None:
    tokens, letters, other_letters = measure(text)

    assert tokens >= 0
    assert 0 <= other_letters <= letters <= len(text)
    assert tokens <= 4 * len(text)


@quick
@given(anything, anything)
def test_texts_joined_by_a_line_break_cost_what_they_cost_apart(first: str, second: str) -> None:
    apart = measure(first).tokens + measure(second).tokens

    assert abs(measure(f"{first}\n{second}").tokens - apart) <= 2


@quick
@given(anything)
def test_the_same_text_has_the_same_estimate(text: str) -> None:
    assert measure(text) == measure("".join(list(text)))


def ascii_start(piece: str) -> str:
    return ascii(piece[:8])


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        " ",
        "\n",
        "a1",
        "a/",
        "src/lib/",
        "a.",
        "a ",
        "1 ",
        "ab+" * 7 + "1-",
        "\t ",
        "é",
        "你",
        "👍\u200d",
        "\x00",
        "a" * 23 + ".",
        "\x00\ud800\u202e\ue000",
        "".join(map(chr, random.Random(0).choices(range(0x110000), k=1_000_000))),
    ],
    ids=ascii_start,
)
def test_a_megabyte_of_anything_is_measured_in_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))

    began = time.process_time()
    result = measure(text)
    spent = time.process_time() - began

    assert isinstance(result, Measure)
    assert spent < 1.5, f"{spent:.2f} s"  # 0.02 to 0.5 s where measured; the square would be hours


@quick
@given(
    anything | st.text("aB/+", min_size=24, max_size=99) | st.text('aB1," \n\r\té你', max_size=50), st.integers(0, 40)
)
def test_no_run_is_cut_where_a_text_is_cut(text: str, least: int) -> None:
    pieces = [text[start:end] for start, end in slices(text, least)]
    patterns = tokens._patterns()

    assert text == "".join(pieces)
    for pattern in patterns:
        runs = [match[0] for match in pattern.finditer(text)]
        assert runs == [match[0] for piece in pieces for match in pattern.finditer(piece)]


@pytest.mark.parametrize("line", ["plain words ", "in lines\n", '{"key":1,"other":"value"},', "a\tb\t", "f(x);g(y);"])
def test_a_large_text_is_looked_through_in_small_pieces(line: str) -> None:
    pieces = list(slices(line * 50_000))

    assert max(end - start for start, end in pieces) < SLICE + 2 * len(line)
