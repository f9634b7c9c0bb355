"""What a plan says to a person: the sentences that the screen and the commands share, without marks and colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tui_chat.core import clock
from tui_chat.core.clean import clean_line
from tui_chat.core.clock import Millis
from tui_chat.core.context import ContextPlan, PlanError, Warning
from tui_chat.core.errors import ContextTooLong
from tui_chat.core.models import Usage
from tui_chat.core.sampling import LeftOut, Sampling

LAST_ANSWER_NOT_SENT = "last_answer_not_sent"
"""The gravest warning: the room does not even hold the newest exchange."""

PIN_NO_ROOM = "pin_no_room"
"""Nearly as grave: what was to be sent always is not."""

EXCLUDED = "excluded"
"""The lightest: it is the user's own wish."""

ATTACHMENTS = "attachment_unsupported"
"""Beside the others: these messages may be sent, their attachments are not."""

CUT_OFF = "The reply was cut off at the model's length limit."
"""Beside a reply of which there is more to be had."""

_GRAVITY = (PIN_NO_ROOM, LAST_ANSWER_NOT_SENT)


def is_grave(warnings: Iterable[Warning]) -> bool:
    """Whether one of them must not be folded away."""
    return any(warning.code in _GRAVITY for warning in warnings)


def banner_forms(warnings: Iterable[Warning], *, time: Callable[[Millis], str] = clock.local_time) -> tuple[str, ...]:
    """All warnings of a plan in ever fewer words, longest first; empty where all is sent.

    Every form tells of every message that is not sent: first each reason by itself, then their sum.
    The last form, for a folded line, is only how many.
    """
    ordered = sorted(warnings, key=_gravity, reverse=True)
    if len(ordered) < 2:
        return tuple(form for warning in ordered for form in warning_forms(warning, time=time))
    dated = " ".join(warning_forms(warning, time=time)[0] for warning in ordered)
    plain = " ".join(_fact(warning) for warning in ordered)
    sums = _sum_forms([each for each in ordered if each.code != ATTACHMENTS])
    if beside := next((each for each in ordered if each.code == ATTACHMENTS), None):
        sums = tuple(f"{form.rstrip('.')}; {short_warning(beside)}" for form in sums)
    return tuple(sorted(dict.fromkeys((dated, plain, *sums)), key=len, reverse=True))


def _sum_forms(warnings: Sequence[Warning]) -> tuple[str, ...]:
    """Those about messages that are not sent, as if for one reason."""
    code = LAST_ANSWER_NOT_SENT if any(each.code == LAST_ANSWER_NOT_SENT for each in warnings) else "before_window"
    total = Warning(code, sum(each.count for each in warnings), warnings[0].of, limit=warnings[0].limit)
    return warning_forms(total)


def warning_forms(warning: Warning, *, time: Callable[[Millis], str] = clock.local_time) -> tuple[str, ...]:
    """The same truth in ever fewer words, longest first; each is true and complete without the others.

    Every form but the last says what is not sent; the last, for a folded line, only how many.
    """
    fact = _fact(warning)
    consequence = f"The model cannot see {'it' if warning.count == 1 else 'them'}."
    short = short_warning(warning)
    match warning.code:
        case "pin_no_room" | "excluded" | "attachment_unsupported":
            return fact, short
        case "last_answer_not_sent":
            return f"{fact} {consequence}", fact, "Not even the last answer is sent.", short
        case "summarised":
            when = f"made {time(warning.since)} " if warning.since is not None else ""
            made = f"{fact[:-1]} ({when}by {warning.model}, {warning.tokens:,} tokens)."
            return f"{made} Details may be lost.", f"{fact} Details may be lost.", fact, short
        case "not_found" if warning.found:
            return fact, f"{warning.found:,} found, {short}", short
    if warning.code != "before_window":
        return tuple(dict.fromkeys((f"{fact} {consequence}", fact, f"{_how_many(warning)}.", short)))
    if warning.since is None:
        return f"{fact} {consequence}", fact, short
    dated = f"{fact[:-1]} (older than {time(warning.since)})."
    return f"{dated} {consequence}", f"{fact} {consequence}", fact, short


