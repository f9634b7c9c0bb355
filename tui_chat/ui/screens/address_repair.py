"""What an address was probably meant to be, where it is not quite one."""

from __future__ import annotations

import re
from dataclasses import replace

from tui_chat.core.address import is_address, read_address
from tui_chat.core.settings import Endpoint
from tui_chat.services.reaching import Reach, reach

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
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
