"""Code blocks: a bar, a quiet background, the language's name, and colours where they are affordable."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from tui_chat.core.clean import clean_line
from tui_chat.ui.markdown.inks import Inks
from tui_chat.ui.markdown.lines import TAB, Line, Run, crop, fold, prefixed

if TYPE_CHECKING:
    from markdown_it.token import Token

COLOUR_LIMIT = 200_000
"""Characters of code above which it stays plain: a lexer reads about one million a second."""

CHUNK = 100
"""Lines of an open code block that are settled at a time; at most twice as many are drawn again."""

_BAR = "│ "


def load_colours() -> None:
    """Import what colouring needs (about 30 ms): call it in a thread, before that code is plain."""
    import pygments.lexers  # noqa: F401


def colours_are_loaded() -> bool:
    """Whether code is coloured by now."""
    return "pygments.lexers" in sys.modules


def fence(code: str, language: str, width: int, inks: Inks, *, label: bool = True) -> list[Line]:
    """The code's lines, ``width`` cells wide. Colours never change where a line breaks."""
    code = code.rstrip("\n").expandtabs(TAB)
    inside = max(1, width - len(_BAR) - 1)
    lines = [
        line.padded(inside + 1, inks.block)
        for runs in _coloured(code, language.lower(), inks)
        for line in fold(runs, inside)
    ]
    if label and language:
        lines.insert(0, _label(language, inside, inks))
    return prefixed(lines, _BAR, _BAR, inks.block_dim)


def language_of(info: str) -> str:
    """The language that a fence's info string names, if any."""
    return next(iter(clean_line(info).replace("{", " ").replace("}", " ").split()), "").removeprefix(".")


class OpenFence:
    """A code block whose last line has not come yet; it is not parsed, only watched for its end."""

    @classmethod
    def opened_by(cls, token: Token, text: str, width: int, inks: Inks) -> OpenFence | None:
        """The code block that this token opens at the beginning of the text, unless it ends there too.

        One that is indented is left to the parser: it takes the indent off, tabs and all.
        """
        start = text.find("\n") + 1
        if token.type != "fence" or not text.startswith(token.markup) or not start:
            return None
        fence = cls(token, start, width, inks)
        return None if fence._end.search(text, start) else fence

    def __init__(self, token: Token, start: int, width: int, inks: Inks) -> None:
        self.start = start
        """Where its code begins."""
        self.lines: list[Line] = []
        """What it shows, as far as it was read."""
        self._language = language_of(token.info)
        self._end = re.compile(rf"^ {{0,3}}{token.markup[0]}{{{len(token.markup)},}}[ \t]*\n", re.MULTILINE)
        self._width = width
        self._inks = inks
        self._settled_lines: list[Line] = []
        self._settled = 0

    @property
    def is_exact(self) -> bool:
        """Whether it is drawn in one piece, so that the lexer saw all of it."""
        return not self._settled

    def read(self, code: str) -> int | None:
        """Draw the code, all that has come so far; where it ends, the place behind its last line."""
        if end := self._end.search(code, self._settled):
            self.lines = self._draw(code[: end.start()], label=True)
            return end.end()
        while (cut := _end_of_line(code, self._settled, 2 * CHUNK)) and cut < len(code):
            cut = _end_of_line(code, self._settled, CHUNK)
            self._settled_lines += self._draw(code[self._settled : cut], label=not self._settled)
            self._settled = cut
        rest = code[self._settled :]
        unfinished = rest[rest.rfind("\n") + 1 :]
        if not unfinished.strip() or self._end.match(unfinished + "\n"):
            rest = rest.removesuffix(unfinished)
        self.lines = self._settled_lines + self._draw(rest, label=not self._settled)
        return None

    def _draw(self, code: str, *, label: bool) -> list[Line]:
        return fence(code, self._language, self._width, self._inks, label=label)


def _end_of_line(text: str, start: int, count: int) -> int:
    """The place behind so many lines from ``start``; 0 where there are fewer."""
    for _ in range(count):
        start = text.find("\n", start) + 1
        if not start:
            return 0
    return start


def _label(language: str, width: int, inks: Inks) -> Line:
    name = crop(language, max(1, width - 1))
    space = max(0, width - cell_len(name))
    segments = (Segment(" " * space, inks.block), Segment(name, inks.block_dim), Segment(" ", inks.block))
    return Line(segments, space + cell_len(name) + 1, 0, None)


def _coloured(code: str, language: str, inks: Inks) -> Iterator[list[Run]]:
    """The runs of each line of code."""
    lexer = _lexer(language) if language and colours_are_loaded() and len(code) < COLOUR_LIMIT else None
    if lexer is None:
        for line in code.split("\n"):
            yield [(line, inks.block)] if line else []
        return
    runs: list[Run] = []
    styles: dict[Any, Style] = {}
    for kind, text in lexer.get_tokens(code):
        if (style := styles.get(kind)) is None:
            style = styles[kind] = _style_of(str(kind), inks.syntax, inks.block)
        first, *others = text.split("\n")
        if first:
            runs.append((first, style))
        for part in others:
            yield runs
            runs = [(part, style)] if part else []
    yield runs


@lru_cache(maxsize=64)
def _lexer(language: str) -> Any:
    """Pygments' lexer for a name that a model wrote; None where there is none."""
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _style_of(kind: str, syntax: Mapping[str, Style], plain: Style) -> Style:
    """The style of ``Token.Name.Function.Magic`` is that of its nearest known ancestor."""
    name = kind.removeprefix("Token.")
    while name:
        if name in syntax:
            return syntax[name]
        name = name.rpartition(".")[0]
    return plain
