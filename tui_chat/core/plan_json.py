"""The JSON form of a plan (version 1): what ``plan --json`` and ``ask --json`` print."""

from __future__ import annotations

from typing import Any

from tui_chat.core.context import ContextPlan, Entry, PayloadMessage
from tui_chat.core.sampling import LeftOut
from tui_chat.core.sentences import error_sentence, warning_sentence

Json = dict[str, Any]


def plan_to_json(plan: ContextPlan) -> Json:
    """The plan as plain values; the sentences of its warnings and its error stand with them as ``text``."""
    error = plan.error
    return {
        "strategy": plan.strategy,
        "budget": {
            "context_window": plan.budget.context_window,
            "assumed": plan.budget.assumed,
            "reserved_for_reply": plan.budget.reserved_for_reply,
            "margin": plan.budget.margin,
            "input": plan.budget.input,
        },
        "entries": [_entry(entry) for entry in plan.entries],
        "totals": {"sent": plan.totals.sent, "not_sent": plan.totals.not_sent, "tokens": plan.totals.tokens},
        "warnings": [
            {"code": warning.code, "count": warning.count, "of": warning.of, "text": warning_sentence(warning)}
            for warning in plan.warnings
        ],
        "error": None
        if error is None
        else {"code": error.code, "needed": error.needed, "room": error.room, "text": error_sentence(error)},
        "payload": [_message(message) for message in plan.payload],
        "sampling": dict(plan.sampling.values),
        "unsampled": [_left_out(each) for each in plan.unsampled],
    }


def _message(message: PayloadMessage) -> Json:
    """Tool calls, results and images only where there are some; of images not their data."""
    form: Json = {"role": str(message.role), "content": message.content}
    if message.calls:
        form["calls"] = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.calls]
    if message.results:
        form["results"] = [{"id": result.id, "text": result.text} for result in message.results]
    if message.images:
        form["images"] = [
            {"name": image.name, "mime": image.mime, "sha256": image.sha256, "bytes": image.size}
            for image in message.images
        ]
    return form


def _left_out(left_out: LeftOut) -> Json:
    return {
        "name": left_out.name,
        "value": left_out.value,
        "why": "refused" if left_out.refused else "no_such_parameter",
    }


def _entry(entry: Entry) -> Json:
    return {
        "id": entry.id,
        "kind": str(entry.kind),
        "role": str(entry.role),
        "sent": entry.sent,
        "reason": str(entry.reason),
        "tokens": entry.tokens,
        "order": entry.order,
        "inside": entry.inside,
    }
