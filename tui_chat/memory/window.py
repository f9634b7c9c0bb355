"""The rolling window: the newest whole units that fit both limits, messages and tokens."""

from __future__ import annotations

from collections.abc import Sequence

from tui_chat.core.context import ContextPlan, Limit, Reason, Warning
from tui_chat.core.models import MessageHeader
from tui_chat.memory.budget import fixed_parts
from tui_chat.memory.composition import compose, reasons_from
from tui_chat.memory.request import Request
from tui_chat.memory.units import Unit, units_of


class RollingWindow:
    """Send the newest messages, at most ``max_messages``, always under the token budget as well.

    It is contiguous: no older unit is sent past one that does not fit. It is computed afresh each
    time and remembers nothing, so the same branch and request always make the same window.
    """

    name = "window"

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        """The newest whole units under both limits; with room for none of them a graver warning."""
        fixed = fixed_parts(branch, request)
        units = units_of(branch)
        kept, limit = _newest_that_fit(units, request.max_messages, None if fixed.error else fixed.room)
        start = 0 if kept == len(units) else units[-kept].start if kept else len(branch)
        reasons = reasons_from(branch, start, Reason.WINDOW)
        warnings = (_warning(branch, units, kept, limit),) if limit is not None else ()
        return compose(self.name, branch, request, fixed, reasons, warnings=warnings, error=fixed.error)


def _newest_that_fit(units: Sequence[Unit], max_messages: int, room: int | None) -> tuple[int, Limit | None]:
    """How many of the newest units fit, and the limit that the next one breaks (None: they all fit)."""
    messages = tokens = 0
    for kept, unit in enumerate(reversed(units)):
        messages += unit.messages
        tokens += unit.tokens
        if messages > max_messages:
            return kept, Limit.MESSAGES
        if room is not None and tokens > room:
            return kept, Limit.TOKENS
    return len(units), None


def _warning(branch: Sequence[MessageHeader], units: Sequence[Unit], kept: int, limit: Limit) -> Warning:
    dropped = units[: len(units) - kept]
    return Warning(
        code="last_answer_not_sent" if not kept and limit is Limit.TOKENS else "before_window",
        count=sum(unit.messages for unit in dropped),
        of=sum(unit.messages for unit in units),
        since=branch[units[-kept].start].created_at if kept else None,
        limit=limit,
    )
