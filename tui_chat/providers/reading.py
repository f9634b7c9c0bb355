"""What the readings of server-sent answers share: bytes in, deltas out, without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tui_chat.core.errors import EmptyReply, NotReached, NotThisDialect, ProviderError, ServerFailed
from tui_chat.core.events import Delta, Finished, ThinkingDelta, UsageReported
from tui_chat.core.models import Usage, clean_surrogates
from tui_chat.providers.refusals import (
    TRY_AGAIN,
    Speaker,
    complaint,
    complaint_in,
    failed_midway,
    not_this_dialect,
    parse_json,
    web_page,
)
from tui_chat.providers.sse import Event, EventStream
from tui_chat.providers.thinking import ThinkSplitter

_HEAD = 100_000
"""Bytes kept of a body in which no event was found yet, to tell what it is instead."""

LARGEST_REPLY = 20_000_000
"""Characters of answer and thinking together: many times what any model says, and less than a computer can hold."""


class Reading:
    """Reads one answer's body; ``complete`` once all is said. A dialect says in ``_read`` what its events mean.

    A stream is properly ended by the reason it gives; neither a mark of its end nor the end of the
    body replaces one, because servers break off with either.
    """

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._events = EventStream()
        self._think = ThinkSplitter()
        self._head = bytearray()
        self._size = 0
        self._any_event = False
        self._any_piece = False
        self._done = False
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._own: bool | None = None
        self.complete = False

    @property
    def ending(self) -> bool:
        """Whether the model or the server said that it is done; the usage may still follow."""
        return self._done or self._reason is not None

    @property
    def patience(self) -> float:
        """Seconds worth waiting for the rest of a finished stream: its usage, then its mere end.

        The end is waited for at all because only then the connection can be used again.
        """
        return 0.25 if self._done or self._usage is not None else 5.0

    def feed(self, piece: bytes) -> Iterator[Delta]:
        """The deltas in this piece; an empty piece is the end of the body. Raises ProviderError."""
        if not piece:
            yield from self._end()
            return
        if not self._any_event and len(self._head) < _HEAD:
            self._head += piece
            # What it is said to be is not believed: there are servers that call every answer a web page.
            if self._head[:200].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
                raise web_page(self._speaker)
        for event in self._events.feed(piece):
            yield from self._event(event)

    # -- for the dialects -----------------------------------------------------------------

    def _read(self, value: Mapping[str, Any]) -> Iterator[Delta]:
        """What an event says. Sets ``_reason`` and ``_usage`` where it gives them, ``_done`` at the mark of the end.

        A dialect that skips what it does not know says in ``_own`` whether there was anything that it does.
        """
        raise NotImplementedError

    def _text(self, text: object) -> Iterator[Delta]:
        """A piece of the answer; None and nothing are none."""
        if piece := self._piece(text):
            yield from self._think.feed(piece)

    def _thought(self, text: object) -> Iterator[Delta]:
        """A piece of the thinking."""
        if piece := self._piece(text):
            yield ThinkingDelta(piece)

    # -- inside ---------------------------------------------------------------------------

    def _piece(self, text: object) -> str:
        if not text:
            return ""
        if not isinstance(text, str):
            raise NotThisDialect(
                f"{self._speaker.name} sent a piece of its answer that is no text.",
                hint="Choose another model (ctrl+o).",
            )
        self._any_piece = True
        self._size += len(text)
        if self._size > LARGEST_REPLY:
            raise ServerFailed(
                f"{self._speaker.name} sent more than {LARGEST_REPLY:,} characters and did not come to an end.",
                hint="What came was kept. Choose another model (ctrl+o).",
            )
        return clean_surrogates(text)

    def _event(self, event: Event) -> Iterator[Delta]:
        self._any_event = True
        if self._done or not event.data:
            return
        try:
            value = parse_json(event.data)
        except ValueError as error:
            if event.name == "error":
                raise failed_midway(self._speaker, complaint(event.data, key=self._speaker.key)) from error
            raise not_this_dialect(self._speaker) from error
        if isinstance(value, list) and len(value) == 1:  # so Google wraps its errors
            value = value[0]
        if not isinstance(value, dict):
            raise not_this_dialect(self._speaker)
        if event.name == "error" or value.get("type") == "error" or value.get("error"):
            raise failed_midway(self._speaker, complaint_in(value, key=self._speaker.key))
        yield from self._read(value)

    def _end(self) -> Iterator[Delta]:
        if not self.ending:
            before = self._any_event
            try:
                for event in self._events.end():
                    yield from self._event(event)
            except NotThisDialect:
                if not before:
                    raise
                # Events came before it: then half a line is how a cut connection looks.
        yield from self._think.end()
        if self._reason is None:
            raise self._no_end()
        self.complete = True
        if self._usage is not None:
            yield UsageReported(self._usage)
        yield Finished(self._reason)

    def _no_end(self) -> ProviderError:
        """Why there is no proper end."""
        name = self._speaker.name
        if self._any_piece:
            return NotReached(f"{name} broke off in the middle of its reply.", hint=TRY_AGAIN)
        if self._own is False:
            return not_this_dialect(self._speaker)
        lines = bytes(self._head).decode("utf-8", "replace").splitlines()
        head = "\n".join(line for line in lines if not line.startswith(":")).strip()  # comments are signs of life
        if self._any_event or not head:
            return EmptyReply(
                f"{name} ended without an answer.", hint="The conversation may be too long for this server; try again."
            )
        try:
            said = complaint_in(parse_json(head), key=self._speaker.key)
        except ValueError:  # whatever it is, it may be half a reply, which belongs in no message
            return not_this_dialect(self._speaker)
        return failed_midway(self._speaker, said) if said.words else not_this_dialect(self._speaker)


def count(value: object) -> int | None:
    """A number of tokens; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else None
