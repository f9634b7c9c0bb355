"""The full history: everything or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tui_chat.core.context import ContextPlan, PlanError, Reason
from tui_chat.core.models import MessageHeader
from tui_chat.memory.budget import Fixed, fixed_parts
from tui_chat.memory.composition import compose, reasons_from
from tui_chat.memory.request import Request
from tui_chat.memory.units import units_of


class FullHistory:
    """Send every message; where they do not fit, send nothing and say so. It never drops any."""

    name = "full"

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        """Everything, or the error ``over_budget``."""
        fixed = fixed_parts(branch, request)
        error = fixed.error or _over_budget(branch, request, fixed)
        return compose(self.name, branch, request, fixed, reasons_from(branch, 0, Reason.FULL), error=error)


def _over_budget(branch: Sequence[MessageHeader], request: Request, fixed: Fixed) -> PlanError | None:
    history = sum(unit.tokens for unit in units_of(branch))
    if history <= fixed.room:
        return None
    parts = "the whole conversation" if request.draft is None else "the whole conversation and this message"
    return PlanError("over_budget", needed=fixed.tokens + history, room=fixed.budget.input, parts=parts)
