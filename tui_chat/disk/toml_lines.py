"""On which line of a TOML text a name stands: the parsers do not say, people need it."""

from __future__ import annotations

import re

_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*"
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]")
_VALUE = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")


def line_of(path: tuple[str, ...], text: str) -> int | None:
    """The line (from 1) where that name is set, or else the nearest table above it; None where it is not seen.

    Good for the tables that a settings file has; a name inside an inline table gets that table's line.
    """
    wanted = ".".join(path).split(".")
    table: list[str] = []
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            here = table = _names(header[1])
        elif value := _VALUE.match(line):
            here = table + _names(value[1])
        else:
            continue
        if here == wanted[: len(here)] and (best is None or len(here) > best[0]):
            best = len(here), number
    return best[1] if best else None


def _names(dotted: str) -> list[str]:
    return ".".join(name.strip().strip("\"'") for name in re.findall(_NAME, dotted)).split(".")