def warning_sentence(warning: Warning, *, time: Callable[[Millis], str] = clock.local_time) -> str:
    """``34 of 54 earlier messages are not sent (older than 12:40, 3 May). The model cannot see them.``"""
    return warning_forms(warning, time=time)[0]


def short_warning(warning: Warning) -> str:
    """``34 not sent``"""
    if warning.code == ATTACHMENTS:
        return f"{warning.count:,} with files not sent"
    return f"{warning.count:,} only summarised" if warning.code == "summarised" else f"{warning.count:,} not sent"


def cut_sentence(estimate: int, real: int) -> str:
    """``The server counted 2,048 tokens of ~5,900 sent: it has probably cut the beginning (context of 2,048?).``"""
    # A window is a round number; where the server drops whole messages its count only stays below it.
    guess = f" (context of {real:,}?)" if real % 256 == 0 else ""
    return f"The server counted {real:,} tokens of ~{estimate:,} sent: it has probably cut the beginning{guess}."


def dropped_sentence(model: str, dropped: LeftOut, *, remembered: bool) -> str:
    """``gpt-x takes no temperature 0.7: it was left out, and will be from now on.``"""
    lasting = ", and will be from now on" if remembered else ""
    return f"{clean_line(model)[:60]} takes no {dropped.name} {dropped.value}: it was left out{lasting}."


def sampling_sentence(plan: ContextPlan) -> str:
    """``temperature 0.7 · not sent: top_k 40 (refused by the model before)``; empty where the user set none."""
    parts = [set_words(plan.sampling)] if plan.sampling.values else []
    if plan.unsampled:
        left_out = (f"{each.name} {each.value} ({_why_left_out(each)})" for each in plan.unsampled)
        parts.append(f"not sent: {', '.join(left_out)}")
    return " · ".join(parts)


def set_words(sampling: Sampling) -> str:
    """``temperature 0.7, seed 7``; empty where none is set."""
    return ", ".join(f"{name} {value}" for name, value in sampling.values.items())


def _why_left_out(left_out: LeftOut) -> str:
    return "refused by the model before" if left_out.refused else "the service has no such parameter"


def error_sentence(error: PlanError) -> str:
    """``Not sent: system prompt and this message need ~9,400 of 8,192 tokens.``"""
    match error.code:
        case "empty_draft":
            return "Not sent: the message is empty."
        case "no_room":
            return f"Not sent: the model's context window of {error.room:,} tokens is too small for any message."
        case "over_budget":
            parts = error.parts or "the whole conversation and this message"
        case _:
            parts = error.parts or "this message"
    verb = "need" if " and " in parts or "," in parts else "needs"
    return f"Not sent: {parts} {verb} ~{error.needed:,} of {error.room:,} tokens."


def gauge_sentence(plan: ContextPlan) -> str:
    """``All 54 messages sent · ~5,900 of 28,000 tokens``: what goes out of what was said, and of the room for it.

    The room is the budget's ``input``, so 100 % is where the window begins to drop messages.
    """
    return f"{_sent(plan)} · {tokens_sentence(plan)}"


def tokens_sentence(plan: ContextPlan) -> str:
    """``~5,900 of 28,000 tokens``, and whether the context window is only assumed."""
    assumed = " (window assumed)" if plan.budget.assumed else ""
    return f"~{request_tokens(plan):,} of {plan.budget.input:,} tokens{assumed}"


def trim_question(error: ContextTooLong, plan: ContextPlan) -> str:
    """What the server refused, and what would be sent if it were asked again."""
    said = (
        f"The server refused the request: it takes {error.limit:,} tokens."
        if error.limit
        else "The server refused the request as too long."
    )
    if plan.error is not None:
        return f"{said}\n{error_sentence(plan.error)} Something must be left out first.\n\nChoose what?"
    dropped = f", {plan.totals.not_sent:,} would not" if plan.totals.not_sent else ""
    sent = f"{plan.totals.sent:,} earlier message{'' if plan.totals.sent == 1 else 's'} would be sent{dropped}"
    return f"{said}\nNow {sent}: {tokens_sentence(plan)}.\n\nAsk again so?"


