"""The sampling parameters of a conversation: the screen by itself, and in the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.fakes import ScriptedProvider, answer
from tests.samplings import ALL
from tests.ui.chat_app import World
from tests.ui.screen_fakes import SMALL, USUAL, Host, burst, settle, words
from tui_chat.core.events import ParameterDropped
from tui_chat.core.sampling import Sampling
from tui_chat.core.settings import Settings
from tui_chat.services.sampling import Takes
from tui_chat.ui.screens.sampling import SamplingScreen
from tui_chat.ui.screens.settings_rows import lines, with_parameter

NONE = Sampling()
WARM = Sampling(temperature=0.7, top_p=0.9)


@asynccontextmanager
async def opened(
    sampling: Sampling = NONE, takes: Takes | None = None, *, size: tuple[int, int] = USUAL, model: str = "gpt-x"
) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host(lambda: SamplingScreen(sampling, takes or Takes(), model=model))
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        yield app, pilot


# -- the screen by itself -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_what_is_not_set_is_said_not_to_be_sent(size: tuple[int, int]) -> None:
    async with opened(Sampling(temperature=0.7), size=size) as (app, _):
        text = words(app)

    assert 3 == text.count("not sent (")
    for said in ("Temperature 0.7", "Top p not sent (above 0, up to 1)", "Seed not sent (0 to 2147483647)"):
        assert said in text


async def test_enter_takes_all_four_from_any_field_and_escape_none() -> None:
    async with opened() as (app, pilot):
        await burst(pilot, *"0.7", "tab", *"0.9", "tab", *"40", "tab", "7", "enter")
        taken = app.results
    async with opened(ALL) as (app, pilot):
        await burst(pilot, *"9", "escape")
        left = app.results
    async with opened(ALL) as (app, pilot):
        await burst(pilot, *["backspace"] * 3, "enter")
        emptied = app.results

    assert ([ALL], [None], [ALL.without("temperature")]) == (taken, left, emptied)


async def test_a_value_that_cannot_be_is_named_and_kept_to_be_corrected() -> None:
    async with opened(Sampling(seed=7)) as (app, pilot):
        await burst(pilot, "1", "tab", *"1.5", "enter")
        text, focused = words(app), app.focused
        await burst(pilot, *["backspace"] * 3, *"0,5", "enter")

        assert "✗ Top p must be a number above 0, up to 1. Empty: it is not sent." in text
        assert focused is not None
        assert "top_p" == focused.id
        assert [Sampling(temperature=1.0, top_p=0.5, seed=7)] == app.results


async def test_what_the_model_does_not_take_is_said_in_words() -> None:
    takes = Takes(("temperature", "top_p"), {"temperature": (0.7, 0.5), "seed": (1,)})
    async with opened(takes=takes, model="[b]x\x1b[2J") as (app, _):
        text = words(app)

    assert "[b]x" in text
    assert "is told no top k, seed: its service has no such parameter." in text
    assert "refused temperature 0.7, temperature 0.5: left out. Saving a change has it tried again." in text


# -- the settings -------------------------------------------------------------------------------


def test_the_settings_show_each_and_take_what_is_typed_within_its_bounds(tmp_path: Any) -> None:
    shown = lines(Settings(sampling=Sampling(temperature=0.7)), (), None, user="me", path=tmp_path)

    values = {line.name: line.value for line in shown}
    assert ("0.7", "not sent", "not sent", "not sent") == tuple(
        values[name] for name in ("temperature", "top_p", "top_k", "seed")
    )
    assert Sampling(temperature=0.7, seed=7) == with_parameter(Sampling(temperature=0.7), "seed", " 7 ")
    assert Sampling() == with_parameter(Sampling(seed=7), "seed", "")
    assert Sampling(temperature=0.3) == with_parameter(Sampling(), "temperature", "0,3")
    assert [None, None, None] == [with_parameter(Sampling(), "seed", text) for text in ("-1", "1.5", "1,5")]


# -- in the app ---------------------------------------------------------------------------------


async def test_a_conversation_gets_its_own_and_a_refusal_is_seen_everywhere() -> None:
    provider = ScriptedProvider(answer("Plain."), [ParameterDropped("temperature"), *answer("Warm.")], answer("Again."))
    world = World(provider)
    async with world.app(size=(110, 40)) as chat:
        await chat.send("one")
        await chat.until_seen("Plain.")
        await chat.until_quiet()
        chat.screen.action_sampling()
        await chat.until_seen("What is empty is not sent")
        await chat.press(*"0.7", "tab", *"0.9", "enter")
        await chat.until_seen("from now on: temperature 0.7")
        await chat.press("f3")
        await chat.until_seen("Parameters: temperature 0.7, top_p 0.9")
        await chat.press("escape")
        await chat.send("two")
        await chat.until_seen("takes no temperature 0.7: it was left out")
        await chat.until_quiet()
        await chat.press("f3")
        await chat.until_seen("top_p 0.9 · not sent: temperature 0.7 (refused by the model before)")
        await chat.press("escape")
        chat.screen.action_sampling()
        await chat.until_seen("refused temperature 0.7: left out.")
        await chat.press("escape")
        stored = await chat.services.library.conversation(chat.screen.shown.id)

    assert stored.sampling == WARM
    assert [Sampling(), WARM] == [plan.sampling for plan in provider.sent]


async def test_the_users_defaults_are_shown_and_taking_them_again_follows_them() -> None:
    world = World(ScriptedProvider())
    world.add_endpoint()
    program = world.program()
    program.save_settings(replace(program.settings, sampling=Sampling(seed=7)))
    async with world.app() as chat:
        kept = []
        for keys in (("8", "enter"), ("backspace", "enter"), ("backspace", "enter")):
            chat.screen.action_sampling()
            await chat.until_seen("What is empty is not sent")
            await chat.press("shift+tab", *keys)
            await chat.until(lambda: chat.app.screen is chat.screen)
            await chat.pilot.pause()
            kept.append((await chat.services.library.conversation(chat.screen.shown.id)).sampling)

    assert [Sampling(seed=78), None, Sampling()] == kept
