"""Which models take images, as their servers said."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, ModelCard
from tui_chat.services.local_models import ENDPOINT as LOCAL_FILES

_BLIND = ("guide", LOCAL_FILES)
"""The guide is no model, and a model file is run without the second file that it would see with."""


async def learn(store: ConversationStore, endpoint: str, cards: Sequence[ModelCard]) -> None:
    """Remember what an endpoint's server says of its models."""
    said = json.dumps({card.name: card.takes_images for card in cards if card.takes_images is not None})
    if await store.value(f"images:{endpoint}") != said:
        await store.set_value(f"images:{endpoint}", said)


async def takes_images(store: ConversationStore, model: ModelRef) -> bool | None:
    """None where nobody said: then it is tried, and the service's own words tell."""
    if model.endpoint in _BLIND:
        return False
    said: dict[str, bool] = json.loads(await store.value(f"images:{model.endpoint}") or "{}")
    return said.get(model.name)
