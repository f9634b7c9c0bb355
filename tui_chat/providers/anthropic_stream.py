"""What a streamed message of Anthropic's says: bytes in, deltas out, without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tui_chat.core.events import Delta
from tui_chat.core.models import Usage
from tui_chat.providers.reading import Reading, count
from tui_chat.providers.refusals import clean

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "model_context_window_exceeded": "window_full",
}
"""Its words for those of ``Finished``; others are passed on."""


class MessageStream(Reading):
    """Reads one message. Events of kinds that it does not know are skipped, as the vendor asks.

    Blocks are told apart by what their pieces are and not by their order: llama.cpp leaves the
    thinking open until the text is done too.
    """

    _counted: Mapping[str, int] = {}

    def _read(self, value: Mapping[str, Any]) -> Iterator[Delta]:
        kind = value.get("type")
        self._own = self._own or isinstance(kind, str)
        match kind:
            case "message_start":
                self._count(_object(value, "message"))
            case "content_block_start":
                yield from self._block(_object(value, "content_block"))
            case "content_block_delta":
                yield from self._block(_object(value, "delta"))
            case "message_delta":
                self._count(value)
                self._total()
                reason = _object(value, "delta").get("stop_reason")
                if isinstance(reason, str) and reason:
                    self._reason = _REASONS.get(reason) or clean(reason, limit=40)
            case "message_stop":
                self._done = True

    def _block(self, block: Mapping[str, Any]) -> Iterator[Delta]:
        """A block's beginning, or a piece of one: of text, of thinking, or of what is not shown."""
        match block.get("type"):
            case "text" | "text_delta":
                yield from self._text(block.get("text"))
            case "thinking" | "thinking_delta":
                yield from self._thought(block.get("thinking"))

    def _count(self, value: Mapping[str, Any]) -> None:
        """Take in what the counts have come to; a later one replaces an earlier, one left out does not."""
        said = {name: count(number) for name, number in _object(value, "usage").items()}
        self._counted = {**self._counted, **{name: number for name, number in said.items() if number is not None}}

    def _total(self) -> None:
        counted = self._counted
        if "input_tokens" not in counted:
            return
        read = counted.get("cache_read_input_tokens", 0)
        # Unlike elsewhere the prompt's count leaves out what came from the cache or went into it.
        prompt = counted["input_tokens"] + read + counted.get("cache_creation_input_tokens", 0)
        self._usage = Usage(prompt, counted.get("output_tokens", 0), read)


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}
