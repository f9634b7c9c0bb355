"""The summary: a window of blocks, and before it one summary of what the window has dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from tui_chat.core.context import ContextPlan, Kind, Limit, Reason, TokenBudget, Warning
from tui_chat.core.models import MessageHeader, Role, Status
from tui_chat.core.summary import Source, Summary
from tui_chat.core.tokens import MESSAGE_TOKENS
from tui_chat.memory.composition import SUMMARY_LINE_TOKENS, Decision, Setting, compose, messages_by, summary_tokens
from tui_chat.memory.request import Request
from tui_chat.memory.units import Unit
from tui_chat.memory.window import View, look

LOW = 0.5
"""The window drops to this share of a limit, whatever the user's trim says: a summary is asked for at each move."""

LARGEST, PART = 1024, 10
"""A summary costs at most so many tokens, and at most one part in so many of the input budget."""

LEAST_TEXT = 32
"""Tokens; a budget in which not even such a text has room gets no summary, and keeps no room for one."""

NEAR = 4
"""A window that could hold so many times what follows the summary does not wait for its end."""

_LEAST = LEAST_TEXT + SUMMARY_LINE_TOKENS + MESSAGE_TOKENS
_LEAST = LEAST_TEXT + SUMMARY_LINE_TOKENS + MESSAGE_TOKENS
_DROPPED = frozenset({Reason.BEFORE_WINDOW, Reason.NO_USER_MESSAGE})


