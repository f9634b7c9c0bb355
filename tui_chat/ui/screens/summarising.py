"""The chat screen's way to the summary that stands for older messages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from tui_chat.core.context import ContextPlan
from tui_chat.core.models import MessageHeader, ModelRef, Role
from tui_chat.core.prices import price_of, price_sentence
from tui_chat.ui.screens.showing import Showing

if TYPE_CHECKING:
    from tui_chat.memory.summary import Due
    from tui_chat.ui.screens.summary import Wanted


class Summarising(Showing):
    """Makes a summary only where the person asks for it, and shows it before it is used."""

    async def make_summary(self, branch: Sequence[MessageHeader], plan: ContextPlan, *, sending: bool) -> bool:
        """Show the summary there is, or offer to make the one that is due; whether to go on and send."""
        from tui_chat.memory.summary import due
        from tui_chat.ui.screens.summary import Answer, SummaryScreen, Work

        services, shown = self.require_services(), self.shown
        model = services.planning.model_of(shown.conversation)
        kept = await services.summaries.newest(shown.id, branch)
        wanted = due(branch, plan, kept)
        if model is None or not wanted.sources:
            if not sending:
                self.say("There is nothing to summarise: with the strategy Summary it is what no longer fits.")
            return sending
        work = Work(
            make=partial(services.summaries.make, shown.conversation, branch, plan, model),
            keep=partial(services.summaries.edit, shown.id, plan=plan, model=model),
        )
        described = await self._describe(wanted, model, sending=sending)
        answer = await self.app.push_screen_wait(SummaryScreen(described, work, None if wanted.messages else kept))
        self.learn_basis()
        self.replan()
        return answer in (Answer.WITH, Answer.WITHOUT)

    async def _describe(self, due: Due, model: ModelRef, *, sending: bool) -> Wanted:
        from tui_chat.ui.screens.inspection import first_line
        from tui_chat.ui.screens.summary import Wanted

        tree = self.shown.tree
        sources = [tree[source.id] for source in due.sources]
        bodies = await self.require_services().library.bodies([header.id for header in sources])
        tokens = sum(header.tokens for header in due.messages) + (due.old.tokens if due.old else 0)
        price = price_of(self.shown.facts, tokens)
        cost = f"~{tokens:,} tokens" if price is None else f"~{tokens:,} tokens, {price_sentence(price)}"
        return Wanted(
            messages=len(sources),
            model=model.name,
            cost=cost,
            sources=[
                f"{'you' if header.role is Role.USER else 'model'}: {first_line(bodies[header.id].text)}"
                for header in sources
            ],
            is_due=bool(due.messages),
            sending=sending,
        )
