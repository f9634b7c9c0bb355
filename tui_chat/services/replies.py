"""One reply: its place in the history, its stream, its checkpoints, its end; whatever happens, what arrived is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

from tui_chat.core.calibration import cut_by_server
from tui_chat.core.clock import Clock
from tui_chat.core.context import ContextPlan
from tui_chat.core.digest import digest_of
from tui_chat.core.errors import (
    BadInput,
    ContextTooLong,
    EmptyReply,
    NoModel,
    OverBudget,
    OverCap,
    StoreFailed,
    TuiChatError,
)
from tui_chat.core.events import (
    Delta,
    Finished,
    ParameterDropped,
    PlanReady,
    ReplyStarted,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    TurnEvent,
    UsageReported,
)
from tui_chat.core.models import Conversation, Message, MessageHeader, ModelRef, Status, clean_surrogates
from tui_chat.core.ports import ConversationStore, Removal
from tui_chat.core.prices import CAP_HINT
from tui_chat.core.sentences import cut_sentence, dropped_sentence, error_sentence
from tui_chat.services.arriving import ENDINGS, Arriving
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.options import Options
from tui_chat.services.planning import PlanningService
from tui_chat.services.spending import SpendingService

Emit = Callable[[TurnEvent], Awaitable[None]]

CHECKPOINT_SECONDS = 1.0
"""At most so much of a running reply is lost by kill -9."""

RETRY_SECONDS = 1.0
"""How long after a failed save of a finished reply it is tried again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reply answers: a prompt, the branch before it, and what holds for this request only."""

    conversation: Conversation
    branch: Sequence[MessageHeader]
    prompt: Message
    options: Options


class Replies:
    """Writes replies into the history as they arrive. Saves are tasks of their own, which a cancel does not cut."""

    def __init__(
        self,
        store: ConversationStore,
        endpoints: EndpointService,
        planning: PlanningService,
        spending: SpendingService,
        *,
        now: Clock,
        checkpoint_seconds: float,
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._planning = planning
        self._spending = spending
        self._now = now
        self._checkpoint_seconds = checkpoint_seconds
        self._closing = asyncio.Event()
        self.saving: set[asyncio.Task[Any]] = set()
        """The saves that are under way."""

    async def begin(self, conversation_id: str, arriving: Arriving, *, adopt: Sequence[str]) -> None:
        """Give it its place, the messages of ``adopt`` behind it. Cancelled, it leaves no place."""
        reply = arriving.reply
        try:
            await self._store.add_message(conversation_id, reply, adopt=adopt)
        except asyncio.CancelledError:
            # The insertion happens as a whole or not at all; the store keeps the order of calls.
            self._save(self._take_back(conversation_id, reply.id))
            raise

    async def write(self, arriving: Arriving, asked: Asked, emit: Emit) -> bool:
        """Plan and stream it, announce and save its end; whether it is complete. Cancelling stops it."""
        keeper = asyncio.create_task(self._keep(arriving))
        status, failure = Status.FAILED, None
        try:
            await self._converse(arriving, asked, emit, saved=True)
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
            await asyncio.shield(self._save(self._end(arriving, asked, arriving.ended(status, failure), failure, emit)))
        return status is Status.COMPLETE

    async def write_unsaved(self, arriving: Arriving, asked: Asked, emit: Emit) -> None:
        """The same without the history: nothing of it is stored."""
        status, failure = Status.STOPPED, None
        try:
            await self._converse(arriving, asked, emit, saved=False)
            status = Status.COMPLETE
        except TuiChatError as error:
            status, failure = Status.FAILED, error
        finally:
            await asyncio.shield(self._save(_announce(TurnEnded(arriving.ended(status, failure), failure), emit)))

    def close(self) -> None:
        """Try what could not be saved once more, now."""
        self._closing.set()

    # -- the conversation with the model ------------------------------------------------------

    async def _converse(self, arriving: Arriving, asked: Asked, emit: Emit, *, saved: bool) -> None:
        """Plan, send exactly the plan, and take what comes. Raises what made it fail."""
        await emit(ReplyStarted(arriving.reply))
        model = arriving.reply.model
        if model is None:
            raise NoModel("No model is chosen.", hint="Choose one with ctrl+o, or name one: --model ENDPOINT/NAME.")
        provider = await self._endpoints.provider(model, conversation_id=asked.conversation.id)
        plan = await self._plan(asked, model)
        arriving.plan = plan
        await emit(PlanReady(plan))
        _require_room(plan)
        if not asked.options.over_cap and (sentence := await self._spending.over(asked.conversation.id, model, plan)):
            raise OverCap(sentence, hint=CAP_HINT)
        if saved:
            await self._store.keep_digest(arriving.reply.id, digest_of(plan))
            await self._planning.remember_sent(asked.conversation, asked.branch, plan, asked.options)
        try:
            async with aclosing(provider.stream(plan, model=model.name)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, ParameterDropped):
                        await self._drop(arriving, delta.name, model, emit, saved=saved)
                    else:
                        await self._take(arriving, delta, emit)
        except asyncio.CancelledError:
            arriving.costs = True  # whoever hangs up has the services work all the same
            raise
        except ContextTooLong as error:
            await self._learn_limit(asked, model, plan, error, saved=saved)
            raise
        if saved and arriving.usage is not None:
            await self._learn(arriving, asked, model, plan, arriving.usage.input_tokens)
        body = arriving.body
        if not body.text:
            what = "The model thought, but gave no answer." if body.parts else "The model gave no answer."
            raise EmptyReply(what, hint=ENDINGS.get(arriving.finished or "", "Try again, or try another model."))

    async def _plan(self, asked: Asked, model: ModelRef) -> ContextPlan:
        prompt = asked.prompt
        options = replace(asked.options, attachments=prompt.attachments)
        return await self._planning.request(
            asked.conversation, asked.branch, prompt.text, options, draft_id=prompt.id, ask=True
        )

    async def _learn(self, arriving: Arriving, asked: Asked, model: ModelRef, plan: ContextPlan, real: int) -> None:
        """Count better from now on by what the server counted; where it counted far too little, it has cut."""
        limit = None if plan.budget.assumed else plan.budget.context_window
        if any(message.images for message in plan.payload):
            return  # a guess at what they cost, far off for many models, must not look like a cut
        calibrated = await self._planning.is_calibrated(model, plan)
        if cut_by_server(plan.totals.tokens, real, calibrated=calibrated, limit=limit):
            arriving.notes.append(cut_sentence(plan.totals.tokens, real))
        elif real > 0:
            await self._planning.learn(asked.conversation.id, model, plan, real)

    async def _drop(self, arriving: Arriving, name: str, model: ModelRef, emit: Emit, *, saved: bool) -> None:
        """The model refused a sampling parameter: say so beside the reply, show what is sent now, and remember it."""
        if arriving.plan is None or name not in arriving.plan.sampling.values:
            return
        arriving.plan = arriving.plan.without_parameter(name)
        dropped, remembered = arriving.plan.unsampled[-1], False
        with suppress(StoreFailed):
            await self._planning.remember_refused(model, dropped)
            remembered = True
            if saved:
                await self._store.keep_digest(arriving.reply.id, digest_of(arriving.plan))
        arriving.notes.append(dropped_sentence(model.name, dropped, remembered=remembered))
        await emit(PlanReady(arriving.plan))

    async def _learn_limit(
        self, asked: Asked, model: ModelRef, plan: ContextPlan, error: ContextTooLong, *, saved: bool
    ) -> None:
        """The refusal may say what the model takes, and how many tokens it counted."""
        if error.limit:
            await self._endpoints.learn_limit(model, error.limit)
        if saved and error.needed:
            await self._planning.learn(asked.conversation.id, model, plan, error.needed)

    async def _enter(self, arriving: Arriving, asked: Asked) -> None:
        """Enter what the request cost in the ledger. A ledger that cannot be written costs no reply."""
        plan, model = arriving.plan, arriving.reply.model
        came = arriving.usage or arriving.pieces or arriving.thinking or arriving.finished
        if (came or arriving.costs) and plan is not None and model is not None:
            with suppress(StoreFailed):
                text = "".join((*arriving.thinking, *arriving.pieces))
                await self._spending.record(asked.conversation.id, model, plan, arriving.usage, text)

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

    # -- saving ---------------------------------------------------------------------------------

    async def _keep(self, arriving: Arriving) -> None:
        """Store what has arrived: the first piece as it comes, then each second, which also says we are alive."""
        while True:
            with suppress(StoreFailed):  # the save at the end says it, with the text still on the screen
                await self._store.checkpoint(arriving.reply.id, arriving.body, self._now())
            if arriving.spoke.is_set():
                await asyncio.sleep(self._checkpoint_seconds)
            else:
                # Not wait_for: it takes no notice of a cancel that comes with the first piece.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._checkpoint_seconds):
                        await arriving.spoke.wait()

    async def _end(
        self, arriving: Arriving, asked: Asked, reply: Message, failure: TuiChatError | None, emit: Emit
    ) -> None:
        """Enter the cost, then settle: who is told that it ended finds both."""
        await self._enter(arriving, asked)
        await self._settle(reply, failure, emit)

    async def _settle(self, reply: Message, failure: TuiChatError | None, emit: Emit) -> None:
        """Save, then announce; where saving fails it is announced all the same, and tried until it succeeds."""
        try:
            await self._store.finish_message(reply, self._now())
        except StoreFailed as error:
            failure = error
            self._save(self._settle_later(reply))
        except TuiChatError as error:
            failure = error
        await emit(TurnEnded(reply, failure))

    async def _settle_later(self, reply: Message) -> None:
        """Try again each second, and a last time when the program closes."""
        last = False
        while not last:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._closing.wait()
            last = self._closing.is_set()
            with suppress(StoreFailed):
                await self._store.finish_message(reply, self._now())
                return

    async def _take_back(self, conversation_id: str, reply_id: str) -> None:
        with suppress(TuiChatError):  # it never came to be
            await self._store.remove_messages(conversation_id, (reply_id,), Removal.DELETE, self._now())

    def _save(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of its own: a second cancel must not cut the save."""
        task = asyncio.create_task(work)
        self.saving.add(task)
        task.add_done_callback(self.saving.discard)
        return task


def _require_room(plan: ContextPlan) -> None:
    """Raises OverBudget where the plan sends nothing, BadInput where nothing of the prompt's files can be sent."""
    if plan.error is not None and plan.error.code == "empty_draft":  # of a prompt without files nothing is asked
        what = "Not sent: there is no text, and none of the files is one that this model takes."
        raise BadInput(what, hint="Write something beside them, or choose a model that takes images (ctrl+o).")
    if plan.error is not None:
        hint = "Shorten the prompt, or let fewer messages be sent."
        if plan.budget.assumed:
            hint = f"{hint} The model's context window is not known; set it with its endpoint (f2)."
        raise OverBudget(error_sentence(plan.error), hint=hint)


async def _announce(event: TurnEvent, emit: Emit) -> None:
    await emit(event)
