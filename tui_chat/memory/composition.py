"""From the reasons a strategy gives to the whole plan: entries, their order, totals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tui_chat.core.context import ContextPlan, Entry, Kind, PlanError, Reason, Totals, Warning
from tui_chat.core.models import MessageHeader, Role, Status
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS
from tui_chat.memory.budget import Fixed
from tui_chat.memory.request import Request
from tui_chat.memory.units import first_user_message

Part = tuple[str | None, Kind, Role, Reason, int]
"""An entry before it is known whether anything is sent: id, kind, role, reason, tokens."""

SENT = frozenset({Reason.SYSTEM, Reason.DRAFT, Reason.FULL, Reason.WINDOW})
"""The reasons for which something is sent."""


def reasons_from(branch: Sequence[MessageHeader], start: int, sent: Reason) -> list[Reason]:
    """A reason for every message where those from index ``start`` on are sent, being ``sent``."""
    first = first_user_message(branch)
    before = [Reason.NO_USER_MESSAGE if index < first else Reason.BEFORE_WINDOW for index in range(start)]
    reasons = before + [sent] * (len(branch) - start)
    for index, header in enumerate(branch):
        if not header.has_text:
            reasons[index] = Reason.ERROR if header.status is Status.FAILED else Reason.EMPTY
    return reasons


def compose(
    strategy: str,
    branch: Sequence[MessageHeader],
    request: Request,
    fixed: Fixed,
    reasons: Sequence[Reason],
    *,
    warnings: tuple[Warning, ...] = (),
    error: PlanError | None = None,
) -> ContextPlan:
    """The plan in the order of its payload: system prompt, messages, draft. With an ``error`` nothing is sent."""
    parts: list[Part] = []
    if fixed.system is not None:
        parts.append((None, Kind.SYSTEM, Role.SYSTEM, Reason.SYSTEM, fixed.system))
    for header, reason in zip(branch, reasons, strict=True):
        parts.append((header.id, Kind.MESSAGE, header.role, reason, header.tokens + MESSAGE_TOKENS))
    if fixed.draft is not None:
        reason = Reason.EMPTY if error is not None and error.code == "empty_draft" else Reason.DRAFT
        parts.append((request.draft_id, Kind.DRAFT, Role.USER, reason, fixed.draft))
    entries = tuple(_refused(parts) if error is not None else _numbered(parts))
    sent = [entry for entry in entries if entry.sent]
    sent_messages = sum(entry.kind is Kind.MESSAGE for entry in sent)
    return ContextPlan(
        strategy=strategy,
        budget=fixed.budget,
        entries=entries,
        totals=Totals(
            sent=sent_messages,
            not_sent=len(branch) - sent_messages,
            tokens=0 if error is not None else REQUEST_TOKENS + sum(entry.tokens for entry in sent),
        ),
        warnings=() if error is not None else warnings,
        error=error,
    )


def _numbered(parts: Iterable[Part]) -> Iterator[Entry]:
    """Entries, the sent ones numbered in the order of the payload."""
    order = 0
    for id, kind, role, reason, tokens in parts:
        if reason in SENT:
            yield Entry(id, kind, role, True, reason, tokens, order)
            order += 1
        else:
            yield Entry(id, kind, role, False, reason, tokens)


def _refused(parts: Iterable[Part]) -> Iterator[Entry]:
    """Entries of which none is sent, each with its own reason where it would not have been sent anyway."""
    for id, kind, role, reason, tokens in parts:
        yield Entry(id, kind, role, False, Reason.OVER_BUDGET if reason in SENT else reason, tokens)
