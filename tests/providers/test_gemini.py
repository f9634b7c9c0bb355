"""Gemini: the contract, odd streams, and the official SDK as a reference client."""

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
    NotFoundAtServer,
    NotReached,
    NotThisDialect,
    ProviderError,
    RateLimited,
    ServerFailed,
    Unauthorized,
)
from tui_chat.core.events import Delta, Finished, RetryScheduled, TextDelta, UsageReported
from tui_chat.core.models import Role, ToolCall, ToolResult, Usage
from tui_chat.core.ports import ModelCard
from tui_chat.providers.gemini_stream import ContentStream

REASONS = {"stop": "STOP", "length": "MAX_TOKENS"}


def event(value: Any) -> bytes:
    """Google ends its lines with CRLF."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\r\n\r\n".encode()


def said(*parts: dict[str, Any], reason: str = "", **more: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return event({"candidates": [candidate], "modelVersion": "tiny", "responseId": "r", **more})


def counts(usage: Usage) -> dict[str, Any]:
    """As the service counts: what came from its cache is a part of the prompt, thinking is no part of the answer."""
    thought = usage.output_tokens // 3
    return {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - thought,
        "thoughtsTokenCount": thought,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
        "cachedContentTokenCount": usage.cached_tokens,
    }


def plan(*payload: PayloadMessage) -> ContextPlan:
    budget = TokenBudget(8192, assumed=True, reserved_for_reply=2048, margin=0.4, input=4388)
    return ContextPlan("window", budget, (), Totals(0, 0, 0), payload=payload)


TOOLS = (
    PayloadMessage(Role.USER, "weather?"),
    PayloadMessage(
        Role.ASSISTANT, "I look.", calls=(ToolCall("a", "get", '{"city":"Oslo"}'), ToolCall("b", "ask", '{"city'))
    ),
    PayloadMessage(Role.TOOL, "rain", results=(ToolResult("a", "rain"),)),
    PayloadMessage(Role.TOOL, "cancelled", results=(ToolResult("b", "cancelled"),)),
    PayloadMessage(Role.USER, "and?"),
)


class TestGemini(HostileStreams):
    dialect = "gemini"
    reading = ContentStream

    def answer(
        self, *texts: str, thinking: str = "", usage: Usage | None = None, reason: str = "stop", end: bool = True
    ) -> bytes:
        early: dict[str, Any] = {"usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}} if usage else {}
        body = said({"text": thinking, "thought": True}, **early) if thinking else b""
        body += b"".join(said({"text": text}, **early) for text in texts)
        if not end:
            return body
        ended: dict[str, Any] = {"usageMetadata": counts(usage)} if usage else {}
        return body + said({"text": ""}, reason=REASONS.get(reason, reason), **ended)

    # -- what goes out ----------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("path", "model", "expected"),
        [
            ("", "gemini-4", "/v1beta/models/gemini-4"),
            ("/", "gemini-flash-latest", "/v1beta/models/gemini-flash-latest"),
            ("/v1beta", "gemini-4", "/v1beta/models/gemini-4"),
            ("/v1/", "gemini-4", "/v1/models/gemini-4"),
            ("/proxy", "gemini-4", "/proxy/v1beta/models/gemini-4"),
            ("", "models/gemini-4", "/v1beta/models/gemini-4"),
            ("", "tunedModels/mine", "/v1beta/tunedModels/mine"),
            ("", "../../x?y#z:é", "/v1beta/models/..%2F..%2Fx%3Fy%23z%3A%C3%A9"),
        ],
    )
    async def test_the_request_is_addressed_as_the_protocol_says(self, path: str, model: str, expected: str) -> None:
        async with Loopback(Reply(self.answer(*ANSWER))) as server:
            provider = self.open(server.url.removesuffix("/v1") + path, key=KEY)
            await collect(provider, plan_of(PROMPT), model=model)
            await provider.close()

        assert ("POST", f"{expected}:streamGenerateContent?alt=sse") == (server.last.method, server.last.path)
        assert KEY.reveal_text() == server.last.headers["x-goog-api-key"]
        assert "authorization" not in server.last.headers

    def test_the_body_holds_the_plan_and_nothing_else(self) -> None:
        body = self.offline().render(plan_of("hi", "yes?", "naïve 漢字", system="be brief"), model="gemini")

        assert {
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [{"text": "yes?"}]},
                {"role": "user", "parts": [{"text": "naïve 漢字"}]},
            ],
            "systemInstruction": {"parts": [{"text": "be brief"}]},
        } == json.loads(body)
        assert "漢字".encode() in body

    def test_messages_of_one_side_in_a_row_are_one_with_a_blank_line_between(self) -> None:
        messages = (
            PayloadMessage(Role.USER, "one"),
            PayloadMessage(Role.ASSISTANT, ""),
            PayloadMessage(Role.USER, "two"),
        )

        body = json.loads(self.offline().render(plan(*messages), model="gemini"))

        assert {"contents": [{"role": "user", "parts": [{"text": "one\n\ntwo"}]}]} == body

    def test_tool_calls_and_their_results_go_out_as_parts(self) -> None:
        assert [
            {"role": "user", "parts": [{"text": "weather?"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "I look."},
                    {"functionCall": {"id": "a", "name": "get", "args": {"city": "Oslo"}}},
                    {"functionCall": {"id": "b", "name": "ask", "args": {"arguments": '{"city'}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "a", "name": "get", "response": {"output": "rain"}}},
                    {"functionResponse": {"id": "b", "name": "ask", "response": {"output": "cancelled"}}},
                    {"text": "and?"},
                ],
            },
        ] == json.loads(self.offline().render(plan(*TOOLS), model="gemini"))["contents"]

    # -- what comes back -----------------------------------------------------------------------

    async def test_the_last_counts_hold_and_thinking_is_output(self) -> None:
        body = said({"text": "x"}, usageMetadata={"promptTokenCount": 7, "candidatesTokenCount": 1})
        body += said(
            {"text": "y"},
            reason="STOP",
            usageMetadata={
                "promptTokenCount": 11,
                "toolUsePromptTokenCount": 2,
                "cachedContentTokenCount": 5,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 6,
                "totalTokenCount": 22,
            },
        )

        deltas = await self.ask(Reply(body))

        assert [UsageReported(Usage(13, 9, 5)), Finished("stop")] == deltas[-2:]
        assert 1 == len([each for each in deltas if isinstance(each, UsageReported)])

    async def test_counts_may_come_behind_the_reason(self) -> None:
        late = event({"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2}})

        deltas = await self.ask(Reply(said({"text": "x"}, reason="STOP") + late))

        assert [TextDelta("x"), UsageReported(Usage(5, 2)), Finished("stop")] == deltas

    async def test_a_candidate_may_have_no_content(self) -> None:
        body = said({"text": "x"}) + event({"candidates": [{"finishReason": "STOP", "index": 0}]})

        assert [TextDelta("x"), Finished("stop")] == await self.ask(Reply(body))

    async def test_what_is_no_text_is_skipped(self) -> None:
        image = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
        body = said({"text": "x", "thoughtSignature": "c2ln"}, image, {"executableCode": {"code": "no"}}, reason="STOP")

        assert [TextDelta("x"), Finished("stop")] == await self.ask(Reply(body))

    async def test_thinking_in_tags_is_told_apart(self) -> None:
        deltas = await self.ask(Reply(self.answer("<think>Hm.</think>", "Yes.")))

        assert ("Hm.", "Yes.") == (thinking_of(deltas), text_of(deltas))

    @pytest.mark.parametrize(
        ("word", "expected"),
        [
            ("STOP", "stop"),
            ("MAX_TOKENS", "length"),
            ("SAFETY", "content_filter"),
            ("BLOCKLIST", "content_filter"),
            ("PROHIBITED_CONTENT", "content_filter"),
            ("SPII", "content_filter"),
            ("RECITATION", "recitation"),
            ("MALFORMED_FUNCTION_CALL", "malformed function call"),
            ("OTHER", "other"),
            ("ODD\x1b[31m", "odd [31m"),
        ],
    )
    async def test_each_reason_to_stop_has_its_word(self, word: str, expected: str) -> None:
        assert Finished(expected) == (await self.ask(Reply(self.answer("x", reason=word))))[-1]

    async def test_a_tool_call_is_an_end_of_its_own(self) -> None:
        call = {"functionCall": {"id": "a", "name": "get", "args": {}}}
        for body in (said(call, reason="STOP"), said(call) + said({"text": ""}, reason="STOP")):
            assert [Finished("tool_calls")] == await self.ask(Reply(body))

    @pytest.mark.parametrize(
        ("why", "words"), [("PROHIBITED_CONTENT", "prohibited content"), ("SAFETY", "safety"), ("X\x1b[2J", "x [2j")]
    )
    async def test_a_prompt_that_is_refused_is_said_to_be(self, why: str, words: str) -> None:
        deltas: list[Delta] = []
        body = event({"promptFeedback": {"blockReason": why}, "usageMetadata": {"promptTokenCount": 5}})

        error = await self.failure(Reply(body), into=deltas)

        assert "here refused to answer this prompt: " + words + "." == str(error)
        assert [UsageReported(Usage(5, 0))] == deltas

    async def test_a_prompt_that_was_only_judged_is_answered(self) -> None:
        judged = event({"promptFeedback": {"safetyRatings": []}})

        assert "".join(ANSWER) == text_of(await self.ask(Reply(judged + self.answer(*ANSWER))))

    async def test_an_end_without_a_reason_is_an_error(self) -> None:
        deltas: list[Delta] = []

        assert NotReached is type(await self.failure(Reply(said({"text": "half"})), into=deltas))
        assert [TextDelta("half")] == deltas

    async def test_a_piece_that_is_no_text_is_not_this_dialect(self) -> None:
        assert NotThisDialect is type(await self.failure(Reply(said({"text": ["x"]}))))

    async def test_an_array_instead_of_events_is_not_this_dialect(self) -> None:
        whole = [{"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]}]

        assert NotThisDialect is type(await self.failure(Reply.json(whole)))

    # -- refusals in the service's words -----------------------------------------------------------

    async def test_a_prompt_that_is_too_long_is_understood(self) -> None:
        words = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
        for reply in (refused(400, "INVALID_ARGUMENT", words), refused(400, "INVALID_ARGUMENT", words, listed=True)):
            caught = await self.failure(reply)

            assert isinstance(caught, ContextTooLong)
            assert (1_048_576, 1_200_293) == (caught.limit, caught.needed)

    async def test_the_wait_is_taken_from_the_body(self) -> None:
        wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
        busy = refused(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", {"@type": "x"}, wait)

        deltas = await self.ask(busy, Reply(self.answer(*ANSWER)))

        assert [17] == [each.seconds for each in deltas if isinstance(each, RetryScheduled)]

    async def test_a_wait_that_is_none_is_not_believed(self) -> None:
        for odd in ("soon", "-1s", "1e999s", 17, None, "s"):
            deltas: list[Delta] = []
            busy = refused(429, "RESOURCE_EXHAUSTED", "no", {"retryDelay": odd})

            error = await self.failure(busy, into=deltas)

            assert isinstance(error, RateLimited)
            assert error.retry_after is None
            waits = [each.seconds for each in deltas if isinstance(each, RetryScheduled)]
            assert 2 == len([seconds for seconds in waits if 0 < seconds <= 1])

    async def test_a_long_wait_in_the_body_is_said_and_not_begun(self) -> None:
        deltas: list[Delta] = []

        error = await self.failure(refused(429, "RESOURCE_EXHAUSTED", "no", {"retryDelay": "3600.5s"}), into=deltas)

        assert isinstance(error, RateLimited)
        assert 3600.5 == error.retry_after
        assert deltas == []

    @pytest.mark.parametrize(
        ("status", "kind", "words", "details", "expected"),
        [
            (400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}, Unauthorized),
            (403, "PERMISSION_DENIED", "no", {}, Unauthorized),
            (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", {}, ServerFailed),
            (404, "NOT_FOUND", "models/tiny is not found for API version v1beta", {}, NotFoundAtServer),
            (429, "RESOURCE_EXHAUSTED", "no", {}, RateLimited),
            (503, "UNAVAILABLE", "The model is overloaded.", {}, ServerFailed),
        ],
    )
    async def test_a_refusal_is_understood(
        self, status: int, kind: str, words: str, details: dict[str, Any], expected: type[ProviderError]
    ) -> None:
        assert expected is type(await self.failure(refused(status, kind, words, details)))

    async def test_a_refused_key_is_told_from_a_missing_one(self) -> None:
        wrong = refused(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"})

        assert "refused the key (400): API key not valid." in str(await self.failure(wrong))
        assert "asks for a key" in str(await self.failure(refused(403, "PERMISSION_DENIED", "no"), key=None))

    async def test_no_such_model_is_told_from_a_wrong_address(self) -> None:
        model = await self.failure(refused(404, "NOT_FOUND", "models/tiny is not found for API version v1beta"))
        address = await self.failure(Reply(b"<html>404</html>", 404, "text/html"))

        assert "no model named “tiny”" in str(model)
        assert "/v1/models/tiny:streamGenerateContent" in str(address)
        assert "generativelanguage.googleapis.com" in address.hint

    # -- models ------------------------------------------------------------------------------------

    async def list_models(self, *replies: Reply) -> tuple[list[ModelCard], list[str]]:
        async with Loopback(*replies) as server:
            provider = self.open(server.url, key=KEY)
            try:
                return list(await provider.models()), [request.path for request in server.requests]
            finally:
                await provider.close()

    async def test_models_that_can_chat_are_listed_from_every_page(self) -> None:
        found, paths = await self.list_models(Reply.json(FIRST_PAGE), Reply.json(SECOND_PAGE))

        assert [ModelCard("gemini-4", 1_048_576), ModelCard("gemini-flash-latest"), ModelCard("gemma", 8192)] == found
        assert ["/v1/models?pageSize=1000", "/v1/models?pageSize=1000&pageToken=a%2Fb%3D%26"] == paths

    async def test_pages_without_end_are_given_up(self) -> None:
        _, paths = await self.list_models(Reply.json(FIRST_PAGE))

        assert 10 == len(paths)

    async def test_names_are_cleaned_and_lists_are_tolerated(self) -> None:
        listed = [{"name": "models/a\x1b[2J"}, {"name": ""}, {"title": "no name"}, 7, {"name": 7}, {"name": "models/"}]

        assert [ModelCard("a [2J")] == (await self.list_models(Reply.json({"models": listed})))[0]
        assert [] == (await self.list_models(Reply.json({})))[0]

    async def test_something_else_than_models_is_not_this_dialect(self) -> None:
        page = Reply(b"<html>", content_type="text/html")
        llama = Reply.json({"models": [{"name": "tiny", "model": "tiny"}], "object": "list", "data": [{"id": "tiny"}]})
        for reply in (Reply.json({"data": [{"id": "gpt"}]}), Reply.json([1]), Reply.json({"models": 7}), page, llama):
            with pytest.raises(NotThisDialect):
                await self.list_models(reply)


def refused(status: int, kind: str, words: str, *details: dict[str, Any], listed: bool = False) -> Reply:
    """A refusal in the service's form; sometimes it is a list of one."""
    error = {"error": {"code": status, "message": words, "status": kind, "details": list(details)}}
    return Reply.json([error] if listed else error, status)


