"""From the reasons a strategy gives to the whole plan: entries, their order, totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, groupby, repeat
from operator import attrgetter, itemgetter

from tui_chat.core.context import (
    ContextPlan,
    Entry,
    Kind,
    PlanError,
    Quotation,
    Reason,
    Totals,
    Warning,
)
from tui_chat.core.models import MessageHeader, Role, Status
from tui_chat.core.summary import Summary
from tui_chat.core.tokens import MESSAGE_TOKENS
from tui_chat.memory.budget import Fixed, fixed_parts
from tui_chat.memory.request import Request
from tui_chat.memory.tools import CANCELLED_TOKENS, ToolPairs, tool_pairs
from tui_chat.memory.units import Unit, cancelled_size, sizes_of, units_of

SENT = frozenset({Reason.SYSTEM, Reason.DRAFT, Reason.FULL, Reason.WINDOW, Reason.PINNED, Reason.SUMMARY})
"""The reasons for which something is a message of the payload."""

QUOTED = frozenset({Reason.RETRIEVED, Reason.EXCERPT})
"""The reasons for which a message is carried inside the draft's."""

_LEFT = frozenset(Reason) - SENT - QUOTED - {Reason.TOOLS}
_entry = partial(tuple.__new__, Entry)

UNSAVED_DRAFT = "draft"
"""The id that a draft without one takes where quotations must name what carries them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A branch as every strategy looks at it: measured, in units, with the parts that are sent anyway."""

    branch: Sequence[MessageHeader]
    request: Request
    fixed: Fixed
    sizes: Sequence[int]
    tools: ToolPairs
    units: Sequence[Unit]

    @classmethod
    def of(cls, branch: Sequence[MessageHeader], request: Request) -> Setting:
        """Measure it, as this model sees it."""
        branch = branch if request.takes_images else _without_images(branch)
        sizes = sizes_of(branch, request)
        tools = tool_pairs(branch)
        return cls(branch, request, fixed_parts(branch, request), sizes, tools, units_of(branch, sizes, request, tools))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a strategy decided: a reason for each unit, and what goes with them.

    ``quotations`` are in the order of their messages' times; ``block_tokens`` is the most their whole
    block costs, uncorrected.
    """

    units: Sequence[tuple[Unit, Reason]]
    warnings: tuple[Warning, ...] = ()
    error: PlanError | None = None
    anchor: str | None = None
    summary: Summary | None = None
    quotations: tuple[Quotation, ...] = ()
    block_tokens: int = 0


def messages_by(units: Iterable[tuple[Unit, Reason]]) -> Counter[Reason]:
    """How many messages that can be sent each reason has."""
    counts: Counter[Reason] = Counter()
    for reason, run in groupby(units, itemgetter(1)):
        counts[reason] += sum(map(attrgetter("messages"), map(itemgetter(0), run)))
    return counts


def summary_tokens(summary: Summary) -> int:
    """What a summary costs as a message, uncorrected: its text with the line before it."""
    return summary.tokens + SUMMARY_LINE_TOKENS + MESSAGE_TOKENS


SUMMARY_LINE_TOKENS = 40
"""The most that the line before a summary's text costs; ``memory.payload`` writes it."""


