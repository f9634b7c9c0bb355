"""The encrypted file: one connection on one thread for writing, one beside it for lists and search."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tui_chat.core.clock import Clock
from tui_chat.core.errors import DamagedHistory, StoreFailed, TuiChatError
from tui_chat.core.secret import Secret
from tui_chat.store import migrations
from tui_chat.store.connection import configure, connect, require_ciphertext

if TYPE_CHECKING:
    import apsw

_Result = TypeVar("_Result")
Work = Callable[["apsw.Connection"], _Result]

_WRITER_CACHE_KIB = 16 * 1024
_READER_CACHE_KIB = 8 * 1024


class Database:
    """Runs work on the file's connections, off the event loop.

    One thread writes: the order of writes is the order of calls. Once called, a write happens as a
    whole or not at all, whether or not its caller is cancelled meanwhile.
    """

    def __init__(self, path: Path, key: Secret, *, steps: Sequence[migrations.Step], clock: Clock) -> None:
        self._path = path
        self._key = key
        self._steps = steps
        self._clock = clock
        self._write_thread = ThreadPoolExecutor(1, "history")
        self._read_thread = ThreadPoolExecutor(1, "history-lists")
        self._writer: apsw.Connection | None = None
        self._reader: apsw.Connection | None = None
        self._interruptible = threading.Lock()
        self._now_reading: object | None = None
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        key: Secret,
        *,
        create: bool,
        clock: Clock,
        steps: Sequence[migrations.Step] = migrations.STEPS,
    ) -> Database:
        """Open the file; ``create`` makes it where it does not exist, whole at once."""
        database = cls(path, key, steps=steps, clock=clock)
        try:
            await database._on(database._write_thread, lambda: database._open(create=create))
        except BaseException:
            await database.close()
            raise
        return database

    # -- running work -------------------------------------------------------------------

    async def run(self, work: Work[_Result]) -> _Result:
        """Do the work in one write transaction; it is durable when this returns."""
        return await self._on(self._write_thread, lambda: _in_transaction(self._writer, "IMMEDIATE", work))

    async def read(self, work: Work[_Result]) -> _Result:
        """Do work that only reads, after every write called before it."""
        return await self._on(self._write_thread, lambda: _in_transaction(self._writer, "DEFERRED", work))

    async def aside(self, work: Work[_Result]) -> _Result:
        """Do work that only reads on the second connection; cancelling the caller interrupts it."""
        token = object()
        given_up = threading.Event()

        def read() -> _Result:
            with self._interruptible:
                if given_up.is_set():
                    raise StoreFailed("The search was interrupted.")
                self._now_reading = token
            try:
                return _in_transaction(self._reader_connection(), "DEFERRED", work)
            finally:
                with self._interruptible:
                    self._now_reading = None

        try:
            return await self._on(self._read_thread, read)
        except asyncio.CancelledError:
            with self._interruptible:
                given_up.set()
                if self._now_reading is token and self._reader is not None:
                    self._reader.interrupt()
            raise

    async def apart(self, work: Work[_Result]) -> _Result:
        """Do long work that only reads on a connection and thread of its own: nothing waits for it."""
        thread = ThreadPoolExecutor(1, "history-check")

        def read() -> _Result:
            db = self._connect_to_read()
            try:
                return _in_transaction(db, "DEFERRED", work)
            finally:
                db.close()

        try:
            return await self._on(thread, read)
        finally:
            thread.shutdown(wait=False)

    async def empty_log(self) -> None:
        """Move the write-ahead log into the file and empty it; left for later where somebody is reading."""

        def checkpoint() -> None:
            if self._writer is not None:
                self._writer.pragma("wal_checkpoint", "TRUNCATE")

        await self._on(self._write_thread, checkpoint)

    async def close(self) -> None:
        """Finish what was called, then close. Calling it again waits for the same end."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    # -- inside -------------------------------------------------------------------------

    async def _on(self, thread: ThreadPoolExecutor, call: Callable[[], _Result]) -> _Result:
        if self._closing is not None:
            raise StoreFailed("The history is closed.")

        def translated() -> _Result:
            with store_errors():
                return call()

        future = asyncio.wrap_future(thread.submit(translated))
        # Where the caller was cancelled nobody else looks at its failure, and asyncio would print it.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: a cancelled caller must not take back a write that others may build upon.
        return await asyncio.shield(future)

    async def _close(self) -> None:
        loop = asyncio.get_running_loop()
        # The writer last: the last connection to close empties the write-ahead log into the file.
        for thread, end in ((self._read_thread, self._close_reader), (self._write_thread, self._close_writer)):
            try:
                await loop.run_in_executor(thread, end)
            finally:
                thread.shutdown(wait=False)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _close_writer(self) -> None:
        if self._writer is not None:
            with store_errors():
                self._writer.close()

    def _open(self, *, create: bool) -> None:
        if create and not self._path.exists():
            self._make()
        db = connect(self._path, self._key)
        try:
            migrations.require_known(db, self._steps)
            configure(db, cache_kib=_WRITER_CACHE_KIB)
            migrations.migrate(db, self._steps, self._clock)
            require_ciphertext(self._path)
        except BaseException:
            db.close()
            raise
        self._writer = db

    def _make(self) -> None:
        """Create the file with its schema beside its place and put it there whole; another process may be first."""
        draft = self._path.with_name(f".{self._path.name}.{os.urandom(4).hex()}.new")
        try:
            db = connect(draft, self._key, new=True)
            try:
                configure(db, cache_kib=_WRITER_CACHE_KIB)
                migrations.migrate(db, self._steps, self._clock)
                db.pragma("wal_checkpoint", "TRUNCATE")
            finally:
                db.close()
            require_ciphertext(draft)
            _put(draft, self._path)
        finally:
            draft.unlink(missing_ok=True)

    def _reader_connection(self) -> apsw.Connection:
        if self._reader is None:
            self._reader = self._connect_to_read()
        return self._reader

    def _connect_to_read(self) -> apsw.Connection:
        db = connect(self._path, self._key)
        try:
            configure(db, cache_kib=_READER_CACHE_KIB)
            db.pragma("query_only", True)
        except BaseException:
            db.close()
            raise
        return db


