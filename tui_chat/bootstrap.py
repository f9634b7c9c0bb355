"""Choose concrete parts and join them: the only module that sees every part.

The libraries behind the rim (the database, the keyring, cryptography, HTTP) are imported by the
functions that need them, so that the first paint does not wait for any of them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui_chat import __version__
from tui_chat.core.errors import (
    KeyMissing,
    KeyringLocked,
    KeyringUnavailable,
    LockedError,
    NotFound,
    Refused,
    StoreFailed,
)
from tui_chat.core.models import ModelRef
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Settings
from tui_chat.disk.files import FileAt
from tui_chat.disk.log import Log
from tui_chat.disk.paths import places, private_folder
from tui_chat.disk.profiles import Profile, Profiles
from tui_chat.disk.settings import TomlSettings
from tui_chat.services.program import Access, Check, Keys, Services, User

if TYPE_CHECKING:
    from tui_chat.core.local import GgufFile, LocalModels
    from tui_chat.core.ports import ConversationStore, Providers, Recall
    from tui_chat.crypto.keychain import Keychain
    from tui_chat.crypto.lock import HistoryLock


class LocalProgram:
    """One run of ``tui-chat`` on this computer's files, keyring and network."""

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        user: str | None = None,
        model: str | None = None,
        interactive: bool = False,
        gguf: Path | None = None,
        keychain: Keychain | None = None,
        providers: Providers | None = None,
    ) -> None:
        self._environment = environment
        self._places = places(environment)
        self._file = TomlSettings(self._places.settings_file)
        self._profiles = Profiles(self._places.profiles_file)
        self._log = Log(self._places.log_file)
        self._settings = self._file.load()
        self._user = user or environment.get("TUI_CHAT_USER") or self._settings.user
        self._model = model or environment.get("TUI_CHAT_MODEL")
        self._gguf = gguf
        self._model_of_run: ModelRef | None = None
        self._interactive = interactive
        self._keychain = keychain
        self._providers = providers

    # -- settings ---------------------------------------------------------------------

    @property
    def user(self) -> str:
        return self._user

    @property
    def settings(self) -> Settings:
        return replace(self._settings, model=self._model_of_run) if self._model_of_run else self._settings

    @property
    def settings_path(self) -> Path:
        return self._places.settings_file

    @property
    def settings_problems(self) -> Sequence[str]:
        return self._file.problems

    def save_settings(self, settings: Settings) -> None:
        if settings.model == self._model_of_run:
            settings = replace(settings, model=self._settings.model)
        else:
            self._model_of_run = None
        self._file.save(settings)
        self._settings = settings

    def set_setting(self, key: str, value: str) -> None:
        self._file.set_value(key, value)
        self._settings = self._file.load()

    # -- users ------------------------------------------------------------------------

    def users(self) -> Sequence[User]:
        return [User(each.name, each.id, each.name == self._user) for each in self._profiles.all()]

    def add_user(self, name: str) -> User:
        if self._profiles.find(name) is not None:
            raise Refused("There is a user of that name already.", hint="`tui-chat users` lists them.")
        profile = self._profiles.add(name)
        return User(profile.name, profile.id, profile.name == self._user)

    def rename_user(self, old: str, new: str) -> User:
        profile = self._profiles.rename(old, new)
        return User(profile.name, profile.id, profile.name == self._user)

    async def remove_user(self, name: str) -> None:
        profile = await asyncio.to_thread(self._profiles.find, name)
        if profile is None:
            raise NotFound("There is no user of that name.", hint="`tui-chat users` lists them.")
        lock = self._lock(profile)
        if await lock.exists():
            with suppress(LockedError):  # a keyring that is locked or gone must not keep a history from being destroyed
                await lock.forget_keyring_item()
        await asyncio.to_thread(self._profiles.remove, name)

    def access(self) -> Access:
        return _LocalAccess(self)

    # -- upkeep -----------------------------------------------------------------------

    async def checks(self) -> Sequence[Check]:
        return [
            Check("tui_chat", True, __version__),
            await asyncio.to_thread(_cipher_check),
            await self._keyring_check(),
            *await asyncio.to_thread(self._mode_checks),
            Check("settings", not self.settings_problems, " ".join(self.settings_problems) or str(self.settings_path)),
        ]

    def write_private_file(self, path: Path, data: bytes, *, overwrite: bool) -> None:
        file = FileAt(path)
        if overwrite:
            file.replace(data)
            return
        try:
            file.create(data)
        except FileExistsError:
            raise Refused(f"{path} is there already.", hint="Choose another name, or allow to overwrite it.") from None

    def record_crash(self, error: BaseException) -> Path:
        return self._log.record_crash(error)

    async def _keyring_check(self) -> Check:
        try:
            name = await self._the_keychain().backend()
        except LockedError as error:
            return Check("keyring", False, error.sentence)
        return Check("keyring", True, name)

    def _mode_checks(self) -> Sequence[Check]:
        """Files are 0600 and folders 0700, where the system has modes."""
        if os.name != "posix":
            return ()
        loose = []
        for folder in (self._places.data, self._places.config, self._places.state):
            for path in (folder, *folder.glob("*")) if folder.is_dir() else ():
                if path.stat().st_mode & 0o077:
                    loose.append(str(path))
        return [Check("file modes", not loose, f"readable by others: {', '.join(loose)}" if loose else "private")]

    # -- joining ----------------------------------------------------------------------

    def _the_keychain(self) -> Keychain:
        if self._keychain is None:
            from tui_chat.crypto.keychain import Keychain

            self._keychain = Keychain()
        return self._keychain

    def _lock(self, profile: Profile) -> HistoryLock:
        from tui_chat.crypto.lock import HistoryLock

        return HistoryLock(profile.id, FileAt(self._profiles.key_file(profile)), self._the_keychain())

    async def _services(self, profile: Profile, lock: HistoryLock, data_key: Secret) -> Services:
        """Open the history with its key, made where it never was, and join everything that works on it.

        A history that was there and is gone is DamagedHistory, never a new one in its place.
        """
        from tui_chat.crypto.coredump import forbid_core_dumps
        from tui_chat.store import open_store

        forbid_core_dumps()
        path = self._profiles.history_file(profile)
        await asyncio.to_thread(private_folder, path.parent)
        made = await lock.history_was_made()
        store = await open_store(path, data_key, create=not made)
        if not made:
            try:
                await lock.record_history()
            except BaseException:
                await store.close()
                raise
        services = self._join(store, _LocalKeys(lock, self._the_keychain()))
        if self._gguf is not None:
            try:
                self._model_of_run = await services.local.choose(await services.local.read(self._gguf))
            except BaseException:
                await services.close()
                raise
        return services

    def _join(self, store: ConversationStore, keys: Keys) -> Services:
        from tui_chat.disk.attached import UserFiles
        from tui_chat.services.joined import Rim, join
        from tui_chat.transfer import EXPORTERS, IMPORTERS

        rim = Rim(
            store,
            keys,
            self._providers or self._http_providers(),
            self._local_models,
            _recall_index,
            UserFiles(),
            EXPORTERS,
            IMPORTERS,
        )
        services = join(
            rim,
            settings=lambda: self.settings,
            save=self.save_settings,
            environment=self._environment,
            interactive=self._interactive,
            generator=f"tui-chat {__version__}",
        )
        if self._model is not None:
            # Known only now, because a name may need its endpoint; held apart, because it is never written.
            self._model_of_run = services.endpoints.parse(self._model)
        return services

    async def read_model_file(self, path: Path) -> GgufFile:
        return await self._local_models().read(path)

    def _local_models(self) -> LocalModels:
        from tui_chat.local import LlamaCpp

        return LlamaCpp(self._environment)

    def _http_providers(self) -> Providers:
        from tui_chat.providers.connect import HttpProviders

        return HttpProviders(first_byte_timeout=self._settings.first_byte_timeout)


