"""Finds model servers on this computer: probes of the loopback's well-known ports.

No key is sent and no redirect followed; a port's number proves nothing, so a server counts only
when it lists its models in the right shape, and is called by the name that it gives itself.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from tui_chat.core.errors import ProviderError
from tui_chat.core.ports import FoundServer
from tui_chat.core.settings import Endpoint
from tui_chat.providers import ollama_models
from tui_chat.providers.http import Connection
from tui_chat.providers.models import LM_STUDIO, cards, entries
from tui_chat.providers.ollama import OllamaProvider

PORTS = (11434, 9931, 8080, 1234, 8000, 1337, 4891, 5001, 5000, 4000)
"""Defaults of Ollama, llama.cpp (new, old), LM Studio, vLLM, Jan, GPT4All, KoboldCpp, oobabooga, LiteLLM."""

PROBE_SECONDS = 0.7

_OWNERS = {"llamacpp": "llama.cpp", "vllm": "vLLM", LM_STUDIO: "LM Studio", "koboldcpp": "KoboldCpp"}
"""What servers give as the owner of their models."""

UNNAMED = "OpenAI-compatible server"


async def discover(ports: Sequence[int] = PORTS) -> Sequence[FoundServer]:
    """The servers that answer within ``PROBE_SECONDS``, in the order of the ports."""
    await asyncio.to_thread(importlib.import_module, "httpx")  # before the clocks start: on a cold disk it takes long
    found = await asyncio.gather(*(_probe(port) for port in ports))
    return tuple(server for server in found if server is not None)


async def _probe(port: int) -> FoundServer | None:
    """The model server at a port of this computer, if there is one."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            for host in ("127.0.0.1", "[::1]"):
                if server := await _identify(f"http://{host}:{port}"):
                    return server
    except TimeoutError:
        pass  # too slow for a server on this computer: as good as not there
    return None


async def _identify(root: str) -> FoundServer | None:
    connection = Connection(Endpoint(root, root))
    try:
        described = entries(await connection.get_json(f"{root}/v1/models"))
        if described is None:
            return None
        kind = _named(described)
        if kind is None and (native := await _ollama(connection, root)):
            return native
        return FoundServer(kind or UNNAMED, f"{root}/v1", cards(described))
    except ProviderError:
        return None  # closed, or something that is no model server: the usual case
    finally:
        await connection.close()


def _named(described: Sequence[Mapping[str, Any]]) -> str | None:
    """What the server calls itself in its list of models; None where it does not."""
    owners = {str(entry.get("owned_by")) for entry in described}
    return _OWNERS.get(owners.pop()) if len(owners) == 1 else None


async def _ollama(connection: Connection, root: str) -> FoundServer | None:
    """Ollama, at the address of its own protocol. Many programs tell a version there: its list of models counts."""
    try:
        version = await connection.get_json(f"{root}/api/version")
        models = ollama_models.listed(await connection.get_json(f"{root}/api/tags"))
    except ProviderError:
        return None
    if models is None or not isinstance(version, dict) or not isinstance(version.get("version"), str):
        return None
    found = ollama_models.cards((model, None, None) for model in models if model.can_chat)
    return FoundServer("Ollama", root, found, OllamaProvider.dialect)
