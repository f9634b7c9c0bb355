"""The chat screen's actions on messages: copy, delete, fold, follow a link."""

from __future__ import annotations

from textual import on, work

from tui_chat.core.models import MessageHeader
from tui_chat.ui.screens.chat_shell import reporting
from tui_chat.ui.screens.showing import Showing
from tui_chat.ui.widgets.chat_transcript import ChatTranscript


class MessageActions(Showing):
    """They act on the transcript's current message."""

    async def action_delete_message(self) -> None:
        """Take out the current message; what answered it stays."""
        message_id = self.transcript.current_id
        if self.services is None or message_id is None or message_id not in self.shown.tree:
            return
        if message_id == self.live_reply:
            self.say("This reply is being written; esc stops it.")
            return
        ids = [header.id for header in self.shown.branch]
        place = ids.index(message_id) if message_id in ids else 0
        await self.services.library.delete_message(self.shown.id, message_id)
        self.services.chat.forget_queued(self.shown.id, message_id)
        await self.reload()
        self.transcript.focus()
        beside = [each for each in (*ids[place + 1 :], *reversed(ids[:place])) if each in self.shown.tree]
        if beside:
            self.transcript.set_current(beside[0])
        self.say("Deleted. f8 brings it back.")

    # -- what the model gets of it --------------------------------------------------------------

    async def action_pin_message(self) -> None:
        """Always send the current message with its exchange, or no longer."""
        if (header := self._current_header()) is not None:
            await self._mark(header, pinned=not header.pinned)
            self.say("No longer pinned." if header.pinned else "Pinned: always sent, with the exchange it is in.")

    async def action_exclude_message(self) -> None:
        """Never send the current message and its exchange, or send it again."""
        if (header := self._current_header()) is not None:
            await self._mark(header, excluded=not header.excluded)
            self.say("Sent again." if header.excluded else "Excluded: never sent, with the exchange it is in.")

    def _current_header(self) -> MessageHeader | None:
        message_id = self.transcript.current_id
        if self.services is None or message_id is None or message_id not in self.shown.tree:
            return None
        return self.shown.tree[message_id]

    async def _mark(self, header: MessageHeader, *, pinned: bool | None = None, excluded: bool | None = None) -> None:
        library = self.require_services().library
        await library.mark_message(self.shown.id, header.id, pinned=pinned, excluded=excluded)
        message, line = self.transcript.scroll_state() or (None, 0)
        await self.reread(place={"message": message, "line": line})
        self.transcript.set_current(header.id)
        self.replan()

    # -- copying ------------------------------------------------------------------------------

    async def action_copy_message(self) -> None:
        """Copy the current message as it was written."""
        text = await self._current_text()
        if text:
            await self._copy(text)
        elif text is not None:
            self.say("There is no text in this message.")

    async def action_copy_code(self) -> None:
        """Copy the code block that is nearest, as source."""
        text = await self._current_text()
        if text is None:
            return
        from tui_chat.ui.markdown import code_blocks

        blocks = code_blocks(text)
        if not blocks:
            self.say("There is no code block in this message.")
            return
        self._copied = (self._copied + 1) % len(blocks) if text == self._copied_from else 0
        self._copied_from = text
        place = f" (block {self._copied + 1} of {len(blocks)}, c again for the next)" if len(blocks) > 1 else ""
        await self._copy(blocks[self._copied], place)

    _copied = 0
    _copied_from = ""

    async def _current_text(self) -> str | None:
        message_id = self.transcript.current_id
        if self.services is None or message_id is None:
            return None
        return (await self.services.library.bodies([message_id]))[message_id].text

    async def _copy(self, text: str, place: str = "") -> None:
        from tui_chat.ui.clipboard import copy

        self.say(await copy(self.app, text) + place)

    # -- looking ------------------------------------------------------------------------------

    def action_toggle_thinking(self) -> None:
        """Fold or show the models' thinking."""
        self.transcript.toggle_thinking()

    @on(ChatTranscript.FollowChanged)
    def _follow_changed(self, event: ChatTranscript.FollowChanged) -> None:
        self.below.set_class(not event.following, "-on")

    @on(ChatTranscript.LinkChosen)
    @work(group="dialog")
    @reporting
    async def _link_chosen(self, event: ChatTranscript.LinkChosen) -> None:
        from tui_chat.ui.screens.links import LinkScreen

        chosen = await self.app.push_screen_wait(LinkScreen(event.href, event.text))
        if chosen == "copy":
            await self._copy(event.href)
        elif chosen == "open":
            self.app.open_url(event.href)
