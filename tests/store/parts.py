"""What the store tests stand on: a key, looking into files, running a program to its death."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tui_chat.core.secret import Secret

KEY = Secret(bytes(range(32)))
OTHER_KEY = Secret(bytes(range(1, 33)))


def files_with(folder: Path, needle: bytes) -> list[str]:
    """The names of the files below the folder that hold those bytes."""
    return [path.name for path in sorted(folder.rglob("*")) if path.is_file() and needle in path.read_bytes()]


def names_of(folder: Path) -> list[str]:
    """The names of the files in the folder."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def content(path: Path) -> bytes:
    """The file's bytes."""
    return path.read_bytes()


def put(path: Path, data: bytes) -> None:
    """Make the file hold these bytes, its journal gone."""
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    path.write_bytes(data)


def run_script(script: str, *arguments: str) -> int:
    """Run a Python program in a process of its own; how it ended."""
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    return subprocess.run(command, timeout=60, check=False).returncode
