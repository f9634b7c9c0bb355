"""The chat screen's dialogs: model, settings, help, export, the external editor."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from textual import work

from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import ModelRef
from tui_chat.ui.screens.chat_shell import reporting
from tui_chat.ui.screens.showing import Showing


class Dialogs(Showing):
    """Each opens a screen that is imported only then, and takes over what it answers."""

    @work(group="dialog")
    @reporting
    async def action_choose_model(self) -> None:
        """Which model answers in this conversation, and in new ones."""
        from tui_chat.ui.screens.models import ModelScreen

        services = self.services
        if services is None:
            return
        current = services.planning.model_of(self.shown.conversation)
        chosen = await self.app.push_screen_wait(ModelScreen(services.endpoints, current))
        if chosen is None:
            # An endpoint may have been changed all the same.
            self.show_surroundings()
            return
        await self._use_model(chosen)

    async def _use_model(self, model: ModelRef) -> None:
        services = self.require_services()
        await services.endpoints.choose(model)
        if self.shown.stored:
            await services.library.set_model(self.shown.id, model)
        self.shown = replace(self.shown, conversation=replace(self.shown.conversation, model=model))
        self.show_surroundings()

    @work(group="dialog")
    @reporting
    async def action_settings(self) -> None:
        """Looks, keys, endpoints, security."""
        from tui_chat.ui.screens.settings import SettingsScreen

        if self.services is None:
            return
        await self.app.push_screen_wait(SettingsScreen(self.program, self.services))
        settings = self.program.settings
        self.prompt.enter_sends = settings.enter_sends
        self.show_surroundings()

    @work(group="dialog")
    @reporting
    async def action_help(self) -> None:
        """Keys of the focused part, and the guide."""
        from tui_chat.ui.screens.help import HelpScreen, what_it_does

        keys = [
            (self.app.get_key_display(each.binding), what)
            for each in self.active_bindings.values()
            if (what := what_it_does(each.binding))
        ]
        await self.app.push_screen_wait(HelpScreen("keys", keys))

    @work(group="dialog")
    @reporting
    async def action_export(self) -> None:
        """Write the conversation on show to a file."""
        from tui_chat.ui.screens.export import ExportScreen

        if self.services is None or not self.shown.stored:
            return
        said = await self.app.push_screen_wait(
            ExportScreen(self.program, self.services.transfer, self.shown.conversation)
        )
        if said:
            self.say(said)

    @work(group="dialog")
    @reporting
    async def action_external_editor(self) -> None:
        """Edit the prompt in $EDITOR."""
        from tui_chat.ui.editor import edit

        await self._warn_of_editor()
        before, failure = self.prompt.draft, None
        with self.app.suspend():
            # Nothing may be raised in here: Textual would not take the terminal back.
            try:
                self.prompt.draft = await asyncio.to_thread(edit, before)
            except TuiChatError as error:
                failure = error
        self.app.refresh(layout=True)
        if failure is not None:
            self.report(failure)

    async def _warn_of_editor(self) -> None:
        """Say once that an editor may keep copies."""
        if self.services is None or await self.services.library.value("editor-warned"):
            return
        await self.services.library.set_value("editor-warned", "true")
        self.say("An editor may keep copies of what it edits (swap, backup and undo files).")
