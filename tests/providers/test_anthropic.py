"""Anthropic's Messages: the contract, odd streams, and the official SDK as a reference client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contracts.provider import ANSWER, KEY, PROMPT, collect, plan_of, text_of, thinking_of
from tests.providers.hostile import HostileStreams
from tests.providers.loopback import Loopback, Reply
from tui_chat.core.context import ContextPlan, PayloadMessage, TokenBudget, Totals
from tui_chat.core.errors import (
    ContextTooLong,
    EmptyReply,
    NotFoundAtServer,
    NotReached,
    NotThisDialect,
    RateLimited,
    ServerFailed,
    Unauthorized,
)
from tui_chat.core.events import Delta, Finished, RetryScheduled, TextDelta, ThinkingDelta, UsageReported
from tui_chat.core.models import Role, ToolCall, ToolResult, Usage
from tui_chat.core.ports import ModelCard
from tui_chat.core.settings import Endpoint
from tui_chat.providers.anthropic_stream import MessageStream
from tui_chat.providers.connect import HttpProviders

REASONS = {"stop": "end_turn", "length": "max_tokens"}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def piece(index: int, kind: str, **fields: str) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def block(index: int, begin: dict[str, Any], *pieces: bytes) -> bytes:
    start = event("content_block_start", index=index, content_block=begin)
    return start + b"".join(pieces) + event("content_block_stop", index=index)


def start(**usage: int) -> bytes:
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "tiny",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return event("message_start", message=message)


def ending(reason: str = "end_turn", **usage: int) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage=usage) + event("message_stop")


def texts(index: int, *said: str) -> bytes:
    return block(index, {"type": "text", "text": ""}, *(piece(index, "text_delta", text=text) for text in said))


def plan(*payload: PayloadMessage, budget: TokenBudget | None = None, tokens: int = 0) -> ContextPlan:
    budget = budget or TokenBudget(8192, assumed=True, reserved_for_reply=2048, margin=0.4, input=4388)
    return ContextPlan("window", budget, (), Totals(0, 0, tokens), payload=payload)


class TestAnthropic(HostileStreams):
    dialect = "anthropic"
    reading = MessageStream

    def answer(
        self, *said: str, thinking: str = "", usage: Usage | None = None, reason: str = "stop", end: bool = True
    ) -> bytes:
        """``said`` leaves its block open where it breaks off; the usage is split as the service splits it."""
        counts = {}
        if usage is not None:
            counts = {
                "input_tokens": usage.input_tokens - usage.cached_tokens - 2,
                "cache_creation_input_tokens": 2,
                "cache_read_input_tokens": usage.cached_tokens,
            }
            if usage.input_tokens < 3:
                counts = {"input_tokens": usage.input_tokens}
        body = start(**counts, output_tokens=1) + event("ping")
        if thinking:
            body += block(
                0,
                {"type": "thinking", "thinking": "", "signature": ""},
                piece(0, "thinking_delta", thinking=thinking),
                piece(0, "signature_delta", signature="c2lnbmF0dXJl"),
            )
        place = 1 if thinking else 0
        whole = texts(place, *said)
        if not end:
            return body + whole.removesuffix(event("content_block_stop", index=place))
        written = {"output_tokens": usage.output_tokens} if usage else {}
        return body + whole + ending(REASONS.get(reason, reason), **written)

    # -- what goes out ----------------------------------------------------------------------

    async def test_the_request_is_addressed_as_the_protocol_says(self) -> None:
        for path in ("/v1", "/v1/", "", "/", "/proxy", "/proxy/v1"):
            async with Loopback(Reply(self.answer(*ANSWER))) as server:
                provider = self.open(server.url.removesuffix("/v1") + path, key=KEY)
                await collect(provider, plan_of(PROMPT), model="tiny")
                await provider.close()

            prefix = "/proxy" if "proxy" in path else ""
            assert ("POST", f"{prefix}/v1/messages") == (server.last.method, server.last.path)
        assert "2023-06-01" == server.last.headers["anthropic-version"]
        assert KEY.reveal_text() == server.last.headers["x-api-key"]
        assert "authorization" not in server.last.headers

    def test_the_body_holds_the_plan_a_limit_and_nothing_else(self) -> None:
        body = self.offline().render(plan_of("hi", "yes?", "naïve 漢字", system="be brief"), model="claude")

        assert {
            "model": "claude",
            "max_tokens": 2048,
            "system": "be brief",
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "yes?"},
                {"role": "user", "content": "naïve 漢字"},
            ],
            "stream": True,
        } == json.loads(body)
        assert "漢字".encode() in body

    def test_messages_of_one_side_in_a_row_are_one_with_a_blank_line_between(self) -> None:
        body = self.offline().render(
            plan(
                PayloadMessage(Role.USER, "summary"),
                PayloadMessage(Role.USER, "one"),
                PayloadMessage(Role.ASSISTANT, ""),
                PayloadMessage(Role.USER, "two"),
                PayloadMessage(Role.ASSISTANT, "three"),
                PayloadMessage(Role.ASSISTANT, "four"),
                PayloadMessage(Role.ASSISTANT, " \n"),
                PayloadMessage(Role.USER, "five"),
            ),
            model="claude",
        )

        assert [
            {"role": "user", "content": "summary\n\none\n\ntwo"},
            {"role": "assistant", "content": "three\n\nfour"},
            {"role": "user", "content": "five"},
        ] == json.loads(body)["messages"]
        assert b"summary\\n\\none\\n\\ntwo" in body

    def test_tool_calls_and_their_results_go_out_as_blocks(self) -> None:
        body = self.offline().render(
            plan(
                PayloadMessage(Role.USER, "weather?"),
                PayloadMessage(
                    Role.ASSISTANT,
                    "I look.",
                    calls=(
                        ToolCall("functions.get:0", "get", '{"city": "Oslo"}'),
                        ToolCall("b", "get", ""),
                        ToolCall("c", "get", '{"city'),
                    ),
                ),
                PayloadMessage(Role.TOOL, "rain", results=(ToolResult("functions.get:0", "rain"),)),
                PayloadMessage(Role.TOOL, "cancelled", results=(ToolResult("b", "cancelled"), ToolResult("c", "no"))),
                PayloadMessage(Role.USER, "and?"),
            ),
            model="claude",
        )

        assert [
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "functions_get_0", "name": "get", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": "b", "name": "get", "input": {}},
                    {"type": "tool_use", "id": "c", "name": "get", "input": {"arguments": '{"city'}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "functions_get_0", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "cancelled"},
                    {"type": "tool_result", "tool_use_id": "c", "content": "no"},
                    {"type": "text", "text": "and?"},
                ],
            },
        ] == json.loads(body)["messages"]

    @pytest.mark.parametrize(
        "arguments",
        ["[1]", "7", "null", "NaN", '{"a": NaN}', "{", "[" * 5000, '{"a":' * 990 + "1" + "}" * 990, '"\\ud83d"'],
    )
    def test_arguments_that_are_no_object_go_out_as_the_text_they_are(self, arguments: str) -> None:
        call = PayloadMessage(Role.ASSISTANT, "", calls=(ToolCall("a", "get", arguments),))
        result = PayloadMessage(Role.TOOL, "no", results=(ToolResult("a", "no"),))

        body = self.offline().render(plan(PayloadMessage(Role.USER, "x"), call, result), model="claude")

        (block,) = json.loads(body)["messages"][1]["content"]
        assert {"arguments": arguments} == block["input"]

    @pytest.mark.parametrize(
        ("model", "window", "reserved", "tokens", "expected"),
        [
            ("claude-haiku-4-5", 200_000, 4096, 1000, 50_000),  # a quarter of the window
            ("claude-opus-5", 1_000_000, 4096, 1000, 128_000),  # the most that the model says
            ("unheard-of", 8192, 2048, 100, 2048),
            ("claude-haiku-4-5", 200_000, 4096, 170_000, 21_500),  # what the prompt leaves
            ("claude-haiku-4-5", 200_000, 4096, 190_000, 4096),  # never less than was kept for it
            ("unheard-of", 3, 0, 3, 1),
        ],
    )
    def test_the_limit_fits_the_model_and_what_the_prompt_leaves(
        self, model: str, window: int, reserved: int, tokens: int, expected: int
    ) -> None:
        budget = TokenBudget(window, assumed=False, reserved_for_reply=reserved, margin=0.05, input=window)
        provider = HttpProviders().open(Endpoint("a", "https://api.anthropic.com", "anthropic"), None)

        body = provider.render(plan(PayloadMessage(Role.USER, "x"), budget=budget, tokens=tokens), model=model)

        assert expected == json.loads(body)["max_tokens"]

    # -- what comes back -----------------------------------------------------------------------

    async def test_what_came_from_the_cache_or_went_into_it_is_a_part_of_the_prompt(self) -> None:
        begun = start(input_tokens=3, cache_creation_input_tokens=20, cache_read_input_tokens=100, output_tokens=1)

        deltas = await self.ask(Reply(begun + texts(0, "x") + ending(output_tokens=12)))

        assert UsageReported(Usage(123, 12, 100)) in deltas

    async def test_later_counts_replace_earlier_ones(self) -> None:
        begun = start(input_tokens=3, cache_read_input_tokens=9, output_tokens=1)
        ended = ending(input_tokens=5, cache_read_input_tokens=7, cache_creation_input_tokens=2, output_tokens=12)

        deltas = await self.ask(Reply(begun + texts(0, "x") + ended))

        assert [UsageReported(Usage(14, 12, 7))] == [each for each in deltas if isinstance(each, UsageReported)]

    async def test_a_stream_that_counts_nothing_reports_nothing(self) -> None:
        assert [TextDelta("x"), Finished("stop")] == await self.ask(Reply(start() + texts(0, "x") + ending()))

    async def test_blocks_may_overlap_and_begin_with_text(self) -> None:
        body = (
            start()
            + event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "Hm"})
            + event("content_block_start", index=1, content_block={"type": "text", "text": "A"})
            + piece(1, "text_delta", text="n")
            + piece(0, "thinking_delta", thinking="m.")
            + piece(1, "text_delta", text="d")
            + event("content_block_stop", index=0)
            + event("content_block_stop", index=1)
            + ending()
        )

        deltas = await self.ask(Reply(body))

        assert ("Hmm.", "And") == (thinking_of(deltas), text_of(deltas))

    async def test_what_is_not_shown_is_neither_text_nor_thinking(self) -> None:
        body = (
            start()
            + block(0, {"type": "redacted_thinking", "data": "b3BhcXVl"})
            + block(
                1, {"type": "thinking", "thinking": "", "signature": ""}, piece(1, "signature_delta", signature="s")
            )
            + block(
                2, {"type": "server_tool_use", "id": "a", "name": "web"}, piece(2, "input_json_delta", partial_json="{")
            )
            + event("invented_in_2030", index=3, delta={"type": "text_delta", "text": "no"})
            + piece(3, "invented_delta", text="no")
            + piece(3, "citations_delta", citation="no")
            + texts(4, "yes")
            + ending()
        )

        assert [TextDelta("yes"), Finished("stop")] == await self.ask(Reply(body))

    async def test_thinking_in_tags_is_told_apart(self) -> None:
        deltas = await self.ask(Reply(self.answer("\n<th", "ink>Hm", "m.</thi", "nk>\n\n", "Yes: <think>.")))

        assert ("Hmm.", "Yes: <think>.") == (thinking_of(deltas), text_of(deltas))

    async def test_only_thinking_ends_properly(self) -> None:
        deltas = await self.ask(Reply(self.answer(thinking="Hm.", reason="length")))

        assert [ThinkingDelta("Hm."), Finished("length")] == deltas

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "window_full"),
            ("tool_use", "tool_calls"),
            ("refusal", "refusal"),
            ("pause_turn", "pause_turn"),
            ("odd\x1b[31m", "odd [31m"),
        ],
    )
    async def test_each_reason_to_stop_has_its_word(self, said: str, expected: str) -> None:
        assert Finished(expected) == (await self.ask(Reply(self.answer("x", reason=said))))[-1]

    async def test_a_tool_call_is_no_text(self) -> None:
        call = block(0, {"type": "tool_use", "id": "a", "name": "get"}, piece(0, "input_json_delta", partial_json="{}"))

        assert [Finished("tool_calls")] == await self.ask(Reply(start() + call + ending("tool_use")))

    # -- ends of every kind ---------------------------------------------------------------------

    async def test_the_stop_may_be_missing_behind_its_reason(self) -> None:
        body = self.answer(*ANSWER).removesuffix(event("message_stop"))
        for reply in (Reply(body), Reply(body, drop=True), Reply(body + b"event: mess", drop=True)):
            assert Finished("stop") == (await self.ask(reply))[-1]

    async def test_what_follows_the_stop_says_nothing(self) -> None:
        for more in (b"data: [DONE]\n\n", texts(0, "no"), event("error", error={"message": "no"})):
            deltas = await self.ask(Reply(self.answer("x") + more))

            assert [TextDelta("x"), Finished("stop")] == deltas

    async def test_a_stop_without_a_reason_is_an_error(self) -> None:
        deltas: list[Delta] = []
        body = self.answer("half", end=False) + event("message_stop")

        assert NotReached is type(await self.failure(Reply(body), into=deltas))
        assert [TextDelta("half")] == deltas
        assert EmptyReply is type(await self.failure(Reply(event("message_stop"))))

    async def test_a_piece_that_is_no_text_is_not_this_dialect(self) -> None:
        odd = event("content_block_delta", index=0, delta={"type": "text_delta", "text": ["x"]})

        assert NotThisDialect is type(await self.failure(Reply(start() + odd)))

    # -- refusals in the service's words -----------------------------------------------------------

    @pytest.mark.parametrize(
        ("words", "limit", "needed"),
        [
            ("prompt is too long: 345320 tokens > 199999 maximum", 199_999, 345_320),
            (
                "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000, decrease input length or "
                "`max_tokens` and try again",
                200_000,
                None,
            ),
        ],
    )
    async def test_a_prompt_that_is_too_long_is_understood(self, words: str, limit: int, needed: int | None) -> None:
        caught = await self.failure(refused(400, "invalid_request_error", words))

        assert isinstance(caught, ContextTooLong)
        assert (limit, needed) == (caught.limit, caught.needed)
        assert f"{limit:,}" in str(caught)

    async def test_no_such_model_is_told_from_a_wrong_address(self) -> None:
        model = await self.failure(refused(404, "not_found_error", "model: tiny"))
        address = await self.failure(refused(404, "not_found_error", "Not Found"))

        assert "no model named “tiny”" in str(model)
        assert NotFoundAtServer is type(address)
        assert "/v1/messages" in str(address)
        assert "https://api.anthropic.com" in address.hint

    async def test_an_overloaded_service_is_asked_again(self) -> None:
        busy = refused(529, "overloaded_error", "Overloaded")

        deltas = await self.ask(busy, Reply(self.answer(*ANSWER)))

        assert ["here failed (529): Overloaded."] == [
            each.reason for each in deltas if isinstance(each, RetryScheduled)
        ]
        assert "".join(ANSWER) == text_of(deltas)

    async def test_the_services_own_word_decides_about_another_try(self) -> None:
        deltas: list[Delta] = []
        never = refused(529, "overloaded_error", "Overloaded", headers={"x-should-retry": "false"})

        await self.failure(never, into=deltas)

        assert deltas == []

    async def test_a_spending_limit_is_not_asked_again(self) -> None:
        deltas: list[Delta] = []
        spent = {"type": "rate_limit_error", "message": "No", "details": {"error_code": "enforced_spend_limit_reached"}}

        error = await self.failure(Reply.json({"type": "error", "error": spent}, 429), into=deltas)

        assert RateLimited is type(error)
        assert "quota" in str(error)
        assert deltas == []

    async def test_a_missing_key_is_told_from_a_wrong_one(self) -> None:
        wrong = refused(401, "authentication_error", "invalid x-api-key")

        assert "asks for a key" in str(await self.failure(wrong, key=None))
        assert "refused the key (401): invalid x-api-key." in str(await self.failure(wrong))
        assert Unauthorized is type(await self.failure(refused(403, "permission_error", "no")))
        assert Unauthorized is type(await self.failure(refused(402, "billing_error", "no")))

    async def test_a_request_that_is_too_large_is_a_refusal(self) -> None:
        assert ServerFailed is type(
            await self.failure(refused(413, "request_too_large", "Request exceeds the maximum size"))
        )

    # -- models ------------------------------------------------------------------------------------

    async def test_models_are_listed_with_their_windows(self) -> None:
        async with Loopback(Reply.json(MODELS)) as server:
            provider = self.open(server.url, key=KEY)
            found = await provider.models()
            await provider.close()

        assert (ModelCard("claude-opus-5", 1_000_000, takes_images=True), ModelCard("claude-old")) == found
        assert "/v1/models?limit=1000" == server.last.path
        assert {"x-api-key", "anthropic-version"} <= server.last.headers.keys()

    async def test_something_else_than_models_is_not_this_dialect(self) -> None:
        for reply in (
            Reply.json({"hello": 1}),
            Reply.json([1]),
            Reply(b"<html>", content_type="text/html"),
            Reply(b"?"),
        ):
            async with Loopback(reply) as server:
                provider = self.open(server.url)
                with pytest.raises(NotThisDialect):
                    await provider.models()
                await provider.close()


def refused(status: int, kind: str, words: str, **more: Any) -> Reply:
    """A refusal in the service's form."""
    return Reply.json({"type": "error", "error": {"type": kind, "message": words}, "request_id": "r"}, status, **more)


