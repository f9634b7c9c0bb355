"""Where an endpoint's key comes from: the environment, a command, or the encrypted history."""

from __future__ import annotations

from collections.abc import Mapping

from tui_chat.core.ports import ConversationStore
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.services.key_command import printed_key


class EndpointKeys:
    """The keys of endpoints. A stored one belongs to an endpoint at its address, and is gone with either."""

    def __init__(self, store: ConversationStore, environment: Mapping[str, str]) -> None:
        self._store = store
        self._environment = environment

    async def of(self, endpoint: Endpoint) -> Secret | None:
        """Its key, if it has one. Raises Unauthorized where its command does not print it."""
        if endpoint.key_env is not None:
            value = self._environment.get(endpoint.key_env, "")
            return Secret(value) if value else None
        if endpoint.key_command is not None:
            return await printed_key(endpoint)
        return await self.stored(endpoint)

    def unset(self, endpoint: Endpoint) -> str:
        """The variable that should hold its key and is empty; empty where none is missing."""
        name = endpoint.key_env or ""
        return "" if self._environment.get(name) else name

    async def stored(self, endpoint: Endpoint) -> Secret | None:
        """The one that the history keeps for it at this address."""
        return await self._store.secret(_name(endpoint))

    async def keep(self, endpoint: Endpoint, key: Secret | None) -> None:
        """Keep this one; None or an empty one erases what is kept."""
        await self._store.set_secret(_name(endpoint), key or None)


def _name(endpoint: Endpoint) -> str:
    # With the address: whoever edits the (readable) settings file must not get a key sent elsewhere.
    return f"endpoint:{endpoint.name}|{endpoint.base_url}"
