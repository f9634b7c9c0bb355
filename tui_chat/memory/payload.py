"""The texts of a plan: what goes to the provider, made from the plan's entries and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tui_chat.core.attachments import expanded, filled, is_image, is_text, sent_images
from tui_chat.core.context import ContextPlan, Entry, Kind, PayloadMessage
from tui_chat.core.models import Attachment, Part, Role, ToolCall, ToolResult
from tui_chat.core.ports import Body
from tui_chat.core.summary import Summary
from tui_chat.memory.quotation import block_of
from tui_chat.memory.tools import CANCELLED

NO_CONTENTS: Mapping[str, bytes] = {}


def sent_ids(plan: ContextPlan) -> Sequence[str]:
    """The ids of the messages whose texts the payload needs: the earlier ones in its order, then the quoted."""
    sent = [
        entry.id
        for entry in plan.entries
        if entry.order is not None and entry.kind is Kind.MESSAGE and entry.id is not None
    ]
    return [*sent, *(each.id for each in plan.quotations)]


def sent_hashes(plan: ContextPlan, bodies: Mapping[str, Body]) -> Sequence[str]:
    """The checksums of the attachments whose contents the payload needs beside these bodies, those of ``sent_ids``."""
    sent = [entry for entry in plan.entries if entry.order is not None and entry.kind is Kind.MESSAGE]
    files = [each for entry in sent for each in _sent_files(plan, entry.role, bodies[entry.id or ""].parts)]
    return list(dict.fromkeys(each.sha256 for each in files if not each.is_loaded))


def with_payload(
    plan: ContextPlan,
    *,
    system_prompt: str | None,
    bodies: Mapping[str, Body],
    draft: str | None,
    draft_attachments: Sequence[Attachment] = (),
    contents: Mapping[str, bytes] = NO_CONTENTS,
) -> ContextPlan:
    """The plan with its payload: from the system prompt, draft and attachments it was made for, the bodies of
    ``sent_ids`` and the contents of ``sent_hashes``.

    Texts go out unchanged, those of files behind their message's. A plan with an error keeps its empty
    payload. Raises KeyError for a missing text or content.
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
                files = _sent_files(plan, entry.role, draft_attachments)
                text = expanded(draft or "", files)
                payload.append(PayloadMessage(entry.role, f"{text}{block}", images=sent_images(entry.role, files)))
            case Kind.TOOLS:
                payload.append(_cancelled(payload))
            case _:
                payload.append(_message(plan, entry, bodies[entry.id or ""], contents))
    return replace(plan, payload=tuple(payload))


def summary_text(summary: Summary) -> str:
    """A summary as the model gets it: first what it is, then its text as it stands."""
    of = f"{len(summary.sources):,} earlier message{'' if len(summary.sources) == 1 else 's'}"
    by = f"made by {summary.model[:60]}" if not summary.edited else f"made by {summary.model[:60]}, edited by the user"
    return f"Summary of {of}, {by}; details may be missing:\n\n{summary.text}"


def _message(plan: ContextPlan, entry: Entry, body: Body, contents: Mapping[str, bytes]) -> PayloadMessage:
    calls = tuple(part for part in body.parts if isinstance(part, ToolCall)) if entry.role is Role.ASSISTANT else ()
    results = tuple(part for part in body.parts if isinstance(part, ToolResult)) if entry.role is Role.TOOL else ()
    if results:
        return PayloadMessage(entry.role, "\n".join(result.text for result in results), calls, results)
    files = filled(_sent_files(plan, entry.role, body.parts), contents)
    return PayloadMessage(entry.role, expanded(body.text, files), calls, images=sent_images(entry.role, files))


def _sent_files(plan: ContextPlan, role: Role, parts: Sequence[Part]) -> Sequence[Attachment]:
    """The attachments of a message that is sent of which something is, as far as they say what they are."""
    if any(isinstance(part, ToolResult) for part in parts):
        return ()
    images = plan.takes_images and role is Role.USER
    files = [part for part in parts if isinstance(part, Attachment)]
    return [each for each in files if is_text(each) or (images and is_image(each))]


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
