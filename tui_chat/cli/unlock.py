"""Into a history without a screen: a passphrase file, else the keyring, else a prompt, else exit 3."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click

from tui_chat.cli.asking import may_prompt, secret, secret_twice
from tui_chat.core.errors import KeyMissing, KeyringLocked, KeyringUnavailable, LockedError, PassphraseNeeded, WrongKey
from tui_chat.core.secret import Secret
from tui_chat.services.program import Access, Services

PASSPHRASE_FILE = "TUI_CHAT_PASSPHRASE_FILE"
NEW_PASSPHRASE_FILE = "TUI_CHAT_NEW_PASSPHRASE_FILE"
RECOVERY_FILE = "TUI_CHAT_RECOVERY_FILE"

_TRIES = 3
_LONGEST = 1_000_000
"""Bytes of a secret's line; what has no end is no passphrase."""


@dataclass(frozen=True, slots=True)
class Unlocking:
    """The order in which a command tries to open or make a history."""

    environment: Mapping[str, str]

    async def open(self, access: Access) -> Services:
        """Open what exists. Raises LockedError (exit 3)."""
        if self.environment.get(PASSPHRASE_FILE):
            return await access.open_with_passphrase(await self._secret_of(PASSPHRASE_FILE))
        slots = await access.slots()
        if "keyring" in slots or not slots:
            try:
                return await access.open_with_keyring()
            except (KeyMissing, KeyringUnavailable, KeyringLocked) as error:
                if "passphrase" not in slots or not may_prompt():
                    error.hint = f"{error.hint} {_how(slots)}".strip()
                    raise
                click.echo(str(error), err=True)
        if not may_prompt():
            raise PassphraseNeeded("Only a passphrase opens this history.", hint=_HINT)
        return await self._open_by_prompt(access)

    async def create(self, access: Access) -> Services:
        """Make the history; its first slot is the first of the order that this computer has."""
        if self.environment.get(PASSPHRASE_FILE):
            return await access.create_with_passphrase(await self._secret_of(PASSPHRASE_FILE))
        try:
            if await access.keyring() is not None:
                return await access.create_with_keyring()
        except (KeyringUnavailable, KeyringLocked) as error:
            if not may_prompt():
                raise
            click.echo(str(error), err=True)
        if not may_prompt():
            raise PassphraseNeeded("This computer has no keyring to keep the history's key.", hint=_HINT)
        return await access.create_with_passphrase(_prompted_twice())

    async def new_passphrase(self) -> Secret:
        """The passphrase to set from now on."""
        if self.environment.get(NEW_PASSPHRASE_FILE):
            return await self._secret_of(NEW_PASSPHRASE_FILE)
        if not may_prompt():
            raise PassphraseNeeded("No new passphrase is given.", hint=f"Name a file of it in {NEW_PASSPHRASE_FILE}.")
        return _prompted_twice()

    async def recovery_code(self) -> Secret:
        """The recovery code that the person has."""
        if self.environment.get(RECOVERY_FILE):
            return await self._secret_of(RECOVERY_FILE)
        if not may_prompt():
            raise PassphraseNeeded("No recovery code is given.", hint=f"Name a file of it in {RECOVERY_FILE}.")
        return secret("Recovery code")

    @property
    def has_new_passphrase(self) -> bool:
        """Whether a file holds the new passphrase."""
        return bool(self.environment.get(NEW_PASSPHRASE_FILE))

    async def _open_by_prompt(self, access: Access) -> Services:
        for _ in range(_TRIES - 1):
            try:
                return await access.open_with_passphrase(secret("Passphrase"))
            except WrongKey as error:
                click.echo(str(error), err=True)
        return await access.open_with_passphrase(secret("Passphrase"))

    async def _secret_of(self, variable: str) -> Secret:
        # A pipe may keep us waiting.
        return await asyncio.to_thread(first_line, self.environment[variable], variable)


_HINT = f"Set {PASSPHRASE_FILE} to a file (mode 0600) that holds the passphrase, or run the command in a terminal."


def _how(slots: Sequence[str]) -> str:
    """What a command needs for the ways that are left."""
    if "passphrase" in slots:
        return _HINT
    return "`tui-chat keys recover` asks for the recovery code." if "recovery" in slots else ""


def first_line(path: str, variable: str) -> Secret:
    """The first line of a file that only its owner can read, or of a pipe. Raises LockedError otherwise."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise LockedError(f"The file named by {variable} cannot be read ({error.strerror}).") from error
    try:
        status = os.fstat(descriptor)
        if os.name == "posix" and stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
            raise LockedError(f"The file named by {variable} can be read by others.", hint=f"chmod 600 {path}")
        line = _read_line(descriptor, variable)
    except OSError as error:
        raise LockedError(f"The file named by {variable} cannot be read ({error.strerror}).") from error
    finally:
        os.close(descriptor)
    try:
        found = Secret(line.decode())
    except UnicodeDecodeError:
        raise LockedError(f"The file named by {variable} is not UTF-8 text.") from None
    if not found:
        raise LockedError(f"The file named by {variable} is empty.")
    return found


def _read_line(descriptor: int, variable: str) -> bytes:
    data = b""
    while b"\n" not in data and (piece := os.read(descriptor, 65_536)):  # a pipe gives what it has, not all
        data += piece
        if len(data) > _LONGEST:
            raise LockedError(f"The file named by {variable} holds more than {_LONGEST:,} bytes in its first line.")
    return data.split(b"\n", 1)[0].removesuffix(b"\r")


def _prompted_twice() -> Secret:
    click.echo("Without the passphrase (or a recovery code) the history cannot be read by anyone.", err=True)
    return secret_twice("New passphrase")
