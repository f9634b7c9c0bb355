"""Why a connection failed: what httpx raises becomes NotReached, in a sentence for people, with what to do."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from tui_chat.core.address import place_of
from tui_chat.core.errors import NotReached
from tui_chat.providers.refusals import SETTINGS, TRY_AGAIN, Speaker, clean, duration
from tui_chat.providers.route import DIRECT, NoWay, Route

CONNECT_TIMEOUT = 5.0
"""Seconds for a connection, its encryption included."""

_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)

_CLOCK = "If this computer's clock is right, whoever runs that server has to renew it."
_OWN = "If it is yours, name its certificate file (PEM) in the variable SSL_CERT_FILE."
_COMPANY = "In a company's network, name the company's certificate file (PEM) in the variable SSL_CERT_FILE."

_CERTIFICATES = {
    9: ("The certificate of {host} is not valid yet.", f"Nothing was sent. {_CLOCK}"),
    10: ("The certificate of {host} has expired.", f"Nothing was sent. {_CLOCK}"),
    18: ("The certificate of {host} is not trusted: the server signed it itself.", f"Nothing was sent. {_OWN}"),
    20: (
        "The certificate of {host} is not trusted: this computer does not know who signed it.",
        f"Nothing was sent. {_COMPANY}",
    ),
    62: (
        "The certificate of {host} is not trusted: it was made for another name.",
        "Nothing was sent. Check the address: it has to be the name in the certificate.",
    ),
}
"""By OpenSSL's number for what is wrong (X509_V_ERR_...)."""

_CERTIFICATES |= {2: _CERTIFICATES[20], 19: _CERTIFICATES[20], 21: _CERTIFICATES[20], 64: _CERTIFICATES[62]}


@contextmanager
def transport_errors(speaker: Speaker, *, midway: bool = False, route: Route = DIRECT) -> Iterator[None]:
    """What httpx raises becomes NotReached."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise not_reached(error, speaker, midway=midway, route=route) from error


def not_reached(error: Exception, speaker: Speaker, *, midway: bool = False, route: Route = DIRECT) -> NotReached:
    """The sentence for a connection that failed."""
    import httpx

    if midway:
        return NotReached(f"{speaker.name} closed the connection in the middle of its reply.", hint=TRY_AGAIN)
    host = place_of(speaker.url.partition("?")[0])
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return _not_encrypted(cause, host)
    if isinstance(error, httpx.ProxyError):
        return _refused_by_proxy(str(error), host, route)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return _no_proxy(error, host, route) if route.via else _no_connection(error, host)
    if _is_no_http(error):
        return NotReached(f"{host} does not speak HTTP properly.", hint="Are address and port right (f2)?")
    encrypted = "" if speaker.url.startswith("https:") else " It may want https:// in its address."
    return NotReached(f"{speaker.name} closed the connection before it answered.", hint=f"{TRY_AGAIN}{encrypted}")


def may_pass(error: NotReached) -> bool:
    """Whether a second later it may be different: not so for a closed port, a wrong certificate or a long silence."""
    lasting = (ConnectionRefusedError, ssl.SSLError, TimeoutError, NoWay)
    return not any(isinstance(cause, lasting) for cause in _causes(error)) and not _is_no_http(error)


# -- inside ------------------------------------------------------------------------------------


def _no_connection(error: Exception, host: str) -> NotReached:
    import httpx

    causes = tuple(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return NotReached(f"There is no computer named {host}, or no network.", hint=SETTINGS)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return NotReached(f"Nothing listens at {host}.", hint="Start the model server, or check the address (f2).")
    if any(isinstance(cause, OSError) and cause.errno in _NO_WAY for cause in causes):
        return NotReached(
            f"No network leads to {host}.", hint="Is this computer connected, and to the network (VPN) where it is?"
        )
    if isinstance(error, httpx.ConnectTimeout):
        return NotReached(
            f"{host} does not answer: no connection within {duration(CONNECT_TIMEOUT)}.",
            hint="It may be switched off, or behind a firewall. Is the address right (f2)?",
        )
    return NotReached(f"{host} cannot be reached.", hint="Check the network and the address (f2).")


def _is_no_http(error: Exception) -> bool:
    """Whether what came could not be read as HTTP: h11 says so, which httpx reads it with."""
    return any(type(cause).__module__.startswith("h11") for cause in _causes(error))


def _not_encrypted(error: ssl.SSLError, host: str) -> NotReached:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return NotReached(f"{host} does not speak https properly.", hint="Is it http:// rather than https://?")
    code = getattr(error, "verify_code", None)
    if code in _CERTIFICATES:
        sentence, hint = _CERTIFICATES[code]
        return NotReached(sentence.format(host=host), hint=hint)
    said = clean(getattr(error, "verify_message", ""), limit=80)
    why = f": {said}" if said else ""
    return NotReached(
        f"The certificate of {host} is not trusted{why}.",
        hint="Nothing was sent. Check the address and the computer's clock.",
    )


def _no_proxy(error: Exception, host: str, route: Route) -> NotReached:
    """The connection that failed was the one to the proxy."""
    return NotReached(
        f"The proxy on the way to {host} does not work. {_no_connection(error, route.via)}",
        hint=f"Correct {_named(route)}, or write the host into NO_PROXY.",
    )


def _refused_by_proxy(said: str, host: str, route: Route) -> NotReached:
    status = re.match(r"\d{3}\b", said)
    if status and status[0] == "407":
        return NotReached(
            f"The proxy {route.via} wants a user name and a password (407).",
            hint=f"Write them into {_named(route)}: http://USER:PASSWORD@{route.via}.",
        )
    number = f" ({status[0]})" if status else ""
    return NotReached(
        f"The proxy {route.via} refused the way to {host}{number}.",
        hint=f"Ask who runs it, correct {_named(route)}, or write the host into NO_PROXY.",
    )


def _named(route: Route) -> str:
    return f"the variable {route.variable}" if route.variable else "the system's proxy settings"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and everything that led to it, groups included."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        waiting += [error.__cause__, error.__context__]
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions
