"""Memory strategies: what the model gets to see of a conversation, decided purely and told honestly.

A plan is decided on headers alone, so a conversation of ten thousand messages needs no texts; the
texts of what is sent are filled in afterwards (``with_payload``). Units - a user message and what
follows it - are sent whole or not at all: a window never begins with an answer to nothing. What it
costs: up to one unit of room stays unused.

A new strategy is one module with one class, and one line in ``STRATEGIES``.
"""

from __future__ import annotations

from tui_chat.core.errors import BadInput
from tui_chat.memory.full import FullHistory
from tui_chat.memory.payload import sent_hashes, sent_ids, with_payload
from tui_chat.memory.request import Request, Strategy
from tui_chat.memory.retrieval import Retrieval
from tui_chat.memory.summary import Summarised
from tui_chat.memory.window import RollingWindow

__all__ = ["STRATEGIES", "Request", "Strategy", "sent_hashes", "sent_ids", "strategy", "with_payload"]

STRATEGIES: tuple[Strategy, ...] = (RollingWindow(), FullHistory(), Summarised(), Retrieval())
"""Every strategy, the default first."""


def strategy(name: str) -> Strategy:
    """The strategy of that name. Raises BadInput for an unknown one."""
    for known in STRATEGIES:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in STRATEGIES)
    raise BadInput("There is no memory strategy of that name.", hint=f"Choose one of: {names}.")
