"""Which conversation the chat screen shows, and where in it."""

from __future__ import annotations

import asyncio
import json
import time
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.timer import Timer

from tui_chat.core.errors import NotFound
from tui_chat.core.events import RetryScheduled
from tui_chat.core.models import Body, ConversationIndex, Thinking
from tui_chat.services.program import Services
from tui_chat.ui.screens.chat_shell import blank, reporting
from tui_chat.ui.screens.drafts import SEND_SECONDS, Drafts
from tui_chat.ui.shown import Shown

if TYPE_CHECKING:
    from tui_chat.services.library import OpenedConversation

Place = Mapping[str, object]
"""Where a person was reading: ``conversation``, and the ``message`` and its ``line`` at the top of the screen."""

PAGE = 20
"""Messages whose texts are read before a conversation is drawn: more than a screen holds."""


class Showing(Drafts):
    """Opens, resumes and redraws conversations; nothing is sent by showing one."""

    live_reply: str | None = None
    """The id of the reply that is being drawn as it arrives."""

    _waiting: Timer | None = None
    _ask_now: asyncio.Event | None = None
    _told: tuple[str | None, str] = (None, "")
    """What was last said of a busy server, and in which reply."""

    # -- the history ----------------------------------------------------------------------------

    async def open_history(self, services: Services, conversation: str | None) -> None:
        """Show where the person left off, or the conversation of that name. Raises NotFound for the latter."""
        self.services = services
        place = _place_from(await services.library.value("place"))
        named = await services.library.find(conversation) if conversation else None
        wanted = named.id if named else place.get("conversation")
        try:
            if not isinstance(wanted, str):
                raise NotFound("Nothing was open.")
            line = place if wanted == place.get("conversation") else {}
            await self.show_conversation(wanted, place=line, keep_typed=True)
        except NotFound:
            if named is not None:
                raise
            self.show_blank(keep_typed=True)
        await self.refresh_list()
        self.say_problems()

    async def close_history(self) -> None:
        """Keep the place, the draft and what was just sent; show nothing of the history any more."""
        await self.save_place()
        self.services = None
        self.show_blank()
        self.list.set_index(ConversationIndex(array("q"), array("q"), 0))
        self.top_bar.reach = ""

    async def save_place(self) -> None:
        """Keep the draft, and where the person was reading."""
        if self.services is None:
            return
        await self.wait_for_unsent()
        await self._leave()
        await self.keep_place()

    async def keep_place(self) -> None:
        """Remember which conversation is on show, and where in it, for the next start."""
        if self.services is None:
            return
        message, line = self.transcript.scroll_state() or (None, 0)
        place = {"conversation": self.shown.id, "message": message, "line": line} if self.shown.stored else {}
        await self.services.library.set_value("place", json.dumps(place))

    @reporting
    async def _keep_place_reporting(self) -> None:
        await self.keep_place()

    def keep_place_soon(self) -> None:
        """The same behind what is happening now: kill -9 must not lose it either."""
        self.run_worker(self._keep_place_reporting(), group="draft")

    async def ensure_stored(self, shown: Shown) -> None:
        """Give a new conversation its row, and remember that it is on show: after kill -9 its draft is there again."""
        await super().ensure_stored(shown)
        if not shown.stored and shown.id == self.shown.id:
            self.keep_place_soon()

    async def show_new(self) -> None:
        """Leave the conversation on show for a new one."""
        await self._leave()
        self.show_blank()

    def show_blank(self, *, keep_typed: bool = False) -> None:
        """A new conversation; its row comes with its first draft or prompt."""
        self.take_over(blank())
        self._forget_shown()
        self.transcript.show((), self.fetch_bodies)
        self.take_over_files((), early=self.files if keep_typed else ())
        if not keep_typed:
            self.prompt.draft = ""
        self.show_surroundings()

    async def show_conversation(
        self, conversation_id: str, *, place: Place | None = None, keep_typed: bool = False
    ) -> None:
        """Show it as it was left: its branch, its place, its draft, and the reply that is arriving.

        ``keep_typed`` keeps what was typed before the history was open, behind the draft. Raises NotFound.
        """
        opened, bodies = await self._read(conversation_id)
        edit = await self.resume_edit(opened)
        files = await self.require_services().library.draft_attachments(conversation_id)
        if conversation_id != self.shown.id and not keep_typed:
            await self._leave()
        # From here on nothing waits: a key typed now must not fall between two conversations.
        self._forget_shown()
        self.take_over(Shown(opened.conversation, opened.tree))
        self._draw(bodies, place)
        if not keep_typed or not self.prompt.draft:
            self.prompt.draft = opened.draft
        elif opened.draft:
            self.prompt.restore(opened.draft)
        self.take_over_files(files, early=self.files if keep_typed else ())
        if edit is not None:
            self.begin_edit(*edit)
        self.join_arriving()
        self.show_surroundings()
        self.keep_place_soon()

    async def _read(self, conversation_id: str) -> tuple[OpenedConversation, Mapping[str, Body]]:
        """What opening one takes: its tree, and the texts of its last page."""
        library = self.require_services().library
        opened = await library.open(conversation_id)
        return opened, await library.bodies([header.id for header in opened.tree.branch[-PAGE:]])

    def _draw(self, bodies: Mapping[str, Body], place: Place | None) -> None:
        """Draw the branch on show, at a place or at its end."""
        branch = self.shown.branch
        message = place.get("message") if place else None
        anchor = None
        if place and isinstance(message, str) and message in self.shown.tree:
            line = place.get("line")
            anchor = (message, line if isinstance(line, int) else 0)
        self.transcript.show(branch, self.fetch_bodies, bodies=bodies, anchor=anchor, versions=self.shown.versions())

    def _forget_shown(self) -> None:
        """Nothing of the conversation that was on show may act on the next one; its edit is kept and resumed."""
        self.live_reply = self.live_plan = None
        self.gauge.counted = None
        self.stop_waiting()
        self.edited, self.edited_files = None, ()
        self.editing_line.remove_class("-on")

    async def _leave(self) -> None:
        """Keep the draft of the conversation on show; one that nobody ever did anything with is forgotten."""
        await self.in_order.settled(SEND_SECONDS)
        self.take_handed_over()
        await self.save_draft()
        services, shown = self.require_services(), self.shown
        on_its_way = any(unsent.shown.id == shown.id for unsent in self.unsent)
        if shown.stored and not shown.branch and not on_its_way and not services.chat.is_replying(shown.id):
            await services.library.forget_if_untouched(shown.id)

    async def reread(self, *, place: Place | None = None) -> None:
        """Read the tree again where the branch on show became another one; the draft is left alone."""
        opened, bodies = await self._read(self.shown.id)
        shown = self.shown
        self.take_over(Shown(opened.conversation, opened.tree, basis=shown.basis, facts=shown.facts))
        self._draw(bodies, place)

    async def reload(self, conversation_id: str | None = None) -> None:
        """Read the conversation again and show it where it was."""
        await self.in_order.settled(SEND_SECONDS)
        message, line = self.transcript.scroll_state() or (None, 0)
        place: Place = {"message": message, "line": line}
        await self.show_conversation(conversation_id or self.shown.id, place=place)
        await self.refresh_list()

    # -- a reply that arrives -----------------------------------------------------------------

    def join_arriving(self) -> None:
        """Go on drawing a reply that began while another conversation was on show."""
        arriving = self.require_services().chat.arriving(self.shown.id)
        if arriving is None or arriving.reply.id not in self.shown.tree:
            return
        self.transcript.begin(arriving.reply)
        body = arriving.body
        for part in body.parts:
            if isinstance(part, Thinking):
                self.transcript.feed_thinking(arriving.reply.id, part.text)
        self.transcript.feed(arriving.reply.id, body.text)
        self.live_reply = arriving.reply.id
        self.wait_for_words()
        if body.text or body.parts:
            self.words_came()

    # -- waiting for the first words ------------------------------------------------------------

    def wait_for_words(self) -> None:
        """Say that a reply can be stopped, and how long nothing of it has come."""
        self.stop_waiting()
        self.key_bar.urgent = "esc stop"
        since = time.monotonic()

        def count() -> None:
            self.key_bar.urgent = f"esc stop · {self._awaited()} {time.monotonic() - since:.0f} s"

        self._waiting = self.set_interval(1, count)

    def _awaited(self) -> str:
        """What the reply on show is waiting for."""
        services = self.services
        arriving = services.chat.arriving(self.shown.id) if services else None
        model = arriving.reply.model if arriving else None
        return (services.endpoints.preparing(model) if services and model else "") or "waiting"

    def count_down(self, scheduled: RetryScheduled) -> None:
        """Say that the server is busy, and when it is asked again."""
        self.stop_waiting()
        if self._told != (self.live_reply, scheduled.reason):  # once for a reply: more would pile up over it
            self._told = (self.live_reply, scheduled.reason)
            self.say(scheduled.reason)
        self._ask_now = scheduled.now
        end = time.monotonic() + scheduled.seconds

        def count() -> None:
            left = round(end - time.monotonic())
            if left > 0 and not scheduled.now.is_set():
                self.key_bar.urgent = f"esc stop · busy, again in {left} s · ctrl+r now"
            else:
                self.wait_for_words()

        self._waiting = self.set_interval(0.5, count)
        count()

    def action_ask_now(self) -> None:
        """Cut the wait for a busy server short."""
        if self._ask_now is None:
            self.say("Nothing is being asked again. For another reply: esc, then r.")
            return
        self._ask_now.set()
        self.wait_for_words()

    def words_came(self) -> None:
        """Something of the reply has come."""
        if self._waiting is not None:
            self.stop_waiting()
            self.key_bar.urgent = "esc stop"

    def stop_waiting(self) -> None:
        """No reply is being written here."""
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        self._ask_now = None
        self.key_bar.urgent = ""


def _place_from(text: str | None) -> Place:
    """The remembered place; anything unreadable means none."""
    try:
        place = json.loads(text or "{}")
    except ValueError:
        return {}
    return place if isinstance(place, dict) else {}
