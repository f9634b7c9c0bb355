"""Whether and when a request is tried again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tui_chat.providers.refusals import duration
from tui_chat.providers.waits import asked_wait, backoff, worth_retrying

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 -0000"}, 30.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e300"}, None),
        ({"retry-after": "Fri, 20 Nov 9999 12:00:30 GMT"}, None),
        ({"retry-after-ms": "nan", "retry-after": "Fri, 20 Nov 2026 12:02:00 GMT"}, 120.0),
    ],
)
def test_the_wait_a_server_asks_for(headers: dict[str, str], expected: float | None) -> None:
    assert expected == asked_wait(headers, lambda: NOON)


def test_the_servers_own_word_decides_before_its_status() -> None:
    assert [worth_retrying(status, {}) for status in (408, 409, 429, 503, 400, 404)] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    assert worth_retrying(400, {"x-should-retry": "true"})
    assert not worth_retrying(503, {"x-should-retry": "false"})


def test_the_wait_doubles_up_to_eight_seconds_with_jitter() -> None:
    assert [backoff(retry, 0) for retry in range(6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert 0.375 < backoff(0, 0.999) < 0.5


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.2, "1 second"), (60, "60 seconds"), (61, "2 minutes"), (3600, "60 minutes"), (7201, "3 hours")],
)
def test_durations_are_rounded_up_for_people(seconds: float, expected: str) -> None:
    assert expected == duration(seconds)
