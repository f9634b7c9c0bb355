"""Retrieval: a smaller window, and of what is older what bears on the draft, quoted behind it."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

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
        places = _places(setting, view)
        quotations: tuple[Quotation, ...] = ()
        if setting.fixed.error is None and request.draft is not None and not request.ranking_problem:
            packed = _packed(_worth_quoting(request.ranked, places), _room(view), request)
            quotations = _in_order(packed, places, branch)
        return compose(
            self.name,
            setting,
            Decision(
                units=view.decided,
                warnings=tuple(_warnings(request, view, [places[each.id] for each in quotations if each.id in places])),
                error=setting.fixed.error,
                anchor=view.anchor,
                quotations=quotations,
                block_tokens=block_tokens(quotations),
            ),
        )


class _Place(NamedTuple):
    """Which of the branch's messages one that was found is, and what its unit's reason is (None: of no unit)."""

    number: int
    reason: Reason | None
    has_text: bool

    @property
    def is_sent(self) -> bool:
        return self.reason in SENT

    @property
    def is_quotable(self) -> bool:
        return self.has_text and not self.is_sent and self.reason not in (Reason.EXCLUDED, None)


def _window(setting: Setting) -> View:
    """The window within its share; beyond it rather than without the last answer, which is the likeliest subject."""
    view = look(setting, share=WINDOW_SHARE)
    return look(setting) if view.first is None and view.limit is Limit.TOKENS else view


def _room(view: View) -> int:
    """Tokens for the whole block."""
    used = sum(unit.tokens for unit, reason in view.decided if reason is Reason.WINDOW)
    return min(MOST_QUOTED, int(view.room * (1 - WINDOW_SHARE)), view.room - used)


def _places(setting: Setting, view: View) -> dict[str, _Place]:
    """The places of those that were found, as far as they are on the branch, by id."""
    found = {hit.id for hit in setting.request.ranked}
    starts = [unit.start for unit, _ in view.decided]
    places = {}
    for index, header in enumerate(setting.branch):
        if header.id in found:
            unit, reason = view.decided[max(0, bisect(starts, index) - 1)] if starts else (None, None)
            is_inside = unit is not None and unit.start <= index < unit.end and index not in setting.tools.orphans
            places[header.id] = _Place(index, reason if is_inside else None, header.has_text)
    return places


def _worth_quoting(ranked: Sequence[Hit], places: Mapping[str, _Place]) -> Sequence[Hit]:
    """The hits that can be quoted, best first, without those far below the best; each text once."""
    known = {hit.id: hit for hit in ranked if (hit.conversation is None) == (hit.id in places)}
    hits = [hit for hit in known.values() if hit.id not in places or places[hit.id].is_quotable]
    least = max((hit.score for hit in hits), default=0) * LEAST_SCORE
    seen = {hit.twin for hit in known.values() if hit.id in places and places[hit.id].is_sent} - {0}
    once: dict[int | str, Hit] = {}
    for hit in hits:
        if hit.score >= least and hit.twin not in seen:
            # Without a twin it is its own. A newer copy takes the place of the one that was found better.
            key = hit.twin or hit.id
            if key not in once or _age(hit, places) > _age(once[key], places):
                once[key] = hit
    return list(once.values())


def _age(hit: Hit, places: Mapping[str, _Place]) -> tuple[int, int]:
    """The greater the newer; of another conversation is older than all of this one."""
    return places[hit.id].number if hit.id in places else -1, hit.created_at


def _packed(hits: Sequence[Hit], room: int, request: Request) -> Sequence[Quotation]:
    """Those that fit, the best first; what does not fit is passed over."""
    most = max(SHORTEST_PASSAGE, int(room / request.factor) // PARTS)
    packed: list[Quotation] = []
    used = 0
    for hit in hits:
        if request.corrected(used + min(hit.tokens, most)) > room:
            continue  # seen without measuring what is written above it
        quotation = quotation_of(hit, most=most)
        tokens = block_tokens([*packed, quotation])
        if request.corrected(tokens) <= room:
            packed.append(quotation)
            used = tokens
    return packed


def _in_order(
    quotations: Sequence[Quotation], places: Mapping[str, _Place], branch: Sequence[MessageHeader]
) -> tuple[Quotation, ...]:
    """By time; those of this branch in its order, whatever their clocks say."""
    if not quotations:
        return ()
    times = list(accumulate((header.created_at for header in branch), max))

    def moment(quotation: Quotation) -> tuple[int, int]:
        place = places.get(quotation.id)
        return (quotation.created_at, len(branch)) if place is None else (times[place.number], place.number)

    return tuple(sorted(quotations, key=moment))


def _warnings(request: Request, view: View, quoted: Sequence[_Place]) -> Iterator[Warning]:
    """What is not sent, less what is quoted of it."""
    found = Counter(place.reason for place in quoted)
    for warning in view.about_dropped():
        number = found[Reason.BEFORE_WINDOW] + found[Reason.NO_USER_MESSAGE]
        code = "not_searched" if request.ranking_problem else "not_found"
        newest = view.dropped[-1]
        has_last = any(newest.start <= place.number < newest.end for place in quoted)
        if request.draft is None or (warning.code == "last_answer_not_sent" and not has_last):
            code = warning.code
        why = request.ranking_problem if code == "not_searched" else ""
        yield from _left(replace(warning, code=code, count=warning.count - number, found=number, why=why))
    for warning in view.about_marks():
        number = found[Reason.PINNED_NO_ROOM] if warning.code == "pin_no_room" else 0
        yield from _left(replace(warning, count=warning.count - number))


def _left(warning: Warning) -> Iterator[Warning]:
    if warning.count:
        yield warning
