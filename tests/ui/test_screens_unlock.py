"""The unlock screen, through its keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from tests.ui.reading import seen
from tests.ui.screen_fakes import MISSING, SMALL, USUAL, FakeAccess, FakeKeys, Host, burst, settle
from tui_chat.core.errors import (
    DamagedHistory,
    KeyringLocked,
    KeyringUnavailable,
    LockedError,
    NewerSchema,
    PassphraseNeeded,
    StoreFailed,
)
from tui_chat.core.secret import Secret
from tui_chat.ui.forms import SecretField
from tui_chat.ui.screens.unlock import UnlockScreen, recovery_remark

NO_KEYRING = KeyringUnavailable("This computer offers no secure keyring.")
LOCKED = KeyringLocked("The keyring is locked.", hint="Unlock it and try again.")
WORDS = "correct horse"


@asynccontextmanager
async def shown(
    access: FakeAccess, problem: LockedError | None = None, *, user: str = "default", size: tuple[int, int] = USUAL
) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host(lambda: UnlockScreen(access, user, problem))
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        yield app, pilot


def field(app: Host) -> SecretField:
    return app.screen.query_one(SecretField)


# -- a new user ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_a_new_user_learns_what_the_passphrase_is_for(size: tuple[int, int]) -> None:
    async with shown(FakeAccess(exists=False), NO_KEYRING, size=size) as (app, _):
        text = " ".join(seen(app).replace("│", " ").split())

        assert "stored encrypted" in text
        assert "your history is lost" in text
        assert "Choose a passphrase" in text
        assert "no secure keyring" in text


async def test_a_new_history_is_made_when_the_passphrase_was_typed_twice() -> None:
    access = FakeAccess(exists=False)
    async with shown(access, NO_KEYRING) as (app, pilot):
        await burst(pilot, *WORDS, "enter")
        assert "The same again" in seen(app)
        await burst(pilot, *WORDS, "enter")
        await settle(pilot)

        assert [access.services] == app.results
        assert Secret(WORDS) == access.created


async def test_both_passphrases_typed_in_one_burst_arrive_whole() -> None:
    access = FakeAccess(exists=False)
    async with shown(access, NO_KEYRING) as (app, pilot):
        await burst(pilot, *"abx", "backspace", "c", "enter", *"abc", "enter")

        assert Secret("abc") == access.created
        assert [access.services] == app.results


async def test_two_different_passphrases_are_refused_and_asked_anew() -> None:
    access = FakeAccess(exists=False)
    async with shown(access, NO_KEYRING) as (app, pilot):
        await burst(pilot, *"one", "enter", *"two", "enter")
        await settle(pilot)

        assert "The two are not the same." in seen(app)
        assert "Choose a passphrase" in seen(app)
        assert [] == access.asked


async def test_an_empty_passphrase_is_refused() -> None:
    access = FakeAccess(exists=False)
    async with shown(access, NO_KEYRING) as (app, pilot):
        await burst(pilot, "enter")
        await settle(pilot)

        assert "It is empty." in seen(app)
        assert "Choose a passphrase" in seen(app)


async def test_a_short_passphrase_gets_a_remark_and_is_taken_all_the_same() -> None:
    access = FakeAccess(exists=False)
    async with shown(access, NO_KEYRING) as (app, pilot):
        await burst(pilot, *"abc")
        await settle(pilot)
        assert "Four or more random words" in seen(app)
        await burst(pilot, "enter", *"abc", "enter")
        await settle(pilot)

        assert Secret("abc") == access.created


async def test_escape_at_the_second_passphrase_goes_back_to_the_first() -> None:
    async with shown(FakeAccess(exists=False), NO_KEYRING) as (app, pilot):
        await burst(pilot, *"abc", "enter", "escape")
        await settle(pilot)

        assert "Choose a passphrase" in seen(app)


async def test_a_failed_creation_keeps_what_was_typed() -> None:
    access = FakeAccess(exists=False)
    access.refusal = StoreFailed("The disk is full.", hint="Make room.")
    async with shown(access, NO_KEYRING) as (app, pilot):
        await burst(pilot, *"abc", "enter", *"abc", "enter")
        await settle(pilot)
        assert "The disk is full. Make room." in seen(app)

        access.refusal = None
        await burst(pilot, "enter")
        await settle(pilot)

        assert Secret("abc") == access.created


async def test_a_new_user_may_ask_a_locked_keyring_again() -> None:
    access = FakeAccess(exists=False, keyring="GNOME Keyring")
    async with shown(access, LOCKED) as (app, pilot):
        await burst(pilot, "ctrl+r")
        await settle(pilot)

        assert ["create keyring"] == access.asked
        assert [access.services] == app.results


# -- an existing history -----------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_the_right_passphrase_opens_the_history(size: tuple[int, int]) -> None:
    access = FakeAccess("passphrase")
    async with shown(access, PassphraseNeeded("Only a passphrase opens this."), size=size) as (app, pilot):
        assert "✗" not in seen(app)
        secret_field = field(app)
        await burst(pilot, *WORDS, "enter")
        await settle(pilot)

        assert [access.services] == app.results
        assert "" == secret_field.value


async def test_what_is_typed_is_masked_until_f3_shows_it() -> None:
    async with shown(FakeAccess("passphrase")) as (app, pilot):
        await burst(pilot, *"secret")
        await settle(pilot)
        assert "secret" not in seen(app)
        assert "••••••" in seen(app)
        await burst(pilot, "f3")
        await settle(pilot)

        assert "secret" in seen(app)


async def test_a_passphrase_cannot_be_copied_out_of_its_field() -> None:
    async with shown(FakeAccess("passphrase")) as (app, pilot):
        await burst(pilot, *"secret", "ctrl+shift+a", "ctrl+c", "ctrl+x")
        await settle(pilot)

        assert "" == app.clipboard
        assert "" == field(app).value


async def test_a_wrong_passphrase_is_said_and_the_next_one_replaces_it() -> None:
    access = FakeAccess("passphrase")
    async with shown(access) as (app, pilot):
        for _ in range(3):
            await burst(pilot, *"wrong", "enter")
            await settle(pilot)
            assert "This is not the passphrase. Try it once more." in seen(app)
        await burst(pilot, *WORDS, "enter")
        await settle(pilot)

        assert [access.services] == app.results


async def test_a_second_enter_while_unlocking_tries_nothing_twice() -> None:
    access = FakeAccess("passphrase")
    access.passphrase_gate.clear()
    async with shown(access) as (app, pilot):
        await burst(pilot, *WORDS, "enter", "enter")
        await settle(pilot)
        assert "Unlocking…" in seen(app)
        access.passphrase_gate.set()
        await settle(pilot)

        assert ["passphrase"] == access.asked
        assert [access.services] == app.results


async def test_the_passphrase_can_be_typed_while_the_keyring_does_not_answer() -> None:
    access = FakeAccess("keyring", "passphrase", keyring="GNOME Keyring")
    access.gate.clear()
    async with shown(access, LOCKED) as (app, pilot):
        await burst(pilot, "ctrl+r")
        await settle(pilot)
        assert "Waiting for the keyring…" in seen(app)
        await burst(pilot, *WORDS, "enter")
        await settle(pilot)

        assert [access.services] == app.results


async def test_a_locked_keyring_is_asked_again_with_ctrl_r() -> None:
    access = FakeAccess("keyring", keyring="GNOME Keyring", problem=LOCKED)
    async with shown(access, LOCKED) as (app, pilot):
        assert "The keyring is locked." in seen(app)
        await burst(pilot, "ctrl+r")
        await settle(pilot)
        assert "The keyring is locked." in seen(app)
        access.keyring_problem = None
        await burst(pilot, "ctrl+r")
        await settle(pilot)

        assert [access.services] == app.results


async def test_where_two_ways_open_the_history_at_once_one_is_closed_again() -> None:
    access = FakeAccess("keyring", "passphrase", keyring="GNOME Keyring")
    access.gate.clear()
    access.passphrase_gate.clear()
    async with shown(access, LOCKED) as (app, pilot):
        await burst(pilot, "ctrl+r")
        await burst(pilot, *WORDS, "enter")
        assert ["open keyring", "passphrase"] == access.asked
        access.gate.set()
        access.passphrase_gate.set()
        await settle(pilot)

        assert [access.services] == app.results
        assert access.closed


async def test_a_history_that_was_locked_by_hand_is_opened_by_the_keyring_on_enter() -> None:
    access = FakeAccess("keyring", "recovery", keyring="GNOME Keyring")
    async with shown(access) as (app, pilot):
        assert "ctrl+r asks for it" in seen(app)
        await burst(pilot, "enter")
        await settle(pilot)

        assert [access.services] == app.results


async def test_a_missing_key_is_said_and_no_new_one_is_offered() -> None:
    access = FakeAccess("keyring", "passphrase", "recovery", keyring="GNOME Keyring")
    async with shown(access, MISSING) as (app, pilot):
        text = seen(app)
        assert "holds no key for this history" in text
        assert "Choose a passphrase" not in text
        assert "Recovery code" in text
        await burst(pilot, *WORDS, "enter")
        await settle(pilot)

        assert ["passphrase"] == access.asked


async def test_another_user_is_named() -> None:
    async with shown(FakeAccess("passphrase"), user="[bold]bob") as (app, _):
        assert "[bold]bob" in seen(app)


# -- the recovery code -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_the_recovery_code_opens_and_a_new_passphrase_is_set(size: tuple[int, int]) -> None:
    access = FakeAccess("passphrase", "recovery")
    async with shown(access, size=size) as (app, pilot):
        await burst(pilot, "ctrl+t")
        await burst(pilot, *FakeKeys.CODE)
        await settle(pilot)
        assert "Complete. Press enter." in seen(app)
        await burst(pilot, "enter")
        await settle(pilot)
        assert "Choose a new passphrase" in seen(app)
        assert [] == app.results
        await burst(pilot, *"new words", "enter", *"new words", "enter")
        await settle(pilot)

        assert Secret("new words") == access.keys.passphrase
        assert [access.services] == app.results


@pytest.mark.parametrize("slot", ["keyring", "passphrase"])
async def test_a_recovery_code_typed_right_behind_ctrl_t_arrives_whole(slot: str) -> None:
    access = FakeAccess(slot, "recovery", keyring="GNOME Keyring")
    async with shown(access) as (app, pilot):
        await burst(pilot, "ctrl+t", "x", "backspace", *FakeKeys.CODE, "enter")
        await settle(pilot)

        assert ["recovery"] == access.asked
        assert "Choose a new passphrase" in seen(app)


@pytest.mark.parametrize("slot", ["keyring", "passphrase"])
async def test_a_recovery_code_pasted_right_behind_ctrl_t_arrives_whole(slot: str) -> None:
    access = FakeAccess(slot, "recovery", keyring="GNOME Keyring")
    async with shown(access) as (app, pilot):
        app.post_message(events.Key("ctrl+t", None))
        app.post_message(events.Paste(FakeKeys.CODE))
        await burst(pilot, "enter")
        await settle(pilot)

        assert ["recovery"] == access.asked


async def test_keys_that_the_field_does_not_know_do_no_harm() -> None:
    async with shown(FakeAccess("passphrase", "recovery")) as (app, pilot):
        await burst(pilot, "f7", "ctrl+t", "f7", "up", "ctrl+r", "a", "escape", "b")
        await settle(pilot)

        assert "b" == field(app).value


async def test_a_passphrase_typed_while_the_key_is_looked_for_opens_the_history() -> None:
    gate = asyncio.Event()

    class Slow(FakeAccess):
        async def keyring(self) -> str | None:
            await gate.wait()
            return None

    access = Slow("passphrase")
    async with shown(access) as (app, pilot):
        await burst(pilot, *WORDS, "enter")
        assert [] == access.asked
        gate.set()
        await settle(pilot)

        assert [access.services] == app.results


async def test_after_the_recovery_code_the_keyring_can_hold_the_key() -> None:
    access = FakeAccess("recovery", keyring="GNOME Keyring")
    async with shown(access, MISSING) as (app, pilot):
        await burst(pilot, *FakeKeys.CODE, "enter")
        await settle(pilot)
        assert "GNOME Keyring" in seen(app)
        await burst(pilot, "ctrl+r")
        await settle(pilot)

        assert ["recovery", "keyring"] == access.keys.held
        assert [access.services] == app.results


async def test_after_the_recovery_code_escape_goes_on_without_a_new_way_in() -> None:
    access = FakeAccess("recovery")
    async with shown(access, MISSING) as (app, pilot):
        await burst(pilot, *FakeKeys.CODE, "enter")
        await settle(pilot)
        await burst(pilot, "escape")
        await settle(pilot)

        assert [access.services] == app.results
        assert access.keys.passphrase is None


async def test_a_mistyped_recovery_code_stays_for_mending() -> None:
    access = FakeAccess("recovery")
    async with shown(access, MISSING) as (app, pilot):
        await burst(pilot, *"ABC", "enter")
        await settle(pilot)

        assert "typing error" in seen(app)
        assert "ABC" == field(app).value


@pytest.mark.parametrize(
    ("typed", "remark"),
    [
        ("", ""),
        ("abcdefg-abcdefg", "14 of 56 characters."),
        ("AB 0", "Character 3 (0) does not occur in a code; perhaps it is O."),
        ("A!", "Character 2 (!) does not occur in a code."),
        ("A" * 58, "2 characters too many."),
        (FakeKeys.CODE.lower().replace("-", "  "), "Complete. Press enter."),
    ],
)
def test_a_recovery_code_is_checked_while_it_is_typed(typed: str, remark: str) -> None:
    assert remark == recovery_remark(typed)


# -- nothing helps ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
@pytest.mark.parametrize("kind", [NewerSchema, DamagedHistory])
async def test_a_history_that_cannot_be_read_is_explained_and_left_alone(
    kind: type[LockedError], size: tuple[int, int]
) -> None:
    access = FakeAccess("keyring", "passphrase", "recovery", keyring="GNOME Keyring")
    async with shown(access, kind("This is why.", hint="This helps."), size=size) as (app, pilot):
        text = seen(app)
        assert "This is why. This helps." in text
        assert "Nothing was changed." in text
        await burst(pilot, "ctrl+r", "ctrl+t", *"abc", "enter", "escape")
        await settle(pilot)

        assert [] == access.asked
        assert "This is why." in seen(app)


async def test_damage_found_behind_the_right_passphrase_is_explained() -> None:
    access = FakeAccess("passphrase")
    access.refusal = DamagedHistory("The file is damaged.", hint="Restore a backup.")
    async with shown(access) as (app, pilot):
        await burst(pilot, *WORDS, "enter")
        await settle(pilot)

        assert "The file is damaged. Restore a backup." in seen(app)
        assert "stays closed" in seen(app)
