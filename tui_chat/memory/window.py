"""The rolling window: the newest whole units that fit both limits, messages and tokens, and the user's pins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tui_chat.core.context import ContextPlan, Limit, Reason, Warning
from tui_chat.core.models import MessageHeader
from tui_chat.memory.composition import Decision, Setting, compose, messages_by
from tui_chat.memory.pins import pins_that_fit
from tui_chat.memory.request import Request
from tui_chat.memory.units import Unit


class RollingWindow:
    """Send the newest messages, at most ``max_messages``, always under the token budget as well.

    It is contiguous but for what the user marked: no older unit is sent past one that does not fit.
    Pinned units have their room first, newest first, and count for no limit of messages; excluded
    ones are passed over. Exact, it is computed afresh each time and remembers nothing. In blocks
    (``low`` below 1) it begins where it began last time while that fits, so that a server's cache of
    the prefix holds; over a limit it drops to ``low`` of it.
    """

    name = "window"

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        """The newest whole units under both limits; with room for none of them a graver warning."""
        setting = Setting.of(branch, request)
        view = look(setting)
        return compose(
            self.name,
            setting,
            Decision(
                units=view.decided,
                warnings=(*view.about_dropped(), *view.about_marks()),
                error=setting.fixed.error,
                anchor=view.anchor,
            ),
        )


@dataclass(frozen=True, slots=True)
class View:
    """Where the window stands: a reason for each unit, the index of its first one, and what keeps it there.

    ``first`` is the first message in it, None where it is empty; ``room`` what is left of the budget
    after fixed parts and pins, in tokens; ``anchor`` what the next window of blocks begins with.
    """

    decided: Sequence[tuple[Unit, Reason]]
    start: int
    first: MessageHeader | None
    limit: Limit | None
    room: int
    anchor: str | None

    @property
    def dropped(self) -> Sequence[Unit]:
        """The units before the window that no mark decides on; without a head or with."""
        out = (Reason.BEFORE_WINDOW, Reason.NO_USER_MESSAGE)
        return [unit for unit, reason in self.decided if reason in out]

    def about_dropped(self) -> tuple[Warning, ...]:
        """That it drops messages, where it does."""
        counts = messages_by(self.decided)
        count = counts[Reason.BEFORE_WINDOW] + counts[Reason.NO_USER_MESSAGE]
        grave = self.first is None and self.limit is Limit.TOKENS
        code = "last_answer_not_sent" if grave else "before_window"
        since = self.first.created_at if self.first else None
        return (Warning(code, count, counts.total(), since=since, limit=self.limit),) if count else ()

    def about_marks(self) -> tuple[Warning, ...]:
        """What pins and exclusions keep from being sent."""
        counts = messages_by(self.decided)
        warnings = (
            Warning("pin_no_room", counts[Reason.PINNED_NO_ROOM], counts.total()),
            Warning("excluded", counts[Reason.EXCLUDED], counts.total()),
        )
        return tuple(warning for warning in warnings if warning.count)


def look(setting: Setting, *, share: float = 1.0) -> View:
    """Put the window where it belongs; it may take ``share`` of the tokens that fixed parts and pins leave."""
    branch, request, fixed, units = setting.branch, setting.request, setting.fixed, setting.units
    pins, spent = pins_that_fit(units, None if fixed.error else fixed.room)
    left = fixed.room - spent
    room = _Room(request.max_messages, None if fixed.error else left * share)
    start, limit = _start(units, pins, room, request, _unit_of(branch, units, request.anchor_id))
    decided = [(unit, _reason(unit, unit.start in pins, index >= start)) for index, unit in enumerate(units)]
    in_window = (unit for unit, reason in decided[start:] if reason is not Reason.EXCLUDED)
    first = next((branch[unit.start] for unit in in_window), None)
    return View(decided, start, first, limit, max(0, left), first.id if first and request.low < 1 else None)


class _Room(NamedTuple):
    """What the window may hold, pins apart; ``tokens`` None is boundless."""

    messages: float
    tokens: float | None

    def shrunk(self, share: float) -> _Room:
        return _Room(self.messages * share, None if self.tokens is None else self.tokens * share)


def _start(
    units: Sequence[Unit], pins: frozenset[int], room: _Room, request: Request, anchor: int
) -> tuple[int, Limit | None]:
    """The index of the window's first unit, and the limit that keeps it there (None: nothing is dropped)."""
    exact, limit = _newest_that_fit(units, pins, room)
    if request.low >= 1:
        return exact, limit
    low, low_limit = _newest_that_fit(units, pins, room.shrunk(request.low))
    if low == 0:
        return 0, None
    # Never below the newest unit where it fits at all: dropping a long last answer would save nothing.
    newest = next((index for index in reversed(range(len(units))) if not units[index].excluded), 0)
    start = anchor if exact <= anchor <= newest else max(exact, min(low, newest))
    while start and _is_free(units[start - 1], pins):
        start -= 1
    return start, (limit or low_limit) if start else None


def _newest_that_fit(units: Sequence[Unit], pins: frozenset[int], room: _Room) -> tuple[int, Limit | None]:
    """The index of the oldest of the newest units that fit, and the limit that the next one breaks."""
    messages = tokens = 0
    for index in range(len(units) - 1, -1, -1):
        unit = units[index]
        if _is_free(unit, pins):
            continue
        tokens += unit.tokens
        # One that is pinned but has no room breaks the limit of tokens, and counts for no other.
        messages += 0 if unit.pinned else unit.messages
        if messages > room.messages:
            return index + 1, Limit.MESSAGES
        if room.tokens is not None and tokens > room.tokens:
            return index + 1, Limit.TOKENS
    return 0, None


def _is_free(unit: Unit, pins: frozenset[int]) -> bool:
    """Whether it takes nothing of the window's room: it is sent in any case, or never."""
    return unit.excluded or unit.start in pins


def _unit_of(branch: Sequence[MessageHeader], units: Sequence[Unit], anchor_id: str | None) -> int:
    """The index of the unit that holds the anchor; 0 where it is not on this branch."""
    if anchor_id is None:
        return 0
    place = next((index for index, header in enumerate(branch) if header.id == anchor_id), 0)
    return next((index for index, unit in enumerate(units) if place < unit.end), 0)


def _reason(unit: Unit, is_pin: bool, in_window: bool) -> Reason:
    if unit.excluded:
        return Reason.EXCLUDED
    if unit.pinned:
        return Reason.PINNED if is_pin else Reason.PINNED_NO_ROOM
    if in_window:
        return Reason.WINDOW
    return Reason.BEFORE_WINDOW if unit.has_head else Reason.NO_USER_MESSAGE
