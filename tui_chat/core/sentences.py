"""What a plan says to a person: the sentences that the screen and the commands share, without marks and colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tui_chat.core import clock
from tui_chat.core.clock import Millis
from tui_chat.core.context import ContextPlan, PlanError, Warning

LAST_ANSWER_NOT_SENT = "last_answer_not_sent"
"""The gravest warning: the room does not even hold the newest exchange."""


def gravest(warnings: Iterable[Warning]) -> Warning | None:
    """The one warning to show where there is room for one; None where all is sent."""
    return max(warnings, key=lambda warning: (warning.code == LAST_ANSWER_NOT_SENT, warning.count), default=None)


def warning_forms(warning: Warning, *, time: Callable[[Millis], str] = clock.local_time) -> tuple[str, ...]:
    """The same truth in ever fewer words, longest first; each is true and complete without the others.

    Every form but the last says how many of how many; the last, for a folded line, only how many.
    """
    fact = f"{_how_many(warning)}."
    consequence = f"The model cannot see {'it' if warning.count == 1 else 'them'}."
    short = short_warning(warning)
    if warning.code == LAST_ANSWER_NOT_SENT:
        rest = _none_fits(warning.of) if warning.count == warning.of else _how_many(warning)
        fact = f"Not even the last answer is sent: {rest}."
        return f"{fact} {consequence}", fact, "Not even the last answer is sent.", short
    if warning.since is None:
        return f"{fact} {consequence}", fact, short
    dated = f"{fact[:-1]} (older than {time(warning.since)})."
    return f"{dated} {consequence}", f"{fact} {consequence}", fact, short


def warning_sentence(warning: Warning, *, time: Callable[[Millis], str] = clock.local_time) -> str:
    """``34 of 54 earlier messages are not sent (older than 12:40, 3 May). The model cannot see them.``"""
    return warning_forms(warning, time=time)[0]


def short_warning(warning: Warning) -> str:
    """``34 not sent``"""
    return f"{warning.count:,} not sent"


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


def request_tokens(plan: ContextPlan) -> int:
    """The size of the request; where it is too big to be sent, what it would need."""
    return plan.error.needed if plan.error else plan.totals.tokens


def budget_sentence(plan: ContextPlan) -> str:
    """Where the room comes from: the window, what is kept for the reply, and the estimate's margin."""
    budget = plan.budget
    window = f"A context window of {budget.context_window:,} tokens{' (assumed)' if budget.assumed else ''}"
    return f"{window}, {budget.reserved_for_reply:,} kept for the reply, {budget.margin:.0%} margin for the estimate."


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
