"""Room for a request: the token budget, and the parts of it that are sent whatever is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from operator import attrgetter
from typing import NamedTuple

from tui_chat.core.context import PlanError, TokenBudget
from tui_chat.core.models import MessageHeader, Role
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS, measure
from tui_chat.memory.request import Request

LATIN_MARGIN = 0.40
OTHER_MARGIN = 1.00
"""Shares by which an estimate may be too low before the server's own counts correct it. The worst seen on
whole requests over five current vocabularies: 37 % of the estimate for Latin text (German), 92 % for Hindi."""

CALIBRATED_MARGIN = 0.05
CALIBRATED_DENSE_MARGIN = 0.12
"""The same once they correct it. The worst 1 % seen: 4.8 %; the worst of all, with JSON in it: 10 %. The larger
one holds where there are tool calls or results, or dense texts (``_dense_tokens``)."""

DENSE_SHARE = 10
"""Dense texts matter above a tenth of the context window: below it the worst error seen in them, 35 % in tables
of numbers, stays within the small margin. Of the window, not of the branch: so a branch that grows crosses it once."""

OTHER_SHARE = 0.30
"""Above this share of letters that are not Latin the larger margin holds."""

UNKNOWN_SHARE = 0.02
"""Up to this share of its letters a script may be unknown: a name, a formula."""

RESIDUAL_SHARE = 5
"""The last request's residual corrects at most a fifth of an estimate: one from a far larger request must not
be most of this one's. Measured on 20 messages, least squares alone are further off than 12 % once in 100."""

LARGEST_DEFAULT_RESERVE = 4096
SMALLEST_SHRUNK_RESERVE = 256


@dataclass(frozen=True, slots=True)
class Fixed:
    """The budget and what is sent in any case. Tokens are None for a part that is not there.

    ``request`` is what the request costs beyond its messages, ``held`` of it for the residual;
    ``uncorrected`` all that is sent in any case, before the factor. ``share_of_others`` is the share of
    letters that are not Latin, on the whole branch.
    """

    budget: TokenBudget
    request: int
    held: int
    system: int | None
    draft: int | None
    uncorrected: int
    share_of_others: float
    residual: int
    error: PlanError | None

    @property
    def tokens(self) -> int:
        """What the request costs before anything is remembered."""
        return self.request + (self.system or 0) + (self.draft or 0)

    @property
    def room(self) -> int:
        """What is left for earlier messages."""
        return self.budget.input - self.tokens

    @property
    def others(self) -> bool:
        """Whether the request counts as one of a script other than Latin."""
        return self.share_of_others > OTHER_SHARE

    def credit(self, tokens: int) -> int:
        """What to add to a request of so many ``tokens``, so that it is corrected by its residual; never above 0.

        Room was ``held`` as for the largest request. A residual below 0 makes the figure better and no
        room larger: being wrong there must not cost a refusal.
        """
        estimate = tokens - self.held
        most = estimate // RESIDUAL_SHARE
        return max(-most, min(self.residual, most)) - self.held


def fixed_parts(branch: Sequence[MessageHeader], request: Request) -> Fixed:
    """Measure the parts that are always sent, make the budget, and say where they do not fit it."""
    system, draft = _Text.of(request.system_prompt or ""), _Text.of_draft(request)
    images = request.draft_files()[1].image_tokens
    texts: list[MessageHeader | _Text] = [*branch, system, draft]
    others = _share_of_others(texts)
    margin = _margin(branch, texts, request, others) if request.margin is None else request.margin
    budget = _budget(request, margin)
    of_system = system.tokens + MESSAGE_TOKENS if (request.system_prompt or "").strip() else None
    of_draft = draft.tokens + MESSAGE_TOKENS if request.draft is not None else None
    held = _held(request, budget)
    fixed = Fixed(
        budget,
        request.corrected(REQUEST_TOKENS) + held,
        held,
        None if of_system is None else request.corrected(of_system),
        None if of_draft is None else request.corrected(of_draft) + images,
        REQUEST_TOKENS + (of_system or 0) + (of_draft or 0) + images,
        others,
        request.residual,
        None,
    )
    return replace(fixed, error=_error(fixed, request))


