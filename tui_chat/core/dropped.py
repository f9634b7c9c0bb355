"""Names of files in a pasted text: a terminal pastes them where files are dropped on it, each in its own way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote

MOST_TEXT = 8_000
"""Characters: a longer text is no list of names."""

MOST_NAMES = 20

_ESCAPED = re.compile(r"""(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"\\])+""", re.DOTALL)
"""A word as a shell reads it: GNOME quotes, macOS escapes. An escaped line end is one in the name."""

_QUOTED = re.compile(r"""(?:'[^']*'|"[^"]*"|[^\s'"])+""")
"""A word in which a backslash is nothing but that: Windows."""

_ESCAPES = re.compile(r"""\\(?P<one>.)|'(?P<plain>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)\"""", re.DOTALL)
_IN_DOUBLE = re.compile(r'\\([$`"\\])')
_QUOTES = re.compile(r"""'([^']*)'|"([^"]*)\"""")

_FULL = re.compile(r"/|~/|[A-Za-z]:[/\\]")
_URI = re.compile(r"file://(?:localhost)?(?=/)", re.IGNORECASE)


def may_be_dropped(text: str) -> bool:
    """Whether this could be names of files and nothing else; it looks at no disk."""
    return bool(readings(text))


def readings(text: str) -> Sequence[Sequence[str]]:
    """The ways to read this as full names of files, the likeliest first; empty where there is none.

    Quoted or escaped as for a shell, quoted as on Windows, as a whole, or one a line; ``file:`` URIs are decoded.
    """
    if len(text) > MOST_TEXT or not text.strip():
        return ()
    found: dict[tuple[str, ...], None] = {}
    # Terminals paste each line end as a CR; one that stands in a name may be either.
    for each in dict.fromkeys((text, re.sub(r"\r\n?", "\n", text))):
        lines = tuple(line.strip() for line in re.split(r"[\r\n]+", each) if line.strip())
        for words in (_words(each, _ESCAPED, _unescaped), _words(each, _QUOTED, _unquoted), (each,), lines):
            if 0 < len(words) <= MOST_NAMES and all(map(_is_full, named := tuple(map(_decoded, words)))):
                found[named] = None
    return tuple(found)


def _words(text: str, word: re.Pattern[str], undo: Callable[[str], str]) -> tuple[str, ...]:
    """The words without their quotes; none where the text is not made of such words."""
    words: list[str] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
        elif len(words) < MOST_NAMES and (found := word.match(text, place)):
            words.append(undo(found[0]))
            place = found.end()
        else:
            return ()
    return tuple(words)


def _unescaped(word: str) -> str:
    def undo(found: re.Match[str]) -> str:
        if found["double"] is not None:
            return _IN_DOUBLE.sub(r"\1", found["double"])
        return found["one"] or found["plain"] or ""

    return _ESCAPES.sub(undo, word)


def _unquoted(word: str) -> str:
    return _QUOTES.sub(lambda found: found[1] or found[2] or "", word)


def _decoded(name: str) -> str:
    """The path of a ``file:`` URI of this computer; any other text as it is."""
    found = _URI.match(name)
    return name if found is None else unquote(name[found.end() :], errors="surrogateescape")


def _is_full(name: str) -> bool:
    return _FULL.match(name) is not None
