"""The lock: creating, opening by each slot, changing slots, and two first starts at once."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crypto.parts import CHEAP, PROFILE, ForgetfulBackend, MemoryBackend, MemoryPlace, OtherBackend, history_lock
from tui_chat.core.errors import (
    BadInput,
    DamagedHistory,
    KeyMissing,
    KeyringUnavailable,
    LockedError,
    PassphraseNeeded,
    WrongKey,
)
from tui_chat.core.secret import Secret
from tui_chat.crypto.keychain import Keychain
from tui_chat.crypto.keyfile import KeyFile
from tui_chat.crypto.lock import HistoryLock
from tui_chat.disk.files import FileAt

PASSPHRASE = Secret("correct horse")


@pytest.fixture
def place() -> MemoryPlace:
    return MemoryPlace()


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


def key_file(place: MemoryPlace) -> KeyFile:
    assert place.data is not None
    return KeyFile.from_bytes(place.data)


# -- creating and opening -----------------------------------------------------------------


async def test_the_keyring_opens_what_it_created(place: MemoryPlace, backend: MemoryBackend) -> None:
    created = history_lock(place, backend)
    before = await created.exists()
    data = await created.create_with_keyring()

    assert not before
    assert data == await history_lock(place, backend).unlock_with_keyring()
    assert await created.slots() == ("keyring",)
    slot = key_file(place).keyring
    assert slot is not None
    assert slot.backend == "tests.crypto.parts.MemoryBackend"


async def test_the_passphrase_opens_what_it_created(place: MemoryPlace, backend: MemoryBackend) -> None:
    data = await history_lock(place, backend).create_with_passphrase(PASSPHRASE)

    assert data == await history_lock(place, backend).unlock_with_passphrase(PASSPHRASE)
    assert backend.items == {}


async def test_every_slot_opens_the_same_history(place: MemoryPlace, backend: MemoryBackend) -> None:
    lock = history_lock(place, backend)
    data = await lock.create_with_keyring()
    await lock.set_passphrase(PASSPHRASE)
    code = await lock.make_recovery_code()
    opened = [
        await history_lock(place, backend).unlock_with_keyring(),
        await history_lock(place, backend).unlock_with_passphrase(PASSPHRASE),
        await history_lock(place, backend).unlock_with_recovery(Secret(code.lower())),
    ]

    assert [data] * 3 == opened
    assert await lock.slots() == ("keyring", "passphrase", "recovery")


async def test_two_profiles_have_nothing_in_common(place: MemoryPlace, backend: MemoryBackend) -> None:
    data = await history_lock(place, backend).create_with_passphrase(PASSPHRASE)
    other = MemoryPlace()

    assert data != await history_lock(other, backend).create_with_passphrase(PASSPHRASE)


# -- what does not open ---------------------------------------------------------------------


async def test_nothing_in_the_keyring_is_key_missing_and_makes_no_key(
    place: MemoryPlace, backend: MemoryBackend
) -> None:
    await history_lock(place, backend).create_with_keyring()
    written = place.data
    backend.items.clear()

    with pytest.raises(KeyMissing):
        await history_lock(place, backend).unlock_with_keyring()
    assert backend.items == {}
    assert written == place.data


async def test_another_keyring_than_the_recorded_one_is_named(place: MemoryPlace, backend: MemoryBackend) -> None:
    await history_lock(place, backend).create_with_keyring()

    with pytest.raises(KeyMissing) as raised:
        await history_lock(place, OtherBackend()).unlock_with_keyring()
    assert "MemoryBackend" in raised.value.hint
    assert "OtherBackend" in raised.value.hint


async def test_another_item_in_the_keyring_is_the_wrong_key(place: MemoryPlace, backend: MemoryBackend) -> None:
    await history_lock(place, backend).create_with_keyring()
    backend.items = dict.fromkeys(backend.items, "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")

    with pytest.raises(WrongKey, match="not this history's"):
        await history_lock(place, backend).unlock_with_keyring()


async def test_a_wrong_passphrase_is_the_wrong_key(place: MemoryPlace, backend: MemoryBackend) -> None:
    await history_lock(place, backend).create_with_passphrase(PASSPHRASE)

    with pytest.raises(WrongKey, match="not the passphrase"):
        await history_lock(place, backend).unlock_with_passphrase(Secret("wrong horse"))


async def test_an_old_recovery_code_no_longer_opens(place: MemoryPlace, backend: MemoryBackend) -> None:
    lock = history_lock(place, backend)
    await lock.create_with_passphrase(PASSPHRASE)
    old = await lock.make_recovery_code()
    await lock.make_recovery_code()

    with pytest.raises(WrongKey, match="not the recovery code"):
        await history_lock(place, backend).unlock_with_recovery(Secret(old))


async def test_a_damaged_slot_is_damage_and_not_a_wrong_key(place: MemoryPlace, backend: MemoryBackend) -> None:
    await history_lock(place, backend).create_with_passphrase(PASSPHRASE)
    whole = key_file(place)
    assert whole.passphrase is not None
    wrapped = replace(whole.passphrase.wrapped, key=bytes(60))
    place.data = replace(whole, passphrase=replace(whole.passphrase, wrapped=wrapped)).to_bytes()

    with pytest.raises(DamagedHistory):
        await history_lock(place, backend).unlock_with_passphrase(PASSPHRASE)


async def test_a_changed_file_is_damage(place: MemoryPlace, backend: MemoryBackend) -> None:
    await history_lock(place, backend).create_with_passphrase(PASSPHRASE)
    assert place.data is not None
    content = json.loads(place.data)
    content["slots"]["passphrase"]["salt"] = "00" * 16
    place.data = json.dumps(content, indent=1).encode() + b"\n"

    with pytest.raises(DamagedHistory):
        await history_lock(place, backend).unlock_with_passphrase(PASSPHRASE)


async def test_another_profiles_key_file_is_refused(place: MemoryPlace, backend: MemoryBackend) -> None:
    await history_lock(place, backend).create_with_passphrase(PASSPHRASE)
    stranger = HistoryLock("another", place, Keychain(backend=lambda: backend))

    with pytest.raises(DamagedHistory, match="another profile"):
        await stranger.unlock_with_passphrase(PASSPHRASE)


async def test_without_a_key_file_nothing_is_made(backend: MemoryBackend) -> None:
    with pytest.raises(KeyMissing):
        await history_lock(MemoryPlace(), backend).unlock_with_keyring()
    assert backend.items == {}


async def test_a_missing_slot_names_the_ones_there_are(place: MemoryPlace, backend: MemoryBackend) -> None:
    await history_lock(place, backend).create_with_passphrase(PASSPHRASE)

    with pytest.raises(PassphraseNeeded) as raised:
        await history_lock(place, backend).unlock_with_keyring()
    assert "the passphrase" in raised.value.hint


async def test_a_keyring_that_forgets_leaves_no_key_file(place: MemoryPlace) -> None:
    with pytest.raises(KeyringUnavailable):
        await history_lock(place, ForgetfulBackend()).create_with_keyring()
    assert place.data is None


async def test_an_empty_passphrase_creates_nothing(place: MemoryPlace, backend: MemoryBackend) -> None:
    with pytest.raises(BadInput):
        await history_lock(place, backend).create_with_passphrase(Secret(""))
    assert place.data is None


async def test_a_history_is_made_once(place: MemoryPlace, backend: MemoryBackend) -> None:
    lock = history_lock(place, backend)
    await lock.create_with_keyring()
    at_first = await lock.history_was_made()
    other = history_lock(place, backend)
    await other.unlock_with_keyring()
    await other.record_history()
    await other.set_passphrase(PASSPHRASE)

    assert (at_first, await lock.history_was_made()) == (False, True)


# -- two first starts at once ------------------------------------------------------------------


class LatePlace(MemoryPlace):
    """A place where another process is quicker: its history appears just before ours is created."""

    def __init__(self, other: MemoryPlace) -> None:
        super().__init__()
        self._other = other

    def create(self, data: bytes) -> None:
        self.data = self._other.data
        super().create(data)


async def test_the_second_of_two_first_starts_opens_the_firsts_history(backend: MemoryBackend) -> None:
    first = MemoryPlace()
    data = await history_lock(first, backend).create_with_keyring()
    items = dict(backend.items)
    late = LatePlace(first)

    assert data == await history_lock(late, backend).create_with_keyring()
    assert items == backend.items
    assert first.data == late.data


async def test_many_first_starts_at_once_agree_on_one_history(place: MemoryPlace, backend: MemoryBackend) -> None:
    opened = await asyncio.gather(*(history_lock(place, backend).create_with_keyring() for _ in range(6)))

    assert len({key.reveal() for key in opened}) == 1
    assert len(backend.items) == 1
    assert opened[0] == await history_lock(place, backend).unlock_with_keyring()


async def test_the_item_is_in_the_keyring_before_the_key_file_exists(backend: MemoryBackend) -> None:
    seen: list[int] = []

    class WatchfulPlace(MemoryPlace):
        def create(self, data: bytes) -> None:
            seen.append(len(backend.items))
            super().create(data)

    await history_lock(WatchfulPlace(), backend).create_with_keyring()

    assert seen == [1]


async def test_a_creation_that_cannot_write_its_file_can_be_tried_again(
    place: MemoryPlace, backend: MemoryBackend
) -> None:
    class FullPlace(MemoryPlace):
        def create(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        await history_lock(FullPlace(), backend).create_with_keyring()

    data = await history_lock(place, backend).create_with_keyring()
    assert data == await history_lock(place, backend).unlock_with_keyring()


# -- changing slots ----------------------------------------------------------------------------


async def test_a_locked_history_gets_no_new_slots(place: MemoryPlace, backend: MemoryBackend) -> None:
    await history_lock(place, backend).create_with_passphrase(PASSPHRASE)
    written = place.data

    with pytest.raises(LockedError):
        await history_lock(place, backend).make_recovery_code()
    assert written == place.data


async def test_a_new_passphrase_replaces_the_old(place: MemoryPlace, backend: MemoryBackend) -> None:
    lock = history_lock(place, backend)
    data = await lock.create_with_passphrase(PASSPHRASE)
    await lock.set_passphrase(Secret("a new one"))

    assert data == await history_lock(place, backend).unlock_with_passphrase(Secret("a new one"))
    with pytest.raises(WrongKey):
        await history_lock(place, backend).unlock_with_passphrase(PASSPHRASE)


async def test_a_lost_keyring_item_can_be_replaced_after_recovery(place: MemoryPlace, backend: MemoryBackend) -> None:
    lock = history_lock(place, backend)
    data = await lock.create_with_keyring()
    code = await lock.make_recovery_code()
    backend.items.clear()
    recovered = history_lock(place, backend)
    await recovered.unlock_with_recovery(Secret(code))
    await recovered.add_keyring()

    assert data == await history_lock(place, backend).unlock_with_keyring()
    assert len(backend.items) == 1


class SlowFile(FileAt):
    """A file between whose reading and changing there is time for another process to change it."""

    def read(self) -> bytes | None:
        data = super().read()
        time.sleep(0.05)
        return data


async def test_slots_that_are_changed_by_two_processes_at_once_are_all_kept(
    tmp_path: Path, backend: MemoryBackend
) -> None:
    file = SlowFile(tmp_path / "keys.json")
    locks = [HistoryLock(PROFILE, file, Keychain(backend=lambda: backend), price=CHEAP) for _ in range(3)]
    data = await locks[0].create_with_keyring()
    for lock in locks[1:]:
        await lock.unlock_with_keyring()

    code, *_ = await asyncio.gather(
        locks[0].make_recovery_code(), locks[1].set_passphrase(PASSPHRASE), locks[2].add_keyring()
    )

    assert await locks[0].unlock_with_recovery(Secret(code)) == data
    assert await locks[0].unlock_with_passphrase(PASSPHRASE) == data
    assert await locks[0].unlock_with_keyring() == data


async def test_a_keyring_slot_that_two_processes_replace_at_once_leaves_one_item(
    tmp_path: Path, backend: MemoryBackend
) -> None:
    file = SlowFile(tmp_path / "keys.json")
    locks = [HistoryLock(PROFILE, file, Keychain(backend=lambda: backend), price=CHEAP) for _ in range(2)]
    data = await locks[0].create_with_keyring()
    await locks[1].unlock_with_keyring()
    await asyncio.gather(*(lock.add_keyring() for lock in locks))

    assert len(backend.items) == 1
    assert await locks[0].unlock_with_keyring() == data


async def test_forgetting_removes_the_item_without_unlocking(place: MemoryPlace, backend: MemoryBackend) -> None:
    await history_lock(place, backend).create_with_keyring()
    await history_lock(place, backend).forget_keyring_item()

    assert backend.items == {}


# -- nothing leaks -------------------------------------------------------------------------------


async def test_keys_are_in_no_log_repr_or_key_file(
    place: MemoryPlace, backend: MemoryBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    lock = history_lock(place, backend)
    data = await lock.create_with_keyring()
    await lock.set_passphrase(PASSPHRASE)
    (item,) = backend.items.values()
    shown = "".join([caplog.text, repr(lock), repr(vars(lock)), repr(data), repr(key_file(place))])

    for secret in (item, data.reveal().hex(), PASSPHRASE.reveal_text(), repr(data.reveal())):
        assert secret not in shown
    assert place.data is not None
    assert data.reveal().hex().encode() not in place.data
    assert item.encode() not in place.data
