"""What stands where nothing was said yet."""

from __future__ import annotations

from textual.content import Content

from tui_chat.core.models import ModelRef
from tui_chat.services.endpoints import GUIDE_MODEL

_FIRST = (
    "Type a prompt and press enter.",
    "Everything you write and everything that is answered is kept, encrypted, on this computer.",
)
_WITHOUT_MODEL = (
    "No model is connected yet. What answers now is the built-in offline guide: it is not an AI,",
    "and nothing leaves this computer.",
    "",
    "ctrl+o  connect a model: a server on this computer, on your network, or a service with a key",
    "f1      the keys and the guide",
)
_WITH_MODEL = ("ctrl+o  another model      f1  the keys and the guide      ctrl+p  every action by name",)


def welcome(model: ModelRef | None, found: str = "") -> Content:
    """The first words: what this is, what would answer, and how to go on."""
    lines = [*_FIRST, "", *(_WITHOUT_MODEL if model in (None, GUIDE_MODEL) else _WITH_MODEL)]
    if found:
        lines += ["", found]
    return Content.assemble(Content("tui_chat").stylize("bold $text-primary"), "\n\n", "\n".join(lines))
