"""Opening the encrypted file, guarded against every way in which it would silently be plaintext.

The ways that were seen: another package (plain ``apsw``) hides this one and ignores the key; an
empty key, a mistyped pragma, a key set after the first statement mean *no encryption*; a raw key of
another length, or without ``raw:``, is taken as a passphrase; an unknown cipher means the default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tui_chat.core.errors import DamagedHistory, StoreFailed
from tui_chat.core.secret import Secret

if TYPE_CHECKING:
    import apsw

KEY_BYTES = 32
CIPHER = "chacha20"
PAGE_SIZE = 8192
"""Bytes. Smaller pages cost space, bigger ones time on each commit; fixed when the file is made."""

BUSY_MILLISECONDS = 5000
_PLAINTEXT = b"SQLite format 3\0"


def connect(path: Path, key: Secret, *, new: bool = False) -> apsw.Connection:
    """A connection that has proved the key by reading. ``new`` makes the file (0600; it must not exist).

    Nothing has been written to an existing file, and closing now does not either. Raises ValueError
    for what is not a key, FileExistsError, DamagedHistory where the key does not read the file.
    """
    import apsw

    _require_encryption(apsw)
    _require_key(key)
    if new:
        # SQLite itself would create it readable by others.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    else:
        require_ciphertext(path)
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        db.set_busy_timeout(BUSY_MILLISECONDS)
        # A file that turns out to be a newer program's is left as it is, its journal included.
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        db.pragma("cipher", CIPHER)
        if db.pragma("cipher") != CIPHER:
            raise StoreFailed("The history's cipher is not available.", hint="Reinstall tui_chat.")
        if new:
            db.pragma("page_size", PAGE_SIZE)
        db.pragma("key", f"raw:{key.reveal().hex()}")
        # The key is tested by reading only.
        db.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except BaseException:
        db.close()
        raise
    return db


def configure(db: apsw.Connection, *, cache_kib: int) -> None:
    """The settings of a connection that will be used; the file becomes a WAL file if it is not yet."""
    import apsw

    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    db.pragma("temp_store", "MEMORY")
    if db.pragma("journal_mode", "wal") != "wal":
        raise StoreFailed(
            "The history's folder does not allow a write-ahead log.", hint="Is it on a network drive? Use a local disk."
        )
    # A power cut may cost the commits since the last sync otherwise; a chat commits a few times a minute.
    db.pragma("synchronous", "FULL")
    db.pragma("cache_size", -cache_kib)
    db.pragma("foreign_keys", True)
    db.pragma("trusted_schema", False)
    # Erased for good means that the page no longer holds it.
    db.pragma("secure_delete", True)


def require_ciphertext(path: Path) -> None:
    """Raises DamagedHistory where the file is missing, empty, or an ordinary SQLite file."""
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_PLAINTEXT))
    except FileNotFoundError as error:
        raise DamagedHistory("The history file is missing.", hint="Put it back from a backup.") from error
    if not beginning:
        raise DamagedHistory("The history file is empty.", hint="Put it back from a backup.")
    if beginning == _PLAINTEXT:
        raise DamagedHistory("The history file is not encrypted, so it is not ours.", hint="Nothing was changed.")


def cipher_version() -> str:
    """Which library encrypts, and how. Raises StoreFailed where none would."""
    import apsw

    _require_encryption(apsw)
    return f"{getattr(apsw, 'mc_version', '')}, {CIPHER}"


def _require_encryption(module: object) -> None:
    """Plain ``apsw`` installs into the same folder as ``apsw-sqlite3mc`` and takes a key without a word."""
    if not getattr(module, "mc_version", ""):
        raise StoreFailed(
            "The package apsw hides apsw-sqlite3mc: the history would not be encrypted.",
            hint="Run: pip uninstall apsw apsw-sqlite3mc, then pip install apsw-sqlite3mc.",
        )


def _require_key(key: Secret) -> None:
    """A raise and not an assertion: an empty key would mean a file in plaintext."""
    if not isinstance(key, Secret) or len(key.reveal()) != KEY_BYTES:
        raise ValueError("the data key is a Secret of 32 bytes")
