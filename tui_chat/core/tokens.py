"""The token estimator: script weights, one pass, never failing on any text.

Fitted to the mean of four current vocabularies (o200k, Llama 3, Qwen, Mistral's tekken) on chats,
help pages in seven languages, code, JSON, emoji and base64. It is an estimate: show it with ``~``,
and budget with a margin (``core.context.TokenBudget``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

MESSAGE_TOKENS = 4
"""What a message costs beyond its text."""

REQUEST_TOKENS = 3
"""What a request costs beyond its messages."""


class Measure(NamedTuple):
    """An estimate: ``tokens`` of the text alone, its ``letters``, and those of them that are not Latin."""

    tokens: int
    letters: int
    other_letters: int


# Everything below counts in hundredths of a token: whole numbers add up the same in any order.
_WORD, _LETTER_PAST_SIX = 100, 20
_DIGIT = 90
_MARK = 55
_SPACES, _SPACES_A_TOKEN = 80, 64
_NEWLINE = 40
_ENCODED = 72  # a character of base64, hex, an id
_OTHER = 400

# Hundredths a character, whether these are letters of a script other than Latin, the characters.
_SCRIPTS: tuple[tuple[int, bool, str], ...] = (
    # Latin letters with accents.
    (250, False, r"\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u036f\u1e00-\u1eff"),
    # Greek, Cyrillic.
    (35, True, r"\u0370-\u052f\u1f00-\u1fff"),
    # Indic; Armenian, Hebrew, Arabic, Thai, Lao and Georgian were not measured and take its weight.
    (70, True, r"\u0530-\u0eff\u10a0-\u10ff"),
    # Kana.
    (70, True, r"\u3040-\u30ff\u31f0-\u31ff\uff65-\uff9f"),
    # Han.
    (85, True, r"\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"),
    # Hangul.
    (80, True, r"\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff"),
    # Full-width marks.
    (85, False, r"\u3000-\u303f\uff01-\uff20"),
    # Marks of print: quotes, dashes, dots, arrows.
    (100, False, r"\u00a0-\u00a9\u00ab-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2010-\u205e\u20ac\u2190-\u2193"),
    # Emoji, with the joiners and selectors they are built with.
    (250, False, r"\u200d\u20e3\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\ufe00-\ufe0f\U0001f000-\U0001faff"),
)

_RUNS = (
    r"[A-Za-z]+",
    r"[0-9]+",
    r"[!-/:-@\[-`{-~]+",
    r" {2,}|\t[ \t]*",
    r"\r\n?|\n",
    *(f"[{characters}]+" for _, _, characters in _SCRIPTS),
    # Everything else: in runs, since a paste of random characters hardly has one twice.
    rf"[^\t\n\r -~{''.join(characters for _, _, characters in _SCRIPTS)}]+",
)
_WORDS, _DIGITS, _MARKS, _BLANKS, _LINE_END = range(1, 6)
_FIRST_SCRIPT = 6

# A long run is told by its length alone and looked into afterwards: a look-ahead for a digit would
# make a path of a megabyte cost the square of its length.
_LONG = 24
SLICE = 65_536
"""Characters: while they are looked through, some 5 ms, no other thread gets its turn, not even the screen's."""

_CUT = re.compile(r"\n|[ \t!-*,-.:-@\[-`{-~](?=[A-Za-z])")
"""The last character of a piece: behind a line's end, or between a blank or mark and a letter, no run goes on.
Plus and slash may stand within encoded data."""

_ASCII_LETTER = re.compile("[A-Za-z]")
_ASCII_DIGIT = re.compile("[0-9]")


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A run; a run of one kind; the same, each kind a group of its own."""
    # Not at import: compiling them takes 5 ms, which the first paint would wait for.
    return (
        re.compile(rf"[A-Za-z0-9+/]{{{_LONG},}}|" + "|".join(_RUNS)),
        re.compile("|".join(_RUNS)),
        re.compile("|".join(f"({run})" for run in _RUNS)),
    )


def measure(text: str) -> Measure:
    """Estimate a text. Linear, pure, never raises."""
    any_run, plain_run, _ = _patterns()
    cost = letters = other_letters = 0
    # Most runs of a text occur again, so each is looked at once.
    runs: Counter[str] = Counter()
    for start, end in slices(text):
        runs.update(any_run.findall(text, start, end))
    for run, times in runs.items():
        whole = len(run) < _LONG or _is_encoded(run)
        for part in (run,) if whole else plain_run.findall(run):
            of_part = _weigh(part)
            cost += times * of_part[0]
            letters += times * of_part[1]
            other_letters += times * of_part[2]
    return Measure(-(-cost // 100), letters, other_letters)


def slices(text: str, least: int = SLICE) -> Iterator[tuple[int, int]]:
    """The beginnings and ends of pieces in which no run is cut, of so many characters at least but for the last."""
    start = 0
    while start < len(text):
        cut = None if start + least >= len(text) else _CUT.search(text, start + least)
        end = cut.end() if cut else len(text)
        yield start, end
        start = end


def _is_encoded(run: str) -> bool:
    """Whether it is one of base64, hex and the like, not words or numbers."""
    return len(run) >= _LONG and bool(_ASCII_LETTER.search(run)) and bool(_ASCII_DIGIT.search(run))


def _weigh(run: str) -> tuple[int, int, int]:
    """Hundredths of a token, letters, and letters of another script in one run."""
    length = len(run)
    if _is_encoded(run):
        return _ENCODED * length, len(_ASCII_LETTER.findall(run)), 0
    kind = _kind(run)
    if kind == _WORDS:
        return _WORD + _LETTER_PAST_SIX * max(0, length - 6), length, 0
    if kind == _DIGITS:
        return _DIGIT * length, 0, 0
    if kind == _MARKS:
        return _MARK * length, 0, 0
    if kind == _BLANKS:
        return _SPACES * (1 + length // _SPACES_A_TOKEN), 0, 0
    if kind == _LINE_END:
        return _NEWLINE, 0, 0
    if kind < _FIRST_SCRIPT + len(_SCRIPTS):
        weight, is_other, _ = _SCRIPTS[kind - _FIRST_SCRIPT]
        letters = sum(map(str.isalpha, run))
        return weight * length, letters, letters if is_other else 0
    letters = sum(map(str.isalpha, run))
    return _OTHER * length, letters, letters


def _kind(run: str) -> int:
    """The number of the pattern that this run is one of."""
    match = _patterns()[2].match(run)
    return match.lastindex if match is not None and match.lastindex is not None else len(_RUNS)
