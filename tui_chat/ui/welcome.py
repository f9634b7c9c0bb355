"""What stands where nothing was said yet."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from tui_chat.core.address import place_of
from tui_chat.core.clean import clean_line
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import FoundServer
from tui_chat.core.settings import GUIDE_MODEL, Endpoint

MOST_NAMED = 4

_FIRST = """\
Type a prompt and press enter. Everything you write, and everything that is answered, is kept on this \
computer, encrypted."""

_WITHOUT_MODEL = """\
No model is connected yet. What answers now is the built-in offline guide: it is not an AI, and nothing \
leaves this computer. (Try /sample.)"""

_ONLY_GUIDE = """\
Until then the built-in offline guide answers: it is not an AI, and nothing leaves this computer."""

_KEYS = (
    ("ctrl+o", "connect a model: a server here or elsewhere, a service with a key, or a model file"),
    ("f1", "the keys and the guide"),
    ("ctrl+p", "every action, by name"),
)


def welcome(
    model: ModelRef | None,
    found: Sequence[FoundServer] | None,
    files: int | None = None,
    ready: Sequence[Endpoint] = (),
) -> Content:
    """The first words: what this is, what would answer, what was found here, how to go on.

    ``found`` are servers, ``files`` is how many model files there are (None: not yet known), ``ready`` the
    endpoints that only wait for a model to be chosen.
    """
    parts: list[str | Content] = [Content("tui_chat").stylize("bold $text-primary"), "\n\n", _FIRST]
    if model in (None, GUIDE_MODEL) and ready:
        parts += ["\n\n", _ready(ready), "\n\n", _ONLY_GUIDE]
    elif model in (None, GUIDE_MODEL):
        parts += ["\n\n", _WITHOUT_MODEL, "\n\n", _found(found), "\n", _files(files)]
    parts.append("\n")
    for key, meaning in _KEYS:
        parts += ["\n", Content(f"{key:<8}").stylize("bold $text-accent"), meaning]
    return Content.assemble(*parts)


def _ready(endpoints: Sequence[Endpoint]) -> str:
    """The way for who has a key in the environment, or endpoints in the settings."""
    one = len(endpoints) == 1
    names = ", ".join(f"{each.name} ({place_of(each.base_url)})" for each in endpoints[:MOST_NAMED])
    more = f" and {len(endpoints) - MOST_NAMED} more" if len(endpoints) > MOST_NAMED else ""
    set_up = "is set up by your environment" if one and endpoints[0].from_environment else "is set up"
    return f"{names}{more} {set_up if one else 'are set up'}: ctrl+o chooses a model."


def _found(found: Sequence[FoundServer] | None) -> str:
    if found is None:
        return "Looking for model servers on this computer…"
    if not found:
        return "No model server is running on this computer's usual ports."
    names = ", ".join(f"{clean_line(each.kind)} at {place_of(each.base_url)}" for each in found)
    return f"Found on this computer: {names}. Nothing is sent there unless you choose it with ctrl+o."


def _files(number: int | None) -> str:
    """The way for who has a model file and no server."""
    way = "ctrl+o, then “open a model file”, runs it here without any server"
    if not number:
        return f"Do you have a model file (GGUF)? {way}."
    what = "a model file" if number == 1 else f"{number} model files"
    return f"Other programs have {what} on this computer: {way}."
