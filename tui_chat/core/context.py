"""What one request sends and why: the plan that the inspector shows and the provider renders.

Nothing is sent that is not in the plan's ``payload``. The plan holds counts and instants, no
formatted times and no locale: the same input makes the same plan everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from tui_chat.core.clock import Millis
from tui_chat.core.models import Attachment, Role, ToolCall, ToolResult
from tui_chat.core.sampling import LeftOut, Sampling
from tui_chat.core.summary import Summary


class Kind(StrEnum):
    """What an entry is."""

    SYSTEM = "system"
    TOOLS = "tools"
    MESSAGE = "message"
    SUMMARY = "summary"
    RETRIEVED = "retrieved"
    DRAFT = "draft"


class Reason(StrEnum):
    """Why an entry is sent or not: the whole list."""

    # sent
    SYSTEM = "system"
    TOOLS = "tools"
    DRAFT = "draft"
    FULL = "full"
    WINDOW = "window"
    PINNED = "pinned"
    SUMMARY = "summary"
    RETRIEVED = "retrieved"
    EXCERPT = "excerpt"
    # not sent
    BEFORE_WINDOW = "before_window"
    SUMMARISED = "summarised"
    EXCLUDED = "excluded"
    PINNED_NO_ROOM = "pinned_no_room"
    NO_USER_MESSAGE = "no_user_message"
    ERROR = "error"
    EMPTY = "empty"
    OVER_BUDGET = "over_budget"
    ATTACHMENT_UNSUPPORTED = "attachment_unsupported"


class Limit(StrEnum):
    """Which limit moved the window."""

    MESSAGES = "messages"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class TokenBudget:
    """Room in the model's context window, in tokens.

    ``input = floor((context_window - reserved_for_reply) / (1 + margin))``; ``assumed`` where the
    context window is a guess; ``margin`` is the share by which the estimate may be too low.
    """

    context_window: int
    assumed: bool
    reserved_for_reply: int
    margin: float
    input: int


class Entry(NamedTuple):
    """One thing that is sent or not. ``order`` is its place in the payload, None where it has none of its own.

    A named tuple, because plans of ten thousand messages are made while the person types.
    ``inside`` is the id of the entry whose text carries this one; its tokens are counted there only.
    An entry of kind ``retrieved`` without an id is the whole block of quotations, one with an id a
    quotation from another conversation; a quoted message of this one is a ``message``.
    """

    id: str | None
    kind: Kind
    role: Role
    sent: bool
    reason: Reason
    tokens: int
    order: int | None = None
    inside: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """``sent`` and ``not_sent`` count earlier messages only; ``tokens`` is the whole request."""

    sent: int
    not_sent: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Warning:
    """Something the person must know before sending.

    ``count`` of ``of`` complete earlier messages are not sent for this reason, none counted in two
    warnings; ``since`` is when the window's first was written (None where it is empty); ``limit`` is
    what moved the window. Codes, the first five the window's and one of them at most beside
    ``summarised``:

    * ``last_answer_not_sent``, ``before_window``;
    * ``not_summarised``: nor is there a summary of them; ``why`` is ``due``, ``invalid``, ``too_long``,
      or the sentence of what made it fail;
    * ``not_found``: retrieval sends ``found`` of the older messages beside, and not these;
    * ``not_searched``: nothing was retrieved; ``why`` is ``building`` or the sentence of the failure;
    * ``summarised``: only their content is, in the summary by ``model``, of ``tokens``, from ``since``;
    * ``pin_no_room``, ``excluded``;
    * ``attachment_unsupported``: here ``count`` messages, the draft among them, have attachments that
      are not sent, whether their texts are or not.
    """

    code: str
    count: int = 0
    of: int = 0
    since: Millis | None = None
    limit: Limit | None = None
    found: int = 0
    why: str = ""
    model: str = ""
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class PlanError:
    """Why nothing is sent; ``needed`` and ``room`` in tokens, ``parts`` names what needs them."""

    code: str
    needed: int = 0
    room: int = 0
    parts: str = ""


@dataclass(frozen=True, slots=True)
class PayloadMessage:
    """One message as it goes to the provider, in neutral form: its text, the calls it makes, the results it brings.

    Text files stand in the text. ``images`` are loaded, and of the kind their ``mime`` says.
    """

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()
    images: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Quotation:
    """An older message that is quoted inside the draft's; ``tokens`` is the most its quotation costs, uncorrected.

    ``limit`` is the most tokens of its text that are quoted, None for all of it; ``conversation`` the
    title of the one it comes from, None for this one.
    """

    id: str
    role: Role
    created_at: Millis
    tokens: int
    limit: int | None = None
    conversation: str | None = None


@dataclass(frozen=True, slots=True)
class ContextPlan:
    """Exactly what one request sends and why; with an ``error`` nothing is sent.

    ``anchor`` is where the next window of blocks begins if this plan is sent; None where there is
    nothing to remember. ``uncorrected`` is the request's estimate before any factor: what a server's
    count is compared with to calibrate; ``share_of_others`` is that of the letters that are not Latin, and
    ``others`` says that it is over 30 %.
    ``takes_images`` says that the images of what is sent go with it.
    ``summary`` and ``quotations`` are what the payload needs beside the branch, as far as it is sent.
    ``sampling`` goes out beside the payload; ``unsampled`` is what the user set of it and does not.
    """

    strategy: str
    budget: TokenBudget
    entries: tuple[Entry, ...]
    totals: Totals
    warnings: tuple[Warning, ...] = ()
    error: PlanError | None = None
    payload: tuple[PayloadMessage, ...] = field(default=(), repr=False)
    anchor: str | None = None
    # How it was counted, not what was decided: two plans that send the same are the same.
    uncorrected: int = field(default=0, compare=False)
    others: bool = field(default=False, compare=False)
    share_of_others: float = field(default=0.0, compare=False)
    summary: Summary | None = field(default=None, repr=False)
    quotations: tuple[Quotation, ...] = ()
    takes_images: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    unsampled: tuple[LeftOut, ...] = ()

    def without_parameter(self, name: str) -> ContextPlan:
        """The plan after the model refused this sampling parameter, which the plan sends."""
        left_out = LeftOut(name, self.sampling.values[name], refused=True)
        return replace(self, sampling=self.sampling.without(name), unsampled=(*self.unsampled, left_out))
