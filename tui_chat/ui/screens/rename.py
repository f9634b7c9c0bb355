"""Gives a conversation another title."""

from __future__ import annotations

from tui_chat.ui.forms import LineScreen

LONGEST = 200
"""Characters in a title."""


class RenameScreen(LineScreen):
    """The new title; None where it stays as it is."""

    def __init__(self, title: str) -> None:
        super().__init__("Rename the conversation", title, check=_problem)


def _problem(title: str) -> str:
    if not title:
        return "A title needs at least one character."
    if len(title) > LONGEST:
        return f"That is {len(title) - LONGEST} characters too long for a title."
    return ""
