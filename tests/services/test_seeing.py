"""Which models take images: what was said is kept while nothing else is said."""

from __future__ import annotations

from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, ModelCard
from tui_chat.services.seeing import learn, takes_images


async def known(store: ConversationStore, *names: str) -> list[bool | None]:
    return [await takes_images(store, ModelRef("here", name)) for name in names]


async def test_a_list_for_which_time_was_short_takes_nothing_back(store: ConversationStore) -> None:
    await learn(store, "here", [ModelCard("blind", takes_images=False), ModelCard("sees", takes_images=True)])
    await learn(store, "here", [ModelCard("blind"), ModelCard("sees"), ModelCard("new")])

    assert [False, True, None] == await known(store, "blind", "sees", "new")


async def test_the_newest_word_holds_and_what_is_gone_is_forgotten(store: ConversationStore) -> None:
    await learn(store, "here", [ModelCard("changed", takes_images=False), ModelCard("gone", takes_images=True)])
    await learn(store, "here", [ModelCard("changed", takes_images=True)])
    await learn(store, "there", [ModelCard("gone", takes_images=False)])

    assert [True, None] == await known(store, "changed", "gone")
