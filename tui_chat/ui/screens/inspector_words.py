"""The inspector's words: what each kind and reason is called, and the sums in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tui_chat.core import clock
from tui_chat.core.clean import clean_line
from tui_chat.core.context import ContextPlan, Entry, Kind, Limit, Reason
from tui_chat.core.models import Role, Usage
from tui_chat.core.sentences import error_sentence, sampling_sentence, tokens_sentence
from tui_chat.services.endpoints import Reach
from tui_chat.ui.screens.inspection import Inspection

KEY_NOTE = "The key travels in a header that is not shown."


class Words(NamedTuple):
    """A name for a line of at most ``SHORT`` characters, and what it means."""

    short: str
    sentence: str


SHORT = 15

REASONS: Mapping[Reason, Words] = {
    Reason.SYSTEM: Words("system prompt", "Sent: the system prompt goes with every request."),
    Reason.TOOLS: Words("no result", "Sent in place of a result that never came, so that no call stands alone."),
    Reason.DRAFT: Words("your message", "Sent: this is the message to be answered."),
    Reason.FULL: Words("all is sent", "Sent: with the full history every message is."),
    Reason.WINDOW: Words("in the window", "Sent: it is among the newest messages."),
    Reason.PINNED: Words("pinned", "Sent: you pinned a message of this exchange."),
    Reason.SUMMARY: Words("summary", "Sent: it stands for older messages; details may be lost."),
    Reason.RETRIEVED: Words("found relevant", "Sent as a quotation: it was found relevant to your message."),
    Reason.EXCERPT: Words("passage of it", "A passage of it is sent as a quotation; the rest is not sent."),
    Reason.BEFORE_WINDOW: Words("before window", "Not sent: it is older than the messages that are."),
    Reason.SUMMARISED: Words("summarised", "Not sent: only its content is, in the summary."),
    Reason.EXCLUDED: Words("excluded", "Not sent: a message of this exchange is excluded (x)."),
    Reason.PINNED_NO_ROOM: Words("pinned, no room", "Not sent: it is pinned, but there is no room for it."),
    Reason.NO_USER_MESSAGE: Words("no question", "Not sent: no message of yours stands before it."),
    Reason.ERROR: Words("failed", "Not sent: the reply failed before it had any text."),
    Reason.EMPTY: Words("empty", "Not sent: it has no text."),
    Reason.OVER_BUDGET: Words("over budget", "Not sent: the request is too big, so nothing of it is sent."),
    Reason.ATTACHMENT_UNSUPPORTED: Words("attachment", "Not sent: the model takes no such attachment."),
}

KINDS: Mapping[Kind, tuple[str, str]] = {
    Kind.SYSTEM: ("system prompt", "system prompts"),
    Kind.TOOLS: ("stand-in for a result", "stand-ins for results"),
    Kind.MESSAGE: ("message", "messages"),
    Kind.SUMMARY: ("summary", "summaries"),
    Kind.RETRIEVED: ("quotation", "quotations"),
    Kind.DRAFT: ("your message", "messages of yours"),
}
"""One, and several."""

ROLES: Mapping[Role, str] = {Role.USER: "you", Role.ASSISTANT: "model", Role.SYSTEM: "system", Role.TOOL: "tool"}

_LIMITS: Mapping[Limit, str] = {
    Limit.MESSAGES: "limit of messages",
    Limit.TOKENS: "limit of tokens",
}


BLOCK = Words("quotations", "Sent inside your message: all quotations together, behind a line that says what they are.")
"""The whole block of quotations, which is an entry of its own."""


def short_reason(entry: Entry) -> str:
    """Why it is sent or not, in a word or two."""
    return BLOCK.short if is_block(entry) else REASONS[entry.reason].short


def who(entry: Entry) -> str:
    """Who said it; nobody where it was made here, or where that is not known."""
    return "" if entry.kind is Kind.SUMMARY or is_block(entry) or is_unknown(entry) else ROLES[entry.role]


def reason_sentence(entry: Entry, plan: ContextPlan) -> str:
    """Why it is sent or not, which limit says so, and where it comes from."""
    if is_block(entry):
        return BLOCK.sentence
    sentence = REASONS[entry.reason].sentence
    if entry.reason is Reason.BEFORE_WINDOW and (limit := _limit(plan)) is not None:
        return f"{sentence[:-1]} ({_LIMITS[limit]})."
    if title := title_of(entry, plan):
        return f"{sentence} It comes from another conversation: {title}."
    if entry.kind is Kind.SUMMARY and plan.summary is not None:
        by = clean_line(plan.summary.model)
        edited = ", and edited by you" if plan.summary.edited else ""
        return f"{sentence} Made by {by} from {_messages(len(plan.summary.sources))}{edited}."
    return sentence


def title_of(entry: Entry, plan: ContextPlan) -> str:
    """The other conversation that a quotation comes from, in quotation marks; empty for this one, or where unknown."""
    found = next((each for each in plan.quotations if each.id == entry.id), None)
    return "" if found is None or found.conversation is None else f"“{clean_line(found.conversation)}”"


def heading(inspection: Inspection) -> str:
    """Which request this is."""
    model = clean_line(inspection.model) or "the model"
    if inspection.past:
        return f"What {model} saw when it said this"
    return f"What {model} gets with the next message"


def destination(inspection: Inspection) -> str:
    """Where it goes."""
    host = clean_line(inspection.host)
    match inspection.reach:
        case Reach.BUILT_IN:
            return "Nothing leaves this program: the built-in guide answers. It is not an AI."
        case Reach.LOCAL:
            return f"local · {host} · stays on this computer"
        case Reach.LAN:
            return f"LAN · {host} · on your own network"
        case Reach.CLOUD:
            return f"cloud · {host} · over the internet"


def totals(inspection: Inspection) -> Sequence[str]:
    """What is sent by kind, what is not by reason, the room, and what the server counted; a sentence each."""
    plan = inspection.plan
    said = [sent_sentence(plan)]
    if not_sent := not_sent_sentence(plan):
        said.append(not_sent)
    said.append(room_sentence(plan))
    if plan.error is None and (parameters := sampling_sentence(plan)):
        said.append(f"Parameters: {parameters}")
    if inspection.usage is not None:
        said.append(usage_sentence(inspection.usage, inspection.estimated, past=inspection.past))
    return said


def sent_sentence(plan: ContextPlan) -> str:
    """``Sent: system prompt ~12 · 20 messages ~1,840 · your message ~8 · around them ~3``: the parts of the total."""
    if plan.error is not None:
        return error_sentence(plan.error)
    own = [entry for entry in plan.entries if entry.sent and entry.inside is None]
    parts = []
    for kind in Kind:
        tokens = [entry.tokens for entry in own if entry.kind is kind]
        if tokens:
            parts.append(f"{_counted(kind, len(tokens))} ~{sum(tokens):,}")
    if quoted := sum(entry.sent and entry.inside is not None and not is_block(entry) for entry in plan.entries):
        parts.append(f"{_counted(Kind.RETRIEVED, quoted, always=True)} inside")
    if rest := plan.totals.tokens - sum(entry.tokens for entry in own):
        parts.append(_around(rest))
    return f"Sent: {' · '.join(parts)}" if parts else "Nothing is sent."


_MOST_AROUND = 12
"""Tokens that go around the messages, at the most; what is more or less comes from the server's last count."""


