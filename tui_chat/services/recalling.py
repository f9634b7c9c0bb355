"""Finding earlier messages that bear on a draft: one index of the branch last asked for, kept in step with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tui_chat.core.errors import NotFound, TuiChatError
from tui_chat.core.models import Conversation, MessageHeader, Role, Status
from tui_chat.core.ports import Body, ConversationStore, Passage, Recall
from tui_chat.core.recall import Hit
from tui_chat.core.tokens import measure
from tui_chat.memory.query import terms_of
from tui_chat.memory.quotation import line_count
from tui_chat.services.staying import staying_here

BUILDING = "building"
"""The problem that passes by itself: the index is not ready yet."""

ALL = "all"
"""The scope that looks into the user's other conversations as well."""

WAIT_SECONDS = 5.0
"""How long a prompt that is sent waits for the index; 10,000 messages take about two seconds."""

GLANCE_SECONDS = 0.2
"""How long the plan of a draft waits: enough for what a turn adds, and hardly noticed above the prompt."""

SLICE = 200
"""Messages that are fetched and indexed at once: other work on the history gets in between."""


@dataclass(frozen=True, slots=True)
class Found:
    """Messages that bear on a draft, best first, or the ``problem``: ``building``, or a sentence."""

    hits: tuple[Hit, ...] = ()
    problem: str = ""


class RecallService:
    """Looks in one conversation's branch, and in others where asked. Nothing it reads is ever written anywhere."""

    def __init__(self, store: ConversationStore, make_index: Callable[[], Recall]) -> None:
        self._store = store
        self._make_index = make_index
        self._index: Recall | None = None
        self._using = asyncio.Lock()
        self._building: Sequence[str] | None = None
        self._build: asyncio.Task[Recall] | None = None
        self._prompt: tuple[str, str] | None = None
        self._closed = False

    async def find(
        self, conversation: Conversation, branch: Sequence[MessageHeader], draft: str, *, scope: str, wait: bool
    ) -> Found:
        """What bears on this draft in the branch; with the scope ``all`` in other conversations too.

        The index is built behind the call and stays for the next. Where it is not ready at once - with
        ``wait``, within seconds - the problem is ``building``. Fails with a problem, never by raising.

        Scores are shares of the best one's, in this branch and in the others each: two rankings of
        different indexes have no scale in common.
        """
        try:
            return Found(tuple(await self._find(conversation, branch, draft, scope, wait=wait)))
        except (TimeoutError, NotFound):
            # A message that went while its branch was read: the next question is about the branch without it.
            return Found(problem=BUILDING)
        except TuiChatError as error:
            return Found(problem=error.sentence)
        except Exception as error:
            # A prompt is worth more than what is quoted beside it.
            return Found(problem=f"A fault in tui_chat ({type(error).__name__}).")

    async def close(self) -> None:
        """Forget everything, for good."""
        self._closed = True
        self._prompt = None
        await self._stop_building()
        await self._drop_index()

    # -- asking -------------------------------------------------------------------------

    async def _find(
        self, conversation: Conversation, branch: Sequence[MessageHeader], draft: str, scope: str, *, wait: bool
    ) -> Sequence[Hit]:
        terms = terms_of(draft, await self._previous_prompt(branch))
        if not terms:
            return ()
        own = _as_shares(await self._rank(branch, terms, seconds=WAIT_SECONDS if wait else GLANCE_SECONDS))
        if scope != ALL:
            return own
        staying = await staying_here(self._store)
        # What is not to leave this computer is not quoted in a conversation that may.
        without = [conversation.id, *(() if conversation.id in staying else staying)]
        others = _as_shares(await self._store.ranked(terms, without=without))
        return sorted((*own, *others), key=lambda hit: -hit.score)

    async def _previous_prompt(self, branch: Sequence[MessageHeader]) -> str | None:
        header = next((each for each in reversed(branch) if each.role is Role.USER and each.has_text), None)
        if header is None:
            return None
        if self._prompt is None or self._prompt[0] != header.id:
            bodies = await self._store.bodies((header.id,))
            self._prompt = header.id, bodies[header.id].text
        return self._prompt[1]

    async def _rank(self, branch: Sequence[MessageHeader], terms: Sequence[str], *, seconds: float) -> Sequence[Hit]:
        # A reply that still arrives would have another text with each word.
        wanted = [header for header in branch if header.has_text and header.status is not Status.STREAMING]
        async with asyncio.timeout(seconds) as patience, self._using:
            index = await self._index_of(wanted)
            patience.reschedule(None)
            try:
                return await index.rank(terms)
            except Exception:
                await self._drop_index()
                raise

    # -- building -----------------------------------------------------------------------

    async def _index_of(self, wanted: Sequence[MessageHeader]) -> Recall:
        """The index with these messages in it. Its building survives whoever waits here, till another is asked for."""
        ids = [header.id for header in wanted]
        if self._build is None or self._building != ids:
            await self._stop_building()
            if self._closed:
                raise TimeoutError
            self._building, self._build = ids, asyncio.create_task(self._hold(wanted, ids))
            self._build.add_done_callback(_look_at)
        build = self._build
        if not build.done():
            await asyncio.wait({build})
        if build.cancelled():
            raise TimeoutError
        return build.result()

    async def _hold(self, wanted: Sequence[MessageHeader], ids: Sequence[str]) -> Recall:
        index = self._index = self._index or self._make_index()
        try:
            end = len(ids) - len(index.missing(ids))
            while True:
                end = min(end + SLICE, len(ids))
                given = wanted[end - len(index.missing(ids[:end])) : end]
                bodies = await self._store.bodies([header.id for header in given]) if given else {}
                await index.hold(ids[:end], [_passage(header, bodies[header.id]) for header in given])
                if end == len(ids):
                    return index
        except Exception:
            await self._drop_index()
            raise

    async def _stop_building(self) -> None:
        # Should waiting for its end be cancelled, it is neither forgotten nor taken for a finished one.
        self._building = None
        if self._build is not None:
            self._build.cancel()
            await asyncio.wait({self._build})
            self._build = None

    async def _drop_index(self) -> None:
        """What failed once is not trusted again."""
        index, self._index, self._building = self._index, None, None
        if index is not None:
            await index.close()


def _look_at(build: asyncio.Task[Recall]) -> None:
    """Else asyncio would print a failure that nobody waits for any more; the next question meets it again."""
    if not build.cancelled():
        build.exception()


def _as_shares(hits: Sequence[Hit]) -> Sequence[Hit]:
    """The scores as shares of the best one's."""
    best = max((hit.score for hit in hits), default=0.0)
    return [hit._replace(score=hit.score / best) for hit in hits] if best > 0 else ()


def _passage(header: MessageHeader, body: Body) -> Passage:
    # With tool calls or files the header's estimate is of all that is sent of it, and only its text is quoted.
    has_more = bool(header.calls or header.answers or header.attachments)
    tokens = measure(body.text).tokens if has_more else header.tokens
    return Passage(header.id, header.role, header.created_at, tokens, line_count(body.text), body.text)
