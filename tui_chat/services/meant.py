"""What was meant by an address: the dialect that it suggests, and what answers there instead of the one asked for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tui_chat.core.address import is_address, read_address
from tui_chat.core.errors import NotFoundAtServer, NotThisDialect, ProviderError, Unauthorized
from tui_chat.core.ports import ModelCard
from tui_chat.core.settings import DIALECTS, Endpoint

Ask = Callable[[Endpoint], Awaitable[Sequence[ModelCard]]]

_VERSION = re.compile(r"/v\d\w*(?:/|$)")
_ROOT = re.compile(r"/(?:v\d\w*|api)$")

_HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gemini",
}
_OLLAMA_PORT = 11434


@dataclass(frozen=True, slots=True)
class Tried:
    """What a test found: the endpoint as it answers, which may not be as it was asked for, and its models.

    ``refusal``: it is there, but wants a key.
    """

    endpoint: Endpoint
    cards: tuple[ModelCard, ...] = ()
    refusal: Unauthorized | None = None


def guessed_dialect(base_url: str) -> str:
    """The dialect that an address suggests; that of the most servers where it suggests none."""
    if not is_address(base_url):
        return DIALECTS[0]
    address = read_address(base_url)
    last = address.path.rpartition("/")[2]
    if last in DIALECTS:  # https://api.deepseek.com/anthropic, .../v1beta/openai
        return last
    if address.port == _OLLAMA_PORT or "ollama" in address.host.split("."):
        return "ollama"
    return _HOSTS.get(address.host, DIALECTS[0])


def with_version(url: str) -> str | None:
    """The address with the ``/v1`` that most have at their end; None where it names a version or is no address."""
    if not is_address(url):
        return None
    address = read_address(url)
    return None if _VERSION.search(address.path) else f"{address.url}/v1"


async def what_answers(endpoint: Endpoint, ask: Ask) -> Tried:
    """Ask the endpoint for its models; where that is no service of its dialect, what else it could be, in turn.

    Raises what the endpoint itself answered where nothing else does.
    """
    try:
        return Tried(endpoint, tuple(await ask(endpoint)))
    except (NotFoundAtServer, NotThisDialect, Unauthorized) as error:
        first = error
    if isinstance(first, Unauthorized) and _HOSTS.get(_host(endpoint)) == endpoint.dialect:
        raise first  # there is nothing else there: the key is wrong
    refused = None
    for other in _others(endpoint):
        # Of another dialect, only a list of models proves it: there are servers that answer anything
        # with nothing, and others that ask for a key whatever the address.
        is_akin = other.dialect == endpoint.dialect and not isinstance(first, Unauthorized)
        try:
            if (cards := tuple(await ask(other))) or is_akin:
                return Tried(other, cards)
        except Unauthorized as refusal:
            if is_akin and refused is None:
                refused = Tried(other, refusal=refusal)
        except ProviderError:
            continue
    if refused is not None:
        return refused
    raise first


def _host(endpoint: Endpoint) -> str:
    return read_address(endpoint.base_url).host


def _others(endpoint: Endpoint) -> Iterator[Endpoint]:
    """What else could be meant by it, the likeliest first."""
    url = endpoint.base_url
    longer = with_version(url)
    root = _ROOT.sub("", url.rstrip("/"))
    addresses = {
        "openai": (url, longer) if longer else (url,),
        "ollama": (root,),
        "anthropic": (url,),
        "gemini": (url,),
    }
    for dialect in (endpoint.dialect, *(each for each in DIALECTS if each != endpoint.dialect)):
        for address in addresses.get(dialect, ()):
            if (other := replace(endpoint, dialect=dialect, base_url=address)) != endpoint:
                yield other