def counted_sentence(usage: Usage) -> str:
    """``1,902 + 310``, and what came from a cache: what the server counted of a request and its reply, exactly."""
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    return f"{usage.input_tokens:,}{cached} + {usage.output_tokens:,}"


def request_tokens(plan: ContextPlan) -> int:
    """The size of the request; where it is too big to be sent, what it would need."""
    return plan.error.needed if plan.error else plan.totals.tokens


def budget_sentence(plan: ContextPlan) -> str:
    """Where the room comes from: the window, what is kept for the reply, and the estimate's margin."""
    budget = plan.budget
    window = f"A context window of {budget.context_window:,} tokens{' (assumed)' if budget.assumed else ''}"
    return f"{window}, {budget.reserved_for_reply:,} kept for the reply, {budget.margin:.0%} margin for the estimate."


def _gravity(warning: Warning) -> tuple[int, bool, int]:
    rank = _GRAVITY.index(warning.code) if warning.code in _GRAVITY else -1
    return rank, warning.code != EXCLUDED, warning.count


def _fact(warning: Warning) -> str:
    one = warning.count == 1
    match warning.code:
        case "pin_no_room":
            who = "A pinned message does" if one else f"{warning.count:,} pinned messages do"
            return f"{who} not fit and {'is' if one else 'are'} not sent."
        case "excluded":
            return f"{warning.count:,} message{' is' if one else 's are'} excluded and not sent."
        case "last_answer_not_sent":
            rest = _none_fits(warning.of) if warning.count == warning.of else _how_many(warning)
            return f"Not even the last answer is sent: {rest}."
        case "summarised":
            return f"{warning.count:,} message{' is' if one else 's are'} sent only as a summary."
        case "attachment_unsupported":
            of = "a message" if one else f"{warning.count:,} messages"
            return f"Files of {of} are not sent."
        case "not_summarised":
            return f"{_how_many(warning)} and not summarised{_NOT_SUMMARISED.get(warning.why, f' ({warning.why})')}."
        case "not_found" if warning.found:
            found = f"{warning.found:,} found relevant {'is' if warning.found == 1 else 'are'} sent"
            rest = f"{warning.count:,} {'is' if one else 'are'} not"
            return f"{warning.found + warning.count:,} older messages: {found}, {rest}."
        case "not_found":
            return f"{_how_many(warning)}: nothing relevant was found among {'it' if one else 'them'}."
        case "not_searched":
            return f"{_how_many(warning)}: {_NOT_SEARCHED.get(warning.why, warning.why.rstrip('.'))}."
        case _:
            return f"{_how_many(warning)}."


_NOT_SUMMARISED = {
    "": "",
    "due": " yet",
    "invalid": ": what the summary was made from has changed",
    "too_long": ": a summary has no room",
}
_NOT_SEARCHED = {"": "nothing was looked for", "building": "the index is being built"}


def _how_many(warning: Warning) -> str:
    if warning.since is None and warning.count == warning.of:
        return (
            "The only earlier message is not sent" if warning.of == 1 else f"None of the {_earlier(warning.of)} is sent"
        )
    return f"{warning.count:,} of {_earlier(warning.of)} {'is' if warning.count == 1 else 'are'} not sent"


def _none_fits(of: int) -> str:
    return "the only earlier message does not fit" if of == 1 else f"none of the {_earlier(of)} fits"


def _earlier(number: int) -> str:
    return f"{number:,} earlier message{'' if number == 1 else 's'}"


def _sent(plan: ContextPlan) -> str:
    sent, total = plan.totals.sent, plan.totals.sent + plan.totals.not_sent
    if total == 0:
        return "No earlier messages"
    if plan.totals.not_sent:
        return f"{sent:,} of {total:,} messages sent"
    return "The only message sent" if total == 1 else f"All {total:,} messages sent"
