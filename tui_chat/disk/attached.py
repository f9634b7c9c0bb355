"""Reads the files that the user names, and finds their names; writes nothing."""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from tui_chat.core import attachments
from tui_chat.core.attachments import MOST_FILE, MOST_TEXT, clean_name
from tui_chat.core.clean import clean_line
from tui_chat.core.errors import BadInput, NotFound
from tui_chat.core.models import Attachment
from tui_chat.core.ports import Completion

MOST_LISTED = 20_000
"""Names of one folder that are looked at: some 25 ms."""

MOST_WALKED = 2_000
"""Names below the working directory that are looked at."""

PASSED_OVER = frozenset({"node_modules", "__pycache__"})
"""Folders that nobody names a file of; hidden ones are passed over as such."""

_CHUNK = 1_000_000
_FLAGS = (
    os.O_RDONLY
    # A pipe that took the file's place since it was looked at must not be waited for.
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_DRIVE = re.compile(r"/(?=[A-Za-z]:[/\\])")


class UserFiles:
    """The files of this computer, as who runs the program may read them."""

    def read(self, path: str) -> Attachment:
        """One regular file. Raises NotFound and BadInput."""
        name = clean_name(path.rstrip("/") or path)
        try:
            return attachments.read(name, _content(_expanded(path), name))
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a name that no file can have
            raise NotFound(
                f"There is no file {name} there.", hint="Check the path; ~ is your home, and ../ leads upwards."
            ) from None
        except PermissionError as error:
            raise BadInput(f"You may not read {name}.", hint="Check its permissions, and its folder's.") from error
        except OSError as error:
            raise BadInput(
                f"{name} could not be read ({error.strerror}).", hint="Try it again, or copy it elsewhere first."
            ) from error

    def existing(self, names: Sequence[str]) -> Sequence[str]:
        """The full paths of those that are regular files."""
        return [str(path) for path in map(_expanded, names) if path.is_absolute() and _is_file(path)]

    def completions(self, begun: str, *, limit: int) -> Sequence[Completion]:
        """Those of the named folder, then deeper ones; nothing where the folder cannot be listed."""
        begun = "~/" if begun == "~" else begun
        folder, slash, name = begun.rpartition("/")
        try:
            root = _expanded(folder + slash).absolute()
        except OSError:  # the working directory is gone
            return ()
        found = _listed(root, folder + slash, name)
        if name and not slash and not name.startswith("."):
            found = chain(found, _deeper(root, name))
        return list(islice(found, limit))


def _expanded(name: str) -> Path:
    path = Path(_DRIVE.sub("", name, count=1) if os.name == "nt" else name)  # of a URI
    try:
        return path.expanduser()
    except RuntimeError:  # "~name" of nobody
        return path


def _is_file(path: Path) -> bool:
    with suppress(OSError, ValueError):
        return stat.S_ISREG(path.stat().st_mode)
    return False


# -- reading ------------------------------------------------------------------------------------


def _content(path: Path, name: str) -> bytes:
    # Before it is opened: opening a device may already do something.
    _require_readable(path.stat(), name)
    descriptor = os.open(path, _FLAGS)
    try:
        _require_readable(os.fstat(descriptor), name)
        return _bytes_of(descriptor, name)
    finally:
        os.close(descriptor)


def _require_readable(status: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise BadInput(f"{name} is a folder.", hint="Attach its files one by one.")
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"{name} is not a regular file.", hint="Save what it gives to a file, and attach that.")
    if status.st_size > MOST_FILE:
        raise _too_large(name, f": {status.st_size / 1e6:,.1f} MB")


def _bytes_of(descriptor: int, name: str) -> bytes:
    """To the end; one that grows meanwhile, or has no size of its own, is read to the limit and refused."""
    chunks: list[bytes] = []
    size = 0
    while chunk := os.read(descriptor, _CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_FILE:
            raise _too_large(name, "")
    return b"".join(chunks)


def _too_large(name: str, size: str) -> BadInput:
    most = f"At most {MOST_FILE / 1e6:,.0f} MB can be attached, {MOST_TEXT / 1e6:,.0f} MB of a text."
    return BadInput(f"{name} is too large{size}.", hint=most)


# -- completing ---------------------------------------------------------------------------------


def _listed(root: Path, before: str, name: str) -> Iterator[Completion]:
    """The names of one folder that begin so, by letter; ``before`` is how the user wrote the folder."""
    entries = _on_show(_entries(root, MOST_LISTED), hidden=name.startswith("."))
    for entry in _sorted(each for each in entries if _begins(each, name)):
        if (end := _end_of(entry)) is not None:
            yield Completion(entry.path, f"{before}{clean_line(entry.name)}{end}")


def _deeper(root: Path, name: str) -> Iterator[Completion]:
    """Files in the folders below whose names begin so, the nearest first; links are not followed to folders."""
    left = MOST_WALKED
    folders = deque([("", root)])
    while folders and left > 0:
        before, folder = folders.popleft()
        entries = _entries(folder, left)
        left -= len(entries)
        for entry in _sorted(_on_show(entries)):
            shown = f"{before}{clean_line(entry.name)}"
            if _is_own_folder(entry):
                folders.append((f"{shown}/", Path(entry.path)))
            elif before and _begins(entry, name) and _end_of(entry) == "":
                yield Completion(entry.path, shown)


def _entries(folder: Path, most: int) -> Sequence[os.DirEntry[str]]:
    """At most so many names of a folder; none where it cannot be listed."""
    with suppress(OSError, ValueError), os.scandir(folder) as entries:
        return list(islice(entries, most))
    return ()


def _on_show(entries: Sequence[os.DirEntry[str]], *, hidden: bool = False) -> Iterator[os.DirEntry[str]]:
    return (each for each in entries if each.name.startswith(".") == hidden and each.name not in PASSED_OVER)


def _sorted(entries: Iterable[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    return sorted(entries, key=lambda each: each.name.casefold())


def _begins(entry: os.DirEntry[str], name: str) -> bool:
    return entry.name[: len(name)].casefold() == name.casefold()


def _end_of(entry: os.DirEntry[str]) -> str | None:
    """``/`` of a folder, nothing of a regular file; None for anything else."""
    with suppress(OSError):
        return "/" if entry.is_dir() else "" if entry.is_file() else None
    return None


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_dir(follow_symlinks=False)
    return False
