"""The endpoints that environment variables make, for one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from tui_chat.core.address import is_ipv6, read_address
from tui_chat.core.errors import BadInput
from tui_chat.core.settings import Endpoint


class FromEnvironment(NamedTuple):
    """The endpoints that environment variables name, and a sentence for each variable that was ignored."""

    endpoints: tuple[Endpoint, ...]
    problems: tuple[str, ...]


VENDORS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
}
"""Where a vendor's key goes unless the environment says otherwise, by dialect."""


def endpoints_from(environment: Mapping[str, str]) -> FromEnvironment:
    """The endpoints that environment variables name, each for this run only.

    A key from the environment goes only to the address of the same environment.
    """
    endpoints, problems = [], []
    for name in (*VENDORS, "ollama"):
        try:
            endpoint = _vendor(name, environment) if name in VENDORS else _ollama(environment)
        except BadInput as error:
            variable = "OLLAMA_HOST" if name == "ollama" else f"{name.upper()}_BASE_URL"
            problems.append(f"{variable} is ignored. {error.sentence}")
        else:
            endpoints += [endpoint] if endpoint else []
    return FromEnvironment(tuple(endpoints), tuple(problems))


def _vendor(name: str, environment: Mapping[str, str]) -> Endpoint | None:
    """``NAME_API_KEY`` and, where that vendor's own clients read it, ``NAME_BASE_URL``."""
    key = f"{name.upper()}_API_KEY"
    url = environment.get(f"{name.upper()}_BASE_URL", "") if name != "gemini" else ""
    if not (environment.get(key) or url):
        return None
    return Endpoint(name, read_address(url or VENDORS[name]).url, name, key_env=key, from_environment=True)


def _ollama(environment: Mapping[str, str]) -> Endpoint | None:
    """Where Ollama's own client goes: each part of its variable may be missing."""
    text = environment.get("OLLAMA_HOST", "").strip("\"' \t\r\n")
    if not text:
        return None
    scheme, _, rest = text.rpartition("://")
    place, slash, path = rest.partition("/")
    if is_ipv6(place):
        place = f"[{place}]"
    if not place or place.startswith(":"):
        place = f"127.0.0.1{place}"
    address = read_address(f"{scheme or 'http'}://{place}{slash}{path}")
    if address.host in ("0.0.0.0", "::"):  # what a server listens on is not where a client goes
        address = replace(address, host="127.0.0.1")
    if address.port is None and not scheme:
        address = replace(address, port=11434)
    return Endpoint("ollama", address.url, "ollama", from_environment=True)
