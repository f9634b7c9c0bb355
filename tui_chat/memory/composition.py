"""From the reasons a strategy gives to the whole plan: entries, their order, totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tui_chat.core.context import ContextPlan, Entry, Kind, PlanError, Reason, Totals, Warning
from tui_chat.core.models import MessageHeader, Role, Status
from tui_chat.core.tokens import MESSAGE_TOKENS
from tui_chat.memory.budget import Fixed
from tui_chat.memory.request import Request
from tui_chat.memory.units import Unit

SENT = frozenset({Reason.SYSTEM, Reason.DRAFT, Reason.FULL, Reason.WINDOW, Reason.PINNED})
"""The reasons for which something is sent."""


def reasons_from(branch: Sequence[MessageHeader], units: Iterable[tuple[Unit, Reason]]) -> list[Reason]:
    """A reason for every message, from those of its units; a message without a text has its own."""
    reasons = [Reason.EMPTY] * len(branch)
    for unit, reason in units:
        reasons[unit.start : unit.end] = [reason] * (unit.end - unit.start)
    for index, header in enumerate(branch):
        if not header.characters:
            reasons[index] = Reason.ERROR if header.status is Status.FAILED else Reason.EMPTY
    return reasons


def messages_by(units: Iterable[tuple[Unit, Reason]]) -> Counter[Reason]:
    """How many messages with a text each reason has."""
    counts: Counter[Reason] = Counter()
    for unit, reason in units:
        counts[reason] += unit.messages
    return counts


def compose(
    strategy: str,
    branch: Sequence[MessageHeader],
    request: Request,
    fixed: Fixed,
    sizes: Sequence[int],
    reasons: Sequence[Reason],
    *,
    warnings: tuple[Warning, ...] = (),
    error: PlanError | None = None,
    anchor: str | None = None,
) -> ContextPlan:
    """The plan in the order of its payload: system prompt, messages, draft. With an ``error`` nothing is sent."""
    refused = error is not None
    entries: list[Entry] = []
    order = 0

    def add(id: str | None, kind: Kind, role: Role, reason: Reason, tokens: int) -> None:
        """An entry in its place; in a refused plan with its own reason where it would not have been sent anyway."""
        nonlocal order
        if reason not in SENT:
            entries.append(Entry(id, kind, role, False, reason, tokens))
        elif refused:
            entries.append(Entry(id, kind, role, False, Reason.OVER_BUDGET, tokens))
        else:
            entries.append(Entry(id, kind, role, True, reason, tokens, order))
            order += 1

    if fixed.system is not None:
        add(None, Kind.SYSTEM, Role.SYSTEM, Reason.SYSTEM, fixed.system)
    for header, reason, size in zip(branch, reasons, sizes, strict=True):
        add(header.id, Kind.MESSAGE, header.role, reason, size)
    if fixed.draft is not None:
        is_empty = error is not None and error.code == "empty_draft"
        add(request.draft_id, Kind.DRAFT, Role.USER, Reason.EMPTY if is_empty else Reason.DRAFT, fixed.draft)
    if refused:
        return ContextPlan(strategy, fixed.budget, tuple(entries), Totals(0, len(branch), 0), error=error)
    sent = [header.tokens for header, reason in zip(branch, reasons, strict=True) if reason in SENT]
    return ContextPlan(
        strategy=strategy,
        budget=fixed.budget,
        entries=tuple(entries),
        totals=Totals(
            sent=len(sent),
            not_sent=len(branch) - len(sent),
            tokens=fixed.request + sum(entry.tokens for entry in entries if entry.sent),
        ),
        warnings=warnings,
        anchor=anchor,
        uncorrected=fixed.uncorrected + sum(sent) + len(sent) * MESSAGE_TOKENS,
    )
