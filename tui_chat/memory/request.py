"""What a plan is asked for: everything a strategy decides on beside the branch itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tui_chat.core.attachments import Carried, weigh
from tui_chat.core.context import ContextPlan
from tui_chat.core.models import Attachment, MessageHeader
from tui_chat.core.recall import Hit
from tui_chat.core.summary import Summary
from tui_chat.core.tokens import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to come. Room is in tokens; ``max_messages`` counts earlier messages, no pins and not the draft.

    ``draft`` None plans without one; ``draft_id`` is its id where it is saved already. A system prompt
    of nothing but white space is none. ``draft_attachments`` go with the draft, loaded; ``takes_images``
    says that images may be sent, for text files it takes no leave. ``assumed`` says that the context window is a guess.
    ``reserved_for_reply`` None is a quarter of the context window, at most 4,096. ``margin`` None goes
    by the script of the letters, or by ``calibrated`` (``memory.budget``).

    ``low`` below 1 trims in blocks: over a limit, the window drops to this share of it and then grows
    again from ``anchor_id``, the ``anchor`` of the last plan that was sent (None, or the id of a message
    that is not on the branch: the branch's beginning). ``factor`` corrects every estimate, in whole
    percents; ``calibrated`` says that it comes from enough of the server's own figures, and
    ``calibrated_others`` that enough of them were of scripts other than Latin. ``residual`` is by how
    many tokens the conversation's last request was larger (smaller, where negative) than its estimate.

    What needs I/O is fetched before: ``summary`` is the newest one of this conversation, with
    ``summary_problem`` saying why there is none; ``ranked`` are the messages found for this draft,
    best first, with ``ranking_problem`` saying why nothing was looked for (``building``, or a sentence).
    """

    context_window: int
    max_messages: int = 20
    draft: str | None = None
    draft_id: str | None = None
    draft_attachments: tuple[Attachment, ...] = ()
    takes_images: bool = False
    system_prompt: str | None = None
    assumed: bool = False
    reserved_for_reply: int | None = None
    margin: float | None = None
    low: float = 1.0
    anchor_id: str | None = None
    factor: float = 1.0
    calibrated: bool = False
    calibrated_others: bool = False
    residual: int = 0
    summary: Summary | None = None
    summary_problem: str = ""
    ranked: tuple[Hit, ...] = ()
    ranking_problem: str = ""

    def draft_files(self) -> tuple[Measure, Carried]:
        """What the draft's attachments add to its text, and how many of them are sent; nothing without a draft."""
        added, files = weigh(self.draft_attachments if self.draft is not None else ())
        if not self.takes_images:
            files = files._replace(images=0, image_tokens=0, others=files.others + files.images)
        return added, files

    def corrected(self, estimate: int) -> int:
        """An estimate after the factor, rounded up."""
        # Whole numbers: 1.1 times 100 is 110.00000000000001, which would round up to 111.
        return -(-estimate * round(self.factor * 100) // 100)


class Strategy(Protocol):
    """A rule for what is remembered."""

    @property
    def name(self) -> str:
        """The word for it in settings, commands and plans."""

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        """Decide; pure, the payload still empty.

        ``branch`` is the branch on show, oldest first, without the draft.
        """