FIRST_PAGE = {
    "models": [
        {
            "name": "models/gemini-4",
            "version": "4",
            "displayName": "Gemini 4",
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "thinking": True,
        },
        {"name": "models/embedding", "inputTokenLimit": 2048, "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/gemini-flash-latest"},
    ],
    "nextPageToken": "a/b=&",
}
SECOND_PAGE = {
    "models": [{"name": "models/gemma", "inputTokenLimit": 8192, "supportedGenerationMethods": ["generateContent"]}]
}


# -- the official SDK as a reference client ------------------------------------------------------


def client_for(server: Loopback) -> Any:
    """The official client; it is typed so loosely that it is taken as it is."""
    from google import genai

    options = genai.types.HttpOptions(base_url=server.url.removesuffix("/v1"), api_version="v1beta")
    return genai.Client(api_key="k", http_options=options)


async def test_the_official_sdk_reads_the_same_from_the_fake_server() -> None:
    """The fake speaks Gemini's protocol and not a private one: text, thinking, usage and end agree."""
    from google.genai import types

    dialect = TestGemini()
    async with Loopback(Reply(dialect.whole())) as server:
        client = client_for(server)
        system = types.Content(parts=[types.Part(text="be brief")])
        stream = await client.aio.models.generate_content_stream(
            model="tiny", contents=PROMPT, config=types.GenerateContentConfig(system_instruction=system)
        )
        text, thinking, reason, usage = "", "", None, None
        async for each in stream:
            for part in each.candidates[0].content.parts:
                thinking += part.text if part.thought else ""
                text += "" if part.thought else part.text
            reason, usage = each.candidates[0].finish_reason or reason, each.usage_metadata or usage
        await client.aio.aclose()
        client.close()
        theirs = server.last
        provider = dialect.open(server.url.removesuffix("/v1"), key=KEY)
        ours = await collect(provider, plan_of(PROMPT, system="be brief"), model="tiny")
        await provider.close()

    assert {**server.last.json, "generationConfig": {}} == theirs.json
    assert theirs.path == server.last.path
    assert "x-goog-api-key" in theirs.headers
    assert (thinking, text) == (thinking_of(ours), text_of(ours))
    assert ("STOP", Finished("stop")) == (reason, ours[-1])
    assert usage is not None
    output = usage.candidates_token_count + usage.thoughts_token_count
    assert UsageReported(Usage(usage.prompt_token_count, output, usage.cached_content_token_count)) == ours[-2]


