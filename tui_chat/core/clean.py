"""Text that did not come from our source, made safe for a terminal: what every view and the commands show.

Storage, copy and export keep the original; only what is shown is cleaned.
"""

from __future__ import annotations

import re
import unicodedata

from tui_chat.core.models import clean_surrogates

MARKS_PER_BASE = 8
"""Marks that may stand on one base character; living scripts need four, "Zalgo" text uses hundreds."""

_UNSAFE: dict[int, str | None] = {
    # C0 without tab and newline, DEL, C1: escape sequences begin with one of them.
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\ufffd"),
    ord("\t"): "\t",
    ord("\n"): "\n",
    ord("\r"): None,
    # Next line, line and paragraph separator.
    **dict.fromkeys((0x85, 0x2028, 0x2029), "\n"),
    # Bidi controls, zero width space, word joiner, byte order mark, tags: they make text look like other text.
    # U+200C, U+200D and the variation selectors stay: scripts and emoji are written with them.
    **dict.fromkeys(
        (0x061C, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), None
    ),
    **dict.fromkeys(range(0xE0000, 0xE0080), None),
}

_SAFE_ASCII = re.compile(r"[\t\n\x20-\x7e]*")
# Marks are neither letters nor digits, so only such a run can hold too many of them.
_PERHAPS_MARKS = re.compile(rf"[^\w\s\x00-\x7f]{{{MARKS_PER_BASE + 1},}}")


def clean(text: str) -> str:
    """The text without anything a terminal would obey or a reader could not see.

    Control characters (ESC, DEL and C1 among them) and lone surrogates become U+FFFD, carriage
    returns and invisible controls are dropped, every kind of line end is a newline, and at most
    ``MARKS_PER_BASE`` marks stand on one character. Newlines and tabs stay. ``clean(clean(x)) == clean(x)``.
    """
    if text.isascii():
        return text if _SAFE_ASCII.fullmatch(text) else text.translate(_UNSAFE)
    return _PERHAPS_MARKS.sub(_cap_marks, clean_surrogates(text).translate(_UNSAFE))


def clean_line(text: str) -> str:
    """``clean`` for titles and names: newlines and tabs become spaces."""
    return clean(text).replace("\n", " ").replace("\t", " ")


def _cap_marks(run: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if _stands_on_another(character) else 0
        if marks <= MARKS_PER_BASE:
            kept.append(character)
    return "".join(kept)


def _stands_on_another(character: str) -> bool:
    return character in "\u200c\u200d" or unicodedata.category(character) in ("Mn", "Me", "Mc")