MODELS = {
    "data": [
        {
            "type": "model",
            "id": "claude-opus-5",
            "display_name": "Claude Opus 5",
            "created_at": "2026-02-01T00:00:00Z",
            "lifecycle": "active",
            "max_input_tokens": 1_000_000,
            "max_tokens": 128_000,
            "capabilities": {"image_input": {"supported": True}},
        },
        {
            "type": "model",
            "id": "claude-old",
            "display_name": "Claude",
            "created_at": "2024-02-01T00:00:00Z",
            "lifecycle": "deprecated",
            "max_input_tokens": None,
        },
    ],
    "has_more": False,
    "first_id": "claude-opus-5",
    "last_id": "claude-old",
}


# -- the official SDK as a reference client ------------------------------------------------------


async def test_the_official_sdk_reads_the_same_from_the_fake_server() -> None:
    """The fake speaks Anthropic's protocol and not a private one: text, thinking, usage and end agree."""
    import anthropic

    dialect = TestAnthropic()
    async with Loopback(Reply(dialect.whole())) as server:
        client = anthropic.AsyncAnthropic(base_url=server.url.removesuffix("/v1"), api_key="k", max_retries=0)
        async with client.messages.stream(
            model="tiny", max_tokens=2048, system="be brief", messages=[{"role": "user", "content": PROMPT}]
        ) as stream:
            message = await stream.get_final_message()
        await client.close()
        theirs = server.last
        provider = dialect.open(server.url)
        ours = await collect(provider, plan_of(PROMPT, system="be brief"), model="tiny")
        await provider.close()

    counts = message.usage
    total = counts.input_tokens + (counts.cache_creation_input_tokens or 0) + (counts.cache_read_input_tokens or 0)
    said = {each.type: getattr(each, each.type) for each in message.content if each.type in ("text", "thinking")}
    assert (theirs.path, theirs.json) == (server.last.path, server.last.json)
    assert {"thinking": thinking_of(ours), "text": text_of(ours)} == said
    assert ("end_turn", Finished("stop")) == (message.stop_reason, ours[-1])
    assert UsageReported(Usage(total, counts.output_tokens, counts.cache_read_input_tokens or 0)) == ours[-2]


