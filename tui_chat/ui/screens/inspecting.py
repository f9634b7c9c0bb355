"""The chat screen's way to the inspector: the next request, or the one that a reply came from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work

from tui_chat.core.context import ContextPlan, Kind
from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import ModelRef, Role
from tui_chat.services.reaching import Reach
from tui_chat.ui.screens.before_sending import BeforeSending
from tui_chat.ui.screens.chat_shell import reporting

if TYPE_CHECKING:
    from tui_chat.ui.screens.inspection import Inspection


class Inspecting(BeforeSending):
    """Shows to the byte what goes out, or what the model saw when it gave a reply."""

    @work(group="dialog")
    @reporting
    async def action_inspect(self) -> None:
        """What the next prompt would send, with the draft as it is."""
        if self.services is not None:
            await self._inspect_next()

    async def _inspect_next(self) -> None:
        while await self._show_inspection(await self._next()):
            await self.choose_memory(self.planned_branch(), self.wanted_draft, self.draft_options)

    @work(group="dialog")
    @reporting
    async def action_inspect_message(self) -> None:
        """What the model saw when it gave the current reply; for a prompt, what comes next."""
        message_id = self.transcript.current_id
        if self.services is None or message_id is None or message_id not in self.shown.tree:
            return
        header = self.shown.tree[message_id]
        past = await self._past(header.id) if header.role is Role.ASSISTANT else None
        if header.role is Role.ASSISTANT and past is None:
            self.say("What the model saw for this reply was not kept: it came before, or from elsewhere.")
            return
        if past is not None:
            await self._show_inspection(past)
        else:
            await self._inspect_next()

    async def _show_inspection(self, inspection: Inspection) -> bool:
        """Show it; whether the person wants something else to be remembered."""
        from tui_chat.ui.screens.inspector import InspectorScreen

        async def read(message_id: str) -> str:
            return (await self.require_services().library.bodies([message_id]))[message_id].text

        return await self.app.push_screen_wait(InspectorScreen(inspection, read=read, now=self._now)) is True

    async def _next(self) -> Inspection:
        services, shown = self.require_services(), self.shown
        branch, draft = self.planned_branch(), self.wanted_draft
        plan = await services.planning.request(shown.conversation, branch, draft, self.draft_options)
        model = services.planning.model_of(shown.conversation) or ModelRef("", "")
        raw = b""
        if plan.error is None and plan.payload:
            try:
                provider = await services.endpoints.provider(model, conversation_id=shown.id)
                # In a thread: with files it may be megabytes.
                raw = await asyncio.to_thread(provider.render, plan, model=model.name)
            except TuiChatError as error:  # not confirmed, or gone: then nothing would be sent either
                self.report(error)
        return await self._inspection(plan, model, raw=raw)

    async def _past(self, reply_id: str) -> Inspection | None:
        services, tree = self.require_services(), self.shown.tree
        branch = tree.path_to(tree[reply_id].parent_id)[:-1]
        plan = await services.library.seen_by(reply_id, branch)
        if plan is None:
            return None
        reply = await services.library.message(reply_id)
        return await self._inspection(plan, reply.model or ModelRef("", ""), past_reply=reply_id)

    async def _inspection(
        self, plan: ContextPlan, model: ModelRef, *, raw: bytes = b"", past_reply: str | None = None
    ) -> Inspection:
        from tui_chat.ui.screens.inspection import Inspection, Stored, first_line

        services, tree = self.require_services(), self.shown.tree
        ids = [entry.id for entry in plan.entries if entry.id is not None and entry.id in tree]
        times = {message_id: tree[message_id].created_at for message_id in ids}
        times |= {each.id: each.created_at for each in plan.quotations}
        elsewhere = [entry.id for entry in plan.entries if entry.kind is Kind.RETRIEVED and entry.id is not None]
        bodies = await services.library.bodies([*times, *elsewhere])
        usage = (await services.library.message(past_reply)).usage if past_reply else None
        try:
            reach = services.endpoints.reach(model)
        except TuiChatError:  # no endpoint of that name any more
            reach = Reach.BUILT_IN
        versions = sum(len(tree.siblings(header.id)) > 1 for header in self.shown.branch)
        since = min((header.created_at for header in tree), default=None)
        return Inspection(
            plan=plan,
            excerpts={message_id: first_line(body.text) for message_id, body in bodies.items()},
            times=times,
            raw=raw,
            model=model.name,
            host=self.top_bar.host if past_reply is None else "",
            reach=reach,
            stored=Stored(len(self.shown.branch), len(tree), versions, since),
            usage=usage,
            estimated=plan.totals.tokens,
            past=past_reply is not None,
        )
