"""Big pasted texts, kept out of the editor and standing in it as a token of one line."""

from __future__ import annotations

import re

MOST_CHARACTERS = 20_000
"""An editor with more in it gets slow: a key in a line of a million characters costs 0.8 s (measured)."""

MOST_LINES = 300

_SMALL_CHARACTERS = 1_000
_SMALL_LINES = 20
_ENDS = 200

_TOKEN = re.compile(r"\[pasted #\d+ [^\]\n]*\]")


class PastedBlocks:
    """The blocks of one prompt. A block counts as long as its token stands whole in the editor's text."""

    def __init__(self) -> None:
        self._blocks: dict[str, str] = {}

    def belongs_outside(self, pasted: str, beside: str) -> bool:
        """Whether a paste is too much for the editor together with what is in it."""
        lines = pasted.count("\n")
        if len(pasted) <= _SMALL_CHARACTERS and lines <= _SMALL_LINES:
            return False
        return len(pasted) + len(beside) > MOST_CHARACTERS or lines + beside.count("\n") > MOST_LINES

    def keep(self, block: str, beside: str) -> str:
        """Keep the block; the token that stands for it, unlike any in ``beside``."""
        number = len(self._blocks) + 1
        while f"[pasted #{number} " in beside or any(token.startswith(f"[pasted #{number} ") for token in self._blocks):
            number += 1
        token = f"[pasted #{number} {_size(block)}, {_lines(block)}]"
        self._blocks[token] = block
        return token

    def fold(self, text: str, beside: str = "") -> str:
        """A text as the editor may hold it: a big one keeps its first and last words and a token for the rest."""
        if not self.belongs_outside(text, beside):
            return text
        head = "".join(text[:_ENDS].splitlines(keepends=True)[:3])
        tail = "".join(text[-_ENDS:].splitlines(keepends=True)[-3:])
        return head + self.keep(text[len(head) : len(text) - len(tail)], beside + text) + tail

    def expand(self, text: str) -> str:
        """The text with every block at the place of its token."""
        return _TOKEN.sub(lambda match: self._blocks.get(match[0], match[0]), text) if self._blocks else text

    def places(self, line: str) -> list[tuple[int, int]]:
        """Where whole tokens stand in a line, as start and end."""
        if not self._blocks:
            return []
        return [match.span() for match in _TOKEN.finditer(line) if match[0] in self._blocks]

    def clear(self) -> None:
        """Forget all blocks."""
        self._blocks.clear()


def _size(text: str) -> str:
    size = len(text.encode(errors="replace"))
    if size < 1_000:
        return f"{size} bytes"
    return f"{size / 1_000:.0f} kB" if size < 999_500 else f"{size / 1_000_000:.1f} MB"


def _lines(text: str) -> str:
    number = len(text.splitlines())
    return "1 line" if number == 1 else f"{number:,} lines"
