"""In words, where a text goes that is sent to an endpoint."""

from __future__ import annotations

from typing import NamedTuple

from tui_chat.core.address import place_of
from tui_chat.core.settings import Endpoint
from tui_chat.services.endpoints import Reach, reach


class Whereto(NamedTuple):
    """How far a text travels, short and as a sentence."""

    reach: Reach
    short: str
    sentence: str


def host_of(endpoint: Endpoint) -> str:
    """``127.0.0.1:11434``; empty where the address has no host (yet)."""
    return place_of(endpoint.base_url)


def whereto(endpoint: Endpoint) -> Whereto:
    """``local · 127.0.0.1:11434``, and what that means."""
    host = host_of(endpoint)
    try:
        far = reach(endpoint)
    except ValueError:
        far = Reach.CLOUD
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
