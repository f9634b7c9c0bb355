"""What one request goes by: the person's options, and what is known of its model. Light enough for the first paint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tui_chat.core.models import Attachment, Conversation, MessageHeader, ModelRef
from tui_chat.services import sampling
from tui_chat.services.learned import Known
from tui_chat.services.windows import ContextWindow

LONG_BRANCH = 2_000
LONG_DRAFT = 50_000
"""Messages, and characters, above which a plan is not made on the event loop: more than 5 ms."""


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for one request only; None where the conversation's or the user's settings do.

    An empty ``system_prompt`` is none at all. ``over_cap`` says that the person was asked and wants it
    sent although it exceeds a limit of spending. ``attachments`` go with the draft, loaded.
    """

    model: ModelRef | None = None
    strategy: str | None = None
    max_messages: int | None = None
    context_window: int | None = None
    reserve: int | None = None
    system_prompt: str | None = None
    over_cap: bool = False
    attachments: tuple[Attachment, ...] = ()

    def applied_to(self, conversation: Conversation) -> Conversation:
        """The conversation as this request sees it."""
        if self.system_prompt is None:
            return conversation
        return replace(conversation, system_prompt=self.system_prompt or None)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan goes by beside the branch: the model's window, what its requests taught, and what else it takes.

    ``takes_images`` None: nobody knows, and it is tried.
    """

    window: ContextWindow
    known: Known = field(default_factory=Known)
    takes_images: bool | None = None
    takes: sampling.Takes = field(default_factory=sampling.Takes)


def is_long(branch: Sequence[MessageHeader], draft: str | None, files: Sequence[Attachment] = ()) -> bool:
    """Whether planning takes so long that a key would feel it."""
    return len(branch) > LONG_BRANCH or len(draft or "") + sum(each.size for each in files) > LONG_DRAFT