async def test_the_official_sdk_sends_tool_parts_in_the_same_form() -> None:
    from google.genai import types

    dialect = TestGemini()
    ours = json.loads(dialect.offline().render(plan(*TOOLS), model="tiny"))
    city = {"city": "Oslo"}
    contents = [
        types.Content(role="user", parts=[types.Part(text="weather?")]),
        types.Content(
            role="model",
            parts=[
                types.Part(text="I look."),
                types.Part(function_call=types.FunctionCall(id="a", name="get", args=city)),
                types.Part(function_call=types.FunctionCall(id="b", name="ask", args={"arguments": '{"city'})),
            ],
        ),
        types.Content(
            role="user",
            parts=[
                types.Part(function_response=types.FunctionResponse(id="a", name="get", response={"output": "rain"})),
                types.Part(
                    function_response=types.FunctionResponse(id="b", name="ask", response={"output": "cancelled"})
                ),
                types.Part(text="and?"),
            ],
        ),
    ]
    async with Loopback(Reply(dialect.answer("x"))) as server:
        client = client_for(server)
        async for _ in await client.aio.models.generate_content_stream(model="tiny", contents=contents):
            pass
        await client.aio.aclose()
        client.close()

    assert ours["contents"] == server.last.json["contents"]


async def test_the_official_sdk_lists_the_same_models() -> None:
    dialect = TestGemini()
    async with Loopback(Reply.json(FIRST_PAGE), Reply.json(SECOND_PAGE)) as server:
        client = client_for(server)
        pager = await client.aio.models.list(config={"page_size": 1000})
        theirs = [(each.name, each.input_token_limit) async for each in pager]
        await client.aio.aclose()
        client.close()
        asked = [request.path.replace("/v1beta/", "/v1/") for request in server.requests]

    ours, paths = await dialect.list_models(Reply.json(FIRST_PAGE), Reply.json(SECOND_PAGE))

    chatting = [(name, window) for name, window in theirs if name != "models/embedding"]
    assert [(f"models/{each.name}", each.context_window) for each in ours] == chatting
    assert [sorted(path.partition("?")[2].split("&")) for path in asked] == [
        sorted(path.partition("?")[2].split("&")) for path in paths
    ]


