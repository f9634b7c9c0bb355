"""What a person is asked before something is sent: nothing is sent before the answer, and nothing typed is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from textual import work

from tui_chat.core.address import place_of
from tui_chat.core.attachments import clean_name, text_of
from tui_chat.core.context import ContextPlan
from tui_chat.core.models import MemorySettings, MessageHeader, ModelRef
from tui_chat.core.prices import CAP_HINT
from tui_chat.core.settings import Caps
from tui_chat.services.options import Options, is_long
from tui_chat.services.program import Services
from tui_chat.ui.screens.chat_shell import reporting
from tui_chat.ui.screens.summarising import Summarising
from tui_chat.ui.shown import Shown

if TYPE_CHECKING:
    from tui_chat.core.secrets_guard import Finding
    from tui_chat.services.guard import GuardService


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be sent: this text behind that branch, and what has been agreed on about it.

    ``surface`` brings it before the person's eyes; False where they have gone elsewhere and cannot be
    asked. ``rest`` is what they left out of the text. Without ``may_cut`` it is fixed: one that is too
    long by itself is refused where it is sent.
    """

    shown: Shown
    branch: Sequence[MessageHeader]
    text: str = field(repr=False)
    surface: Callable[[], Awaitable[bool]]
    options: Options = field(default_factory=Options)
    rest: str = field(default="", repr=False)
    may_cut: bool = True


