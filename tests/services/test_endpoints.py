"""Endpoints: whose key goes where, what is local, what a model's name means."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.fakes import FakeProviders, ScriptedProvider
from tui_chat.core.errors import NoModel, Refused
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, ModelCard
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, Settings
from tui_chat.services.endpoints import EndpointService, Reach, endpoints_from, reach


class Desk:
    """An endpoint service with settings that can be saved."""

    def __init__(
        self, store: ConversationStore, *endpoints: Endpoint, environment: Mapping[str, str] | None = None
    ) -> None:
        self.settings = Settings(endpoints=endpoints)
        self.providers = FakeProviders(ScriptedProvider())
        self.service = EndpointService(
            self.providers, store, lambda: self.settings, self._save, environment or {}, asks_consent=True
        )

    def _save(self, settings: Settings) -> None:
        self.settings = settings


HOME = Endpoint("home", "http://127.0.0.1:8080/v1")


async def test_a_key_is_kept_in_the_history_and_never_in_the_settings(store: ConversationStore) -> None:
    desk = Desk(store)
    await desk.service.save(Endpoint("work", "https://models.example/v1"), Secret("sk-secret"))

    await desk.service.provider(ModelRef("work", "m"))

    assert desk.providers.opened[-1] == (desk.settings.endpoints[0], Secret("sk-secret"))
    assert "sk-secret" not in repr(desk.settings)


async def test_a_key_does_not_follow_when_the_address_in_the_settings_file_changes(store: ConversationStore) -> None:
    desk = Desk(store)
    await desk.service.save(Endpoint("work", "https://models.example/v1"), Secret("sk-secret"))
    desk.settings = Settings(endpoints=(Endpoint("work", "https://elsewhere.example/v1"),))

    await desk.service.provider(ModelRef("work", "m"))

    assert desk.providers.opened[-1][1] is None


async def test_a_key_of_the_environment_goes_to_the_address_of_the_environment(store: ConversationStore) -> None:
    environment = {"OPENAI_API_KEY": "sk-env", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    desk = Desk(store, Endpoint("openai", "https://api.openai.com/v1"), environment=environment)

    await desk.service.provider(ModelRef("openai", "m"))

    endpoint, key = desk.providers.opened[-1]
    assert (endpoint.base_url, key) == ("http://127.0.0.1:9/v1", Secret("sk-env"))


async def test_an_endpoint_of_the_environment_elsewhere_is_used_only_after_consent(store: ConversationStore) -> None:
    desk = Desk(store, environment={"OPENAI_API_KEY": "sk-env"})
    endpoint = desk.service.endpoint("openai")

    with pytest.raises(Refused):
        await desk.service.provider(ModelRef("openai", "m"))
    opened_before = list(desk.providers.opened)
    await desk.service.give_consent(endpoint)
    await desk.service.provider(ModelRef("openai", "m"))

    assert opened_before == []
    assert len(desk.providers.opened) == 1


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({"OLLAMA_HOST": "127.0.0.1"}, "http://127.0.0.1:11434/v1"),
        ({"OLLAMA_HOST": "0.0.0.0:1234"}, "http://127.0.0.1:1234/v1"),
        ({"OLLAMA_HOST": "0.0.0.0"}, "http://127.0.0.1:11434/v1"),
        ({"OLLAMA_HOST": ":11434"}, "http://127.0.0.1:11434/v1"),
        ({"OLLAMA_HOST": ":1234"}, "http://127.0.0.1:1234/v1"),
        ({"OLLAMA_HOST": "::"}, "http://127.0.0.1:11434/v1"),
        ({"OLLAMA_HOST": "[::]:1234"}, "http://127.0.0.1:1234/v1"),
        ({"OLLAMA_HOST": "::1"}, "http://[::1]:11434/v1"),
        ({"OLLAMA_HOST": ' "box:1234" '}, "http://box:1234/v1"),
        ({"OLLAMA_HOST": "box/models/"}, "http://box:11434/models/v1"),
        ({"OLLAMA_HOST": "http://box"}, "http://box/v1"),  # with a scheme its own port holds, as in Ollama
        ({"OLLAMA_HOST": "https://box.example"}, "https://box.example/v1"),
        ({"OPENAI_API_KEY": "x"}, "https://api.openai.com/v1"),
        ({"OPENAI_BASE_URL": " http://box:1/v1/\n"}, "http://box:1/v1"),
    ],
)
def test_environment_variables_make_endpoints(environment: dict[str, str], url: str) -> None:
    found = endpoints_from(environment)

    assert [endpoint.base_url for endpoint in found.endpoints] == [url]
    assert found.problems == ()


@pytest.mark.parametrize(
    "text",
    [
        "foo:bar",
        "http://[::1",
        "[bad",
        "https://me:hunter2@models.example/v1",
        "me:hunter2@models.example",
        "ftp://box",
        "a b",
        "x://y://z",
    ],
)
@pytest.mark.parametrize("variable", ["OLLAMA_HOST", "OPENAI_BASE_URL"])
def test_an_odd_address_in_the_environment_is_ignored_in_a_sentence_that_does_not_repeat_it(
    variable: str, text: str, store: ConversationStore
) -> None:
    environment = {variable: text, "OPENAI_API_KEY": "sk-env"} if "OPENAI" in variable else {variable: text}
    desk = Desk(store, Endpoint("openai", "https://mine.example/v1"), environment=environment)

    assert [endpoint.base_url for endpoint in desk.service.all()] == ["https://mine.example/v1", ""]
    (problem,) = desk.service.problems
    assert problem.startswith(f"{variable} is ignored. ")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1/v1", Reach.LOCAL),
        ("http://[::1]:1/v1", Reach.LOCAL),
        ("http://localhost/v1", Reach.LOCAL),
        ("http://192.168.1.4:8080/v1", Reach.LAN),
        ("http://box.local/v1", Reach.LAN),
        ("https://api.openai.com/v1", Reach.CLOUD),
        ("http://8.8.8.8/v1", Reach.CLOUD),
        ("http://localhost.example.com/v1", Reach.CLOUD),
        ("http://0.0.0.0:8080/v1", Reach.LOCAL),
        ("http://[::ffff:127.0.0.1]/v1", Reach.LOCAL),
        ("http://[bad", Reach.CLOUD),
        ("http://foo:bar/v1", Reach.CLOUD),
        ("https://127.0.0.1@evil.example/v1", Reach.CLOUD),
    ],
)
def test_where_a_text_goes_is_said(url: str, expected: Reach) -> None:
    assert reach(Endpoint("x", url)) is expected


def test_a_model_is_split_at_the_first_slash_if_that_names_an_endpoint(store: ConversationStore) -> None:
    desk = Desk(store, HOME)

    assert desk.service.parse("home/org/model") == ModelRef("home", "org/model")
    assert desk.service.parse("org/model") == ModelRef("home", "org/model")
    assert desk.service.parse("guide/guide") == ModelRef("guide", "guide")


def test_a_model_of_no_endpoint_is_an_error_that_names_them(store: ConversationStore) -> None:
    desk = Desk(store, HOME, Endpoint("work", "https://models.example/v1"))

    with pytest.raises(NoModel, match="does not say which endpoint") as caught:
        desk.service.parse("llama")

    assert "home, work" in caught.value.hint


async def test_the_window_is_the_users_else_the_servers_else_assumed(store: ConversationStore) -> None:
    desk = Desk(store, HOME, Endpoint("set", "http://127.0.0.1:2/v1", context_window=4096))
    provider = ScriptedProvider()
    provider.cards = (ModelCard("m", 2048),)
    desk.providers.provider = provider

    assumed = await desk.service.window(ModelRef("home", "m"))
    asked = await desk.service.window(ModelRef("home", "m"), ask=True)
    remembered = await desk.service.window(ModelRef("home", "m"))
    users = await desk.service.window(ModelRef("set", "m"))

    assert (assumed.tokens, assumed.assumed) == (8192, True)
    assert (asked.tokens, asked.assumed) == (2048, False)
    assert remembered == asked
    assert users.tokens == 4096
