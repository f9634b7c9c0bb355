"""A look at what goes to somebody else's computer: keys, tokens and passwords are asked about once each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

from tui_chat.core.errors import NoModel
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore
from tui_chat.core.secrets_guard import Finding, find
from tui_chat.core.settings import Settings
from tui_chat.services.endpoints import EndpointService, Reach

_KEY = "secrets-agreed"

MOST_AGREED = 500


class GuardService:
    """Looks only at texts that are about to leave for a cloud endpoint, and only where the user wants it to."""

    def __init__(self, store: ConversationStore, endpoints: EndpointService, settings: Callable[[], Settings]) -> None:
        self._store = store
        self._endpoints = endpoints
        self._settings = settings

    def watches(self, model: ModelRef | None) -> bool:
        """Whether texts to that model are looked at."""
        if model is None or not self._settings().guard_secrets:
            return False
        try:
            return self._endpoints.reach(model) is Reach.CLOUD
        except NoModel:
            return False

    async def findings(self, model: ModelRef, text: str) -> Sequence[Finding]:
        """What in that text looks like a secret that the person has not agreed to send yet."""
        if not self.watches(model):
            return ()
        # In a thread: a pasted megabyte takes a third of a second.
        found = await asyncio.to_thread(find, text)
        agreed = await self._agreed() if found else ()
        return tuple(finding for finding in found if finding.mark not in agreed)

    async def agree(self, findings: Sequence[Finding]) -> None:
        """These may be sent; nobody is asked about them again. A hash of each is kept, in the encrypted history."""
        marks = [finding.mark for finding in findings]
        others = [mark for mark in await self._agreed() if mark not in marks]
        await self._store.set_value(_KEY, json.dumps([*others, *marks][-MOST_AGREED:]))

    async def _agreed(self) -> Sequence[str]:
        return tuple(json.loads(await self._store.value(_KEY) or "[]"))
