"""Server-sent events, however they are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core.errors import ServerFailed
from tui_chat.providers.sse import LARGEST_EVENT, Event, EventStream


def events_of(*pieces: bytes) -> list[Event]:
    stream = EventStream()
    return [event for piece in pieces for event in stream.feed(piece)] + stream.end()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("data: a\n\n", [Event("message", "a")]),
        ("data:a\n\ndata:  b\n\n", [Event("message", "a"), Event("message", " b")]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", [Event("message", text) for text in "abc"]),
        ("data: a\ndata\ndata: b\n\n", [Event("message", "a\n\nb")]),
        ("event: error\ndata: a\n\ndata: b\n\n", [Event("error", "a"), Event("message", "b")]),
        (": comment\n\nid: 7\nretry: 1\nodd: x\nevent: ping\n\n", []),
        ("\ufeffdata: a\n\n", [Event("message", "a")]),
        ("data: not closed", [Event("message", "not closed")]),
        ("data: a: b\u2028c\n\n", [Event("message", "a: b\u2028c")]),
        ("", []),
    ],
)
def test_events_are_read_as_the_standard_says(body: str, expected: list[Event]) -> None:
    assert expected == events_of(body.encode())


def test_bytes_that_are_no_utf8_do_not_stop_it() -> None:
    assert [Event("message", "a\ufffdb")] == events_of(b"data: a\xffb\n\n")


LINES = st.lists(
    st.sampled_from(["data: naïve 漢字 🙂", "data:", "data: {}", "event: error", ": c", "", "", "\ufeffdata: x", "id"]),
    max_size=12,
)
ENDS = st.lists(st.sampled_from(["\n", "\r", "\r\n"]), min_size=12, max_size=12)


@settings(max_examples=150)
@given(LINES, ENDS, st.lists(st.integers(0, 200), max_size=12))
def test_where_a_body_is_cut_makes_no_difference(lines: list[str], ends: list[str], cuts: list[int]) -> None:
    body = "".join(line + end for line, end in zip(lines, ends, strict=False)).encode()
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[start:end] for start, end in pairwise(places)]

    assert events_of(body) == events_of(*pieces)
    assert events_of(body) == events_of(*(body[place : place + 1] for place in range(len(body))))


def test_a_long_stream_is_taken_however_its_events_are_cut() -> None:
    event = b"data: " + b"x" * 999_990 + b"\n\n"
    stream = EventStream()
    stream.feed(event[:5])

    for _ in range(30):  # no event is ever whole in one piece, and one always stands open
        assert len(stream.feed(event[5:] + event[:5])) == 1


@pytest.mark.parametrize("piece", [b"data: x" * 1000, (b"data: " + b"x" * 93 + b"\n") * 1000])
def test_an_endless_event_is_refused(piece: bytes) -> None:
    stream = EventStream()

    def endless() -> None:
        for _ in range(2 * LARGEST_EVENT // len(piece)):
            stream.feed(piece)

    with pytest.raises(ServerFailed, match="10 MB"):
        endless()
