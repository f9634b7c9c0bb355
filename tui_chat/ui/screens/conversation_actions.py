"""The chat screen's actions on conversations: going from one to another, changing, removing, undoing."""

from __future__ import annotations

from dataclasses import replace

from textual import on, work

from tui_chat.core.errors import TuiChatError
from tui_chat.ui.screens.chat_shell import reporting
from tui_chat.ui.screens.showing import Showing
from tui_chat.ui.widgets.conversation_list import ConversationList


class ConversationActions(Showing):
    """Each acts at once; what removes something can be undone."""

    # -- going from one to another -----------------------------------------------------------------

    @on(ConversationList.Opened)
    @reporting
    async def _open_listed(self, event: ConversationList.Opened) -> None:
        await self._go_to(event.key)
        self.prompt.focus()

    async def _go_to(self, key: int | None) -> None:
        if self.services is None or key is None:
            return
        rows = await self.services.library.listed([key])
        if not rows:  # deleted by another program
            await self.refresh_list()
        if rows and rows[0].conversation.id != self.shown.id:
            await self.show_conversation(rows[0].conversation.id)
            self.list.select(key)
            await self.mark_open()

    async def action_next_conversation(self) -> None:
        """The one below in the list."""
        await self._go_to(self.list.neighbour(self.list.open_key, 1))

    async def action_previous_conversation(self) -> None:
        """The one above in the list."""
        await self._go_to(self.list.neighbour(self.list.open_key, -1))

    async def action_new(self) -> None:
        """A new conversation."""
        if self.services is None:
            return
        await self.show_new()
        await self.mark_open()
        self.prompt.focus()

    def action_toggle_sidebar(self) -> None:
        """Show or hide the list; by hand it stays so."""
        hidden = self.query_one("#sidebar").has_class("-hidden")
        self.sidebar_by_hand = hidden
        self.fit_sidebar(self.size.width)
        if hidden:
            self.list.focus()
        elif self.focused is None or not self.focused.display or self.focused in (self.list, self.filter):
            self.prompt.focus()

    def action_focus_prompt(self) -> None:
        """Back to the prompt; at once, so that the next key finds it there."""
        self.set_focus(self.prompt)

    def action_focus_filter(self) -> None:
        """Filter the list."""
        self.sidebar_by_hand = True
        self.fit_sidebar(self.size.width)
        self.set_focus(self.filter)

    # -- changing one ---------------------------------------------------------------------------------

    @work(group="dialog")
    @reporting
    async def action_rename(self) -> None:
        """Give the conversation on show another title."""
        if self.shown.stored:
            await self._rename(self.shown.id)

    @on(ConversationList.RenameRequested)
    @work(group="dialog")
    @reporting
    async def _rename_listed(self, event: ConversationList.RenameRequested) -> None:
        if row := self.list.row(event.key):
            await self._rename(row.conversation.id)

    async def _rename(self, conversation_id: str) -> None:
        from tui_chat.ui.screens.rename import RenameScreen

        library = self.require_services().library
        conversation = await library.conversation(conversation_id)
        title = await self.app.push_screen_wait(RenameScreen(conversation.title))
        if title is None or title == conversation.title:
            return
        await library.rename(conversation_id, title)
        if conversation_id == self.shown.id:
            self.take_over(replace(self.shown, conversation=replace(self.shown.conversation, title=title)))
            self.show_title()
        await self.refresh_list()

    async def action_toggle_pin(self) -> None:
        """Pin or unpin the conversation on show."""
        if self.shown.stored:
            await self._toggle_pin(self.shown.id)

    @on(ConversationList.PinToggled)
    @reporting
    async def _pin_listed(self, event: ConversationList.PinToggled) -> None:
        if row := self.list.row(event.key):
            await self._toggle_pin(row.conversation.id)

    async def _toggle_pin(self, conversation_id: str) -> None:
        library = self.require_services().library
        conversation = await library.conversation(conversation_id)
        await library.pin(conversation_id, pinned=not conversation.pinned)
        self.say("Unpinned." if conversation.pinned else "Pinned.")
        await self.refresh_list()

    async def action_archive(self) -> None:
        """Take the conversation on show out of the list."""
        if self.services is None or not self.shown.stored:
            return
        await self.services.library.archive(self.shown.id, archived=True)
        self.show_blank()
        self.say("Archived: out of the list, not deleted. f8 brings it back.")
        await self.refresh_list()

    @work(group="dialog")
    @reporting
    async def action_system_prompt(self) -> None:
        """What the model is told before everything else."""
        from tui_chat.ui.screens.system_prompt import SystemPromptScreen

        if self.services is None:
            return
        text = await self.app.push_screen_wait(SystemPromptScreen(self.shown.conversation.system_prompt or ""))
        if text is None:
            return
        await self.ensure_stored(self.shown)
        await self.services.library.set_system_prompt(self.shown.id, text.strip() and text)
        await self.reload()

    async def action_toggle_staying(self) -> None:
        """Let nothing of this conversation leave this computer, or let it again."""
        if self.services is None:
            return
        await self.ensure_stored(self.shown)
        endpoints = self.services.endpoints
        here = not await endpoints.stays_here(self.shown.id)
        await endpoints.keep_here(self.shown.id, here=here)
        if here:
            self.say("From now on only models on this computer get anything of this conversation.")
        else:
            self.say("This conversation may leave this computer again.")

    # -- removing, and taking it back ---------------------------------------------------------------------

    async def action_delete_conversation(self) -> None:
        """Delete the conversation on show."""
        if self.shown.stored:
            await self._delete(self.shown.id)

    @on(ConversationList.DeleteRequested)
    @reporting
    async def _delete_listed(self, event: ConversationList.DeleteRequested) -> None:
        if row := self.list.row(event.key):
            await self._delete(row.conversation.id)

    async def _delete(self, conversation_id: str) -> None:
        services = self.require_services()
        services.chat.stop(conversation_id, forget_queue=True)
        await services.library.delete([conversation_id])
        if conversation_id == self.shown.id:
            self.show_blank()
        self.say("Deleted. f8 brings it back.")
        await self.refresh_list()

    async def action_clear(self) -> None:
        """Take out all messages of the conversation on show."""
        if self.services is None or not self.shown.stored:
            return
        self.services.chat.stop(self.shown.id, forget_queue=True)
        await self.services.library.clear(self.shown.id)
        await self.reload()
        self.say("Cleared. f8 brings the messages back.")

    async def action_undo(self) -> None:
        """Take the last step back."""
        if self.services is None:
            return
        try:
            step = await self.services.library.undo()
        except TuiChatError as error:
            self.report(error)
            return
        if step is None:
            self.say("There is nothing to undo.")
            return
        await self.reload(step.conversation_id)
        self.say(f"Undone: {step.description}.")
