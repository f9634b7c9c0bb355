"""The saved conversations: list, open, change, remove with undo, search."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tui_chat.core.clock import DAY, Clock
from tui_chat.core.clock import now as clock_now
from tui_chat.core.context import ContextPlan
from tui_chat.core.digest import plan_of
from tui_chat.core.errors import Ambiguous, NotFound
from tui_chat.core.ids import make_id
from tui_chat.core.models import (
    Attachment,
    Conversation,
    MemorySettings,
    Message,
    MessageHeader,
    ModelRef,
    clean_surrogates,
)
from tui_chat.core.ports import Body, ConversationIndex, ConversationStore, ListedConversation, Removal, SearchHit
from tui_chat.core.sampling import Sampling
from tui_chat.core.tree import Tree

KEPT_DAYS = 30
"""Days until what was deleted or cleared is erased for good."""

ABANDONED_AFTER = 10_000
"""Milliseconds without a sign of life after which a streaming reply counts as stopped; writers renew it each second."""


@dataclass(frozen=True, slots=True)
class OpenedConversation:
    """A conversation with the tree of its messages (without texts) and its unsent draft."""

    conversation: Conversation
    tree: Tree
    draft: str


@dataclass(frozen=True, slots=True)
class Undo:
    """Something that can be taken back; ``conversation_id`` is where it happened."""

    description: str
    conversation_id: str
    run: Callable[[], Awaitable[None]]


class LibraryService:
    """Everything about conversations but talking. Undo steps are kept while the program runs."""

    def __init__(self, store: ConversationStore, *, now: Clock = clock_now) -> None:
        self._store = store
        self._now = now
        self._undo: list[Undo] = []

    # -- listing and finding ------------------------------------------------------------

    async def index(
        self, *, text: str = "", archived: bool = False, deleted: bool = False, tag: str | None = None
    ) -> ConversationIndex:
        """The order of the list, its rows fetched by ``listed``."""
        return await self._store.index(text=text, archived=archived, deleted=deleted, tag=tag)

    async def listed(self, keys: Sequence[int]) -> Sequence[ListedConversation]:
        """The rows of an index."""
        return await self._store.listed(keys)

    async def key(self, conversation_id: str) -> int:
        """The number by which lists know it."""
        return await self._store.key(conversation_id)

    async def find(self, name: str, *, deleted: bool = False) -> Conversation:
        """By id, beginning or end of one (8 characters or more), ``@last``, or exact title.

        Raises NotFound, or Ambiguous with the candidates.
        """
        if name == "@last" and not deleted:
            newest = await self._store.newest()
            if newest is None:
                raise NotFound("There is no conversation yet.")
            return newest
        found = await self._store.find(clean_surrogates(name), deleted=deleted)
        if not found:
            raise NotFound("There is no such conversation.", hint="`tui-chat list` shows what there is.")
        if len(found) > 1:
            lines = tuple(f"{each.id}  {each.title}" for each in found)
            raise Ambiguous("Several conversations have that name.", hint="Name one by its id.", candidates=lines)
        return found[0]

    async def newest(self) -> Conversation | None:
        """The one that was talked in last."""
        return await self._store.newest()

    async def search(self, query: str, *, limit: int = 50) -> Sequence[SearchHit]:
        """Titles and messages in which all words occur."""
        return await self._store.search(clean_surrogates(query), limit=limit)

    # -- opening ------------------------------------------------------------------------

    async def open(self, conversation_id: str) -> OpenedConversation:
        """Its settings, tree and draft. Nothing is sent by opening."""
        conversation = await self._store.conversation(conversation_id)
        headers = await self._store.headers(conversation_id)
        draft = await self._store.draft(conversation_id)
        return OpenedConversation(conversation, Tree(headers, conversation.head), draft)

    async def conversation(self, conversation_id: str) -> Conversation:
        """Its settings."""
        return await self._store.conversation(conversation_id)

    async def bodies(self, ids: Sequence[str]) -> dict[str, Body]:
        """The texts of these messages."""
        return dict(await self._store.bodies(ids))

    async def branch(self, conversation_id: str) -> Sequence[Message]:
        """The messages on show, with their texts, oldest first."""
        conversation = await self._store.conversation(conversation_id)
        messages = {message.id: message for message in await self._store.messages(conversation_id)}
        tree = Tree(await self._store.headers(conversation_id), conversation.head)
        return [messages[header.id] for header in tree.branch]

    async def seen_by(self, message_id: str, branch: Sequence[MessageHeader]) -> ContextPlan | None:
        """What the model saw of the branch before the prompt when it gave that reply, without texts.

        None where that was not kept.
        """
        digest = await self._store.digest(message_id)
        return plan_of(digest, branch) if digest else None

    async def message(self, message_id: str) -> Message:
        """One message, whole."""
        return await self._store.message(message_id)

    # -- changing -----------------------------------------------------------------------

    async def new(
        self,
        title: str = "",
        *,
        system_prompt: str | None = None,
        model: ModelRef | None = None,
        memory: MemorySettings | None = None,
        conversation_id: str | None = None,
    ) -> Conversation:
        """A new, empty conversation."""
        now = self._now()
        conversation = Conversation(
            id=conversation_id or make_id(),
            title=clean_surrogates(title),
            created_at=now,
            updated_at=now,
            system_prompt=clean_surrogates(system_prompt) if system_prompt else None,
            model=model,
            memory=memory,
        )
        await self._store.add_conversation(conversation)
        return conversation

    async def rename(self, conversation_id: str, title: str) -> None:
        """Give it another title."""
        before = await self._store.conversation(conversation_id)
        await self._change(conversation_id, title=clean_surrogates(title))
        self.remember("rename", conversation_id, partial(self._change, conversation_id, title=before.title))

    async def pin(self, conversation_id: str, *, pinned: bool) -> None:
        """Keep it on top of the list, or no longer."""
        await self._change(conversation_id, pinned=pinned)

    async def archive(self, conversation_id: str, *, archived: bool) -> None:
        """Take it out of the list without deleting it, or back."""
        await self._change(conversation_id, archived=archived)
        back = partial(self._change, conversation_id, archived=not archived)
        self.remember("archive" if archived else "unarchive", conversation_id, back)

    async def set_tags(self, conversation_id: str, tags: Sequence[str]) -> None:
        """Give it these tags, in this order, instead of the ones it has."""
        await self._store.set_tags(conversation_id, tuple(dict.fromkeys(clean_surrogates(tag) for tag in tags)))

    async def set_model(self, conversation_id: str, model: ModelRef | None) -> None:
        """Which model answers from now on (None: the default)."""
        await self._change(conversation_id, model=model)

    async def set_memory(self, conversation_id: str, memory: MemorySettings | None) -> None:
        """What the model gets to remember from now on (None: the default)."""
        await self._change(conversation_id, memory=memory)

    async def set_sampling(self, conversation_id: str, sampling: Sampling | None) -> None:
        """Which sampling parameters go with its prompts from now on (None: the default)."""
        await self._change(conversation_id, sampling=sampling)

    async def set_system_prompt(self, conversation_id: str, text: str | None) -> None:
        """What the model is told before everything else."""
        await self._change(conversation_id, system_prompt=clean_surrogates(text) if text else None)

    async def show_branch(self, conversation_id: str, leaf: str) -> None:
        """Make the branch that ends there the one on show."""
        await self._store.set_head(conversation_id, leaf)

    # -- removing, and taking it back -------------------------------------------------------

    async def delete(self, conversation_ids: Sequence[str]) -> None:
        """Delete conversations; for 30 days it can be undone."""
        await self._store.delete_conversations(conversation_ids, self._now())
        for conversation_id in conversation_ids:
            self.remember("delete", conversation_id, partial(self._store.undelete_conversation, conversation_id))

    async def erase(self, conversation_ids: Sequence[str]) -> None:
        """Delete them for good."""
        await self._store.erase_conversations(conversation_ids)

    async def forget_if_untouched(self, conversation_id: str) -> bool:
        """Erase a conversation that nobody ever did anything with; whether it was."""
        return await self._store.erase_if_untouched(conversation_id)

    async def undelete(self, name: str) -> str:
        """Restore a deleted conversation, or what the last clear of one removed; says in a word which."""
        try:
            conversation = await self.find(name, deleted=True)
        except Ambiguous:
            raise
        except NotFound:
            conversation = await self.find(name)
            removal = await self._store.last_clear(conversation.id)
            if removal is None:
                raise NotFound(
                    "There is nothing to restore.", hint="It is not deleted, and no clear of it can be undone."
                ) from None
            await self._store.restore_removal(removal)
            return "messages"
        await self._store.undelete_conversation(conversation.id)
        return "conversation"

    async def clear(self, conversation_id: str) -> None:
        """Take out all its messages and keep its settings; for 30 days it can be undone."""
        await self._remove(conversation_id, None, Removal.CLEAR, "clear")

    async def delete_message(self, conversation_id: str, message_id: str) -> None:
        """Take out one message; what answered it stays."""
        await self._remove(conversation_id, (message_id,), Removal.DELETE, "delete message")

    async def mark_message(
        self, conversation_id: str, message_id: str, *, pinned: bool | None = None, excluded: bool | None = None
    ) -> None:
        """Always send it, never send it, or neither: one takes back the other."""
        before = await self._store.message(message_id)
        if pinned:
            excluded = False
        if excluded:
            pinned = False
        await self._store.mark_message(message_id, pinned=pinned, excluded=excluded)
        back = partial(self._store.mark_message, message_id, pinned=before.pinned, excluded=before.excluded)
        self.remember("mark", conversation_id, back)

    def remember_branch(self, description: str, conversation_id: str, leaf: str | None) -> None:
        """Make going back to this branch an undo step (after an edit or a new reply)."""
        self.remember(description, conversation_id, lambda: self._store.set_head(conversation_id, leaf))

    def remember(self, description: str, conversation_id: str, run: Callable[[], Awaitable[None]]) -> None:
        """Make ``run`` the next step to be undone."""
        self._undo.append(Undo(description, conversation_id, run))
        del self._undo[:-100]  # enough to walk back a sitting; the last 30 days are `tui-chat undelete`'s

    async def undo(self) -> Undo | None:
        """Take the last step back; says what it was. None where there is nothing to undo."""
        if not self._undo:
            return None
        step = self._undo.pop()
        await step.run()
        return step

    # -- drafts and what is remembered --------------------------------------------------------

    async def save_draft(self, conversation_id: str, text: str) -> None:
        """Keep what is typed but not sent."""
        await self._store.save_draft(conversation_id, clean_surrogates(text))

    async def draft_attachments(self, conversation_id: str) -> Sequence[Attachment]:
        """The files that go with what is typed there, loaded, in their order."""
        return await self._store.draft_attachments(conversation_id)

    async def save_draft_attachments(self, conversation_id: str, attachments: Sequence[Attachment]) -> None:
        """Keep these, loaded, instead of what went with the draft."""
        await self._store.save_draft_attachments(conversation_id, attachments)

    async def value(self, key: str) -> str | None:
        """A small remembered value: what was open, where it was scrolled to."""
        return await self._store.value(key)

    async def set_value(self, key: str, value: str) -> None:
        """Remember a small value."""
        await self._store.set_value(key, value)

    # -- upkeep -------------------------------------------------------------------------

    async def tidy(self) -> int:
        """Mark replies as stopped whose writer died, erase what is past undo; the number of the former."""
        stopped = await self._store.stop_abandoned(self._now() - ABANDONED_AFTER)
        await self._store.purge(self._now() - KEPT_DAYS * DAY)
        return stopped

    async def check_integrity(self) -> str:
        """``ok``, or what the file's own check found."""
        return await self._store.check_integrity()

    async def close(self) -> None:
        """Close the history."""
        await self._store.close()

    # -- inside -------------------------------------------------------------------------

    async def _change(self, conversation_id: str, **fields: object) -> None:
        await self._store.update_conversation(conversation_id, lambda now: replace(now, **fields))  # type: ignore[arg-type]

    async def _remove(self, conversation_id: str, ids: Sequence[str] | None, kind: Removal, description: str) -> None:
        removal = await self._store.remove_messages(conversation_id, ids, kind, self._now())
        self.remember(description, conversation_id, lambda: self._store.restore_removal(removal))
