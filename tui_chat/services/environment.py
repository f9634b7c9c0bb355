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


class Vendor(NamedTuple):
    """What a vendor's own client reads, and where it goes unless the environment says otherwise."""

    dialect: str
    key: str
    address: str
    url: str


VENDORS = (
    Vendor("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1"),
    Vendor("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
    Vendor("gemini", "GEMINI_API_KEY", "", "https://generativelanguage.googleapis.com"),
)

OLLAMA_KEY = "OLLAMA_API_KEY"
OLLAMA_CLOUD = Endpoint("ollama-cloud", "https://ollama.com", "ollama", key_env=OLLAMA_KEY, from_environment=True)
"""Where Ollama's key leads by itself; a name of its own, so that it never stands in a local Ollama's place."""


def variable_of(endpoint: Endpoint) -> tuple[str, bool]:
    """The variable that such an endpoint comes from, and whether that holds its key rather than its address."""
    if endpoint == OLLAMA_CLOUD:
        return OLLAMA_KEY, True
    for vendor in VENDORS:
        if endpoint.name == vendor.dialect:
            by_key = endpoint.base_url == vendor.url
            return (vendor.key if by_key else vendor.address), by_key
    return "OLLAMA_HOST", False


def endpoints_from(environment: Mapping[str, str]) -> FromEnvironment:
    """The endpoints that environment variables name, each for this run only.

    A key from the environment goes only to the address of the same environment.
    """
    endpoints, problems = [], []
    for variable, vendor in (*((vendor.address, vendor) for vendor in VENDORS), ("OLLAMA_HOST", None)):
        try:
            endpoint = _vendor(vendor, environment) if vendor else _ollama(environment)
        except BadInput as error:
            problems.append(f"{variable} is ignored. {error.sentence}")
        else:
            endpoints += [endpoint] if endpoint else []
            if endpoint and not endpoint.key_env and environment.get(OLLAMA_KEY):
                problems.append(f"{OLLAMA_KEY} is ignored. It would travel unencrypted to what {variable} names.")
    return FromEnvironment(tuple(endpoints), tuple(problems))


def _vendor(vendor: Vendor, environment: Mapping[str, str]) -> Endpoint | None:
    key, url = environment.get(vendor.key), environment.get(vendor.address)
    if not (key or url):
        return None
    address = read_address(url or vendor.url)
    return Endpoint(vendor.dialect, address.url, vendor.dialect, key_env=vendor.key, from_environment=True)


def _ollama(environment: Mapping[str, str]) -> Endpoint | None:
    """Where Ollama's own client goes: each part of its variable may be missing. A key alone is for its cloud.

    Most servers want none: where it could not travel safely it is left out, and the server is used all the same.
    """
    text = environment.get("OLLAMA_HOST", "").strip("\"' \t\r\n")
    has_key = bool(environment.get(OLLAMA_KEY))
    if not text:
        return OLLAMA_CLOUD if has_key else None
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
    key_env = OLLAMA_KEY if has_key and (address.encrypted or address.private) else None
    return Endpoint("ollama", address.url, "ollama", key_env=key_env, from_environment=True)
