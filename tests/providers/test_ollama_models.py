"""Ollama's models: which are offered, the window of each, and how long asking may take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import httpx
import pytest

from tests.contracts.provider import KEY, SECONDS
from tests.providers.loopback import Loopback, Reply, Request
from tui_chat.core.errors import NotThisDialect, Unauthorized
from tui_chat.core.ports import ModelCard, Provider
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.providers import ollama
from tui_chat.providers.connect import HttpProviders


def opened(url: str, key: Secret | None = None) -> Provider:
    return HttpProviders().open(Endpoint("here", url, "ollama"), key)


def tag(name: str, **more: Any) -> dict[str, Any]:
    details = {"format": "gguf", "family": "llama", "parameter_size": "1B", "quantization_level": "Q4_K_M"}
    return {"name": name, "model": name, "size": 7, "digest": f"digest of {name}", "details": details, **more}


def facts(trained: int | None = 131_072, parameters: str = "", **more: Any) -> dict[str, Any]:
    info = {"general.architecture": "llama", "llama.vision.context_length": 1, "tokenizer.ggml.tokens": None}
    length = {} if trained is None else {"llama.context_length": trained}
    return {"parameters": parameters, "model_info": {**info, **length}, "details": {}, "template": "", **more}


class Ollama(Loopback):
    """A server with these models; what ``/api/show`` says of each, and with how many tokens some are loaded."""

    def __init__(
        self,
        tags: Any,
        show: Mapping[str, Any] | None = None,
        ps: Mapping[str, Any] | None = None,
        more: Mapping[str, Reply] | None = None,
    ) -> None:
        running = [{"name": name, "model": name, "context_length": tokens} for name, tokens in (ps or {}).items()]
        routes = {
            "/api/tags": Reply.json({"models": tags} if isinstance(tags, list) else tags),
            "/api/ps": Reply.json({"models": running}),
            **(more or {}),
        }
        super().__init__(Reply.json({"error": "not found"}, 404), routes=routes)
        self.show = dict(show or {})
        self.described = asyncio.Event()

    def _next(self, request: Request) -> Reply:
        if request.path == "/api/show" and (name := request.json["model"]) in self.show:
            self.described.set()
            said = self.show[name]
            return said if isinstance(said, Reply) else Reply.json(said)
        return super()._next(request)

    @property
    def routes(self) -> dict[str, Reply]:
        """May be changed while it serves."""
        return self._routes

    @property
    def connections(self) -> Collection[asyncio.Task[None]]:
        """Its own tasks."""
        return self._open.keys()

    def shown(self) -> list[str]:
        """The models asked about, in alphabetical order."""
        return sorted(request.json["model"] for request in self.requests if request.path == "/api/show")


async def models_of(server: Loopback, *, times: int = 1) -> tuple[ModelCard, ...]:
    async with server:
        provider = opened(server.url, KEY)
        try:
            for _ in range(times):
                found = tuple(await provider.models())
        finally:
            await provider.close()
    return found


@pytest.mark.parametrize(
    ("show", "in_memory", "window"),
    [
        (facts(), None, 4096),
        (facts(2048), None, 2048),
        (facts(parameters='stop    "<|eot_id|>"\nnum_ctx                        16384\ntemperature 0.6'), None, 16_384),
        (facts(8192, "num_ctx 16384"), None, 8192),
        (facts(parameters="num_ctx 512\nnum_ctx 9000"), None, 9000),
        (facts(parameters="num_ctx 16384"), 32_768, 16_384),
        (facts(), 32_768, 32_768),
        (facts(), 512, 4096),
        (facts(2048), 32_768, 2048),
        (facts(None), None, 4096),
        (facts(True, "num_ctx many\nnum_ctx 0"), None, 4096),
        (facts(parameters="system num_ctx 7"), None, 4096),
        ({"model_info": None, "parameters": None}, None, 4096),
        ({"model_info": {"general.architecture": ["x"]}}, None, 4096),
        ([], None, 4096),
        (Reply.json({"error": "model 'm' not found"}, 404), None, None),
        (Reply(b"not JSON", content_type="application/json"), None, None),
        (Reply.json(facts(license="x" * 3_000_000), cut=500_000), None, None),
    ],
)
async def test_a_models_window_is_what_to_ask_for_and_not_what_it_was_trained_for(
    show: Any, in_memory: int | None, window: int | None
) -> None:
    server = Ollama([tag("m")], {"m": show}, {"m": in_memory} if in_memory else {})

    assert (ModelCard("m", window),) == await models_of(server)


async def test_a_model_of_the_cloud_runs_with_all_it_was_trained_for() -> None:
    remote = tag("big:cloud", remote_host="https://ollama.com:443", remote_model="big")

    server = Ollama([remote, tag("m")], {"big:cloud": facts(262_144), "m": facts(262_144)})

    assert (ModelCard("big:cloud", 262_144, runs_at="ollama.com"), ModelCard("m", 4096)) == await models_of(server)


async def test_a_model_of_the_cloud_itself_runs_with_all_it_was_trained_for_and_is_asked_with_the_key() -> None:
    answers: dict[str, Any] = {"/api/tags": {"models": [tag("big")]}, "/api/show": facts(262_144), "/api/ps": {}}
    keys = set()

    def answer(request: httpx.Request) -> httpx.Response:
        keys.add(request.headers["authorization"])
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(answers[request.url.path]).encode()))

    providers = HttpProviders(transport=httpx.MockTransport(answer))
    cloud = providers.open(Endpoint("ollama-cloud", "https://ollama.com", "ollama"), KEY)

    assert (ModelCard("big", 262_144, runs_at="ollama.com"),) == await cloud.models()
    assert {f"Bearer {KEY.reveal_text()}"} == keys
    await cloud.close()


async def test_models_that_cannot_chat_are_not_offered() -> None:
    tags = [
        tag("embeds", capabilities=["embedding"]),
        tag("talks", capabilities=["completion", "tools"]),
        tag("paints"),
        tag("old", capabilities=[]),
    ]

    server = Ollama(tags, {"talks": facts(), "paints": facts(capabilities=["image"]), "old": facts()})

    assert (ModelCard("talks", 4096, takes_images=False), ModelCard("old", 4096)) == await models_of(server)


@pytest.mark.parametrize(
    ("in_list", "described", "takes_images"),
    [
        (["completion", "vision"], None, True),
        (["completion"], None, False),
        ([], None, None),
        ("vision", None, None),
        (None, ["completion", "vision"], True),
        (["completion", "vision"], ["completion"], False),
        (["completion", "vision"], [], True),
    ],
)
async def test_a_model_takes_images_where_its_server_says_that_it_sees(
    in_list: Any, described: Any, takes_images: bool | None
) -> None:
    listed = tag("m") if in_list is None else tag("m", capabilities=in_list)
    server = Ollama([listed], {"m": facts() if described is None else facts(capabilities=described)})

    assert (ModelCard("m", 4096, takes_images=takes_images),) == await models_of(server)


async def test_a_model_is_described_once_until_it_changes() -> None:
    server = Ollama([tag("a"), tag("b")], {"a": facts(), "b": facts()})

    found = await models_of(server, times=3)

    assert (ModelCard("a", 4096), ModelCard("b", 4096)) == found
    assert server.shown() == ["a", "b"]


async def test_a_model_that_was_pulled_anew_is_described_anew() -> None:
    server = Ollama([tag("a")], {"a": facts()})
    async with server:
        provider = opened(server.url)
        before = tuple(await provider.models())
        server.routes["/api/tags"] = Reply.json({"models": [tag("a", digest="another")]})
        server.show["a"] = facts(parameters="num_ctx 9000")
        after = tuple(await provider.models())
        await provider.close()

    assert (before, after) == ((ModelCard("a", 4096),), (ModelCard("a", 9000),))


async def test_no_more_models_are_described_than_is_reasonable() -> None:
    names = [f"m{number:03}" for number in range(100)]
    server = Ollama([tag(name) for name in names], dict.fromkeys(names, facts()))

    found = await models_of(server)

    assert names == [each.name for each in found]
    assert names[: ollama.MOST_SHOWN] == server.shown()
    assert [each.context_window for each in found] == [4096] * ollama.MOST_SHOWN + [None] * (100 - ollama.MOST_SHOWN)


async def test_a_server_that_describes_slowly_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Ollama([tag("quick")], {"quick": facts(2048)})
    async with server:
        provider = opened(server.url)
        first = tuple(await provider.models())
        held = Reply(b"", gate=asyncio.Event())
        server.routes.update({"/api/ps": held, "/api/tags": Reply.json({"models": [tag("slow"), tag("quick")]})})
        server.show["slow"] = held
        monkeypatch.setattr(ollama, "SHOW_SECONDS", 0.05)
        async with asyncio.timeout(SECONDS):
            then = tuple(await provider.models())
        await provider.close()

    assert (ModelCard("quick", 2048),) == first
    assert (ModelCard("slow"), ModelCard("quick", 2048)) == then


async def test_asking_can_be_stopped_and_leaves_nothing_behind() -> None:
    async with Ollama([tag("slow")], {"slow": Reply(b"", gate=asyncio.Event())}) as server:
        provider = opened(server.url)
        task = asyncio.create_task(_listed(provider))
        await server.described.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(SECONDS):
            await server.left.wait()
        left = asyncio.all_tasks() - {asyncio.current_task(), *server.connections}
        await provider.close()

    assert left == set()


async def _listed(provider: Provider) -> Sequence[ModelCard]:
    return await provider.models()


async def test_an_older_server_without_a_list_of_the_loaded_is_asked_all_the_same() -> None:
    server = Ollama([tag("m")], {"m": facts()}, more={"/api/ps": Reply.json({"error": "not found"}, 404)})

    assert (ModelCard("m", 4096),) == await models_of(server)


async def test_names_are_cleaned_and_lists_are_tolerated() -> None:
    tags = [tag("a\x1b[2J\nb"), tag(""), {"model": "only"}, 7, {"name": 7}, tag("same"), tag("same"), tag("\x07")]

    assert (ModelCard("a [2J b"), ModelCard("only"), ModelCard("same")) == await models_of(Ollama(tags))
    assert await models_of(Ollama({"models": None})) == ()
    assert await models_of(Ollama([])) == ()


@pytest.mark.parametrize(
    "reply",
    [
        Reply.json({"hello": 1}),
        Reply.json([1, 2]),
        Reply.json({"models": "many"}),
        Reply.json({"models": [7]}),
        Reply(b"<html>", content_type="text/html"),
        Reply(b"Ollama is running", content_type="text/plain"),
    ],
)
async def test_something_else_than_models_is_not_this_dialect(reply: Reply) -> None:
    with pytest.raises(NotThisDialect) as caught:
        await models_of(Loopback(reply))

    assert "Ollama" in caught.value.sentence
    assert "/v1" not in caught.value.hint


async def test_a_wrong_key_shows_when_models_are_asked_for() -> None:
    with pytest.raises(Unauthorized):
        await models_of(Loopback(Reply.json({"error": "unauthorized"}, 401)))


async def test_the_official_client_reads_the_same_models() -> None:
    from ollama import AsyncClient

    async with Ollama([tag("m")], {"m": facts(parameters="num_ctx 9000")}, {"m": 2048}) as server:
        async with AsyncClient(server.url.removesuffix("/v1")) as client:
            tags, show, running = await client.list(), await client.show("m"), await client.ps()
        theirs = [request.json for request in server.requests if request.path == "/api/show"]
        provider = opened(server.url)
        ours = await provider.models()
        await provider.close()

    assert [each.model for each in tags.models] == [each.name for each in ours]
    assert show.parameters == "num_ctx 9000"
    assert (show.modelinfo or {})["llama.context_length"] == 131_072
    assert [each.context_length for each in running.models] == [2048]
    assert theirs == [request.json for request in server.requests if request.path == "/api/show"][1:]


@pytest.mark.parametrize(
    ("more", "runs_at"),
    [
        ({"remote_host": "https://ollama.com:443", "remote_model": "big"}, "ollama.com"),
        ({"remote_host": "box in the cellar\x1b[2J"}, "box in the cellar [2J"),
        ({"remote_host": "\x00", "remote_model": "big"}, "another computer"),
        ({"remote_model": "big"}, "another computer"),
        ({"remote_host": {"a": 1}}, "{'a': 1}"),
        ({"remote_host": "", "remote_model": ""}, ""),
        ({"remote_host": None}, ""),
        ({}, ""),
    ],
)
async def test_a_model_that_is_handed_on_says_to_whom(more: dict[str, Any], runs_at: str) -> None:
    (card,) = await models_of(Ollama([tag("big", **more)]))

    assert runs_at == card.runs_at
