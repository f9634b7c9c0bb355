"""Sampling parameters on the wire of all four dialects: none by itself, each by its name, and one that is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.provider import HttpProviderContract, collect, plan_of, plan_with_everything, text_of
from tests.providers import test_anthropic, test_gemini, test_ollama, test_openai
from tests.providers.loopback import Loopback, Reply
from tests.samplings import ALL
from tests.servers import llama
from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import ContextTooLong, ProviderError, ServerFailed, TuiChatError
from tui_chat.core.events import Delta, ParameterDropped, RetryScheduled
from tui_chat.core.sampling import LeftOut, Sampling
from tui_chat.providers.http import Refused
from tui_chat.providers.refused_parameters import refused_parameter

DIALECTS: dict[str, HttpProviderContract] = {
    "openai": test_openai.TestOpenAI(),
    "anthropic": test_anthropic.TestAnthropic(),
    "gemini": test_gemini.TestGemini(),
    "ollama": test_ollama.TestOllama(),
}
NAMES = {"temperature", "top_p", "topP", "top_k", "topK", "seed", "generationConfig"}

every_dialect = pytest.mark.parametrize("dialect", list(DIALECTS))


def keys_in(value: object) -> Iterator[str]:
    """Every name of a JSON value, however deep."""
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys_in(each)
    if isinstance(value, dict):
        yield from value


def rendered(dialect: str, plan: ContextPlan) -> Any:
    return json.loads(DIALECTS[dialect].offline().render(plan, model="tiny"))


def with_all(plan: ContextPlan) -> ContextPlan:
    return replace(plan, sampling=ALL)


async def asked(dialect: str, plan: ContextPlan, *replies: Reply) -> tuple[list[Delta], list[bytes], Exception | None]:
    """What comes back, the bodies that went out, and what it failed with."""
    suite, deltas = DIALECTS[dialect], list[Delta]()
    async with Loopback(*replies) as server:
        provider = suite.open(server.url, sleep=suite.no_wait)
        failure = None
        try:
            await collect(provider, plan, model="tiny", into=deltas)
        except ProviderError as error:
            failure = error
        await provider.close()
    return deltas, [request.body for request in server.requests], failure


# -- what goes out ------------------------------------------------------------------------------


@every_dialect
def test_nothing_is_sent_that_the_user_did_not_set(dialect: str) -> None:
    for plan in (plan_of("hi"), plan_with_everything("said")):
        assert set() == NAMES & set(keys_in(rendered(dialect, plan)))


@pytest.mark.parametrize(
    ("dialect", "place", "expected"),
    [
        ("openai", None, {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "seed": 7}),
        ("anthropic", None, {"temperature": 0.7, "top_p": 0.9, "top_k": 40}),
        ("gemini", "generationConfig", {"temperature": 0.7, "topP": 0.9, "topK": 40, "seed": 7}),
        ("ollama", "options", {"num_ctx": 8192, "temperature": 0.7, "top_p": 0.9, "top_k": 40, "seed": 7}),
    ],
)
def test_what_is_set_goes_out_by_its_name_and_nothing_else_changes(
    dialect: str, place: str | None, expected: dict[str, float]
) -> None:
    before, after = rendered(dialect, plan_of("hi")), rendered(dialect, with_all(plan_of("hi")))
    one = rendered(dialect, replace(plan_of("hi"), sampling=Sampling(temperature=0.0)))

    assert ({**before, **expected} if place is None else {**before, place: expected}) == after
    assert [0.0] == [value for name, value in (one if place is None else one[place]).items() if name in NAMES]


# -- one that is refused ------------------------------------------------------------------------


def openai(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Reply.json({"error": error}, status)


def anthropic(message: str) -> Reply:
    return Reply.json({"type": "error", "error": {"type": "invalid_request_error", "message": message}}, 400)


def gemini(message: str) -> Reply:
    return Reply.json({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}, 400)


def validation(name: str, message: str) -> Reply:
    return Reply.json({"detail": [{"loc": ["body", name], "msg": message, "type": "value_error"}]}, 422)


REFUSALS: list[tuple[str, str, Reply]] = [
    (
        "openai",
        "temperature",
        openai(
            "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is "
            "supported.",
            "temperature",
            "unsupported_value",
        ),
    ),
    (
        "openai",
        "top_p",
        openai("Unsupported parameter: 'top_p' is not supported with this model.", "top_p", "unsupported_parameter"),
    ),
    ("openai", "top_p", openai("Use temperature; this one is unsupported.", "top_p", "unsupported_parameter")),
    ("openai", "top_k", openai("Unrecognized request argument supplied: top_k")),
    ("openai", "seed", openai("Argument not supported on this model: seed")),
    ("openai", "top_k", openai("'top_k' : property 'top_k' is unsupported")),
    (
        "openai",
        "temperature",
        openai("gpt-5 models don't support temperature=0.7. Only temperature=1 is supported.", code="400"),
    ),
    ("openai", "top_k", validation("top_k", "Extra inputs are not permitted")),
    ("openai", "temperature", validation("temperature", "Input should be less than or equal to 0.5")),
    ("anthropic", "temperature", anthropic("`temperature` is deprecated for this model.")),
    ("anthropic", "top_k", anthropic("top_k: Extra inputs are not permitted")),
    ("anthropic", "temperature", anthropic("temperature: range: 0..0.5")),
    (
        "anthropic",
        "top_p",
        anthropic("`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    ),
    (
        "gemini",
        "top_k",
        gemini("Invalid JSON payload received. Unknown name \"topK\" at 'generation_config': Cannot find field."),
    ),
    (
        "gemini",
        "temperature",
        gemini("* GenerateContentRequest.generation_config.temperature: must be in the range [0.0, 0.5].\n"),
    ),
    ("gemini", "seed", gemini("Invalid value at 'generation_config.seed' (TYPE_INT32), 7")),
    ("ollama", "top_k", Reply.json({"error": 'option "top_k" must be of type integer'}, 400)),
    ("ollama", "temperature", Reply.json({"error": "this model does not support temperature"}, 400)),
]


@pytest.mark.parametrize(("dialect", "name", "refusal"), REFUSALS)
async def test_one_that_is_refused_is_dropped_and_said_and_the_rest_is_asked_again_at_once(
    dialect: str, name: str, refusal: Reply
) -> None:
    plan = with_all(plan_of("hi"))
    render = DIALECTS[dialect].offline().render

    deltas, bodies, failure = await asked(dialect, plan, refusal, Reply(DIALECTS[dialect].answer("Yes.")))

    reduced = plan.without_parameter(name)
    assert [render(plan, model="tiny"), render(reduced, model="tiny")] == bodies
    assert ParameterDropped(name) == deltas[0]
    assert (ALL.without(name), (LeftOut(name, ALL.values[name], True),)) == (reduced.sampling, reduced.unsampled)
    assert [] == [delta for delta in deltas if isinstance(delta, RetryScheduled)]
    assert ("Yes.", None) == (text_of(deltas), failure)


@every_dialect
async def test_each_is_dropped_once_and_then_the_refusal_stands(dialect: str) -> None:
    words = "temperature, top_p, top_k, topP, topK and seed are not supported"
    refusal = Reply.json({"error": {"message": words}}, 400)

    deltas, bodies, failure = await asked(dialect, with_all(plan_of("hi")), refusal)

    # Seed is no word of Anthropic's, so it was not sent: that it is dropped from the plan is all the same true.
    assert [ParameterDropped(name) for name in ("temperature", "top_p", "top_k", "seed")] == deltas
    assert DIALECTS[dialect].offline().render(plan_of("hi"), model="tiny") == bodies[-1]
    assert isinstance(failure, ServerFailed)


@every_dialect
async def test_what_was_not_sent_is_not_dropped(dialect: str) -> None:
    refusal = Reply.json({"error": {"message": "temperature is not supported"}}, 400)
    for sampling in (Sampling(), Sampling(top_p=0.9)):
        deltas, bodies, failure = await asked(dialect, replace(plan_of("hi"), sampling=sampling), refusal)

        assert ([], 1) == (deltas, len(bodies))
        assert isinstance(failure, ServerFailed)


async def test_a_server_that_is_busy_behind_the_refusal_is_waited_for_as_ever() -> None:
    _, _, refusal = REFUSALS[0]

    deltas, bodies, failure = await asked(
        "openai", with_all(plan_of("hi")), refusal, Reply(b"", 503), Reply(DIALECTS["openai"].answer("Yes."))
    )

    assert [ParameterDropped, RetryScheduled] == [type(delta) for delta in deltas[:2]]
    assert bodies[0] != bodies[1] == bodies[2]
    assert ("Yes.", None) == (text_of(deltas), failure)


async def test_a_server_that_also_refuses_the_form_gets_both_changed() -> None:
    _, _, refusal = REFUSALS[0]
    form = openai("Unknown parameter: 'stream_options'.", "stream_options", "unknown_parameter")

    deltas, bodies, _ = await asked(
        "openai", with_all(plan_of("hi")), form, refusal, Reply(DIALECTS["openai"].answer("Yes."))
    )

    assert ["temperature", "top_p", "top_k", "seed"] == [name for name in json.loads(bodies[1]) if name in NAMES]
    assert NAMES & set(json.loads(bodies[2])) == {"top_p", "top_k", "seed"}
    assert "stream_options" not in json.loads(bodies[2])
    assert "Yes." == text_of(deltas)


@pytest.mark.parametrize(
    ("status", "about", "param", "error"),
    [
        (401, "temperature is not supported", "", ServerFailed),
        (500, "temperature is not supported", "", ServerFailed),
        (400, "this prompt is about room temperature", "", ServerFailed),
        (400, "the seeds are not supported, nor is a bad_temperatures", "", ServerFailed),
        (400, "messages are invalid; temperature is not supported there", "messages", ServerFailed),
        (400, "too long: unsupported with temperature", "", ContextTooLong),
        (400, "", "", ServerFailed),
    ],
)
def test_anything_else_is_no_refusal_of_a_parameter(
    status: int, about: str, param: str, error: Callable[[str], TuiChatError]
) -> None:
    refused = Refused(error("no"), status=status, about=about, param=param)  # type: ignore[arg-type]

    assert "" == refused_parameter(refused, ALL)


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_a_real_server_takes_them_all(dialect: str) -> None:
    llama.require_llama()
    with llama.llama_server("chat") as url:
        provider = DIALECTS[dialect].open(url)
        deltas = await collect(provider, with_all(plan_of("hi")), model="tiny")
        await provider.close()

    assert text_of(deltas)
    assert [] == [delta for delta in deltas if isinstance(delta, ParameterDropped)]


# -- the official SDKs as reference clients -----------------------------------------------------


async def test_the_official_sdks_put_them_in_the_same_places() -> None:
    import openai as openai_sdk
    from google.genai import types
    from ollama import AsyncClient

    ours = {dialect: rendered(dialect, with_all(plan_of("hi"))) for dialect in DIALECTS}
    theirs = {}
    async with Loopback(Reply(DIALECTS["openai"].answer("x"))) as server:
        client = openai_sdk.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0)
        stream = await client.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            stream_options={"include_usage": True},
            temperature=0.7,
            top_p=0.9,
            seed=7,
            extra_body={"top_k": 40},
        )
        async for _ in stream:
            pass
        await client.close()
        theirs["openai"] = server.last.json
    async with Loopback(Reply(DIALECTS["gemini"].answer("x"))) as server:
        google = test_gemini.client_for(server)
        config = types.GenerateContentConfig(temperature=0.7, top_p=0.9, top_k=40, seed=7)
        async for _ in await google.aio.models.generate_content_stream(model="tiny", contents="hi", config=config):
            pass
        await google.aio.aclose()
        google.close()
        theirs["gemini"] = server.last.json
    options = {"num_ctx": 8192, "temperature": 0.7, "top_p": 0.9, "top_k": 40, "seed": 7}
    messages = [{"role": "user", "content": "hi"}]
    reply = Reply(DIALECTS["ollama"].answer("x"), content_type="application/x-ndjson")
    async with Loopback(reply) as server, AsyncClient(server.url.removesuffix("/v1")) as local:
        async for _ in await local.chat("tiny", messages, stream=True, options=options):
            pass
        theirs["ollama"] = server.last.json

    assert theirs["openai"] == ours["openai"]
    assert theirs["gemini"]["generationConfig"] == ours["gemini"]["generationConfig"]
    assert theirs["ollama"]["options"] == ours["ollama"]["options"]
