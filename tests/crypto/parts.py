"""What the crypto tests stand on: a keyring in memory, a place in memory, a cheap key derivation."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from tui_chat.crypto.keychain import Keychain
from tui_chat.crypto.keys import KdfParameters
from tui_chat.crypto.lock import HistoryLock

CHEAP = KdfParameters(memory_kib=64, iterations=1, lanes=1)
PROFILE = "0197a2b4-0000-7000-8000-00000000abcd"


class MemoryBackend:
    """A keyring backend in memory."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.items[service, username]


class OtherBackend(MemoryBackend):
    """Another keyring, as after a change of desktop."""


class ForgetfulBackend(MemoryBackend):
    """Like keyring's null backend: it accepts everything and keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        return


class SilentBackend(MemoryBackend):
    """Like a keyring that shows a dialogue nobody sees, until ``answer`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.answer.wait(30)
        return None


class MemoryPlace:
    """A place for a key file in memory."""

    def __init__(self, data: bytes | None = None) -> None:
        self.data = data
        self._lock = threading.Lock()

    def read(self) -> bytes | None:
        return self.data

    def create(self, data: bytes) -> None:
        if self.data is not None:
            raise FileExistsError
        self.data = data

    def replace(self, data: bytes) -> None:
        self.data = data

    def locked(self) -> AbstractContextManager[object]:
        return self._lock


def history_lock(place: MemoryPlace, backend: MemoryBackend, *, time_limit: float = 5.0) -> HistoryLock:
    return HistoryLock(PROFILE, place, Keychain(backend=lambda: backend, time_limit=time_limit), price=CHEAP)
