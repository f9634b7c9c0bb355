"""Servers on this computer are found by what they say, not by their port."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from tests.providers.loopback import Loopback, Reply
from tui_chat.core.ports import FoundServer, ModelCard
from tui_chat.providers import discovery
from tui_chat.providers.connect import HttpProviders


async def found_at(*servers: Loopback) -> list[FoundServer]:
    async with AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(server)
        return list(await HttpProviders(ports=[server.port for server in servers]).discover())


def models(*names: str, owner: str) -> Reply:
    return Reply.json({"object": "list", "data": [{"id": name, "owned_by": owner} for name in names]})


@pytest.mark.parametrize(
    ("owner", "kind"),
    [
        ("llamacpp", "llama.cpp"),
        ("vllm", "vLLM"),
        ("organization_owner", "LM Studio"),
        ("koboldcpp", "KoboldCpp"),
        ("somebody", "OpenAI-compatible server"),
    ],
)
async def test_a_server_is_called_by_its_own_name(owner: str, kind: str) -> None:
    server = Loopback(routes={"/v1/models": models("a", "b", owner=owner)})

    (found,) = await found_at(server)

    assert FoundServer(kind, server.url, (ModelCard("a"), ModelCard("b"))) == found


VERSION = Reply.json({"version": "0.31.0"})


async def test_ollama_is_found_with_its_own_protocol_even_without_a_model() -> None:
    tags = [{"name": "llama3.2:latest"}, {"name": "nomic:latest", "capabilities": ["embedding"]}]
    full = Loopback(
        routes={
            "/v1/models": models("llama3.2:latest", "nomic:latest", owner="library"),
            "/api/version": VERSION,
            "/api/tags": Reply.json({"models": tags}),
        }
    )
    empty = Loopback(
        routes={
            "/v1/models": Reply.json({"object": "list", "data": None}),
            "/api/version": VERSION,
            "/api/tags": Reply.json({"models": []}),
        }
    )

    found = await found_at(full, empty)

    assert [
        FoundServer("Ollama", full.url.removesuffix("/v1"), (ModelCard("llama3.2:latest"),), "ollama"),
        FoundServer("Ollama", empty.url.removesuffix("/v1"), (), "ollama"),
    ] == found
    assert not any(request.path == "/api/show" for request in full.requests)  # a probe is short


@pytest.mark.parametrize(
    ("version", "tags"),
    [
        (VERSION, Reply.json({"error": "not found"}, 404)),
        (VERSION, Reply.json({"tags": ["a"]})),
        (Reply.json(["0.31.0"]), Reply.json({"models": []})),
        (Reply.json({"error": "not found"}, 404), Reply.json({"models": []})),
    ],
)
async def test_a_version_or_a_list_alone_makes_no_ollama(version: Reply, tags: Reply) -> None:
    server = Loopback(routes={"/v1/models": models("a", owner="somebody"), "/api/version": version, "/api/tags": tags})

    found = await found_at(server)

    assert [FoundServer("OpenAI-compatible server", server.url, (ModelCard("a"),))] == found


async def test_what_is_no_model_server_is_not_found() -> None:
    others = (
        Loopback(Reply(b"<html>hello</html>", content_type="text/html")),
        Loopback(Reply.json({"hello": 1})),
        Loopback(Reply.json({"data": [{"name": "no id"}]})),
        Loopback(Reply.json({"error": "no"}, 401)),
        Loopback(Reply(silent=True)),
    )

    assert await found_at(*others) == []


async def test_closed_ports_are_no_error() -> None:
    async with Loopback() as server:
        port = server.port

    assert list(await discovery.discover([port])) == []


async def test_probes_carry_no_key_and_follow_no_redirect() -> None:
    target = Loopback(models("a", owner="vllm"))
    async with target:
        assert await found_at(mover := Loopback(Reply(b"", 302, headers={"location": f"{target.url}/models"}))) == []

    assert target.requests == []
    assert all("authorization" not in request.headers for request in mover.requests)
    assert {"GET"} == {request.method for request in mover.requests}


async def test_a_slow_port_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(discovery, "PROBE_SECONDS", 0.2)
    slow = Loopback(Reply(b"", gate=asyncio.Event()))

    found = await found_at(slow, Loopback(models("a", owner="vllm")))

    assert [each.kind for each in found] == ["vLLM"]
