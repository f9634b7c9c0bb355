"""OpenAI Chat Completions: the contract, the odd servers, and the official SDK as a reference client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.contracts.provider import (
    ANSWER,
    KEY,
    PROMPT,
    collect,
    plan_of,
    text_of,
    thinking_of,
)
from tests.providers.hostile import HostileStreams
from tests.providers.loopback import Loopback, Reply
from tui_chat.core.errors import (
    ContextTooLong,
    EmptyReply,
    NotFoundAtServer,
    NotThisDialect,
    RateLimited,
    ServerFailed,
    Unauthorized,
)
from tui_chat.core.events import Delta, Finished, TextDelta, ThinkingDelta, UsageReported
from tui_chat.core.models import Usage
from tui_chat.core.ports import ModelCard
from tui_chat.core.settings import Endpoint
from tui_chat.providers.http import Connection
from tui_chat.providers.openai import OpenAIProvider
from tui_chat.providers.openai_stream import ChatStream


def event(value: Any, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def chunk(delta: dict[str, Any] | None, reason: str | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return event(
        {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "tiny", "choices": choices, **more}
    )


def counts(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


DONE = b"data: [DONE]\n\n"


class TestOpenAI(HostileStreams):
    dialect = "openai"
    reading = ChatStream

    def answer(
        self, *texts: str, thinking: str = "", usage: Usage | None = None, reason: str = "stop", end: bool = True
    ) -> bytes:
        body = chunk({"role": "assistant", "content": None})
        if thinking:
            body += chunk({"reasoning_content": thinking})
        body += b"".join(chunk({"content": text}) for text in texts)
        if not end:
            return body
        return body + chunk({}, reason) + (chunk(None, usage=counts(usage)) if usage else b"") + DONE

    # -- what goes out ----------------------------------------------------------------------

    async def test_the_body_holds_the_plan_and_nothing_else(self) -> None:
        body = self.offline().render(plan_of("hi", "yes?", "naïve 漢字", system="be brief"), model="gpt")

        assert json.loads(body) == {
            "model": "gpt",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "yes?"},
                {"role": "user", "content": "naïve 漢字"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        assert "漢字".encode() in body

    async def test_the_request_is_addressed_as_the_protocol_says(self) -> None:
        async with Loopback(Reply(self.answer(*ANSWER))) as server:
            provider = self.open(server.url + "/", key=KEY)
            await collect(provider, plan_of(PROMPT), model="tiny")
            await provider.close()

        assert (server.last.method, server.last.path) == ("POST", "/v1/chat/completions")
        assert f"Bearer {KEY.reveal_text()}" == server.last.headers["authorization"]
        assert server.last.headers["content-type"] == "application/json"

    async def test_a_server_that_refuses_stream_options_is_asked_without_from_then_on(self) -> None:
        refused = Reply.json(
            {"detail": [{"loc": ["body", "stream_options"], "msg": "extra fields not permitted"}]}, 422
        )
        async with Loopback(refused, Reply(self.answer(*ANSWER))) as server:
            provider = self.open(server.url)
            for _ in range(2):
                assert "".join(ANSWER) == text_of(await collect(provider, plan_of(PROMPT), model="tiny"))
            await provider.close()

        assert ["stream_options" in request.json for request in server.requests] == [True, False, False]
        assert provider.render(plan_of(PROMPT), model="tiny") == server.last.body

    # -- thinking in three spellings ----------------------------------------------------------

    @pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
    async def test_thinking_in_a_field_of_its_own(self, field: str) -> None:
        deltas = await self.ask(Reply(chunk({field: "Hm."}) + self.answer("Yes.")))

        assert ThinkingDelta("Hm.") == deltas[0]
        assert text_of(deltas) == "Yes."

    async def test_thinking_in_a_list_of_parts(self) -> None:
        """As Mistral's models send it."""
        hm = [{"type": "thinking", "thinking": [{"type": "text", "text": "H"}, {"type": "text", "text": "m."}]}]
        body = chunk({"content": hm}) + chunk({"content": [{"type": "text", "text": "Yes"}]}) + self.answer(".")

        deltas = await self.ask(Reply(body))

        assert (thinking_of(deltas), text_of(deltas)) == ("Hm.", "Yes.")

    async def test_thinking_in_tags_is_told_apart(self) -> None:
        deltas = await self.ask(Reply(self.answer("\n<th", "ink>Hm", "m.</thi", "nk>\n\n", "Yes: <think>.")))

        assert thinking_of(deltas) == "Hmm."
        assert text_of(deltas) == "Yes: <think>."

    async def test_only_thinking_ends_properly(self) -> None:
        deltas = await self.ask(Reply(self.answer(thinking="Hm.", reason="length")))

        assert [ThinkingDelta("Hm."), Finished("length")] == deltas

    # -- ends of every kind ---------------------------------------------------------------------

    async def test_done_may_be_missing_after_a_finish_reason(self) -> None:
        body = self.answer(*ANSWER).removesuffix(DONE)
        for reply in (Reply(body), Reply(body, drop=True), Reply(body + b"data: {", drop=True)):
            deltas = await self.ask(reply)

            assert Finished("stop") == deltas[-1]

    async def test_usage_may_come_with_the_finish_reason(self) -> None:
        deltas = await self.ask(
            Reply(chunk({"content": "Yes."}) + chunk({}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2}))
        )

        assert [TextDelta("Yes."), UsageReported(Usage(5, 2)), Finished("stop")] == deltas

    async def test_done_without_a_finish_reason_is_an_error(self) -> None:
        deltas: list[Delta] = []

        error = await self.failure(Reply(self.answer("half", end=False) + DONE), into=deltas)

        assert "broke off" in str(error)
        assert [TextDelta("half")] == deltas

    async def test_done_alone_is_an_empty_reply(self) -> None:
        assert EmptyReply is type(await self.failure(Reply(DONE)))

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ("tool_calls", "tool_calls"),
            ("function_call", "tool_calls"),
            ("content_filter", "content_filter"),
            ("odd\x1b[31m", "odd [31m"),
        ],
    )
    async def test_other_reasons_are_passed_on(self, said: str, expected: str) -> None:
        deltas = await self.ask(Reply(chunk({"tool_calls": [{"index": 0}]}) + chunk({}, said) + DONE))

        assert [Finished(expected)] == deltas

    async def test_a_refusal_is_text(self) -> None:
        assert text_of(await self.ask(Reply(chunk({"refusal": "I cannot."}) + chunk({}, "stop")))) == "I cannot."

    # -- errors in mid-stream --------------------------------------------------------------------

    @pytest.mark.parametrize(
        "failure",
        [
            event({"error": {"message": "Provider disconnected", "code": 502}}),
            event({"error": "Provider disconnected"}),
            event({"error": {"message": "Provider disconnected"}, "message": "x"}, name="error"),
            event({"message": "Provider disconnected"}, name="error"),
            b"event: error\ndata: Provider disconnected\n\n",
            chunk({"content": ""}, "error", error={"code": "server_error", "message": "Provider disconnected"}),
            event({"choices": [{"error": {"code": 502, "message": "Provider disconnected"}}]}),
            event({"object": "error", "message": "Provider disconnected", "type": "ServerError", "code": 500}),
        ],
    )
    async def test_an_error_in_mid_stream_is_understood_in_each_servers_form(self, failure: bytes) -> None:
        deltas: list[Delta] = []

        error = await self.failure(Reply(self.answer("half", end=False) + failure), into=deltas)

        assert ServerFailed is type(error)
        assert "Provider disconnected" in str(error)
        assert [TextDelta("half")] == deltas

    async def test_another_dialect_is_not_taken_for_this_one(self) -> None:
        for reply in (
            Reply(b"data: hi\n\n"),
            Reply(b"data: 7\n\n"),
            Reply(b"data: {}\n\n"),
            Reply(b'{"a":"b"}\n'),
            Reply(b'data: {"type":"message_start","message":{"role":"assistant"}}\n\n'),
            Reply(b'data: {"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]}\n\n'),
            Reply(b'{"message":{"role":"assistant","content":"hi"},"done":true}\n'),
            Reply.json({"id": 1, "choices": [{"message": {"content": "whole"}}]}),
            Reply(b"data: not json\n\n"),
            Reply(b"data: [1]\n\n"),
            Reply(b"data: " + b"[" * 100_000 + b"\n\n", cut=50_000),
            Reply(chunk({"content": [{"type": "image"}]})),
        ):
            assert NotThisDialect is type(await self.failure(reply))

    # -- refusals in the words of each server -------------------------------------------------------

    @pytest.mark.parametrize(
        ("error", "limit", "needed"),
        [
            (
                {
                    "code": "context_length_exceeded",
                    "message": "This model's maximum context length is 8192 tokens. However, your messages resulted "
                    "in 9001 tokens.",
                },
                8192,
                9001,
            ),
            (
                {
                    "code": 400,
                    "message": "request (719 tokens) exceeds the available context size (256 tokens), try increasing",
                    "type": "exceed_context_size_error",
                    "n_prompt_tokens": 719,
                    "n_ctx": 256,
                },
                256,
                719,
            ),
            (
                {
                    "type": "BadRequestError",
                    "message": "You passed 1015 input tokens and requested 10 output tokens. However, the model's "
                    "context length is only 1024 tokens",
                },
                1024,
                1015,
            ),
            (
                {
                    "message": "This model's maximum context length is 4096 tokens. However, you requested 5,000 "
                    "tokens in the messages."
                },
                4096,
                5000,
            ),
            ({"message": "litellm.ContextWindowExceededError: too much"}, None, None),
            ({"message": "prompt is too long: 200001 tokens > 200000 maximum"}, 200000, 200001),
            ({"message": "The request exceeds the maximum of 4,096 input tokens."}, 4096, None),
            (
                {"message": "The input token count (9001) exceeds the maximum number of tokens allowed (8192)."},
                8192,
                9001,
            ),
            (
                {"message": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."},
                131072,
                None,
            ),
        ],
    )
    async def test_a_prompt_that_is_too_long_is_understood(
        self, error: dict[str, Any], limit: int | None, needed: int | None
    ) -> None:
        caught = await self.failure(Reply.json({"error": error}, 400))

        assert isinstance(caught, ContextTooLong)
        assert (limit, needed) == (caught.limit, caught.needed)

    @pytest.mark.parametrize(
        "words",
        [
            "The request exceeds the maximum of 16 attachments.",
            "You may send a maximum of 16 attachments.",
            "The file exceeds the available disk space.",
            "The request exceeds the maximum of 16 attachments; tokens are not counted.",
        ],
    )
    async def test_another_limit_is_not_taken_for_the_context_window(self, words: str) -> None:
        assert ServerFailed is type(await self.failure(Reply.json({"error": {"message": words}}, 400)))

    async def test_a_prompt_that_is_too_long_is_understood_in_mid_stream(self) -> None:
        words = "The number of tokens to keep from the initial prompt is greater than the context length."

        assert ContextTooLong is type(await self.failure(Reply(event({"error": {"message": words}}, name="error"))))

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (404, {"code": "model_not_found", "message": "The model `tiny` does not exist"}),
            (404, "model 'tiny' not found"),
            (400, {"message": "Invalid model name passed in model=tiny"}),
            (400, {"message": "tiny is not a valid model ID"}),
        ],
    )
    async def test_no_such_model_is_told_from_a_wrong_address(self, status: int, error: Any) -> None:
        caught = await self.failure(Reply.json({"error": error}, status))

        assert NotFoundAtServer is type(caught)
        assert "no model named “tiny”" in str(caught)

    async def test_a_wrong_address_is_named(self) -> None:
        caught = await self.failure(Reply(b"<html>404</html>", 404, "text/html"))

        assert "/v1/chat/completions" in str(caught)
        assert "/v1" in caught.hint

    async def test_an_empty_account_is_not_asked_again(self) -> None:
        deltas: list[Delta] = []

        error = await self.failure(Reply.json({"error": {"code": "insufficient_quota"}}, 429), into=deltas)

        assert RateLimited is type(error)
        assert deltas == []

    async def test_a_missing_key_is_told_from_a_wrong_one(self) -> None:
        refused = Reply(b"", 401)

        assert "asks for a key" in str(await self.failure(refused, key=None))
        assert "refused the key" in str(await self.failure(refused, key=KEY))
        assert Unauthorized is type(await self.failure(refused))

    async def test_a_servers_words_are_quoted_short_and_clean(self) -> None:
        words = "no \x1b]52;c;aGk=\x07 \u202emirrored " + "x" * 1000

        error = await self.failure(Reply.json({"error": {"message": words}}, 500))

        assert str(error).isprintable()
        assert len(str(error)) < 360

    async def test_a_huge_error_is_not_read_to_its_end(self) -> None:
        assert ServerFailed is type(await self.failure(Reply(b"x" * 3_000_000, 400, cut=500_000)))

    # -- models ------------------------------------------------------------------------------------

    async def list_models(self, server: Loopback) -> tuple[ModelCard, ...]:
        async with server:
            provider = self.open(server.url, key=KEY)
            try:
                return tuple(await provider.models())
            finally:
                await provider.close()

    @pytest.mark.parametrize(
        ("entry", "window"),
        [
            ({}, None),
            ({"context_length": 131072, "top_provider": {"context_length": 1}}, 131072),
            ({"max_model_len": 1024}, 1024),
            ({"meta": {"n_ctx": 512, "n_ctx_train": 4096}}, 512),
            ({"meta": None, "max_input_tokens": 200000}, 200000),
            ({"context_length": "many", "max_model_len": 0, "meta": {"n_ctx": True}}, None),
        ],
    )
    async def test_the_context_window_is_found_where_each_server_puts_it(
        self, entry: dict[str, Any], window: int | None
    ) -> None:
        server = Loopback(Reply.json({"object": "list", "data": [{"id": "a/b", **entry}, {"id": "c"}]}))

        assert (ModelCard("a/b", window), ModelCard("c")) == await self.list_models(server)

    @pytest.mark.parametrize(
        ("entry", "takes_images"),
        [
            ({"architecture": {"input_modalities": ["text", "image"]}}, True),  # OpenRouter, llama.cpp
            ({"architecture": {"input_modalities": ["text"]}}, False),
            ({"architecture": {"modality": "text->text"}}, None),
            ({"architecture": "text", "capabilities": ["completion"]}, None),
            ({"capabilities": {"image_input": {"supported": False}}}, False),  # Anthropic
            ({"capabilities": {"image_input": {"supported": "yes"}}}, None),
            ({}, None),
        ],
    )
    async def test_whether_a_model_takes_images_is_found_where_a_server_says_it(
        self, entry: dict[str, Any], takes_images: bool | None
    ) -> None:
        server = Loopback(Reply.json({"object": "list", "data": [{"id": "a", **entry}]}))

        assert (ModelCard("a", takes_images=takes_images),) == await self.list_models(server)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (
                "/api/v1/models",
                {
                    "models": [
                        {"key": "m", "type": "llm", "capabilities": {"vision": True}, "loaded_instances": []},
                        {"key": "n", "type": "llm", "capabilities": {"vision": False}},
                        {"key": "o", "type": "llm"},
                    ]
                },
            ),
            ("/api/v0/models", {"data": [{"id": "m", "type": "vlm"}, {"id": "n", "type": "llm"}, {"id": "o"}]}),
        ],
    )
    async def test_lm_studio_is_asked_what_takes_images(self, path: str, value: Any) -> None:
        plain = Reply.json({"data": [{"id": name, "owned_by": "organization_owner"} for name in "mno"]})

        found = await self.list_models(Loopback(routes={"/v1/models": plain, path: Reply.json(value)}))

        assert [True, False, None] == [card.takes_images for card in found]

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (
                "/api/v1/models",
                {
                    "models": [
                        {"key": "m", "max_context_length": 9, "loaded_instances": [{"config": {"context_length": 7}}]}
                    ]
                },
            ),
            ("/api/v0/models", {"data": [{"id": "m", "max_context_length": 9, "loaded_context_length": 7}]}),
        ],
    )
    async def test_lm_studio_is_asked_for_the_windows_of_its_loaded_models(self, path: str, value: Any) -> None:
        plain = Reply.json({"data": [{"id": name, "owned_by": "organization_owner"} for name in ("m", "n")]})

        found = await self.list_models(Loopback(routes={"/v1/models": plain, path: Reply.json(value)}))

        assert (ModelCard("m", 7), ModelCard("n")) == found

    async def test_names_are_cleaned_and_lists_are_tolerated(self) -> None:
        data = [{"id": "a\x1b[2J\nb"}, {"id": ""}, {"name": "no id"}, 7, {"id": "same"}, {"id": "same"}]

        assert (ModelCard("a [2J b"), ModelCard("same")) == await self.list_models(Loopback(Reply.json(data)))
        assert await self.list_models(Loopback(Reply.json({"object": "list", "data": None}))) == ()

    async def test_something_else_than_models_is_not_this_dialect(self) -> None:
        for reply in (
            Reply.json({"hello": 1}),
            Reply.json([1, 2]),
            Reply(b"<html>", content_type="text/html"),
            Reply(b"?"),
        ):
            with pytest.raises(NotThisDialect):
                await self.list_models(Loopback(reply))

    async def test_a_list_too_large_is_not_read(self) -> None:
        with pytest.raises(ServerFailed, match="2 MB"):
            await self.list_models(Loopback(Reply(b" " * 3_000_000, cut=100_000)))

    async def test_a_wrong_key_shows_when_models_are_asked_for(self) -> None:
        with pytest.raises(Unauthorized):
            await self.list_models(Loopback(Reply.json({"error": {"message": "bad"}}, 401)))


