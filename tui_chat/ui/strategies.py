"""What the memory strategies are called on the screen, and what each means to a person."""

from __future__ import annotations

from collections.abc import Mapping

STRATEGIES: Mapping[str, tuple[str, str]] = {
    "window": ("Window", "the newest messages, in whole exchanges; no older ones"),
    "full": ("Everything", "all messages, or nothing where they do not fit"),
    "summary": ("Summary", "the newest, and of older ones a summary that you read first"),
    "retrieval": ("Retrieval", "the newest messages, and older ones that fit what you ask"),
}
"""A name and what it means, the default first."""
