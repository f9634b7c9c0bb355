"""Instants: integer milliseconds since 1970 in UTC, and the one text form they have outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Millis = int
"""Milliseconds since 1970-01-01T00:00:00Z."""

Clock = Callable[[], Millis]

MINUTE: Millis = 60_000
DAY: Millis = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

LATEST: Millis = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // _MILLISECOND - 1
"""The last instant that has a date in every zone; what is later reads as this one."""

_EARLIEST: Millis = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND


def now() -> Millis:
    """The present instant."""
    return time.time_ns() // 1_000_000


def to_rfc3339(instant: Millis) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``: ``2026-11-20T08:00:00.000Z``. Never fails: see ``LATEST``."""
    moment = _EPOCH + timedelta(milliseconds=min(max(instant, _EARLIEST), LATEST))
    # Not strftime: its %Y does not pad years before 1000 everywhere.
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def from_rfc3339(text: str) -> Millis:
    """The instant of an RFC 3339 text with a zone; finer than a millisecond is cut off.

    Raises ValueError for anything else.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no zone")
    return (moment - _EPOCH) // _MILLISECOND


def local(instant: Millis) -> datetime:
    """The reader's date and time, without a zone. Never fails: too early reads as 1970, too late as ``LATEST``."""
    # Not every system knows its zones before 1970.
    return datetime.fromtimestamp(min(max(instant, 0), LATEST) / 1000)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def local_time(instant: Millis) -> str:
    """The reader's local ``12:40, 3 May`` (with the year where it is not this one); the same in every locale."""
    moment = local(instant)
    year = "" if moment.year == datetime.now().year else f" {moment.year}"
    return f"{moment:%H:%M}, {moment.day} {_MONTHS[moment.month - 1]}{year}"
