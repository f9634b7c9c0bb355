"""A summary of the older part of a conversation: a derived text that says what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tui_chat.core.clock import Millis
from tui_chat.core.models import MessageHeader


class Source(NamedTuple):
    """A message that a summary was made from, and what shows that it still is what it was.

    A finished message never changes under its id, so its measures stand for its text.
    """

    id: str
    characters: int
    tokens: int

    @classmethod
    def of(cls, header: MessageHeader) -> Source:
        """The source that this message is now."""
        return cls(header.id, header.characters, header.tokens)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the model said of ``sources`` (oldest first), or the user after it (``edited``).

    ``tokens`` is the estimate of ``text``; ``pieces`` how many requests it took; ``prompt_version``
    which wording asked for it.
    """

    id: str
    text: str
    sources: tuple[Source, ...]
    model: str
    made_at: Millis
    tokens: int
    edited: bool = False
    pieces: int = 1
    prompt_version: int = 1
