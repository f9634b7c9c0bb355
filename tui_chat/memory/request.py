"""What a plan is asked for: everything a strategy decides on beside the branch itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tui_chat.core.context import ContextPlan
from tui_chat.core.models import MessageHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to come. Room is in tokens; ``max_messages`` counts earlier messages, not the draft.

    ``draft`` None plans without one; ``draft_id`` is its id where it is saved already. A system prompt
    of nothing but white space is none. ``assumed`` says that the context window is a guess.
    ``reserved_for_reply`` None is a quarter of the context window, at most 4,096. ``margin`` None goes
    by the script of the letters (``memory.budget``).
    """

    context_window: int
    max_messages: int = 20
    draft: str | None = None
    draft_id: str | None = None
    system_prompt: str | None = None
    assumed: bool = False
    reserved_for_reply: int | None = None
    margin: float | None = None


class Strategy(Protocol):
    """A rule for what is remembered."""

    @property
    def name(self) -> str:
        """The word for it in settings, commands and plans."""

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        """Decide; pure, the payload still empty.

        ``branch`` is the branch on show, oldest first, without the draft.
        """