async def test_the_official_sdk_sends_tool_blocks_in_the_same_form() -> None:
    import anthropic

    dialect = TestAnthropic()
    body = json.loads(
        dialect.offline().render(
            plan(
                PayloadMessage(Role.USER, "weather?"),
                PayloadMessage(Role.ASSISTANT, "I look.", calls=(ToolCall("a", "get", '{"city":"Oslo"}'),)),
                PayloadMessage(Role.TOOL, "rain", results=(ToolResult("a", "rain"),)),
            ),
            model="tiny",
        )
    )
    async with Loopback(Reply(dialect.answer("x"))) as server:
        client = anthropic.AsyncAnthropic(base_url=server.url.removesuffix("/v1"), api_key="k", max_retries=0)
        asked: anthropic.types.MessageParam = {"role": "user", "content": "weather?"}
        called: anthropic.types.MessageParam = {
            "role": "assistant",
            "content": [
                anthropic.types.TextBlockParam(type="text", text="I look."),
                anthropic.types.ToolUseBlockParam(type="tool_use", id="a", name="get", input={"city": "Oslo"}),
            ],
        }
        told: anthropic.types.MessageParam = {
            "role": "user",
            "content": [anthropic.types.ToolResultBlockParam(type="tool_result", tool_use_id="a", content="rain")],
        }
        stream = await client.messages.create(
            model="tiny", max_tokens=2048, messages=[asked, called, told], stream=True
        )
        async for _ in stream:
            pass
        await client.close()

    assert body == server.last.json


