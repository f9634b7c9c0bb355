"""What is typed or attached and not yet in the history: drafts, messages being edited, prompts on their way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import on
from textual.content import Content
from textual.timer import Timer
from textual.widgets import TextArea

from tui_chat.core.models import Attachment
from tui_chat.services.program import Program
from tui_chat.ui.screens.chat_shell import ChatShell, reporting
from tui_chat.ui.screens.in_order import InOrder
from tui_chat.ui.shown import Shown

if TYPE_CHECKING:
    from tui_chat.services.library import LibraryService, OpenedConversation

DRAFT_SECONDS = 0.5
"""At most so much typing is lost by kill -9."""

SEND_SECONDS = 3.0
"""How long leaving waits for prompts that are on their way into the history."""


@dataclass(eq=False)
class Unsent:
    """A text, and the files that go with it, no longer in the prompt and not yet in the history."""

    shown: Shown
    text: str = field(repr=False)
    edited: str | None = None
    """The message it replaces, where it is an edit; then the files are that message's."""
    files: tuple[Attachment, ...] = field(default=(), repr=False)


class Drafts(ChatShell):
    """Every text a person typed is in the prompt, in the history, or here; so is every file they attached."""

    def __init__(self, program: Program, **options: Any) -> None:
        super().__init__(program, **options)
        self.draft_before_edit = ""
        self.unsent: list[Unsent] = []
        self._made: set[str] = set()
        self._storing = asyncio.Lock()
        self._keeping = asyncio.Lock()
        self.in_order = InOrder(lambda steps: self.run_worker(steps, group="files"))
        """Files that are being read, and what was submitted behind them."""
        self.could_not_attach = False
        """Whether one of these could not be read: what waits behind it is not sent without it."""
        self._kept: tuple[Attachment, ...] = ()
        """The files that the history has for the draft on show."""
        self._draft_timer: Timer | None = None

    # -- drafts -----------------------------------------------------------------------------------

    @on(TextArea.Changed, "#prompt")
    def _draft_to_save(self) -> None:
        if self._draft_timer is None:
            self._draft_timer = self.set_timer(DRAFT_SECONDS, self._save_draft_soon)

    def _save_draft_soon(self) -> None:
        self._draft_timer = None
        self.run_worker(self._save_draft_reporting(), group="draft")

    @reporting
    async def _save_draft_reporting(self) -> None:
        await self.save_draft()

    async def save_draft(self) -> None:
        """Keep what is typed and attached, and make the row of a new conversation for it."""
        shown, saved = self.shown, None
        while saved != (text := self.prompt.draft) and shown.id == self.shown.id:  # what is typed meanwhile counts
            if self.services is None or (not self.shown.stored and not text.strip() and not self._held()):
                return
            if self.edited is not None:
                await self._keep_edit(shown.id, self.edited, text)
            else:
                await self.ensure_stored(self.shown)
                await self.services.library.save_draft(shown.id, text)
            saved = text
        await self._keep_files(shown)

    def keep_draft_now(self) -> None:
        """The same behind what is happening now."""
        self.run_worker(self._save_draft_reporting(), group="draft")

    async def _keep_files(self, shown: Shown) -> None:
        async with self._keeping:
            while shown.id == self.shown.id and self.services is not None and self._held() != self._kept:
                held = self._held()
                await self.ensure_stored(self.shown)
                await self.services.library.save_draft_attachments(shown.id, held)
                if shown.id == self.shown.id:
                    self._kept = held

    def _held(self) -> tuple[Attachment, ...]:
        """What must not be lost: the draft's files, behind those that are on their way into the history."""
        return (*self._on_their_way(self.shown.id), *self.files)

    def _on_their_way(self, conversation_id: str) -> tuple[Attachment, ...]:
        prompts = [each for each in self.unsent if each.shown.id == conversation_id and each.edited is None]
        return tuple(file for unsent in prompts for file in unsent.files)

    def hold_files(self, files: Sequence[Attachment]) -> None:
        """From now on these go with the draft."""
        self.files = tuple(files)
        self.replan()

    def take_over_files(self, kept: Sequence[Attachment], *, early: Sequence[Attachment] = ()) -> None:
        """Go on with the files that the history has for the draft on show, and those that came before it was open."""
        self._kept = tuple(kept)
        on_their_way = self._on_their_way(self.shown.id)
        own = self._kept[len(on_their_way) :] if self._kept[: len(on_their_way)] == on_their_way else self._kept
        self.files = (*own, *early)
        if early:
            self.keep_draft_now()

    def prompt_was_saved(self, conversation_id: str) -> None:
        """With a prompt the history takes all that was kept as the draft: keep again what is here."""
        if conversation_id == self.shown.id:
            self._kept = ()
            if self.files or self.prompt.draft:
                self.keep_draft_now()

    async def ensure_stored(self, shown: Shown) -> None:
        """Give a new conversation its row, on show or not."""
        if shown.stored:
            return
        async with self._storing:
            if shown.id not in self._made:
                library = self.require_services().library
                conversation = await library.new(conversation_id=shown.id, model=shown.conversation.model)
                self._made.add(shown.id)
                if shown.id == self.shown.id:
                    self.shown = replace(self.shown, conversation=conversation, stored=True)
        await self.refresh_list()

    # -- on the way into the history ----------------------------------------------------------------

    def take_handed_over(self) -> None:
        """Send what was submitted, in the conversation it was typed in, before another one is shown."""
        raise NotImplementedError

    async def wait_for_unsent(self) -> None:
        """Give prompts on their way a moment to arrive; what does not becomes part of its conversation's draft."""
        await self.in_order.settled(SEND_SECONDS)
        self.take_handed_over()
        end = asyncio.get_running_loop().time() + SEND_SECONDS
        while self.unsent and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - several workers, one wait
            await asyncio.sleep(0.01)
        for unsent in tuple(self.unsent):
            await self.give_back(unsent)

    async def give_back(self, unsent: Unsent) -> None:
        """Put a text that could not be saved back where it was typed."""
        if unsent in self.unsent:
            self.unsent.remove(unsent)
        if unsent.shown.id == self.shown.id:
            if unsent.edited is not None and self.edited is None and unsent.edited in self.shown.tree:
                self.begin_edit(unsent.edited, unsent.text, unsent.files)
                return
            if unsent.text:
                self.prompt.restore(unsent.text)
            if unsent.files and unsent.edited is None:
                self.hold_files((*unsent.files, *self.files))
                self.keep_draft_now()
        elif self.services is not None:
            await self._give_back_elsewhere(self.services.library, unsent)

    async def _give_back_elsewhere(self, library: LibraryService, unsent: Unsent) -> None:
        conversation_id = unsent.shown.id
        await self.ensure_stored(unsent.shown)
        draft = (await library.open(conversation_id)).draft
        await library.save_draft(conversation_id, "\n".join(filter(None, (unsent.text, draft))))
        kept = tuple(await library.draft_attachments(conversation_id))
        if unsent.edited is None and kept[: len(unsent.files)] != unsent.files:
            await library.save_draft_attachments(conversation_id, (*unsent.files, *kept))

    # -- editing an earlier message -------------------------------------------------------------------

    def begin_edit(self, message_id: str, text: str, files: Sequence[Attachment] = ()) -> None:
        """Hold an earlier message in the prompt; the draft waits. Its ``files`` go with it and stay what they are."""
        if self.edited is None:
            self.draft_before_edit = self.prompt.draft
        self.edited, self.edited_files = message_id, tuple(files)
        self.prompt.draft = text
        self.show_files()
        self.editing_line.update(Content("Editing an earlier message: enter sends it as a new branch, esc leaves it."))
        self.editing_line.add_class("-on")
        self.prompt.focus()

    def cancel_edit(self) -> None:
        """Leave the edit for good; the draft is what it was before."""
        if self.edited is not None:
            self.edited, self.edited_files = None, ()
            self.prompt.draft = self.draft_before_edit
            self.show_files()
            self.run_worker(self._forget_edit(self.shown.id), group="draft")
        self.editing_line.remove_class("-on")

    def abandon_edit(self) -> None:
        """Leave the edit without sending it; undo brings it back."""
        if self.edited is None:
            return
        services, conversation_id, edited, text = self.require_services(), self.shown.id, self.edited, self.prompt.draft
        again = partial(self._keep_edit, conversation_id, edited, text)
        services.library.remember("leaving the edit", conversation_id, again)
        self.cancel_edit()

    async def resume_edit(self, opened: OpenedConversation) -> tuple[str, str, tuple[Attachment, ...]] | None:
        """The message that was being edited there when it was left, its new text, and its files."""
        library = self.require_services().library
        kept = await library.value(_edit_key(opened.conversation.id))
        edit = json.loads(kept) if kept else {}
        message_id = str(edit.get("message", ""))
        if message_id not in opened.tree:
            return None
        files = (await library.message(message_id)).attachments if opened.tree[message_id].attachments else ()
        return message_id, str(edit["text"]), files

    async def _keep_edit(self, conversation_id: str, message_id: str, text: str) -> None:
        value = json.dumps({"message": message_id, "text": text})
        await self.require_services().library.set_value(_edit_key(conversation_id), value)

    @reporting
    async def _forget_edit(self, conversation_id: str) -> None:
        if self.services is not None:
            await self.services.library.set_value(_edit_key(conversation_id), "")


def _edit_key(conversation_id: str) -> str:
    return f"edit:{conversation_id}"
