"""Endpoints: whose key goes where, what is local, what a model's name means."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.contracts.provider import collect, plan_of, text_of
from tests.fakes import FakeProviders, ScriptedProvider
from tests.providers.loopback import Loopback, Reply
from tui_chat.core import catalogue
from tui_chat.core.errors import BadInput, NoModel, Refused
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, ModelCard, Provider
from tui_chat.core.secret import Secret
from tui_chat.core.settings import GUIDE, Endpoint, Settings
from tui_chat.providers.connect import HttpProviders
from tui_chat.services.endpoints import EndpointService, Reach, reach
from tui_chat.services.environment import OLLAMA_CLOUD, endpoints_from


class Desk:
    """An endpoint service with settings that can be saved."""

    def __init__(
        self,
        store: ConversationStore,
        *endpoints: Endpoint,
        environment: Mapping[str, str] | None = None,
        providers: FakeProviders | None = None,
    ) -> None:
        self.settings = Settings(endpoints=endpoints)
        self.provider = ScriptedProvider()
        self.providers = providers or FakeProviders(self.provider)
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
        ({"OLLAMA_HOST": "127.0.0.1"}, "http://127.0.0.1:11434"),
        ({"OLLAMA_HOST": "0.0.0.0:1234"}, "http://127.0.0.1:1234"),
        ({"OLLAMA_HOST": "0.0.0.0"}, "http://127.0.0.1:11434"),
        ({"OLLAMA_HOST": ":11434"}, "http://127.0.0.1:11434"),
        ({"OLLAMA_HOST": ":1234"}, "http://127.0.0.1:1234"),
        ({"OLLAMA_HOST": "::"}, "http://127.0.0.1:11434"),
        ({"OLLAMA_HOST": "[::]:1234"}, "http://127.0.0.1:1234"),
        ({"OLLAMA_HOST": "::1"}, "http://[::1]:11434"),
        ({"OLLAMA_HOST": ' "box:1234" '}, "http://box:1234"),
        ({"OLLAMA_HOST": "box/models/"}, "http://box:11434/models"),
        ({"OLLAMA_HOST": "http://box"}, "http://box"),  # with a scheme its own port holds, as in Ollama
        ({"OLLAMA_HOST": "https://box.example"}, "https://box.example"),
        ({"OLLAMA_HOST": "10.0.0.4", "OLLAMA_API_KEY": "x"}, "http://10.0.0.4:11434"),
        ({"OLLAMA_HOST": "https://box.example", "OLLAMA_API_KEY": "x"}, "https://box.example"),
        ({"OPENAI_API_KEY": "x"}, "https://api.openai.com/v1"),
        ({"OPENAI_BASE_URL": " http://box:1/v1/\n"}, "http://box:1/v1"),
        ({"ANTHROPIC_API_KEY": "x"}, "https://api.anthropic.com"),
        ({"ANTHROPIC_API_KEY": "x", "ANTHROPIC_BASE_URL": "https://proxy.example/a/"}, "https://proxy.example/a"),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ({"GEMINI_API_KEY": "x"}, "https://generativelanguage.googleapis.com"),
        ({"GEMINI_API_KEY": "x", "GEMINI_BASE_URL": "https://a.example"}, "https://generativelanguage.googleapis.com"),
    ],
)
def test_environment_variables_make_endpoints(environment: dict[str, str], url: str) -> None:
    name = next(iter(environment)).partition("_")[0].lower()
    key_env = None if name == "ollama" and "OLLAMA_API_KEY" not in environment else f"{name.upper()}_API_KEY"

    found = endpoints_from(environment)

    assert (Endpoint(name, url, name, key_env=key_env, from_environment=True),) == found.endpoints
    assert found.problems == ()


def test_ollamas_key_alone_is_for_its_cloud_and_takes_no_local_servers_place(store: ConversationStore) -> None:
    mine = Endpoint("ollama", "http://127.0.0.1:11434", "ollama")
    desk = Desk(store, mine, environment={"OLLAMA_API_KEY": "x"})

    assert [mine, OLLAMA_CLOUD] == list(desk.service.all()[:2])
    assert reach(OLLAMA_CLOUD) is Reach.CLOUD


def test_ollamas_key_goes_nowhere_unencrypted_and_the_server_is_used_without_it() -> None:
    found = endpoints_from({"OLLAMA_HOST": "http://box.example", "OLLAMA_API_KEY": "sk-env"})

    assert (Endpoint("ollama", "http://box.example", "ollama", from_environment=True),) == found.endpoints
    assert ("OLLAMA_API_KEY is ignored. It would travel unencrypted to what OLLAMA_HOST names.",) == found.problems


def test_every_vendor_of_the_environment_is_an_endpoint_of_its_own() -> None:
    keys = {f"{name}_API_KEY": "x" for name in ("OPENAI", "ANTHROPIC", "GEMINI")}

    found = endpoints_from({**keys, "OLLAMA_HOST": "box", "GEMINI_BASE_URL": "", "ANTHROPIC_BASE_URL": ""})

    assert ["openai", "anthropic", "gemini", "ollama"] == [each.name for each in found.endpoints]


@pytest.mark.parametrize("variable", ["GEMINI_API_KEY", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"])
def test_an_empty_variable_is_as_good_as_none(variable: str) -> None:
    assert ((), ()) == endpoints_from({variable: ""})


async def test_each_key_of_the_environment_goes_to_its_own_vendor_only(store: ConversationStore) -> None:
    environment = {"ANTHROPIC_API_KEY": "k-a", "GEMINI_API_KEY": "k-g", "OPENAI_API_KEY": "k-o"}
    elsewhere = Endpoint("gemini", "https://elsewhere.example", "gemini")
    desk = Desk(store, elsewhere, environment=environment)
    for name in ("openai", "anthropic", "gemini"):
        await desk.service.give_consent(desk.service.endpoint(name))
        await desk.service.provider(ModelRef(name, "m"))

    assert {
        "https://api.openai.com/v1": Secret("k-o"),
        "https://api.anthropic.com": Secret("k-a"),
        "https://generativelanguage.googleapis.com": Secret("k-g"),
    } == {endpoint.base_url: key for endpoint, key in desk.providers.opened}


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
@pytest.mark.parametrize("variable", ["OLLAMA_HOST", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"])
def test_an_odd_address_in_the_environment_is_ignored_in_a_sentence_that_does_not_repeat_it(
    variable: str, text: str, store: ConversationStore
) -> None:
    name = variable.partition("_")[0]
    environment = {variable: text, f"{name}_API_KEY": "sk-env"}
    desk = Desk(store, Endpoint(name.lower(), "https://mine.example/v1"), environment=environment)

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


@pytest.mark.parametrize(
    ("url", "model", "expected"),
    [
        ("http://127.0.0.1:11434", "gpt-oss:120b-cloud", Reach.CLOUD),
        ("http://127.0.0.1:11434/v1", "minimax-m2:cloud", Reach.CLOUD),
        ("http://192.168.1.4:11434", "me/own:120B-Cloud", Reach.CLOUD),
        ("http://127.0.0.1:11434", "gpt-oss:120b", Reach.LOCAL),
        ("http://127.0.0.1:11434", "cloud", Reach.LOCAL),
        ("http://127.0.0.1:11434", "my-cloud", Reach.LOCAL),
        ("http://127.0.0.1:11434", "soundcloud:7b", Reach.LOCAL),
        ("http://127.0.0.1:11434", "m:soundcloud", Reach.LOCAL),
    ],
)
def test_a_model_that_ollama_hands_on_is_in_the_cloud(url: str, model: str, expected: Reach) -> None:
    assert {expected} == {reach(Endpoint("x", url, dialect), model) for dialect in ("ollama", "openai", "anthropic")}


def test_the_guide_is_built_in_whatever_its_model_is_called() -> None:
    assert Reach.BUILT_IN is reach(GUIDE, "guide:cloud")


async def test_a_model_is_where_its_server_says_whatever_its_name(store: ConversationStore) -> None:
    desk = Desk(store, Endpoint("ollama", "http://127.0.0.1:11434", "ollama"))
    desk.provider.cards = (ModelCard("mine:latest", runs_at="ollama.com"), ModelCard("here:latest"))
    before = desk.service.reach(ModelRef("ollama", "mine"))

    await desk.service.models(desk.service.endpoint("ollama"))

    assert Reach.LOCAL is before
    for name, expected in {"mine": Reach.CLOUD, "mine:latest": Reach.CLOUD, "here": Reach.LOCAL}.items():
        assert expected is desk.service.reach(ModelRef("ollama", name))
    assert "ollama.com" == desk.service.runs_at(ModelRef("ollama", "mine"))
    with pytest.raises(NoModel):
        desk.service.reach(ModelRef("gone", "m"))


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
    desk.provider.cards = (ModelCard("m", 2048),)

    assumed = await desk.service.window(ModelRef("home", "m"))
    asked = await desk.service.window(ModelRef("home", "m"), ask=True)
    remembered = await desk.service.window(ModelRef("home", "m"))
    users = await desk.service.window(ModelRef("set", "m"))

    assert (assumed.tokens, assumed.assumed) == (8192, True)
    assert (asked.tokens, asked.assumed) == (2048, False)
    assert remembered == asked
    assert users.tokens == 4096


async def test_a_window_that_cannot_be_asked_for_is_assumed(store: ConversationStore) -> None:
    class Refusing(FakeProviders):
        def open(self, endpoint: Endpoint, key: Secret | None) -> Provider:
            raise BadInput("The endpoint has no known dialect.")

    desk = Desk(store, Endpoint("home", HOME.base_url, dialect="anthropic"), providers=Refusing(ScriptedProvider()))

    window = await desk.service.window(ModelRef("home", "m"), ask=True)

    assert (window.tokens, window.assumed) == (8192, True)


async def test_ollama_is_assumed_to_run_as_it_does_by_default_and_never_with_all_a_model_could_take(
    store: ConversationStore,
) -> None:
    far = Endpoint("ollama", "https://api.openai.com", "ollama")
    near = Endpoint("near", "http://127.0.0.1:11434", "ollama")
    saved = Endpoint("saved", "http://127.0.0.1:11434/v1")
    desk = Desk(store, far, near, saved, replace(near, name="set", context_window=20_000))

    windows = [await desk.service.window(ModelRef(name, "gpt-4o")) for name in ("ollama", "near", "saved", "set")]

    assert [(4096, True), (4096, True), (8192, True), (20_000, False)] == [
        (each.tokens, each.assumed) for each in windows
    ]


async def test_the_window_that_ollama_names_is_the_one_it_is_asked_to_use(store: ConversationStore) -> None:
    routes = {
        "/api/tags": Reply.json({"models": [{"name": "m"}]}),
        "/api/show": Reply.json({"parameters": "num_ctx 9000", "model_info": {}}),
    }
    async with Loopback(Reply(b'{"message":{"content":"Hi."},"done":true}\n'), routes=routes) as server:
        environment = {"OLLAMA_HOST": f"127.0.0.1:{server.port}"}
        desk = EndpointService(HttpProviders(), store, Settings, lambda settings: None, environment, asks_consent=True)
        model = ModelRef("ollama", "m")
        window = await desk.window(model, ask=True)
        plan = plan_of("Hello")
        sized = replace(plan, budget=replace(plan.budget, context_window=window.tokens))
        answered = await collect(await desk.provider(model), sized, model=model.name)
        await desk.close()

    assert (9000, False) == (window.tokens, window.assumed)
    assert server.last.json["options"] == {"num_ctx": 9000}
    assert text_of(answered) == "Hi."


@pytest.mark.parametrize("nonsense", [1, 16, 255, 100_000_001, 10**18])
async def test_a_window_of_nonsense_is_not_believed(nonsense: int, store: ConversationStore) -> None:
    desk = Desk(store, HOME)
    desk.provider.cards = (ModelCard("m", nonsense),)

    asked = await desk.service.window(ModelRef("home", "m"), ask=True)
    await desk.service.learn_window(ModelRef("home", "m"), nonsense)
    remembered = await desk.service.window(ModelRef("home", "m"))

    assert (8192, True) == (asked.tokens, asked.assumed)
    assert remembered == asked


async def test_what_a_refusal_told_is_not_forgotten_because_a_list_of_models_does_not_say_it(
    store: ConversationStore,
) -> None:
    first, second = Desk(store, HOME), Desk(store, HOME)
    second.provider.cards = (ModelCard("m"),)
    await first.service.learn_window(ModelRef("home", "m"), 4096)

    window = await second.service.window(ModelRef("home", "m"), ask=True)

    assert (4096, False) == (window.tokens, window.assumed)


# -- one provider each, and no reply cut ---------------------------------------------------


class Slow(FakeProviders):
    """Opens a new provider each time, and remembers them all."""

    def __init__(self) -> None:
        super().__init__(ScriptedProvider())
        self.made: list[ScriptedProvider] = []

    def open(self, endpoint: Endpoint, key: Secret | None) -> Provider:
        super().open(endpoint, key)
        self.made.append(ScriptedProvider())
        return self.made[-1]


async def test_two_who_ask_at_once_get_one_provider(store: ConversationStore) -> None:
    providers = Slow()
    desk = Desk(store, HOME, providers=providers)

    first, second = await asyncio.gather(*(desk.service.provider(ModelRef("home", "m")) for _ in range(2)))

    assert first is second
    assert len(providers.made) == 1


async def test_saving_an_endpoint_cuts_no_reply_and_what_was_opened_is_closed_at_the_end(
    store: ConversationStore,
) -> None:
    providers = Slow()
    desk = Desk(store, HOME, providers=providers)
    before = await desk.service.provider(ModelRef("home", "m"))
    await desk.service.save(Endpoint("home", "http://127.0.0.1:9/v1"), Secret("sk-new"))
    after = await desk.service.provider(ModelRef("home", "m"))
    desk.settings = Settings(endpoints=(Endpoint("home", "http://127.0.0.1:10/v1"),))  # by hand, in the file
    last = await desk.service.provider(ModelRef("home", "m"))
    await desk.service.remove("home")
    closed_while_running = [each.closed for each in providers.made]

    await desk.service.close()

    assert [before, after, last] == providers.made
    assert closed_while_running == [0, 0, 0]
    assert [each.closed for each in providers.made] == [1, 1, 1]


async def test_a_key_that_is_saved_while_a_provider_is_opened_is_used_from_then_on(store: ConversationStore) -> None:
    providers = Slow()
    desk = Desk(store, HOME, providers=providers)

    await asyncio.gather(desk.service.provider(ModelRef("home", "m")), desk.service.save(HOME, Secret("sk-new")))
    await desk.service.provider(ModelRef("home", "m"))

    assert providers.opened[-1][1] == Secret("sk-new")


async def test_where_the_server_does_not_say_the_shipped_table_does(store: ConversationStore) -> None:
    desk = Desk(store, Endpoint("cloud", "https://api.openai.com/v1"), HOME)
    facts = catalogue.find("gpt-4o", endpoint_host="api.openai.com")

    cloud = await desk.service.window(ModelRef("cloud", "gpt-4o"))
    local = await desk.service.window(ModelRef("home", "gpt-4o"))

    assert facts is not None
    assert (cloud.tokens, cloud.assumed) == (facts.context_window, False)
    assert (local.tokens, local.assumed) == (8192, True)


async def test_a_refused_figure_of_the_user_s_holds_again_when_they_change_it(store: ConversationStore) -> None:
    model = ModelRef("home", "m")
    desk = Desk(store, Endpoint("home", "http://127.0.0.1:8080/v1", context_window=8192))
    await desk.service.learn_limit(model, 512)
    refused = await desk.service.window(model)

    desk.settings = replace(
        desk.settings, endpoints=(Endpoint("home", "http://127.0.0.1:8080/v1", context_window=4096),)
    )

    assert 512 == refused.tokens
    assert 4096 == (await desk.service.window(model)).tokens
