"""Addresses of model services, read in one strict form wherever one comes from."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from tui_chat.core.errors import BadInput

# One strict form and not a URL library: two readers that take an odd address differently
# (backslashes, several @) are how a key gets to the wrong host.
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[^\]]*\]|[^\s:/?#@\\\[\]]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^\s?#\\@]*)?",
    re.IGNORECASE,
)
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")

_OWN_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
"""RFC 1918, RFC 3927, RFC 4193 and RFC 4291: never routed on the internet."""

_HINT = "It looks like https://api.example.com/v1 or http://127.0.0.1:8080/v1."


@dataclass(frozen=True, slots=True)
class Address:
    """A base address. ``host`` is in lower case and without brackets; ``path`` has no slash at its end."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def place(self) -> str:
        """``127.0.0.1:8080``: host and port, and nothing else that may stand in an address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.place}{self.path}"

    @property
    def loopback(self) -> bool:
        """Whether it is this computer."""
        address = _ip(self.host)
        if address is None:
            return self.host == "localhost" or self.host.endswith(".localhost")
        # What a server listens on "everywhere" leads, as a destination, back to this computer.
        return address.is_loopback or address.is_unspecified

    @property
    def private(self) -> bool:
        """Whether it is this computer or a numeric address of the user's own network; a name never says that."""
        address = _ip(self.host)
        return self.loopback or (address is not None and any(address in network for network in _OWN_NETWORKS))

    @property
    def encrypted(self) -> bool:
        return self.scheme == "https"


def read_address(text: str) -> Address:
    """The address that a text is. Raises BadInput with a sentence that does not repeat it."""
    text = text.strip()
    if not text:
        raise BadInput("There is no address.", hint=_HINT)
    if "@" in text:  # what stands before it may be a password
        raise BadInput(
            "An address must not hold a user name or a password.", hint="Enter the key in the key field instead."
        )
    if not text.lower().startswith(("http://", "https://")):
        raise BadInput("An address begins with https:// or http://.", hint=_HINT)
    if "?" in text or "#" in text:
        raise BadInput("An address ends before any ? or #.", hint=_HINT)
    found = _ADDRESS.fullmatch(text) if text.isprintable() else None
    host = found["host"].lower() if found else ""
    if found is None or not _is_host(host) or int(found["port"] or 1) not in range(1, 65536):
        raise BadInput("This is not a valid address.", hint=_HINT)
    port = int(found["port"]) if found["port"] else None
    return Address(found["scheme"].lower(), host.strip("[]"), port, (found["path"] or "").rstrip("/"))


def is_address(text: str) -> bool:
    """Whether ``read_address`` takes it."""
    try:
        read_address(text)
    except BadInput:
        return False
    return True


def place_of(base_url: str) -> str:
    """``127.0.0.1:8080``, for people; empty where the text is no address. Never fails, never shows a password."""
    return read_address(base_url).place if is_address(base_url) else ""


def is_ipv6(host: str) -> bool:
    """Whether it is an IPv6 address, without brackets."""
    return ":" in host and _ip(host) is not None


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None  # a name: the answer itself
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_host(host: str) -> bool:
    return is_ipv6(host[1:-1]) if host.startswith("[") else _NAME.fullmatch(host) is not None
