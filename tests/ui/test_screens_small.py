"""Recovery code, rename, system prompt, link and help, through their keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen

from tests.fakes import ScriptedProvider
from tests.ui.chat_app import World
from tests.ui.reading import seen
from tests.ui.screen_fakes import SMALL, USUAL, FakeKeys, Host, burst, settle, words
from tests.ui.screen_fakes import World as ScreenWorld
from tui_chat.ui import clipboard
from tui_chat.ui.forms import Field
from tui_chat.ui.screens.endpoint_form import EndpointForm
from tui_chat.ui.screens.help import HelpScreen
from tui_chat.ui.screens.links import LinkScreen, is_openable, remarks
from tui_chat.ui.screens.recovery_code import RecoveryCodeScreen
from tui_chat.ui.screens.rename import RenameScreen
from tui_chat.ui.screens.system_prompt import SystemPromptScreen


@asynccontextmanager
async def shown(
    make: Callable[[], Screen[Any]], *, size: tuple[int, int] = USUAL
) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host(make)
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        yield app, pilot


# -- the recovery code ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_the_recovery_code_is_shown_whole_in_groups(size: tuple[int, int]) -> None:
    async with shown(lambda: RecoveryCodeScreen(FakeKeys.CODE), size=size) as (app, _):
        assert 7 == seen(app).count("ABCDEFG")
        assert "XYZ2345" in seen(app)
        assert "not shown again" in words(app)


async def test_enter_hides_the_code_and_only_y_confirms() -> None:
    async with shown(lambda: RecoveryCodeScreen(FakeKeys.CODE)) as (app, pilot):
        await burst(pilot, "y")
        await burst(pilot, "enter", "enter")
        assert "ABCDEFG" not in seen(app)
        assert [] == app.results
        await burst(pilot, "escape")
        assert "ABCDEFG" in seen(app)
        await burst(pilot, "enter")
        await burst(pilot, "y")

        assert [True] == app.results


async def test_escape_puts_the_recovery_code_off() -> None:
    async with shown(lambda: RecoveryCodeScreen(FakeKeys.CODE)) as (app, pilot):
        await burst(pilot, "escape")

        assert [False] == app.results


async def test_copying_the_code_says_that_the_clipboard_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipboard, "programs", lambda environ, platform: [])
    async with shown(lambda: RecoveryCodeScreen(FakeKeys.CODE)) as (app, pilot):
        await burst(pilot, "c")
        await settle(pilot)

        assert FakeKeys.CODE == app.clipboard
        assert "The clipboard keeps it" in words(app)


# -- the title -----------------------------------------------------------------------------------


async def test_typing_replaces_the_title() -> None:
    async with shown(lambda: RenameScreen("Old [b]title"), size=SMALL) as (app, pilot):
        assert "Old [b]title" in seen(app)
        await burst(pilot, *"  Trip to Oslx", "backspace", "o", "enter")

        assert ["Trip to Oslo"] == app.results


async def test_a_title_that_is_left_alone_stays_exactly_what_it_was() -> None:
    async with shown(lambda: RenameScreen("a\x1b[31m\u202eb ")) as (app, pilot):
        assert "\x1b" not in seen(app)
        await burst(pilot, "enter")

        assert ["a\x1b[31m\u202eb "] == app.results


async def test_an_empty_title_is_refused_and_escape_keeps_the_old_one() -> None:
    async with shown(lambda: RenameScreen("Old")) as (app, pilot):
        await burst(pilot, "backspace", "enter")
        assert "A title needs at least one character." in seen(app)
        await burst(pilot, "escape")

        assert [None] == app.results


# -- the system prompt ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_a_system_prompt_of_several_lines_is_saved(size: tuple[int, int]) -> None:
    async with shown(lambda: SystemPromptScreen("Be terse."), size=size) as (app, pilot):
        await burst(pilot, "enter", *"In Latix", "backspace", "n")
        await burst(pilot, "ctrl+s")

        assert ["Be terse.\nIn Latin"] == app.results


async def test_a_system_prompt_of_blanks_is_none() -> None:
    async with shown(lambda: SystemPromptScreen("x")) as (app, pilot):
        assert "~5" not in seen(app)
        await burst(pilot, "backspace", "enter", "space")
        assert "nothing is sent" in words(app) or "tokens" in words(app)
        await burst(pilot, "ctrl+s")

        assert [""] == app.results


async def test_pasted_text_is_cleaned_and_an_untouched_prompt_stays_exact() -> None:
    async with shown(lambda: SystemPromptScreen("")) as (app, pilot):
        app.post_message(events.Paste("a\x1b[31mb\rc"))
        await settle(pilot)
        await burst(pilot, "ctrl+s")
        assert ["a\ufffd[31mb\nc"] == app.results
    async with shown(lambda: SystemPromptScreen("a\x1b[31m\u202e")) as (app, pilot):
        await burst(pilot, "ctrl+s")

        assert ["a\x1b[31m\u202e"] == app.results


async def test_escape_leaves_the_system_prompt_as_it_is() -> None:
    async with shown(lambda: SystemPromptScreen("x")) as (app, pilot):
        await burst(pilot, "y")
        await burst(pilot, "escape")

        assert [None] == app.results


# -- a link ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_the_whole_address_is_shown_before_it_is_opened(size: tuple[int, int]) -> None:
    href = "https://example.com/[foo]/" + "a" * 120
    async with shown(lambda: LinkScreen(href, "here [/b]"), size=size) as (app, pilot):
        assert href in words(app).replace(" ", "")
        assert "here [/b]" in seen(app)
        await burst(pilot, "enter")

        assert ["open"] == app.results


async def test_c_copies_an_address_and_escape_does_nothing() -> None:
    for key, result in (("c", "copy"), ("escape", None)):
        async with shown(lambda: LinkScreen("https://example.com", "x")) as (app, pilot):
            await burst(pilot, key)

            assert [result] == app.results


@pytest.mark.parametrize(
    "href", ["vscode://x", "file:///etc/passwd", "javascript:alert(1)", "https://x\u202e.com", "x"]
)
async def test_other_addresses_can_be_copied_but_not_opened(href: str) -> None:
    async with shown(lambda: LinkScreen(href, "x")) as (app, pilot):
        await burst(pilot, "enter")
        await burst(pilot, "o")
        assert [] == app.results
        await burst(pilot, "c")

        assert ["copy"] == app.results


@pytest.mark.parametrize(
    ("href", "text", "remark"),
    [
        ("https://gооgle.com/", "x", "plain form is xn--ggle-55da.com"),
        ("https://xn--ggle-55da.com/", "x", "punycode"),
        ("https://google.com@evil.example/", "x", "The host is evil.example."),
        (
            "https://evil.example/",
            "www.google.com/maps",
            "The text names google.com, but the link goes to evil.example.",
        ),
        ("http://[::1", "x", "not a valid address"),
        ("ssh://host", "x", "Only http, https and mailto"),
    ],
)
def test_a_suspicious_address_is_remarked_on(href: str, text: str, remark: str) -> None:
    assert any(remark in found for found in remarks(href, text)), remarks(href, text)


def test_an_honest_address_is_not_remarked_on() -> None:
    assert [] == remarks("https://www.example.com/a", "example.com")
    assert [] == remarks("mailto:a@b.example", "write to us")
    assert is_openable("mailto:a@b.example")


# -- help --------------------------------------------------------------------------------------------


async def until(pilot: Pilot[Any], text: str) -> str:
    """The screen once that text is on it; the guide is read in a thread."""
    await pilot.app.workers.wait_for_complete()
    await settle(pilot)
    shown_now = seen(pilot.app)
    assert text in shown_now
    return shown_now


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_help_begins_with_the_keys_of_where_one_was(size: tuple[int, int]) -> None:
    keys = [("^n", "New [conversation]"), ("|", "a *pipe*"), ("f9", "New [conversation]")]
    async with shown(lambda: HelpScreen("keys", keys), size=size) as (app, pilot):
        text = await until(pilot, "Keys here")

        assert 1 == text.count("New [conversation]")
        assert "^n, f9" in text
        assert "a *pipe*" in text
        await burst(pilot, "escape")
        assert [None] == app.results


@pytest.mark.parametrize("place", ["#prompt", "#filter"])
async def test_help_explains_each_key_by_itself_and_leaves_out_what_every_editor_has(place: str) -> None:
    async with World(ScriptedProvider()).app(size=(120, 60)) as chat:
        chat.screen.query_one(place).focus()
        await chat.press("f1")
        await chat.until_seen("Keys here")
        text = chat.seen()

    assert "Go to the next part of the screen" in text
    assert "Show or hide the list of conversations" in text
    for unclear in ("Focus Next", "Show or hide it", "Fold or show it", "Go to start", "Delete character", "Scroll Up"):
        assert unclear not in text


async def test_right_and_left_turn_to_other_topics_of_the_guide() -> None:
    async with shown(lambda: HelpScreen("start")) as (app, pilot):
        first = await until(pilot, "First steps")
        await burst(pilot, "left")
        assert "Privacy" in seen(app)
        await burst(pilot, "right")

        assert first == seen(app)


async def test_help_scrolls_with_j_and_g() -> None:
    async with shown(lambda: HelpScreen("keys"), size=SMALL) as (app, pilot):
        first = await until(pilot, "Everything can be done")
        await burst(pilot, *"jjj")
        await settle(pilot)
        assert first != seen(app)
        await burst(pilot, "g")
        await settle(pilot)

        assert first == seen(app)


async def test_help_follows_a_change_of_theme() -> None:
    async with shown(lambda: HelpScreen("start")) as (app, pilot):
        first = await until(pilot, "First steps")
        app.theme = "textual-light"
        await settle(pilot)

        assert first == seen(app)


async def test_what_is_pasted_behind_the_key_that_moves_on_lands_where_it_moved_to() -> None:
    endpoints = ScreenWorld().endpoints
    async with shown(lambda: EndpointForm(endpoints, None)) as (app, pilot):
        for key in "mine":
            app.post_message(events.Key(key, key))
        app.post_message(events.Key("enter", "\r"))
        app.post_message(events.Paste("https://api.example.com/v1"))
        await settle(pilot)

        fields = [field.value for field in app.screen.query(Field)][:2]
        assert ["mine", "https://api.example.com/v1"] == fields
