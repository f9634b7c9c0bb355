"""A reply while it arrives, and what it is when it ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from tui_chat.core.clean import clean_line
from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import Message, Part, Status, Thinking, Usage
from tui_chat.core.ports import Body
from tui_chat.core.sentences import CUT_OFF

ENDINGS = {
    "length": CUT_OFF,
    "content_filter": "The service's content filter ended the reply.",
    "tool_calls": "The model asked for a tool; tui_chat offers it none.",
    "refusal": "The model declined to answer.",
    "pause_turn": "The service paused the reply; ask it to go on.",
    "window_full": "The reply was cut off: the model's context window is full.",
    "recitation": "The service ended the reply because it repeated published text.",
}
"""What to say beside a reply that ended otherwise than by itself."""


def ending_of(finished: str | None) -> str | None:
    """What to say about that end; None where the model simply was done, or the stream said nothing of it."""
    if finished is None or finished in ("stop", "end_turn", "eos"):
        return None
    return ENDINGS.get(finished) or f"The service ended the reply: {clean_line(finished)[:60]}."


def _told_apart(text: str) -> tuple[str, str]:
    """Thinking and answer where only the thinking's end is marked: some chat templates have begun it in the prompt.

    The mark stands in a line of its own, outside of any code block.
    """
    before, closing, after = text.partition("\n</think>\n")
    is_end = closing and "<think>" not in before and before.count("```") % 2 == 0
    return (before, after.lstrip("\n")) if is_end else ("", text)


@dataclass(slots=True)
class Arriving:
    """A reply while it arrives."""

    reply: Message
    pieces: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    usage: Usage | None = None
    finished: str | None = None
    plan: ContextPlan | None = None
    costs: bool = False
    """Whether it is to be paid for although nothing came back."""
    notes: list[str] = field(default_factory=list)
    """What is to be said beside the reply although it is no failure, a sentence each."""
    spoke: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def body(self) -> Body:
        """What has arrived so far."""
        thinking, text = "".join(self.thinking), "".join(self.pieces)
        if not thinking:
            thinking, text = _told_apart(text)
        parts: tuple[Part, ...] = (Thinking(thinking),) if thinking else ()
        return Body(text, parts)

    def ended(self, status: Status, error: TuiChatError | None) -> Message:
        """The reply as it is kept; an end that is neither an answer nor a failure stands beside the text too."""
        ending = error.sentence if error else ending_of(self.finished)
        note = " ".join(filter(None, (ending, *self.notes))) or None
        body = self.body
        return replace(self.reply, text=body.text, parts=body.parts, status=status, error=note, usage=self.usage)
