"""What the model saw when it gave a reply: a plan without its texts, as it is kept beside the reply.

Runs of messages that were not sent are kept as a reason and a number: else every reply of a
conversation of ten thousand messages would carry ten thousand ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from tui_chat.core.context import ContextPlan, Entry, Kind, Limit, PlanError, Reason, TokenBudget, Totals, Warning
from tui_chat.core.models import MessageHeader, Role
from tui_chat.core.sampling import LeftOut, sampling_of
from tui_chat.core.tokens import MESSAGE_TOKENS

_VERSION = 1


def digest_of(plan: ContextPlan) -> str:
    """JSON text with ids, reasons and counts of that plan, and no text of any message."""
    budget, totals = plan.budget, plan.totals
    return json.dumps(
        {
            "version": _VERSION,
            "strategy": plan.strategy,
            "budget": [
                budget.context_window,
                budget.assumed,
                budget.reserved_for_reply,
                budget.margin,
                budget.input,
            ],
            "totals": [totals.sent, totals.not_sent, totals.tokens],
            "entries": [_kept(list(group)) for group in _runs(plan.entries)],
            "warnings": [[getattr(each, name) for name in _WARNING] for each in plan.warnings],
            "takes_images": plan.takes_images,
            "sampling": dict(plan.sampling.values),
            "unsampled": plan.unsampled,
            "error": [plan.error.code, plan.error.needed, plan.error.room, plan.error.parts] if plan.error else None,
        },
        separators=(",", ":"),
    )


def plan_of(digest: str, branch: Sequence[MessageHeader] = ()) -> ContextPlan:
    """The plan again, its payload empty. Raises ValueError for a text that is no digest of ours.

    ``branch`` is what stood before the prompt; from it runs of unsent messages get their ids back. One
    that has changed since (a message was deleted) leaves them without.
    """
    try:
        kept = json.loads(digest)
        if kept["version"] != _VERSION:
            raise ValueError("another version's digest")
        takes_images = kept.get("takes_images", False)
        return ContextPlan(
            strategy=kept["strategy"],
            budget=TokenBudget(*kept["budget"]),
            entries=tuple(_entries(kept["entries"], branch, takes_images=takes_images)),
            totals=Totals(*kept["totals"]),
            warnings=tuple(_warning(each) for each in kept["warnings"]),
            error=None if kept["error"] is None else PlanError(*kept["error"]),
            takes_images=takes_images,
            sampling=sampling_of(kept.get("sampling", {})),
            unsampled=tuple(LeftOut(*each) for each in kept.get("unsampled", ())),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("not a digest") from error


_WARNING = ("code", "count", "of", "since", "limit", "found", "why", "model", "tokens")


def _warning(kept: Sequence[Any]) -> Warning:
    """One kept by an older version has fewer fields."""
    fields = dict(zip(_WARNING, kept, strict=False))
    limit = fields.pop("limit")
    return Warning(**fields, limit=None if limit is None else Limit(limit))


def _runs(entries: Sequence[Entry]) -> Iterator[Iterable[Entry]]:
    """Neighbours that are told in one go: messages not sent for the same reason."""
    for _, group in groupby(enumerate(entries), lambda each: _run_of(*each)):
        yield (entry for _, entry in group)


def _run_of(place: int, entry: Entry) -> object:
    return entry.reason if entry.kind is Kind.MESSAGE and not entry.sent and entry.inside is None else place


def _kept(group: Sequence[Entry]) -> list[object]:
    entry = group[0]
    if entry.kind is Kind.MESSAGE and not entry.sent and entry.inside is None:
        return [entry.reason, len(group)]
    return list(entry)


def _entries(kept: Sequence[Sequence[Any]], branch: Sequence[MessageHeader], *, takes_images: bool) -> Iterator[Entry]:
    messages = sum(each[1] if len(each) == 2 else each[1] == Kind.MESSAGE for each in kept)
    known: Sequence[MessageHeader | None] = branch if len(branch) == messages else [None] * messages
    place = 0
    for each in kept:
        if len(each) == 2:
            reason, number = Reason(each[0]), each[1]
            for header in known[place : place + number]:
                yield _unsent(header, reason, takes_images=takes_images)
            place += number
            continue
        id, kind, role, sent, reason, tokens, order, inside = each
        yield Entry(id, Kind(kind), Role(role), sent, Reason(reason), tokens, order, inside)
        place += kind == Kind.MESSAGE


def _unsent(header: MessageHeader | None, reason: Reason, *, takes_images: bool) -> Entry:
    if header is None:
        return Entry(None, Kind.MESSAGE, Role.USER, False, reason, 0)
    tokens = header.tokens + MESSAGE_TOKENS + (header.image_tokens if takes_images else 0)
    return Entry(header.id, Kind.MESSAGE, header.role, False, reason, tokens)
