"""In words, where a text goes that is sent to an endpoint."""

from __future__ import annotations

from typing import NamedTuple

from tui_chat.core.address import place_of
from tui_chat.core.settings import Endpoint
from tui_chat.services.reaching import Reach, reach
from tui_chat.ui.text import clean_line


class Whereto(NamedTuple):
    """How far a text travels, short and as a sentence."""

    reach: Reach
    short: str
    sentence: str


def host_of(endpoint: Endpoint) -> str:
    """``127.0.0.1:11434``; empty where the address has no host (yet)."""
    return place_of(endpoint.base_url)


def whereto(endpoint: Endpoint, model: str = "", runs_at: str = "") -> Whereto:
    """``local · 127.0.0.1:11434``, and what that means.

    ``runs_at`` is the host that the endpoint's server hands a model's texts on to, where it said so.
    """
    host = host_of(endpoint)
    here = reach(endpoint)
    far = Reach.CLOUD if runs_at else reach(endpoint, model)
    if far is not here:
        cloud = clean_line(runs_at) or "Ollama's cloud"
        return Whereto(
            far,
            f"cloud · {cloud}",
            f"Texts go to {cloud}, over the internet: the server at {host} hands them on.",
        )
    match far:
        case Reach.BUILT_IN:
            return Whereto(
                far, "built in, not an AI", "Answers from the guide: not an AI; nothing leaves this program."
            )
        case Reach.LOCAL:
            return Whereto(far, f"local · {host}", f"Texts stay on this computer ({host}).")
        case Reach.LAN:
            return Whereto(far, f"LAN · {host}", f"Texts go to {host}, on your own network.")
        case _:
            return Whereto(far, f"cloud · {host}", f"Texts go to {host}, over the internet.")