def _recall_index() -> Recall:
    """An empty index for retrieval; imported by who first needs one."""
    from tui_chat.recall import BranchIndex

    return BranchIndex()


class _LocalKeys:
    """The slots of the open history, and this computer's keyring."""

    def __init__(self, lock: HistoryLock, keychain: Keychain) -> None:
        self._keychain = keychain
        self.slots = lock.slots
        self.set_passphrase = lock.set_passphrase
        self.add_keyring = lock.add_keyring
        self.make_recovery_code = lock.make_recovery_code

    async def keyring(self) -> str | None:
        return await _name_of(self._keychain)


class _LocalAccess:
    """One user's way in: the profile's key slots, and the file behind them."""

    def __init__(self, program: LocalProgram) -> None:
        self._program = program

    async def exists(self) -> bool:
        profile = await asyncio.to_thread(self._profile)
        if profile is None:
            return False
        return await self._program._lock(profile).exists() or self._history_exists(profile)

    async def slots(self) -> Sequence[str]:
        profile = await asyncio.to_thread(self._profile)
        lock = None if profile is None else self._program._lock(profile)
        return await lock.slots() if lock is not None and await lock.exists() else ()

    async def keyring(self) -> str | None:
        return await _name_of(self._program._the_keychain())

    async def open_with_keyring(self) -> Services:
        profile, lock = await self._existing()
        try:
            data_key = await lock.unlock_with_keyring()
        except (KeyringUnavailable, KeyringLocked) as error:
            error.hint = _ways_without(await lock.slots(), locked=isinstance(error, KeyringLocked))
            raise
        return await self._program._services(profile, lock, data_key)

    async def open_with_passphrase(self, passphrase: Secret) -> Services:
        profile, lock = await self._existing()
        return await self._program._services(profile, lock, await lock.unlock_with_passphrase(passphrase))

    async def open_with_recovery(self, code: Secret) -> Services:
        profile, lock = await self._existing()
        return await self._program._services(profile, lock, await lock.unlock_with_recovery(code))

    async def create_with_keyring(self) -> Services:
        await self._program._the_keychain().backend()  # where there is none, no profile is left behind
        profile, lock = await self._new()
        return await self._program._services(profile, lock, await lock.create_with_keyring())

    async def create_with_passphrase(self, passphrase: Secret) -> Services:
        profile, lock = await self._new()
        return await self._program._services(profile, lock, await lock.create_with_passphrase(passphrase))

    def open_empty(self) -> Services:
        from tui_chat.services.empty import EmptyStore, NoKeys

        return self._program._join(EmptyStore(), NoKeys())

    # -- inside -------------------------------------------------------------------------

    def _profile(self) -> Profile | None:
        return self._program._profiles.find(self._program.user)

    def _history_exists(self, profile: Profile) -> bool:
        return self._program._profiles.history_file(profile).exists()

    async def _existing(self) -> tuple[Profile, HistoryLock]:
        profile = await asyncio.to_thread(self._profile)
        if profile is None:
            raise NotFound("There is no user of that name.", hint="`tui-chat users` lists them.")
        return profile, self._program._lock(profile)

    async def _new(self) -> tuple[Profile, HistoryLock]:
        profile = await asyncio.to_thread(self._program._profiles.add, self._program.user)
        if self._history_exists(profile) and not await self._program._lock(profile).exists():
            raise KeyMissing(
                "This user's history is here, but its key file is gone.",
                hint="Restore the file that ends in .keys.json from a backup; the history was left untouched.",
            )
        return profile, self._program._lock(profile)


async def _name_of(keychain: Keychain) -> str | None:
    try:
        return await keychain.backend()
    except KeyringUnavailable:
        return None


def _ways_without(slots: Sequence[str], *, locked: bool) -> str:
    """How a history of these slots is opened where its keyring is locked, or is not there."""
    names = {"passphrase": "the passphrase", "recovery": "the recovery code"}
    others = " or ".join(name for slot, name in names.items() if slot in slots)
    if locked:
        return (
            f"Unlock it, or open the history with {others}."
            if others
            else "Unlock it: no other way opens this history."
        )
    session = "run tui-chat in the desktop session whose keyring holds its key"
    if sys.platform not in ("darwin", "win32"):
        session += ", or with that session's DBUS_SESSION_BUS_ADDRESS"
    return f"Open it with {others}, or {session}." if others else f"No other way opens this history: {session}."


def _cipher_check() -> Check:
    from tui_chat.store import cipher_version

    try:
        return Check("encryption", True, cipher_version())
    except StoreFailed as error:
        return Check("encryption", False, error.sentence)
