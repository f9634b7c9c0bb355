"""The way to an address: through which proxy, and with whose certificates, as this computer's environment says.

A proxy is for remote hosts only: this computer and numeric addresses of the own network are reached
directly, whatever the environment says. It is the one that curl and pip would take: ``HTTPS_PROXY``
or ``HTTP_PROXY``, else ``ALL_PROXY``, else what the system is set to (macOS, Windows), and none for
the names in ``NO_PROXY``. Certificates are checked against ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``
where they are set, as OpenSSL does, else ``REQUESTS_CA_BUNDLE``, which company computers often have
alone, else against the list that comes with httpx. This holds for every host that is spoken to over
https, the own network's too.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui_chat.core.address import Address, place_of
from tui_chat.core.errors import NotReached
from tui_chat.core.secret import Secret

if TYPE_CHECKING:
    import httpx


class NoWay(NotReached):
    """The environment names a proxy or certificates that cannot be used; another try would not help."""


@dataclass(frozen=True, slots=True)
class Route:
    """How an address is reached.

    ``proxy`` is a proxy's whole address, which may hold a password; ``via`` its host and port, for
    people; ``variable`` who named it. All empty for a direct way.
    """

    proxy: Secret | None = None
    via: str = ""
    variable: str = ""


DIRECT = Route()


def route_to(address: Address) -> Route:
    """The way there. Raises NoWay for a proxy that cannot be used, in a sentence without its password."""
    if address.private:
        return DIRECT
    import urllib.request  # here: httpx brings it, and nobody needs it before the first request

    named = urllib.request.getproxies()
    found = named.get(address.scheme) or named.get("all")
    if not found or urllib.request.proxy_bypass(address.place):
        return DIRECT
    variable = _variable(address.scheme)
    url = found if "://" in found else f"http://{found}"
    return Route(Secret(url), _place(url, variable, address.host), variable)


def proxy_of(route: Route, tls: ssl.SSLContext | None) -> httpx.Proxy | None:
    """The same for httpx."""
    import httpx

    if route.proxy is None:
        return None
    encrypted = route.proxy.reveal().startswith(b"https:")
    return httpx.Proxy(route.proxy.reveal_text(), ssl_context=(tls or trusting()) if encrypted else None)


def trusting() -> ssl.SSLContext:
    """What certificates of servers are checked with; takes 20 ms. Raises NoWay where a variable names none."""
    import httpx

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    names = {"SSL_CERT_FILE": file, "SSL_CERT_DIR": folder}
    if not (file or folder):
        bundle = os.environ.get("REQUESTS_CA_BUNDLE")
        names = {"REQUESTS_CA_BUNDLE": bundle}
        file, folder = (None, bundle) if bundle and Path(bundle).is_dir() else (bundle, None)
    if not (file or folder):
        return httpx.create_ssl_context(trust_env=False)
    variable = next(name for name, value in names.items() if value)
    try:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    except (OSError, ValueError) as error:  # what OpenSSL says of a file that holds none is an OSError too
        raise _no_certificates(variable) from error
    if folder and not any(Path(each).is_dir() for each in folder.split(os.pathsep)):
        raise _no_certificates("SSL_CERT_DIR")
    return context


def _no_certificates(variable: str) -> NoWay:
    return NoWay(
        f"The certificates that {variable} names cannot be read; nothing was sent.",
        hint=f"Correct that variable, or start tui-chat without it: env -u {variable} tui-chat.",
    )


def _variable(scheme: str) -> str:
    """Which variable named the proxy; those in small letters come first, as everywhere."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        for each in (name, name.upper()):
            if os.environ.get(each):
                return each
    return ""


def _place(url: str, variable: str, host: str) -> str:
    """Host and port of a proxy, without what stands before an ``@``. Raises NoWay."""
    who = f"the variable {variable}" if variable else "the system's settings"
    scheme, _, rest = url.partition("://")
    if scheme.lower().startswith("socks"):
        raise NoWay(
            f"The proxy in {who} is one for SOCKS, which tui-chat does not speak.",
            hint=f"Name an http:// proxy there, or write {host} into NO_PROXY.",
        )
    place = place_of(f"{scheme}://{rest.rpartition('@')[2]}")
    if not place or not url.isprintable():
        raise NoWay(f"The proxy in {who} is no address.", hint="It looks like http://proxy.example.com:3128.")
    return place
