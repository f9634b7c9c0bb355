"""What a streamed chat completion says: bytes in, deltas out, without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tui_chat.core.errors import EmptyReply, NotReached, NotThisDialect, ProviderError
from tui_chat.core.events import Delta, Finished, ThinkingDelta, UsageReported
from tui_chat.core.models import Usage, clean_surrogates
from tui_chat.providers.refusals import (
    TRY_AGAIN,
    Speaker,
    clean,
    complaint,
    complaint_in,
    failed_midway,
    looks_like_html,
    not_this_dialect,
    parse_json,
    web_page,
)
from tui_chat.providers.sse import Event, EventStream
from tui_chat.providers.thinking import ThinkSplitter

_HEAD = 100_000
"""Bytes kept of a body in which no event was found yet, to tell what it is instead."""


_REASONS = {"function_call": "tool_calls"}
"""Older words for today's."""


class ChatStream:
    """Reads one answer's body; ``complete`` once all is said.

    A stream is properly ended by its ``finish_reason``; neither ``[DONE]`` nor the end of the body
    replaces one, because servers break off with either.
    """

    def __init__(self, speaker: Speaker, content_type: str = "") -> None:
        self._speaker = speaker
        self._html = content_type == "text/html"
        self._events = EventStream()
        self._think = ThinkSplitter()
        self._head = bytearray()
        self._any_event = False
        self._any_piece = False
        self._done = False
        self._reason: str | None = None
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
        return 0.25 if self._done else 5.0

    def feed(self, piece: bytes) -> Iterator[Delta]:
        """The deltas in this piece; an empty piece is the end of the body. Raises ProviderError."""
        if self._html:
            raise web_page(self._speaker)
        if not piece:
            yield from self._end()
            return
        if not self._any_event and len(self._head) < _HEAD:
            self._head += piece
        for event in self._events.feed(piece):
            yield from self._event(event)

    # -- inside ---------------------------------------------------------------------------

    def _event(self, event: Event) -> Iterator[Delta]:
        self._any_event = True
        if self._done or not event.data:
            return
        if event.data.strip() == "[DONE]":
            self._done = True
            return
        try:
            chunk = parse_json(event.data)
        except ValueError as error:
            if event.name == "error":
                raise failed_midway(self._speaker, complaint(event.data, key=self._speaker.key)) from error
            raise not_this_dialect(self._speaker) from error
        yield from self._chunk(chunk, event.name)

    def _chunk(self, chunk: Any, event_name: str) -> Iterator[Delta]:
        if not isinstance(chunk, dict):
            raise not_this_dialect(self._speaker)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        if event_name == "error" or chunk.get("error") or choice.get("finish_reason") == "error":
            raise failed_midway(self._speaker, complaint_in(chunk, key=self._speaker.key))
        delta = choice.get("delta")
        if isinstance(delta, dict):
            yield from self._delta(delta)
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self._reason = _REASONS.get(reason) or clean(reason, limit=40)
        if (usage := _usage(chunk.get("usage"))) is not None:
            yield UsageReported(usage)

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Delta]:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            self._any_piece = True
            yield ThinkingDelta(clean_surrogates(thought))
        for text in (delta.get("content"), delta.get("refusal")):
            if text is not None and not isinstance(text, str):
                raise NotThisDialect(
                    f"{self._speaker.name} sent a piece of its answer that is no text.",
                    hint="Choose another model (ctrl+o).",
                )
            if text:
                self._any_piece = True
                yield from self._think.feed(clean_surrogates(text))

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
        yield Finished(self._reason)

    def _no_end(self) -> ProviderError:
        """Why there is no proper end."""
        name = self._speaker.name
        if self._any_piece:
            return NotReached(f"{name} broke off in the middle of its reply.", hint=TRY_AGAIN)
        lines = bytes(self._head).decode("utf-8", "replace").splitlines()
        head = "\n".join(line for line in lines if not line.startswith(":")).strip()  # comments are signs of life
        if self._any_event or not head:
            return EmptyReply(
                f"{name} ended without an answer.", hint="The conversation may be too long for this server; try again."
            )
        if looks_like_html(head):
            return web_page(self._speaker)
        said = complaint(head, key=self._speaker.key)
        if head.startswith(("{", "[")) and said.words:
            return failed_midway(self._speaker, said)
        return not_this_dialect(self._speaker)


def _usage(value: Any) -> Usage | None:
    """The server's counts; None where it gives none."""
    if not isinstance(value, dict):
        return None
    details = value.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    prompt, completion = _count(value.get("prompt_tokens")), _count(value.get("completion_tokens"))
    return None if prompt is None else Usage(prompt, completion or 0, cached or 0)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else None
