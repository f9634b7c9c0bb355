"""The chat screen's sending: what was submitted, agreed on, handed over, or given back."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual import on, work

from tui_chat.core.errors import TuiChatError
from tui_chat.core.events import PromptSaved, TurnEvent
from tui_chat.services.options import Options, is_long
from tui_chat.services.program import Program
from tui_chat.ui.screens.before_sending import BeforeSending, Wish
from tui_chat.ui.screens.drafts import Unsent
from tui_chat.ui.widgets.file_words import is_sendable
from tui_chat.ui.widgets.prompt import PromptInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui_chat.core.models import MessageHeader


MOST_HELD_SECONDS = 0.05
"""From enter until something is drawn at the latest: nobody sees it."""

LEFT_SECONDS = 0.008
"""About what it takes from the plan until the request is out."""


class Sending(BeforeSending):
    """A prompt on its way: from the editor into the history, or back where it was typed."""

    def __init__(self, program: Program, **options: Any) -> None:
        super().__init__(program, **options)
        self._asked: dict[str, list[Unsent]] = {}
        """For each conversation about which the person is asked, or may have to be: what was submitted meanwhile."""
        self._undrawn = ExitStack()

    async def show_event(self, conversation_id: str, event: TurnEvent) -> None:
        """Draw what happened in that conversation."""
        raise NotImplementedError

    @on(PromptInput.Submitted)
    def _take_submitted(self) -> None:
        """Send one of what was submitted, behind the files that were named or pasted before it."""
        if self.in_order.busy:
            self.in_order.add(self._take_behind_files)
        elif self.prompt.handed_over:
            self._submit(self.prompt.handed_over.pop(0))

    async def _take_behind_files(self) -> None:
        if not self.prompt.handed_over:
            return
        text = self.prompt.handed_over.pop(0)
        if self.could_not_attach:
            self.could_not_attach = False
            self._keep_unsent(text, "Not sent: a file of it could not be attached.")
        else:
            self._submit(text)

    def take_handed_over(self) -> None:
        """Send all that was submitted, in the conversation it was typed in."""
        while self.prompt.handed_over:
            self._submit(self.prompt.handed_over.pop(0))

    def _keep_unsent(self, text: str, why: str) -> None:
        if text:
            self.prompt.restore(text)
        self.say(why)

    def _submit(self, text: str) -> None:
        if not text.strip() and not self.going:
            return
        if self.services is None:
            self._keep_unsent(text, "The history is still locked; your prompt is kept.")
            return
        takes_images = self.shown.basis.takes_images is not False
        if not text.strip() and not any(is_sendable(each, takes_images=takes_images) for each in self.going):
            self._keep_unsent(text, "Not sent: this model takes none of these files; write something to them.")
            return
        self._hold_drawing()
        replying = self.is_replying()
        if self.edited is not None and replying:
            self._keep_unsent(text, "A reply is being written; esc stops it.")
            return
        branch, unsent = self.planned_branch(), Unsent(self.shown, text, self.edited, self.going)
        self.unsent.append(unsent)
        if unsent.edited is not None:
            self._end_edit()
        elif unsent.files:
            self.hold_files(())
        self._send_off(unsent, branch, replying=replying)

    def is_replying(self) -> bool:
        """Whether a reply is being written in the conversation on show, or a prompt of it is on its way."""
        on_its_way = self.shown.id in self._asked or any(each.shown.id == self.shown.id for each in self.unsent)
        return on_its_way or self.require_services().chat.is_replying(self.shown.id)

    def submit_beside_draft(self, text: str) -> None:
        """Send this as the next prompt; what is typed and attached stays for the one after it."""
        branch, unsent = self.planned_branch(), Unsent(self.shown, text, None, ())
        self.unsent.append(unsent)
        self._send_off(unsent, branch, replying=False)

    def _send_off(self, unsent: Unsent, branch: Sequence[MessageHeader], *, replying: bool) -> None:
        shown, text = unsent.shown, unsent.text
        if shown.id in self._asked:
            self._asked[shown.id].append(unsent)
        # One that waits behind a reply is not asked about: nobody knows yet what will stand before it.
        elif not replying and self.must_ask(shown, branch, text, Options(attachments=unsent.files)):
            self._asked[shown.id] = []
            self._ask_and_send(unsent, branch)
        else:
            self._hand_over(unsent, Options())

    @work(group="dialog")
    async def _ask_and_send(self, unsent: Unsent, branch: Sequence[MessageHeader]) -> None:
        """Send it as it is agreed on. Before a question it goes back into the prompt: what is typed is kept there."""
        services, conversation_id = self.require_services(), unsent.shown.id
        surfaced = False

        async def surface() -> bool:
            nonlocal surfaced
            is_here = self.services is services and self.shown.id == conversation_id
            if is_here and not surfaced and unsent in self.unsent:
                await self._give_back_all((unsent, *self._asked[conversation_id]))
                self._asked[conversation_id].clear()
                surfaced = True
            return is_here and surfaced

        agreed: Wish | None = None
        try:
            if is_long((), unsent.text, unsent.files):
                await surface()  # measuring it may take longer than what is typed may be unsaved
            options = Options(attachments=unsent.files)
            agreed = await self.agree(services, Wish(unsent.shown, branch, unsent.text, surface, options))
            if agreed is not None and not (self._take_out(unsent) if surfaced else unsent in self.unsent):
                agreed = None
        except TuiChatError as error:
            if self.services is services:
                self.report(error)
        finally:
            behind = self._asked.pop(conversation_id)
            if agreed is None:
                await self._give_back_all((unsent, *behind))
        if agreed is None:
            return
        if agreed.rest:
            self.prompt.restore(agreed.rest)
        sent = unsent if agreed.text == unsent.text else self._cut(unsent, agreed.text)
        self._hand_over(sent, agreed.options)
        for each in behind:
            self._hand_over(each, Options())

    def _cut(self, unsent: Unsent, text: str) -> Unsent:
        """The same with what is sent of its text."""
        if unsent in self.unsent:
            self.unsent.remove(unsent)
        return replace(unsent, text=text)

    async def _give_back_all(self, texts: Sequence[Unsent]) -> None:
        """Put them back where they were typed, in their order."""
        for each in reversed(texts):  # each goes before what is there
            if each in self.unsent:
                await self.give_back(each)

    def _take_out(self, unsent: Unsent) -> bool:
        """Take what was agreed on out of the prompt again; False where it is no longer what is there."""
        draft, files = self.prompt.draft, self.going
        if self.shown.id != unsent.shown.id:
            return False
        is_same = draft.startswith(unsent.text) and files[: len(unsent.files)] == unsent.files
        if self.edited != unsent.edited or not is_same:
            self.say("You changed it meanwhile: enter sends it as it is now.")
            return False
        self.prompt.draft = draft.removeprefix(unsent.text).removeprefix("\n")
        self.unsent.append(unsent)
        if unsent.edited is not None:
            self._end_edit()
        elif unsent.files:
            self.hold_files(files[len(unsent.files) :])
        return True

    def _end_edit(self) -> None:
        """The edit was handed over; what was typed behind it belongs to the next prompt."""
        behind = self.prompt.draft
        self.cancel_edit()
        if behind:
            self.prompt.draft = "\n".join(filter(None, (self.prompt.draft, behind)))

    def _hand_over(self, unsent: Unsent, options: Options) -> None:
        """Send it, and keep it here until it is in the history."""
        if unsent not in self.unsent:
            self.unsent.append(unsent)
        if unsent.edited is not None:
            shown = self.shown if self.shown.id == unsent.shown.id else unsent.shown
            self.require_services().library.remember_branch("edit", shown.id, shown.tree.head)
        self._send(unsent, options)

    # -- first the request, then the picture -------------------------------------------------------

    def _hold_drawing(self) -> None:
        """Draw nothing until the request is on its way: a frame between two steps of sending would keep it waiting."""
        self._undrawn.enter_context(self.app.batch_update())
        self.set_timer(MOST_HELD_SECONDS, self._undrawn.close)

    def draw_when_sent(self) -> None:
        """The plan is made; what is left to do until the request is out takes a moment."""
        self.set_timer(LEFT_SECONDS, self._draw_sent)

    def _draw_sent(self) -> None:
        self.draw_now()
        self.replan()

    def draw_now(self) -> None:
        """There is something to be read."""
        self._undrawn.close()

    @work(group="turn")
    async def _send(self, unsent: Unsent, options: Options) -> None:
        """Never exclusive: an exclusive worker would cancel the reply that is running."""
        chat, conversation_id = self.require_services().chat, unsent.shown.id

        async def emit(event: TurnEvent) -> None:
            if isinstance(event, PromptSaved) and unsent in self.unsent:
                self.unsent.remove(unsent)
                if unsent.edited is None:
                    self.prompt_was_saved(conversation_id)
            await self.show_event(conversation_id, event)

        try:
            await self.ensure_stored(unsent.shown)
            if unsent.edited is not None:
                await chat.edit(conversation_id, unsent.edited, unsent.text, emit, options)
            else:
                await chat.send(conversation_id, unsent.text, emit, options, parts=unsent.files)
        except TuiChatError as error:
            if unsent in self.unsent:
                await self.give_back(unsent)
            self.report(error)
