"""The OS keyring's wrapper: time limit, add-only, failures in one vocabulary."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import keyring.errors
import pytest

from tests.crypto.parts import PROFILE, ForgetfulBackend, MemoryBackend, SilentBackend
from tui_chat.core.errors import KeyringLocked, KeyringUnavailable, TuiChatError, WrongKey
from tui_chat.crypto import keychain as keychain_module
from tui_chat.crypto.keychain import Keychain
from tui_chat.crypto.keys import make_key


def keychain_on(backend: MemoryBackend, *, time_limit: float = 5.0) -> Keychain:
    return Keychain(backend=lambda: backend, time_limit=time_limit)


class RaisingBackend(MemoryBackend):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def get_password(self, service: str, username: str) -> str | None:
        raise self.error


async def test_an_added_key_is_there() -> None:
    keychain, key = keychain_on(MemoryBackend()), make_key()
    name = await keychain.add(PROFILE, "kek", key)

    assert key == await keychain.get(PROFILE, "kek")
    assert "tests.crypto.parts.MemoryBackend" == name == await keychain.backend()


async def test_nothing_there_is_none() -> None:
    assert await keychain_on(MemoryBackend()).get(PROFILE, "kek") is None


async def test_an_item_is_never_replaced() -> None:
    keychain, key = keychain_on(MemoryBackend()), make_key()
    await keychain.add(PROFILE, "kek", key)

    with pytest.raises(KeyringUnavailable):
        await keychain.add(PROFILE, "kek", make_key())
    assert key == await keychain.get(PROFILE, "kek")


async def test_adding_the_same_key_again_changes_nothing() -> None:
    keychain, key = keychain_on(MemoryBackend()), make_key()
    await keychain.add(PROFILE, "kek", key)
    await keychain.add(PROFILE, "kek", key)

    assert key == await keychain.get(PROFILE, "kek")


async def test_a_keyring_that_forgets_is_no_keyring() -> None:
    with pytest.raises(KeyringUnavailable, match="did not keep"):
        await keychain_on(ForgetfulBackend()).add(PROFILE, "kek", make_key())


async def test_a_deleted_item_is_gone_and_deleting_again_is_fine() -> None:
    keychain = keychain_on(MemoryBackend())
    await keychain.add(PROFILE, "kek", make_key())
    await keychain.delete(PROFILE, "kek")
    await keychain.delete(PROFILE, "kek")

    assert await keychain.get(PROFILE, "kek") is None


async def test_a_keyring_that_does_not_answer_counts_as_locked() -> None:
    backend = SilentBackend()
    began = time.monotonic()

    with pytest.raises(KeyringLocked, match="does not answer") as raised:
        await keychain_on(backend, time_limit=0.05).get(PROFILE, "kek")
    assert "passphrase" in raised.value.hint
    assert time.monotonic() - began < 5
    backend.answer.set()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (keyring.errors.KeyringLocked("x"), KeyringLocked),
        (keyring.errors.InitError("Prompt dismissed"), KeyringLocked),
        (keyring.errors.NoKeyringError("x"), KeyringUnavailable),
        (RuntimeError("x"), KeyringUnavailable),
        (ConnectionRefusedError("x"), KeyringUnavailable),
    ],
)
async def test_a_backends_failure_gets_this_programs_name(error: Exception, expected: type[TuiChatError]) -> None:
    with pytest.raises(expected) as raised:
        await keychain_on(RaisingBackend(error)).get(PROFILE, "kek")
    assert raised.value.hint


@pytest.mark.parametrize("text", ["", "not base64!", "AAAA", "A" * 4000])
async def test_an_item_that_is_no_key_is_the_wrong_key(text: str) -> None:
    backend = MemoryBackend()
    backend.set_password(f"tui_chat/{PROFILE}", "kek", text)

    with pytest.raises(WrongKey) as raised:
        await keychain_on(backend).get(PROFILE, "kek")
    assert not text or text not in raised.value.sentence


def test_only_backends_named_here_are_ever_used() -> None:
    """A plugin that would win keyring's own choice is not even asked."""
    script = """
        import asyncio, keyring, keyring.backend, os, sys
        class Plaintext(keyring.backend.KeyringBackend):
            priority = 99
            def get_password(self, service, username): sys.exit("asked")
            def set_password(self, service, username, password): sys.exit("asked")
        keyring.set_keyring(Plaintext())
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent"
        from tui_chat.core.errors import KeyringUnavailable
        from tui_chat.crypto.keychain import Keychain
        try:
            asyncio.run(Keychain().get("profile", "kek"))
        except KeyringUnavailable as error:
            print(error, error.hint)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "This computer offers no secure keyring. Use a passphrase instead.\n"


def test_a_hanging_keyring_does_not_keep_the_process_from_exiting() -> None:
    script = """
        import asyncio, threading
        from tui_chat.core.errors import KeyringLocked
        from tui_chat.crypto.keychain import Keychain
        class Hanging:
            def get_password(self, service, username): threading.Event().wait()
        try:
            asyncio.run(Keychain(backend=Hanging, time_limit=0.05).get("profile", "kek"))
        except KeyringLocked:
            print("locked")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=30, check=True
    )

    assert (done.stdout, done.stderr) == ("locked\n", "")


def test_importing_the_keychain_imports_no_library() -> None:
    script = (
        "import sys, tui_chat.crypto.lock\n"
        "print([name for name in ('keyring', 'cryptography', 'secretstorage') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout == "[]\n"


def test_the_service_is_per_profile() -> None:
    assert keychain_module._service("abc") == "tui_chat/abc"
