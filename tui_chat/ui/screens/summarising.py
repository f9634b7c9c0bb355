"""The chat screen's way to the summary that stands for older messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tui_chat.core.context import ContextPlan
from tui_chat.core.models import MessageHeader, ModelRef, Role
from tui_chat.core.prices import price_of, price_sentence
from tui_chat.core.summary import Summary
from tui_chat.services.program import Program, Services
from tui_chat.ui.screens.showing import Showing
from tui_chat.ui.shown import Shown

if TYPE_CHECKING:
    from tui_chat.memory.summary import Due
    from tui_chat.ui.screens.summary import Wanted

MOST_LISTED = 200
"""Sources whose first lines are read and listed, the newest."""


@dataclass(frozen=True, slots=True)
class SummaryWork:
    """The summary there is for a plan's older messages, and what the next one would be made of."""

    services: Services
    shown: Shown
    branch: Sequence[MessageHeader]
    plan: ContextPlan
    model: ModelRef
    kept: Summary | None
    due: Due
    room: int
    """The most tokens that a summary may have there; 0 where none has room."""

    @property
    def about(self) -> frozenset[str]:
        """What there is to decide on: the messages that are in no summary, or one that is too long; else nothing."""
        if not self.room:
            return frozenset()
        if self.due.messages:
            return frozenset(header.id for header in self.due.messages)
        is_too_long = any(warning.why == "too_long" for warning in self.plan.warnings)
        return frozenset((self.kept.id,)) if self.kept and is_too_long else frozenset()


class Summarising(Showing):
    """Makes a summary only where the person asks for it, and shows it before it is used."""

    def __init__(self, program: Program, **options: Any) -> None:
        super().__init__(program, **options)
        self._declined: dict[str, frozenset[str]] = {}
        """For each conversation what the person sent without a summary of: not asked about again till there is more."""

    async def summary_work(
        self, services: Services, shown: Shown, branch: Sequence[MessageHeader], plan: ContextPlan
    ) -> SummaryWork | None:
        """What there is to do beside this plan; None where there is nothing to make a summary of."""
        model = services.planning.model_of(shown.conversation)
        kept = await services.summaries.newest(shown.id, branch)
        from tui_chat.memory.summary import due  # here: the first paint does without

        wanted = due(branch, plan, kept)
        if model is None or not wanted.sources:
            return None
        room = await services.summaries.most(plan, model)
        return SummaryWork(services, shown, branch, plan, model, kept, wanted, room)

    def is_undecided(self, work: SummaryWork) -> bool:
        """Whether a prompt is not to be sent before the person was asked about it."""
        return bool(work.about - self._declined.get(work.shown.id, frozenset()))

    async def show_summary(self, work: SummaryWork, *, sending: bool) -> bool:
        """Show the summary there is, or offer to make the one that is due; whether to go on and send."""
        from tui_chat.ui.screens.summary import Answer, SummaryScreen, Work

        summaries, shown = work.services.summaries, work.shown
        doing = Work(
            make=partial(summaries.make, shown.conversation, work.branch, work.plan, work.model),
            keep=partial(summaries.edit, shown.id, plan=work.plan, model=work.model),
        )
        described = await self._describe(work, sending=sending)
        screen = SummaryScreen(described, doing, work.due.old)
        answer = await self.app.push_screen_wait(screen)
        if answer is Answer.WITHOUT:
            self._declined[shown.id] = work.about
        self.learn_basis()
        self.replan()
        return answer is not None

    async def _describe(self, work: SummaryWork, *, sending: bool) -> Wanted:
        from tui_chat.ui.screens.inspection import first_line
        from tui_chat.ui.screens.summary import Wanted

        tree, wanted = work.shown.tree, work.due
        sources = [tree[source.id] for source in wanted.sources if source.id in tree]
        listed = sources[-MOST_LISTED:]
        bodies = await work.services.library.bodies([header.id for header in listed])
        tokens = sum(header.tokens for header in wanted.messages) + (wanted.old.tokens if wanted.old else 0)
        price = price_of(work.shown.facts, tokens)
        return Wanted(
            messages=len(sources),
            missing=len(wanted.messages),
            model=work.model.name,
            cost=f"~{tokens:,} tokens" if price is None else f"~{tokens:,} tokens, {price_sentence(price)}",
            sources=[
                f"{'you' if header.role is Role.USER else 'model'}: {first_line(bodies[header.id].text)}"
                for header in listed
                if header.id in bodies
            ],
            sending=sending,
        )
