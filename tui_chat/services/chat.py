"""One turn: save the prompt, plan, stream the reply, save it; whatever happens, nothing is lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tui_chat.core.clock import Clock
from tui_chat.core.clock import now as clock_now
from tui_chat.core.errors import BadInput, ContextTooLong, EmptyReply, NoModel, OverBudget, StoreFailed, TuiChatError
from tui_chat.core.events import (
    Delta,
    Finished,
    PlanReady,
    PromptSaved,
    ReplyStarted,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    TurnEvent,
    UsageReported,
)
from tui_chat.core.ids import make_id
from tui_chat.core.models import (
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
from tui_chat.core.sentences import error_sentence
from tui_chat.core.tree import Tree
from tui_chat.services.arriving import ENDINGS, Arriving
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.planning import Options, PlanningService

Emit = Callable[[TurnEvent], Awaitable[None]]

CHECKPOINT_SECONDS = 1.0
"""At most so much of a running reply is lost by kill -9."""

CLOSE_SECONDS = 5.0
"""How long quitting waits for saves."""


@dataclass(slots=True)
class _Turns:
    """The turns of one conversation: one at a time, the others in a queue."""

    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[Any] | None = None
    claimed: bool = False
    arriving: Arriving | None = None
    queue: deque[tuple[str, Emit]] = field(default_factory=deque)


class ChatService:
    """Turns of conversations. One reply at a time in each; prompts behind it are saved and wait."""

    def __init__(
        self,
        store: ConversationStore,
        endpoints: EndpointService,
        planning: PlanningService,
        *,
        now: Clock = clock_now,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._planning = planning
        self._now = now
        self._checkpoint_seconds = checkpoint_seconds
        self._turns: dict[str, _Turns] = {}
        self._settling: set[asyncio.Task[None]] = set()

    # -- what a front end calls -------------------------------------------------------------

    async def send(self, conversation_id: str, text: str, emit: Emit, options: Options | None = None) -> None:
        """Save the prompt, then answer it, or queue it behind the reply that is running.

        Returns when the queue is answered (at once for a queued prompt). Raises BadInput for an
        empty prompt and StoreFailed where it cannot be saved; nothing is sent then. Cancelling
        stops the reply and keeps what arrived.
        """
        _require_text(text)
        turns = self._of(conversation_id)
        async with turns.saving:
            prompt = await self._save_prompt(conversation_id, text)
            queued = turns.claimed
            if queued:
                turns.queue.append((prompt.id, emit))
            else:
                turns.queue.clear()  # what waited after a stop is now a part of the branch like any other
                turns.claimed = True
        if queued:
            await emit(PromptSaved(prompt, queued=True))
        else:
            await self._run(conversation_id, prompt.id, emit, options, saved=prompt)

    async def edit(self, conversation_id: str, message_id: str, text: str, emit: Emit) -> None:
        """Ask again in other words: a new branch beside that message, answered. Raises as ``send``."""
        _require_text(text)
        self._claim(conversation_id)
        self._of(conversation_id).queue.clear()
        try:
            original = await self._store.message(message_id)
            prompt = self._prompt(text, parent_id=original.parent_id)
            await self._store.add_message(conversation_id, prompt)
        except BaseException:
            self._release(conversation_id)
            raise
        await self._run(conversation_id, prompt.id, emit, None, saved=prompt)

    async def regenerate(self, conversation_id: str, message_id: str, emit: Emit) -> None:
        """Another reply in a new branch: beside that reply, or to that prompt.

        A reply that failed without a word is replaced. Prompts that waited behind it follow.
        """
        self._claim(conversation_id)
        try:
            prompt_id = await self._prepare_again(conversation_id, message_id)
        except BaseException:
            self._release(conversation_id)
            raise
        await self._run(conversation_id, prompt_id, emit, None)

    async def ask_unsaved(
        self, conversation: Conversation, branch: Sequence[MessageHeader], text: str, emit: Emit, options: Options
    ) -> None:
        """One turn after that branch of which nothing is stored."""
        _require_text(text)
        prompt = self._prompt(text, parent_id=branch[-1].id if branch else None)
        await emit(PromptSaved(prompt))
        arriving = Arriving(self._empty_reply(prompt.id, self._planning.model_of(conversation, options)))
        await emit(ReplyStarted(arriving.reply))
        error: TuiChatError | None = None
        try:
            await self._converse(arriving, conversation, branch, prompt, emit, options)
        except TuiChatError as failure:
            error = failure
        status = Status.FAILED if error else Status.COMPLETE
        await emit(TurnEnded(arriving.ended(status, error), error))

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

    def is_replying(self, conversation_id: str) -> bool:
        """Whether a turn is running there."""
        return self._of(conversation_id).claimed

    def queued(self, conversation_id: str) -> tuple[str, ...]:
        """The prompts that wait for the reply that is running (or was stopped)."""
        return tuple(prompt_id for prompt_id, _ in self._of(conversation_id).queue)

    async def close(self) -> None:
        """Stop all turns and wait for their saves, 5 seconds at most."""
        tasks = [turns.task for turns in self._turns.values() if turns.task is not None]
        for task in tasks:
            if task is not asyncio.current_task():
                task.cancel()
        waiting = {*tasks, *self._settling} - {asyncio.current_task()}
        if waiting:
            await asyncio.wait(waiting, timeout=CLOSE_SECONDS)

    # -- a turn ---------------------------------------------------------------------------------

    def _of(self, conversation_id: str) -> _Turns:
        return self._turns.setdefault(conversation_id, _Turns())

    def _claim(self, conversation_id: str) -> None:
        turns = self._of(conversation_id)
        if turns.claimed:
            raise BadInput("A reply is being written.", hint="Stop it with esc first, or wait until it is done.")
        turns.claimed = True

    def _release(self, conversation_id: str) -> None:
        turns = self._of(conversation_id)
        turns.claimed, turns.task, turns.arriving = False, None, None

    def _prompt(self, text: str, *, parent_id: str | None) -> Message:
        return Message(make_id(), parent_id, Role.USER, clean_surrogates(text), self._now())

    def _empty_reply(self, prompt_id: str, model: ModelRef | None) -> Message:
        return Message(make_id(), prompt_id, Role.ASSISTANT, "", self._now(), status=Status.STREAMING, model=model)

    async def _save_prompt(self, conversation_id: str, text: str) -> Message:
        conversation = await self._store.conversation(conversation_id)
        prompt = self._prompt(text, parent_id=conversation.head)
        await self._store.add_message(conversation_id, prompt)
        if not conversation.title:
            current = await self._store.conversation(conversation_id)
            await self._store.update_conversation(replace(current, title=title_from(prompt.text)))
        await self._store.save_draft(conversation_id, "")
        return prompt

    async def _prepare_again(self, conversation_id: str, message_id: str) -> str:
        """The prompt to answer again; the queue keeps only what waited behind that reply."""
        queue = self._of(conversation_id).queue
        message = await self._store.message(message_id)
        prompt_id = message.id if message.role is Role.USER else message.parent_id
        if prompt_id is None:
            raise BadInput("There is no prompt before this message to answer again.")
        if queue and queue[0][0] == message.id:
            queue.popleft()
        if queue and (await self._store.message(queue[0][0])).parent_id != message.id:
            queue.clear()
        if message.role is Role.ASSISTANT and not message.text and message.status is not Status.COMPLETE:
            await self._store.remove_messages(conversation_id, (message.id,), Removal.DELETE, self._now())
        return prompt_id

    async def _run(
        self, conversation_id: str, prompt_id: str, emit: Emit, options: Options | None, *, saved: Message | None = None
    ) -> None:
        """Answer the prompt, then those that were queued meanwhile, until one is not answered completely."""
        turns = self._of(conversation_id)
        turns.task = asyncio.current_task()
        try:
            if saved is not None:
                await emit(PromptSaved(saved))
            while await self._reply(conversation_id, prompt_id, emit, options or Options()) and turns.queue:
                prompt_id, emit = turns.queue.popleft()
        finally:
            self._release(conversation_id)

    async def _reply(self, conversation_id: str, prompt_id: str, emit: Emit, options: Options) -> bool:
        """Plan and stream one reply; whatever ends it, what arrived is saved and announced.

        True where it is complete. Raises StoreFailed where not even its place could be saved.
        """
        turns = self._of(conversation_id)
        conversation = await self._store.conversation(conversation_id)
        arriving = Arriving(self._empty_reply(prompt_id, self._planning.model_of(conversation, options)))
        async with turns.saving:  # a prompt that is being saved now finds this reply before it, or is adopted
            adopt = tuple(waiting for waiting, _ in tuple(turns.queue)[:1])
            await self._store.add_message(conversation_id, arriving.reply, adopt=adopt)
        turns.arriving = arriving
        keeper = asyncio.create_task(self._keep(arriving))
        status, failure = Status.FAILED, None
        try:
            await emit(ReplyStarted(arriving.reply))
            prompt = await self._store.message(prompt_id)
            tree = Tree(await self._store.headers(conversation_id), conversation.head)
            await self._converse(arriving, conversation, tree.path_to(prompt_id)[:-1], prompt, emit, options)
            status = Status.COMPLETE
        except asyncio.CancelledError:
            status = Status.STOPPED
            raise
        except TuiChatError as error:
            failure = error
        except BaseException:
            failure = TuiChatError("A fault in tui_chat ended this reply.", hint="What had arrived was kept.")
            raise
        finally:
            keeper.cancel()
            turns.arriving = None
            # A task of its own: a second cancel must not cut the save.
            settling = asyncio.create_task(self._settle(arriving.ended(status, failure), failure, emit))
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)
            await asyncio.shield(settling)
        return status is Status.COMPLETE

    async def _converse(
        self,
        arriving: Arriving,
        conversation: Conversation,
        branch: Sequence[MessageHeader],
        prompt: Message,
        emit: Emit,
        options: Options,
    ) -> None:
        """Plan, send exactly the plan, and take what comes. Raises what made it fail."""
        model = arriving.reply.model
        if model is None:
            raise NoModel("No model is chosen.", hint="Choose one with ctrl+o, or name one: --model ENDPOINT/NAME.")
        provider = await self._endpoints.provider(model)
        plan = await self._planning.request(conversation, branch, prompt.text, options, draft_id=prompt.id, ask=True)
        await emit(PlanReady(plan))
        if plan.error is not None:
            raise OverBudget(error_sentence(plan.error), hint="Shorten the prompt, or let fewer messages be sent.")
        try:
            async with aclosing(provider.stream(plan, model=model.name)) as deltas:
                async for delta in deltas:
                    await self._take(arriving, delta, emit)
        except ContextTooLong as error:
            if error.limit:
                await self._endpoints.learn_window(model, error.limit)
            raise
        if not any(arriving.pieces):
            what = "The model thought, but gave no answer." if arriving.thinking else "The model gave no answer."
            raise EmptyReply(what, hint=ENDINGS.get(arriving.finished or "", "Try again, or try another model."))

    @staticmethod
    async def _take(arriving: Arriving, delta: Delta, emit: Emit) -> None:
        match delta:
            case TextDelta(text):
                arriving.pieces.append(clean_surrogates(text))
                arriving.spoke.set()
                await emit(delta)
            case ThinkingDelta(text):
                arriving.thinking.append(clean_surrogates(text))
                arriving.spoke.set()
                await emit(delta)
            case UsageReported(usage):
                arriving.usage = usage
            case RetryScheduled():
                await emit(delta)
            case Finished(reason):
                arriving.finished = reason

    async def _keep(self, arriving: Arriving) -> None:
        """Store what has arrived: the first piece as it comes, then each second, which also says we are alive."""
        while True:
            with suppress(StoreFailed):  # the save at the end says it, with the text still on the screen
                await self._store.checkpoint(arriving.reply.id, arriving.body, self._now())
            if arriving.spoke.is_set():
                await asyncio.sleep(self._checkpoint_seconds)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(arriving.spoke.wait(), self._checkpoint_seconds)

    async def _settle(self, reply: Message, failure: TuiChatError | None, emit: Emit) -> None:
        try:
            await self._store.finish_message(reply, self._now())
        except TuiChatError as error:
            failure = error
        await emit(TurnEnded(reply, failure))


def _require_text(text: str) -> None:
    if not text.strip():
        raise BadInput("The prompt is empty.")
