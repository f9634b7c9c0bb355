"""The chat screen's way to the sampling parameters of a conversation."""

from __future__ import annotations

from dataclasses import replace

from textual import work

from tui_chat.core.models import ModelRef
from tui_chat.core.sampling import Sampling
from tui_chat.core.sentences import set_words
from tui_chat.ui.screens.chat_shell import reporting
from tui_chat.ui.screens.showing import Showing


class SamplingActions(Showing):
    """Temperature and its like; none is sent that was not set here or in the settings."""

    @work(group="dialog")
    @reporting
    async def action_sampling(self) -> None:
        """Which sampling parameters go with the prompts of the conversation on show."""
        from tui_chat.ui.screens.sampling import SamplingScreen

        if self.services is None:
            return
        planning, shown = self.services.planning, self.shown
        model = planning.model_of(shown.conversation) or ModelRef("", "")
        takes = (await planning.basis(shown.conversation)).takes
        before = planning.sampling_of(shown.conversation)
        chosen = await self.app.push_screen_wait(SamplingScreen(before, takes, model=model.name))
        if chosen is None or chosen == before or self.shown.id != shown.id:
            return
        await self._use_sampling(chosen, model)

    async def _use_sampling(self, sampling: Sampling, model: ModelRef) -> None:
        """From now on this holds for the conversation on show; the same as the user's defaults is those."""
        await self.ensure_stored(self.shown)
        services, conversation = self.require_services(), self.shown.conversation
        default = services.planning.sampling_of(replace(conversation, sampling=None))
        own = None if sampling == default else sampling
        await services.library.set_sampling(conversation.id, own)
        await services.planning.forget_refused(model)
        self.shown = replace(self.shown, conversation=replace(self.shown.conversation, sampling=own))
        self.learn_basis()
        self.replan()
        words = set_words(sampling)
        self.say(f"Sent with each prompt from now on: {words}." if words else "No sampling parameter is sent.")
