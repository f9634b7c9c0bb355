"""Branches for the index, and the way it is given them."""

from __future__ import annotations

from collections.abc import Sequence

from tui_chat.core.models import Role
from tui_chat.core.ports import Passage, Recall
from tui_chat.core.tokens import measure

HOUR = 3_600_000
NOON = 1_777_809_600_000  # 3 May 2026, 12:00 UTC


def passage(id: str, text: str, at: int = NOON) -> Passage:
    return Passage(id, Role.USER, at, measure(text).tokens, len(text.splitlines()), text)


def branch(*texts: str, name: str = "m", every: int = 60_000) -> list[Passage]:
    """Messages ``m0``, ``m1``, ..., a minute after each other."""
    return [passage(f"{name}{number}", text, NOON + number * every) for number, text in enumerate(texts)]


async def put(index: Recall, passages: Sequence[Passage]) -> int:
    """Make the index hold this branch as a service does; how many messages it had to be given."""
    ids = [each.id for each in passages]
    missing = index.missing(ids)
    given = passages[len(passages) - len(missing) :]
    assert [each.id for each in given] == list(missing)
    await index.hold(ids, given)
    return len(given)


async def ids_found(index: Recall, *terms: str) -> list[str]:
    return [hit.id for hit in await index.rank(terms)]
