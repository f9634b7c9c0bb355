"""The texts of a plan: what goes to the provider, made from the plan's entries and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tui_chat.core.context import ContextPlan, Entry, Kind, PayloadMessage


def sent_ids(plan: ContextPlan) -> Sequence[str]:
    """The ids of the earlier messages whose texts the payload needs, in its order."""
    return [entry.id for entry in plan.entries if entry.sent and entry.kind is Kind.MESSAGE and entry.id is not None]


def with_payload(
    plan: ContextPlan, *, system_prompt: str | None, texts: Mapping[str, str], draft: str | None
) -> ContextPlan:
    """The plan with its payload, from the system prompt and draft it was made for and the texts of ``sent_ids``.

    Texts go out unchanged. A plan with an error keeps its empty payload. Raises KeyError for a missing text.
    """

    def content(entry: Entry) -> str:
        match entry.kind:
            case Kind.SYSTEM:
                return system_prompt or ""
            case Kind.DRAFT:
                return draft or ""
            case _:
                return texts[entry.id or ""]

    sent = sorted((entry.order, entry.role, content(entry)) for entry in plan.entries if entry.order is not None)
    return replace(plan, payload=tuple(PayloadMessage(role, text) for _, role, text in sent))
