"""Conversations that are not to leave this computer."""

from __future__ import annotations

import json

from tui_chat.core.ports import ConversationStore

_KEY = "stay-here"


async def staying_here(store: ConversationStore) -> tuple[str, ...]:
    """The ids of those that the person marked so."""
    return tuple(json.loads(await store.value(_KEY) or "[]"))


async def keep_here(store: ConversationStore, conversation_id: str, *, here: bool) -> None:
    """From now on it does not leave this computer, or it may."""
    others = [each for each in await staying_here(store) if each != conversation_id]
    await store.set_value(_KEY, json.dumps([*others, conversation_id] if here else others))