def most_tokens(budget: TokenBudget) -> int:
    """What a summary may cost as a message, after the factor."""
    return min(LARGEST, budget.input // PART)


def most_text(budget: TokenBudget, factor: float) -> int:
    """How many tokens, by ``core.tokens.measure``, a summary's text may have; 0 where there is no room for one."""
    # The largest text that Request.corrected does not round above the limit.
    text = most_tokens(budget) * 100 // round(factor * 100) - SUMMARY_LINE_TOKENS - MESSAGE_TOKENS
    return text if text >= LEAST_TEXT else 0


class Summarised:
    """Send the newest messages in blocks, and what came before them as a summary that was made of it.

    The summary's room is kept from the first message that is dropped, whether there is one yet or
    not: making it, or losing it, moves no window. What it costs: up to a tenth of the budget stays
    unused. The newest exchange never gives way to it. A summary is sent only while every source is
    what it was, on this branch, included, and not in the window.
    """

    name = "summary"

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        """The newest whole units in blocks, behind the request's summary where it is valid."""
        setting = Setting.of(branch, replace(request, low=LOW))
        if not most_text(setting.fixed.budget, request.factor):
            setting = Setting.of(branch, request)  # none will be asked for: the window is the user's
        view = look(setting)
        if setting.fixed.error is not None or not view.dropped:
            decision = Decision(
                units=view.decided, warnings=view.about_marks(), error=setting.fixed.error, anchor=view.anchor
            )
        else:
            decision = _beside_room(setting, view.room, _kept_room(setting, view))
        return compose(self.name, setting, decision)


def _kept_room(setting: Setting, view: View) -> int:
    """How many tokens are kept for a summary, after the factor."""
    if not most_text(setting.fixed.budget, setting.request.factor):
        return 0
    newest = next(
        (unit for unit, reason in reversed(view.decided) if reason not in (Reason.EXCLUDED, Reason.PINNED)), None
    )
    needed = newest.tokens if newest and newest.tokens <= view.room else 0
    return min(most_tokens(setting.fixed.budget), view.room - needed)


def _beside_room(setting: Setting, left: int, room: int) -> Decision:
    """The window in what is ``left`` without the summary's ``room``, and the summary where it is valid."""
    request, summary = setting.request, setting.request.summary
    covered = _covered(setting, summary) if summary else frozenset()
    # Half a token more: the share is a fraction, and must not round away a whole token of the window's.
    view = _behind(setting, (left - room + 0.5) / left if left else 1.0, covered)
    cost = request.corrected(summary_tokens(summary) if summary else _LEAST)
    replaced = _dropped_of(view, covered) if cost <= room and not _overlap(view, covered) else frozenset()
    decided = [(unit, Reason.SUMMARISED if unit in replaced else reason) for unit, reason in view.decided]
    warnings = (
        *_about_dropped(decided, view, _why(request, is_valid=bool(covered), fits=cost <= room)),
        *(_about_summary(decided, summary, cost) if summary else ()),
        *view.about_marks(),
    )
    return Decision(units=decided, warnings=warnings, anchor=view.anchor, summary=summary if replaced else None)


def _covered(setting: Setting, summary: Summary) -> frozenset[Unit]:
    """The units that it was made from; none where it is not, or no longer, of this branch.

    Sources are whole units, each message as it was, in the branch's order, none excluded.
    """
    claimed = {source.id for source in summary.sources}
    branch = setting.branch
    places = [place for place, header in enumerate(branch) if header.id in claimed]
    if list(map(_AS_SOURCE, (branch[place] for place in places))) != list(summary.sources):
        return frozenset()
    held = set(places)
    # A unit starts with a message that can be sent: one that is a source as a whole has its start among them.
    units = [unit for unit in setting.units if unit.start in held]
    is_whole = sum(unit.messages for unit in units) == len(places)
    return frozenset(units) if is_whole and not any(unit.excluded for unit in units) else frozenset()


_AS_SOURCE = attrgetter("id", "characters", "tokens")
"""A message as a source, without a step of Python: a plan compares thousands while the person types."""


def _behind(setting: Setting, share: float, covered: frozenset[Unit]) -> View:
    """The window in that share; it begins no earlier than behind what is covered, where that is near.

    Where it begins depends on the draft's length as long as no anchor holds it, and the next key must
    not make a summary worthless. But one that a far smaller window asked for holds no large one back.
    """
    view = look(setting, share=share)
    last = max((unit.start for unit in covered), default=-1)
    behind = next((unit.start for unit in setting.units if unit.start > last), None)
    if behind is None or not _overlap(view, covered):
        return view
    anchored = replace(setting, request=replace(setting.request, anchor_id=setting.branch[behind].id))
    later = look(anchored, share=share)
    is_near = _tokens_in(view) <= NEAR * _tokens_in(later)
    return later if is_near and not _overlap(later, covered) else view


def _overlap(view: View, covered: frozenset[Unit]) -> bool:
    """Whether one of these units is in the window."""
    return any(reason is Reason.WINDOW and unit in covered for unit, reason in view.decided[view.start :])


def _dropped_of(view: View, covered: frozenset[Unit]) -> frozenset[Unit]:
    return frozenset(unit for unit, reason in view.decided if reason in _DROPPED and unit in covered)


def _tokens_in(view: View) -> int:
    return sum(unit.tokens for unit, reason in view.decided[view.start :] if reason is Reason.WINDOW)


# -- what is told ------------------------------------------------------------------------------------


def _about_dropped(decided: Sequence[tuple[Unit, Reason]], view: View, why: str) -> tuple[Warning, ...]:
    counts = messages_by(decided)
    count = sum(counts[reason] for reason in _DROPPED)
    grave = view.first is None and view.limit is Limit.TOKENS
    code = "last_answer_not_sent" if grave else "not_summarised"
    since = view.first.created_at if view.first else None
    return (Warning(code, count, counts.total(), since=since, limit=view.limit, why=why),) if count else ()


def _about_summary(decided: Sequence[tuple[Unit, Reason]], summary: Summary, cost: int) -> tuple[Warning, ...]:
    counts = messages_by(decided)
    count = counts[Reason.SUMMARISED]
    made = Warning("summarised", count, counts.total(), since=summary.made_at, model=summary.model, tokens=cost)
    return (made,) if count else ()


def _why(request: Request, *, is_valid: bool, fits: bool) -> str:
    """Why messages that were dropped are in no summary."""
    if request.summary_problem:
        return request.summary_problem
    if request.summary is not None and not is_valid:
        return "invalid"
    return "due" if fits else "too_long"


# -- what the next summary is made of --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """What the next summary is made of: an ``old`` one, and the messages to fold in, oldest first."""

    old: Summary | None
    messages: Sequence[MessageHeader]

    @property
    def sources(self) -> tuple[Source, ...]:
        """All that it will cover, in the branch's order."""
        before = self.old.sources if self.old else ()
        return (*before, *(Source.of(header) for header in self.messages))


def due(branch: Sequence[MessageHeader], plan: ContextPlan, kept: Summary | None) -> Due:
    """What to make a summary of so that all that this plan drops is in one; no messages where nothing is missing.

    ``kept`` is the newest one of the branch. It is built on where all that it covers is still true and
    out of the window, and all that is missing came after it: else a correction would come before what
    it corrects, and everything is folded in anew. Pinned units are never folded in, whether they have
    room or not: the user wants their words. Nor is the newest exchange where only its size keeps it
    out of this window, and whatever is still being written.
    """
    reasons = {entry.id: entry.reason for entry in plan.entries if entry.kind is Kind.MESSAGE}
    out = _DROPPED | {Reason.SUMMARISED}
    dropped = _finished([header for header in branch if reasons.get(header.id) in out], plan)
    if kept is None or not holds(kept, branch) or any(reasons[each.id] is Reason.WINDOW for each in kept.sources):
        return Due(None, dropped)
    covered = {source.id for source in kept.sources}
    missing = [header for header in dropped if header.id not in covered]
    ids = [header.id for header in branch]
    if missing and ids.index(missing[0].id) < ids.index(kept.sources[-1].id):
        return Due(None, dropped)
    return Due(kept, missing)


def _finished(dropped: Sequence[MessageHeader], plan: ContextPlan) -> Sequence[MessageHeader]:
    """Without the last exchanges that are not to be folded in yet; a refused plan drops nothing for good."""
    if plan.error is not None:
        return ()
    heads = [place for place, header in enumerate(dropped) if header.role is Role.USER] or [0]
    end = len(dropped)
    if any(warning.code == "last_answer_not_sent" for warning in plan.warnings):
        end = heads[-1]
    writing = next((place for place, header in enumerate(dropped) if header.status is Status.STREAMING), None)
    if writing is not None:
        end = min(end, max((place for place in heads if place <= writing), default=0))
    return dropped[:end]


def holds(summary: Summary, branch: Sequence[MessageHeader]) -> bool:
    """Whether all its sources are on this branch in their order, as they were, and none is excluded."""
    claimed = {source.id for source in summary.sources}
    sources = [header for header in branch if header.id in claimed]
    return (
        bool(sources)
        and tuple(map(Source.of, sources)) == summary.sources
        and not any(header.excluded for header in sources)
    )
