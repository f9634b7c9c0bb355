"""A reply while it is being written."""

from __future__ import annotations

from tui_chat.core.clean import clean
from tui_chat.ui.markdown import Inks, Line, Stream
from tui_chat.ui.widgets.transcript_look import folded_thinking, live_thinking, open_thinking

FRAME = 0.04
"""Seconds between two flushes at least."""

SHARE = 3
"""A flush is followed by a pause of so many times its own cost: drawing takes a quarter of a core at most."""

SLICE = 20_000
"""Characters that one flush takes: a burst is drawn in slices, between which keys are answered."""


class Live:
    """What has arrived of one reply, and its lines as far as they are drawn. Its cost is that of what is new."""

    def __init__(self, text: str, thinking: str) -> None:
        self._text = ""
        self._pending = [text]
        self._thinking = thinking
        self._thinking_is_new = bool(thinking)
        self._stream: Stream | None = None

    @property
    def is_pending(self) -> bool:
        """Whether something has arrived that is not drawn."""
        return self._thinking_is_new or any(self._pending)

    def feed(self, text: str) -> None:
        """More of the answer."""
        self._pending.append(text)

    def feed_thinking(self, text: str) -> None:
        """More of the thinking."""
        self._thinking += text
        self._thinking_is_new = True

    def restart(self) -> None:
        """Draw all of it again: the width or the theme has changed."""
        self._pending = [self._text, *self._pending]
        self._text = ""
        self._stream = None

    def flush(self, width: int, inks: Inks) -> None:
        """Draw the next slice of what has arrived; all of it where nothing is drawn yet."""
        arrived = "".join(self._pending)
        end = SLICE
        if self._stream is None:
            self._stream, end = Stream(width, inks), len(arrived)
        # Half of a surrogate pair waits for its other half.
        end -= "\ud800" <= arrived[end - 1 : end] <= "\udbff" if 0 < end < len(arrived) else 0
        self._text += arrived[:end]
        self._pending = [arrived[end:]]
        self._stream.feed(clean(arrived[:end]))
        self._thinking_is_new = False

    @property
    def is_drawn(self) -> bool:
        """Whether there are lines for this width and theme."""
        return self._stream is not None

    @property
    def has_code(self) -> bool:
        """Whether a code block may have begun."""
        return "```" in self._text or "~~~" in self._text

    @property
    def answer(self) -> list[Line]:
        """The lines of the answer that are drawn."""
        return self._stream.lines if self._stream is not None else []

    def lines(self, width: int, inks: Inks, *, unfolded: bool) -> list[Line]:
        """What is drawn by now, thinking first."""
        if not self._thinking:
            return self.answer
        if unfolded:
            return open_thinking(self._thinking, width, inks) + self.answer
        fold = folded_thinking if self._text else live_thinking
        return [fold(self._thinking, width, inks), *self.answer]

    def is_whole(self, text: str) -> bool:
        """Whether its lines are what a rendering of this text, as a whole, would give."""
        stream = self._stream
        return not self.is_pending and stream is not None and stream.is_exact and stream.source == clean(text)
