"""The texts of a plan: what goes to the provider, made from the plan's entries and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tui_chat.core.context import ContextPlan, Entry, Kind, PayloadMessage
from tui_chat.core.models import Role, ToolCall, ToolResult
from tui_chat.core.ports import Body
from tui_chat.core.summary import Summary
from tui_chat.memory.quotation import block_of
from tui_chat.memory.tools import CANCELLED


def sent_ids(plan: ContextPlan) -> Sequence[str]:
    """The ids of the messages whose texts the payload needs: the earlier ones in its order, then the quoted."""
    sent = [
        entry.id
        for entry in plan.entries
        if entry.order is not None and entry.kind is Kind.MESSAGE and entry.id is not None
    ]
    return [*sent, *(each.id for each in plan.quotations)]


def with_payload(
    plan: ContextPlan, *, system_prompt: str | None, bodies: Mapping[str, Body], draft: str | None
) -> ContextPlan:
    """The plan with its payload, from the system prompt and draft it was made for and the bodies of ``sent_ids``.

    Texts go out unchanged. A plan with an error keeps its empty payload. Raises KeyError for a missing text.
    """
    payload: list[PayloadMessage] = []
    for entry in sorted((each for each in plan.entries if each.order is not None), key=_order):
        match entry.kind:
            case Kind.SYSTEM:
                payload.append(PayloadMessage(entry.role, system_prompt or ""))
            case Kind.SUMMARY if plan.summary is not None:
                payload.append(PayloadMessage(entry.role, summary_text(plan.summary)))
            case Kind.DRAFT:
                texts = {each.id: bodies[each.id].text for each in plan.quotations}
                block = block_of(plan.quotations, texts, draft or "")
                payload.append(PayloadMessage(entry.role, f"{draft or ''}{block}"))
            case Kind.TOOLS:
                payload.append(_cancelled(payload))
            case _:
                payload.append(_message(entry, bodies[entry.id or ""]))
    return replace(plan, payload=tuple(payload))


def summary_text(summary: Summary) -> str:
    """A summary as the model gets it: first what it is, then its text as it stands."""
    of = f"{len(summary.sources):,} earlier message{'' if len(summary.sources) == 1 else 's'}"
    by = f"made by {summary.model[:60]}" if not summary.edited else f"made by {summary.model[:60]}, edited by the user"
    return f"Summary of {of}, {by}; details may be missing:\n\n{summary.text}"


def _message(entry: Entry, body: Body) -> PayloadMessage:
    calls = tuple(part for part in body.parts if isinstance(part, ToolCall)) if entry.role is Role.ASSISTANT else ()
    results = tuple(part for part in body.parts if isinstance(part, ToolResult)) if entry.role is Role.TOOL else ()
    text = "\n".join(result.text for result in results) if results else body.text
    return PayloadMessage(entry.role, text, calls, results)


def _cancelled(payload: Sequence[PayloadMessage]) -> PayloadMessage:
    """A result for each of the last message's calls that has none."""
    answered: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for message in reversed(payload):
        if message.calls:
            calls.update(call.id for call in message.calls)
            break
        answered.update(result.id for result in message.results)
    left = (calls - answered).elements()
    return PayloadMessage(Role.TOOL, CANCELLED, results=tuple(ToolResult(id, CANCELLED) for id in left))


def _order(entry: Entry) -> int:
    return entry.order or 0
