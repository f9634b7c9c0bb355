"""The one door through which foreign text reaches a widget: cleaned, and never parsed as markup."""

from __future__ import annotations

from textual.content import Content

from tui_chat.core.clean import clean, clean_line

__all__ = ["clean", "clean_line", "plain"]


def plain(text: str) -> Content:
    """The text as content that any widget shows literally: square brackets stay square brackets."""
    return Content(clean(text))
