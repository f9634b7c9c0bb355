"""The log: what happened, in the program's own words, and never what somebody wrote.

A record keeps its template; of its arguments only numbers are filled in. Of an exception it
keeps the type and the program's own frames; messages, locals and source lines are left out,
because prompts, replies and keys can be in them.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from tui_chat.core.errors import TuiChatError
from tui_chat.disk.paths import PRIVATE_FILE, private_folder

LOG_NAME = "tui_chat"
LOG_BYTES = 1_000_000
_PACKAGE = Path(__file__).parent.parent


class Log:
    """The log file of this computer's user: mode 0600, two files of 1 MB at most."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handler: _PrivateFile | None = None

    def open(self) -> None:
        """Write what the program's loggers say into the file from now on. Raises StoreFailed."""
        if self._handler is not None:
            return
        private_folder(self.path.parent)
        self._handler = _PrivateFile(self.path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
        self._handler.setFormatter(RedactingFormatter())
        logger = logging.getLogger(LOG_NAME)
        logger.addHandler(self._handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False

    def close(self) -> None:
        """Write nothing more."""
        if self._handler is not None:
            logging.getLogger(LOG_NAME).removeHandler(self._handler)
            self._handler.close()
            self._handler = None

    def record_crash(self, error: BaseException) -> Path:
        """Write down where a fault happened; the file's path, to show to the person."""
        was_open = self._handler is not None
        self.open()
        logging.getLogger(LOG_NAME).error("a fault in tui_chat", exc_info=error)
        if not was_open:
            self.close()
        return self.path


class RedactingFormatter(logging.Formatter):
    """One line of what happened, then where: nothing that came from outside the source code."""

    def format(self, record: logging.LogRecord) -> str:
        lines = [f"{self.formatTime(record)} {record.levelname} {record.name}: {_filled(record)}"]
        if record.exc_info and record.exc_info[1] is not None:
            lines += _described(record.exc_info[1])
        return "\n".join(lines)


class _PrivateFile(RotatingFileHandler):
    """A rotating file that only its owner may read, from its first byte."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk must not end a chat, and stderr belongs to the screen."""


def _filled(record: logging.LogRecord) -> str:
    """The template with its numbers; anything else in it reads ``…``."""
    if not isinstance(record.msg, str):
        return "…"
    if not isinstance(record.args, tuple) or not record.args:
        return record.msg
    arguments = tuple(each if isinstance(each, int | float) else "…" for each in record.args)
    try:
        return record.msg % arguments
    except (TypeError, ValueError):
        return record.msg


def _described(error: BaseException) -> Iterator[str]:
    """The error and what led to it, newest first: types and our own frames."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield f"  {_type_name(current)}"
        yield from _own_frames(current)
        if isinstance(current, BaseExceptionGroup):
            for each in current.exceptions:
                yield from (f"  | {line.strip()}" for line in _described(each))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if current is not None:
            yield "  because of"


def _own_frames(error: BaseException) -> Iterator[str]:
    """``file:line function`` of our frames, outermost first; the others are counted only."""
    foreign = 0
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(_PACKAGE):
            foreign += 1
            continue
        if foreign:
            yield f"    ({foreign} of other libraries)"
            foreign = 0
        yield f"    tui_chat/{path.relative_to(_PACKAGE)}:{line} {frame.f_code.co_qualname}"
    if foreign:
        yield f"    ({foreign} of other libraries)"


def _type_name(error: BaseException) -> str:
    kind = type(error)
    own = isinstance(error, TuiChatError)
    return kind.__qualname__ if own or kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
