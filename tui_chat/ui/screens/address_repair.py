"""What an address or a name was probably meant to be, where it is not quite one."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from tui_chat.core.address import is_address, read_address
from tui_chat.core.settings import Endpoint
from tui_chat.services.reaching import Reach, reach

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
_ENDS = re.compile(r"^(?:api|www)\.(?=.*\.)|\.[a-z]+$")
_OPERATION = re.compile(
    r"/(?:chat/completions|completions|messages(?:/count_tokens)?|models(?:/[\w.-]+:\w+)?|api/(?:chat|tags|show|generate))/*$"
)


def repaired(text: str) -> str:
    """The text with the scheme it lacks and without the operation at its end; else as it is.

    Without a scheme it is http:// on this computer and the own network, and https:// anywhere else.
    """
    text = text.strip()
    url = text
    if not _SCHEME.match(url):
        near = is_address(f"http://{url}") and reach(Endpoint("", f"http://{url}")) in (Reach.LOCAL, Reach.LAN)
        url = f"{'http' if near else 'https'}://{url}"
    if not is_address(url):
        return text
    address = read_address(url)
    # A mere word may be the beginning of anything.
    if url != text and address.port is None and "." not in address.host and not address.loopback:
        return text
    shorter = _OPERATION.sub("", address.path)
    if shorter != address.path:
        return replace(address, path=shorter.rstrip("/")).url
    return url


def fit_name(text: str) -> str:
    """The text with small letters, and dashes for what a name may not hold: ``My Server`` is ``my-server``."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.casefold()).strip("-._")[:30]


def free_name(text: str, taken: Collection[str]) -> str:
    """A fit name that is not taken, with a number behind it where the text's own is."""
    base = fit_name(text) or "local"
    numbered = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)


def name_after(base_url: str, taken: Collection[str]) -> str:
    """A free name for what is at this address: ``groq`` for ``https://api.groq.com/openai/v1``."""
    address = read_address(base_url)
    if address.loopback:
        return free_name("local", taken)
    host = address.host if address.private else _ENDS.sub("", address.host)
    return free_name(host, taken)
