"""What retrieval found: messages in the order of their relevance to a draft."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from tui_chat.core.clock import Millis
from tui_chat.core.models import Role


def twin_of(text: str) -> int:
    """64 bits, the same for the same text in every process."""
    return int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=8).digest())


class Hit(NamedTuple):
    """A message that was found, ``score`` above 0, the more the better; ``tokens`` and ``lines`` are its text's.

    Two texts that are the same have the same ``twin``. ``conversation`` is the title of the other
    conversation it comes from, None where it is the one on show.
    """

    id: str
    score: float
    role: Role
    created_at: Millis
    tokens: int
    lines: int
    twin: int = 0
    conversation: str | None = None
