"""What the search index holds of a text, and how a query asks for it. Pure; never raises on any text.

The index's tokenizer (SQLite FTS5, ``unicode61 remove_diacritics 2``) makes one word of a whole run of
Han, kana or Hangul. So those runs are written as overlapping pairs, and the last character again by
itself: ``日本語`` is ``日本 本語 語``. Then any part of a run is found, a single character included.
"""

from __future__ import annotations

import re
import unicodedata

_SCRIPTS = (
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3100-\u312f\u31a0-\u31bf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Bopomofo, Han
)
_RUN = re.compile(f"[{_SCRIPTS}]+")


def indexed(text: str) -> str:
    """The form of a text that is put into the index; usually the text itself."""
    text = _cleaned(text)
    return text if text.isascii() else _RUN.sub(lambda run: f" {_whole(run[0])} ", text)


def match(query: str, *, beginnings: bool = False) -> str:
    """The FTS5 expression for a text in which all words of ``query`` occur; empty where it has none.

    With ``beginnings`` a word need only begin so. Every word is quoted: nothing in it is syntax.
    """
    phrases = (_phrase(word, beginning=beginnings) for word in _words(query))
    return " AND ".join(dict.fromkeys(phrases))


def excerpt(text: str, query: str, *, length: int = 120) -> str:
    """About ``length`` characters of a text on one line, around the first word of the query in it."""
    place = _place(text, _words(query))
    start = max(0, place - length // 3)
    if start:
        space = text.find(" ", start, place)
        start = start if space < 0 else space + 1
    piece = text[start : start + length]
    if start + length < len(text) and (space := piece.rfind(" ")) > length * 2 // 3:
        piece = piece[:space]
    line = " ".join(piece.split())
    return ("…" if start else "") + line + ("…" if start + len(piece) < len(text) else "")


def _cleaned(text: str) -> str:
    """Composed (decomposed Hangul is another script to the tokenizer), and without NUL, where SQL stops reading."""
    text = text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)
    return text.replace("\0", " ")


def _words(query: str) -> list[str]:
    """The words of a query in which the tokenizer finds something, without marks around them."""
    words = []
    for word in _cleaned(query).split():
        places = [place for place, character in enumerate(word) if _is_token(character)]
        if places:
            words.append(word[places[0] : places[-1] + 1])
    return words


def _is_token(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character) == "Co"


def _phrase(word: str, *, beginning: bool) -> str:
    """One word as a quoted phrase. A run at its end may go on in the text, one inside it may not."""
    forms, end = [], 0
    for run in _RUN.finditer(word):
        forms.append(word[end : run.start()])
        last = run.end() == len(word)
        forms.append(_pairs(run[0]) if last and len(run[0]) > 1 else _whole(run[0]))
        beginning = beginning or (last and len(run[0]) == 1)
        end = run.end()
    forms.append(word[end:])
    phrase = " ".join(form for form in forms if form).replace('"', '""')
    return f'"{phrase}"*' if beginning else f'"{phrase}"'


def _whole(run: str) -> str:
    """``日本語`` as ``日本 本語 語``."""
    return f"{_pairs(run)} {run[-1]}".lstrip()


def _pairs(run: str) -> str:
    return " ".join(run[i : i + 2] for i in range(len(run) - 1))


def _place(text: str, words: list[str]) -> int:
    """Where the first of the words stands in the text; 0 where none is found as written."""
    if not words:
        return 0
    pattern = "|".join(_pattern(word) for word in words[:16])
    found = re.search(pattern, text, re.IGNORECASE)
    if found is None:
        # Perhaps with other accents. Only the beginning: folding is slow.
        head = text[:10_000]
        folded = "".join(unicodedata.normalize("NFD", character)[0] for character in head)
        plain = ["".join(unicodedata.normalize("NFD", character)[0] for character in word) for word in words]
        found = re.search("|".join(_pattern(word) for word in plain[:16]), folded, re.IGNORECASE)
    return 0 if found is None else found.start()


def _pattern(word: str) -> str:
    return ("" if _RUN.match(word) else r"(?<!\w)") + re.escape(word)
