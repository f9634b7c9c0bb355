"""What the store tests stand on: a key, and looking into files."""

from __future__ import annotations

from pathlib import Path

from tui_chat.core.secret import Secret

KEY = Secret(bytes(range(32)))
OTHER_KEY = Secret(bytes(range(1, 33)))


def files_with(folder: Path, needle: bytes) -> list[str]:
    """The names of the files below the folder that hold those bytes."""
    return [path.name for path in sorted(folder.rglob("*")) if path.is_file() and needle in path.read_bytes()]
