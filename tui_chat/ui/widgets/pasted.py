"""What the prompt holds beside its text: big blocks that stand in it as a token, and pastes that can be taken back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MOST_CHARACTERS = 20_000
"""An editor with more in it gets slow: a key in a line of a million characters costs 0.8 s (measured)."""

MOST_LINES = 300

_SMALL_CHARACTERS = 1_000
_SMALL_LINES = 20
_ENDS = 200

_MOST_PASTES = 20

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


@dataclass(frozen=True, slots=True)
class Paste:
    """A paste as it came, as it was ``written`` behind so many characters, and what it ``replaced``."""

    text: str = field(repr=False)
    written: str = field(repr=False)
    place: int
    replaced: str = field(repr=False)

    def place_in(self, there: str) -> int | None:
        """Where it stands now; None where it does not, or nobody knows which one it is."""
        if there.startswith(self.written, self.place):
            return self.place
        # Others were taken back before it, or something was typed there.
        return there.index(self.written) if there.count(self.written) == 1 else None


class Pastes:
    """The last few pastes that can be taken back."""

    def __init__(self) -> None:
        self._pastes: list[Paste] = []

    def add(self, paste: Paste) -> None:
        """Remember it; the oldest is forgotten, because nobody drops so many files at once."""
        self._pastes = [*self._pastes, paste][-_MOST_PASTES:]

    def take(self, text: str, *there: str) -> Paste | None:
        """The paste of that text, and forget it; None where it stands in none of the texts that are ``there``."""
        paste = next((each for each in self._pastes if each.text == text), None)
        if paste is not None:
            self._pastes.remove(paste)
        return paste if paste is not None and any(paste.place_in(each) is not None for each in there) else None


def _size(text: str) -> str:
    size = len(text.encode(errors="replace"))
    if size < 1_000:
        return f"{size} bytes"
    return f"{size / 1_000:.0f} kB" if size < 999_500 else f"{size / 1_000_000:.1f} MB"


def _lines(text: str) -> str:
    number = len(text.splitlines())
    return "1 line" if number == 1 else f"{number:,} lines"
