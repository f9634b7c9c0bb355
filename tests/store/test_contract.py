"""The store contract on the real encrypted file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.store import StoreContract
from tests.store.parts import KEY
from tui_chat.core.ports import ConversationStore
from tui_chat.store import open_store


class TestSqliteStore(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ConversationStore]:
        store = await open_store(tmp_path / "history.db", KEY, create=True)
        yield store
        await store.close()
