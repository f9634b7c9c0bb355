"""What a streamed answer of Ollama's says: bytes in, deltas out, without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tui_chat.core.errors import EmptyReply
from tui_chat.core.events import Delta
from tui_chat.core.models import Usage
from tui_chat.providers.reading import Reading, count
from tui_chat.providers.refusals import TRY_AGAIN, Speaker, clean
from tui_chat.providers.sse import Event, EventStream

_NO_ANSWER = {"load", "unload"}
"""Reasons of an end at which the server only took the model into memory, or out of it."""


class LineStream(EventStream):
    """JSON lines instead of events: each line is one by itself. What begins with a colon is a proxy's sign of life."""

    def _line(self, raw: bytes) -> Event | None:
        text = raw.decode("utf-8", "replace").strip("\ufeff \t")
        return Event("message", text) if text and not text.startswith(":") else None


class OllamaStream(Reading):
    """Reads one answer's body, whose end is a line that says ``done`` and nothing else."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__(speaker)
        self._events = LineStream()
        self._any_call = False

    def feed(self, piece: bytes) -> Iterator[Delta]:
        """The deltas in this piece; whatever follows the last line is as good as the end of the body."""
        return super().feed(b"" if self._done else piece)

    # -- inside ---------------------------------------------------------------------------

    def _read(self, value: Mapping[str, Any]) -> Iterator[Delta]:
        message = value.get("message")
        self._own = self._own or isinstance(message, dict) or "done" in value
        if isinstance(message, dict):
            self._any_call = self._any_call or bool(message.get("tool_calls"))
            yield from self._thought(message.get("thinking"))
            yield from self._text(message.get("content"))
        if value.get("done") is True:
            self._done = True
            self._reason = self._reason_of(value.get("done_reason"))
            self._usage = _usage(value)

    def _reason_of(self, said: object) -> str:
        reason = clean(said, limit=40) if isinstance(said, str) and said else "stop"  # old servers say none
        if reason in _NO_ANSWER and not self._any_piece:
            raise EmptyReply(f"{self._speaker.name} only loaded the model and said nothing.", hint=TRY_AGAIN)
        return "tool_calls" if reason == "stop" and self._any_call else reason


def _usage(said: Mapping[str, Any]) -> Usage | None:
    """The server's counts; None where it gives none of the prompt, as old servers did for one in their cache.

    ``prompt_eval_count`` holds what the cache served (but in a few versions of 2024 and 2026).
    """
    prompt = count(said.get("prompt_eval_count"))
    if not prompt:
        return None
    cached = count(said.get("prompt_eval_cached_count")) or 0
    return Usage(prompt, count(said.get("eval_count")) or 0, min(prompt, cached))
