"""What the memory strategies are called on the screen, and what each means to a person."""

from __future__ import annotations

from collections.abc import Mapping

STRATEGIES: Mapping[str, tuple[str, str]] = {
    "window": ("Window", "the newest messages, in whole exchanges; older ones are not sent"),
    "full": ("Everything", "all messages, or nothing where they do not fit"),
    "summary": ("Summary", "the newest messages; older ones as a summary that you see and may edit"),
    "retrieval": ("Retrieval", "the newest messages, and older ones that fit what you ask"),
}
"""A name and what it means, the default first."""
