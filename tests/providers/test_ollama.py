"""Ollama's own protocol: the contract, hostile streams, and the official client as a reference."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.provider import (
    ANSWER,
    KEY,
    PROMPT,
    HttpProviderContract,
    collect,
    plan_of,
    text_of,
    thinking_of,
)
from tests.providers.loopback import Loopback, Reply
from tui_chat.core.context import PayloadMessage
from tui_chat.core.errors import (
    ContextTooLong,
    EmptyReply,
    NotFoundAtServer,
    NotReached,
    NotThisDialect,
    ProviderError,
    ServerFailed,
    Unauthorized,
)
from tui_chat.core.events import Delta, Finished, TextDelta, ThinkingDelta, UsageReported
from tui_chat.core.models import Role, ToolCall, ToolResult, Usage
from tui_chat.core.ports import Provider
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.providers.connect import HttpProviders
from tui_chat.providers.ollama_stream import OllamaStream
from tui_chat.providers.refusals import Speaker

RECORDED = (
    '{"model":"llama3","created_at":"2026-11-20T08:18:08.112Z","message":{"role":"assistant",'
    '"content":"Hello! **bold** naïv"},"done":false}\n'
    '{"model":"llama3","created_at":"2026-11-20T08:18:08.112Z","message":{"role":"assistant",'
    '"content":"e 漢字 🙂\\n\\n```python\\np"},"done":false}\n'
    '{"model":"llama3","created_at":"2026-11-20T08:18:08.112Z","message":{"role":"assistant",'
    '"content":"rint(\'hi\')\\n```\\n"},"done":false}\n'
    '{"model":"llama3","created_at":"2026-11-20T08:18:08.112Z","message":{"role":"assistant","content":""},'
    '"done":true,"done_reason":"stop","total_duration":0,"load_duration":0,"prompt_eval_count":0,'
    '"prompt_eval_duration":0,"eval_count":0,"eval_duration":0}\n'
).encode()
"""From another project's stand-in for Ollama."""


def line(value: Any) -> bytes:
    return f"{json.dumps(value, ensure_ascii=False)}\n".encode()


def said(message: Mapping[str, Any], **more: Any) -> bytes:
    head = {"model": "tiny", "created_at": "2026-11-20T08:00:00.000000001Z"}
    return line({**head, "message": {"role": "assistant", **message}, "done": False, **more})


def done(reason: str | None = "stop", usage: Usage | None = None, **more: Any) -> bytes:
    times = {"total_duration": 9, "load_duration": 1, "prompt_eval_duration": 3, "eval_duration": 5}
    counts = (
        {
            "prompt_eval_count": usage.input_tokens,
            "prompt_eval_cached_count": usage.cached_tokens,
            "eval_count": usage.output_tokens,
        }
        if usage
        else {}
    )
    why = {} if reason is None else {"done_reason": reason}
    return said({"content": ""}, done=True, **why, **times, **counts, **more)


