"""Retrieval: a smaller window, and of what is older what bears on the draft, quoted behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from tui_chat.core.context import ContextPlan, Limit, Quotation, Reason, Warning
from tui_chat.core.models import MessageHeader
from tui_chat.core.recall import Hit
from tui_chat.memory.composition import SENT, Decision, Setting, compose
from tui_chat.memory.quotation import block_tokens, quotation_of
from tui_chat.memory.request import Request
from tui_chat.memory.window import View, look

WINDOW_SHARE = 0.5
"""Of the room that fixed parts and pins leave. What retrieval does not use stays free: a stable window
beats a fuller one."""

MOST_QUOTED = 4096
"""Tokens for all quotations. As measured, 2,000 hold 85 % of what is needed and 4,000 hold 90: few and relevant."""

LEAST_SCORE = 0.3
"""What scores below this share of the best is not relevant enough."""

PARTS = 10
"""A quotation takes at most this part of the room for all. One long message shall not be all that is found:
with passages of a sixth, 3 in 100 facts fewer were in 4,000 tokens (``tests.benchmarks.retrieval``)."""

SHORTEST_PASSAGE = 60
"""In a small room a few passages of this size, in tokens, say more than many shreds."""


class Retrieval:
    """Send the newest messages, and quote older ones that were found for the draft inside its message.

    The window takes half of the room, or what its newest exchange needs where that is more. What was
    found is ``Request.ranked``; where nothing was looked for the window stands alone, and the plan says
    so. Never quoted are excluded, empty and failed messages and what is sent anyway; of the same text
    many times it is the newest.
    """

    name = "retrieval"

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        """The window, and beside it the best quotations that fit, in the order in which they were written."""
        setting = Setting.of(branch, request)
        view = _window(setting)
        quotations: tuple[Quotation, ...] = ()
        if setting.fixed.error is None and request.draft is not None and not request.ranking_problem:
            quotations = _in_order(_packed(_worth_quoting(setting, view), _room(view), request), branch)
        return compose(
            self.name,
            setting,
            Decision(
                units=view.decided,
                warnings=tuple(_warnings(setting, view, {each.id for each in quotations})),
                error=setting.fixed.error,
                anchor=view.anchor,
                quotations=quotations,
                block_tokens=block_tokens(quotations),
            ),
        )


def _window(setting: Setting) -> View:
    """The window within its share; beyond it rather than without the last answer, which is the likeliest subject."""
    view = look(setting, share=WINDOW_SHARE)
    return look(setting) if view.first is None and view.limit is Limit.TOKENS else view


def _room(view: View) -> int:
    """Tokens for the whole block."""
    used = sum(unit.tokens for unit, reason in view.decided if reason is Reason.WINDOW)
    return min(MOST_QUOTED, int(view.room * (1 - WINDOW_SHARE)), view.room - used)


def _places(setting: Setting, view: View, *, sent: bool) -> dict[str, int]:
    """Where the messages with a text stand on the branch that are sent - or that are not, and not excluded -, by id."""
    branch, orphans = setting.branch, setting.tools.orphans
    return {
        branch[place].id: place
        for unit, reason in view.decided
        if (reason in SENT) == sent and reason is not Reason.EXCLUDED
        for place in range(unit.start, unit.end)
        if branch[place].has_text and place not in orphans
    }


def _worth_quoting(setting: Setting, view: View) -> Sequence[Hit]:
    """The hits that can be quoted, best first, without those far below the best; each text once."""
    left_out, sent = _places(setting, view, sent=False), _places(setting, view, sent=True)
    own = {header.id for header in setting.branch}
    ranked = {hit.id: hit for hit in setting.request.ranked if (hit.conversation is None) == (hit.id in own)}
    hits = [hit for hit in ranked.values() if hit.id not in own or hit.id in left_out]
    least = max((hit.score for hit in hits), default=0) * LEAST_SCORE
    seen = {hit.twin for hit in ranked.values() if hit.id in sent} - {0}
    once: dict[int | str, Hit] = {}
    for hit in hits:
        if hit.score >= least and hit.twin not in seen:
            # Without a twin it is its own. A newer copy takes the place of the one that was found better.
            key = hit.twin or hit.id
            if key not in once or _age(hit, left_out) > _age(once[key], left_out):
                once[key] = hit
    return list(once.values())


def _age(hit: Hit, places: Mapping[str, int]) -> tuple[int, int]:
    """The greater the newer; of another conversation is older than all of this one."""
    return places.get(hit.id, -1) if hit.conversation is None else -1, hit.created_at


def _packed(hits: Sequence[Hit], room: int, request: Request) -> Sequence[Quotation]:
    """Those that fit, the best first; what does not fit is passed over."""
    most = max(SHORTEST_PASSAGE, int(room / request.factor) // PARTS)
    packed: list[Quotation] = []
    for hit in hits:
        quotation = quotation_of(hit, most=most)
        if request.corrected(block_tokens([*packed, quotation])) <= room:
            packed.append(quotation)
    return packed


def _in_order(quotations: Sequence[Quotation], branch: Sequence[MessageHeader]) -> tuple[Quotation, ...]:
    """By time; those of this branch in its order, whatever their clocks say."""
    if not quotations:
        return ()
    times = accumulate((header.created_at for header in branch), max)
    places = {header.id: (time, place) for place, (header, time) in enumerate(zip(branch, times, strict=True))}
    elsewhere = len(branch)
    return tuple(sorted(quotations, key=lambda each: places.get(each.id, (each.created_at, elsewhere))))


def _warnings(setting: Setting, view: View, quoted: set[str]) -> Iterator[Warning]:
    """What is not sent, less what is quoted of it."""
    request = setting.request
    found: Counter[Reason] = Counter()
    for unit, reason in view.decided if quoted else ():
        found[reason] += sum(header.id in quoted for header in setting.branch[unit.start : unit.end])
    for warning in view.about_dropped():
        number = found[Reason.BEFORE_WINDOW] + found[Reason.NO_USER_MESSAGE]
        code = "not_searched" if request.ranking_problem else "not_found"
        if request.draft is None or (warning.code == "last_answer_not_sent" and not _is_quoted(setting, view, quoted)):
            code = warning.code
        why = request.ranking_problem if code == "not_searched" else ""
        yield from _left(replace(warning, code=code, count=warning.count - number, found=number, why=why))
    for warning in view.about_marks():
        number = found[Reason.PINNED_NO_ROOM] if warning.code == "pin_no_room" else 0
        yield from _left(replace(warning, count=warning.count - number))


def _left(warning: Warning) -> Iterator[Warning]:
    if warning.count:
        yield warning


def _is_quoted(setting: Setting, view: View, quoted: set[str]) -> bool:
    """Whether something of the newest unit that was dropped is quoted."""
    newest = view.dropped[-1]
    return any(header.id in quoted for header in setting.branch[newest.start : newest.end])