class BeforeSending(Summarising):
    """Over the budget, a summary that is due, over a limit of spending: nothing of it is decided in silence."""

    def must_ask(self, shown: Shown, branch: Sequence[MessageHeader], text: str, options: Options) -> bool:
        """Whether there may be something to ask about; without any waiting."""
        planning = self.require_services().planning
        if self.program.settings.caps != Caps():
            return True
        if is_long(branch, text, options.attachments):
            return True  # not known without waiting
        from tui_chat.core.secrets_guard import find  # here: the first paint does without

        watches = self.require_services().guard.watches(planning.model_of(shown.conversation, options))
        if watches and (options.attachments or find(text)):
            return True
        if planning.memory_of(shown.conversation).strategy == "summary":
            return True
        return planning.preview(shown.conversation, branch, text, shown.basis, options).error is not None

    async def agree(self, services: Services, wish: Wish) -> Wish | None:
        """Ask what there is to ask; the wish as it was agreed on, None where it was not. Sends nothing."""
        for ask in (self._ask_about_secrets, self._ask_about_size, self._ask_for_summary, self._ask_about_cap):
            plan = await self._plan_of(services, wish)
            answer = await ask(services, wish, plan)
            if answer is None:
                return None
            wish = answer
        return wish

    @staticmethod
    async def _plan_of(services: Services, wish: Wish) -> ContextPlan:
        # What retrieval finds decides nothing here: its index is not waited for.
        shown = wish.shown
        return await services.planning.look(shown.conversation, wish.branch, wish.text, shown.basis, wish.options)

    # -- the questions: each gives the wish to go on with, or None to leave it ------------------------

    async def _ask_about_secrets(self, services: Services, wish: Wish, plan: ContextPlan) -> Wish | None:
        """It goes to somebody else's computer and holds what looks like a secret: once for each, the person decides."""
        model = services.planning.model_of(wish.shown.conversation, wish.options)
        found = await _findings(services.guard, model, wish) if model else {}
        if model is None or not found:
            return wish
        if not await wish.surface():
            return None
        from tui_chat.ui.forms import AskScreen

        host = place_of(services.endpoints.endpoint(model.endpoint).base_url)
        lines = "\n".join(f"· {where}{finding.kind}: {finding.hint}" for finding, where in found.items())
        question = f"Your message would go to {host}, and holds what looks like\n{lines}\n\nSend it all the same?"
        if not await self.app.push_screen_wait(AskScreen("A secret?", question)):
            return None
        await services.guard.agree(tuple(found))
        return wish

    async def _ask_about_size(self, services: Services, wish: Wish, plan: ContextPlan) -> Wish | None:
        """It does not fit: let the person choose what is remembered instead, or which end of the text is sent."""
        while plan.error is not None and plan.error.code == "over_budget":
            if not await wish.surface():
                return None
            if not await self.choose_memory(wish.branch, wish.text, wish.options, refused=True):
                return None
            wish = replace(wish, shown=self.shown)
            plan = await self._plan_of(services, wish)
        if plan.error is None or plan.error.code != "fixed_over_budget" or not wish.may_cut:
            return wish  # what else is wrong the reply that fails says
        return await self._ask_for_end(services, wish, plan) if await wish.surface() else None

    async def _ask_for_end(self, services: Services, wish: Wish, plan: ContextPlan) -> Wish | None:
        from tui_chat.ui.screens.too_long import TooLongScreen

        shown, branch, options = wish.shown, wish.branch, wish.options

        def fits(part: str) -> bool:
            return services.planning.preview(shown.conversation, branch, part, shown.basis, options).error is None

        cut = await self.app.push_screen_wait(TooLongScreen(wish.text, plan, fits))
        return None if cut is None else replace(wish, text=cut.sent, rest=cut.left)

    async def _ask_for_summary(self, services: Services, wish: Wish, plan: ContextPlan) -> Wish | None:
        """Older messages no longer fit: make a summary of them, show it, and let it be edited."""
        if plan.strategy != "summary" or not plan.warnings:
            return wish
        work = await self.summary_work(services, wish.shown, wish.branch, plan)
        if work is None or not self.is_undecided(work):
            return wish
        if not await wish.surface():
            return None
        return wish if await self.show_summary(work, sending=True) else None

    async def _ask_about_cap(self, services: Services, wish: Wish, plan: ContextPlan) -> Wish | None:
        """It is over a limit of spending: that is the person's to say."""
        model = services.planning.model_of(wish.shown.conversation, wish.options)
        sentence = await services.spending.over(wish.shown.id, model, plan) if model else None
        if sentence is None:
            return wish
        if not await wish.surface():
            return None
        from tui_chat.ui.forms import AskScreen

        question = f"{sentence}\n{CAP_HINT}\n\nSend it all the same?"
        agreed = await self.app.push_screen_wait(AskScreen("Over your limit", question))
        return replace(wish, options=replace(wish.options, over_cap=True)) if agreed else None

    # -- what is remembered ---------------------------------------------------------------------------

    @work(group="dialog")
    @reporting
    async def action_memory(self) -> None:
        """Choose what the model gets to remember of this conversation."""
        if self.services is not None:
            await self.choose_memory(self.planned_branch(), self.wanted_draft, self.draft_options)

    async def choose_memory(
        self,
        branch: Sequence[MessageHeader],
        text: str | None,
        options: Options | None = None,
        *,
        refused: bool = False,
    ) -> bool:
        """Let the person choose for this conversation; whether they did."""
        from tui_chat.ui.screens.memory import MemoryScreen

        services, shown = self.require_services(), self.shown

        async def look(memory: MemorySettings) -> ContextPlan:
            conversation = replace(shown.conversation, memory=memory)
            return await services.planning.look(conversation, branch, text, shown.basis, options, wait=True)

        chosen = await self.app.push_screen_wait(
            MemoryScreen(services.planning.memory_of(shown.conversation), look, facts=shown.facts, refused=refused)
        )
        if chosen is None or self.shown.id != shown.id:
            return False
        await self._use_memory(chosen)
        return True

    async def _use_memory(self, memory: MemorySettings) -> None:
        """From now on this holds for the conversation on show."""
        await self.ensure_stored(self.shown)
        await self.require_services().library.set_memory(self.shown.id, memory)
        self.shown = replace(self.shown, conversation=replace(self.shown.conversation, memory=memory))
        self.learn_basis()
        self.replan()

    @work(group="dialog")
    @reporting
    async def action_summary(self) -> None:
        """Read, edit, make anew the summary that goes with this conversation."""
        if self.services is None:
            return
        services, shown, branch = self.services, self.shown, self.planned_branch()
        draft, options = self.wanted_draft, self.draft_options
        plan = await services.planning.look(shown.conversation, branch, draft, shown.basis, options)
        work = await self.summary_work(services, shown, branch, plan)
        if work is None:
            self.say("There is nothing to summarise: with the strategy Summary it is what no longer fits.")
        else:
            await self.show_summary(work, sending=False)


async def _findings(guard: GuardService, model: ModelRef, wish: Wish) -> Mapping[Finding, str]:
    """What looks like a secret in the text and in the files that go with it, and in which of them it was found."""
    found = dict.fromkeys(await guard.findings(model, wish.text), "")
    for file in wish.options.attachments if guard.watches(model) else ():
        text = await asyncio.to_thread(text_of, file)
        for finding in await guard.findings(model, text or ""):
            found.setdefault(finding, f"in {clean_name(file.name)}: ")
    return found