def compose(strategy: str, setting: Setting, decision: Decision) -> ContextPlan:
    """The plan in the order of its payload: system prompt, messages with the summary before the window, draft.

    With an ``error`` nothing is sent.
    """
    branch, request, fixed = setting.branch, setting.request, setting.fixed
    if decision.error is not None:
        return _refused(strategy, setting, decision, decision.error)
    reasons = _reasons(setting, decision)
    quoted_in = (request.draft_id or UNSAVED_DRAFT) if decision.quotations else None
    entries = _Entries()
    if fixed.system is not None:
        entries.send(None, Kind.SYSTEM, Role.SYSTEM, Reason.SYSTEM, fixed.system)
    summary = decision.summary
    sent = 0
    for start, end in _stretches(reasons, setting.tools):
        reason, messages, sizes = reasons[start], branch[start:end], setting.sizes[start:end]
        if reason in SENT:
            if summary is not None and reason is Reason.WINDOW:
                entries.send_summary(summary, request)
                summary = None
            entries.send_all(messages, reason, sizes)
            sent += MESSAGE_TOKENS * len(messages)
            sent += sum(map(attrgetter("tokens"), messages)) + sum(map(attrgetter("image_tokens"), messages))
            if calls := setting.tools.cancelled.get(end - 1):
                # The synthetic results are a message of their own, so that the inspector shows them as such.
                entries.send(None, Kind.TOOLS, Role.TOOL, Reason.TOOLS, cancelled_size(calls, request))
                sent += MESSAGE_TOKENS + CANCELLED_TOKENS * len(calls)
        else:
            entries.leave_all(messages, reason, sizes, inside=quoted_in if reason in QUOTED else None)
    if summary is not None:
        entries.send_summary(summary, request)
    if decision.summary is not None:
        sent += summary_tokens(decision.summary)
    if quoted_in is not None:
        own = {header.id for header in branch}
        for each in decision.quotations:
            if each.id not in own:
                reason = Reason.RETRIEVED if each.limit is None else Reason.EXCERPT
                entries.quote(each.id, Kind.RETRIEVED, each.role, reason, request.corrected(each.tokens), quoted_in)
        block = request.corrected(decision.block_tokens)
        entries.quote(None, Kind.RETRIEVED, Role.USER, Reason.RETRIEVED, block, quoted_in)
        sent += decision.block_tokens
    if fixed.draft is not None:
        # Together: the block is a part of this message's text.
        tokens = fixed.draft + (request.corrected(decision.block_tokens) if quoted_in else 0)
        entries.send(request.draft_id or quoted_in, Kind.DRAFT, Role.USER, Reason.DRAFT, tokens)
    tokens = fixed.request + entries.tokens
    earlier = len(branch) - sum(map(_LEFT.__contains__, reasons))
    return ContextPlan(
        strategy=strategy,
        budget=fixed.budget,
        entries=tuple(entries.all),
        totals=Totals(earlier, len(branch) - earlier, tokens + fixed.credit(tokens)),
        warnings=(*decision.warnings, *_about_attachments(setting, reasons)),
        anchor=decision.anchor,
        uncorrected=fixed.uncorrected + sent,
        others=fixed.others,
        share_of_others=fixed.share_of_others,
        summary=decision.summary,
        quotations=decision.quotations,
        takes_images=request.takes_images,
    )


def _without_images(branch: Sequence[MessageHeader]) -> Sequence[MessageHeader]:
    """The branch for a model that takes none: they are files like any other that is not sent."""
    if not any(map(attrgetter("images"), branch)):
        return branch
    return [
        header._replace(images=0, image_tokens=0, other_files=header.other_files + header.images)
        if header.images
        else header
        for header in branch
    ]


@dataclass(slots=True)
class _Entries:
    """The entries so far; each message of the payload gets the next number."""

    all: list[Entry] = field(default_factory=list)
    order: int = 0
    tokens: int = 0

    def send(self, id: str | None, kind: Kind, role: Role, reason: Reason, tokens: int) -> None:
        self.all.append(Entry(id, kind, role, True, reason, tokens, self.order))
        self.order += 1
        self.tokens += tokens

    def send_summary(self, summary: Summary, request: Request) -> None:
        tokens = request.corrected(summary_tokens(summary))
        self.send(summary.id, Kind.SUMMARY, Role.USER, Reason.SUMMARY, tokens)

    def quote(self, id: str | None, kind: Kind, role: Role, reason: Reason, tokens: int, inside: str | None) -> None:
        self.all.append(Entry(id, kind, role, True, reason, tokens, None, inside))

    def send_all(self, messages: Sequence[MessageHeader], reason: Reason, sizes: Sequence[int]) -> None:
        orders = range(self.order, self.order + len(messages))
        self.all += _rows(messages, True, repeat(reason), sizes, orders, None)
        self.order += len(messages)
        self.tokens += sum(sizes)

    def leave_all(
        self, messages: Sequence[MessageHeader], reason: Reason, sizes: Sequence[int], *, inside: str | None = None
    ) -> None:
        self.all += _rows(messages, inside is not None, repeat(reason), sizes, repeat(None), inside)


