"""Images in each dialect's form, with the official SDKs as reference clients: what they send is what ours sends."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.attached import IMAGES, attached, picture
from tests.contracts.provider import collect, plan_of, text_of
from tests.providers.loopback import Loopback, Reply
from tests.providers.test_anthropic import TestAnthropic as Anthropic
from tests.providers.test_gemini import TestGemini as Gemini
from tests.providers.test_gemini import client_for
from tests.providers.test_ollama import TestOllama as Ollama
from tests.providers.test_openai import TestOpenAI as OpenAI
from tests.servers import llama
from tui_chat.core.context import ContextPlan, PayloadMessage
from tui_chat.core.errors import ServerFailed
from tui_chat.core.models import Role, ToolCall, ToolResult
from tui_chat.core.ports import Provider
from tui_chat.providers.turns import BETWEEN

PNG = picture()
GIF = attached(IMAGES["image/gif 87a"], "image/gif", "a.gif")
JPEG = attached(IMAGES["image/jpeg baseline"], "image/jpeg", 'a".jpg')
DATA = {each.mime: base64.b64encode(each.data).decode() for each in (PNG, GIF, JPEG)}

ASKED = (
    PayloadMessage(Role.SYSTEM, "be brief"),
    PayloadMessage(Role.USER, "What are these?", images=(PNG, GIF)),
    PayloadMessage(Role.ASSISTANT, "Black."),
    PayloadMessage(Role.USER, "", images=(JPEG,)),
)
"""Two images with a text, and one without."""


def plan(*payload: PayloadMessage) -> ContextPlan:
    return replace(plan_of(), payload=payload)


def rendered(provider: Provider, *payload: PayloadMessage) -> Any:
    return json.loads(provider.render(plan(*payload), model="tiny"))


def inline(*mimes: str) -> list[dict[str, Any]]:
    return [{"inlineData": {"mimeType": mime, "data": DATA[mime]}} for mime in mimes]


def sources(*mimes: str) -> list[dict[str, Any]]:
    return [{"type": "image", "source": {"type": "base64", "media_type": mime, "data": DATA[mime]}} for mime in mimes]


def urls(*mimes: str) -> list[dict[str, Any]]:
    return [{"type": "image_url", "image_url": {"url": f"data:{mime};base64,{DATA[mime]}"}} for mime in mimes]


def test_openai_takes_them_as_parts_with_a_data_url() -> None:
    assert [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [*urls("image/png", "image/gif"), {"type": "text", "text": "What are these?"}]},
        {"role": "assistant", "content": "Black."},
        {"role": "user", "content": urls("image/jpeg")},
    ] == rendered(OpenAI().offline(), *ASKED)["messages"]


def test_anthropic_takes_them_as_blocks() -> None:
    assert [
        {"role": "user", "content": [*sources("image/png", "image/gif"), {"type": "text", "text": "What are these?"}]},
        {"role": "assistant", "content": "Black."},
        {"role": "user", "content": sources("image/jpeg")},
    ] == rendered(Anthropic().offline(), *ASKED)["messages"]


def test_gemini_takes_them_as_inline_data() -> None:
    assert [
        {"role": "user", "parts": [*inline("image/png", "image/gif"), {"text": "What are these?"}]},
        {"role": "model", "parts": [{"text": "Black."}]},
        {"role": "user", "parts": inline("image/jpeg")},
    ] == rendered(Gemini().offline(), *ASKED)["contents"]


def test_ollama_takes_them_beside_the_text() -> None:
    assert [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "What are these?", "images": [DATA["image/png"], DATA["image/gif"]]},
        {"role": "assistant", "content": "Black."},
        {"role": "user", "content": "", "images": [DATA["image/jpeg"]]},
    ] == rendered(Ollama().offline(), *ASKED)["messages"]


# -- images among other things ------------------------------------------------------------------

IN_A_ROW = (
    PayloadMessage(Role.USER, "one", images=(PNG,)),
    PayloadMessage(Role.USER, "", images=(GIF,)),
    PayloadMessage(Role.USER, "two"),
)
AFTER_A_RESULT = (
    PayloadMessage(Role.USER, "look"),
    PayloadMessage(Role.ASSISTANT, "", calls=(ToolCall("a", "look", "{}"),)),
    PayloadMessage(Role.TOOL, "found", results=(ToolResult("a", "found"),)),
    PayloadMessage(Role.USER, "and this?", images=(PNG,)),
)


KINDS = ("text", "inlineData", "functionResponse", "source", "tool_use_id")


def kinds(pieces: Sequence[Any]) -> list[str]:
    return [next(key for key in KINDS if key in each) for each in pieces]


def test_each_stays_with_its_message_where_messages_of_one_side_are_one() -> None:
    (content,) = rendered(Gemini().offline(), *IN_A_ROW)["contents"]
    (message,) = rendered(Anthropic().offline(), *IN_A_ROW)["messages"]

    assert ["inlineData", "text", "inlineData", "text"] == kinds(content["parts"])
    assert ["source", "text", "source", "text"] == kinds(message["content"])


def test_results_of_tools_come_first() -> None:
    contents = rendered(Gemini().offline(), *AFTER_A_RESULT)["contents"]
    messages = rendered(Anthropic().offline(), *AFTER_A_RESULT)["messages"]

    assert ["functionResponse", "inlineData", "text"] == kinds(contents[-1]["parts"])
    assert ["tool_use_id", "source", "text"] == kinds(messages[-1]["content"])


async def test_none_is_lost_where_a_server_wants_turns_taken() -> None:
    dialect = OpenAI()
    refused = Reply.json({"error": {"message": "Conversation roles must alternate user/assistant"}}, 400)
    async with Loopback(refused, Reply(dialect.answer("Yes."))) as server:
        provider = dialect.open(server.url)
        await collect(provider, plan(*IN_A_ROW), model="tiny")
        await provider.close()

    (message,) = server.last.json["messages"]
    assert [*urls("image/png", "image/gif"), {"type": "text", "text": f"one{BETWEEN}two"}] == message["content"]


DIALECTS = {"openai": OpenAI(), "anthropic": Anthropic(), "gemini": Gemini(), "ollama": Ollama()}


@pytest.mark.parametrize("name", DIALECTS)
async def test_a_large_image_goes_out_whole_and_is_what_is_shown(name: str) -> None:
    dialect = DIALECTS[name]
    large = attached(PNG.data + bytes(range(256)) * 12_000, "image/png")
    async with Loopback(Reply(dialect.answer("Large."))) as server:
        provider = dialect.open(server.url)
        shown = provider.render(plan(PayloadMessage(Role.USER, "?", images=(large,))), model="tiny")
        deltas = await collect(provider, plan(PayloadMessage(Role.USER, "?", images=(large,))), model="tiny")
        await provider.close()

    assert "Large." == text_of(deltas)
    assert shown == server.last.body
    assert large.base64.encode() in shown


# -- the official SDKs as reference clients -----------------------------------------------------


async def test_the_sdk_of_openai_sends_images_in_the_same_form() -> None:
    import openai
    from openai.types.chat import ChatCompletionMessageParam

    def url(mime: str) -> Any:
        return openai.types.chat.ChatCompletionContentPartImageParam(
            type="image_url", image_url={"url": f"data:{mime};base64,{DATA[mime]}"}
        )

    text = openai.types.chat.ChatCompletionContentPartTextParam(type="text", text="What are these?")
    asked: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [url("image/png"), url("image/gif"), text]},
        {"role": "assistant", "content": "Black."},
        {"role": "user", "content": [url("image/jpeg")]},
    ]
    async with Loopback(Reply(OpenAI().answer("x"))) as server:
        client = openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0)
        stream = await client.chat.completions.create(
            model="tiny", messages=asked, stream=True, stream_options={"include_usage": True}
        )
        await stream.close()
        await client.close()

    assert server.last.json == rendered(OpenAI().offline(), *ASKED)


async def test_the_sdk_of_anthropic_sends_images_in_the_same_form() -> None:
    import anthropic
    from anthropic import types

    def block(mime: Any) -> types.ImageBlockParam:
        return types.ImageBlockParam(
            type="image", source=types.Base64ImageSourceParam(type="base64", media_type=mime, data=DATA[mime])
        )

    asked: list[types.MessageParam] = [
        {
            "role": "user",
            "content": [
                block("image/png"),
                block("image/gif"),
                types.TextBlockParam(type="text", text="What are these?"),
            ],
        },
        {"role": "assistant", "content": "Black."},
        {"role": "user", "content": [block("image/jpeg")]},
    ]
    async with Loopback(Reply(Anthropic().answer("x"))) as server:
        client = anthropic.AsyncAnthropic(base_url=server.url.removesuffix("/v1"), api_key="k", max_retries=0)
        stream = await client.messages.create(
            model="tiny", max_tokens=2048, system="be brief", messages=asked, stream=True
        )
        async for _ in stream:
            pass
        await client.close()

    assert server.last.json == rendered(Anthropic().offline(), *ASKED)


async def test_the_sdk_of_gemini_sends_images_in_the_same_form() -> None:
    from google.genai import types

    def part(mime: str) -> types.Part:
        return types.Part.from_bytes(data=base64.b64decode(DATA[mime]), mime_type=mime)

    asked = [
        types.Content(role="user", parts=[part("image/png"), part("image/gif"), types.Part(text="What are these?")]),
        types.Content(role="model", parts=[types.Part(text="Black.")]),
        types.Content(role="user", parts=[part("image/jpeg")]),
    ]
    async with Loopback(Reply(Gemini().answer("x"))) as server:
        client = client_for(server)
        async for _ in await client.aio.models.generate_content_stream(model="tiny", contents=asked):
            pass
        await client.aio.aclose()
        client.close()

    # Theirs writes one name and the data in the other of the two ways that Google's JSON may be written in.
    sent = json.loads(server.last.body.replace(b'"mime_type"', b'"mimeType"'))["contents"]
    for each in (part["inlineData"] for content in sent for part in content["parts"] if "inlineData" in part):
        each["data"] = each["data"].translate(str.maketrans("-_", "+/"))
    assert sent == rendered(Gemini().offline(), *ASKED)["contents"]


async def test_the_client_of_ollama_sends_images_in_the_same_form() -> None:
    from ollama import AsyncClient, Image, Message

    asked = [
        Message(role="system", content="be brief"),
        Message(role="user", content="What are these?", images=[Image(value=PNG.data), Image(value=GIF.data)]),
        Message(role="assistant", content="Black."),
        Message(role="user", content="", images=[Image(value=JPEG.data)]),
    ]
    reply = Reply(Ollama().answer("x"), content_type="application/x-ndjson")
    async with Loopback(reply) as server, AsyncClient(server.url.removesuffix("/v1")) as client:
        async for _ in await client.chat("tiny", messages=asked, stream=True):
            pass

    # Theirs leaves an empty text out.
    sent = [{"content": "", **message} for message in server.last.json["messages"]]
    assert sent == rendered(Ollama().offline(), *ASKED)["messages"]


# -- a real server ------------------------------------------------------------------------------


@pytest.mark.parametrize("opened", [OpenAI().open, Anthropic().open], ids=["openai", "anthropic"])
async def test_a_real_server_understands_the_form_and_says_that_its_model_sees_nothing(
    opened: Callable[[str], Provider],
) -> None:
    llama.require_llama()
    with llama.llama_server("chat") as url:
        provider = opened(url)
        with pytest.raises(ServerFailed, match="image input is not supported"):
            await collect(provider, plan(PayloadMessage(Role.USER, "?", images=(PNG,))), model="tiny")
        await provider.close()