def _around(tokens: int) -> str:
    if tokens < 0:
        return f"less ~{-tokens:,} by the server's last count"
    more = " and by the server's last count" if tokens > _MOST_AROUND else ""
    return f"around them{more} ~{tokens:,}"


def not_sent_sentence(plan: ContextPlan) -> str:
    """``Not sent: 14 before window (limit of messages) · 1 excluded``; empty where all is sent."""
    counts = Counter(entry.reason for entry in plan.entries if not entry.sent)
    limit = _limit(plan)
    parts = []
    for reason in Reason:
        if count := counts[reason]:
            why = f" ({_LIMITS[limit]})" if limit and reason is Reason.BEFORE_WINDOW else ""
            parts.append(f"{count:,} {REASONS[reason].short}{why}")
    return f"Not sent: {' · '.join(parts)}" if parts else ""


def room_sentence(plan: ContextPlan) -> str:
    """``~1,863 of 5,485 tokens: window 8,192 − reply 2,048 − margin 12%``"""
    budget = plan.budget
    window, reply = f"{budget.context_window:,}", f"{budget.reserved_for_reply:,}"
    return f"{tokens_sentence(plan)}: window {window} − reply {reply} − margin {budget.margin:.0%}"


def usage_sentence(usage: Usage, estimated: int, *, past: bool) -> str:
    """``The server counted 1,902 (estimate ~1,863: 2.1% low) · 1,500 cached``; for another request than the one
    on show it says so."""
    said = f"The server counted {usage.input_tokens:,}{'' if past else ' last time'}"
    if estimated and usage.input_tokens:
        error = (estimated - usage.input_tokens) / usage.input_tokens
        how = "exact" if not error else f"{abs(error):.1%} {'low' if error < 0 else 'high'}"
        said += f" (estimate ~{estimated:,}: {how})"
    return f"{said} · {usage.cached_tokens:,} cached" if usage.cached_tokens else said


