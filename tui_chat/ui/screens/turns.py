"""The chat screen's turns: stopping, asking again, and drawing what happens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import work

from tui_chat.core.context import ContextPlan
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
from tui_chat.core.headers import header_of
from tui_chat.core.models import Message, Role, Status
from tui_chat.core.sentences import trim_question
from tui_chat.core.settings import GUIDE_MODEL, is_context_window
from tui_chat.services.options import Options
from tui_chat.ui.screens.before_sending import Wish
from tui_chat.ui.screens.chat_shell import reporting
from tui_chat.ui.screens.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from tui_chat.services.replies import Emit


LEAST_WINDOW = 256
"""Tokens; no model's context window is smaller."""

GO_ON = "Go on exactly where your last answer stopped."
"""What is asked for the rest of a reply that was cut off."""


class Turns(Sending):
    """One call goes down, events come up; the screen reads nothing back during a turn."""

    @work(group="turn")
    @reporting
    async def _ask(self, ask: Callable[[Emit], Coroutine[Any, Any, None]], conversation_id: str) -> None:
        await ask(partial(self.show_event, conversation_id))

    # -- drawing ------------------------------------------------------------------------------

    async def show_event(self, conversation_id: str, event: TurnEvent) -> None:
        if conversation_id != self.shown.id:
            if isinstance(event, TurnEnded):
                await self.refresh_list()
            return
        match event:
            case PromptSaved(prompt, queued):
                await self._show_prompt(conversation_id, prompt, queued=queued)
            case ReplyStarted(reply):
                await self._show_start(reply)
            case PlanReady(plan):
                self.live_plan = plan
                self.gauge.counted = None
                self.draw_when_sent()
            case TextDelta(text) if self.live_reply:
                self.draw_now()
                self.words_came()
                self.transcript.feed(self.live_reply, text)
            case ThinkingDelta(text) if self.live_reply:
                self.words_came()
                self.transcript.feed_thinking(self.live_reply, text)
            case RetryScheduled():
                self.count_down(event)
            case TurnEnded(reply, error):
                await self._show_end(reply, error)

    async def _show_prompt(self, conversation_id: str, prompt: Message, *, queued: bool) -> None:
        # In a thread: megabytes of a file take half a second to measure.
        header = await asyncio.to_thread(header_of, prompt) if prompt.parts else header_of(prompt)
        if conversation_id != self.shown.id:
            return
        if prompt.parent_id == self._last_shown():
            self.take_over(self.shown.with_header(header))
            self.transcript.add(prompt, header=header, queued=queued)
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
        refused = None
        if self.live_reply == reply.id:
            refused = self.live_plan
            self.live_reply = self.live_plan = None
            self.gauge.counted = reply.usage
        self.take_over(self.shown.with_message(reply))
        self.transcript.settle(reply)
        if reply.model == GUIDE_MODEL:
            self.transcript.jump_to(reply.id)  # it comes at once, and is read from its beginning
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
        if isinstance(error, ContextTooLong) and refused is not None:
            self._offer_to_trim(reply.id, error, refused)

    @work(group="dialog")
    @reporting
    async def _offer_to_trim(self, reply_id: str, error: ContextTooLong, refused: ContextPlan) -> None:
        """The server refused the length. Asking again, with less, is the person's decision."""
        services, shown = self.require_services(), self.shown
        prompt = shown.tree[reply_id].parent_id if reply_id in shown.tree else None
        if prompt is None or self.app.screen is not self:
            return
        asked, branch = await services.library.message(prompt), shown.tree.path_to(prompt)[:-1]
        basis = await services.planning.basis(shown.conversation)
        for window in _smaller_windows(error, refused):
            options = Options(context_window=window, attachments=asked.attachments)
            plan = await services.planning.look(shown.conversation, branch, asked.text, basis, options)
            is_smaller = plan.error.code == "over_budget" if plan.error else plan.totals.tokens < refused.totals.tokens
            if is_smaller:
                break
        if self.shown.id != shown.id or self.services is not services:
            return
        if not is_smaller:
            self.say("Nothing more can be left out: e on your message takes it back, to be shortened.")
            return
        from tui_chat.ui.forms import AskScreen

        if await self.app.push_screen_wait(AskScreen("Too long for this model", trim_question(error, plan))):
            self._begin_again(reply_id, options)

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
        if self.services.chat.is_replying(self.shown.id):
            self.say("A reply is being written; esc stops it.")
            return
        self._begin_again(message_id, Options())

    def action_go_on(self) -> None:
        """Ask for the rest of the last reply, as a prompt that everybody can read; nothing is glued in silence."""
        if self.services is None:
            return
        if self.is_replying():
            self.say("A reply is being written; esc stops it.")
        elif self.edited is not None:
            self.say("You are editing an earlier message: esc leaves it.")
        elif not self.shown.branch or self.shown.branch[-1].role is not Role.ASSISTANT:
            self.say("There is no reply to go on with.")
        elif not self.shown.branch[-1].characters:
            self.say("Nothing of the last reply arrived: r asks for it again.")
        else:
            self.submit_beside_draft(GO_ON)

    @work(group="dialog")
    @reporting
    async def _begin_again(self, message_id: str, options: Options) -> None:
        """Ask what there is to ask, as for a new prompt, then have it answered again."""
        services, shown = self.require_services(), self.shown
        if shown.id in self._asked or message_id not in shown.tree:
            return  # one question at a time
        header = shown.tree[message_id]
        prompt = header.id if header.role is Role.USER else header.parent_id
        if prompt is None:
            self.say("There is no prompt before this message to answer again.")
            return

        async def surface() -> bool:
            return self.services is services and self.shown.id == shown.id

        behind = self._asked[shown.id] = []
        agreed: Wish | None = None
        try:
            asked, branch = await services.library.message(prompt), shown.tree.path_to(prompt)[:-1]
            options = replace(options, attachments=asked.attachments)
            agreed = await self.agree(services, Wish(shown, branch, asked.text, surface, options, may_cut=False))
        finally:
            del self._asked[shown.id]
            if agreed is None:
                await self._give_back_all(behind)
        if agreed is None:
            return
        if header.has_text and header.role is Role.ASSISTANT:
            services.library.remember_branch("another reply", shown.id, shown.tree.head)
        self._ask(partial(services.chat.regenerate, shown.id, message_id, options=agreed.options), shown.id)
        for each in behind:
            self._hand_over(each, Options())

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
        self.begin_edit(message_id, message.text, message.attachments)

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


def _smaller_windows(error: ContextTooLong, refused: ContextPlan) -> Iterator[int]:
    """Windows to plan a refused request anew with: the one that the server named, then one for half of it."""
    if error.limit is not None and is_context_window(error.limit):
        yield error.limit
    # A third of it is kept free for the reply, and by the margin.
    yield max(LEAST_WINDOW, 2 * (error.needed or refused.totals.tokens) // 3)
