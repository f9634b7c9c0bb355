"""Which conversation the chat screen shows, and where in it."""

from __future__ import annotations

import json
from array import array
from typing import Any

from tui_chat.core.errors import NotFound
from tui_chat.core.models import Thinking
from tui_chat.core.ports import ConversationIndex
from tui_chat.services.program import Services
from tui_chat.ui.screens.chat_shell import ChatShell, blank
from tui_chat.ui.shown import Shown


class Showing(ChatShell):
    """Opens, resumes and redraws conversations; nothing is sent by showing one."""

    live_reply: str | None = None
    """The id of the reply that is being drawn as it arrives."""

    draft_before_edit = ""

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
        """Keep the place and draft; show nothing of the history any more."""
        await self.save_place()
        self.services = None
        self.show_blank()
        self.list.set_index(ConversationIndex(array("q"), array("q"), 0))
        self.top_bar.reach = ""

    async def save_place(self) -> None:
        """Keep the draft, and where the person was reading."""
        if self.services is None:
            return
        await self.save_draft()
        if not self.shown.stored:
            await self.services.library.set_value("place", "{}")
            return
        message, line = self.transcript.scroll_state() or (None, 0)
        place = {"conversation": self.shown.id, "message": message, "line": line}
        await self.services.library.set_value("place", json.dumps(place))

    def show_blank(self, *, keep_typed: bool = False) -> None:
        """A new conversation; its row comes with its first draft or prompt."""
        self.take_over(blank())
        self.live_reply = None
        self.key_bar.urgent = ""
        self.transcript.show((), self.fetch_bodies)
        if not keep_typed:
            self.prompt.draft = ""
        self.show_surroundings()

    async def show_conversation(
        self, conversation_id: str, *, place: dict[str, Any] | None = None, keep_typed: bool = False
    ) -> None:
        """Show it as it was left: its branch, its place, its draft, and the reply that is arriving.

        ``keep_typed`` keeps what was typed before the history was open, behind the draft. Raises NotFound.
        """
        services = self.require_services()
        opened = await services.library.open(conversation_id)
        if conversation_id != self.shown.id:
            await self.save_draft()
        self.live_reply = None
        self.key_bar.urgent = ""
        self.cancel_edit()
        self.take_over(Shown(opened.conversation, opened.tree))
        await self.show_branch(place=place or {})
        if not keep_typed or not self.prompt.draft:
            self.prompt.draft = opened.draft
        elif opened.draft:
            self.prompt.restore(opened.draft)
        self.join_arriving()
        self.show_surroundings()

    async def show_branch(self, *, place: dict[str, Any] | None = None) -> None:
        """Draw the branch on show; the last page of texts is there at once."""
        services = self.require_services()
        branch = self.shown.branch
        bodies = await services.library.bodies([header.id for header in branch[-20:]])
        anchor = None
        if place and isinstance(place.get("message"), str) and place["message"] in self.shown.tree:
            anchor = (place["message"], int(place.get("line") or 0))
        self.transcript.show(branch, self.fetch_bodies, bodies=bodies, anchor=anchor, versions=self.shown.versions())

    async def reread(self, *, place: dict[str, Any] | None = None) -> None:
        """Read the tree again where the branch on show became another one; the draft is left alone."""
        opened = await self.require_services().library.open(self.shown.id)
        self.take_over(Shown(opened.conversation, opened.tree, window=self.shown.window))
        await self.show_branch(place=place)

    async def reload(self, conversation_id: str | None = None) -> None:
        """Read the conversation again and show it where it was."""
        message, line = self.transcript.scroll_state() or (None, 0)
        place: dict[str, Any] = {"message": message, "line": line}
        await self.show_conversation(conversation_id or self.shown.id, place=place)
        await self.refresh_list()

    # -- a reply that arrives, a message that is edited -------------------------------------------

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
        self.key_bar.urgent = "esc stop"

    def cancel_edit(self) -> None:
        """Leave the edit; the draft is what it was before."""
        if self.edited is not None:
            self.edited = None
            self.prompt.draft = self.draft_before_edit
        self.editing_line.remove_class("-on")


def _place_from(text: str | None) -> dict[str, Any]:
    """The remembered place; anything unreadable means none."""
    try:
        place = json.loads(text or "{}")
    except ValueError:
        return {}
    return place if isinstance(place, dict) else {}
