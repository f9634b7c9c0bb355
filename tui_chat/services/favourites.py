"""The models that a person marked, in the order in which they did."""

from __future__ import annotations

import json

from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore

_FAVOURITES = "favourite-models"


async def favourites(store: ConversationStore) -> tuple[ModelRef, ...]:
    """All of them."""
    parts = (text.partition("/") for text in json.loads(await store.value(_FAVOURITES) or "[]"))
    return tuple(ModelRef(endpoint, name) for endpoint, _, name in parts)


async def mark_favourite(store: ConversationStore, model: ModelRef, *, marked: bool) -> None:
    """Make it a favourite, or no longer one. One call at a time."""
    others = [str(each) for each in await favourites(store) if each != model]
    await store.set_value(_FAVOURITES, json.dumps([*others, str(model)] if marked else others))