def _put(draft: Path, path: Path) -> None:
    """Give the finished file its name, unless something has it."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:
        if path.exists():
            return
        draft.rename(path)  # a file system without hard links
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _in_transaction(db: apsw.Connection | None, kind: str, work: Work[_Result]) -> _Result:
    if db is None:
        raise StoreFailed("The history is closed.")
    db.execute(f"BEGIN {kind}")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


@contextmanager
def store_errors() -> Iterator[None]:
    """SQLite's and the system's failures in this program's words.

    Tracebacks are dropped from the cause: apsw's hold statements and their values.
    """
    try:
        yield
    except TuiChatError:
        raise
    except OSError as error:
        raise StoreFailed(f"The history file cannot be used ({error.strerror}).", hint=_CHECK) from error
    except Exception as error:
        failure = _translated(error)
        if failure is None:
            raise
        raise failure from error.with_traceback(None)


_CHECK = "Check the disk and the folder's permissions; `tui-chat doctor` tells more."


def _translated(error: Exception) -> TuiChatError | None:
    """What an apsw error means to a person; None for what is not one."""
    import apsw

    match error:
        case apsw.FullError():
            return StoreFailed("The disk is full: the history could not be written.", hint="Free some space.")
        case apsw.BusyError() | apsw.LockedError():
            return StoreFailed("Another program is using the history.", hint="Close it, or try again.")
        case apsw.NotADBError() | apsw.CorruptError():
            return DamagedHistory(
                "The history file cannot be read with its key: it is damaged, or another key's.",
                hint="Put it back from a backup; nothing was changed.",
            )
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.CantOpenError():
            return StoreFailed("The history file cannot be written.", hint=_CHECK)
        case apsw.IOError():
            return StoreFailed("The history file could not be written or read.", hint=_CHECK)
        case apsw.InterruptError():
            return StoreFailed("The search was interrupted.")
        case apsw.Error():
            # Its text may name columns, never values; its class is enough.
            return StoreFailed(f"The history could not be used ({type(error).__name__}).", hint=_CHECK)
    return None
