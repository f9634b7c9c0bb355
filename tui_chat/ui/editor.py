"""The prompt in the person's own editor, through a folder that only they can enter and that is erased."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tui_chat.core.errors import BadInput
from tui_chat.core.models import clean_surrogates

_left: set[Path] = set()
"""Folders of the prompts that an editor has now."""


def edit(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Run ``$VISUAL`` or ``$EDITOR`` on the text and return what was saved; blocking. Raises BadInput, nothing else.

    The file is 0600 in a folder of its own (0700), in ``XDG_RUNTIME_DIR`` (memory, not disk, on most
    systems) where there is one. On return the folder is erased with all that the editor put beside the
    file (swap, backup); what it keeps elsewhere is its own.
    """
    command = environment.get("VISUAL") or environment.get("EDITOR") or "vi"
    try:
        with _private_folder(environment.get("XDG_RUNTIME_DIR")) as folder:
            path = folder / "prompt.md"
            path.touch(mode=0o600)
            path.write_bytes(clean_surrogates(text).encode())
            _run(command, path)
            return path.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
    except OSError as error:
        raise BadInput(
            f"The prompt could not be given to the editor and back ({error.strerror}).",
            hint="The prompt is as it was before.",
        ) from error


def erase_left_files() -> None:
    """Erase every prompt that an editor has now: for a process that ends without waiting for it. Never fails."""
    for folder in tuple(_left):
        _erase(folder)


def _run(command: str, path: Path) -> None:
    try:
        done = subprocess.run([*shlex.split(command), str(path)], check=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"The editor {command!r} could not be run.", hint="Set $EDITOR to one that can.") from error
    if done.returncode != 0:
        raise BadInput("The editor ended with an error.", hint="The prompt is as it was before.")


@contextmanager
def _private_folder(parent: str | None) -> Iterator[Path]:
    usable = parent if parent and os.access(parent, os.W_OK | os.X_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="tui-chat-", dir=usable))
    _left.add(folder)
    try:
        yield folder
    finally:
        _erase(folder)
        _left.discard(folder)


def _erase(folder: Path) -> None:
    """Overwrite and remove what is in it, as far as it goes."""
    with suppress(OSError):  # the editor, or another thread that erases, may be taking things away meanwhile
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                _overwrite(path)
    shutil.rmtree(folder, ignore_errors=True)


def _overwrite(path: Path) -> None:
    # Not write_bytes: it gives the old blocks back before it writes.
    with suppress(OSError), path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)
        file.flush()
        os.fsync(file.fileno())