class HeldBody(httpx.AsyncByteStream):
    """A body that says one thing and then waits; the test holds it, so that only closing closes it."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.waits = asyncio.Event()
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.said:
            yield self.said
        self.waits.set()
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("said", [b"", chunk({"content": "half"})])
async def test_the_connection_is_closed_by_the_stop_and_not_by_chance(said: bytes) -> None:
    body = HeldBody(said)
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=body))
    provider = OpenAIProvider(Connection(Endpoint("here", "http://127.0.0.1/v1"), transport=transport))
    task = asyncio.create_task(collect(provider, plan_of(PROMPT), model="tiny"))
    await body.waits.wait()

    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert body.closed
    await provider.close()


async def test_the_official_sdk_reads_the_same_from_the_fake_server() -> None:
    """The fake speaks OpenAI's protocol and not a private one: text, thinking, usage and end agree."""
    import openai

    dialect = TestOpenAI()
    body = dialect.answer(*ANSWER, thinking="Hm.", usage=Usage(11, 9, 4))
    async with Loopback(Reply(body)) as server:
        client = openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0)
        stream = await client.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": PROMPT}],
            stream=True,
            stream_options={"include_usage": True},
        )
        text, thinking, reason, usage = "", "", None, None
        async for piece in stream:
            for choice in piece.choices:
                text += choice.delta.content or ""
                thinking += getattr(choice.delta, "reasoning_content", None) or ""
                reason = choice.finish_reason or reason
            usage = piece.usage or usage
        await client.close()
        theirs = server.last.json
        provider = dialect.open(server.url)
        ours = await collect(provider, plan_of(PROMPT), model="tiny")
        await provider.close()

    assert usage is not None
    assert theirs == server.last.json
    assert (text_of(ours), thinking_of(ours)) == (text, thinking)
    assert [UsageReported(Usage(usage.prompt_tokens, usage.completion_tokens, 4)), Finished(reason or "")] == ours[-2:]


async def test_the_official_sdk_fails_where_ours_does() -> None:
    import openai

    dialect = TestOpenAI()
    for body in (
        event({"error": {"message": "boom"}}),
        dialect.answer("half", end=False) + event({"error": {"message": "b"}}),
    ):
        async with Loopback(Reply(body)) as server:
            client = openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0)
            stream = await client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": "x"}], stream=True
            )
            with pytest.raises(openai.APIError):
                async for _ in stream:
                    pass
            await client.close()

        assert ServerFailed is type(await dialect.failure(Reply(body)))
