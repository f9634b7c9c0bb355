"""Ids that sort by creation, and instants with one text form."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_chat.core import clock
from tui_chat.core.clock import LATEST, from_rfc3339, local, local_time, to_rfc3339
from tui_chat.core.ids import make_id

# -- ids --------------------------------------------------------------------------------


def test_an_id_is_a_uuid_of_version_7_made_now() -> None:
    before = clock.now()
    made = uuid.UUID(make_id())

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= clock.now() + 5


def test_ids_sort_in_the_order_they_were_made() -> None:
    made = [make_id() for _ in range(20_000)]

    assert sorted(set(made)) == made


def test_ids_of_many_threads_are_all_different() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [id for batch in pool.map(lambda _: [make_id() for _ in range(1000)], range(16)) for id in batch]

    assert len(set(made)) == len(made)


def test_a_clock_that_goes_back_makes_no_smaller_id(monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_id()
    monkeypatch.setattr(time, "time_ns", lambda: 0)

    assert first < make_id() < make_id()


def test_the_last_characters_of_ids_are_random() -> None:
    assert len({make_id()[-8:] for _ in range(1000)}) == 1000


# -- instants ---------------------------------------------------------------------------

instants = st.integers(from_rfc3339("0001-01-01T00:00:00Z"), LATEST)


@given(instants)
def test_an_instant_survives_its_text_form(instant: int) -> None:
    text = to_rfc3339(instant)

    assert instant == from_rfc3339(text)
    assert len(text) == len("2026-11-20T08:00:00.000Z")


@given(instants, instants)
def test_texts_sort_as_their_instants_do(first: int, second: int) -> None:
    assert (first < second) == (to_rfc3339(first) < to_rfc3339(second))


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_795_161_600_000, "2026-11-20T08:00:00.000Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_known_instants_have_their_known_texts(instant: int, text: str) -> None:
    assert text == to_rfc3339(instant)


@pytest.mark.parametrize(
    "text",
    ["2026-11-20T08:00:00Z", "2026-11-20T09:00:00+01:00", "2026-11-20T02:30:00.000-05:30", "2026-11-20T08:00:00.0009Z"],
)
def test_other_zones_and_fractions_are_understood(text: str) -> None:
    assert from_rfc3339(text) == 1_795_161_600_000


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-20", "2026-11-20T08:00:00", "2026-13-01T00:00:00Z"])
def test_a_text_without_a_zone_or_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_rfc3339(text)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_instant_that_a_history_can_hold_has_a_text(instant: int) -> None:
    text = to_rfc3339(instant)

    assert "0001-01-01T00:00:00.000Z" <= text <= to_rfc3339(LATEST)
    assert local_time(instant)


@contextmanager
def zone(name: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("name", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "XXX-23:59", "XXX+23:59"])
@pytest.mark.parametrize("instant", [-(10**18), -1, 0, LATEST, LATEST + 1, from_rfc3339("9999-12-31T23:59:59-12:00")])
def test_the_first_and_the_last_instant_have_a_local_time_in_every_zone(instant: int, name: str) -> None:
    with zone(name):
        assert 1969 <= local(instant).year <= 9999
        assert local_time(instant)


@pytest.fixture
def in_new_york() -> Iterator[None]:
    with zone("America/New_York"):
        yield


@pytest.mark.usefixtures("in_new_york")
def test_local_time_is_the_readers_and_names_a_year_only_where_it_is_not_this_one() -> None:
    this_year = time.localtime().tm_year

    assert local_time(from_rfc3339("1999-05-03T16:40:00Z")) == "12:40, 3 May 1999"
    assert local_time(from_rfc3339(f"{this_year}-05-03T16:40:00Z")) == "12:40, 3 May"
