"""How far a text travels that is sent to a model."""

from __future__ import annotations

from enum import StrEnum

from tui_chat.core.address import is_address, read_address
from tui_chat.core.settings import Endpoint


class Reach(StrEnum):
    """Where a text goes that is sent to an endpoint."""

    BUILT_IN = "built-in"
    LOCAL = "local"
    LAN = "LAN"
    CLOUD = "cloud"


HERE = (Reach.BUILT_IN, Reach.LOCAL)
"""What does not leave this computer."""

_NEAR = (".local", ".lan", ".home.arpa", ".internal")
"""Ends of names that no public server can have."""


def reach(endpoint: Endpoint, model: str = "") -> Reach:
    """Judged by the address as it is written, and by the model's name; a name that does not say is the cloud."""
    if endpoint.dialect == "guide":
        return Reach.BUILT_IN
    if not is_address(endpoint.base_url) or is_cloud_model(model):
        return Reach.CLOUD
    address = read_address(endpoint.base_url)
    if address.loopback:
        return Reach.LOCAL
    return Reach.LAN if address.private or address.host.endswith(_NEAR) else Reach.CLOUD


def is_cloud_model(name: str) -> bool:
    """Whether Ollama hands what is sent to a model of that name on to its cloud: ``gpt-oss:120b-cloud``.

    In every dialect, because Ollama answers in three of them.
    """
    _, colon, tag = name.casefold().rpartition(":")
    return bool(colon) and (tag == "cloud" or tag.endswith("-cloud"))
