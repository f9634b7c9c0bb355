"""What the next request would send, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tui_chat.core.context import ContextPlan
from tui_chat.core.models import Conversation, MessageHeader, ModelRef
from tui_chat.core.ports import ConversationStore
from tui_chat.core.settings import Settings
from tui_chat.core.tree import Tree
from tui_chat.memory import strategy
from tui_chat.memory.payload import sent_ids, with_payload
from tui_chat.memory.request import Request
from tui_chat.services.endpoints import ContextWindow, EndpointService


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

    def preview(
        self,
        conversation: Conversation,
        branch: Sequence[MessageHeader],
        draft: str | None,
        window: ContextWindow,
        options: Options | None = None,
        *,
        draft_id: str | None = None,
    ) -> ContextPlan:
        """What would be sent after this branch, and why; pure, without the payload."""
        options = options or Options()
        memory = conversation.memory or self._settings().memory
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
        model = self.model_of(conversation, options) or ModelRef("", "")
        window = await self._endpoints.window(model, ask=ask)
        plan = self.preview(conversation, branch, draft, window, options, draft_id=draft_id)
        bodies = await self._store.bodies(sent_ids(plan))
        texts = {message_id: body.text for message_id, body in bodies.items()}
        return with_payload(plan, system_prompt=conversation.system_prompt, texts=texts, draft=draft)
