"""Which addresses a model service may have, and which of them a key may be sent to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from tui_chat.core.errors import BadInput
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint

# One strict form and not a URL library: two libraries that read an odd address differently
# (backslashes, several @) are how a key gets to the wrong host.
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^\s?#\\@]*)?",
    re.IGNORECASE,
)

_OWN_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
"""RFC 1918, RFC 3927, RFC 4193 and RFC 4291: never routed on the internet."""


@dataclass(frozen=True, slots=True)
class Address:
    """A service's base address; ``url`` has no slash at its end."""

    url: str
    scheme: str
    host: str

    @property
    def loopback(self) -> bool:
        """Whether it is this computer."""
        address = _ip(self.host)
        if address is None:
            return self.host == "localhost" or self.host.endswith(".localhost")
        return address.is_loopback

    @property
    def private(self) -> bool:
        """Whether it is this computer or a numeric address of the user's own network; a name never says that."""
        address = _ip(self.host)
        return self.loopback or (address is not None and any(address in network for network in _OWN_NETWORKS))

    @property
    def encrypted(self) -> bool:
        return self.scheme == "https"


def address_of(endpoint: Endpoint) -> Address:
    """Check an endpoint's base URL. Raises BadInput with a sentence about what is wrong."""
    url = endpoint.base_url.strip()
    hint = "It looks like https://api.example.com/v1 or http://127.0.0.1:8080/v1."
    if not url:
        raise BadInput(f"The endpoint {endpoint.name!r} has no address.", hint=hint)
    if "@" in url:  # not quoted in the message: what stands before the @ may be a password
        raise BadInput(
            "An address must not hold a user name or a password.", hint="Enter the key in the key field instead."
        )
    if not url.lower().startswith(("http://", "https://")):
        raise BadInput("An address begins with https:// or http://.", hint=hint)
    if "?" in url or "#" in url:
        raise BadInput("An address ends before any ? or #.", hint=hint)
    found = _ADDRESS.fullmatch(url)
    if found is None or int(found["port"] or 1) not in range(1, 65536) or not _is_host(found["host"]):
        raise BadInput("This is not a valid address.", hint=hint)
    return Address(url.rstrip("/"), found["scheme"].lower(), found["host"].lower().strip("[]"))


def check_key(endpoint: Endpoint, address: Address, key: Secret | None) -> Secret | None:
    """The key as it may be sent there, without the line end it was pasted with.

    Raises BadInput for a key that no header can carry, and for one that would travel unencrypted.
    """
    value = key.reveal().strip() if key is not None else b""
    if not value:
        return None
    if not all(33 <= byte < 127 for byte in value):
        raise BadInput(
            f"The key for {endpoint.name!r} holds spaces or characters that no key has.", hint="Copy it again, alone."
        )
    if not address.encrypted and not address.private:
        raise BadInput(
            f"The key for {endpoint.name!r} would travel unencrypted over http.",
            hint="Use https, or the numeric address of a machine on your own network.",
        )
    return Secret(value)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None  # a name: the answer itself
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_host(host: str) -> bool:
    if host.startswith("["):
        return _ip(host.strip("[]")) is not None
    return all(host.split("."))
