"""What a streamed chat completion says: bytes in, deltas out, without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tui_chat.core.events import Delta
from tui_chat.core.models import Usage
from tui_chat.providers.reading import Reading, count
from tui_chat.providers.refusals import clean, complaint_in, failed_midway
from tui_chat.providers.sse import Event

_KNOWN = frozenset({"choices", "usage", "object"})
"""What an event of this dialect has at least one of."""

_REASONS = {"function_call": "tool_calls"}
"""Older words for today's."""


class ChatStream(Reading):
    """Reads one answer's body. Neither ``[DONE]`` nor anything else replaces the ``finish_reason`` that ends it."""

    def _event(self, event: Event) -> Iterator[Delta]:
        if event.data.strip() == "[DONE]":
            self._any_event = self._done = True
            return
        yield from super()._event(event)

    def _read(self, value: Mapping[str, Any]) -> Iterator[Delta]:
        self._own = self._own or bool(_KNOWN & value.keys())
        choices = value.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        failure = next((each for each in (value, choice) if _failed(each)), None)
        if failure is not None:
            raise failed_midway(self._speaker, complaint_in(failure, key=self._speaker.key))
        delta = choice.get("delta")
        if isinstance(delta, dict):
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            yield from self._thought(thought if isinstance(thought, str) else None)
            yield from self._content(delta.get("content"))
            yield from self._text(delta.get("refusal"))
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self._reason = _REASONS.get(reason) or clean(reason, limit=40)
        self._usage = _usage(value.get("usage")) or self._usage

    def _content(self, content: object) -> Iterator[Delta]:
        """A piece of the answer; Mistral's thinking models send a list of such, the thinking among them."""
        for part in content if isinstance(content, list) else [content]:
            match part:
                case {"type": "thinking", "thinking": [*thoughts]}:
                    for thought in thoughts:
                        yield from self._thought(thought.get("text") if isinstance(thought, dict) else None)
                case {"type": "text", "text": text}:
                    yield from self._text(text)
                case _:
                    yield from self._text(part)


def _failed(value: Mapping[str, Any]) -> bool:
    """Whether it is a failure, as vLLM and OpenRouter say one, beside the ways that all dialects have."""
    return value.get("object") == "error" or bool(value.get("error")) or value.get("finish_reason") == "error"


def _usage(value: Any) -> Usage | None:
    """The server's counts; None where it gives none."""
    if not isinstance(value, dict):
        return None
    details = value.get("prompt_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, dict) else None
    prompt = count(value.get("prompt_tokens"))
    return None if prompt is None else Usage(prompt, count(value.get("completion_tokens")) or 0, cached or 0)
