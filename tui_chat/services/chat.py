"""Turns: prompts saved before they are asked, one reply at a time in each conversation, the others in a queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from tui_chat.core.clock import Clock
from tui_chat.core.clock import now as clock_now
from tui_chat.core.errors import BadInput, Refused
from tui_chat.core.events import PromptSaved
from tui_chat.core.ids import make_id
from tui_chat.core.models import (
    Attachment,
    Conversation,
    Message,
    MessageHeader,
    ModelRef,
    Role,
    Status,
    clean_surrogates,
    title_from,
)
from tui_chat.core.ports import ConversationStore, Removal
from tui_chat.core.settings import GUIDE_MODEL
from tui_chat.core.tree import Tree
from tui_chat.services.arriving import Arriving
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.options import Options
from tui_chat.services.planning import PlanningService
from tui_chat.services.replies import CHECKPOINT_SECONDS, Asked, Emit, Replies
from tui_chat.services.spending import SpendingService

CLOSE_SECONDS = 5.0
"""How long quitting waits for saves."""


class _Waiting(NamedTuple):
    """A prompt that waits for its turn."""

    prompt_id: str
    emit: Emit
    options: Options


@dataclass(slots=True)
class _Turns:
    """The turns of one conversation."""

    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[Any] | None = None
    claimed: bool = False
    arriving: Arriving | None = None
    queue: deque[_Waiting] = field(default_factory=deque)


class ChatService:
    """Turns of conversations. One reply at a time in each; prompts behind it are saved and wait."""

    def __init__(
        self,
        store: ConversationStore,
        endpoints: EndpointService,
        planning: PlanningService,
        spending: SpendingService,
        *,
        now: Clock = clock_now,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self._store = store
        self._planning = planning
        self._now = now
        self._replies = Replies(store, endpoints, planning, spending, now=now, checkpoint_seconds=checkpoint_seconds)
        self._turns: dict[str, _Turns] = {}
        self._saving: set[asyncio.Task[Any] | None] = set()
        self._closing = False

    # -- what a front end calls -------------------------------------------------------------

    async def send(
        self,
        conversation_id: str,
        text: str,
        emit: Emit,
        options: Options | None = None,
        *,
        parts: Sequence[Attachment] = (),
        keep_draft: bool = False,
    ) -> None:
        """Save the prompt, then answer it, or queue it behind the reply that is running.

        ``parts`` are the files that go with it, loaded. The draft is emptied and loses its own, unless
        it is not what is sent: ``keep_draft``.
        Returns when the queue is answered (at once for a queued prompt). Raises BadInput for an
        empty prompt and StoreFailed where it cannot be saved; nothing is sent then. Cancelling
        stops the reply and keeps what arrived.
        """
        _require_text(text, parts)
        turns = self._of(conversation_id)
        with self._saving_a_prompt():
            async with turns.saving:
                conversation = await self._store.conversation(conversation_id)
                prompt = self._prompt(text, parent_id=conversation.head, parts=parts)
                title = title_from(prompt.text) or (title_from(parts[0].name) if parts else "")
                await self._store.add_prompt(conversation_id, prompt, title=title, keep_draft=keep_draft)
                queued = turns.claimed
                if queued:
                    turns.queue.append(_Waiting(prompt.id, emit, options or Options()))
                elif not self._closing:
                    turns.queue.clear()  # what waited after a stop is now a part of the branch like any other
                    turns.claimed = True
        if queued or self._closing:
            await emit(PromptSaved(prompt, queued=queued))
        else:
            await self._run(conversation_id, prompt.id, emit, options, saved=prompt)

    async def edit(
        self, conversation_id: str, message_id: str, text: str, emit: Emit, options: Options | None = None
    ) -> None:
        """Ask again in other words, with the same files: a new branch beside that message, answered.

        Raises as ``send``.
        """
        self._claim(conversation_id)
        try:
            with self._saving_a_prompt():
                original = await self._store.message(message_id)
                files = original.attachments
                _require_text(text, files)
                prompt = self._prompt(text, parent_id=original.parent_id, parts=files)
                await self._store.add_message(conversation_id, prompt)
            self._of(conversation_id).queue.clear()
        except BaseException:
            self._release(conversation_id)
            raise
        await self._run(conversation_id, prompt.id, emit, options, saved=prompt)

    async def regenerate(
        self, conversation_id: str, message_id: str, emit: Emit, options: Options | None = None
    ) -> None:
        """Another reply in a new branch: beside that reply, or to that prompt.

        A reply that failed without a word is replaced. Prompts that waited behind it follow.
        """
        self._claim(conversation_id)
        try:
            message = await self._store.message(message_id)
            prompt_id = message.id if message.role is Role.USER else message.parent_id
            if prompt_id is None:
                raise BadInput("There is no prompt before this message to answer again.")
            is_nothing = message.role is Role.ASSISTANT and not message.text and message.status is not Status.COMPLETE
            if is_nothing:
                await self._store.remove_messages(conversation_id, (message.id,), Removal.DELETE, self._now())
            tree = Tree(await self._store.headers(conversation_id), None)
            turns = self._of(conversation_id)
            behind = self._waiting_behind(turns, tree, {prompt_id, message.id})
            if any(waiting.prompt_id == message.id for waiting in turns.queue):
                # Whichever of those that wait is asked for: the first comes first.
                prompt_id = turns.queue.popleft().prompt_id
            elif not behind:
                turns.queue.clear()
        except BaseException:
            self._release(conversation_id)
            raise
        await self._run(conversation_id, prompt_id, emit, options, replaced=message_id)

    async def ask_unsaved(
        self, conversation: Conversation, branch: Sequence[MessageHeader], text: str, emit: Emit, options: Options
    ) -> None:
        """One turn after that branch of which nothing is stored."""
        _require_text(text, options.attachments)
        prompt = self._prompt(text, parent_id=branch[-1].id if branch else None, parts=options.attachments)
        await emit(PromptSaved(prompt))
        arriving = Arriving(self._empty_reply(prompt.id, self._planning.model_of(conversation, options)))
        await self._replies.write_unsaved(arriving, Asked(conversation, branch, prompt, options), emit)

    def stop(self, conversation_id: str, *, forget_queue: bool = False) -> bool:
        """Stop the reply that is running; whether there was one. What arrived is kept.

        The prompts behind it wait until the person asks again, unless ``forget_queue``.
        """
        turns = self._of(conversation_id)
        if forget_queue:
            turns.queue.clear()
        if turns.task is None:
            return False
        turns.task.cancel()
        return True

    def arriving(self, conversation_id: str) -> Arriving | None:
        """The reply that is arriving in that conversation."""
        return self._of(conversation_id).arriving

    def forget_queued(self, conversation_id: str, prompt_id: str) -> None:
        """That prompt waits no longer: it was deleted."""
        queue = self._of(conversation_id).queue
        kept = [each for each in queue if each.prompt_id != prompt_id]
        queue.clear()
        queue.extend(kept)

    def is_replying(self, conversation_id: str) -> bool:
        """Whether a turn is running there."""
        return self._of(conversation_id).claimed

    def queued(self, conversation_id: str) -> tuple[str, ...]:
        """The prompts that wait for the reply that is running (or was stopped)."""
        return tuple(waiting.prompt_id for waiting in self._of(conversation_id).queue)

    async def close(self) -> None:
        """Let prompts that are being saved be saved, stop the turns, and wait for all saves, 5 seconds at most."""
        self._closing = True
        self._replies.close()
        me = asyncio.current_task()
        turns = {each.task for each in self._turns.values() if each.task is not None}
        for task in turns - {me}:
            task.cancel()
        end = asyncio.get_running_loop().time() + CLOSE_SECONDS
        while waiting := self._unfinished(turns) - {me}:
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.wait(waiting, timeout=left)

    def _unfinished(self, turns: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
        return {task for task in (*turns, *self._saving, *self._replies.saving) if task is not None and not task.done()}

    # -- a turn ---------------------------------------------------------------------------------

    def _of(self, conversation_id: str) -> _Turns:
        return self._turns.setdefault(conversation_id, _Turns())

    @contextmanager
    def _saving_a_prompt(self) -> Iterator[None]:
        """``close`` waits for this. Raises Refused once the program is closing."""
        if self._closing:
            raise Refused("tui_chat is closing.")
        task = asyncio.current_task()
        self._saving.add(task)
        try:
            yield
        finally:
            self._saving.discard(task)

    def _claim(self, conversation_id: str) -> None:
        turns = self._of(conversation_id)
        if turns.claimed:
            raise BadInput("A reply is being written.", hint="Stop it with esc first, or wait until it is done.")
        turns.claimed = True

    def _release(self, conversation_id: str) -> None:
        turns = self._of(conversation_id)
        turns.claimed, turns.task, turns.arriving = False, None, None

    def _prompt(self, text: str, *, parent_id: str | None, parts: Sequence[Attachment] = ()) -> Message:
        return Message(make_id(), parent_id, Role.USER, clean_surrogates(text), self._now(), tuple(parts))

    def _empty_reply(self, prompt_id: str, model: ModelRef | None) -> Message:
        reply = Message(make_id(), prompt_id, Role.ASSISTANT, "", self._now(), status=Status.STREAMING, model=model)
        # What was said to the guide stays here: no model is told of it later, unless the person includes it.
        return replace(reply, excluded=True) if model == GUIDE_MODEL else reply

    async def _run(
        self,
        conversation_id: str,
        prompt_id: str,
        emit: Emit,
        options: Options | None,
        *,
        saved: Message | None = None,
        replaced: str | None = None,
    ) -> None:
        """Answer the prompt, then those that were queued meanwhile, until one is not answered completely."""
        turns = self._of(conversation_id)
        turns.task = asyncio.current_task()
        try:
            if saved is not None:
                await emit(PromptSaved(saved))
            while await self._reply(conversation_id, prompt_id, emit, options or Options(), replaced) and turns.queue:
                prompt_id, emit, options = turns.queue.popleft()
                replaced = None
        finally:
            self._release(conversation_id)

    async def _reply(
        self, conversation_id: str, prompt_id: str, emit: Emit, options: Options, replaced: str | None
    ) -> bool:
        """One reply to that prompt. True where it is complete, or where the prompt was deleted while it waited."""
        turns = self._of(conversation_id)
        async with turns.saving:  # a prompt that is being saved now finds this reply before it, or is adopted
            conversation = await self._store.conversation(conversation_id)
            tree = Tree(await self._store.headers(conversation_id), conversation.head)
            if prompt_id not in tree:
                return True
            prompt = await self._store.message(prompt_id)
            model = self._planning.model_of(conversation, options)
            if conversation.model is None and options.model is None and model not in (None, GUIDE_MODEL):
                # It stays with the model it began with: another default later must not send it elsewhere.
                # Should another be chosen in this moment, that one.
                conversation = await self._store.update_conversation(
                    conversation_id, lambda now: replace(now, model=now.model or model)
                )
                model = conversation.model
            arriving = Arriving(self._empty_reply(prompt_id, model))
            adopt = self._waiting_behind(turns, tree, {prompt_id, replaced})
            await self._replies.begin(conversation_id, arriving, adopt=adopt)
            turns.arriving = arriving
        try:
            asked = Asked(conversation, tree.path_to(prompt_id)[:-1], prompt, options)
            return await self._replies.write(arriving, asked, emit)
        finally:
            turns.arriving = None

    @staticmethod
    def _waiting_behind(turns: _Turns, tree: Tree, places: set[str | None]) -> Sequence[str]:
        """The prompt that waits right behind one of these places; what waits elsewhere stays where it is."""
        while turns.queue and turns.queue[0].prompt_id not in tree:
            turns.queue.popleft()
        first = turns.queue[0].prompt_id if turns.queue else None
        return (first,) if first is not None and tree[first].parent_id in places else ()


def _require_text(text: str, files: Sequence[Attachment]) -> None:
    if not text.strip() and not files:
        raise BadInput("The prompt is empty.")
