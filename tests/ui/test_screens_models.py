"""The model list and the endpoint form, through their keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from textual import events
from textual.pilot import Pilot

from tests.local.shelf import Shelf as Models
from tests.providers.loopback import Loopback, Reply
from tests.ui.reading import seen
from tests.ui.screen_fakes import SMALL, USUAL, Host, Shelf, World, burst, settle, words
from tui_chat.core.errors import BadInput, NotFoundAtServer, NotReached, ProviderError, Unauthorized
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import FoundServer, ModelCard
from tui_chat.core.secret import Secret
from tui_chat.core.settings import GUIDE_MODEL, Endpoint, Settings
from tui_chat.providers.connect import HttpProviders
from tui_chat.providers.refusals import Complaint, Speaker, refusal
from tui_chat.ui.forms import Field
from tui_chat.ui.screens.address_repair import repaired
from tui_chat.ui.screens.dialect_field import DialectField
from tui_chat.ui.screens.endpoint_form import EndpointForm
from tui_chat.ui.screens.models import ModelScreen
from tui_chat.ui.screens.reach import host_of, whereto

OPENAI = Endpoint("openai", "https://api.openai.com/v1")
HOME = Endpoint("home", "http://192.168.1.5:8080/v1")
LARGE, MINI = ModelRef("openai", "gpt-large"), ModelRef("openai", "gpt-mini")
CARDS = (ModelCard("gpt-large", 400_000), ModelCard("gpt-mini", 128_000))
OLLAMA = FoundServer("Ollama", "http://127.0.0.1:11434", (ModelCard("llama3.2"), ModelCard("qwen3")), "ollama")
SILENT = NotReached("Nothing answers at 192.168.1.5:8080.", hint="Is the server running?")
GUIDE = (ModelCard("guide", 8_192),)


def world(
    *endpoints: Endpoint, found: tuple[FoundServer, ...] = (), environment: dict[str, str] | None = None
) -> World:
    shelf = Shelf({"openai": CARDS, "home": SILENT, "guide": GUIDE, "ollama": CARDS}, found)
    return World(Settings(endpoints=endpoints), shelf=shelf, environment=environment)


async def until(pilot: Pilot[Any], so: Callable[[], bool]) -> None:
    """Until it is so; what happens outside the app does not wait for its messages."""
    async with asyncio.timeout(10):
        while not so():
            await pilot.pause(0.01)


@asynccontextmanager
async def listed(
    world: World, current: ModelRef | None = None, *, size: tuple[int, int] = USUAL
) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host(lambda: ModelScreen(world.endpoints, current))
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        # Every endpoint has said what it has; the table of models is read in a thread.
        await until(pilot, lambda: not any(each.is_running for each in app.workers if each.group == "models"))
        await settle(pilot)
        yield app, pilot


@asynccontextmanager
async def form(
    world: World, endpoint: Endpoint | None = None, *, size: tuple[int, int] = USUAL
) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host(lambda: EndpointForm(world.endpoints, endpoint))
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        yield app, pilot


# -- the list ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_every_endpoint_shows_its_models_and_where_texts_go(size: tuple[int, int]) -> None:
    async with listed(world(OPENAI, HOME), LARGE, size=size) as (app, _):
        text = seen(app)

        assert "cloud · api.openai.com" in text
        assert "● gpt-large" in text
        assert "400,000 tokens" in text
        assert "LAN · 192.168.1.5:8080" in text
        assert "built in, not an AI" in text
        assert "Texts go to api.openai.com, over the internet." in text


async def test_an_endpoint_that_does_not_answer_says_why_in_its_place() -> None:
    async with listed(world(OPENAI, HOME)) as (app, _):
        assert "✗ Nothing answers at 192.168.1.5:8080. Is the server running?" in seen(app)
        assert "gpt-mini" in seen(app)


async def test_enter_takes_the_current_model_and_down_the_next() -> None:
    async with listed(world(OPENAI), LARGE) as (app, pilot):
        await burst(pilot, "down", "enter")

        assert [MINI] == app.results


async def test_who_has_only_the_guide_so_far_stands_on_a_model_and_enter_takes_it() -> None:
    async with listed(world(OPENAI), GUIDE_MODEL) as (app, pilot):
        await burst(pilot, "enter")

        assert [LARGE] == app.results


async def test_who_has_only_the_guide_so_far_stands_on_the_server_that_was_found() -> None:
    async with listed(world(found=(OLLAMA,)), GUIDE_MODEL) as (app, pilot):
        await burst(pilot, "enter")

        assert "Use Ollama at 127.0.0.1:11434?" in seen(app)


async def test_who_has_neither_stands_on_the_way_to_a_model_file() -> None:
    here = World(Settings(), shelf=Shelf({"guide": GUIDE}), llama=Models())
    async with listed(here, GUIDE_MODEL) as (app, pilot):
        await burst(pilot, "enter")
        await until(pilot, lambda: "Open a model file" in words(app))


async def test_typing_narrows_the_list_and_enter_chooses() -> None:
    async with listed(world(OPENAI, HOME), LARGE) as (app, pilot):
        await burst(pilot, *"minx", "backspace", "i")
        assert "gpt-mini" in seen(app)
        assert "gpt-large" not in seen(app)
        await burst(pilot, "enter")

        assert [MINI] == app.results


async def test_a_model_that_is_not_listed_can_be_typed() -> None:
    async with listed(world(HOME)) as (app, pilot):
        await burst(pilot, *"tiny-model", "enter")

        assert [ModelRef("home", "tiny-model")] == app.results


async def test_escape_chooses_nothing() -> None:
    async with listed(world(OPENAI)) as (app, pilot):
        await burst(pilot, "escape")

        assert [None] == app.results


async def test_model_names_are_shown_literally() -> None:
    shelf = Shelf({"openai": (ModelCard("[red]a[/b]\x1b]52;c;x\x07"),), "guide": GUIDE})
    async with listed(World(Settings(endpoints=(OPENAI,)), shelf=shelf)) as (app, pilot):
        await pilot.hover("Choices", offset=(4, 2))
        await settle(pilot)

        assert "[red]a[/b]\ufffd]52;c;x\ufffd" in seen(app)


async def test_a_server_found_here_is_used_only_after_a_yes() -> None:
    here = world(OPENAI, found=(OLLAMA,))
    async with listed(here) as (app, pilot):
        assert "Ollama at 127.0.0.1:11434" in seen(app)
        await burst(pilot, "end", "up", "up", "down")
        for _ in range(6):
            if "Enter asks before it is used" in seen(app):
                break
            await burst(pilot, "down")
        await burst(pilot, "enter")
        assert "Use Ollama at 127.0.0.1:11434?" in seen(app)
        await burst(pilot, "n")
        assert here.fake_program.settings.endpoint("ollama") is None
        await burst(pilot, "enter")
        await burst(pilot, "y")
        assert Endpoint("ollama", OLLAMA.base_url, "ollama") == here.fake_program.settings.endpoint("ollama")
        await until(pilot, lambda: "Texts stay on this computer" in words(app))
        await burst(pilot, "enter")

        assert [ModelRef("ollama", "llama3.2")] == app.results


async def test_a_found_server_that_is_an_endpoint_already_is_not_offered() -> None:
    known = Endpoint("ollama", "http://localhost:11434/v1")
    async with listed(world(known, found=(OLLAMA,))) as (app, _):
        assert "Found on this computer" not in seen(app)


async def test_an_address_from_the_environment_is_contacted_only_after_a_yes() -> None:
    here = world(environment={"OLLAMA_HOST": "10.0.0.4"})
    async with listed(here) as (app, pilot):
        assert "Confirm it first: OLLAMA_HOST is set in your environment" in seen(app)
        assert not any(endpoint.name == "ollama" for endpoint, _ in here.shelf.opened)
        await burst(pilot, "enter")
        assert "Send to 10.0.0.4:11434?" in seen(app)
        await burst(pilot, "y")
        await settle(pilot)

        assert "gpt-mini" in seen(app)
        assert any(endpoint.name == "ollama" for endpoint, _ in here.shelf.opened)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"OPENAI_API_KEY": "sk-1"},
            "OPENAI_API_KEY is set in your environment: a key for https://api.openai.com/v1. If you agree, "
            "that key and what you write to its models go there.",
        ),
        (
            {"OPENAI_BASE_URL": "http://10.0.0.4/v1"},
            "OPENAI_BASE_URL in your environment is http://10.0.0.4/v1. If you agree, what you write to its models "
            "goes there, and the key in OPENAI_API_KEY where one is set.",
        ),
        (
            {"OLLAMA_HOST": "10.0.0.4"},
            "OLLAMA_HOST in your environment is http://10.0.0.4:11434. If you agree, what you write to its models "
            "goes there. You are asked once.",
        ),
        ({"OLLAMA_API_KEY": "k"}, "OLLAMA_API_KEY is set in your environment: a key for https://ollama.com. If"),
    ],
)
async def test_a_question_about_the_environment_names_the_variable_and_what_goes_along(
    environment: dict[str, str], said: str
) -> None:
    async with listed(world(environment=environment)) as (app, pilot):
        await burst(pilot, "enter")

        assert said in words(app)


async def test_what_was_just_confirmed_is_stood_on_whether_it_answers_or_not() -> None:
    here = world(HOME, environment={"OPENAI_API_KEY": "sk-1", "OLLAMA_HOST": "10.0.0.4"})
    here.shelf.answers |= {"home": CARDS, "openai": NotReached("No network.", hint="Check it in the settings (f2).")}
    async with listed(here) as (app, pilot):
        await burst(pilot, "down", "down", "enter")
        await burst(pilot, "y")
        await until(pilot, lambda: "✗ No network. Check it in your environment." in words(app))
        failed = words(app)
        await burst(pilot, "down", "enter")
        await burst(pilot, "y")
        await until(pilot, lambda: "10.0.0.4:11434, on" in words(app))
        await burst(pilot, "enter")

        assert "This endpoint comes from environment variables; f5 asks again." in failed
        assert [ModelRef("ollama", "gpt-large")] == app.results


async def test_an_endpoint_that_was_just_added_is_stood_on() -> None:
    here = world(OPENAI)
    here.shelf.answers["mine"] = CARDS
    async with listed(here, LARGE) as (app, pilot):
        await burst(pilot, "ctrl+n")
        await burst(pilot, *"mine", "enter", *"http://127.0.0.1:5/v1", "ctrl+s")
        await until(pilot, lambda: "127.0.0.1:5)" in words(app) and isinstance(app.screen, ModelScreen))
        await burst(pilot, "enter")

        assert [ModelRef("mine", "gpt-large")] == app.results


async def test_a_name_that_no_endpoint_lists_can_be_used_as_it_is_typed() -> None:
    async with listed(world(OPENAI), LARGE) as (app, pilot):
        await burst(pilot, *"gpt-preview")
        offered = words(app)
        await burst(pilot, "enter")
    async with listed(world(OPENAI), LARGE) as (other, pilot):
        await burst(pilot, *"openai/gpt-preview", "enter")
    async with listed(world(OPENAI), LARGE) as (sentence, pilot):
        await burst(pilot, *"two words", "enter")

        assert "No model has that in its name." in words(sentence)
        assert "use “gpt-preview”, which is not in its list" in offered
        assert [ModelRef("openai", "gpt-preview")] == app.results == other.results
        assert [] == sentence.results


async def test_f5_asks_an_endpoint_again() -> None:
    here = world(HOME)
    async with listed(here) as (app, pilot):
        here.shelf.answers["home"] = CARDS
        await burst(pilot, "f5")
        await settle(pilot)

        assert "gpt-large" in seen(app)
        assert "Nothing answers" not in seen(app)


async def test_f2_opens_the_form_of_the_highlighted_endpoint() -> None:
    async with listed(world(OPENAI), LARGE) as (app, pilot):
        await burst(pilot, "f2")
        await settle(pilot)

        assert "Endpoint openai" in seen(app)
        assert "https://api.openai.com/v1" in seen(app)


async def test_a_window_says_whether_it_is_assumed() -> None:
    here = world(OPENAI, replace(OPENAI, name="mine", context_window=32_000))
    here.shelf.answers |= {"openai": (ModelCard("known", 1_234), ModelCard("unknown")), "mine": (ModelCard("set"),)}
    async with listed(here) as (app, _):
        assert "known 1,234 tokens unknown 8,192 tokens assumed" in words(app)
        assert "set 32,000 tokens guide" in words(app)


async def test_a_model_that_a_server_here_hands_on_is_shown_as_the_cloud() -> None:
    here = world(Endpoint("ollama", "http://127.0.0.1:11434", "ollama"))
    here.shelf.answers["ollama"] = (
        ModelCard("here"),
        ModelCard("named:cloud"),
        ModelCard("hidden", runs_at="ollama.com\x1b[2J"),
    )
    async with listed(here) as (app, pilot):
        lines = [line.strip(" │") for line in seen(app).splitlines()]
        assert "here  4,096 tokens assumed" in lines
        assert "named:cloud  4,096 tokens assumed  cloud · Ollama's cloud" in lines
        assert "hidden  4,096 tokens assumed  cloud · ollama.com\ufffd[2J" in lines
        assert "Texts stay on this computer (127.0.0.1:11434)." in seen(app)
        await burst(pilot, "down")
        assert "Texts go to Ollama's cloud, over the internet: the server at 127.0.0.1:11434 hands them on" in words(
            app
        )


# -- favourites ---------------------------------------------------------------------------


def models_in(app: Host) -> list[str]:
    """The lines of the list that name a model."""
    return [" ".join(line.strip("│ ").split()[:2]) for line in seen(app).splitlines() if "gpt-" in line]


async def test_a_favourite_stands_first_with_its_endpoints_name_and_only_there() -> None:
    here = world(OPENAI)
    async with listed(here, LARGE) as (app, pilot):
        await burst(pilot, "down", "f4")
        await settle(pilot)
        assert ["openai/gpt-mini 128,000", "● gpt-large"] == models_in(app)
        assert "★ Favourites" in seen(app)
    async with listed(here, LARGE) as (app, pilot):  # in the next run too
        assert ["openai/gpt-mini 128,000", "● gpt-large"] == models_in(app)
        await burst(pilot, "up", "enter")

        assert [MINI] == app.results


async def test_f4_again_puts_a_favourite_back_and_stays_on_it() -> None:
    here = world(OPENAI)
    await here.endpoints.mark_favourite(MINI, marked=True)
    async with listed(here) as (app, pilot):
        await burst(pilot, "f4")
        await settle(pilot)
        assert ["gpt-large 400,000", "gpt-mini 128,000"] == models_in(app)
        assert "Favourites" not in seen(app)
        await burst(pilot, "enter")

        assert [MINI] == app.results


async def test_a_favourite_is_there_at_once_also_where_its_endpoint_does_not_answer() -> None:
    here = world(HOME)
    await here.endpoints.mark_favourite(ModelRef("home", "qwen3"), marked=True)
    await here.endpoints.mark_favourite(ModelRef("gone", "m"), marked=True)
    async with listed(here) as (app, pilot):
        assert "★ Favourites home/qwen3 LAN home LAN" in words(app)
        assert "gone" not in words(app)
        await burst(pilot, *"qw", "enter")

        assert [ModelRef("home", "qwen3")] == app.results


async def test_only_a_model_can_be_a_favourite() -> None:
    here = world(OPENAI)
    async with listed(here) as (app, pilot):
        assert "f4 Favourite" in seen(app)
        await burst(pilot, *["down"] * 3)
        assert "Any service that speaks" in words(app)
        assert "f4 Favourite" not in seen(app)
        await burst(pilot, "f4")
        await settle(pilot)

        assert () == await here.endpoints.favourites()


async def test_a_favourite_of_an_unconfirmed_endpoint_is_not_offered() -> None:
    here = world(environment={"OLLAMA_HOST": "10.0.0.4"})
    await here.endpoints.mark_favourite(ModelRef("ollama", "gpt-mini"), marked=True)
    async with listed(here) as (app, _):
        assert [] == models_in(app)


# -- commands for keys ----------------------------------------------------------------------


def with_command(tmp_path: Path) -> tuple[Endpoint, Path]:
    """An endpoint whose command leaves a file when it is run."""
    ran = tmp_path / "ran"
    return replace(OPENAI, name="work", key_command=f"tee {ran}"), ran


async def test_a_command_of_the_settings_file_is_run_only_after_a_yes(tmp_path: Path) -> None:
    work, ran = with_command(tmp_path)
    here = world(work)
    here.shelf.answers["work"] = CARDS
    async with listed(here) as (app, pilot):
        assert "Confirm it first: its key comes from a command" in words(app)
        await burst(pilot, "enter")
        assert "Run a command for the key of work?" in seen(app)
        assert f"tee {ran}" in "".join(words(app).split(" ")).replace("tee", "tee ")
        await burst(pilot, "n")
        await settle(pilot)
        assert not ran.exists()
        assert [] == [endpoint.name for endpoint, _ in here.shelf.opened if endpoint.name == "work"]
        await burst(pilot, "enter")
        await burst(pilot, "y")
        await until(pilot, lambda: ran.exists())

        assert not await here.endpoints.needs_consent(work)


async def test_an_endpoint_with_an_unconfirmed_command_can_be_changed(tmp_path: Path) -> None:
    work, ran = with_command(tmp_path)
    async with listed(world(work)) as (app, pilot):
        await burst(pilot, "f2")
        await settle(pilot)

        assert "Endpoint work" in seen(app)
        assert "tee" in seen(app)
        assert not ran.exists()


# -- the form --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_an_endpoint_is_added_with_its_key_stored_encrypted(size: tuple[int, int]) -> None:
    here = world()
    async with form(here, size=size) as (app, pilot):
        await burst(pilot, *"mine", "enter", *"https://api.example.com/v1", "enter", *"sk-1234567890", "enter")
        await burst(pilot, "enter", "enter", "enter", *"32,000")
        assert "sk-123" not in seen(app)
        assert "over the internet" in words(app)
        await burst(pilot, "ctrl+s")
        await settle(pilot)

        assert [True] == app.results
        endpoint = Endpoint("mine", "https://api.example.com/v1", context_window=32_000)
        assert (endpoint,) == here.fake_program.settings.endpoints
        assert [Secret("sk-1234567890")] == list(here.store.secrets.values())


async def test_what_is_typed_behind_a_tab_lands_in_the_next_field() -> None:
    async with form(world()) as (app, pilot):
        await burst(pilot, *"ab", "tab", *"https://x", "shift+tab", "c")
        await settle(pilot)

        fields = [app.screen.query_one(f"#{name}").value for name in ("name", "url")]  # type: ignore[attr-defined]
        assert ["abc", "https://x"] == fields


async def test_a_test_names_the_models_and_saves_nothing() -> None:
    here = world()
    async with form(here) as (app, pilot):
        here.shelf.answers["https://x.example/v1"] = CARDS
        await burst(pilot, *"mine", "enter", *"https://x.example/v1", "ctrl+t")
        await settle(pilot)

        assert "✓ It answers and offers gpt-large, gpt-mini." in seen(app)
        assert () == here.fake_program.settings.endpoints


async def test_a_test_that_fails_says_precisely_why_and_keeps_what_was_typed() -> None:
    here = world()
    async with form(here) as (app, pilot):
        here.shelf.answers["https://x.example/v1"] = Unauthorized("The key was refused (401).", hint="Check the key.")
        await burst(pilot, *"mine", "enter", *"https://x.example/v1", "ctrl+t")
        await settle(pilot)

        assert "✗ The key was refused (401). Check the key." in seen(app)
        assert "https://x.example/v1" in seen(app)


@pytest.mark.parametrize(
    ("name", "url", "env", "window", "said"),
    [
        ("¿?", "https://x", "", "", "This name cannot be used."),
        ("guide", "https://x", "", "", "This name cannot be used."),
        ("openai", "https://x", "", "", "already"),
        ("mine", "", "", "", "The address is missing."),
        ("mine", "https://x", "", "many", "The context window is a number of tokens."),
        ("mine", "https://x", "", "12", "The context window is a number of tokens."),
    ],
)
async def test_what_cannot_be_saved_is_said(name: str, url: str, env: str, window: str, said: str) -> None:
    here = world(OPENAI)
    async with form(here) as (app, pilot):
        await burst(pilot, *name, "enter", *url, "enter", "enter", *env, *["enter"] * 3, *window)
        await burst(pilot, "ctrl+s")
        await settle(pilot)

        assert said in seen(app)
        assert [] == app.results
        assert (OPENAI,) == here.fake_program.settings.endpoints


@pytest.mark.parametrize(
    ("name", "url", "saved"),
    [
        ("My Server", "http://127.0.0.1:8080/v1", "my-server"),
        ("", "api.groq.com/openai/v1", "groq"),
        ("", "https://openrouter.ai/api/v1", "openrouter"),
        ("", "http://127.0.0.1:8080/v1", "local"),
        ("", "http://192.168.1.5:8080/v1", "192.168.1.5"),
        ("", "https://api.openai.com/v1", "openai-2"),
    ],
)
async def test_a_name_is_made_fit_and_none_is_needed(name: str, url: str, saved: str) -> None:
    here = world(OPENAI)
    async with form(here) as (app, pilot):
        await burst(pilot, *name, "enter", *url, "ctrl+t")
        await settle(pilot)
        tested = app.screen.query_one("#name", Field).value
        await burst(pilot, "ctrl+s")
        await until(pilot, lambda: bool(app.results))

        assert saved == tested
        assert {"openai", saved} == {each.name for each in here.fake_program.settings.endpoints}


async def test_a_test_says_that_the_variable_of_the_key_is_not_set() -> None:
    here = world(environment={"EMPTY": ""})
    here.shelf.answers["mine"] = CARDS
    async with form(here) as (app, pilot):
        await burst(pilot, *"mine", "enter", *"http://127.0.0.1:5/v1", "enter", "enter", *"EMPTY", "ctrl+t")
        await settle(pilot)
        good = words(app)
        here.shelf.answers["mine"] = Unauthorized("mine wants a key (401).", hint="Check the key.")
        await burst(pilot, "ctrl+t")
        await settle(pilot)

        asked = "The variable EMPTY is not set where tui-chat was started: asked without a key."
        assert f"✓ It answers and offers gpt-large, gpt-mini. {asked}" in good
        assert f"✗ mine wants a key (401). Check the key. {asked}" in words(app)


async def test_no_stored_key_is_spoken_of_where_there_is_none() -> None:
    here = world(HOME)
    async with form(here, HOME) as (app, pilot):
        shown = words(app)
        await burst(pilot, "f9")
        asked = words(app)

        assert "empty keeps the stored key" not in shown
        assert "Delete the endpoint home? Your conversations stay." in asked


async def test_a_refused_save_is_said_and_the_form_stays() -> None:
    here = world()
    here.fake_program.refusal = BadInput("endpoints.mine.base_url must be an address.", hint="Nothing was changed.")
    async with form(here) as (app, pilot):
        await burst(pilot, *"mine", "enter", *"foo", "ctrl+s")
        await settle(pilot)

        assert "must be an address" in seen(app)
        assert "foo" in seen(app)


async def test_a_key_over_the_open_internet_is_warned_of() -> None:
    async with form(world()) as (app, pilot):
        await burst(pilot, *"mine", "enter", *"http://api.example.com/v1")
        await settle(pilot)

        assert "Unencrypted: use https." in seen(app)


async def test_changing_an_endpoint_keeps_its_stored_key() -> None:
    here = world(OPENAI)
    here.store.secrets["endpoint:openai|https://api.openai.com/v1"] = Secret("old")
    async with form(here, OPENAI) as (_, pilot):
        await burst(pilot, *["enter"] * 5, *"9000", "ctrl+s")
        await settle(pilot)

        assert 9_000 == here.fake_program.settings.endpoints[0].context_window
        assert [Secret("old")] == list(here.store.secrets.values())


async def test_deleting_an_endpoint_asks_and_erases_its_key() -> None:
    here = world(OPENAI)
    here.store.secrets["endpoint:openai|https://api.openai.com/v1"] = Secret("old")
    async with form(here, OPENAI) as (app, pilot):
        await burst(pilot, "f9")
        assert "Delete the endpoint openai?" in seen(app)
        await burst(pilot, "y")
        await settle(pilot)

        assert [True] == app.results
        assert () == here.fake_program.settings.endpoints
        assert [None] == list(here.store.secrets.values())


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("localhost:8171", "http://localhost:8171"),
        ("192.168.1.5:8080/v1", "http://192.168.1.5:8080/v1"),
        ("api.example.com/v1", "https://api.example.com/v1"),
        ("https://api.example.com/v1/chat/completions", "https://api.example.com/v1"),
        ("localhost:8171/v1/models/", "http://localhost:8171/v1"),
        ("https://api.example.com/v1/messages/count_tokens", "https://api.example.com/v1"),
        ("https://api.example.com/v1beta/models/gemini-4:streamGenerateContent", "https://api.example.com/v1beta"),
        ("http://127.0.0.1:11434/api/show", "http://127.0.0.1:11434"),
        ("https://api.example.com/v1/", "https://api.example.com/v1/"),
        ("https", "https"),
        ("https:/", "https:/"),
        ("ftp://example.com", "ftp://example.com"),
        ("me:word@example.com", "me:word@example.com"),
    ],
)
def test_an_address_is_repaired_where_it_is_clear_what_was_meant(typed: str, used: str) -> None:
    assert used == repaired(typed)
    assert used == repaired(used)


async def test_the_repaired_address_is_shown_while_typing_and_saved() -> None:
    here = world()
    async with form(here) as (app, pilot):
        await burst(pilot, *"mine", "enter", *"localhost:8171/v1/chat/completions")
        assert "Used as http://localhost:8171/v1 Texts stay on this computer (localhost:8171)." in words(app)
        await burst(pilot, "ctrl+s")
        await settle(pilot)

        assert (Endpoint("mine", "http://localhost:8171/v1"),) == here.fake_program.settings.endpoints


UNKNOWN = NotFoundAtServer("mine knows no such address (404).", hint="Check the address in the settings (f2).")


async def test_a_test_finds_the_address_with_v1_and_puts_it_into_the_field() -> None:
    here = world()
    here.shelf.answers |= {"http://localhost:8171": UNKNOWN, "http://localhost:8171/v1": CARDS}
    async with form(here) as (app, pilot):
        await burst(pilot, *"mine", "enter", *"localhost:8171", "ctrl+t")
        await settle(pilot)

        assert "✓ It answers and offers gpt-large, gpt-mini." in seen(app)
        assert "http://localhost:8171/v1" == app.screen.query_one("#url", Field).value


async def test_a_save_offers_the_address_with_v1_once_before_it_saves() -> None:
    here = world()
    here.shelf.answers |= {"http://localhost:8171": UNKNOWN, "http://localhost:8171/v1": Unauthorized("No key.")}
    async with form(here) as (app, pilot):
        await burst(pilot, *"mine", "enter", *"localhost:8171", "ctrl+s")
        await settle(pilot)
        assert "but http://localhost:8171/v1 does: ctrl+s saves that." in words(app)
        assert [] == app.results
        await burst(pilot, "ctrl+s")
        await settle(pilot)

        assert (Endpoint("mine", "http://localhost:8171/v1"),) == here.fake_program.settings.endpoints


async def test_an_address_that_is_wanted_without_v1_can_be_saved_all_the_same() -> None:
    here = world()
    here.shelf.answers |= {"http://localhost:8171": UNKNOWN, "http://localhost:8171/v1": CARDS}
    async with form(here) as (_, pilot):
        await burst(pilot, *"mine", "enter", *"localhost:8171", "ctrl+s")
        await settle(pilot)
        await burst(pilot, *["backspace"] * 3, "ctrl+s")
        await settle(pilot)

        assert (Endpoint("mine", "http://localhost:8171"),) == here.fake_program.settings.endpoints


@pytest.mark.parametrize("error", [UNKNOWN, SILENT])
async def test_an_endpoint_that_cannot_be_asked_now_is_saved_as_it_is(error: ProviderError) -> None:
    here = world()
    here.shelf.answers["mine"] = error
    async with form(here) as (_, pilot):
        await burst(pilot, *"mine", "enter", *"http://localhost:8171", "ctrl+s")
        await settle(pilot)

        assert (Endpoint("mine", "http://localhost:8171"),) == here.fake_program.settings.endpoints


@pytest.mark.parametrize("status", [401, 403, 404, 302])
async def test_no_hint_in_the_form_leads_to_the_form(status: int) -> None:
    here = world()
    speaker = Speaker("mine", "https://x.example/v1")
    here.shelf.answers["mine"] = error = refusal(speaker, status, Complaint())
    async with form(here) as (app, pilot):
        await burst(pilot, *"mine", "enter", *"https://x.example/v1", "ctrl+t")
        await settle(pilot)

        assert "(f2)" in error.hint
        assert str(error) in words(app)
        assert "f2" not in words(app)
        assert "in the settings" not in words(app)


# -- protocols -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "label", "dialect"),
    [
        ("https://api.anthropic.com", "Anthropic", "anthropic"),
        ("generativelanguage.googleapis.com", "Gemini", "gemini"),
        ("nas:11434", "Ollama", "ollama"),
        ("localhost:8080/v1", "OpenAI-compatible", "openai"),
    ],
)
async def test_the_protocol_is_the_one_that_the_address_suggests(typed: str, label: str, dialect: str) -> None:
    here = world()
    async with form(here) as (app, pilot):
        await burst(pilot, *"mine", "enter", *typed)
        assert f"‹ {label} ›" in seen(app)
        await burst(pilot, "ctrl+s")
        await settle(pilot)

        assert [dialect] == [each.dialect for each in here.fake_program.settings.endpoints]


@pytest.mark.parametrize(
    ("keys", "dialect"),
    [
        (["right"], "anthropic"),
        ([" "], "anthropic"),
        (["left"], "ollama"),
        (["down", "down"], "gemini"),
        (["right", "up"], "openai"),
        (["g"], "gemini"),
        (["o"], "ollama"),
        (["o", "o"], "openai"),
        (["x", "backspace", "delete", "ctrl+u", "ctrl+k", "ctrl+w"], "openai"),
    ],
)
async def test_a_protocol_is_chosen_with_arrows_or_by_its_letter(keys: list[str], dialect: str) -> None:
    here = world()
    async with form(here) as (_, pilot):
        await burst(pilot, *"mine", "enter", *"https://x.example/v1", *["enter"] * 4, *keys, "ctrl+s")
        await settle(pilot)

        assert [dialect] == [each.dialect for each in here.fake_program.settings.endpoints]


async def test_a_protocol_that_was_chosen_by_hand_stays_whatever_the_address() -> None:
    here = world()
    async with form(here) as (_, pilot):
        await burst(pilot, *"mine", *["enter"] * 5, "a", *["shift+tab"] * 4, *"https://nas:11434", "ctrl+s")
        await settle(pilot)

        assert [Endpoint("mine", "https://nas:11434", "anthropic")] == list(here.fake_program.settings.endpoints)


async def test_nothing_is_pasted_into_the_protocol() -> None:
    async with form(world()) as (app, pilot):
        await burst(pilot, *["enter"] * 5)
        app.screen.query_one(DialectField).post_message(events.Paste("ollama"))
        await settle(pilot)

        assert "openai" == app.screen.query_one(DialectField).dialect


async def test_an_endpoint_keeps_its_protocol_when_its_address_changes() -> None:
    gemini = Endpoint("mine", "https://gemini.example", "gemini")
    here = world(gemini)
    async with form(here, gemini) as (_, pilot):
        await burst(pilot, *":11434", "ctrl+s")
        await settle(pilot)

        assert (replace(gemini, base_url="https://gemini.example:11434"),) == here.fake_program.settings.endpoints


def real() -> World:
    """A world whose endpoints are asked over HTTP."""
    return World(shelf=cast(Shelf, HttpProviders()))


async def test_a_test_names_the_protocol_that_answers_and_chooses_it() -> None:
    here = real()
    tags = Reply.json({"models": [{"name": "qwen3:latest", "digest": "d"}]})
    async with Loopback(routes={"/api/tags": tags}) as server, form(here) as (app, pilot):
        await burst(pilot, *"mine", "enter", *f"{server.url}", "ctrl+t")
        await until(pilot, lambda: "✓" in seen(app) or "✗" in seen(app))

        assert f"✓ The protocol there is Ollama at http://127.0.0.1:{server.port}, not OpenAI" in words(app)
        assert "-compatible. It answers and offers qwen3:latest." in words(app)
        assert "‹ Ollama ›" in seen(app)
        assert () == here.fake_program.settings.endpoints


async def test_a_save_offers_the_protocol_that_answers_before_it_saves() -> None:
    here = real()
    models = Reply.json({"models": [{"name": "models/gemini-pro", "inputTokenLimit": 9000}]})
    async with Loopback(routes={"/v1beta/models?pageSize=1000": models}) as server, form(here) as (app, pilot):
        root = server.url.removesuffix("/v1")
        await burst(pilot, *"mine", "enter", *root, "ctrl+s")
        await until(pilot, lambda: "ctrl+s saves that" in words(app))
        assert "The protocol there is Gemini, not OpenAI-compatible: ctrl+s saves that." in words(app)
        assert [] == app.results
        await burst(pilot, "ctrl+s")
        await until(pilot, lambda: bool(app.results))

        assert (Endpoint("mine", root, "gemini"),) == here.fake_program.settings.endpoints


PAGE = Reply(b"<html>welcome</html>", content_type="text/html")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply.json({"error": {"message": "who are you"}}, 401), "✗ mine asks for a key (401): who are you. Enter it."),
        (Reply.json({"error": {"message": "not you"}}, 403), "✗ mine asks for a key (403): not you. Enter it."),
        (Reply.json({}, 404), "✗ mine knows no such address: http://127.0.0.1:{port}/v1/models (404)."),
        (PAGE, "✗ mine answered with a web page, not as a model service"),
        (Reply.json({"hello": 1}), "✗ mine does not answer as an OpenAI-compatible service does."),
        (Reply.json({"data": []}), "✓ It answers, but names no models: type a model's name in the list of models."),
        (Reply.json({}, 500), "✗ mine failed (500 Internal Server Error)."),
        (Reply(b"", 302, headers={"location": "https://else.example/x"}), "(302 to https://else.example/x)"),
        (Reply(silent=True), "✗ mine closed the connection before it answered."),
        (None, "✗ Nothing listens at 127.0.0.1:{port}. Start the model server, or check the address."),
    ],
)
async def test_a_test_says_of_each_fault_what_it_is(reply: Reply | None, said: str) -> None:
    async with Loopback(reply or Reply()) as server:
        port = server.port
        if reply is None:
            server._server.close()
            await server._server.wait_closed()
        async with form(real()) as (app, pilot):
            await burst(pilot, *"mine", "enter", *f"http://127.0.0.1:{port}/v1", "ctrl+t")
            await until(pilot, lambda: "✓" in seen(app) or "✗" in seen(app))

            assert said.format(port=port) in words(app)


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        (CARDS, "✓ It answers and offers gpt-large, gpt-mini."),
        (CARDS[1:], "It has no model named “gpt-large”, which you chose: choose another (ctrl+o)."),
        ((), "✓ It answers, but names no models"),
    ],
)
async def test_a_test_says_whether_the_chosen_model_is_there(cards: tuple[ModelCard, ...], said: str) -> None:
    here = world(OPENAI)
    here.fake_program.settings = replace(here.fake_program.settings, model=LARGE)
    here.shelf.answers["openai"] = cards
    async with form(here, OPENAI) as (app, pilot):
        await burst(pilot, "ctrl+t")
        await settle(pilot)

        assert said in words(app)
        assert ("no model named" in words(app)) is ("no model named" in said)


async def test_an_ollama_without_a_model_says_how_to_fetch_one() -> None:
    here = world()
    here.shelf.answers["mine"] = ()
    async with form(here) as (app, pilot):
        await burst(pilot, *"mine", "enter", *"localhost:11434", "ctrl+t")
        await settle(pilot)

        assert "It answers, but has no model yet: fetch one with ollama pull" in words(app)


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_what_a_test_says_is_in_sight_however_small_the_screen(size: tuple[int, int]) -> None:
    here = world(OPENAI)
    here.store.secrets["endpoint:openai|https://api.openai.com/v1"] = Secret("old")
    here.shelf.answers["openai"] = Unauthorized("The key was refused (401): " + "words " * 20, hint="The very end.")
    async with form(here, OPENAI, size=size) as (app, pilot):
        await burst(pilot, *"/x", "ctrl+t")
        await settle(pilot)

        assert "The very end." in words(app)


# -- where the key comes from ----------------------------------------------------------------------


async def test_a_command_for_the_key_is_saved_and_not_run_by_that(tmp_path: Path) -> None:
    here, ran = world(), tmp_path / "ran"
    async with form(here) as (_, pilot):
        await burst(pilot, *"mine", "enter", *"https://x.example/v1", *["enter"] * 3, *f"tee {ran}", "ctrl+s")
        await settle(pilot)

        saved = Endpoint("mine", "https://x.example/v1", key_command=f"tee {ran}")
        assert (saved,) == here.fake_program.settings.endpoints
        assert not await here.endpoints.needs_consent(saved)
        assert [] == here.shelf.opened
        assert not ran.exists()


async def test_a_test_runs_the_command_and_sends_what_it_prints() -> None:
    async with Loopback(Reply.json({"data": [{"id": "m"}]})) as server, form(real()) as (app, pilot):
        await burst(pilot, *"mine", "enter", *server.url, *["enter"] * 3, *"echo sk-printed", "ctrl+t")
        await until(pilot, lambda: "✓" in seen(app) or "✗" in seen(app))

        assert "Bearer sk-printed" == server.last.headers["authorization"]
        assert "✓ It answers and offers m." in words(app)


@pytest.mark.parametrize(
    ("key", "env", "command", "said"),
    [
        ("sk-1", "MINE", "", "The key is given twice."),
        ("sk-1", "", "pass show", "The key is given twice."),
        ("", "MINE", "pass show", "The key is given twice."),
        ("", "", "pass 'show", "The command cannot be read."),
        ("", "", "no-such-program-here x", "There is no program “no-such-program-here”"),
    ],
)
async def test_a_key_comes_from_one_place_that_can_be_read(key: str, env: str, command: str, said: str) -> None:
    here = world()
    async with form(here) as (app, pilot):
        typed = [*key, "enter", *env, "enter", *command]
        await burst(pilot, *"mine", "enter", *"https://x.example/v1", "enter", *typed, "ctrl+t")
        await until(pilot, lambda: "✗" in seen(app))

        assert said in words(app)
        assert [] == here.shelf.opened


async def test_a_changed_address_says_that_the_stored_key_does_not_go_along() -> None:
    here = world(OPENAI)
    here.store.secrets["endpoint:openai|https://api.openai.com/v1"] = Secret("old")
    lost = "The stored key belongs to the address before: enter the key again."
    async with form(here, OPENAI) as (app, pilot):
        assert lost not in words(app)
        await burst(pilot, "/")
        assert lost in words(app)
        await burst(pilot, "enter", *"sk-new")
        assert lost not in words(app)
        await burst(pilot, *["backspace"] * 6)
        assert lost in words(app)
        await burst(pilot, "shift+tab", "backspace")
        assert lost not in words(app)


async def test_who_has_no_stored_key_is_not_warned_of_losing_it() -> None:
    async with form(world(OPENAI), OPENAI) as (app, pilot):
        await burst(pilot, *"/x")

        assert "stored key belongs" not in words(app)


# -- where texts go ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "sentence"),
    [
        ("http://127.0.0.1:8080/v1", "127.0.0.1:8080", "Texts stay on this computer (127.0.0.1:8080)."),
        ("http://[::1]:8080", "[::1]:8080", "Texts stay on this computer ([::1]:8080)."),
        ("http://10.0.0.1", "10.0.0.1", "Texts go to 10.0.0.1, on your own network."),
        ("https://api.x.com/v1", "api.x.com", "Texts go to api.x.com, over the internet."),
        ("http://[::", "", "Texts go to , over the internet."),
        ("http://x:99999999", "", "Texts go to , over the internet."),
    ],
)
def test_an_address_says_where_texts_go_however_far_it_is_typed(url: str, host: str, sentence: str) -> None:
    endpoint = Endpoint("e", url)

    assert host == host_of(endpoint)
    assert sentence == whereto(endpoint).sentence
