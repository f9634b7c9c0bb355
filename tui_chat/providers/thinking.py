"""Thinking that a server did not tell apart: ``<think>…</think>`` at the very start of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from tui_chat.core.events import TextDelta, ThinkingDelta

OPENING = "<think>"
CLOSING = "</think>"


class _Where(Enum):
    START = auto()
    THINKING = auto()
    GAP = auto()
    ANSWER = auto()


class ThinkSplitter:
    """Tells thinking and answer apart, however the text is cut into pieces.

    Only the very start counts (white space before it aside): later the tag is the model's text
    about tags. The white space around the tags belongs to neither.
    """

    def __init__(self) -> None:
        self._where = _Where.START
        self._held = ""

    def feed(self, text: str) -> Iterator[TextDelta | ThinkingDelta]:
        """What is certain after this piece; the beginning of a tag is held back."""
        if self._where is _Where.ANSWER:
            if text:
                yield TextDelta(text)
            return
        text, self._held = self._held + text, ""
        if self._where is _Where.START:
            text = self._start(text)
        if self._where is _Where.THINKING:
            thought, text = self._thinking(text)
            if thought:
                yield ThinkingDelta(thought)
        if self._where is _Where.GAP and (text := text.lstrip()):
            self._where = _Where.ANSWER
        if self._where is _Where.ANSWER and text:
            yield TextDelta(text)

    def end(self) -> Iterator[TextDelta | ThinkingDelta]:
        """What was held back, now that nothing follows."""
        held, self._held = self._held, ""
        if held:
            yield ThinkingDelta(held) if self._where is _Where.THINKING else TextDelta(held)

    def _start(self, text: str) -> str:
        """Decide where the text begins, or hold it back while that is open."""
        begun = text.lstrip()
        if begun.startswith(OPENING):
            self._where = _Where.THINKING
            return begun.removeprefix(OPENING)
        if OPENING.startswith(begun):
            self._held = text
            return ""
        self._where = _Where.ANSWER
        return text

    def _thinking(self, text: str) -> tuple[str, str]:
        """The thinking in a text and what follows its end."""
        thought, closing, rest = text.partition(CLOSING)
        if closing:
            self._where = _Where.GAP
            return thought, rest
        open_tag = next((size for size in range(len(CLOSING) - 1, 0, -1) if text.endswith(CLOSING[:size])), 0)
        self._held = text[len(text) - open_tag :]
        return text[: len(text) - open_tag], ""