def no_body(inspection: Inspection) -> str:
    """Why there is no raw request."""
    if inspection.past:
        return "The body of a past request is not kept, only which messages were in it, and why."
    if inspection.plan.error is not None:
        return f"Nothing is sent. {error_sentence(inspection.plan.error)}"
    if inspection.reach is Reach.BUILT_IN:
        return "Nothing is sent: the built-in guide answers inside this program."
    return "Nothing is sent."


def no_text(inspection: Inspection, entry: Entry) -> str:
    """What stands in place of a text that is not known."""
    if is_block(entry):
        return "all of the quotations, with what says that they are"
    if not inspection.past:
        return "no text"
    if is_unknown(entry):
        return "the conversation has changed: which message this was is not known"
    return "its text was not kept with the answer" if entry.id is None else "no longer stored"


def is_block(entry: Entry) -> bool:
    """Whether it is the whole block of quotations."""
    return entry.kind is Kind.RETRIEVED and entry.id is None


def is_unknown(entry: Entry) -> bool:
    """Whether only its reason is known: a past plan keeps no ids of what it did not send."""
    return entry.kind is Kind.MESSAGE and entry.id is None


def layers(inspection: Inspection) -> Sequence[tuple[str, Sequence[str]]]:
    """Three headings with their lines: this screen, what the model sees, what is stored."""
    stored = inspection.stored
    screen = [f"{_messages(stored.shown)} on this branch"]
    disk = [f"{_messages(stored.messages)} on all branches"]
    if stored.versions:
        places = "1 place has" if stored.versions == 1 else f"{stored.versions:,} places have"
        disk.append(f"{places} more than one version")
    if stored.since is not None:
        disk.append(f"since {clock.local_time(stored.since)}")
    disk.append("encrypted, in your history on this computer")
    return (
        ("This screen", screen),
        ("What the model saw" if inspection.past else "What the model sees", _seen(inspection)),
        ("What is stored", disk),
    )


def _seen(inspection: Inspection) -> list[str]:
    plan = inspection.plan
    if plan.error is not None:
        return [error_sentence(plan.error)]
    of = plan.totals.sent + plan.totals.not_sent
    lines = [f"{plan.totals.sent:,} of {_messages(of)}"]
    kinds = Counter(entry.kind for entry in plan.entries if entry.sent and entry.inside is None)
    lines += [f"+ {_counted(kind, kinds[kind])}" for kind in Kind if kinds[kind] and kind is not Kind.MESSAGE]
    lines.append(tokens_sentence(plan))
    if not_sent := not_sent_sentence(plan):
        lines.append(not_sent)
    return [*lines, destination(inspection)]


def _limit(plan: ContextPlan) -> Limit | None:
    return next((warning.limit for warning in plan.warnings if warning.limit is not None), None)


def _counted(kind: Kind, number: int, *, always: bool = False) -> str:
    one, several = KINDS[kind]
    if number == 1:
        return f"1 {one}" if always or kind is Kind.MESSAGE else one
    return f"{number:,} {several}"


def _messages(number: int) -> str:
    return "1 message" if number == 1 else f"{number:,} messages"
