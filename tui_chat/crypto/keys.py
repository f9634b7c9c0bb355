"""The key hierarchy's primitives: ``make_`` draws randomness, ``derive_`` does not.

A wrapped key is ``nonce:12  ciphertext:32  tag:16`` [bytes], AES-256-GCM, with the associated data
``tui_chat|v1|<profile id>|<slot>``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import unicodedata
from dataclasses import dataclass

from tui_chat.core.errors import BadInput, WrongKey
from tui_chat.core.secret import Secret

KEY_BYTES = 32
WRAPPED_BYTES = 12 + KEY_BYTES + 16
CHECK_BYTES = 8
SALT_BYTES = 16

_RECOVERY_CHECKSUM_BYTES = 3
_RECOVERY_CHARACTERS = 56
_RECOVERY_GROUP = 7


@dataclass(frozen=True, slots=True)
class KdfParameters:
    """Argon2id's price: 64 MiB, 3 passes and 4 lanes are 0.15 s of CPU on a laptop."""

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4


def checked(key: Secret) -> Secret:
    """The key itself. Raises ValueError unless it is a ``Secret`` of 32 bytes.

    A check and not an assertion: an empty key would mean a file without encryption.
    """
    if not isinstance(key, Secret) or len(key.reveal()) != KEY_BYTES:
        raise ValueError("a key is a Secret of 32 bytes")
    return key


def make_key() -> Secret:
    """A new random key."""
    return Secret(os.urandom(KEY_BYTES))


def make_salt() -> bytes:
    """A new random salt for a passphrase."""
    return os.urandom(SALT_BYTES)


def wrap(key: Secret, *, under: Secret, profile_id: str, slot: str) -> bytes:
    """The key, encrypted under another and bound to its place."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    plain = checked(key).reveal()
    return nonce + AESGCM(checked(under).reveal()).encrypt(nonce, plain, _place(profile_id, slot))


def unwrap(wrapped: bytes, *, under: Secret, profile_id: str, slot: str) -> Secret:
    """The key that was wrapped. Raises WrongKey where this key or this place is not the one."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(checked(under).reveal())
    try:
        return checked(Secret(cipher.decrypt(wrapped[:12], wrapped[12:], _place(profile_id, slot))))
    except (InvalidTag, ValueError) as error:
        raise WrongKey("This key does not open the history.") from error


def derive_check(key: Secret, profile_id: str) -> bytes:
    """Eight bytes that recognise a key without telling it."""
    message = b"tui_chat key check|" + profile_id.encode()
    return hmac.new(checked(key).reveal(), message, hashlib.sha256).digest()[:CHECK_BYTES]


def derive_from_passphrase(passphrase: Secret, salt: bytes, price: KdfParameters) -> Secret:
    """The key of a passphrase (Argon2id over its NFC form). Takes its time: call it in a thread.

    Raises BadInput for an empty passphrase or one that is not UTF-8.
    """
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    kdf = Argon2id(
        salt=salt, length=KEY_BYTES, iterations=price.iterations, lanes=price.lanes, memory_cost=price.memory_kib
    )
    return Secret(kdf.derive(normal_form(passphrase).reveal()))


def normal_form(passphrase: Secret) -> Secret:
    """The passphrase in NFC, so that every keyboard's form of it is the same.

    Raises BadInput for an empty passphrase or one that is not UTF-8.
    """
    if not passphrase:
        raise BadInput("The passphrase is empty.", hint="Choose a longer one.")
    try:
        return Secret(unicodedata.normalize("NFC", passphrase.reveal_text()))
    except UnicodeDecodeError:
        # Not chained: the error object holds the bytes.
        raise BadInput("The passphrase is not UTF-8 text.", hint="Save the file as UTF-8.") from None


# -- the recovery code ------------------------------------------------------------------
# 32 random bytes and 3 of their SHA-256, in base32: 56 characters, 8 groups of 7.


def derive_recovery_code(key: Secret) -> str:
    """The code of that key, as a person writes it down."""
    plain = checked(key).reveal()
    digits = base64.b32encode(plain + _recovery_checksum(plain)).decode()
    return "-".join(digits[i : i + _RECOVERY_GROUP] for i in range(0, _RECOVERY_CHARACTERS, _RECOVERY_GROUP))


def derive_from_recovery_code(code: Secret) -> Secret:
    """The key of a recovery code; case, spaces and dashes do not matter.

    Raises WrongKey where the code is mistyped; that is found without the history.
    """
    try:
        digits = "".join(code.reveal_text().split()).replace("-", "").upper()
        plain = base64.b32decode(digits)
    except (UnicodeDecodeError, ValueError, binascii.Error):
        # Not chained: the error object may hold the code.
        raise _mistyped() from None
    if len(digits) != _RECOVERY_CHARACTERS:
        raise _mistyped()
    key, checksum = plain[:KEY_BYTES], plain[KEY_BYTES:]
    if not hmac.compare_digest(_recovery_checksum(key), checksum):
        raise _mistyped()
    return Secret(key)


def _mistyped() -> WrongKey:
    return WrongKey(
        "There is a typing error in the recovery code.",
        hint="It has 8 groups of 7 characters: letters, and the digits 2 to 7.",
    )


def _recovery_checksum(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_RECOVERY_CHECKSUM_BYTES]


def _place(profile_id: str, slot: str) -> bytes:
    return f"tui_chat|v1|{profile_id}|{slot}".encode()
