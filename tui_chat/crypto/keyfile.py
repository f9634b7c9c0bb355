"""The key file as a value: which slots there are, and the wrapped keys.

A JSON object of version 1::

    {"format": "tui_chat keys", "version": 1, "profile": "<id>", "cipher": "chacha20",
     "slots": {"keyring":    {"backend": "...", "account": "...",                  "check": hex, "key": base64},
               "passphrase": {"kdf": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 4, "salt": hex,
                              "check": hex, "key": base64},
               "recovery":   {                                                     "check": hex, "key": base64}},
     "data_keys": [{"check": hex, "key": base64}],
     "history": "not made yet",
     "checksum": hex}

``key`` is the root key wrapped under the slot's key (in ``data_keys``: a data key wrapped under the
root key), ``check`` recognises the key that was used (in ``data_keys``: the data key itself).
``history`` is there until the history was made for the first time: a start that was killed in between is
ended by the next one, and a history that is gone later is never taken for one that was not made yet.
``checksum`` is the SHA-256 of the rest: it tells damage from a wrong key; it does not authenticate.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tui_chat.core.errors import DamagedHistory, NewerSchema
from tui_chat.crypto.keys import CHECK_BYTES, WRAPPED_BYTES, KdfParameters

FORMAT = "tui_chat keys"
VERSION = 1

KEYRING = "keyring"
PASSPHRASE = "passphrase"
RECOVERY = "recovery"
_NOT_MADE = {"history": "not made yet"}
DATA = "data"
"""The place of a data key in its associated data; no slot has that name."""

# A changed file must not make this computer spend a terabyte or an hour before it says no.
_MOST_MEMORY_KIB = 1024 * 1024
_MOST_ITERATIONS = 16
_MOST_LANES = 16


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key under another key, and the value that recognises the right one."""

    check: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class KeyringSlot:
    """Where in the OS keyring the slot's key is."""

    backend: str
    account: str
    wrapped: WrappedKey


@dataclass(frozen=True, slots=True)
class PassphraseSlot:
    """How the slot's key is derived from a passphrase."""

    price: KdfParameters
    salt: bytes
    wrapped: WrappedKey


@dataclass(frozen=True, slots=True)
class KeyFile:
    """All of it. ``data_keys`` newest first; two only while the data key is being changed."""

    profile_id: str
    data_keys: tuple[WrappedKey, ...]
    keyring: KeyringSlot | None = None
    passphrase: PassphraseSlot | None = None
    recovery: WrappedKey | None = None
    cipher: str = "chacha20"
    history_made: bool = True

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the slots that exist."""
        slots = ((KEYRING, self.keyring), (PASSPHRASE, self.passphrase), (RECOVERY, self.recovery))
        return tuple(name for name, slot in slots if slot is not None)

    def to_bytes(self) -> bytes:
        """The file's content."""
        slots: dict[str, Any] = {}
        if self.keyring is not None:
            place = {"backend": self.keyring.backend, "account": self.keyring.account}
            slots[KEYRING] = place | _wrapped_to_json(self.keyring.wrapped)
        if self.passphrase is not None:
            slots[PASSPHRASE] = _kdf_to_json(self.passphrase) | _wrapped_to_json(self.passphrase.wrapped)
        if self.recovery is not None:
            slots[RECOVERY] = _wrapped_to_json(self.recovery)
        content = {
            "format": FORMAT,
            "version": VERSION,
            "profile": self.profile_id,
            "cipher": self.cipher,
            "slots": slots,
            "data_keys": [_wrapped_to_json(key) for key in self.data_keys],
        } | ({} if self.history_made else _NOT_MADE)
        return json.dumps(content | {"checksum": _checksum(content)}, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyFile:
        """Read a key file. Raises NewerSchema, or DamagedHistory for anything not exactly of this form."""
        content = _content(data)
        try:
            key_file = _from_json(content)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged() from error
        # One form only: what would be written differently was not written by this program.
        if key_file.to_bytes() != data:
            raise _damaged()
        return key_file


def _content(data: bytes) -> dict[str, Any]:
    """The JSON object, its format and version checked."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged() from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _damaged()
    version = content.get("version")
    if type(version) is int and version > VERSION:
        raise NewerSchema(
            "The key file was written by a newer version of tui_chat.", hint="Update tui_chat; nothing was changed."
        )
    return content


def _from_json(content: dict[str, Any]) -> KeyFile:
    slots = content["slots"]
    return KeyFile(
        profile_id=_text(content["profile"]),
        cipher=_text(content["cipher"]),
        keyring=_keyring_from_json(slots[KEYRING]) if KEYRING in slots else None,
        passphrase=_passphrase_from_json(slots[PASSPHRASE]) if PASSPHRASE in slots else None,
        recovery=_wrapped_from_json(slots[RECOVERY]) if RECOVERY in slots else None,
        data_keys=_data_keys_from_json(content["data_keys"]),
        history_made="history" not in content,
    )


def _data_keys_from_json(value: list[dict[str, Any]]) -> tuple[WrappedKey, ...]:
    if not 1 <= len(value) <= 2:
        raise ValueError("one data key, or two")
    return tuple(_wrapped_from_json(item) for item in value)


def _keyring_from_json(value: dict[str, Any]) -> KeyringSlot:
    return KeyringSlot(_text(value["backend"]), _text(value["account"]), _wrapped_from_json(value))


def _passphrase_from_json(value: dict[str, Any]) -> PassphraseSlot:
    if value["kdf"] != "argon2id":
        raise ValueError("an unknown key derivation")
    lanes = _number(value["lanes"], 1, _MOST_LANES)
    price = KdfParameters(
        memory_kib=_number(value["memory_kib"], 8 * lanes, _MOST_MEMORY_KIB),
        iterations=_number(value["iterations"], 1, _MOST_ITERATIONS),
        lanes=lanes,
    )
    salt = bytes.fromhex(value["salt"])
    if not 8 <= len(salt) <= 64:
        raise ValueError("a salt of that length")
    return PassphraseSlot(price, salt, _wrapped_from_json(value))


def _kdf_to_json(slot: PassphraseSlot) -> dict[str, Any]:
    return {
        "kdf": "argon2id",
        "memory_kib": slot.price.memory_kib,
        "iterations": slot.price.iterations,
        "lanes": slot.price.lanes,
        "salt": slot.salt.hex(),
    }


def _wrapped_to_json(wrapped: WrappedKey) -> dict[str, str]:
    return {"check": wrapped.check.hex(), "key": base64.b64encode(wrapped.key).decode()}


def _wrapped_from_json(value: dict[str, Any]) -> WrappedKey:
    wrapped = WrappedKey(bytes.fromhex(value["check"]), base64.b64decode(value["key"], validate=True))
    if len(wrapped.check) != CHECK_BYTES or len(wrapped.key) != WRAPPED_BYTES:
        raise ValueError("a wrapped key of another length")
    return wrapped


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _number(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError("a number out of bounds")
    return value


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damaged() -> DamagedHistory:
    return DamagedHistory("The key file is damaged.", hint="Put back a copy of it from a backup; nothing was changed.")
