"""What the next request would send, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tui_chat.core.calibration import Calibration
from tui_chat.core.context import ContextPlan
from tui_chat.core.models import Conversation, MemorySettings, MessageHeader, ModelRef
from tui_chat.core.ports import ConversationStore
from tui_chat.core.settings import Settings
from tui_chat.core.tree import Tree
from tui_chat.memory import strategy
from tui_chat.memory.payload import sent_ids, with_payload
from tui_chat.memory.request import Request
from tui_chat.services.endpoints import ContextWindow, EndpointService

LOW = 0.5
"""Trimming in blocks: over a limit the window drops to this share of it, and the prompt cache stays warm meanwhile."""


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for one request only; None where the conversation's or the user's settings do.

    An empty ``system_prompt`` is none at all.
    """

    model: ModelRef | None = None
    strategy: str | None = None
    max_messages: int | None = None
    context_window: int | None = None
    reserve: int | None = None
    system_prompt: str | None = None

    def applied_to(self, conversation: Conversation) -> Conversation:
        """The conversation as this request sees it."""
        if self.system_prompt is None:
            return conversation
        return replace(conversation, system_prompt=self.system_prompt or None)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan goes by beside the branch: the model's window, how its tokens are counted, the window's anchor."""

    window: ContextWindow
    calibration: Calibration = field(default_factory=Calibration)
    anchor_id: str | None = None


class PlanningService:
    """Makes plans from the conversation's settings, the user's, and those of one request."""

    def __init__(
        self,
        store: ConversationStore,
        endpoints: EndpointService,
        settings: Callable[[], Settings],
        *,
        fallback_model: ModelRef | None = None,
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._settings = settings
        self._fallback_model = fallback_model

    def model_of(self, conversation: Conversation, options: Options | None = None) -> ModelRef | None:
        """Which model answers there."""
        chosen = options.model if options else None
        return chosen or conversation.model or self._settings().model or self._fallback_model

    async def basis(self, conversation: Conversation, options: Options | None = None, *, ask: bool = False) -> Basis:
        """What is known now; with ``ask`` the server may be asked for its context window."""
        model = self.model_of(conversation, options) or ModelRef("", "")
        window = await self._endpoints.window(model, ask=ask)
        kept = await self._store.value(_calibration_key(model))
        anchor = await self._store.value(f"anchor:{conversation.id}")
        known = json.loads(anchor) if anchor else {}
        return Basis(
            window,
            _calibration(kept),
            known.get("message") if known.get("rules") == self._rules(conversation, options) else None,
        )

    def preview(
        self,
        conversation: Conversation,
        branch: Sequence[MessageHeader],
        draft: str | None,
        basis: Basis,
        options: Options | None = None,
        *,
        draft_id: str | None = None,
    ) -> ContextPlan:
        """What would be sent after this branch, and why; pure, without the payload."""
        options = options or Options()
        memory = self._memory_of(conversation)
        window = basis.window
        if options.context_window is not None:
            window = ContextWindow(options.context_window, assumed=False)
        request = Request(
            draft=draft,
            draft_id=draft_id,
            system_prompt=conversation.system_prompt,
            max_messages=memory.max_messages if options.max_messages is None else options.max_messages,
            context_window=window.tokens,
            assumed=window.assumed,
            reserved_for_reply=options.reserve,
            low=LOW if memory.trim == "blocks" else 1.0,
            anchor_id=basis.anchor_id,
            factor=basis.calibration.factor,
            calibrated=basis.calibration.is_calibrated,
        )
        return strategy(options.strategy or memory.strategy).plan(branch, request)

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
        plan = self.preview(conversation, branch, draft, basis, options, draft_id=draft_id)
        bodies = await self._store.bodies(sent_ids(plan))
        texts = {message_id: body.text for message_id, body in bodies.items()}
        return with_payload(plan, system_prompt=conversation.system_prompt, texts=texts, draft=draft)

    # -- what a sent plan teaches -----------------------------------------------------------------

    async def remember_sent(self, conversation: Conversation, plan: ContextPlan, options: Options) -> None:
        """The plan is about to be sent: its window's anchor holds until the rules change."""
        if plan.anchor is not None:
            kept = {"message": plan.anchor, "rules": self._rules(conversation, options)}
            await self._store.set_value(f"anchor:{conversation.id}", json.dumps(kept))

    async def learn(self, model: ModelRef, plan: ContextPlan, input_tokens: int) -> None:
        """The server's own count of what that plan sent: from now on its model's tokens are counted better."""
        kept = await self._store.value(_calibration_key(model))
        after = _calibration(kept).with_figure(plan.uncorrected, input_tokens)
        await self._store.set_value(_calibration_key(model), json.dumps(after.to_json()))

    async def is_calibrated(self, model: ModelRef) -> bool:
        """Whether enough of the server's own counts are known for that model."""
        return _calibration(await self._store.value(_calibration_key(model))).is_calibrated

    # -- inside -------------------------------------------------------------------------------------

    def _memory_of(self, conversation: Conversation) -> MemorySettings:
        return conversation.memory or self._settings().memory

    def _rules(self, conversation: Conversation, options: Options | None) -> list[str]:
        """What an anchor was made under; a change of any of it drops the anchor."""
        memory = self._memory_of(conversation)
        return [str(self.model_of(conversation, options)), memory.strategy, str(memory.max_messages), memory.trim]


def _calibration(kept: str | None) -> Calibration:
    try:
        return Calibration.from_json(json.loads(kept)) if kept else Calibration()
    except ValueError:
        # Another version's, or damaged: it is learned again within two answers.
        return Calibration()


def _calibration_key(model: ModelRef) -> str:
    return f"calibration:{model}"
