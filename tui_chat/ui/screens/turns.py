"""The chat screen's turns: sending, stopping, asking again, and drawing what happens."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.content import Content

from tui_chat.core.errors import TuiChatError
from tui_chat.core.events import (
    PlanReady,
    PromptSaved,
    ReplyStarted,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    TurnEvent,
)
from tui_chat.core.models import Message, Role
from tui_chat.services.chat import Emit
from tui_chat.ui.screens.showing import Showing
from tui_chat.ui.widgets.prompt import PromptInput

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Turns(Showing):
    """One call goes down, events come up; the screen reads nothing back during a turn."""

    # -- sending ------------------------------------------------------------------------------

    @on(PromptInput.Submitted)
    def _prompt_submitted(self, event: PromptInput.Submitted) -> None:
        if self.services is None:
            self.prompt.restore(event.text)
            self.say("The history is still locked; your prompt is kept.")
            return
        if self.edited is not None:
            self._send_edited(self.edited, event.text)
            return
        self._send(event.text)

    @work(group="turn")
    async def _send(self, text: str) -> None:
        """Never exclusive: an exclusive worker would cancel the reply that is running."""
        services = self.require_services()
        saved = False

        async def emit(event: TurnEvent) -> None:
            nonlocal saved
            saved = saved or isinstance(event, PromptSaved)
            await self._show_event(conversation_id, event)

        conversation_id = self.shown.id
        try:
            await self.ensure_stored()
            await services.chat.send(conversation_id, text, emit)
        except TuiChatError as error:
            if not saved and conversation_id == self.shown.id:
                self.prompt.restore(text)
            self.report(error)

    @work(group="turn")
    async def _ask(self, ask: Callable[[Emit], Coroutine[Any, Any, None]], conversation_id: str) -> None:
        try:
            await ask(partial(self._show_event, conversation_id))
        except TuiChatError as error:
            self.report(error)

    # -- drawing ------------------------------------------------------------------------------

    async def _show_event(self, conversation_id: str, event: TurnEvent) -> None:
        if conversation_id != self.shown.id:
            if isinstance(event, TurnEnded):
                await self.refresh_list()
            return
        match event:
            case PromptSaved(prompt, queued):
                await self._show_prompt(prompt, queued=queued)
            case ReplyStarted(reply):
                await self._show_start(reply)
            case PlanReady():
                pass  # the same plan stands above the prompt since before it was sent
            case TextDelta(text) if self.live_reply:
                self.transcript.feed(self.live_reply, text)
            case ThinkingDelta(text) if self.live_reply:
                self.transcript.feed_thinking(self.live_reply, text)
            case RetryScheduled(seconds, reason):
                self.say(f"{reason} Trying again in {seconds:.0f} s.")
            case TurnEnded(reply, error):
                await self._show_end(reply, error)

    async def _show_prompt(self, prompt: Message, *, queued: bool) -> None:
        if prompt.parent_id == self._last_shown():
            self.take_over(self.shown.with_message(prompt))
            self.transcript.add(prompt, queued=queued)
        else:
            await self.reread()
        if not self.shown.conversation.title:
            await self._read_title()
        self.replan()
        await self.refresh_list()

    async def _read_title(self) -> None:
        conversation = await self.require_services().library.conversation(self.shown.id)
        self.take_over(replace(self.shown, conversation=replace(self.shown.conversation, title=conversation.title)))
        self.show_title()

    async def _show_start(self, reply: Message) -> None:
        if reply.parent_id == self._last_shown():
            self.take_over(self.shown.with_message(reply))
        else:
            await self.reread()
        self.transcript.begin(reply)
        self.live_reply = reply.id
        self.key_bar.urgent = "esc stop"
        self.replan()

    def _last_shown(self) -> str | None:
        return self.shown.branch[-1].id if self.shown.branch else None

    async def _show_end(self, reply: Message, error: TuiChatError | None) -> None:
        if self.live_reply == reply.id:
            self.live_reply = None
        self.take_over(self.shown.with_message(reply))
        self.transcript.settle(reply)
        if error is not None and reply.error != error.sentence:
            self.report(error)
        self.key_bar.urgent = ""
        self.replan()
        await self.refresh_list()

    # -- stopping, asking again -----------------------------------------------------------------

    def action_stop(self) -> None:
        """Stop the reply; what arrived is kept."""
        if self.services is not None:
            self.services.chat.stop(self.shown.id)

    def action_step_back(self) -> None:
        """Stop the reply, else leave the edit, else go from the prompt to the transcript."""
        if self.services is not None and self.services.chat.stop(self.shown.id):
            return
        if self.edited is not None:
            self.cancel_edit()
        elif self.focused is self.prompt and self.shown.branch:
            self.transcript.focus()
        else:
            self.prompt.focus()

    def action_regenerate(self) -> None:
        """Another reply in a new branch; the one before can be shown again with [ or undone."""
        message_id = self._message_to_answer()
        if self.services is None or message_id is None:
            return
        services, shown = self.services, self.shown
        if services.chat.is_replying(shown.id):
            self.say("A reply is being written; esc stops it.")
            return
        if shown.tree[message_id].has_text and shown.tree[message_id].role is Role.ASSISTANT:
            services.library.remember_branch("another reply", shown.id, shown.tree.head)
        self._ask(lambda emit: services.chat.regenerate(shown.id, message_id, emit), shown.id)

    def _message_to_answer(self) -> str | None:
        """The current message of the transcript where it has the focus, else the last one."""
        branch = self.shown.branch
        if not branch:
            return None
        current = self.transcript.current_id if self.focused is self.transcript else None
        header = self.shown.tree[current] if current and current in self.shown.tree else branch[-1]
        if header.role is Role.USER:
            replies = [each for each in branch if each.parent_id == header.id and each.role is Role.ASSISTANT]
            return replies[0].id if replies else header.id
        return header.id

    # -- editing ----------------------------------------------------------------------------------

    async def action_edit_message(self) -> None:
        """Take the current prompt back into the editor; sending it makes a new branch."""
        message_id = self.transcript.current_id
        if self.services is None or message_id is None or message_id not in self.shown.tree:
            return
        if self.shown.tree[message_id].role is not Role.USER:
            self.say("Only your own messages can be edited; r asks for another reply.")
            return
        message = await self.services.library.message(message_id)
        if self.edited is None:
            self.draft_before_edit = self.prompt.draft
            await self.services.library.save_draft(self.shown.id, self.draft_before_edit)
        self.edited = message_id
        self.prompt.draft = message.text
        self.editing_line.update(Content("Editing an earlier message: enter sends it as a new branch, esc leaves it."))
        self.editing_line.add_class("-on")
        self.prompt.focus()

    def _send_edited(self, message_id: str, text: str) -> None:
        services, shown = self.require_services(), self.shown
        if services.chat.is_replying(shown.id):
            self.prompt.restore(text)
            self.say("A reply is being written; esc stops it.")
            return
        self.cancel_edit()
        services.library.remember_branch("edit", shown.id, shown.tree.head)
        self._ask(lambda emit: services.chat.edit(shown.id, message_id, text, emit), shown.id)

    # -- branches -----------------------------------------------------------------------------------

    async def action_branch(self, step: int) -> None:
        """Show the previous or next version of the current message, with what follows it."""
        message_id = self.transcript.current_id
        if self.services is None or message_id is None or message_id not in self.shown.tree:
            return
        leaf = self.shown.tree.neighbour(message_id, step)
        if leaf is None:
            self.say("There is no other version of this message there.")
            return
        versions = self.shown.tree.siblings(message_id)
        beside = versions[versions.index(message_id) + step]
        await self.services.library.show_branch(self.shown.id, leaf)
        await self.reread(place={"message": beside, "line": 0})
        self.transcript.jump_to(beside)
        self.replan()
