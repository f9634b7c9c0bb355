"""What retrieval looks for: the words of a draft that say what it is about. Pure; never raises on any text."""

from __future__ import annotations

import unicodedata

from tui_chat.core.search_text import indexed

FEW = 3
"""With fewer words than this a draft may say too little by itself ("And the second one?")."""

OWN_WEIGHT = 3
"""How often a draft's own words count then for one of the prompt before: a short question may well say all.
Counted alike, they hid 4 to 9 points of what questions of two words find."""

MOST_CHARACTERS = 100_000
"""Of a longer text only the beginning and the end are looked at: a question stands before or behind its matter."""

# The commonest words of some languages, as far as they mean little in the others: "die", "war" and "mit"
# are content in English. What is missing here costs little: the ranking weighs a common word lightly.
_ENGLISH = """
a about after again all also am an and any are as at be been before being but by can could d did do does doing don
done down during each few for from further get give had has have having he her here hers him his how i if in into is
it its just know ll m many me mention mentioned more most much my no nor not now of off on once one only or other our
ours out over own please re recall remember remind s said same say she should so some such t tell than thank thanks
that the their theirs them then there these they this those through to told too under until up us ve very was we were
what when where which while who whom whose why will with would yes you your yours
"""
_OTHERS = """
aber auch auf bei das dem der du ein eine einen einer für haben habe hat ich ihr ist mein meine mich mir nicht noch
oder sich sie sind und von wann warum wie wir wo wurde zu zum zur au aux avec dans elle et il je la le les mais nous
pas qu que qui quoi sont une vous às como com cuál de del el ella en era es está esto ho las lo los nel non não
para però pero por qué se sono su também um uma una uno y yo в вы где для его если за и из как когда кто мне мы на не
но о он она они от по с так там ты у что это я
"""
_PAIRS = """
我们 你们 他们 这个 那个 什么 怎么 可以 没有 一个 です ます した して ない この その から まで こと 그리 리고 습니 니다
"""
STOP_WORDS = frozenset(f"{_ENGLISH} {_OTHERS} {_PAIRS}".split())


def terms_of(draft: str, previous_prompt: str | None = None) -> tuple[str, ...]:
    """The words to look for, in lower case; Han, kana and Hangul as pairs of characters.

    Where the draft has fewer than three words of content, those of the user's ``previous_prompt`` come
    behind them, and its own stand there as often as they count. Where there is no word of content at
    all, the others are looked for. Empty only for texts without a letter or digit.
    """
    words = words_of(draft)
    content = _content(words)
    if len(content) >= FEW or previous_prompt is None:
        return content or tuple(dict.fromkeys(words))
    more = words_of(previous_prompt)
    helping = tuple(word for word in _content(more) if word not in content)
    return content * (OWN_WEIGHT if helping else 1) + helping or tuple(dict.fromkeys(words + more))


def words_of(text: str) -> list[str]:
    """The words of a text as the index knows them, marks around and in them left out."""
    if len(text) > MOST_CHARACTERS:
        text = f"{text[: MOST_CHARACTERS // 2]} {text[-MOST_CHARACTERS // 2 :]}"
    form = indexed(text).lower()
    # Not "\w+": it parts Indic words at their vowel signs.
    marks = [mark for mark in set(form) if not (mark.isalnum() or unicodedata.category(mark).startswith("M"))]
    words = form.translate(dict.fromkeys(map(ord, marks), " ")).split()
    return [word for before, word in zip(["", *words], words, strict=False) if not _is_nothing(before, word)]


def _is_nothing(before: str, word: str) -> bool:
    """Whether it is the last character of a run again, as ``indexed`` writes it, or without a letter."""
    if len(word) == 1 and len(before) == 2 and before[1] == word:
        return indexed(word) != word
    return not any(map(str.isalnum, word))


def _content(words: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word not in STOP_WORDS))
