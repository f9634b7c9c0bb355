"""The settings, through their keys."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.ui.reading import seen
from tests.ui.screen_fakes import SMALL, USUAL, FakeKeys, Host, Shelf, World, burst, settle, words
from tui_chat.core.errors import BadInput, KeyringLocked
from tui_chat.core.models import MemorySettings, ModelRef
from tui_chat.core.ports import ModelCard
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Caps, Endpoint, Sampling, Settings
from tui_chat.ui.screens.settings import SettingsScreen
from tui_chat.ui.screens.settings_rows import stepped, with_cap
from tui_chat.ui.strategies import STRATEGIES

OPENAI = Endpoint("openai", "https://api.openai.com/v1")
# Lines from the top, headings not counted: model, openai, add, strategy, at most, trimming, temperature, top p, ...
STRATEGY, AT_MOST, TRIM, TEMPERATURE, TOP_P, TOP_K, SEED, CAPS = range(3, 11)
THEME, THINKING, ENTER, KEYRING, PASSPHRASE, RECOVERY = range(CAPS + 6, CAPS + 12)


@asynccontextmanager
async def settings(
    world: World | None = None, *, size: tuple[int, int] = USUAL
) -> AsyncIterator[tuple[World, Host, Pilot[Any]]]:
    shelf = Shelf({"openai": (ModelCard("gpt", 8_192),), "guide": (ModelCard("guide"),)})
    world = world or World(Settings(endpoints=(OPENAI,)), shelf=shelf)
    app = Host(lambda: SettingsScreen(world.program, world.services))
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        yield world, app, pilot


async def saved(pilot: Pilot[Any]) -> None:
    """Until the thread that writes the settings is done, and the screen knows."""
    await pilot.app.workers.wait_for_complete([each for each in pilot.app.workers if each.group == "save"])
    await settle(pilot)


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_every_section_can_be_reached_and_each_line_explains_itself(size: tuple[int, int]) -> None:
    async with settings(size=size) as (_, app, pilot):
        assert "Answers in new conversations" in words(app)
        shown = ""
        for _ in range(25):
            shown += words(app)
            await burst(pilot, "down")

        for heading in (
            "Models", "What the model sees", "Sampling", "Limits of spending", "Looks and keys", "Security", "Files"
        ):  # fmt: skip
            assert heading in shown
        assert "the newest messages, in whole exchanges" in shown
        assert "/home/alice/.config/tui-chat/settings.toml" in shown


async def test_the_window_is_changed_with_the_arrows_and_saved() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * AT_MOST, "right", "right", "left")
        await saved(pilot)

        assert 22 == world.fake_program.settings.memory.max_messages
        assert "22 messages" in seen(app)
        assert world.fake_program.settings == app.heard[-1]


async def test_trimming_is_switched_to_blocks_and_back() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * TRIM, "right")
        await saved(pilot)

        assert world.fake_program.settings.memory.trim == "blocks"
        assert "in blocks" in seen(app)


async def test_a_number_is_typed_after_enter_and_a_wrong_one_is_said() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * AT_MOST)
        await burst(pilot, "enter")
        await burst(pilot, *"0", "enter")
        assert "A whole number from 2 to 1,000." in seen(app)
        await burst(pilot, "backspace", *"50", "enter")
        await saved(pilot)

        assert 50 == world.fake_program.settings.memory.max_messages


async def test_a_parameter_is_typed_after_enter_and_not_sent_when_it_is_emptied() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * SEED)
        await burst(pilot, "enter")
        await burst(pilot, *"1.5", "enter")
        assert "It must be a whole number from 0 to 2147483647, or nothing." in words(app)
        await burst(pilot, "backspace", "backspace", "enter")
        await saved(pilot)
        set_ = world.fake_program.settings.sampling
        await burst(pilot, "enter")
        await burst(pilot, "backspace", "enter")
        await saved(pilot)

        assert (Sampling(seed=1), Sampling()) == (set_, world.fake_program.settings.sampling)
        assert 4 == seen(app).count("not sent")


async def test_the_full_strategy_is_explained_and_has_no_number() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * STRATEGY, "enter")
        await saved(pilot)

        assert "full" == world.fake_program.settings.memory.strategy
        assert "all messages, or nothing where they do not fit" in seen(app)
        assert "At most" not in seen(app)


async def test_where_retrieval_looks_is_asked_only_with_retrieval_and_all_only_by_choice() -> None:
    async with settings() as (world, app, pilot):
        assert "Looks in" not in seen(app)
        await burst(pilot, *["down"] * STRATEGY, "left")
        before = seen(app)
        await burst(pilot, *["down"] * 3, "right")
        await saved(pilot)

        assert MemorySettings("retrieval", scope="all") == world.fake_program.settings.memory
        assert "this conversation" in before
        assert "all conversations" in seen(app)
        assert "with the title it comes from" in words(app)


async def test_every_strategy_is_reached_by_stepping_and_explained() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * STRATEGY)
        found = []
        for _ in STRATEGIES:
            await burst(pilot, "right")
            await saved(pilot)
            found.append(world.fake_program.settings.memory.strategy)
            assert STRATEGIES[found[-1]][1] in words(app)

        assert [*list(STRATEGIES)[1:], "window"] == found


@pytest.mark.parametrize(
    ("line", "typed", "name", "cap", "shown"),
    [
        (0, "5,000", "conversation_tokens", 5_000, "5,000"),
        (2, "2000000", "month_tokens", 2_000_000, "2,000,000"),
        (3, "$0.25", "conversation_usd", 0.25, "$0.25"),
        (5, "10", "month_usd", 10.0, "$10.00"),
        (4, ".002", "day_usd", 0.002, "$0.002"),
        (4, "0,50", "day_usd", 0.5, "$0.50"),
        (5, "1,000.5", "month_usd", 1000.5, "$1,000.50"),
    ],
)
async def test_a_limit_is_typed_and_holds(line: int, typed: str, name: str, cap: float, shown: str) -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * (CAPS + line))
        assert "no limit" in seen(app)
        await burst(pilot, "enter")
        await burst(pilot, *typed, "enter")
        await saved(pilot)

        assert replace(Caps(), **{name: cap}) == world.fake_program.settings.caps  # type: ignore[arg-type]
        assert shown in seen(app)


async def test_an_empty_limit_is_none_again() -> None:
    world = World(Settings(endpoints=(OPENAI,), caps=Caps(conversation_tokens=5_000)))
    async with settings(world) as (_, app, pilot):
        await burst(pilot, *["down"] * CAPS, "enter")
        assert "Empty: no limit." in seen(app)
        await burst(pilot, "backspace", "enter")
        await saved(pilot)

        assert Caps() == world.fake_program.settings.caps


@pytest.mark.parametrize("typed", ["0", "-5", "many", "1.5", "1,5", "9" * 20])
async def test_what_is_no_limit_is_said_and_nothing_is_saved(typed: str) -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * CAPS, "enter")
        await burst(pilot, *typed, "enter")
        assert "A number above 0, or nothing for no limit." in seen(app)
        await burst(pilot, "escape")
        await saved(pilot)

        assert Caps() == world.fake_program.settings.caps


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "0", "-0.01", "1e300", "$", "$-1", "1,2,", "½"])
def test_a_limit_in_dollars_is_a_number_above_nothing_or_none(text: str) -> None:
    changed = with_cap(Caps(day_usd=1.0), "day_usd", text)

    assert (Caps() if text == "$" else None) == changed


async def test_themes_are_tried_on_in_the_list_and_escape_takes_them_back() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * THEME)
        await burst(pilot, "enter")
        await burst(pilot, "up")
        assert "textual-dark" != app.theme
        await burst(pilot, "escape")
        assert "textual-dark" == app.theme
        await burst(pilot, "enter")
        await burst(pilot, "up")
        tried = app.theme
        await burst(pilot, "enter")
        await saved(pilot)

        assert tried == world.fake_program.settings.theme == app.theme


async def test_right_tries_the_next_theme_at_once() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * THEME, "right")
        await saved(pilot)

        assert "textual-dark" != app.theme
        assert app.theme == world.fake_program.settings.theme


async def test_enter_and_thinking_are_switched() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * THINKING, "enter", "down", "space")
        await saved(pilot)

        assert (True, False) == (world.fake_program.settings.show_thinking, world.fake_program.settings.enter_sends)
        assert "ctrl+enter or f5 sends." in seen(app)


async def test_a_refused_save_is_said_and_what_was_saved_holds() -> None:
    async with settings() as (world, app, pilot):
        world.fake_program.refusal = BadInput("The settings file is not TOML.", hint="Nothing was changed.")
        await burst(pilot, *["down"] * THEME, "right")
        await saved(pilot)

        assert "The settings file is not TOML. Nothing was changed." in words(app)
        assert "textual-dark" == app.theme


async def test_leaving_waits_for_the_last_change_to_be_saved() -> None:
    world = World(Settings())
    gate, entered = threading.Event(), threading.Event()
    save = world.fake_program.save_settings

    def slow_save(settings: Settings) -> None:
        entered.set()
        assert gate.wait(10)
        save(settings)

    world.fake_program.save_settings = slow_save  # type: ignore[method-assign]
    async with settings(world) as (_, app, pilot):
        await burst(pilot, *["down"] * (THINKING - 1), "enter")
        assert entered.wait(10)
        await burst(pilot, "escape")
        assert [] == app.results
        gate.set()
        await saved(pilot)

        assert [replace(Settings(), show_thinking=True)] == app.results
        assert world.fake_program.settings.show_thinking


async def test_the_default_model_is_chosen_from_the_list() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, "enter")
        await settle(pilot)
        await burst(pilot, "enter")
        await settle(pilot)

        assert ModelRef("openai", "gpt") == world.fake_program.settings.model
        assert "openai/gpt" in seen(app)


async def test_an_endpoint_is_opened_from_its_line() -> None:
    async with settings() as (_, app, pilot):
        await burst(pilot, "down", "enter")
        await settle(pilot)

        assert "Endpoint openai" in seen(app)


async def test_a_passphrase_is_set_when_it_was_typed_the_same_twice() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * PASSPHRASE, "enter")
        await burst(pilot, *"one", "enter", *"two", "enter")
        assert "The two are not the same." in seen(app)
        await burst(pilot, *"pass words", "enter", *"pass words", "enter")
        await settle(pilot)

        assert Secret("pass words") == world.keys.passphrase
        assert "The new passphrase holds from now on." in words(app)
        assert "pass words" not in seen(app)


async def test_escape_from_a_new_passphrase_changes_nothing() -> None:
    async with settings() as (world, app, pilot):
        await burst(pilot, *["down"] * PASSPHRASE, "enter")
        await burst(pilot, *"one", "enter")
        await burst(pilot, "escape")
        assert "Choose a passphrase" in seen(app)
        await burst(pilot, "escape")

        assert world.keys.passphrase is None
        assert "Choose a passphrase" not in seen(app)


async def test_a_second_recovery_code_is_made_only_after_a_yes() -> None:
    async with settings(World(keys=FakeKeys("keyring", "recovery"))) as (world, app, pilot):
        await burst(pilot, *["down"] * (RECOVERY - 1), "enter")
        assert "The one you have becomes invalid at once." in seen(app)
        await burst(pilot, "enter")
        assert ["keyring", "recovery"] == world.keys.held
        await burst(pilot, "y")
        await settle(pilot)

        assert "XYZ2345" in seen(app)


async def test_the_keyring_can_be_added_and_its_refusal_is_said() -> None:
    world = World(keys=FakeKeys("passphrase"))

    async def refuse() -> None:
        raise KeyringLocked("The keyring is locked.", hint="Unlock it.")

    add = world.keys.add_keyring
    world.keys.add_keyring = refuse  # type: ignore[method-assign]
    async with settings(world) as (_, app, pilot):
        await burst(pilot, *["down"] * (KEYRING - 1), "enter")
        await settle(pilot)
        assert "The keyring is locked. Unlock it." in words(app)
        world.keys.add_keyring = add  # type: ignore[method-assign]
        await burst(pilot, "enter")
        await settle(pilot)

        assert "in use (GNOME Keyring)" in words(app)


async def test_what_the_file_has_that_was_not_understood_is_said() -> None:
    world = World()
    world.fake_program.settings_problems = ("settings.toml line 3: [colour] is not a setting.",)
    async with settings(world) as (_, app, _pilot):
        assert "settings.toml line 3: [colour] is not a setting." in words(app)


def test_stepping_stays_within_the_bounds_and_leaves_other_lines_alone() -> None:
    least = Settings(memory=MemorySettings(max_messages=2))

    assert 2 == stepped(least, "max_messages", -1, themes=()).memory.max_messages
    assert least == stepped(least, "path", 1, themes=())
    assert "a" == stepped(Settings(theme="b"), "theme", 1, themes=("a", "b")).theme