class _Text(NamedTuple):
    """What a header says of a message, of the system prompt and the draft."""

    characters: int
    tokens: int
    letters: int
    other_letters: int
    attachments: int = 0

    @classmethod
    def of(cls, text: str) -> _Text:
        return cls(len(text), *measure(text))

    @classmethod
    def of_draft(cls, request: Request) -> _Text:
        """With the files that go with it."""
        draft = request.draft or ""
        added, files = request.draft_files()
        own = measure(draft)
        return cls(
            len(draft),
            own.tokens + added.tokens,
            own.letters + added.letters,
            own.other_letters + added.other_letters,
            files.files,
        )


def _held(request: Request, budget: TokenBudget) -> int:
    """The room that the residual takes of a full budget: the rest, and a fifth of the rest, make the whole."""
    return max(0, min(request.residual, -(-budget.input // (RESIDUAL_SHARE + 1))))


def _budget(request: Request, margin: float) -> TokenBudget:
    window = request.context_window
    reserve = request.reserved_for_reply
    if reserve is None:
        reserve = min(LARGEST_DEFAULT_RESERVE, window // 4)
    # A reserve made for a larger model gives way until a quarter of the window is free for the
    # request. A harder rule (only where it exceeds the window) would send less into a larger window.
    reserve = max(0, min(reserve, max(SMALLEST_SHRUNK_RESERVE, window - window // 4)))
    return TokenBudget(
        context_window=window,
        assumed=request.assumed,
        reserved_for_reply=reserve,
        margin=margin,
        input=max(0, floor((window - reserve) / (1 + margin))),
    )


def _margin(
    branch: Sequence[MessageHeader], texts: Sequence[MessageHeader | _Text], request: Request, others: float
) -> float:
    """By the whole branch, sent or not: so it does not move with the window."""
    if not request.calibrated and not request.calibrated_others:
        return OTHER_MARGIN if others > OTHER_SHARE else LATIN_MARGIN
    is_dense = _has_tools(branch) or DENSE_SHARE * _dense_tokens(texts) > request.context_window
    known = CALIBRATED_DENSE_MARGIN if is_dense else CALIBRATED_MARGIN
    if not request.calibrated_others:
        return _blend(known, OTHER_MARGIN, others)
    return known if request.calibrated else _blend(known, LATIN_MARGIN, 1 - others)


def _blend(known: float, unknown: float, share: float) -> float:
    """The margin where that share of the letters is of a script that was not calibrated."""
    tenths = round(10 * share, 6)  # 1 - 0.98 is a little more than 0.02
    if tenths <= 10 * UNKNOWN_SHARE:
        return known
    # Rounded up to whole ones: it moves seldom while a chat grows, and is never below what is due.
    return round(known + (unknown - known) * ceil(tenths) / 10, 3)


def _has_tools(branch: Sequence[MessageHeader]) -> bool:
    # At every key, over ten thousand messages: by maps, without a step of Python for each.
    marks = (map(attrgetter(name), branch) for name in ("calls", "answers"))
    return any(map(any, marks)) or Role.TOOL in map(attrgetter("role"), branch)


def _dense_tokens(texts: Sequence[MessageHeader | _Text]) -> int:
    """The tokens of texts in which digits and marks outweigh the words: JSON with ids, tables of numbers, logs, dumps.

    Measured on 37 kinds of text. JSON with ids has 1.8 tokens a letter or more, tables of numbers 2.5, logs
    1.3; code and prose mostly 0.3 to 0.7. Accents and vowel signs bring Vietnamese and Hindi above 1, but
    their letters are half of their characters or more. How long the text of a file is, no header says: it
    passes for dense more easily.
    """
    return sum(
        text.tokens
        for text in texts
        if text.tokens > text.letters and (2 * text.letters < text.characters or text.attachments)
    )


def _share_of_others(texts: Sequence[MessageHeader | _Text]) -> float:
    """The letters that are not Latin, as a share of all."""
    letters = sum(map(attrgetter("letters"), texts))
    return sum(map(attrgetter("other_letters"), texts)) / letters if letters else 0.0


def _error(fixed: Fixed, request: Request) -> PlanError | None:
    if request.draft is not None and not request.draft.strip():
        _, files = request.draft_files()
        if files.files == files.others:
            return PlanError("empty_draft")
    if fixed.budget.input < fixed.request:
        return PlanError("no_room", needed=fixed.budget.reserved_for_reply + fixed.tokens, room=request.context_window)
    if fixed.room < 0:
        parts = (("system prompt", fixed.system), ("this message", fixed.draft))
        named = " and ".join(name for name, tokens in parts if tokens is not None)
        return PlanError("fixed_over_budget", needed=fixed.tokens, room=fixed.budget.input, parts=named)
    return None
