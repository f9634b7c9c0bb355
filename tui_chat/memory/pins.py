"""Pins: units that the user wants sent always, as far as there is room for them."""

from __future__ import annotations

from collections.abc import Sequence

from tui_chat.memory.units import Unit


def pins_that_fit(units: Sequence[Unit], room: int | None) -> tuple[frozenset[int], int]:
    """Which units are sent as pins (their starts), and what they cost; ``room`` None is boundless.

    The newest come first, so a pin never loses its place to an older one. One that does not fit
    is passed over: a smaller one before it may.
    """
    sent = set()
    spent = 0
    for unit in reversed(units):
        if unit.pinned and (room is None or spent + unit.tokens <= room):
            sent.add(unit.start)
            spent += unit.tokens
    return frozenset(sent), spent
