"""Plans for tests of what shows them."""

from __future__ import annotations

from tui_chat.core.context import ContextPlan, PlanError, TokenBudget, Totals, Warning


def plan_of(
    *,
    sent: int = 54,
    not_sent: int = 0,
    tokens: int = 1_880,
    room: int = 5_485,
    assumed: bool = False,
    warning: Warning | None = None,
    error: PlanError | None = None,
) -> ContextPlan:
    """A plan with these figures, of a model with a window of 8,192 tokens."""
    return ContextPlan(
        strategy="window",
        budget=TokenBudget(context_window=8_192, assumed=assumed, reserved_for_reply=2_048, margin=0.12, input=room),
        entries=(),
        totals=Totals(sent, not_sent, tokens),
        warnings=() if warning is None else (warning,),
        error=error,
    )