def _rows(
    messages: Sequence[MessageHeader],
    sent: bool,
    reasons: Iterable[Reason],
    sizes: Iterable[int],
    orders: Iterable[int | None],
    inside: str | None,
) -> Iterator[Entry]:
    """Entries of messages. At every key, for ten thousand of them: by maps, without a step of Python for each."""
    ids, roles = map(attrgetter("id"), messages), map(attrgetter("role"), messages)
    parts = zip(ids, repeat(Kind.MESSAGE), roles, repeat(sent), reasons, sizes, orders, repeat(inside), strict=False)
    return map(_entry, parts)


def _stretches(reasons: Sequence[Reason], tools: ToolPairs) -> Iterator[tuple[int, int]]:
    """Neighbours of one reason, cut behind each message that synthetic results follow."""
    ends = set(accumulate(len(list(run)) for _, run in groupby(reasons)))
    start = 0
    for end in sorted(ends.union(place + 1 for place in tools.cancelled)):
        yield start, end
        start = end


def _reasons(setting: Setting, decision: Decision) -> list[Reason]:
    """A reason for every message, from those of its unit; one that cannot be sent, or is quoted, has its own."""
    branch = setting.branch
    reasons = [Reason.EMPTY] * len(branch)
    for reason, run in groupby(decision.units, itemgetter(1)):
        units = list(run)
        start, end = units[0][0].start, units[-1][0].end
        reasons[start:end] = [reason] * (end - start)
    if not all(map(attrgetter("characters"), branch)):
        for index, header in enumerate(branch):
            if not header.characters and not header.is_sendable:
                reasons[index] = _unsendable(header)
    for index in setting.tools.orphans:
        reasons[index] = Reason.ERROR
    if decision.quotations:
        limits = {each.id: each.limit for each in decision.quotations}
        for index, header in enumerate(branch):
            if header.id in limits:
                reasons[index] = Reason.RETRIEVED if limits[header.id] is None else Reason.EXCERPT
    return reasons


def _unsendable(header: MessageHeader) -> Reason:
    if header.attachments:
        return Reason.ATTACHMENT_UNSUPPORTED
    return Reason.ERROR if header.status is Status.FAILED else Reason.EMPTY


def _about_attachments(setting: Setting, reasons: Sequence[Reason]) -> tuple[Warning, ...]:
    """Those of messages that are sent, or would be: what is dropped or excluded is told of as a whole."""
    branch = setting.branch
    _, draft = setting.request.draft_files()
    if not draft.others and not any(map(attrgetter("other_files"), branch)):
        return ()
    told = SENT | {Reason.ATTACHMENT_UNSUPPORTED}
    count = sum(1 for header, reason in zip(branch, reasons, strict=True) if header.other_files and reason in told)
    count += bool(draft.others)
    return (Warning("attachment_unsupported", count, len(branch) + bool(draft.files)),) if count else ()


def _refused(strategy: str, setting: Setting, decision: Decision, error: PlanError) -> ContextPlan:
    """Nothing is sent: what would have been says that it is over the budget, the rest keeps its reason."""
    request, fixed = setting.request, setting.fixed
    entries = _Entries()
    if fixed.system is not None:
        entries.all.append(Entry(None, Kind.SYSTEM, Role.SYSTEM, False, Reason.OVER_BUDGET, fixed.system))
    would_be = SENT | QUOTED
    reasons = (Reason.OVER_BUDGET if each in would_be else each for each in _reasons(setting, decision))
    entries.all += _rows(setting.branch, False, reasons, setting.sizes, repeat(None), None)
    if fixed.draft is not None:
        reason = Reason.EMPTY if error.code == "empty_draft" else Reason.OVER_BUDGET
        entries.all.append(Entry(request.draft_id, Kind.DRAFT, Role.USER, False, reason, fixed.draft))
    return ContextPlan(
        strategy,
        fixed.budget,
        tuple(entries.all),
        Totals(0, len(setting.branch), 0),
        error=error,
        takes_images=request.takes_images,
    )
