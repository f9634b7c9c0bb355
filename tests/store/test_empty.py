"""What a user finds who has no history yet: nothing, said the way the history itself would say it."""

from __future__ import annotations

import pytest

from tests.contracts.store import spending, summary
from tui_chat.core.errors import NotFound
from tui_chat.core.ports import Spent
from tui_chat.services.empty import EmptyStore


async def test_nothing_was_spent_and_nothing_is_found() -> None:
    store = EmptyStore()

    assert Spent() == await store.spent()
    assert Spent() == await store.spent(conversation_id="unknown", since=1)
    assert [] == list(await store.ranked(["needle"], without=["unknown"]))


async def test_what_is_to_be_kept_is_refused() -> None:
    store = EmptyStore()

    for call in (
        store.keep_summary("unknown", summary()),
        store.summaries("unknown"),
        store.drop_summary("unknown"),
        store.add_spending(spending("unknown")),
    ):
        with pytest.raises(NotFound):
            await call
