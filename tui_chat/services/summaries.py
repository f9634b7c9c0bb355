"""Summaries of what a window has dropped: asked of a model, and kept with what they were made from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from tui_chat.core.attachments import filled, is_text
from tui_chat.core.calibration import cut_by_server
from tui_chat.core.clean import clean_line
from tui_chat.core.clock import Clock
from tui_chat.core.clock import now as clock_now
from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import (
    BadInput,
    ContextTooLong,
    EmptyReply,
    NoModel,
    NotFound,
    OverCap,
    ProviderError,
    StoreFailed,
    TuiChatError,
)
from tui_chat.core.events import Delta, Finished, TextDelta, ThinkingDelta, UsageReported
from tui_chat.core.ids import make_id
from tui_chat.core.models import Attachment, Conversation, MessageHeader, ModelRef, Usage, clean_surrogates
from tui_chat.core.ports import Body, ConversationStore
from tui_chat.core.prices import CAP_HINT
from tui_chat.core.sentences import cut_sentence
from tui_chat.core.settings import GUIDE
from tui_chat.core.summary import Summary
from tui_chat.core.tokens import measure
from tui_chat.memory.summary import Due, holds, most_text
from tui_chat.services.arriving import ENDINGS
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.folding import PROMPT_VERSION, Frame, pieces_of, work_for
from tui_chat.services.learned import Learned
from tui_chat.services.spending import SpendingService

MOST_KEPT = 4
"""Summaries of a conversation: the newest, and those that branches which left it a few blocks ago can go on with.
Each holds the ids of all its sources, so keeping all of a long chat's would grow with its square."""

Emit = Callable[[str], Awaitable[None]]
OnPiece = Callable[[int, int], Awaitable[None]]


class NotSummarised(ProviderError):
    """What the model wrote cannot stand for the messages."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What holds for each request for one summary."""

    conversation_id: str
    model: ModelRef
    emit: Emit
    over_cap: bool


