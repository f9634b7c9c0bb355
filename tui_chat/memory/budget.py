"""Room for a request: the token budget, and the parts of it that are sent whatever is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from tui_chat.core.context import PlanError, TokenBudget
from tui_chat.core.models import MessageHeader
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS, Measure, measure
from tui_chat.memory.request import Request

LATIN_MARGIN = 0.40
OTHER_MARGIN = 1.00
"""Shares by which an estimate may be too low before the server's own counts correct it. The worst seen on
whole requests over five current vocabularies: 37 % of the estimate for Latin text (German), 92 % for Hindi."""

OTHER_SHARE = 0.30
"""Above this share of letters that are not Latin the larger margin holds."""

LARGEST_DEFAULT_RESERVE = 4096
SMALLEST_SHRUNK_RESERVE = 256


@dataclass(frozen=True, slots=True)
class Fixed:
    """The budget and what is sent in any case. Tokens are None for a part that is not there."""

    budget: TokenBudget
    system: int | None
    draft: int | None
    error: PlanError | None

    @property
    def tokens(self) -> int:
        """What the request costs before anything is remembered."""
        return REQUEST_TOKENS + (self.system or 0) + (self.draft or 0)

    @property
    def room(self) -> int:
        """What is left for earlier messages."""
        return self.budget.input - self.tokens


def fixed_parts(branch: Sequence[MessageHeader], request: Request) -> Fixed:
    """Measure the parts that are always sent, make the budget, and say where they do not fit it."""
    system = measure(request.system_prompt or "")
    draft = measure(request.draft or "")
    budget = _budget(request, _margin(branch, system, draft) if request.margin is None else request.margin)
    fixed = Fixed(
        budget,
        system.tokens + MESSAGE_TOKENS if (request.system_prompt or "").strip() else None,
        draft.tokens + MESSAGE_TOKENS if request.draft is not None else None,
        None,
    )
    return Fixed(budget, fixed.system, fixed.draft, _error(fixed, request))


def _budget(request: Request, margin: float) -> TokenBudget:
    window = request.context_window
    reserve = request.reserved_for_reply
    if reserve is None:
        reserve = min(LARGEST_DEFAULT_RESERVE, window // 4)
    # A reserve made for a larger model gives way until a quarter of the window is free for the
    # request. A harder rule (only where it exceeds the window) would send less into a larger window.
    reserve = max(0, min(reserve, max(SMALLEST_SHRUNK_RESERVE, window - window // 4)))
    return TokenBudget(
        context_window=window,
        assumed=request.assumed,
        reserved_for_reply=reserve,
        margin=margin,
        input=max(0, floor((window - reserve) / (1 + margin))),
    )


def _margin(branch: Sequence[MessageHeader], *more: Measure) -> float:
    """By the script of the whole branch, sent or not: so it does not move with the window."""
    letters = sum(header.letters for header in branch) + sum(text.letters for text in more)
    other = sum(header.other_letters for header in branch) + sum(text.other_letters for text in more)
    return OTHER_MARGIN if other > OTHER_SHARE * letters else LATIN_MARGIN


def _error(fixed: Fixed, request: Request) -> PlanError | None:
    if request.draft is not None and not request.draft.strip():
        return PlanError("empty_draft")
    if fixed.budget.input < REQUEST_TOKENS:
        return PlanError("no_room", needed=fixed.budget.reserved_for_reply + fixed.tokens, room=request.context_window)
    if fixed.room < 0:
        parts = (("system prompt", fixed.system), ("this message", fixed.draft))
        named = " and ".join(name for name, tokens in parts if tokens is not None)
        return PlanError("fixed_over_budget", needed=fixed.tokens, room=fixed.budget.input, parts=named)
    return None
