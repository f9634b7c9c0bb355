"""A history in which nothing was ever written: what reading a user finds who has none yet."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from tui_chat.core.clock import Millis
from tui_chat.core.errors import LockedError, NotFound
from tui_chat.core.models import Conversation, Message
from tui_chat.core.ports import Body, ConversationIndex, ImportCount, ListedConversation, SearchHit, Spent
from tui_chat.core.recall import Hit
from tui_chat.core.secret import Secret


class EmptyStore:
    """Answers every question with nothing, and refuses to keep anything but what is only remembered."""

    async def _nothing_here(self, *_: object, **__: object) -> NoReturn:
        raise NotFound("There is no history yet.", hint="`tui-chat`, `ask`, `new` and `import` make one.")

    conversation = key = headers = message = messages = _nothing_here
    add_conversation = update_conversation = set_head = set_tags = _nothing_here
    delete_conversations = undelete_conversation = erase_conversations = erase_if_untouched = _nothing_here
    add_message = add_prompt = checkpoint = finish_message = remove_messages = restore_removal = last_clear = (
        _nothing_here
    )
    mark_message = keep_digest = digest = keep_summary = summaries = drop_summary = add_spending = _nothing_here
    save_draft = draft = save_draft_attachments = draft_attachments = set_secret = _nothing_here

    async def index(
        self, *, text: str = "", archived: bool = False, deleted: bool = False, tag: str | None = None
    ) -> ConversationIndex:
        return ConversationIndex(array("q"), array("q"), 0)

    async def listed(self, keys: Sequence[int]) -> Sequence[ListedConversation]:
        return ()

    async def find(self, name: str, *, deleted: bool = False) -> Sequence[Conversation]:
        return ()

    async def newest(self) -> Conversation | None:
        return None

    async def bodies(self, ids: Iterable[str]) -> Mapping[str, Body]:
        return {}

    async def contents(self, hashes: Iterable[str]) -> Mapping[str, bytes]:
        return {}

    async def search(self, query: str, *, limit: int = 50) -> Sequence[SearchHit]:
        return ()

    async def ranked(self, terms: Sequence[str], *, without: Sequence[str], limit: int = 200) -> Sequence[Hit]:
        return ()

    async def spent(self, *, conversation_id: str | None = None, since: Millis = 0) -> Spent:
        return Spent()

    async def import_conversations(
        self, conversations: Sequence[tuple[Conversation, Sequence[Message]]], *, dry_run: bool = False
    ) -> ImportCount:
        if not dry_run:
            await self._nothing_here()
        first = {conversation.id: messages for conversation, messages in reversed(conversations)}
        return ImportCount(len(first), sum(map(len, first.values())), len(conversations) - len(first))

    async def value(self, key: str) -> str | None:
        return None

    async def set_value(self, key: str, value: str) -> None:
        """What is only remembered may be forgotten."""

    async def secret(self, name: str) -> Secret | None:
        return None

    async def stop_abandoned(self, before: Millis) -> int:
        return 0

    async def purge(self, before: Millis) -> None:
        """Nothing to erase."""

    async def check_integrity(self) -> str:
        return "ok"

    async def close(self) -> None:
        """Nothing is open."""


class NoKeys:
    """The key slots of a history that does not exist."""

    async def slots(self) -> Sequence[str]:
        return ()

    async def keyring(self) -> str | None:
        return None

    async def _nothing_here(self, *_: object) -> NoReturn:
        raise LockedError("There is no history yet, and so no key of it.")

    set_passphrase = add_keyring = make_recovery_code = _nothing_here
