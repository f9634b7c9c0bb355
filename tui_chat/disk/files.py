"""Files that are whole or not there, and readable by their owner only."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tui_chat.core.errors import StoreFailed
from tui_chat.disk.paths import private_folder

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: one process at a time is the user's care there
    fcntl = None


def read_if_there(path: Path) -> bytes | None:
    """The file's bytes; None only where there is no such file. Raises StoreFailed where it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreFailed(f"{path} could not be read ({error.strerror}).", hint="Check its permissions.") from error


def replace(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``: after a crash the old file or the new one is there, never half of one.

    Where ``path`` is a symbolic link, what it points to is replaced. Raises StoreFailed.
    """
    target = path.resolve()
    with _written_beside(target, data) as draft, _as_store_failed(target):
        draft.replace(target)
        _sync_folder(target.parent)


def create(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, whole at once, if nothing is there.

    Raises FileExistsError where something is (and leaves it), StoreFailed where it cannot be written.
    """
    with _written_beside(path, data) as draft, _as_store_failed(path):
        try:
            os.link(draft, path)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links: exclusive, but a crash may leave it short.
            _create_directly(path, data)
        _sync_folder(path.parent)


class FileAt:
    """One small file as a place to read, create and replace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes | None:
        """Its bytes, or None where it does not exist."""
        return read_if_there(self.path)

    def create(self, data: bytes) -> None:
        """Make it. Raises FileExistsError where it exists."""
        create(self.path, data)

    def replace(self, data: bytes) -> None:
        """Put these bytes in its place."""
        replace(self.path, data)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """No other process that takes this lock changes it meanwhile; no lock on Windows."""
        # On the folder: the file itself is replaced, and a lock file would be one more to remove.
        with _as_store_failed(self.path):
            private_folder(self.path.parent)
            descriptor = os.open(self.path.parent, os.O_RDONLY) if fcntl is not None else None
        try:
            if fcntl is not None and descriptor is not None:
                with _as_store_failed(self.path):
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)  # which also gives the lock back


@contextlib.contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """A temporary file in the same folder with these bytes, on the disk; gone afterwards."""
    private_folder(path.parent)
    draft: Path | None = None
    try:
        with _as_store_failed(path):
            # mkstemp makes the file 0600.
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            draft = Path(name)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        yield draft
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def _create_directly(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; where folders cannot be opened (Windows) there is nothing to do."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        # Some network file systems refuse to sync a folder; the file itself is synced already.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _as_store_failed(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise StoreFailed(
            f"{path} could not be written ({error.strerror}).", hint="Check the disk's room and the permissions."
        ) from error
