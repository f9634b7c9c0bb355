"""Which protocol an address suggests, and which one answers there."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.providers.loopback import Loopback, Reply
from tests.services.test_endpoints import Desk
from tui_chat.core.errors import NotFoundAtServer, NotReached, NotThisDialect, Unauthorized
from tui_chat.core.ports import ConversationStore
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.providers.connect import HttpProviders
from tui_chat.services.meant import Tried, guessed_dialect, with_version

OPENAI = Reply.json({"data": [{"id": "m"}]})
GEMINI = Reply.json({"models": [{"name": "models/m"}]})
TAGS = Reply.json({"models": [{"name": "m", "digest": "d"}]})
HTML = Reply(b"<html>hello</html>", content_type="text/html")
LLAMA = Reply.json({"models": [{"name": "m", "model": "m"}], "object": "list", "data": [{"id": "m"}]})
NO_KEY = Reply.json({"error": {"message": "no key"}}, 401)


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        ("https://api.anthropic.com", "anthropic"),
        ("https://api.anthropic.com/v1", "anthropic"),
        ("https://api.deepseek.com/anthropic", "anthropic"),
        ("https://api.deepseek.com", "openai"),
        ("https://generativelanguage.googleapis.com/v1beta", "gemini"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "openai"),
        ("http://127.0.0.1:11434", "ollama"),
        ("http://127.0.0.1:11434/v1", "ollama"),
        ("http://nas:11434", "ollama"),
        ("https://ollama.com", "ollama"),
        ("https://ollama.company.example", "ollama"),
        ("https://notollama.example", "openai"),
        ("http://127.0.0.1:8080/v1", "openai"),
        ("https://api.openai.com/v1", "openai"),
        ("", "openai"),
        ("http://[bad", "openai"),
    ],
)
def test_an_address_suggests_a_protocol(url: str, dialect: str) -> None:
    assert dialect == guessed_dialect(url)


@pytest.mark.parametrize(
    ("url", "longer"),
    [
        ("http://a:1", "http://a:1/v1"),
        ("http://a:1/api/", "http://a:1/api/v1"),
        ("http://a:1/v1", None),
        ("http://a:1/v1beta/openai", None),
        ("nonsense", None),
    ],
)
def test_an_address_without_a_version_may_lack_it(url: str, longer: str | None) -> None:
    assert longer == with_version(url)


async def tried(
    store: ConversationStore, dialect: str, path: str, routes: Mapping[str, Reply], key: str = ""
) -> tuple[Tried, Loopback, str]:
    """What a test finds at a real server with these routes; all else there is not found."""
    async with Loopback(routes=routes) as server:
        root = server.url.removesuffix("/v1")
        desk = Desk(store)
        desk.service._providers = HttpProviders()
        endpoint = Endpoint("here", f"{root}{path}", dialect)
        return await desk.service.test(endpoint, Secret(key) if key else None), server, root


@pytest.mark.parametrize(
    ("asked", "path", "routes", "meant", "there"),
    [
        ("openai", "/v1", {"/v1/models": OPENAI}, "openai", "/v1"),
        ("openai", "", {"/v1/models": OPENAI}, "openai", "/v1"),
        ("openai", "", {"/models": HTML, "/v1/models": OPENAI}, "openai", "/v1"),
        ("openai", "/v1", {"/api/tags": TAGS}, "ollama", ""),
        ("openai", "/api", {"/api/tags": TAGS}, "ollama", ""),
        ("openai", "/v1", {"/v1/models?limit=1000": OPENAI}, "anthropic", "/v1"),
        ("openai", "", {"/v1beta/models?pageSize=1000": GEMINI}, "gemini", ""),
        ("openai", "/v1", {"/v1/models": NO_KEY, "/v1/models?limit=1000": OPENAI}, "anthropic", "/v1"),
        ("anthropic", "/v1", {"/v1/models?limit=1000": NO_KEY, "/v1/models": OPENAI}, "openai", "/v1"),
        ("anthropic", "", {"/v1/models": OPENAI}, "openai", "/v1"),
        ("gemini", "", {"/api/tags": TAGS}, "ollama", ""),
        ("gemini", "/openai", {"/openai/models": OPENAI}, "openai", "/openai"),
        ("gemini", "/v1", {"/v1/models?pageSize=1000": LLAMA, "/v1/models": LLAMA}, "openai", "/v1"),
        ("ollama", "", {"/api/tags": LLAMA, "/v1/models": LLAMA}, "openai", "/v1"),
        ("ollama", "/v1", {"/v1/models": OPENAI}, "openai", "/v1"),
        ("ollama", "", {"/v1/models": OPENAI}, "openai", "/v1"),
    ],
)
async def test_what_answers_in_place_of_what_was_asked_for_is_found(
    asked: str, path: str, routes: dict[str, Reply], meant: str, there: str, store: ConversationStore
) -> None:
    found, _, root = await tried(store, asked, path, routes, key="k")

    assert (meant, f"{root}{there}") == (found.endpoint.dialect, found.endpoint.base_url)
    assert ["m"] == [card.name for card in found.cards]
    assert found.refusal is None


async def test_a_service_one_step_further_that_wants_a_key_is_found_too(store: ConversationStore) -> None:
    found, _, root = await tried(store, "openai", "", {"/v1/models": NO_KEY})

    assert Endpoint("here", f"{root}/v1") == found.endpoint
    assert isinstance(found.refusal, Unauthorized)


async def test_a_service_one_step_further_may_have_no_model_yet(store: ConversationStore) -> None:
    found, _, root = await tried(store, "openai", "", {"/v1/models": Reply.json({"data": []})})

    assert Tried(Endpoint("here", f"{root}/v1")) == found


async def test_what_answers_as_it_should_is_asked_once(store: ConversationStore) -> None:
    _, server, _ = await tried(store, "openai", "", {"/models": Reply.json({"data": []}), "/v1/models": OPENAI})

    assert ["/models"] == [request.path for request in server.requests]


@pytest.mark.parametrize(
    ("dialect", "routes", "error"),
    [
        ("openai", {}, NotFoundAtServer),
        ("openai", {"/models": HTML}, NotThisDialect),
        ("openai", {"/models": NO_KEY}, Unauthorized),
        ("openai", {"/models": NO_KEY, "/api/tags": Reply.json({"models": []})}, Unauthorized),
        ("openai", {"/models": HTML, "/api/tags": NO_KEY}, NotThisDialect),
        ("anthropic", {}, NotFoundAtServer),
        ("gemini", {"/v1beta/models?pageSize=1000": Reply.json(["no"])}, NotThisDialect),
        ("ollama", {"/api/tags": HTML}, NotThisDialect),
    ],
)
async def test_where_nothing_else_answers_the_first_answer_holds(
    dialect: str, routes: dict[str, Reply], error: type[Exception], store: ConversationStore
) -> None:
    with pytest.raises(error) as caught:
        await tried(store, dialect, "", routes, key="k")

    assert type(caught.value) is error


async def test_a_computer_that_is_not_there_is_not_asked_for_anything_else(store: ConversationStore) -> None:
    async with Loopback() as server:
        url = server.url
    desk = Desk(store)
    desk.service._providers = HttpProviders()

    with pytest.raises(NotReached, match="Nothing listens"):
        await desk.service.test(Endpoint("here", url), None)


async def test_a_vendors_own_host_is_not_asked_in_other_protocols_because_a_key_is_wrong(
    store: ConversationStore,
) -> None:
    desk = Desk(store)
    desk.provider.cards = ()

    async def refused() -> tuple[()]:
        raise Unauthorized("no")

    desk.provider.models = refused  # type: ignore[method-assign]
    with pytest.raises(Unauthorized):
        await desk.service.test(Endpoint("openai", "https://api.openai.com/v1"), Secret("k"))

    assert ["openai"] == [endpoint.dialect for endpoint, _ in desk.providers.opened]


async def test_a_key_is_only_ever_sent_to_the_server_that_it_was_typed_for(store: ConversationStore) -> None:
    async with Loopback(Reply.json({"error": "no"}, 404)) as other:
        moved = Reply(b"", 302, headers={"location": f"{other.url}/models"})
        with pytest.raises(NotFoundAtServer):
            await tried(store, "openai", "/v1", {"/v1/models": moved, "/api/tags": moved}, key="sk-typed")

    assert [] == other.requests
