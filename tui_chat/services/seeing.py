"""Which models take images, as their servers said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, ModelCard
from tui_chat.services.local_models import ENDPOINT as LOCAL_FILES

_BLIND = ("guide", LOCAL_FILES)
"""The guide is no model, and a model file is run without the second file that it would see with."""


async def learn(store: ConversationStore, endpoint: str, cards: Sequence[ModelCard]) -> None:
    """Remember what an endpoint's server says of its models; one of which it says nothing now keeps what was said.

    A server that describes its models one by one may have had no time for all.
    """
    before = await _said(store, endpoint)
    sees = {card.name: before.get(card.name) if card.takes_images is None else card.takes_images for card in cards}
    after = {name: each for name, each in sees.items() if each is not None}
    if after != before:
        await store.set_value(_key(endpoint), json.dumps(after))


async def takes_images(store: ConversationStore, model: ModelRef) -> bool | None:
    """None where nobody said: then it is tried, and the service's own words tell."""
    if model.endpoint in _BLIND:
        return False
    return (await _said(store, model.endpoint)).get(model.name)


async def _said(store: ConversationStore, endpoint: str) -> Mapping[str, bool]:
    said: dict[str, bool] = json.loads(await store.value(_key(endpoint)) or "{}")
    return said


def _key(endpoint: str) -> str:
    return f"images:{endpoint}"
