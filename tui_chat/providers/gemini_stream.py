"""What a streamed answer of Gemini's says: bytes in, deltas out, without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tui_chat.core.errors import ServerFailed
from tui_chat.core.events import Delta, UsageReported
from tui_chat.core.models import Usage
from tui_chat.providers.reading import Reading, count
from tui_chat.providers.refusals import clean

_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "FUNCTION_CALL": "tool_calls",
    "SAFETY": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "RECITATION": "recitation",
}
"""Its words for those of ``Finished``; others are passed on in lower case."""

_KNOWN = frozenset({"candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId"})
"""What an event of this dialect has at least one of."""


class ContentStream(Reading):
    """Reads one answer: each event is a whole response with only what is new. No mark ends it but the body's end."""

    _called = False

    def _read(self, value: Mapping[str, Any]) -> Iterator[Delta]:
        self._own = self._own or bool(_KNOWN & value.keys())
        self._usage = _usage(value.get("usageMetadata")) or self._usage
        candidates = value.get("candidates")
        if isinstance(candidates, list) and candidates:
            if isinstance(candidates[0], dict):
                yield from self._candidate(candidates[0])
            return
        feedback = value.get("promptFeedback")
        if isinstance(feedback, dict) and (why := feedback.get("blockReason")):
            if self._usage is not None:
                yield UsageReported(self._usage)
            raise ServerFailed(
                f"{self._speaker.name} refused to answer this prompt: {_words(why)}.",
                hint="Say it differently, or choose another model (ctrl+o).",
            )

    def _candidate(self, candidate: Mapping[str, Any]) -> Iterator[Delta]:
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                self._called = self._called or "functionCall" in part
                yield from self._thought(part.get("text")) if part.get("thought") else self._text(part.get("text"))
        if isinstance(reason := candidate.get("finishReason"), str) and reason:
            self._reason = _REASONS.get(reason) or _words(reason)
            if self._reason == "stop" and self._called:  # tool calls have no reason of their own
                self._reason = "tool_calls"


def _usage(value: Any) -> Usage | None:
    """The server's counts; None where it gives none."""
    if not isinstance(value, dict):
        return None

    def said(name: str) -> int:
        return count(value.get(name)) or 0

    if count(value.get("promptTokenCount")) is None:
        return None
    return Usage(
        said("promptTokenCount") + said("toolUsePromptTokenCount"),
        said("candidatesTokenCount") + said("thoughtsTokenCount"),  # the thinking is not among the candidates'
        said("cachedContentTokenCount"),
    )


def _words(name: object) -> str:
    """``prohibited content`` for ``PROHIBITED_CONTENT``."""
    return clean(str(name).replace("_", " ").lower(), limit=40)
