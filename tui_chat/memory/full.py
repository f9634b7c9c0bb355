"""The full history: everything or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tui_chat.core.context import ContextPlan, PlanError, Reason, Warning
from tui_chat.core.models import MessageHeader
from tui_chat.memory.budget import Fixed, fixed_parts
from tui_chat.memory.composition import compose, messages_by, reasons_from
from tui_chat.memory.request import Request
from tui_chat.memory.units import Unit, sizes_of, units_of


class FullHistory:
    """Send every message but those the user excluded; where they do not fit, send nothing and say so."""

    name = "full"

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        """Everything, or the error ``over_budget``."""
        fixed = fixed_parts(branch, request)
        sizes = sizes_of(branch, request)
        units = [(unit, Reason.EXCLUDED if unit.excluded else Reason.FULL) for unit in units_of(branch, sizes)]
        counts = messages_by(units)
        excluded = Warning("excluded", counts[Reason.EXCLUDED], counts.total())
        return compose(
            self.name,
            branch,
            request,
            fixed,
            sizes,
            reasons_from(branch, units),
            warnings=(excluded,) if excluded.count else (),
            error=fixed.error or _over_budget(units, request, fixed),
        )


def _over_budget(units: Sequence[tuple[Unit, Reason]], request: Request, fixed: Fixed) -> PlanError | None:
    history = sum(unit.tokens for unit, reason in units if reason is Reason.FULL)
    if history <= fixed.room:
        return None
    parts = "the whole conversation" if request.draft is None else "the whole conversation and this message"
    return PlanError("over_budget", needed=fixed.tokens + history, room=fixed.budget.input, parts=parts)
