"""The chat screen's files: what is pasted, dropped, named or chosen goes with the prompt, until it is taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from textual import on, work

from tui_chat.core.attachments import clean_name, pasted
from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import Attachment
from tui_chat.services.program import Services
from tui_chat.ui.screens.chat_shell import reporting
from tui_chat.ui.screens.drafts import Unsent
from tui_chat.ui.screens.in_order import Step
from tui_chat.ui.screens.showing import Showing
from tui_chat.ui.shown import Shown
from tui_chat.ui.widgets.chips import Chips
from tui_chat.ui.widgets.pasted import Paste
from tui_chat.ui.widgets.prompt import PromptInput

FIXED = "An edit goes with the files of its message, and no others; esc leaves the edit."


class Attaching(Showing):
    """Files are read beside the keys; what is submitted meanwhile waits for them."""

    # -- what the prompt hands over ---------------------------------------------------------------

    @on(PromptInput.LargePaste)
    def _attach_pasted(self, event: PromptInput.LargePaste) -> None:
        if self.edited is not None:
            # What an edit says is its text alone.
            self.prompt.draft = "\n".join(filter(None, (self.prompt.draft, event.text)))
            return

        async def make() -> Attachment:
            return self._numbered(await asyncio.to_thread(pasted, event.text))

        self._attach_behind(make)

    @on(PromptInput.MayBeDropped)
    def _attach_dropped(self, event: PromptInput.MayBeDropped) -> None:
        services, shown = self.services, self.shown
        if services is None or self.edited is not None:
            return

        async def look() -> None:
            paths = await services.files.dropped(event.text)
            is_here = self.services is services and self.shown.id == shown.id
            if not paths or not is_here or (paste := self.prompt.take_back(event.text)) is None:
                return
            read = [await self._read_and_hold(partial(services.files.read, path), services, shown) for path in paths]
            if not any(read):
                await self._put_text_back(paste, shown)

        self._behind(look)

    async def _put_text_back(self, paste: Paste, shown: Shown) -> None:
        """Nothing went in its place: the name may have been meant as a text."""
        if shown.id == self.shown.id:
            self.prompt.put_back(paste)
        else:
            await self.give_back(Unsent(shown, paste.written))

    @on(PromptInput.PathEnded)
    def _attach_written(self, event: PromptInput.PathEnded) -> None:
        services, shown = self.services, self.shown
        if services is None or self.edited is not None:
            return

        async def look() -> None:
            if (path := await services.files.named(event.text)) is not None:
                await self._read_and_hold(partial(services.files.read, path), services, shown)

        self._behind(look)

    @on(PromptInput.FileNamed)
    def _attach_named(self, event: PromptInput.FileNamed) -> None:
        if self.edited is not None:
            self.say(FIXED)
        elif self.services is not None:
            self._attach_behind(partial(self.services.files.read, event.path))

    @on(PromptInput.PathBegun)
    def _complete_named(self, event: PromptInput.PathBegun) -> None:
        if self.services is not None:
            self._offer_names(self.services, event.text)

    @work(group="names", exclusive=True)
    async def _offer_names(self, services: Services, begun: str) -> None:
        self.prompt.offer(begun, await services.files.completions(begun))

    def _attach_behind(self, make: Callable[[], Awaitable[Attachment]]) -> None:
        """Attach it behind what is being attached."""
        self._behind(partial(self._read_and_hold, make, self.services, self.shown))

    def _behind(self, step: Step) -> None:
        if not self.in_order.busy:
            self.could_not_attach = False
        self.in_order.add(step)

    async def _read_and_hold(
        self, make: Callable[[], Awaitable[Attachment]], services: Services | None, shown: Shown
    ) -> bool:
        try:
            await self._hold(await make(), services, shown)
        except TuiChatError as error:
            self.could_not_attach = True
            self.report(error)
            return False
        return True

    async def _hold(self, file: Attachment, services: Services | None, shown: Shown) -> None:
        """Let it go with the draft that it was meant for, which need not be the one on show any more."""
        if services is not None and services is not self.services:
            return  # locked meanwhile
        if services is not None and shown.id != self.shown.id:
            await self._hold_elsewhere(file, services, shown)
        elif any((each.name, each.sha256) == (file.name, file.sha256) for each in self.files):
            self.say(f"{clean_name(file.name)} is attached already.")
        else:
            self.hold_files((*self.files, file))
            await self.save_draft()

    async def _hold_elsewhere(self, file: Attachment, services: Services, shown: Shown) -> None:
        await self.ensure_stored(shown)
        kept = await services.library.draft_attachments(shown.id)
        await services.library.save_draft_attachments(shown.id, (*kept, file))

    def _numbered(self, file: Attachment) -> Attachment:
        """A second paste has another name than the first."""
        taken = {each.name for each in self.files}
        stem, dot, ending = file.name.rpartition(".")
        names = (file.name, *(f"{stem}-{number}{dot}{ending}" for number in range(2, len(taken) + 2)))
        return replace(file, name=next(name for name in names if name not in taken))

    # -- taking away -------------------------------------------------------------------------------

    @on(Chips.RemoveWanted)
    def _remove_clicked(self, event: Chips.RemoveWanted) -> None:
        self._remove(event.file)

    def action_remove_last_file(self) -> None:
        """Take away what was attached last."""
        if self.edited is None and self.files:
            self._remove(self.files[-1])

    def _remove(self, file: Attachment) -> None:
        """It no longer goes with the draft; undo brings it back."""
        if file not in self.files:
            return
        place = self.files.index(file)
        self.hold_files((*self.files[:place], *self.files[place + 1 :]))
        if self.services is None:
            return
        back = partial(self._put_back, self.shown, place, file)
        self.services.library.remember("removing a file", self.shown.id, back)
        self.in_order.add(self._save_draft_reporting)
        self.say(f"{clean_name(file.name)} no longer goes with your message. f8 brings it back.")

    async def _put_back(self, shown: Shown, place: int, file: Attachment) -> None:
        library = self.require_services().library
        await self.in_order.settled(1)
        if shown.id == self.shown.id:
            self.hold_files(_with(self.files, place, file))
            await self.save_draft()
        else:
            kept = await library.draft_attachments(shown.id)
            await library.save_draft_attachments(shown.id, _with(kept, place, file))

    # -- the dialog ----------------------------------------------------------------------------------

    @on(Chips.ListWanted)
    def _list_clicked(self) -> None:
        self.action_attach()

    @work(group="dialog")
    @reporting
    async def action_attach(self) -> None:
        """Choose a file to go with the prompt, see which do, take one away."""
        from tui_chat.ui.screens.attach import AttachScreen

        services, shown = self.services, self.shown
        if services is None:
            return
        if self.edited is not None:
            self.say(FIXED)
            return

        async def attach(path: str) -> None:
            await self._hold(await services.files.read(path), services, shown)

        await self.app.push_screen_wait(
            AttachScreen(
                lambda: self.files,
                attach=attach,
                remove=self._remove,
                complete=services.files.completions,
                takes_images=shown.basis.takes_images is not False,
            )
        )


def _with(files: Sequence[Attachment], place: int, file: Attachment) -> tuple[Attachment, ...]:
    return (*files[:place], file, *files[place:])
