"""What is typed and not yet in the history: drafts, messages being edited, prompts on their way."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from textual import on
from textual.content import Content
from textual.timer import Timer
from textual.widgets import TextArea

from tui_chat.services.program import Program
from tui_chat.ui.screens.chat_shell import ChatShell, reporting
from tui_chat.ui.shown import Shown

DRAFT_SECONDS = 0.5
"""At most so much typing is lost by kill -9."""

SEND_SECONDS = 3.0
"""How long leaving waits for prompts that are on their way into the history."""


@dataclass(eq=False)
class Unsent:
    """A text that is no longer in the prompt and not yet in the history."""

    shown: Shown
    text: str = field(repr=False)
    edited: str | None = None
    """The message it replaces, where it is an edit."""


class Drafts(ChatShell):
    """Every text a person typed is in the prompt, in the history, or here."""

    def __init__(self, program: Program, **options: Any) -> None:
        super().__init__(program, **options)
        self.draft_before_edit = ""
        self.unsent: list[Unsent] = []
        self._made: set[str] = set()
        self._storing = asyncio.Lock()
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
        """Keep what is typed, and make the row of a new conversation for it."""
        shown, saved = self.shown, None
        while saved != (text := self.prompt.draft) and shown.id == self.shown.id:  # what is typed meanwhile counts
            if self.services is None or (not self.shown.stored and not text.strip()):
                return
            if self.edited is not None:
                await self._keep_edit(shown.id, self.edited, text)
            else:
                await self.ensure_stored(self.shown)
                await self.services.library.save_draft(shown.id, text)
            saved = text

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
                self.begin_edit(unsent.edited, unsent.text)
            else:
                self.prompt.restore(unsent.text)
        elif self.services is not None:
            await self.ensure_stored(unsent.shown)
            draft = (await self.services.library.open(unsent.shown.id)).draft
            await self.services.library.save_draft(unsent.shown.id, f"{unsent.text}\n{draft}" if draft else unsent.text)

    # -- editing an earlier message -------------------------------------------------------------------

    def begin_edit(self, message_id: str, text: str) -> None:
        """Hold an earlier message in the prompt; the draft waits."""
        if self.edited is None:
            self.draft_before_edit = self.prompt.draft
        self.edited = message_id
        self.prompt.draft = text
        self.editing_line.update(Content("Editing an earlier message: enter sends it as a new branch, esc leaves it."))
        self.editing_line.add_class("-on")
        self.prompt.focus()

    def cancel_edit(self) -> None:
        """Leave the edit for good; the draft is what it was before."""
        if self.edited is not None:
            self.edited = None
            self.prompt.draft = self.draft_before_edit
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

    async def resume_edit(self, conversation_id: str) -> tuple[str, str] | None:
        """The message that was being edited there when it was left, and its new text."""
        kept = await self.require_services().library.value(_edit_key(conversation_id))
        if not kept:
            return None
        edit = json.loads(kept)
        return str(edit["message"]), str(edit["text"])

    async def _keep_edit(self, conversation_id: str, message_id: str, text: str) -> None:
        value = json.dumps({"message": message_id, "text": text})
        await self.require_services().library.set_value(_edit_key(conversation_id), value)

    @reporting
    async def _forget_edit(self, conversation_id: str) -> None:
        if self.services is not None:
            await self.services.library.set_value(_edit_key(conversation_id), "")


def _edit_key(conversation_id: str) -> str:
    return f"edit:{conversation_id}"
