"""The user profiles of this computer: their display names, and where each one's files are.

``profiles.json`` holds ids and names only and can be read by anyone who has the disk. Each
profile has its own history ``<id>.db`` and its own keys ``<id>.keys.json`` beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tui_chat.core.errors import BadInput, NotFound, Refused, StoreFailed
from tui_chat.core.ids import make_id
from tui_chat.disk import files
from tui_chat.disk.paths import PRIVATE_FILE, private_folder

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: one process at a time is the user's care there
    fcntl = None

NAME_LENGTH = 64
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """A user profile: ``id`` names its files and never changes, ``name`` is what people call it."""

    id: str
    name: str


class Profiles:
    """The list in ``profiles.json``; every change is safe beside other running processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> Sequence[Profile]:
        """In the order they were made."""
        return self._read()

    def find(self, name: str) -> Profile | None:
        """The profile of that name, if there is one."""
        wanted = unicodedata.normalize("NFC", name).strip()
        return next((profile for profile in self._read() if profile.name == wanted), None)

    def add(self, name: str) -> Profile:
        """The profile of that name, made where it is missing. Raises BadInput for a name that cannot be one."""
        wanted = clean_name(name)
        with self._locked():
            profiles = self._read()
            for profile in profiles:
                if profile.name == wanted:
                    return profile
            added = Profile(make_id(), wanted)
            self._write((*profiles, added))
        return added

    def rename(self, old: str, new: str) -> Profile:
        """Give it another name. Raises NotFound, BadInput, and Refused where the new name is taken."""
        wanted = clean_name(new)
        with self._locked():
            profiles = self._read()
            profile = _named(profiles, old)
            if any(other.name == wanted for other in profiles if other.id != profile.id):
                raise Refused(f"There is a profile “{wanted}” already.", hint="Choose another name.")
            renamed = replace(profile, name=wanted)
            self._write(tuple(renamed if each.id == profile.id else each for each in profiles))
        return renamed

    def remove(self, name: str) -> Profile:
        """Erase its key file, then its history, then its name. The keyring's item is the caller's to remove."""
        with self._locked():
            profiles = self._read()
            profile = _named(profiles, name)
            history = self.history_file(profile)
            # Keys first: without them the rest is noise, even where erasing stops half way.
            for path in (self.key_file(profile), history, *(history.with_name(history.name + e) for e in _COMPANIONS)):
                _erase(path)
            self._write(tuple(each for each in profiles if each.id != profile.id))
        return profile

    def history_file(self, profile: Profile) -> Path:
        """Its encrypted history."""
        return self._path.with_name(f"{profile.id}.db")

    def key_file(self, profile: Profile) -> Path:
        """Its key slots."""
        return self._path.with_name(f"{profile.id}.keys.json")

    # -- the file -------------------------------------------------------------------

    def _read(self) -> tuple[Profile, ...]:
        data = files.read_if_there(self._path)
        if data is None:
            return ()
        try:
            document = json.loads(data)
            version = document["version"]
            profiles = tuple(Profile(_uuid(entry["id"]), clean_name(entry["name"])) for entry in document["profiles"])
        except (ValueError, KeyError, TypeError, RecursionError, BadInput) as error:
            # Never treated as empty: that would hide histories and make new ones beside them.
            raise StoreFailed(
                f"{self._path} is damaged.", hint="Restore it from a backup; the histories beside it are untouched."
            ) from error
        if version != _VERSION:
            raise StoreFailed(f"{self._path} was written by a newer version.", hint="Update tui_chat.")
        return profiles

    def _write(self, profiles: Sequence[Profile]) -> None:
        entries: list[dict[str, Any]] = [{"id": profile.id, "name": profile.name} for profile in profiles]
        text = json.dumps({"version": _VERSION, "profiles": entries}, ensure_ascii=False, indent=2)
        files.replace(self._path, f"{text}\n".encode())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """No other process changes the list meanwhile."""
        private_folder(self._path.parent)
        lock = self._path.with_suffix(".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)  # which also gives the lock back


_COMPANIONS = ("-wal", "-shm", "-journal")


def clean_name(name: str) -> str:
    """A display name as it is kept: NFC, without outer blanks, 1 to 64 characters.

    Raises BadInput for path separators, control, formatting and other invisible characters.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(cleaned) <= NAME_LENGTH:
        raise BadInput(f"A profile's name has 1 to {NAME_LENGTH} characters.")
    if any(character in "/\\" or unicodedata.category(character) in _UNNAMEABLE for character in cleaned):
        raise BadInput("A profile's name has no slashes and no control or invisible characters.")
    return cleaned


_UNNAMEABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _named(profiles: Sequence[Profile], name: str) -> Profile:
    wanted = unicodedata.normalize("NFC", name).strip()
    for profile in profiles:
        if profile.name == wanted:
            return profile
    raise NotFound("There is no profile of that name.", hint="`tui-chat users` lists them.")


def _uuid(text: object) -> str:
    """An id as it may become a file's name."""
    if not isinstance(text, str) or len(text) != 36 or not set(text) <= set("0123456789abcdef-"):
        raise ValueError("not an id")
    return text


def _erase(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreFailed(f"{path} could not be erased ({error.strerror}).") from error
