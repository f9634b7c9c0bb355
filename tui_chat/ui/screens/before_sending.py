"""What a person is asked before a prompt is sent; until the answer it stays in the editor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from textual import work

from tui_chat.core.context import ContextPlan
from tui_chat.core.models import MemorySettings, MessageHeader
from tui_chat.core.prices import CAP_HINT
from tui_chat.core.settings import Caps
from tui_chat.services.planning import Options
from tui_chat.ui.screens.chat_shell import reporting
from tui_chat.ui.screens.summarising import Summarising
from tui_chat.ui.shown import Shown

Send = Callable[[str, Options], None]


class BeforeSending(Summarising):
    """Over the budget, a summary that is due, over a limit of spending: nothing of it is decided in silence."""

    def must_ask(self, shown: Shown, branch: Sequence[MessageHeader], text: str) -> bool:
        """Whether there may be something to ask about; without any waiting."""
        services = self.require_services()
        if self.program.settings.caps != Caps():
            return True
        if services.planning.memory_of(shown.conversation).strategy == "summary":
            return True
        return services.planning.preview(shown.conversation, branch, text, shown.basis).error is not None

    @work(group="dialog")
    @reporting
    async def ask_first(self, branch: Sequence[MessageHeader], text: str, send: Send, *, may_cut: bool = True) -> None:
        """Ask what there is to ask about this text, then ``send`` it as agreed; else nothing happens.

        Without ``may_cut`` the text is fixed: one that is too long by itself is refused where it is sent.
        """
        shown = self.shown
        options = Options()
        size = self._ask_about_size if may_cut else self._ask_about_strategy
        for question in (size, self._ask_for_summary, self._ask_about_cap):
            plan = await self.look_at(branch, text)
            answer = await question(branch, text, plan, options)
            if answer is None or self.shown.id != shown.id:
                return
            text, options = answer
        send(text, options)

    async def look_at(self, branch: Sequence[MessageHeader], text: str | None) -> ContextPlan:
        """What would be sent there with this text; an index that is being built is waited for."""
        shown, planning = self.shown, self.require_services().planning
        return await planning.look(shown.conversation, branch, text, shown.basis, wait=True)

    # -- the questions: each gives the text and the options to go on with, or None to leave it ------------

    async def _ask_about_size(
        self, branch: Sequence[MessageHeader], text: str, plan: ContextPlan, options: Options
    ) -> tuple[str, Options] | None:
        """It does not fit: let the person choose what is remembered instead, or which end of the text is sent."""
        answer = await self._ask_about_strategy(branch, text, plan, options)
        plan = await self.look_at(branch, text)
        if answer is None or plan.error is None or plan.error.code != "fixed_over_budget":
            return answer  # what else is wrong the reply that fails says
        shorter = await self._ask_for_end(branch, text, plan)
        return None if shorter is None else (shorter, options)

    async def _ask_about_strategy(
        self, branch: Sequence[MessageHeader], text: str, plan: ContextPlan, options: Options
    ) -> tuple[str, Options] | None:
        """Everything is to be sent and does not fit: let the person choose what is remembered instead."""
        while plan.error is not None and plan.error.code == "over_budget":
            if not await self.choose_memory(plan.error, branch, text):
                return None
            plan = await self.look_at(branch, text)
        return text, options

    async def _ask_for_end(self, branch: Sequence[MessageHeader], text: str, plan: ContextPlan) -> str | None:
        from tui_chat.ui.screens.too_long import TooLongScreen

        def fits(part: str) -> bool:
            shown = self.shown
            planning = self.require_services().planning
            return planning.preview(shown.conversation, branch, part, shown.basis).error is None

        return await self.app.push_screen_wait(TooLongScreen(text, plan, fits))

    async def _ask_for_summary(
        self, branch: Sequence[MessageHeader], text: str, plan: ContextPlan, options: Options
    ) -> tuple[str, Options] | None:
        """Older messages no longer fit: make a summary of them, show it, and let it be edited."""
        if not any(warning.code == "not_summarised" for warning in plan.warnings):
            return text, options
        go_on = await self.make_summary(branch, plan, sending=True)
        return (text, options) if go_on else None

    async def _ask_about_cap(
        self, branch: Sequence[MessageHeader], text: str, plan: ContextPlan, options: Options
    ) -> tuple[str, Options] | None:
        services, shown = self.require_services(), self.shown
        model = services.planning.model_of(shown.conversation)
        sentence = await services.spending.over(shown.id, model, plan) if model else None
        if sentence is None:
            return text, options
        from tui_chat.ui.forms import AskScreen

        question = f"{sentence}\n{CAP_HINT}\n\nSend it all the same?"
        agreed = await self.app.push_screen_wait(AskScreen("Over your limit", question))
        return (text, replace(options, over_cap=True)) if agreed else None

    # -- what is remembered ---------------------------------------------------------------------------

    @work(group="dialog")
    @reporting
    async def action_memory(self) -> None:
        """Choose what the model gets to remember of this conversation."""
        if self.services is not None:
            draft = self.prompt.draft
            await self.choose_memory(None, self.planned_branch(), draft if draft.strip() else None)

    async def choose_memory(self, error: object, branch: Sequence[MessageHeader], text: str | None) -> bool:
        """Let the person choose for this conversation; whether they did."""
        from tui_chat.ui.screens.memory import MemoryScreen

        services, shown = self.require_services(), self.shown

        async def look(memory: MemorySettings) -> ContextPlan:
            conversation = replace(shown.conversation, memory=memory)
            return await services.planning.look(conversation, branch, text, shown.basis, wait=True)

        chosen = await self.app.push_screen_wait(
            MemoryScreen(services.planning.memory_of(shown.conversation), look, facts=shown.facts, refused=bool(error))
        )
        if chosen is None:
            return False
        await self.use_memory(chosen)
        return True

    async def use_memory(self, memory: MemorySettings) -> None:
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
        if self.services is None or not self.shown.branch:
            return
        branch, draft = self.planned_branch(), self.prompt.draft
        plan = await self.look_at(branch, draft if draft.strip() else None)
        await self.make_summary(branch, plan, sending=False)
