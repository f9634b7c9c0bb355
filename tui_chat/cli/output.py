"""Where a command's words go: results to stdout as they are stored, all else to stderr."""

from __future__ import annotations

import sys

from tui_chat.core.clean import clean, clean_line
from tui_chat.core.clock import Millis, local
from tui_chat.core.errors import Ambiguous, TuiChatError
from tui_chat.core.forms import json_text


def is_terminal() -> bool:
    """Whether a person's terminal shows the results: then texts are cleaned of what it would obey."""
    return sys.stdout.isatty()


def shown(text: str) -> str:
    """A text of the history as stdout gets it."""
    return clean(text) if is_terminal() else text


def shown_line(text: str) -> str:
    """A title or name as stdout gets it."""
    return clean_line(text) if is_terminal() else text


def title(text: str) -> str:
    """A conversation's title as stdout gets it; words that no title begins with where there is none."""
    return shown_line(text) or "(no title)"


def write(text: str) -> None:
    """Text to stdout at once, in UTF-8 whatever the locale; nothing is added."""
    write_bytes(text.encode(errors="replace"))


def line(text: str = "") -> None:
    """A line to stdout."""
    write(f"{text}\n")


def document(value: object) -> None:
    """One JSON document to stdout."""
    line(json_text(value))


def document_line(value: object) -> None:
    """One JSON document on one line."""
    line(json_text(value, indent=None))


def write_bytes(data: bytes) -> None:
    """Bytes to stdout at once."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def note(text: str) -> None:
    """A line to stderr, cleaned: a message may carry what a server said."""
    sys.stderr.write(f"{clean(text)}\n")
    sys.stderr.flush()


def report(error: TuiChatError) -> None:
    """What happened, what there was to choose from, and what to do next."""
    note(str(error))
    if isinstance(error, Ambiguous):
        for candidate in error.candidates:
            note(f"  {clean_line(candidate)}")
    if error.hint:
        note(error.hint)


def local_minute(instant: Millis) -> str:
    """The reader's local ``2026-11-20 08:00``: of one width, for columns."""
    return local(instant).strftime("%Y-%m-%d %H:%M")
