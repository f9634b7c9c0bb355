"""Whether a refused request is tried again, and after how long; pure but for the time and chance passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIES = 2
"""After the first try; what the vendors' own clients do."""

FIRST_WAIT = 0.5
LONGEST_BACKOFF = 8.0
"""Seconds: the wait doubles from the first to the longest where the server names none."""

LONGEST_WAIT = 60.0
"""Seconds a server may ask for; a longer wait is said, not begun."""

_LONGEST_SAID = 366 * 86_400.0
"""Seconds; what is said to last longer is no wait."""

_RETRIED = {408, 409, 429}


def worth_retrying(status: int, headers: Mapping[str, str]) -> bool:
    """The server's own word, else by status."""
    said = headers.get("x-should-retry", "").lower()
    if said in ("true", "false"):
        return said == "true"
    return status in _RETRIED or status >= 500


def asked_wait(headers: Mapping[str, str], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Seconds the server asks to wait, never negative; None where it says nothing understandable."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None  # no date either: as if it were not there
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = (moment - now()).total_seconds()
    return max(0.0, seconds) if seconds <= _LONGEST_SAID else None


def spelled_wait(text: object) -> float | None:
    """The seconds of Google's ``17s``, never negative; None for anything else."""
    return _number(text.removesuffix("s")) if isinstance(text, str) and text.endswith("s") else None


def backoff(retry: int, chance: float) -> float:
    """Seconds before retry number ``retry`` (from 0); ``chance`` in [0, 1) takes off up to a quarter."""
    return min(LONGEST_BACKOFF, FIRST_WAIT * 2.0**retry) * (1 - chance / 4)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number <= _LONGEST_SAID else None
