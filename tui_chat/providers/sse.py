"""Server-sent events without I/O: bytes in, whole events out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tui_chat.core.errors import ServerFailed

LARGEST_EVENT = 10_000_000
"""Bytes of one line, or of one event's lines together; more is no model's answer."""

_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its ``event:`` name (``message`` where it has none) and its data lines joined."""

    name: str
    data: str


class EventStream:
    """Cuts a body into events wherever its pieces happen to be cut.

    Follows the HTML standard's parsing (LF, CR and CRLF; comments; a byte order mark; unknown
    fields ignored), but gives out a last event that no empty line closes, as servers that end
    abruptly send it. Lines are decoded whole, so a cut inside a character is no matter.
    """

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._partial_size = 0
        self._after_cr = False
        self._first = True
        self._name = ""
        self._data: list[str] = []
        self._data_size = 0

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes. Raises ServerFailed beyond ``LARGEST_EVENT``."""
        if self._after_cr and piece.startswith(b"\n"):
            piece, self._after_cr = piece[1:], False
        if not piece:
            return []
        self._after_cr = piece.endswith(b"\r")
        *ended, rest = _LINE_END.split(piece)
        events = []
        for end in ended:
            if event := self._line(self._take() + end):
                events.append(event)
        if rest:
            self._partial.append(rest)
            self._partial_size += len(rest)
        if self._partial_size + self._data_size > LARGEST_EVENT:
            raise ServerFailed("The server sent one piece of more than 10 MB.", hint="This is no answer; try again.")
        return events

    def end(self) -> list[Event]:
        """The event that stood open when the body ended, if there is one."""
        line = self._take()
        events = [self._line(line)] if line else []
        events.append(self._line(b""))
        return [event for event in events if event is not None]

    def _take(self) -> bytes:
        """The line that stands open, or nothing."""
        line = b"".join(self._partial)
        self._partial.clear()
        self._partial_size = 0
        return line

    def _line(self, raw: bytes) -> Event | None:
        if self._first:
            raw, self._first = raw.removeprefix(b"\xef\xbb\xbf"), False
        if not raw:
            return self._dispatch()
        field, _, value = raw.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._data_size += len(raw)
        elif field == "event":
            self._name = value
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name = ""
        self._data.clear()
        self._data_size = 0
        return event
