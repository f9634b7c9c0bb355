"""Room for a request: the token budget, and the parts of it that are sent whatever is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor

from tui_chat.core.context import PlanError, TokenBudget
from tui_chat.core.models import MessageHeader, Role
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS, Measure, measure
from tui_chat.memory.request import Request

LATIN_MARGIN = 0.40
OTHER_MARGIN = 1.00
"""Shares by which an estimate may be too low before the server's own counts correct it. The worst seen on
whole requests over five current vocabularies: 37 % of the estimate for Latin text (German), 92 % for Hindi."""

CALIBRATED_MARGIN = 0.05
CALIBRATED_TOOLS_MARGIN = 0.12
"""The same once they correct it. The worst 1 % seen: 4.8 %; the worst of all, with JSON in it: 10 %."""

OTHER_SHARE = 0.30
"""Above this share of letters that are not Latin the larger margin holds."""

MOST_CREDIT = 5
"""At most a fifth of an estimate is taken off it for a last count that was lower."""

LARGEST_DEFAULT_RESERVE = 4096
SMALLEST_SHRUNK_RESERVE = 256


@dataclass(frozen=True, slots=True)
class Fixed:
    """The budget and what is sent in any case. Tokens are None for a part that is not there.

    ``request`` is what the request costs beyond its messages; ``uncorrected`` all of it before the factor.
    ``others`` says that over 30 % of the branch's letters are not Latin.
    """

    budget: TokenBudget
    request: int
    system: int | None
    draft: int | None
    uncorrected: int
    others: bool
    residual: int
    error: PlanError | None

    @property
    def tokens(self) -> int:
        """What the request costs before anything is remembered."""
        return self.request + (self.system or 0) + (self.draft or 0)

    @property
    def room(self) -> int:
        """What is left for earlier messages."""
        return self.budget.input - self.tokens

    def credit(self, tokens: int) -> int:
        """What to add to a request's estimate where the last real count was below its own; never above 0.

        It makes the figure better and no room larger: being wrong here must not cost a refusal.
        """
        return max(self.residual, -tokens // MOST_CREDIT) if self.residual < 0 else 0


def fixed_parts(branch: Sequence[MessageHeader], request: Request) -> Fixed:
    """Measure the parts that are always sent, make the budget, and say where they do not fit it."""
    system = measure(request.system_prompt or "")
    draft = measure(request.draft or "")
    others = _share_of_others(branch, system, draft) > OTHER_SHARE
    margin = _margin(branch, request, others=others) if request.margin is None else request.margin
    of_system = system.tokens + MESSAGE_TOKENS if (request.system_prompt or "").strip() else None
    of_draft = draft.tokens + MESSAGE_TOKENS if request.draft is not None else None
    fixed = Fixed(
        _budget(request, margin),
        request.corrected(REQUEST_TOKENS) + max(0, request.residual),
        None if of_system is None else request.corrected(of_system),
        None if of_draft is None else request.corrected(of_draft),
        REQUEST_TOKENS + (of_system or 0) + (of_draft or 0),
        others,
        request.residual,
        None,
    )
    return replace(fixed, error=_error(fixed, request))


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


def _margin(branch: Sequence[MessageHeader], request: Request, *, others: bool) -> float:
    """By the whole branch, sent or not: so it does not move with the window."""
    if request.calibrated:
        has_tools = any(header.role is Role.TOOL for header in branch)
        return CALIBRATED_TOOLS_MARGIN if has_tools else CALIBRATED_MARGIN
    return OTHER_MARGIN if others else LATIN_MARGIN


def _share_of_others(branch: Sequence[MessageHeader], *more: Measure) -> float:
    """The letters that are not Latin, as a share of all."""
    letters = sum(header.letters for header in branch) + sum(text.letters for text in more)
    other = sum(header.other_letters for header in branch) + sum(text.other_letters for text in more)
    return other / letters if letters else 0.0


def _error(fixed: Fixed, request: Request) -> PlanError | None:
    if request.draft is not None and not request.draft.strip():
        return PlanError("empty_draft")
    if fixed.budget.input < fixed.request:
        return PlanError("no_room", needed=fixed.budget.reserved_for_reply + fixed.tokens, room=request.context_window)
    if fixed.room < 0:
        parts = (("system prompt", fixed.system), ("this message", fixed.draft))
        named = " and ".join(name for name, tokens in parts if tokens is not None)
        return PlanError("fixed_over_budget", needed=fixed.tokens, room=fixed.budget.input, parts=named)
    return None
