"""The lock of one profile's history: creating it, opening it by any slot, changing its slots."""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from tui_chat.core.errors import DamagedHistory, KeyMissing, LockedError, PassphraseNeeded, TuiChatError, WrongKey
from tui_chat.core.secret import Secret
from tui_chat.crypto import keys
from tui_chat.crypto.keychain import Keychain
from tui_chat.crypto.keyfile import (
    DATA,
    KEYRING,
    PASSPHRASE,
    RECOVERY,
    KeyFile,
    KeyringSlot,
    PassphraseSlot,
    WrappedKey,
)


class KeyPlace(Protocol):
    """Where the key file lies. Called in a thread; small, blocking, durable when it returns."""

    def read(self) -> bytes | None:
        """The file's content, None where there is no file."""

    def create(self, data: bytes) -> None:
        """Create it whole, mode 0600. Raises FileExistsError, and changes nothing, where it exists."""

    def replace(self, data: bytes) -> None:
        """Put this content in its place, atomically."""

    def locked(self) -> AbstractContextManager[object]:
        """No other process that takes this lock changes it meanwhile."""


class HistoryLock:
    """Opens one profile's history.

    Raises WrongKey where a passphrase, code or keyring item is not this history's, DamagedHistory
    where it is but the key file is not whole, NewerSchema, and the keyring's own failures.
    """

    def __init__(
        self,
        profile_id: str,
        place: KeyPlace,
        keychain: Keychain,
        *,
        price: keys.KdfParameters | None = None,
    ) -> None:
        self._profile_id = profile_id
        self._place = place
        self._keychain = keychain
        self._price = price or keys.KdfParameters()
        self._root: Secret | None = None

    # -- looking ----------------------------------------------------------------------

    async def exists(self) -> bool:
        """Whether there is a key file."""
        return await asyncio.to_thread(self._place.read) is not None

    async def slots(self) -> tuple[str, ...]:
        """The names of the slots: of ``keyring``, ``passphrase``, ``recovery`` those that exist."""
        return (await self._read()).slots

    async def history_was_made(self) -> bool:
        """Whether this key file's history was ever there: then, where it is gone, it is lost."""
        return (await self._read()).history_made

    # -- creating ---------------------------------------------------------------------

    async def create_with_keyring(self) -> Secret:
        """Make the history's keys, opened by a new keyring item, and return the data key.

        Where another process created the key file meanwhile, its history is opened instead.
        """
        root, data = keys.make_key(), keys.make_key()
        slot = await self._new_keyring_slot(root)
        if await self._create(root, data, keyring=slot):
            return data
        await self._forget_item(slot)
        return await self.unlock_with_keyring()

    async def create_with_passphrase(self, passphrase: Secret) -> Secret:
        """Make the history's keys, opened by a passphrase, and return the data key.

        Where another process created the key file meanwhile, its history is opened instead.
        """
        root, data = keys.make_key(), keys.make_key()
        slot = await asyncio.to_thread(self._new_passphrase_slot, passphrase, root)
        if await self._create(root, data, passphrase=slot):
            return data
        return await self.unlock_with_passphrase(passphrase)

    async def _create(
        self,
        root: Secret,
        data: Secret,
        *,
        keyring: KeyringSlot | None = None,
        passphrase: PassphraseSlot | None = None,
    ) -> bool:
        """Create the key file; False where there is one already."""
        wrapped = WrappedKey(
            keys.derive_check(data, self._profile_id),
            keys.wrap(data, under=root, profile_id=self._profile_id, slot=DATA),
        )
        key_file = KeyFile(self._profile_id, (wrapped,), keyring=keyring, passphrase=passphrase, history_made=False)
        try:
            await asyncio.to_thread(self._place.create, key_file.to_bytes())
        except FileExistsError:
            return False
        self._root = root
        return True

    # -- opening ----------------------------------------------------------------------

    async def unlock_with_keyring(self) -> Secret:
        """The data key, by the keyring's item.

        Raises KeyMissing where the keyring has no such item, PassphraseNeeded without that slot.
        """
        key_file = await self._read()
        slot = key_file.keyring
        if slot is None:
            raise PassphraseNeeded("This history is not opened by the keyring.", hint=_other_ways(key_file))
        key = await self._keychain.get(self._profile_id, slot.account)
        if key is None:
            raise KeyMissing(
                "The keyring has no key for this history.",
                hint=await self._missing_hint(slot, key_file),
            )
        return self._open(key_file, key, slot.wrapped, KEYRING, "The key in the keyring is not this history's.")

    async def unlock_with_passphrase(self, passphrase: Secret) -> Secret:
        """The data key, by the passphrase. Takes a moment, in a thread."""
        key_file = await self._read()
        slot = key_file.passphrase
        if slot is None:
            raise WrongKey("This history has no passphrase.", hint=_other_ways(key_file))
        key = await asyncio.to_thread(keys.derive_from_passphrase, passphrase, slot.salt, slot.price)
        return self._open(key_file, key, slot.wrapped, PASSPHRASE, "This is not the passphrase of this history.")

    async def unlock_with_recovery(self, code: Secret) -> Secret:
        """The data key, by the recovery code."""
        key_file = await self._read()
        slot = key_file.recovery
        if slot is None:
            raise WrongKey("This history has no recovery code.", hint=_other_ways(key_file))
        key = keys.derive_from_recovery_code(code)
        return self._open(key_file, key, slot, RECOVERY, "This is not the recovery code of this history.")

    async def record_history(self) -> None:
        """Say that the history is there. To be called before anything is written into it."""
        await self._change(lambda key_file: replace(key_file, history_made=True))

    # -- changing the slots of an opened history ------------------------------------------

    async def set_passphrase(self, passphrase: Secret) -> None:
        """Make or replace the passphrase slot."""
        slot = await asyncio.to_thread(self._new_passphrase_slot, passphrase, self._opened())
        await self._change(lambda key_file: replace(key_file, passphrase=slot))

    async def make_recovery_code(self) -> str:
        """Make a new recovery code; the one before stops working. Shown once, stored nowhere."""
        key = keys.make_key()
        slot = self._wrapped(self._opened(), under=key, slot=RECOVERY)
        await self._change(lambda key_file: replace(key_file, recovery=slot))
        return keys.derive_recovery_code(key)

    async def add_keyring(self) -> None:
        """Make or replace the keyring slot, with an item of its own; the item before is removed."""
        slot = await self._new_keyring_slot(self._opened())
        before = await self._change(lambda key_file: replace(key_file, keyring=slot))
        if before.keyring is not None:
            await self._forget_item(before.keyring)

    async def forget_keyring_item(self) -> None:
        """Remove the item from the keyring, when the whole profile is being removed. Needs no unlocking."""
        slot = (await self._read()).keyring
        if slot is not None:
            await self._keychain.delete(self._profile_id, slot.account)

    # -- inside -----------------------------------------------------------------------

    async def _read(self) -> KeyFile:
        return await asyncio.to_thread(self._read_now)

    def _read_now(self) -> KeyFile:
        data = self._place.read()
        if data is None:
            raise KeyMissing("The key file of this history is missing.", hint="Put it back from a backup.")
        key_file = KeyFile.from_bytes(data)
        if key_file.profile_id != self._profile_id:
            raise DamagedHistory("The key file is another profile's.", hint="Put back the right one from a backup.")
        return key_file

    def _open(self, key_file: KeyFile, key: Secret, slot: WrappedKey, name: str, wrong: str) -> Secret:
        """The data key, through one slot's key."""
        if not hmac.compare_digest(keys.derive_check(key, self._profile_id), slot.check):
            raise WrongKey(wrong, hint=_other_ways(key_file, but=name))
        root = self._unwrapped(slot, under=key, slot=name)
        data = self._unwrapped(key_file.data_keys[0], under=root, slot=DATA)
        if not hmac.compare_digest(keys.derive_check(data, self._profile_id), key_file.data_keys[0].check):
            raise _damaged()
        self._root = root
        return data

    def _wrapped(self, root: Secret, *, under: Secret, slot: str) -> WrappedKey:
        return WrappedKey(
            keys.derive_check(under, self._profile_id),
            keys.wrap(root, under=under, profile_id=self._profile_id, slot=slot),
        )

    def _unwrapped(self, wrapped: WrappedKey, *, under: Secret, slot: str) -> Secret:
        """A wrapped key, the key for it having been recognised: a refusal now is damage."""
        try:
            return keys.unwrap(wrapped.key, under=under, profile_id=self._profile_id, slot=slot)
        except WrongKey as error:
            raise _damaged() from error

    async def _new_keyring_slot(self, root: Secret) -> KeyringSlot:
        """Add an item to the keyring, read it back, and describe it. An account of its own: see the package."""
        key, account = keys.make_key(), f"kek-{os.urandom(4).hex()}"
        backend = await self._keychain.add(self._profile_id, account, key)
        return KeyringSlot(backend, account, self._wrapped(root, under=key, slot=KEYRING))

    def _new_passphrase_slot(self, passphrase: Secret, root: Secret) -> PassphraseSlot:
        salt = keys.make_salt()
        key = keys.derive_from_passphrase(passphrase, salt, self._price)
        return PassphraseSlot(self._price, salt, self._wrapped(root, under=key, slot=PASSPHRASE))

    async def _forget_item(self, slot: KeyringSlot) -> None:
        """Remove an item nothing depends on any more; where the keyring refuses, it stays and harms nobody."""
        try:
            await self._keychain.delete(self._profile_id, slot.account)
        except TuiChatError:
            return

    async def _change(self, change: Callable[[KeyFile], KeyFile]) -> KeyFile:
        """Change the key file as it is now (another process may have changed another slot); as it was before."""
        root = self._opened()

        def read_and_replace() -> KeyFile:
            with self._place.locked():
                key_file = self._read_now()
                # The root key at hand must still be this file's before anything is wrapped for it.
                self._unwrapped(key_file.data_keys[0], under=root, slot=DATA)
                self._place.replace(change(key_file).to_bytes())
            return key_file

        return await asyncio.to_thread(read_and_replace)

    def _opened(self) -> Secret:
        if self._root is None:
            raise LockedError("The history is locked.", hint="Unlock it first.")
        return self._root

    async def _missing_hint(self, slot: KeyringSlot, key_file: KeyFile) -> str:
        """What to do about a missing item; says so where it was put into another keyring."""
        present = await self._keychain.backend()
        where = "" if present == slot.backend else f"It was put into {slot.backend}; this is {present}. "
        return where + _other_ways(key_file, but=KEYRING)


def _other_ways(key_file: KeyFile, *, but: str = "") -> str:
    """The slots that are left to try, in words."""
    names = {KEYRING: "the keyring", PASSPHRASE: "the passphrase", RECOVERY: "the recovery code"}
    ways = [names[slot] for slot in key_file.slots if slot != but]
    return f"It can be opened with {' or '.join(ways)}." if ways else "Put back the keyring from a backup."


def _damaged() -> DamagedHistory:
    return DamagedHistory("The key is right, but the key file is damaged.", hint="Put back a copy from a backup.")
