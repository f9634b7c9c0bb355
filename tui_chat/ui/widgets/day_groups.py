"""Where the headings of a list of conversations stand: pinned, today, yesterday, this week, then months."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from typing import NamedTuple

from tui_chat.core import clock
from tui_chat.core.clock import Millis
from tui_chat.core.models import ConversationIndex

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class Group(NamedTuple):
    """A heading, and the place in the index of the first conversation under it."""

    heading: str
    start: int


def day_groups(index: ConversationIndex, now: Millis) -> list[Group]:
    """The groups that are not empty, in order, by the reader's local days. A few bisections for each group.

    Times to come count as today, those before 1970 as "Long ago"; an index out of order makes
    odd headings, never a failure.
    """
    groups = [Group("Pinned", 0)] if index.pinned else []
    place, end = index.pinned, len(index.keys)
    today = clock.local(now).replace(hour=0, minute=0, second=0, microsecond=0)
    days = (
        ("Today", today),
        ("Yesterday", today - timedelta(days=1)),
        ("This week", today - timedelta(days=today.weekday())),
    )
    for heading, since in days:
        after = _first_before(index, since, place)
        if after > place:
            groups.append(Group(heading, place))
            place = after
    while place < end:
        heading, month = _month(index.updated_at[place])
        groups.append(Group(heading, place))
        place = end if month is None else max(_first_before(index, month, place), place + 1)
    return groups


def _first_before(index: ConversationIndex, moment: datetime, place: int) -> int:
    """The first place from ``place`` on that is older than the moment; the array falls."""
    return bisect_right(index.updated_at, -round(moment.timestamp() * 1000), lo=place, key=lambda instant: -instant)


def _month(instant: Millis) -> tuple[str, datetime | None]:
    """The heading of an instant's month and that month's beginning (None: nothing before it is told apart)."""
    try:
        moment = clock.local(instant)
    except (OverflowError, OSError, ValueError):
        return "Long ago", None
    if moment.year < 1970:
        return "Long ago", None
    return f"{_MONTHS[moment.month - 1]} {moment.year}", datetime(moment.year, moment.month, 1)
