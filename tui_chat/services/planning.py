"""What the next request would send, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import NoModel
from tui_chat.core.models import Conversation, MemorySettings, MessageHeader, ModelRef
from tui_chat.core.ports import ConversationStore
from tui_chat.core.recall import Hit
from tui_chat.core.sampling import LeftOut, Sampling
from tui_chat.core.settings import Endpoint, Settings
from tui_chat.core.summary import Summary
from tui_chat.core.tree import Tree
from tui_chat.memory import strategy
from tui_chat.memory.payload import sent_hashes, sent_ids, with_payload
from tui_chat.memory.request import Request
from tui_chat.services import sampling, seeing
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.learned import Learned
from tui_chat.services.options import Basis, Options, is_long
from tui_chat.services.windows import ContextWindow

if TYPE_CHECKING:
    from tui_chat.services.recalling import RecallService
    from tui_chat.services.summaries import SummaryService

LOW = 0.5
"""Trimming in blocks: over a limit the window drops to this share of it, and the prompt cache stays warm meanwhile."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a strategy needs from elsewhere for one draft; a problem is a word or sentence for ``core.sentences``."""

    hits: tuple[Hit, ...] = ()
    hits_problem: str = ""
    summary: Summary | None = None
    summary_problem: str = ""


NOTHING = Gathered()


