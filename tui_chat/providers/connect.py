"""Opens endpoints: from an endpoint's dialect to the provider that speaks it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_chat.core.errors import BadInput
from tui_chat.core.ports import FoundServer, Provider
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.providers import DIALECTS
from tui_chat.providers.anthropic import AnthropicProvider
from tui_chat.providers.discovery import PORTS, discover
from tui_chat.providers.gemini import GeminiProvider
from tui_chat.providers.guide import GuideProvider
from tui_chat.providers.http import Connection
from tui_chat.providers.ollama import OllamaProvider, at_root
from tui_chat.providers.openai import OpenAIProvider, Sleep
from tui_chat.providers.wire import Wire

if TYPE_CHECKING:
    import httpx


class HttpProviders:
    """Every dialect of the table. ``transport``, ``ports`` and ``sleep`` are for tests."""

    def __init__(
        self,
        *,
        first_byte_timeout: float = 300.0,
        transport: httpx.AsyncBaseTransport | None = None,
        ports: Sequence[int] = PORTS,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._first_byte_timeout = first_byte_timeout
        self._transport = transport
        self._ports = ports
        self._sleep = sleep

    def open(self, endpoint: Endpoint, key: Secret | None) -> Provider:
        """A provider that has opened nothing yet. Raises BadInput for an unknown dialect, address or key."""
        match endpoint.dialect:
            case GuideProvider.dialect:
                return GuideProvider()
            case OpenAIProvider.dialect:
                return OpenAIProvider(self._connection(endpoint, key, Wire()), sleep=self._sleep)
            case AnthropicProvider.dialect:
                return AnthropicProvider(self._connection(endpoint, key, AnthropicProvider.wire), sleep=self._sleep)
            case GeminiProvider.dialect:
                return GeminiProvider(self._connection(endpoint, key, GeminiProvider.wire), sleep=self._sleep)
            case OllamaProvider.dialect:
                return OllamaProvider(self._connection(at_root(endpoint), key, OllamaProvider.wire), sleep=self._sleep)
        known = ", ".join(dialect.dialect for dialect in DIALECTS)
        raise BadInput(f"The endpoint {endpoint.name!r} has no known dialect.", hint=f"Known are: {known}.")

    async def discover(self) -> Sequence[FoundServer]:
        """Servers on this computer's well-known ports, in the order of the ports."""
        return await discover(self._ports)

    def _connection(self, endpoint: Endpoint, key: Secret | None, wire: Wire) -> Connection:
        return Connection(
            endpoint, key, first_byte_timeout=self._first_byte_timeout, transport=self._transport, wire=wire
        )
