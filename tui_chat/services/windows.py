"""How many tokens a model takes, as far as neither the user nor its server says."""

from __future__ import annotations

from dataclasses import dataclass

from tui_chat.core.address import is_address, read_address
from tui_chat.core.settings import Endpoint, is_context_window


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """How many tokens a model takes, and whether that is only assumed."""

    tokens: int
    assumed: bool


ASSUMED_CONTEXT_WINDOW = 8192
"""Tokens to go by where nothing is known."""

ASSUMED = ContextWindow(ASSUMED_CONTEXT_WINDOW, assumed=True)

OLLAMA = ContextWindow(4096, assumed=True)
"""The same for Ollama, which is asked for so many with every request: its own default on most computers."""


def unsaid_window(endpoint: Endpoint | None, name: str) -> ContextWindow:
    """The shipped table's figure for a model at that address, else an assumed one; reads a file.

    Never the table's for Ollama: what a model can take is no reason to have a server take memory for it.
    """
    if endpoint is not None and endpoint.dialect == "ollama":
        return OLLAMA
    if endpoint is None or endpoint.dialect == "guide" or not is_address(endpoint.base_url):
        return ASSUMED
    # Imported here: only a model whose server does not say needs the table.
    from tui_chat.core import catalogue

    facts = catalogue.find(name, endpoint_host=read_address(endpoint.base_url).host)
    listed = facts.context_window if facts else None
    return ContextWindow(listed, assumed=False) if listed and is_context_window(listed) else ASSUMED