class PlanningService:
    """Makes plans from the conversation's settings, the user's, and those of one request."""

    def __init__(
        self,
        store: ConversationStore,
        endpoints: EndpointService,
        settings: Callable[[], Settings],
        *,
        recall: RecallService | None = None,
        summaries: SummaryService | None = None,
        fallback_model: ModelRef | None = None,
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._settings = settings
        self._recall = recall
        self._summaries = summaries
        self._fallback_model = fallback_model
        self._learned = Learned(store)

    def model_of(self, conversation: Conversation, options: Options | None = None) -> ModelRef | None:
        """Which model answers there."""
        chosen = options.model if options else None
        return chosen or conversation.model or self._settings().model or self._fallback_model

    def memory_of(self, conversation: Conversation, options: Options | None = None) -> MemorySettings:
        """What is remembered there, and for this request."""
        memory = conversation.memory or self._settings().memory
        if options is None:
            return memory
        return replace(
            memory,
            strategy=options.strategy or memory.strategy,
            max_messages=memory.max_messages if options.max_messages is None else options.max_messages,
        )

    def sampling_of(self, conversation: Conversation) -> Sampling:
        """What the user set there, or everywhere."""
        return self._settings().sampling if conversation.sampling is None else conversation.sampling

    # -- what a plan goes by ------------------------------------------------------------------

    async def basis(self, conversation: Conversation, options: Options | None = None, *, ask: bool = False) -> Basis:
        """What is known now; with ``ask`` the server may be asked for its context window."""
        model = self.model_of(conversation, options) or ModelRef("", "")
        window = await self._endpoints.window(model, ask=ask, conversation_id=conversation.id)
        known = await self._learned.known(conversation.id, model)
        takes = await sampling.takes(self._store, self._endpoint_of(model), model)
        return Basis(window, known, await seeing.takes_images(self._store, model), takes)

    def _endpoint_of(self, model: ModelRef) -> Endpoint | None:
        try:
            return self._endpoints.endpoint(model.endpoint)
        except NoModel:
            return None

    def needs_gathering(self, conversation: Conversation, options: Options | None = None) -> bool:
        """Whether a plan there needs more than ``preview`` can know by itself."""
        return self.memory_of(conversation, options).strategy in ("summary", "retrieval")

    async def gather(
        self,
        conversation: Conversation,
        branch: Sequence[MessageHeader],
        draft: str | None,
        options: Options | None = None,
        *,
        wait: bool,
    ) -> Gathered:
        """What the strategy needs for this draft; without ``wait`` it may say that it is not ready."""
        memory = self.memory_of(conversation, options)
        if memory.strategy == "retrieval" and self._recall is not None and draft is not None:
            found = await self._recall.find(conversation, branch, draft, scope=memory.scope, wait=wait)
            return Gathered(hits=found.hits, hits_problem=found.problem)
        if memory.strategy == "summary" and self._summaries is not None:
            summary = await self._summaries.newest(conversation.id, branch)
            return Gathered(summary=summary, summary_problem=self._summaries.problem(conversation.id))
        return NOTHING

    # -- plans ----------------------------------------------------------------------------------

    def preview(
        self,
        conversation: Conversation,
        branch: Sequence[MessageHeader],
        draft: str | None,
        basis: Basis,
        options: Options | None = None,
        *,
        draft_id: str | None = None,
        gathered: Gathered = NOTHING,
    ) -> ContextPlan:
        """What would be sent after this branch, and why; pure, without the payload."""
        options = options or Options()
        memory = self.memory_of(conversation, options)
        window, known = basis.window, basis.known
        if options.context_window is not None:
            window = ContextWindow(options.context_window, assumed=False)
        calibration = known.calibration
        request = Request(
            draft=draft,
            draft_id=draft_id,
            draft_attachments=options.attachments,
            takes_images=basis.takes_images is not False,
            system_prompt=conversation.system_prompt,
            max_messages=memory.max_messages,
            context_window=window.tokens,
            assumed=window.assumed,
            reserved_for_reply=options.reserve,
            low=LOW if memory.trim == "blocks" else 1.0,
            anchor_id=known.anchors.on(branch, self._rules(conversation, options)),
            factor=calibration.factor,
            calibrated=calibration.is_calibrated,
            calibrated_others=calibration.is_calibrated_for_others,
            residual=known.last.residual(calibration.factor) if known.last else 0,
            summary=gathered.summary,
            summary_problem=gathered.summary_problem,
            ranked=gathered.hits,
            ranking_problem=gathered.hits_problem,
        )
        plan = strategy(memory.strategy).plan(branch, request)
        wanted = self.sampling_of(conversation)
        if not wanted.values:
            return plan
        sent, left_out = basis.takes.of(wanted)
        return replace(plan, sampling=sent, unsampled=left_out)

    async def look(
        self,
        conversation: Conversation,
        branch: Sequence[MessageHeader],
        draft: str | None,
        basis: Basis,
        options: Options | None = None,
        *,
        draft_id: str | None = None,
        wait: bool = False,
    ) -> ContextPlan:
        """The same with what must be gathered for it; a long one is made beside the event loop."""
        gathered = await self.gather(conversation, branch, draft, options, wait=wait)

        def make() -> ContextPlan:
            return self.preview(conversation, branch, draft, basis, options, draft_id=draft_id, gathered=gathered)

        files = options.attachments if options else ()
        return await asyncio.to_thread(make) if is_long(branch, draft, files) else make()

    async def plan(self, conversation_id: str, draft: str | None, options: Options | None = None) -> ContextPlan:
        """What would be sent there with this draft, to the byte. Opens no connection, stores nothing."""
        conversation = await self._store.conversation(conversation_id)
        branch = Tree(await self._store.headers(conversation_id), conversation.head).branch
        return await self.request(conversation, branch, draft, options or Options())

    async def request(
        self,
        conversation: Conversation,
        branch: Sequence[MessageHeader],
        draft: str | None,
        options: Options,
        *,
        draft_id: str | None = None,
        ask: bool = False,
    ) -> ContextPlan:
        """The plan with its payload; with ``ask`` the server may be asked for its context window."""
        conversation = options.applied_to(conversation)
        basis = await self.basis(conversation, options, ask=ask)
        plan = await self.look(conversation, branch, draft, basis, options, draft_id=draft_id, wait=True)
        bodies = await self._store.bodies(sent_ids(plan))
        contents = await self._store.contents(sent_hashes(plan, bodies))
        # In a thread: files may be megabytes.
        return await asyncio.to_thread(
            with_payload,
            plan,
            system_prompt=conversation.system_prompt,
            bodies=bodies,
            draft=draft,
            draft_attachments=options.attachments,
            contents=contents,
        )

    # -- what a sent plan teaches -----------------------------------------------------------------

    async def remember_sent(
        self, conversation: Conversation, branch: Sequence[MessageHeader], plan: ContextPlan, options: Options
    ) -> None:
        """The plan is about to be sent: its window's anchor holds until the rules change."""
        if plan.anchor is not None:
            rules = self._rules(conversation, options)
            await self._learned.remember_anchor(conversation.id, plan.anchor, branch, rules)

    async def learn(self, conversation_id: str, model: ModelRef, plan: ContextPlan, input_tokens: int) -> None:
        """The server's own count of what that plan sent: from now on its model's tokens are counted better.

        Not from a request with images: what they cost says nothing of texts.
        """
        if any(message.images for message in plan.payload):
            return
        await self._learned.remember_count(conversation_id, model, plan, input_tokens)

    async def remember_refused(self, model: ModelRef, dropped: LeftOut) -> None:
        """That model refused this value of a sampling parameter: it is left out from now on."""
        await sampling.remember_refused(self._store, model, dropped)

    async def forget_refused(self, model: ModelRef) -> None:
        """The user changed their sampling parameters: that model is told all of them again."""
        await sampling.forget_refused(self._store, model)

    async def is_calibrated(self, model: ModelRef, plan: ContextPlan) -> bool:
        """Whether enough of the server's own counts are known for that model and such letters."""
        return (await self._learned.calibration(model)).is_calibrated_for(plan)

    def _rules(self, conversation: Conversation, options: Options | None) -> tuple[str, ...]:
        """What an anchor was made under; a change of any of it drops the anchor."""
        memory = self.memory_of(conversation, options)
        model = self.model_of(conversation, options)
        return str(model), memory.strategy, str(memory.max_messages), memory.trim
