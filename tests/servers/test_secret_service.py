"""The OS keyring for real: a Secret Service on a bus of its own."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crypto.parts import PROFILE, MemoryPlace
from tests.servers.secret_service import SecretService, missing_programs, secret_service
from tui_chat.core.errors import KeyMissing, KeyringLocked, KeyringUnavailable
from tui_chat.crypto.keychain import Backend, Keychain
from tui_chat.crypto.keyfile import KeyFile
from tui_chat.crypto.keys import make_key
from tui_chat.crypto.lock import HistoryLock

# The keyring library leaves its D-Bus connection open where the collection is locked.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    missing = missing_programs()
    if missing and os.environ.get("TUI_CHAT_REQUIRE_SERVERS") == "1":
        pytest.fail(f"required here, but not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    # A short path: the bus' socket is in it, and those have 108 characters.
    with tempfile.TemporaryDirectory(prefix="keyring-") as home, secret_service(Path(home)) as running:
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running
        gc.collect()  # here, where its open connections are forgiven


def new_lock(place: MemoryPlace) -> HistoryLock:
    return HistoryLock(PROFILE, place, Keychain())


async def test_a_history_created_with_the_keyring_opens_with_it(service: SecretService) -> None:
    place = MemoryPlace()
    created = await new_lock(place).create_with_keyring()

    assert await new_lock(place).unlock_with_keyring() == created
    slot = KeyFile.from_bytes(place.read() or b"").keyring
    assert slot is not None
    assert slot.backend == "keyring.backends.SecretService.Keyring"


async def test_it_still_opens_after_the_next_login(service: SecretService) -> None:
    place = MemoryPlace()
    created = await new_lock(place).create_with_keyring()
    service.stop_keyring()
    service.start_keyring(password=b"test")

    assert await new_lock(place).unlock_with_keyring() == created


async def test_a_missing_item_is_key_missing_and_stays_missing(service: SecretService) -> None:
    place = MemoryPlace()
    lock = new_lock(place)
    await lock.create_with_keyring()
    await lock.forget_keyring_item()
    for _ in range(2):
        with pytest.raises(KeyMissing):
            await new_lock(place).unlock_with_keyring()


async def test_a_locked_collection_is_said_to_be_locked(service: SecretService) -> None:
    place = MemoryPlace()
    await new_lock(place).create_with_keyring()
    service.lock()

    with pytest.raises(KeyringLocked) as raised:
        await new_lock(place).unlock_with_keyring()
    assert "passphrase" in raised.value.hint


async def test_a_locked_collection_gets_no_new_item(service: SecretService) -> None:
    await new_lock(MemoryPlace()).create_with_keyring()
    service.lock()
    place = MemoryPlace()

    with pytest.raises(KeyringLocked):
        await new_lock(place).create_with_keyring()
    assert place.data is None


async def test_no_service_on_the_bus_is_unavailable(service: SecretService) -> None:
    service.stop()

    with pytest.raises(KeyringUnavailable):
        await new_lock(MemoryPlace()).create_with_keyring()


async def test_items_are_added_read_and_deleted(service: SecretService) -> None:
    keychain, key, other = Keychain(), make_key(), make_key()
    await keychain.add(PROFILE, "one", key)
    await keychain.add("another profile", "one", other)
    with pytest.raises(KeyringUnavailable):
        await keychain.add(PROFILE, "one", other)
    read = [await keychain.get(PROFILE, "one"), await keychain.get("another profile", "one")]
    await keychain.delete(PROFILE, "one")

    assert read == [key, other]
    assert await keychain.get(PROFILE, "one") is None
    assert await keychain.get("another profile", "one") == other


async def test_the_key_is_in_no_log_no_repr_and_no_file(
    service: SecretService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place = MemoryPlace()
    lock = new_lock(place)
    await lock.create_with_keyring()
    await new_lock(place).unlock_with_keyring()
    assert place.data is not None
    slot = KeyFile.from_bytes(place.data).keyring
    assert slot is not None
    item = await _item_text(slot.account)
    files = [file.read_bytes() for file in _files_below(Path(service.environment["HOME"]))]

    assert item not in caplog.text + repr(vars(lock))
    assert files
    assert not any(item.encode() in content for content in [*files, place.data])


async def _item_text(account: str) -> str:
    """The item as the keyring holds it."""
    from keyring.backends.SecretService import Keyring

    backend: Backend = Keyring()  # type: ignore[no-untyped-call]
    text = backend.get_password(f"tui_chat/{PROFILE}", account)
    assert text
    return text


def _files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