class TestOllama(HttpProviderContract):
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
        return providers.open(Endpoint("here", url, "ollama"), key)

    def answer(
        self, *texts: str, thinking: str = "", usage: Usage | None = None, reason: str = "stop", end: bool = True
    ) -> bytes:
        body = said({"content": "", "thinking": thinking}) if thinking else b""
        body += b"".join(said({"content": text}) for text in texts)
        return body + (done(reason, usage) if end else b"")

    # -- what goes out ----------------------------------------------------------------------

    async def test_the_body_names_the_window_and_forbids_to_cut(self) -> None:
        plan = plan_of("hi", "yes?", "naïve 漢字", system="be brief")
        plan = replace(plan, budget=replace(plan.budget, context_window=12_345))

        body = self.offline().render(plan, model="llama3.2:latest")

        assert json.loads(body) == {
            "model": "llama3.2:latest",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "yes?"},
                {"role": "user", "content": "naïve 漢字"},
            ],
            "stream": True,
            "truncate": False,
            "shift": False,
            "options": {"num_ctx": 12_345},
        }
        assert "漢字".encode() in body

    async def test_calls_and_results_go_out_as_ollama_writes_them(self) -> None:
        calls = (ToolCall("c1", "clock", '{"city": "Oslo"}'), ToolCall("c2", "clock", "not JSON"))
        payload = (
            PayloadMessage(Role.USER, "What time is it?"),
            PayloadMessage(Role.ASSISTANT, "I look.", calls=calls),
            PayloadMessage(Role.TOOL, "noon\nnight", results=(ToolResult("c1", "noon"), ToolResult("c2", "night"))),
        )

        body = self.offline().render(replace(plan_of("x"), payload=payload), model="tiny")

        assert json.loads(body)["messages"] == [
            {"role": "user", "content": "What time is it?"},
            {
                "role": "assistant",
                "content": "I look.",
                "tool_calls": [
                    {"id": "c1", "function": {"name": "clock", "arguments": {"city": "Oslo"}}},
                    {"id": "c2", "function": {"name": "clock", "arguments": {"arguments": "not JSON"}}},
                ],
            },
            {"role": "tool", "content": "noon", "tool_name": "clock", "tool_call_id": "c1"},
            {"role": "tool", "content": "night", "tool_name": "clock", "tool_call_id": "c2"},
        ]

    @pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
    async def test_the_request_goes_to_the_root_even_from_a_compatible_address(self, end: str) -> None:
        async with Loopback(Reply(self.answer(*ANSWER))) as server:
            provider = self.open(server.url.removesuffix("/v1") + end, key=KEY)
            await collect(provider, plan_of(PROMPT), model="tiny")
            await provider.close()

        assert (server.last.method, server.last.path) == ("POST", "/api/chat")
        assert f"Bearer {KEY.reveal_text()}" == server.last.headers["authorization"]

    async def test_nothing_goes_out_that_nobody_asked_for(self) -> None:
        body = json.loads(self.offline().render(plan_of(PROMPT), model="tiny"))

        assert {"model", "messages", "stream", "truncate", "shift", "options"} == set(body)
        assert {"num_ctx"} == set(body["options"])

    async def test_lone_surrogates_and_odd_models_can_be_sent(self) -> None:
        async with Loopback(Reply(self.answer(*ANSWER))) as server:
            provider = self.open(server.url)
            deltas = await collect(provider, plan_of("a \ud83d b", system="\udc00"), model="od/d \ud83d?#é..")
            await provider.close()

        assert "a \ufffd b" in server.last.body.decode()
        assert "".join(ANSWER) == text_of(deltas)

    # -- what comes back --------------------------------------------------------------------

    async def test_a_recorded_answer_is_read(self) -> None:
        deltas = await self.ask(Reply(RECORDED, content_type="application/x-ndjson"))

        assert text_of(deltas) == "Hello! **bold** naïve 漢字 🙂\n\n```python\nprint('hi')\n```\n"
        assert Finished("stop") == deltas[-1]
        assert not any(isinstance(delta, UsageReported) for delta in deltas)  # it counted nothing

    async def test_lines_may_end_as_on_windows_and_be_empty(self) -> None:
        body = b"\r\n" + self.answer(*ANSWER).replace(b"\n", b"\r\n\r\n").removesuffix(b"\r\n\r\n")

        for cut in (1, 7, 1000):
            assert "".join(ANSWER) == text_of(await self.ask(Reply(body, cut=cut)))

    async def test_signs_of_life_and_a_byte_order_mark_say_nothing(self) -> None:
        lines = self.answer(*ANSWER, thinking="Hm.").replace(b"\n", b"\n: still here\n\n")

        deltas = await self.ask(Reply(b"\xef\xbb\xbf: hello\n" + lines))

        assert ("Hm.", "".join(ANSWER)) == (thinking_of(deltas), text_of(deltas))
        assert Finished("stop") == deltas[-1]

    async def test_what_is_not_known_is_skipped(self) -> None:
        body = (
            line({"status": "loading", "completed": 7})
            + said({"content": "Yes.", "images": None, "mood": ["good"]}, logprobs=[], done="no")
            + said({"content": " More."}, done=1)
            + line({"model": "tiny", "done": False})
            + done(context=[1, 2])
        )

        assert [TextDelta("Yes."), TextDelta(" More."), Finished("stop")] == await self.ask(Reply(body))

    async def test_thinking_in_tags_is_told_apart(self) -> None:
        deltas = await self.ask(Reply(self.answer("\n<th", "ink>Hm", "m.</thi", "nk>\n\n", "Yes: <think>.")))

        assert thinking_of(deltas) == "Hmm."
        assert text_of(deltas) == "Yes: <think>."

    async def test_only_thinking_ends_properly(self) -> None:
        deltas = await self.ask(Reply(self.answer(thinking="Hm.", reason="length")))

        assert [ThinkingDelta("Hm."), Finished("length")] == deltas

    @pytest.mark.parametrize(
        ("counts", "usage"),
        [
            ({"prompt_eval_count": 26, "eval_count": 8}, Usage(26, 8)),
            ({"prompt_eval_count": 26, "eval_count": 8, "prompt_eval_cached_count": 20}, Usage(26, 8, 20)),
            ({"prompt_eval_count": 26, "prompt_eval_cached_count": 99}, Usage(26, 0, 26)),
            ({"eval_count": 8}, None),
            ({"prompt_eval_count": 0, "eval_count": 8}, None),
            ({"prompt_eval_count": "26", "eval_count": True}, None),
            ({"prompt_eval_count": -1}, None),
            ({"prompt_eval_count": 10**30}, None),
        ],
    )
    async def test_a_prompt_that_was_not_counted_is_no_prompt_of_no_tokens(
        self, counts: dict[str, Any], usage: Usage | None
    ) -> None:
        deltas = await self.ask(Reply(said({"content": "Yes."}) + done(**counts)))

        reported = [delta.usage for delta in deltas if isinstance(delta, UsageReported)]
        assert ([usage] if usage else []) == reported

    @pytest.mark.parametrize(
        ("reason", "expected"),
        [("stop", "stop"), ("length", "length"), (None, "stop"), ("", "stop"), ("odd\x1b[31m", "odd [31m")],
    )
    async def test_the_reason_of_the_end_is_passed_on(self, reason: str | None, expected: str) -> None:
        assert Finished(expected) == (await self.ask(Reply(said({"content": "Yes."}) + done(reason))))[-1]

    async def test_the_last_line_needs_no_message(self) -> None:
        deltas = await self.ask(Reply(self.answer("Yes.", end=False) + line({"done": True, "done_reason": "stop"})))

        assert [TextDelta("Yes."), Finished("stop")] == deltas

    async def test_a_wish_for_a_tool_is_an_end_of_its_own(self) -> None:
        calls = [{"function": {"index": 0, "name": "clock", "arguments": {}}}]

        assert [Finished("tool_calls")] == await self.ask(Reply(said({"tool_calls": calls}) + done()))

    async def test_a_model_that_was_only_loaded_has_not_answered(self) -> None:
        for reason in ("load", "unload"):
            error = await self.failure(Reply(done(reason)))

            assert EmptyReply is type(error)
            assert "only loaded" in str(error)

    async def test_what_follows_the_last_line_is_not_waited_for(self) -> None:
        held = Reply(self.answer(*ANSWER) + said({"content": "more"}) * 3, gate=asyncio.Event())

        deltas = await self.ask(held)

        assert "".join(ANSWER) == text_of(deltas)
        assert Finished("stop") == deltas[-1]

    # -- failing ------------------------------------------------------------------------------

    async def test_a_reset_in_mid_stream_keeps_the_text(self) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Reset(self.answer("half", end=False))))
        provider = self.open("http://127.0.0.1", transport=transport)
        deltas: list[Delta] = []

        with pytest.raises(NotReached, match="in the middle of its reply"):
            await collect(provider, plan_of(PROMPT), model=self.model, into=deltas)
        await provider.close()

        assert [TextDelta("half")] == deltas

    async def test_a_reset_after_the_end_is_an_end(self) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Reset(self.answer(*ANSWER))))
        provider = self.open("http://127.0.0.1", transport=transport)

        deltas = await collect(provider, plan_of(PROMPT), model=self.model)
        await provider.close()

        assert Finished("stop") == deltas[-1]

    @pytest.mark.parametrize(
        "failure",
        [
            line({"error": "an error was encountered while running the model: CUDA error"}),
            line({"error": "CUDA error"}).rstrip(),
            line({"error": {"message": "CUDA error", "code": 500}}),
            said({"content": ""}, error="CUDA error"),
        ],
    )
    async def test_an_error_in_mid_stream_keeps_the_text(self, failure: bytes) -> None:
        deltas: list[Delta] = []

        error = await self.failure(Reply(self.answer("half", end=False) + failure), into=deltas)

        assert ServerFailed is type(error)
        assert "CUDA error" in str(error)
        assert [TextDelta("half")] == deltas

    async def test_a_key_that_an_error_in_mid_stream_repeats_is_not_shown(self) -> None:
        echo = {"error": f"The key {KEY.reveal_text()} is wrong"}

        error = await self.failure(Reply(self.answer("half", end=False) + line(echo)))

        assert "The key [key] is wrong" in str(error)

    async def test_something_else_is_not_this_dialect(self) -> None:
        for reply in (
            Reply.json({"id": 1, "choices": [{"message": {"content": "whole"}}]}),
            Reply(b'data: {"choices": []}\n\ndata: [DONE]\n\n'),
            Reply(b"[1]\n"),
            Reply(b"7\n"),
            Reply(b"[" * 100_000 + b"\n", cut=50_000),
            Reply(said({"content": [{"type": "image"}]})),
            Reply(said({"thinking": {"text": "Hm."}})),
            Reply(b"\xff\xfe\x00\n"),
        ):
            error = await self.failure(reply)

            assert NotThisDialect is type(error)
            assert "OpenAI" not in error.sentence

    async def test_a_line_of_more_than_ten_megabytes_is_refused(self) -> None:
        endless = b'{"message": {"content": "' + b"x" * 10_100_000

        error = await self.failure(Reply(endless, cut=1_000_000))

        assert ServerFailed is type(error)
        assert "10 MB" in str(error)

    async def test_a_long_line_below_that_is_read(self) -> None:
        text = "x" * 5_000_000

        assert text == text_of(await self.ask(Reply(self.answer(text), cut=1_000_000)))

    @pytest.mark.parametrize(
        ("error", "limit", "needed"),
        [
            (
                "request (719 tokens) exceeds the available context size (256 tokens), try increasing it",
                256,
                719,
            ),
            (  # as the runner's own error is passed on, in a text
                json.dumps(
                    {
                        "error": {
                            "code": 400,
                            "type": "exceed_context_size_error",
                            "message": "request (719 tokens) exceeds the available context size (256 tokens)",
                            "n_prompt_tokens": 719,
                            "n_ctx": 256,
                        }
                    }
                ),
                256,
                719,
            ),
            (
                "the prompt is longer than the context length currently available to the model; shorten the prompt, "
                "adjust the context length in settings, or use a model with a longer context length",
                None,
                None,
            ),
        ],
    )
    async def test_a_prompt_that_is_too_long_is_understood(
        self, error: str, limit: int | None, needed: int | None
    ) -> None:
        for reply in (Reply.json({"error": error}, 400), Reply(line({"error": error}))):
            caught = await self.failure(reply)

            assert isinstance(caught, ContextTooLong)
            assert (limit, needed) == (caught.limit, caught.needed)
            assert reply.status == 200 or "larger context window (f2)" in caught.hint

    @pytest.mark.parametrize(
        ("model", "command"),
        [
            ("llama3.2:1b", "with ollama pull llama3.2:1b,"),
            ("hf.co/user/Model-GGUF:Q4_K_M", "with ollama pull hf.co/user/Model-GGUF:Q4_K_M,"),
            ("x; rm -rf ~", "with ollama pull,"),
            ("-rf", "with ollama pull,"),
            ("a\nb", "with ollama pull,"),
        ],
    )
    async def test_a_model_that_is_not_there_can_be_pulled(self, model: str, command: str) -> None:
        async with Loopback(Reply.json({"error": f"model '{model}' not found"}, 404)) as server:
            provider = self.open(server.url)
            with pytest.raises(NotFoundAtServer) as caught:
                await collect(provider, plan_of(PROMPT), model=model)
            await provider.close()

        assert command in caught.value.hint
        assert "no model named" in str(caught.value)

    async def test_a_wrong_address_is_told_from_a_missing_model(self) -> None:
        error = await self.failure(Reply(b"404 page not found", 404, "text/plain"))

        assert NotFoundAtServer is type(error)
        assert "/api/chat" in str(error)
        assert "pull" not in error.hint
        assert "/v1" not in error.hint

    async def test_a_model_of_the_cloud_asks_to_sign_in(self) -> None:
        refused = Reply.json({"error": "unauthorized", "signin_url": "https://ollama.com/connect?key=secret"}, 401)

        without, with_key = await self.failure(refused, key=None), await self.failure(refused)

        assert Unauthorized is type(without)
        assert "ollama signin" in without.hint
        assert "refused the key" in str(with_key)
        assert "signin" not in with_key.hint
        assert "secret" not in without.sentence + with_key.sentence

    async def test_too_little_memory_is_not_asked_again(self) -> None:
        words = "model requires more system memory (5.6 GiB) than is available (3.2 GiB)"
        deltas: list[Delta] = []

        error = await self.failure(Reply.json({"error": words}, 500), into=deltas)

        assert words in str(error)
        assert "smaller context window" in error.hint
        assert deltas == []

    async def test_a_server_that_is_busy_loading_is_asked_again(self) -> None:
        busy = Reply.json({"error": "server busy, please try again. maximum pending requests exceeded"}, 503)

        assert "".join(ANSWER) == text_of(await self.ask(busy, Reply(self.answer(*ANSWER))))


