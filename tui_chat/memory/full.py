"""The full history: everything or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tui_chat.core.context import ContextPlan, PlanError, Reason, Warning
from tui_chat.core.models import MessageHeader
from tui_chat.memory.budget import Fixed
from tui_chat.memory.composition import Decision, Setting, compose, messages_by
from tui_chat.memory.request import Request
from tui_chat.memory.units import Unit


class FullHistory:
    """Send every message but those the user excluded; where they do not fit, send nothing and say so."""

    name = "full"

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        """Everything, or the error ``over_budget``."""
        setting = Setting.of(branch, request)
        units = [(unit, Reason.EXCLUDED if unit.excluded else Reason.FULL) for unit in setting.units]
        counts = messages_by(units)
        excluded = Warning("excluded", counts[Reason.EXCLUDED], counts.total())
        error = setting.fixed.error or _over_budget(units, request, setting.fixed)
        return compose(
            self.name, setting, Decision(units=units, warnings=(excluded,) if excluded.count else (), error=error)
        )


def _over_budget(units: Sequence[tuple[Unit, Reason]], request: Request, fixed: Fixed) -> PlanError | None:
    history = sum(unit.tokens for unit, reason in units if reason is Reason.FULL)
    if history <= fixed.room:
        return None
    parts = "the whole conversation" if request.draft is None else "the whole conversation and this message"
    return PlanError("over_budget", needed=fixed.tokens + history, room=fixed.budget.input, parts=parts)