class SummaryService:
    """Makes, edits and finds summaries. One is made at a time in each conversation."""

    def __init__(
        self,
        store: ConversationStore,
        endpoints: EndpointService,
        *,
        spending: SpendingService,
        now: Clock = clock_now,
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._spending = spending
        self._now = now
        self._learned = Learned(store)
        self._making: set[str] = set()
        self._problems: dict[str, str] = {}

    # -- what there is ----------------------------------------------------------------------

    async def newest(self, conversation_id: str, branch: Sequence[MessageHeader]) -> Summary | None:
        """The newest one of that branch, first of those that still hold; a sibling's is none of it."""
        if not branch:
            return None
        on_branch = {header.id for header in branch}
        stored = await self._store.summaries(conversation_id)
        own = [each for each in stored if on_branch.issuperset(source.id for source in each.sources)]
        return next((each for each in own if holds(each, branch)), own[0] if own else None)

    def problem(self, conversation_id: str) -> str:
        """Why the last one could not be made there, as a clause; empty where it was, or none was asked for."""
        return self._problems.get(conversation_id, "")

    async def most(self, plan: ContextPlan, model: ModelRef) -> int:
        """How many tokens the text of a summary may have that goes with this plan to that model; 0 for none."""
        return most_text(plan.budget, (await self._learned.calibration(model)).factor)

    # -- making and changing ----------------------------------------------------------------

    async def make(
        self,
        conversation: Conversation,
        branch: Sequence[MessageHeader],
        plan: ContextPlan,
        model: ModelRef,
        emit: Emit,
        *,
        on_piece: OnPiece | None = None,
        anew: bool = False,
        over_cap: bool = False,
    ) -> Summary:
        """A summary of all that this plan (for that model) drops: asked for, entered in the ledger, and kept.

        It is built on the one before and folds in what is missing since; from all the messages again
        with ``anew``, or where nothing is missing. ``emit`` gets its text as it comes; ``on_piece``,
        before each request, its number and how many there are: then the text begins anew.

        Raises ProviderError (NotSummarised for what cannot stand for the messages), OverBudget where the
        model's window is too small, OverCap unless ``over_cap``, BadInput where there is nothing to
        summarise or one is being made, NotFound where a message was deleted meanwhile. Nothing is kept
        then, nor after a cancel.
        """
        if conversation.id in self._making:
            raise BadInput("A summary of this conversation is being made.", hint="Wait until it is done, or stop it.")
        self._making.add(conversation.id)
        self._problems.pop(conversation.id, None)
        try:
            kept = None if anew else await self.newest(conversation.id, branch)
            frame = Frame.of(plan, (await self._learned.calibration(model)).factor)
            work = work_for(branch, plan, kept, frame)
            text, pieces = await self._fold(work, frame, _Asked(conversation.id, model, emit, over_cap), on_piece)
            return await self._keep(conversation.id, self._made(work, model, text, pieces))
        except asyncio.CancelledError:
            self._problems[conversation.id] = "the summary request was stopped"
            raise
        except TuiChatError as error:
            self._problems[conversation.id] = str(error).rstrip(".")
            raise
        finally:
            self._making.discard(conversation.id)

    async def edit(
        self, conversation_id: str, summary: Summary, text: str, *, plan: ContextPlan, model: ModelRef
    ) -> Summary:
        """The summary in the user's words. Raises BadInput where it is empty or longer than its room beside that plan.

        Raises NotFound where a source was deleted meanwhile.
        """
        text = clean_surrogates(text).strip()
        if text == summary.text:
            return summary
        if not text:
            raise BadInput("The summary is empty.", hint="Write what is to be remembered, or remove the summary.")
        tokens, most = measure(text).tokens, await self.most(plan, model)
        if tokens > most:
            raise BadInput(f"The summary is too long: ~{tokens:,} of {most:,} tokens.", hint="Shorten it.")
        edited = replace(summary, text=text, tokens=tokens, edited=True)
        await self._store.keep_summary(conversation_id, edited)
        self._problems.pop(conversation_id, None)
        return edited

    async def drop(self, conversation_id: str, summary: Summary) -> None:
        """Erase it, and those that it was built on: else one of them would take its place."""
        for each in await self._store.summaries(conversation_id):
            if each.sources == summary.sources[: len(each.sources)]:
                await self._store.drop_summary(each.id)

    # -- inside -------------------------------------------------------------------------------

    async def _fold(self, work: Due, frame: Frame, asked: _Asked, on_piece: OnPiece | None) -> tuple[str, int]:
        """The text, piece by piece, each built on the one before; and how many it took."""
        if asked.model.endpoint == GUIDE.name:
            raise NoModel("The built-in guide makes no summaries.", hint="Choose a model with ctrl+o.")
        bodies = await self._texts_of(work.messages)
        # In a thread: every text is measured, and there may be megabytes.
        pieces = await asyncio.to_thread(pieces_of, work, bodies, frame)
        text = work.old.text if work.old else ""
        for number, messages in enumerate(pieces, 1):
            if on_piece is not None:
                await on_piece(number, len(pieces))
            plan = await asyncio.to_thread(frame.plan, text, messages)
            text = await self._ask(plan, frame.most, asked)
        return text, len(pieces)

    async def _texts_of(self, messages: Sequence[MessageHeader]) -> Mapping[str, Body]:
        """Their bodies, the text files among their parts loaded."""
        bodies = await self._store.bodies([header.id for header in messages])
        files = (part for body in bodies.values() for part in body.parts if isinstance(part, Attachment))
        contents = await self._store.contents([each.sha256 for each in files if is_text(each)])
        return {id: replace(body, parts=filled(body.parts, contents)) for id, body in bodies.items()}

    async def _ask(self, plan: ContextPlan, most: int, asked: _Asked) -> str:
        """The model's answer to one piece, where it can stand for it."""
        model = asked.model
        provider = await self._endpoints.provider(model, conversation_id=asked.conversation_id)
        if not asked.over_cap and (sentence := await self._spending.over(asked.conversation_id, model, plan)):
            raise OverCap(sentence, hint=CAP_HINT)
        answer = _Answer()
        try:
            async with aclosing(provider.stream(plan, model=model.name)) as deltas:
                async for delta in deltas:
                    await answer.take(delta, asked.emit)
        except ContextTooLong as error:
            if error.limit:
                await self._endpoints.learn_limit(model, error.limit)
            raise
        finally:
            # Whatever became of it, it went out; a second cancel must not cut the entry.
            await asyncio.shield(self._enter(plan, answer, asked))
        await self._require_read(plan, model, answer)
        return answer.text_within(most)

    async def _enter(self, plan: ContextPlan, answer: _Answer, asked: _Asked) -> None:
        with suppress(StoreFailed):
            await self._spending.record(asked.conversation_id, asked.model, plan, answer.usage, answer.all)

    async def _require_read(self, plan: ContextPlan, model: ModelRef, answer: _Answer) -> None:
        """Raises NotSummarised where the server has probably dropped a part of what it was to summarise."""
        if answer.usage is None:
            return
        real = answer.usage.input_tokens
        limit = None if plan.budget.assumed else plan.budget.context_window
        calibrated = (await self._learned.calibration(model)).is_calibrated_for(plan)
        if cut_by_server(plan.totals.tokens, real, calibrated=calibrated, limit=limit):
            what = "The server has probably not read all that was to be summarised."
            raise NotSummarised(what, hint=cut_sentence(plan.totals.tokens, real))

    def _made(self, work: Due, model: ModelRef, text: str, pieces: int) -> Summary:
        return Summary(
            id=make_id(),
            text=text,
            sources=work.sources,
            model=clean_line(model.name),
            made_at=self._now(),
            tokens=measure(text).tokens,
            pieces=pieces,
            prompt_version=PROMPT_VERSION,
        )

    async def _keep(self, conversation_id: str, summary: Summary) -> Summary:
        try:
            await self._store.keep_summary(conversation_id, summary)
            with suppress(StoreFailed, NotFound):  # what is one too many now is dropped with the next one
                for old in (await self._store.summaries(conversation_id))[MOST_KEPT:]:
                    await self._store.drop_summary(old.id)
        except asyncio.CancelledError:
            # It is kept as a whole or not at all; the store keeps the order of calls.
            with suppress(TuiChatError):
                await self._store.drop_summary(summary.id)
            raise
        return summary


@dataclass(slots=True)
class _Answer:
    """What a model answers while it arrives."""

    pieces: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    usage: Usage | None = None
    finished: str | None = None

    @property
    def all(self) -> str:
        """What came of it, thinking too."""
        return "".join((*self.thinking, *self.pieces))

    async def take(self, delta: Delta, emit: Emit) -> None:
        match delta:
            case TextDelta(text):
                self.pieces.append(clean_surrogates(text))
                await emit(self.pieces[-1])
            case ThinkingDelta(text):
                self.thinking.append(clean_surrogates(text))
            case UsageReported(usage):
                self.usage = usage
            case Finished(reason):
                self.finished = reason

    def text_within(self, most: int) -> str:
        """The text. Raises EmptyReply or NotSummarised where it cannot stand for what it was made from."""
        text = "".join(self.pieces).strip()
        hint = ENDINGS.get(self.finished or "", "Try again, or try another model.")
        if not text:
            what = "The model thought, but wrote no summary." if self.thinking else "The model wrote no summary."
            raise EmptyReply(what, hint=hint)
        if self.finished is None or self.finished in ENDINGS:
            raise NotSummarised("The summary did not come to its end.", hint=hint)
        tokens = measure(text).tokens
        if tokens > most:
            raise NotSummarised(f"The summary came out too long: ~{tokens:,} of {most:,} tokens.", hint=hint)
        return text
