"""What goes out in the OpenAI dialect: tool calls and results, and the form that a server insists on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.provider import collect, plan_of, text_of
from tests.providers.loopback import Loopback, Reply
from tests.providers.test_openai import DONE, chunk
from tests.servers import llama
from tui_chat.core.context import ContextPlan, PayloadMessage
from tui_chat.core.errors import ProviderError, ServerFailed
from tui_chat.core.models import Role, ToolCall, ToolResult
from tui_chat.core.settings import Endpoint
from tui_chat.providers.http import Connection
from tui_chat.providers.openai import OpenAIProvider

YES = chunk({"content": "Yes."}) + chunk({}, "stop") + DONE
ALTERNATE = "Conversation roles must alternate user/assistant/user/assistant/..."
AFTER_SYSTEM = f"After the optional system message, c{ALTERNATE[1:]}"


def llama_refusal(source: str, words: str) -> dict[str, Any]:
    """As the server of ``xllamacpp`` says it of a template that raises an exception."""
    said = (
        "Unable to generate parser for this template. Automatic parser generation failed: \n------------\n"
        f"While executing CallExpression at line 12, column 32 in source:\n{source}\n{' ' * 43}^\n"
        f"Error: Jinja Exception: {words}"
    )
    return {"code": 400, "message": said, "type": "invalid_request_error"}


def payload_of(*payload: PayloadMessage) -> ContextPlan:
    return replace(plan_of(), payload=payload)


IN_A_ROW = payload_of(
    PayloadMessage(Role.SYSTEM, "be brief"),
    PayloadMessage(Role.USER, "one"),
    PayloadMessage(Role.USER, " two\n"),
    PayloadMessage(Role.ASSISTANT, "three"),
    PayloadMessage(Role.ASSISTANT, "four"),
    PayloadMessage(Role.USER, "five"),
)
"""Two prompts in a row, as after an answer that failed, and two answers."""

CITY = '{"city": "Oslo"}'
TOOLS = (
    PayloadMessage(Role.USER, "weather?"),
    PayloadMessage(Role.ASSISTANT, "", calls=(ToolCall("a", "get", CITY), ToolCall("b", "get", CITY))),
    PayloadMessage(Role.TOOL, "rain\ncancelled", results=(ToolResult("b", "rain"), ToolResult("a", "cancelled"))),
    PayloadMessage(Role.ASSISTANT, "Rain. One more:", calls=(ToolCall("a", "get", CITY),)),
    PayloadMessage(Role.TOOL, "", results=(ToolResult("a", ""),)),
    PayloadMessage(Role.USER, "and?"),
)


def call_of(id: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "get", "arguments": arguments}}


def opened(url: str) -> OpenAIProvider:
    return OpenAIProvider(Connection(Endpoint("here", url)), sleep=no_wait)


async def no_wait(seconds: float) -> None:
    """Stands in for asyncio.sleep."""


def offline() -> OpenAIProvider:
    return opened("http://127.0.0.1:1/v1")


# -- tools ------------------------------------------------------------------------------------


async def test_messages_without_tools_are_written_as_ever_to_the_byte() -> None:
    body = offline().render(plan_of('say "hi"', "naïve 漢字\n", system="be brief"), model="gpt")

    assert (
        '{"model":"gpt","messages":[{"role":"system","content":"be brief"},'
        '{"role":"assistant","content":"say \\"hi\\""},{"role":"user","content":"naïve 漢字\\n"}],'
        '"stream":true,"stream_options":{"include_usage":true}}'
    ).encode() == body


async def test_calls_and_results_are_written_as_the_protocol_says() -> None:
    body = json.loads(offline().render(payload_of(*TOOLS), model="gpt"))

    assert [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call_of("a", CITY), call_of("b", CITY)]},
        {"role": "tool", "tool_call_id": "b", "content": "rain"},
        {"role": "tool", "tool_call_id": "a", "content": "cancelled"},
        {"role": "assistant", "content": "Rain. One more:", "tool_calls": [call_of("a", CITY)]},
        {"role": "tool", "tool_call_id": "a", "content": ""},
        {"role": "user", "content": "and?"},
    ] == body["messages"]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{ "city":"Oslo","city":1 }', '{ "city":"Oslo","city":1 }'),
        ("{}", "{}"),
        ("", "{}"),
        (" \n", "{}"),
        ('{"city', '{"arguments": "{\\"city"}'),
        ('"漢字"', '{"arguments": "\\"漢字\\""}'),
        ("[1]", '{"arguments": "[1]"}'),
    ],
)
async def test_arguments_go_out_as_written_or_within_an_object(written: str, sent: str) -> None:
    plan = payload_of(PayloadMessage(Role.ASSISTANT, "", calls=(ToolCall("a", "get", written),)))

    (message,) = json.loads(offline().render(plan, model="gpt"))["messages"]

    assert sent == message["tool_calls"][0]["function"]["arguments"]
    assert isinstance(json.loads(sent), dict)


# -- servers that want user and assistant to take turns ----------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        # llama.cpp of 2026 with Gemma's template and with Mistral's, of which a refusal keeps the beginning only
        (400, llama_refusal("...{{ raise_exception('Conversation roles must alternate user...", ALTERNATE)),
        (400, llama_refusal('...{{- raise_exception("After the optional system message, con...', AFTER_SYSTEM)),
        (500, {"code": 500, "message": f"{ALTERNATE} at row 3, column 74:\n", "type": "server_error"}),
        (400, {"code": 400, "message": ALTERNATE, "type": "BadRequestError"}),
        (422, {"message": f"Template error: template error: {ALTERNATE} (in <string>:1)"}),
        (
            400,
            {
                "message": "deepseek-reasoner does not support successive user or assistant messages (messages[1] "
                "and messages[2] in your input). You should interleave the user/assistant messages."
            },
        ),
        (
            400,
            {
                "message": "After the (optional) system message(s), user or tool message(s) should alternate with "
                "assistant message(s)."
            },
        ),
        (400, 'messages: roles must alternate between "user" and "assistant", but found multiple "user" roles'),
    ],
)
async def test_a_server_that_wants_turns_taken_gets_neighbours_as_one_from_then_on(status: int, error: Any) -> None:
    async with Loopback(Reply.json({"error": error}, status), Reply(YES)) as server:
        provider = opened(server.url)
        as_planned = provider.render(IN_A_ROW, model="tiny")
        for _ in range(2):
            assert "Yes." == text_of(await collect(provider, IN_A_ROW, model="tiny"))
        await provider.close()

    merged = provider.render(IN_A_ROW, model="tiny")
    assert [as_planned, merged, merged] == [request.body for request in server.requests]
    assert [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "one\n\n two\n"},
        {"role": "assistant", "content": "three\n\nfour"},
        {"role": "user", "content": "five"},
    ] == json.loads(merged)["messages"]


async def test_calls_and_results_are_never_put_together() -> None:
    refused = Reply.json({"error": {"message": ALTERNATE}}, 400)
    async with Loopback(refused, Reply(YES)) as server:
        provider = opened(server.url)
        await collect(provider, IN_A_ROW, model="tiny")
        await provider.close()
    prompt, *tools = TOOLS
    plan = payload_of(prompt, PayloadMessage(Role.ASSISTANT, "I look."), *tools, PayloadMessage(Role.USER, "hm?"))

    messages = json.loads(provider.render(plan, model="tiny"))["messages"]

    as_planned = json.loads(offline().render(plan, model="tiny"))["messages"]
    assert [*as_planned[:-2], {"role": "user", "content": "and?\n\nhm?"}] == messages


async def test_where_there_is_nothing_to_put_together_the_refusal_stands() -> None:
    async with Loopback(Reply.json({"error": {"message": ALTERNATE}}, 400)) as server:
        provider = opened(server.url)
        with pytest.raises(ServerFailed, match="must alternate"):
            await collect(provider, plan_of("hi", "who?"), model="tiny")
        await provider.close()

    assert len(server.requests) == 1


async def test_a_refusal_of_the_other_form_too_stands() -> None:
    async with Loopback(Reply.json({"error": {"message": ALTERNATE}}, 400)) as server:
        provider = opened(server.url)
        for _ in range(2):
            with pytest.raises(ServerFailed, match="must alternate"):
                await collect(provider, IN_A_ROW, model="tiny")
        await provider.close()

    assert len(server.requests) == 3


async def test_a_server_may_refuse_one_form_after_the_other() -> None:
    no_options = Reply.json({"error": {"message": "unknown field: stream_options"}}, 400)
    no_rows = Reply.json({"error": {"message": ALTERNATE}}, 400)
    for script in ((no_options, no_rows), (no_rows, no_options)):
        async with Loopback(*script, Reply(YES)) as server:
            provider = opened(server.url)
            deltas = await collect(provider, IN_A_ROW, model="tiny")
            await provider.close()

        assert "Yes." == text_of(deltas)
        assert len(server.requests) == 3
        assert provider.render(IN_A_ROW, model="tiny") == server.last.body


@pytest.mark.parametrize(
    "words",
    [  # DeepSeek's, of 2025 and of V4
        "Missing `reasoning_content` field in the assistant message at message index 2. For more information, ...",
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
    ],
)
async def test_a_server_that_wants_the_field_of_thinking_back_gets_it_with_every_answer_from_then_on(
    words: str,
) -> None:
    plan = payload_of(*TOOLS)
    async with Loopback(Reply.json({"error": {"message": words}}, 400), Reply(YES)) as server:
        provider = opened(server.url)
        as_planned = provider.render(plan, model="tiny")
        for _ in range(2):
            assert "Yes." == text_of(await collect(provider, plan, model="tiny"))
        await provider.close()

    assert b"reasoning_content" not in as_planned
    assert [as_planned, server.last.body, provider.render(plan, model="tiny")] == [
        request.body for request in server.requests
    ]
    answers = [each for each in server.last.json["messages"] if each["role"] == "assistant"]
    assert len(answers) == sum(message.role is Role.ASSISTANT for message in TOOLS) > 0
    assert {""} == {each["reasoning_content"] for each in answers}
    assert not [each for each in server.last.json["messages"] if each not in answers and "reasoning_content" in each]


async def test_a_server_that_refuses_the_field_of_thinking_is_not_sent_it() -> None:
    words = "reasoning_content is not allowed in the input"
    async with Loopback(Reply.json({"error": {"message": words}}, 400)) as server:
        provider = opened(server.url)
        with pytest.raises(ServerFailed, match="not allowed"):
            await collect(provider, payload_of(*TOOLS), model="tiny")
        await provider.close()

    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 404, 429, 503])
async def test_only_a_refusal_of_the_request_itself_changes_its_form(status: int) -> None:
    async with Loopback(Reply.json({"error": {"message": ALTERNATE}}, status)) as server:
        provider = opened(server.url)
        with pytest.raises(ProviderError):
            await collect(provider, IN_A_ROW, model="tiny")
        await provider.close()

    assert {offline().render(IN_A_ROW, model="tiny")} == {request.body for request in server.requests}


# -- against what others say ------------------------------------------------------------------


async def test_the_official_sdk_writes_calls_and_results_as_ours_does() -> None:
    import openai
    from openai.types.chat import (
        ChatCompletionAssistantMessageParam,
        ChatCompletionMessageFunctionToolCallParam,
        ChatCompletionMessageParam,
        ChatCompletionToolMessageParam,
        ChatCompletionUserMessageParam,
    )

    def call(id: str) -> ChatCompletionMessageFunctionToolCallParam:
        return {"id": id, "type": "function", "function": {"name": "get", "arguments": CITY}}

    # Checked twice: against the SDK's types where this file is type-checked, against its bytes here.
    asked: list[ChatCompletionMessageParam] = [
        ChatCompletionUserMessageParam(role="user", content="weather?"),
        ChatCompletionAssistantMessageParam(role="assistant", content=None, tool_calls=[call("a"), call("b")]),
        ChatCompletionToolMessageParam(role="tool", tool_call_id="b", content="rain"),
        ChatCompletionToolMessageParam(role="tool", tool_call_id="a", content="cancelled"),
        ChatCompletionAssistantMessageParam(role="assistant", content="Rain. One more:", tool_calls=[call("a")]),
        ChatCompletionToolMessageParam(role="tool", tool_call_id="a", content=""),
        ChatCompletionUserMessageParam(role="user", content="and?"),
    ]
    async with Loopback(Reply(YES)) as server:
        client = openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0)
        stream = await client.chat.completions.create(
            model="tiny", messages=asked, stream=True, stream_options={"include_usage": True}
        )
        await stream.close()
        await client.close()

    assert server.last.json == json.loads(offline().render(payload_of(*TOOLS), model="tiny"))


async def test_a_real_server_whose_template_wants_turns_taken_answers_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    llama.require_llama()
    # Mistral's check, before the tiny model's own template.
    check = (
        "{%- set ns = namespace(index=0) %}{%- for message in messages %}"
        "{%- if message.role == 'user' or (message.role == 'assistant' and not message.tool_calls) %}"
        "{%- if (message.role == 'user') != (ns.index % 2 == 0) %}"
        f"{{{{- raise_exception('{AFTER_SYSTEM}') }}}}{{%- endif %}}"
        "{%- set ns.index = ns.index + 1 %}{%- endif %}{%- endfor %}"
    )
    monkeypatch.setattr(llama, "TEMPLATE", check + llama.TEMPLATE)
    with_tools = payload_of(*TOOLS[:3], PayloadMessage(Role.ASSISTANT, "Rain."), PayloadMessage(Role.USER, "and?"))
    with llama.llama_server("chat") as url:
        provider = opened(url)
        as_planned = provider.render(IN_A_ROW, model="tiny")
        deltas = await collect(provider, IN_A_ROW, model="tiny")
        again = await collect(provider, with_tools, model="tiny")
        await provider.close()

    assert llama.REPLY == text_of(deltas) == text_of(again)
    assert as_planned != provider.render(IN_A_ROW, model="tiny")