async def test_the_official_sdk_fails_where_ours_does() -> None:
    from google.genai import errors

    dialect = TestGemini()
    for reply, expected, theirs in (
        (refused(400, "INVALID_ARGUMENT", "no", {"reason": "API_KEY_INVALID"}), Unauthorized, errors.ClientError),
        (refused(404, "NOT_FOUND", "models/tiny is not found"), NotFoundAtServer, errors.ClientError),
        (refused(429, "RESOURCE_EXHAUSTED", "no"), RateLimited, errors.ClientError),
        (refused(500, "INTERNAL", "no"), ServerFailed, errors.ServerError),
    ):
        async with Loopback(reply) as server:
            client = client_for(server)
            with pytest.raises(theirs):
                async for _ in await client.aio.models.generate_content_stream(model="tiny", contents="x"):
                    pass
            await client.aio.aclose()
            client.close()

        assert expected is type(await dialect.failure(reply))


async def test_the_official_sdk_says_nothing_of_a_refused_prompt_where_ours_does() -> None:
    dialect = TestGemini()
    body = event({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}})
    async with Loopback(Reply(body)) as server:
        client = client_for(server)
        stream = await client.aio.models.generate_content_stream(model="tiny", contents="x")
        theirs = [(each.text, str(each.prompt_feedback.block_reason)) async for each in stream]
        await client.aio.aclose()
        client.close()

    assert [(None, "BlockedReason.SAFETY")] == theirs
    assert "safety" in str(await dialect.failure(Reply(body)))
