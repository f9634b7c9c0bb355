"""What any dialect of server-sent events must survive, as a suite beyond the provider contract's."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.provider import ANSWER, KEY, PROMPT, HttpProviderContract, collect, plan_of, text_of
from tests.providers.loopback import Loopback, Reply
from tui_chat.core.errors import (
    ContextTooLong,
    EmptyReply,
    NotReached,
    NotThisDialect,
    ProviderError,
    RateLimited,
    ServerFailed,
)
from tui_chat.core.events import Delta, Finished, TextDelta, ThinkingDelta, UsageReported
from tui_chat.core.models import Usage
from tui_chat.core.ports import Provider
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.providers.connect import HttpProviders
from tui_chat.providers.reading import Reading
from tui_chat.providers.refusals import Speaker

_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_NAMES = st.sampled_from(["type", "text", "usage", "parts", "error", "message"])
INHERITED = settings(deadline=None, suppress_health_check=[HealthCheck.differing_executors])

JUNK = _PLAIN | st.lists(_PLAIN, max_size=3) | st.dictionaries(_NAMES, _PLAIN)


class HostileStreams(HttpProviderContract):
    """Of a dialect that ``reading`` reads; a subclass is opened by its name."""

    dialect: ClassVar[str]
    reading: ClassVar[type[Reading]]

    def open(
        self,
        url: str,
        *,
        key: Secret | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        first_byte_timeout: float = 10,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> Provider:
        providers = HttpProviders(
            first_byte_timeout=first_byte_timeout, sleep=sleep or asyncio.sleep, transport=transport
        )
        return providers.open(Endpoint("here", url, self.dialect), key)

    def whole(self) -> bytes:
        return self.answer(*ANSWER, thinking="Hm.", usage=Usage(11, 9, 4))

    def read(self, *pieces: bytes) -> list[Delta]:
        """What is read of a body in these pieces; neighbours of one kind are put together."""
        reading = self.reading(Speaker("here", "http://here/v1", key=KEY))
        deltas: list[Delta] = []
        for piece in (*pieces, b""):
            if not reading.complete:
                deltas += reading.feed(piece)
        return put_together(deltas)

    # -- the same in another form -----------------------------------------------------------

    @given(st.data())
    @INHERITED
    def test_it_is_the_same_wherever_it_is_cut(self, data: st.DataObject) -> None:
        body = self.whole()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=30)))
        pieces = [body[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]

        assert self.expected() == self.read(*(piece for piece in pieces if piece))

    def expected(self) -> list[Delta]:
        return [
            ThinkingDelta("Hm."),
            TextDelta("".join(ANSWER)),
            UsageReported(Usage(11, 9, 4)),
            Finished("stop"),
        ]

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_it_is_the_same_with_any_line_end(self, end: bytes) -> None:
        assert self.expected() == self.read(self.whole().replace(b"\r\n", b"\n").replace(b"\n", end))

    def test_comments_and_a_byte_order_mark_say_nothing(self) -> None:
        lines = self.whole().replace(b"\r\n", b"\n").replace(b"\n", b"\n: still here\nretry: 5\n")

        assert self.expected() == self.read(b"\xef\xbb\xbf: hello\n\n" + lines)

    def test_events_of_a_later_version_are_skipped(self) -> None:
        later = b'data: {"news": [1]}\n\nevent: news\ndata: {"type": "news", "news": 2}\n\n'
        events = self.whole().replace(b"\r\n", b"\n")

        assert self.expected() == self.read(later + events.replace(b"\n\n", b"\n\n" + later))

    def test_the_last_event_needs_no_empty_line_behind_it(self) -> None:
        assert self.expected() == self.read(self.whole().rstrip())

    def test_half_a_character_is_replaced(self) -> None:
        body = self.answer("half @@ of it").replace(b"@@", rb"\ud83d")

        assert [TextDelta("half \ufffd of it"), Finished("stop")] == self.read(body)

    def test_an_answer_that_was_counted_is_not_waited_for_long(self) -> None:
        reading = self.reading(Speaker("here", "http://here/v1"))

        deltas = list(reading.feed(self.whole()))

        assert reading.ending
        assert 0.25 == reading.patience
        assert Finished("stop") not in deltas

    # -- nothing of it makes it crash ---------------------------------------------------------

    @given(st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([b"data: ", b"\n", b"event: error\n", b"{}"])))
    @INHERITED
    def test_any_bytes_are_an_answer_or_our_error(self, pieces: list[bytes]) -> None:
        with suppress(ProviderError):
            assert isinstance(self.read(*pieces)[-1], Finished)

    @given(st.data())
    @settings(INHERITED, max_examples=300)
    def test_a_value_of_another_kind_anywhere_is_an_answer_or_our_error(self, data: st.DataObject) -> None:
        events = [json.loads(line[6:]) for line in self.whole().splitlines() if line.startswith(b"data: {")]
        places = list(places_of(events))
        spoilt = copy.deepcopy(events)
        for where in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
            put(spoilt, where, data.draw(JUNK))
        body = "".join(f"data: {json.dumps(each)}\n\n" for each in spoilt).encode()

        with suppress(ProviderError):
            assert isinstance(self.read(body)[-1], Finished)

    # -- failing in mid-stream ------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ({"error": {"type": "overloaded_error", "message": "Overloaded"}}, ServerFailed),
            ({"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}, ServerFailed),
            ({"error": "Overloaded"}, ServerFailed),
            ([{"error": {"code": 500, "message": "Overloaded"}}], ServerFailed),
            ({"error": {"type": "rate_limit_error", "message": "Overloaded"}}, RateLimited),
            ({"error": {"code": 429, "message": "Overloaded", "status": "RESOURCE_EXHAUSTED"}}, RateLimited),
            ({"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}, ContextTooLong),
        ],
    )
    async def test_an_error_in_mid_stream_keeps_the_text(self, said: Any, expected: type[ProviderError]) -> None:
        for name in ("", "event: error\n"):
            deltas: list[Delta] = []
            failure = f"{name}data: {json.dumps(said)}\n\n".encode()

            error = await self.failure(Reply(self.answer("half", end=False) + failure), into=deltas)

            assert expected is type(error)
            assert [TextDelta("half")] == deltas
            if expected is not ContextTooLong:
                assert "Overloaded" in str(error)

    async def test_a_reset_in_mid_stream_keeps_the_text(self) -> None:
        body = self.answer("half", end=False)
        transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Reset(body)))
        provider = self.open("http://127.0.0.1/v1", transport=transport)
        deltas: list[Delta] = []

        with pytest.raises(NotReached, match="in the middle of its reply"):
            await collect(provider, plan_of(PROMPT), model=self.model, into=deltas)
        await provider.close()

        assert [TextDelta("half")] == deltas

    async def test_a_reset_after_the_end_is_an_end(self) -> None:
        transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Reset(self.whole())))
        provider = self.open("http://127.0.0.1/v1", transport=transport)

        deltas = await collect(provider, plan_of(PROMPT), model=self.model)
        await provider.close()

        assert self.expected() == put_together(deltas)

    async def test_a_server_that_stays_connected_after_the_end_has_still_ended(self) -> None:
        assert Finished("stop") == (await self.ask(Reply(self.whole(), gate=asyncio.Event())))[-1]

    async def test_a_closed_port_is_named(self) -> None:
        async with Loopback() as server:
            url, place = server.url, f"127.0.0.1:{server.port}"
        provider = self.open(url)

        with pytest.raises(NotReached, match=place):
            await collect(provider, plan_of(PROMPT), model=self.model)
        with pytest.raises(NotReached, match=place):
            await provider.models()
        await provider.close()

    async def test_an_endless_line_is_not_read_to_its_end(self) -> None:
        deltas: list[Delta] = []
        line = self.answer("half", end=False) + b"data: " + b"x" * 11_000_000

        error = await self.failure(Reply(line, cut=1_000_000), into=deltas)

        assert ServerFailed is type(error)
        assert "10 MB" in str(error)
        assert [TextDelta("half")] == deltas

    async def test_a_body_that_ends_before_any_text_is_an_empty_reply(self) -> None:
        assert EmptyReply is type(await self.failure(Reply(self.answer(end=False))))

    async def test_another_dialect_is_not_taken_for_this_one(self) -> None:
        chunk = {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "hi"}}]}
        for body in (f"data: {json.dumps(chunk)}\n\n", "data: hi\n\n", "data: 7\n\n", "data: {}\n\n", '{"a":"b"}\n'):
            error = await self.failure(Reply(body.encode()))

            assert NotThisDialect is type(error)
            assert "OpenAI" not in str(error)

    async def test_an_error_as_a_whole_answer_is_understood(self) -> None:
        assert "no more" in str(await self.failure(Reply.json({"error": {"message": "no more"}})))

    async def test_half_of_an_answer_that_was_not_streamed_is_not_quoted(self) -> None:
        error = await self.failure(Reply(b'{"choices": [{"message": {"content": "the reply canary'))

        assert "canary" not in error.sentence

    # -- what goes out ------------------------------------------------------------------------

    async def test_no_sampling_parameter_goes_out(self) -> None:
        async with Loopback(Reply(self.whole())) as server:
            provider = self.open(server.url)
            await collect(provider, plan_of(PROMPT), model=self.model)
            await provider.close()

        for name in ("temperature", "top", "seed", "penalty", "thinking", "cache"):
            assert name not in server.last.body.decode()

    async def test_lone_surrogates_and_odd_models_can_be_sent(self) -> None:
        async with Loopback(Reply(self.whole())) as server:
            provider = self.open(server.url)
            deltas = await collect(provider, plan_of("a \ud83d b", system="\udc00"), model="od/d \ud83d?#é..")
            await provider.close()

        assert "a \ufffd b" in server.last.body.decode()
        assert "".join(ANSWER) == text_of(deltas)


class Reset(httpx.AsyncByteStream):
    """A body whose connection is reset behind what it said."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.said
        raise httpx.ReadError("reset")


def put_together(deltas: list[Delta]) -> list[Delta]:
    """The same with neighbours of one kind as one."""
    joined: list[Delta] = []
    for delta in deltas:
        match joined[-1:], delta:
            case [TextDelta(before)], TextDelta(text):
                joined[-1] = TextDelta(before + text)
            case [ThinkingDelta(before)], ThinkingDelta(text):
                joined[-1] = ThinkingDelta(before + text)
            case _:
                joined.append(delta)
    return joined


def places_of(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a JSON value."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*where, name)
        if isinstance(inner, dict | list):
            yield from places_of(inner, (*where, name))


def put(value: Any, where: tuple[Any, ...], new: Any) -> None:
    """Put something else there, if there is such a place still."""
    for name in where[:-1]:
        if not isinstance(value, dict | list) or (isinstance(value, dict) and name not in value):
            return
        if isinstance(value, list) and (not isinstance(name, int) or name >= len(value)):
            return
        value = value[name]
    if isinstance(value, dict) or (isinstance(value, list) and isinstance(where[-1], int) and where[-1] < len(value)):
        value[where[-1]] = new
