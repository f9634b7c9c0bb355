"""The chat screen's turns: sending, stopping, asking again, and drawing what happens."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import on, work

from tui_chat.core.errors import ContextTooLong, TuiChatError
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
from tui_chat.core.models import Message, MessageHeader, Role, Status
from tui_chat.core.sentences import trim_question
from tui_chat.services.endpoints import GUIDE_MODEL
from tui_chat.services.planning import Options
from tui_chat.services.replies import Emit
from tui_chat.ui.screens.before_sending import BeforeSending
from tui_chat.ui.screens.chat_shell import reporting
from tui_chat.ui.screens.drafts import Unsent
from tui_chat.ui.widgets.prompt import PromptInput

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence


class Turns(BeforeSending):
    """One call goes down, events come up; the screen reads nothing back during a turn."""

    # -- sending ------------------------------------------------------------------------------

    @on(PromptInput.Submitted)
    def take_handed_over(self) -> None:
        """Send what was submitted, in the conversation it was typed in."""
        while self.prompt.handed_over:
            self._submit(self.prompt.handed_over.pop(0))

    def _submit(self, text: str) -> None:
        if self.services is None:
            self.prompt.restore(text)
            self.say("The history is still locked; your prompt is kept.")
            return
        replying = self.services.chat.is_replying(self.shown.id)
        if self.edited is not None and replying:
            self.prompt.restore(text)
            self.say("A reply is being written; esc stops it.")
            return
        branch = self.planned_branch()
        # One that waits behind a reply is not asked about: nobody knows yet what will stand before it.
        if not replying and self.must_ask(self.shown, branch, text):
            self.prompt.restore(text)  # until the answer it is a draft like any other: kept, and not lost
            self.ask_first(branch, text, partial(self._take_and_hand_over, text))
            return
        self._hand_over(text, Options())

    def _take_and_hand_over(self, typed: str, text: str, options: Options) -> None:
        """Take what was agreed on out of the prompt; what was typed behind it stays."""
        self.prompt.draft = self.prompt.draft.removeprefix(typed).removeprefix("\n")
        self._hand_over(text, options)

    def _hand_over(self, text: str, options: Options) -> None:
        """Send it, or keep it until it can be."""
        services, unsent = self.require_services(), Unsent(self.shown, text, self.edited)
        self.unsent.append(unsent)
        if unsent.edited is not None:
            services.library.remember_branch("edit", self.shown.id, self.shown.tree.head)
            self.cancel_edit()
        self._send(unsent, options)

    @work(group="turn")
    async def _send(self, unsent: Unsent, options: Options) -> None:
        """Never exclusive: an exclusive worker would cancel the reply that is running."""
        chat, conversation_id = self.require_services().chat, unsent.shown.id

        async def emit(event: TurnEvent) -> None:
            if isinstance(event, PromptSaved) and unsent in self.unsent:
                self.unsent.remove(unsent)
            await self._show_event(conversation_id, event)

        try:
            await self.ensure_stored(unsent.shown)
            if unsent.edited is not None:
                await chat.edit(conversation_id, unsent.edited, unsent.text, emit, options)
            else:
                await chat.send(conversation_id, unsent.text, emit, options)
        except TuiChatError as error:
            if unsent in self.unsent:
                await self.give_back(unsent)
            self.report(error)

    @work(group="turn")
    @reporting
    async def _ask(self, ask: Callable[[Emit], Coroutine[Any, Any, None]], conversation_id: str) -> None:
        await ask(partial(self._show_event, conversation_id))

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
            case PlanReady(plan):
                self.live_plan = plan
                self.gauge.counted = None
                self.replan()
            case TextDelta(text) if self.live_reply:
                self.words_came()
                self.transcript.feed(self.live_reply, text)
            case ThinkingDelta(text) if self.live_reply:
                self.words_came()
                self.transcript.feed_thinking(self.live_reply, text)
            case RetryScheduled(seconds, reason):
                self.say(f"{reason} Trying again in {seconds:.0f} s.")
            case TurnEnded(reply, error):
                await self._show_end(reply, error)

    async def _show_prompt(self, prompt: Message, *, queued: bool) -> None:
        if prompt.parent_id == self._last_shown():
            self.take_over(self.shown.with_message(prompt))
            self.transcript.add(prompt, queued=queued)
            self.transcript.action_last()
        else:
            await self.reread()
        if not self.shown.conversation.title:
            await self._read_title()
        self.keep_place_soon()
        await self.refresh_list()

    async def _read_title(self) -> None:
        conversation = await self.require_services().library.conversation(self.shown.id)
        self.take_over(replace(self.shown, conversation=replace(self.shown.conversation, title=conversation.title)))
        self.show_title()

    async def _show_start(self, reply: Message) -> None:
        if reply.parent_id == self._last_shown():
            shown = self.shown.with_message(reply)
            model = shown.conversation.model or (None if reply.model == GUIDE_MODEL else reply.model)
            self.take_over(replace(shown, conversation=replace(shown.conversation, model=model)))
        else:
            await self.reread()
        self.transcript.begin(reply)
        self.live_reply = reply.id
        self.transcript.show_queued(self.require_services().chat.queued(self.shown.id))
        self.wait_for_words()

    def _last_shown(self) -> str | None:
        return self.shown.branch[-1].id if self.shown.branch else None

    async def _show_end(self, reply: Message, error: TuiChatError | None) -> None:
        if self.live_reply == reply.id:
            self.live_reply = self.live_plan = None
            self.gauge.counted = reply.usage
        self.take_over(self.shown.with_message(reply))
        self.transcript.settle(reply)
        if error is not None and reply.error != error.sentence:
            self.report(error)
        self.stop_waiting()
        self.learn_basis()
        waiting = len(self.require_services().chat.queued(self.shown.id))
        if reply.status is not Status.COMPLETE and waiting:
            keys = "r" if self.focused is self.transcript else "esc, then r"
            self.say(f"{waiting} prompt{'s wait' if waiting > 1 else ' waits'} behind it: {keys} goes on.")
        self.transcript.show_queued(self.require_services().chat.queued(self.shown.id))
        self.replan()
        await self.refresh_list()
        if isinstance(error, ContextTooLong):
            self._offer_to_trim(reply, error)

    @work(group="dialog")
    @reporting
    async def _offer_to_trim(self, reply: Message, error: ContextTooLong) -> None:
        """The server refused the length: what it said is known now. Asking again is the person's decision."""
        if reply.id not in self.shown.tree or self.app.screen is not self:
            return
        header = self.shown.tree[reply.id]
        branch, prompt = self.shown.tree.path_to(header.parent_id)[:-1], header.parent_id or ""
        text = (await self.require_services().library.message(prompt)).text
        basis = await self.require_services().planning.basis(self.shown.conversation)
        self.shown = replace(self.shown, basis=basis)
        plan = await self.look_at(branch, text)
        from tui_chat.ui.forms import AskScreen

        if await self.app.push_screen_wait(AskScreen("Too long for this model", trim_question(error, plan))):
            self._regenerate(reply.id, branch, text)

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
            self.abandon_edit()
        elif self.focused is self.prompt and self.shown.branch:
            self.set_focus(self.transcript)  # at once, so that the next key finds it there
        else:
            self.set_focus(self.prompt)

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
        self._begin_again(message_id)

    @work(group="turn")
    @reporting
    async def _begin_again(self, message_id: str) -> None:
        """Ask what there is to ask, as for a new prompt, then have it answered again."""
        header = self.shown.tree[message_id]
        prompt = header.id if header.role is Role.USER else header.parent_id
        if prompt is None:
            self.say("There is no prompt before this message to answer again.")
            return
        text = (await self.require_services().library.message(prompt)).text
        self._regenerate(message_id, self.shown.tree.path_to(prompt)[:-1], text)

    def _regenerate(self, message_id: str, branch: Sequence[MessageHeader], text: str) -> None:
        services, conversation_id = self.require_services(), self.shown.id

        def go_on(_: str, options: Options) -> None:
            self._ask(
                lambda emit: services.chat.regenerate(conversation_id, message_id, emit, options), conversation_id
            )

        if self.must_ask(self.shown, branch, text):
            self.ask_first(branch, text, go_on, may_cut=False)
        else:
            go_on(text, Options())

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
        await self.save_draft()
        self.begin_edit(message_id, message.text)

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