async def test_the_official_sdk_lists_the_same_models() -> None:
    import anthropic

    async with Loopback(Reply.json(MODELS)) as server:
        client = anthropic.AsyncAnthropic(base_url=server.url.removesuffix("/v1"), api_key="k", max_retries=0)
        theirs = [
            ModelCard(
                each.id,
                each.max_input_tokens,
                takes_images=each.capabilities.image_input.supported if each.capabilities else None,
            )
            async for each in client.models.list(limit=1000)
        ]
        await client.close()
        path = server.last.path
        provider = TestAnthropic().open(server.url)
        ours = list(await provider.models())
        await provider.close()

    assert theirs == ours
    assert path == server.last.path


async def test_the_official_sdk_fails_where_ours_does() -> None:
    import anthropic

    dialect = TestAnthropic()
    overloaded = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    for reply, expected, theirs in (
        (Reply(overloaded), ServerFailed, anthropic.APIStatusError),
        (Reply(dialect.answer("half", end=False) + overloaded), ServerFailed, anthropic.APIStatusError),
        (refused(401, "authentication_error", "no"), Unauthorized, anthropic.AuthenticationError),
        (refused(404, "not_found_error", "model: tiny"), NotFoundAtServer, anthropic.NotFoundError),
        (refused(429, "rate_limit_error", "no"), RateLimited, anthropic.RateLimitError),
        (refused(529, "overloaded_error", "no"), ServerFailed, anthropic.InternalServerError),
    ):
        async with Loopback(reply) as server:
            client = anthropic.AsyncAnthropic(base_url=server.url.removesuffix("/v1"), api_key="k", max_retries=0)
            with pytest.raises(theirs):
                async with client.messages.stream(
                    model="tiny", max_tokens=9, messages=[{"role": "user", "content": "x"}]
                ) as stream:
                    await stream.get_final_message()
            await client.close()

        assert expected is type(await dialect.failure(reply))