class Reset(httpx.AsyncByteStream):
    """A body whose connection is reset behind what it said."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.said
        raise httpx.ReadError("reset")


# -- whatever comes, however it is cut ------------------------------------------------------------


def read(pieces: Sequence[bytes]) -> tuple[list[Delta], type[ProviderError] | None]:
    """What a stream says, texts joined, and how it fails."""
    stream, deltas = OllamaStream(Speaker("here", "http://127.0.0.1")), list[Delta]()
    try:
        for piece in (*filter(None, pieces), b""):
            if not stream.complete:
                deltas += stream.feed(piece)
    except ProviderError as error:
        return [TextDelta(text_of(deltas)), ThinkingDelta(thinking_of(deltas))], type(error)
    others = [delta for delta in deltas if not isinstance(delta, TextDelta | ThinkingDelta)]
    return [TextDelta(text_of(deltas)), ThinkingDelta(thinking_of(deltas)), *others], None


def test_whatever_follows_the_last_line_is_as_good_as_the_end() -> None:
    stream = OllamaStream(Speaker("here", "http://127.0.0.1"))
    before = list(stream.feed(said({"content": "Yes."}) + done()))

    after = list(stream.feed(said({"content": "more"})))

    assert ([TextDelta("Yes.")], [Finished("stop")]) == (before, after)
    assert stream.complete


LINES = st.lists(
    st.sampled_from(
        [
            said({"content": "naïve 漢字 🙂"}),
            said({"content": "", "thinking": "hm 漢"}),
            said({"content": "<think>a</think>b"}),
            done("length", Usage(5, 2)),
            b"\r\n",
            line({"news": [1]}),
            line({"error": "boom"}),
            b": alive\n",
            b"not JSON\n",
            b"\xe6\xbc\n",
        ]
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(LINES, st.lists(st.integers(0, 600), max_size=8))
def test_where_a_body_is_cut_makes_no_difference(lines: list[bytes], cuts: list[int]) -> None:
    body = b"".join(lines)
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[start:end] for start, end in pairwise(places)]

    assert read([body]) == read(pieces)
    assert read([body]) == read([body[place : place + 1] for place in range(len(body))])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([b'{"message":', b'{"content":"a"}', b"}", b"\n"]), max_size=8)
)
def test_no_bytes_fail_in_another_way_than_the_protocols(pieces: list[bytes]) -> None:
    read(pieces)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["message", "done", "done_reason", "error", "prompt_eval_count", "eval_count", "x"]),
        JSONS | st.dictionaries(st.sampled_from(["content", "thinking", "tool_calls", "role"]), JSONS, max_size=3),
    )
)
def test_no_line_of_json_fails_in_another_way_than_the_protocols(value: dict[str, Any]) -> None:
    read([json.dumps(value).encode() + b"\n"])


# -- the official client as a reference -----------------------------------------------------------


async def test_the_official_client_reads_the_same_from_the_fake_server() -> None:
    """The fake speaks Ollama's protocol and not a private one: request, text, thinking, counts and end agree."""
    from ollama import AsyncClient

    dialect = TestOllama()
    body = dialect.answer(*ANSWER, thinking="Hm.", usage=Usage(11, 9, 4))
    async with Loopback(Reply(body, content_type="application/x-ndjson")) as server:
        text, thinking, last = "", "", None
        async with AsyncClient(server.url.removesuffix("/v1")) as client:
            async for last in await client.chat(
                "tiny", messages=[{"role": "user", "content": PROMPT}], stream=True, options={"num_ctx": 8192}
            ):
                text += last.message.content or ""
                thinking += last.message.thinking or ""
        theirs = server.last
        provider = dialect.open(server.url)
        ours = await collect(provider, plan_of(PROMPT), model="tiny")
        await provider.close()

    assert last is not None
    assert (theirs.method, theirs.path) == (server.last.method, server.last.path)
    # Their client has no names for these two.
    assert {**theirs.json, "truncate": False, "shift": False} == {**server.last.json, "tools": []}
    assert (text_of(ours), thinking_of(ours)) == (text, thinking)
    usage = Usage(last.prompt_eval_count or 0, last.eval_count or 0, 4)
    assert [UsageReported(usage), Finished(last.done_reason or "")] == ours[-2:]


async def test_the_official_client_fails_where_ours_does() -> None:
    from ollama import AsyncClient, ResponseError

    dialect = TestOllama()
    for reply in (
        Reply(line({"error": "boom"})),
        Reply(dialect.answer("half", end=False) + line({"error": "boom"})),
        Reply.json({"error": "model 'tiny' not found"}, 404),
    ):
        async with Loopback(reply) as server, AsyncClient(server.url.removesuffix("/v1")) as client:
            with pytest.raises(ResponseError):
                async for _ in await client.chat("tiny", messages=[{"role": "user", "content": "x"}], stream=True):
                    pass

        assert isinstance(await dialect.failure(reply), ServerFailed | NotFoundAtServer)
