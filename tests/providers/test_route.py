"""Proxies and certificates of the environment, over real proxies and real TLS; and why a connection failed."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.provider import KEY
from tests.providers.certificates import DAY, Authority
from tests.providers.loopback import Loopback, Reply
from tests.providers.proxy import Proxy
from tui_chat.core.address import read_address
from tui_chat.core.errors import NotReached
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.providers.http import Connection
from tui_chat.providers.route import DIRECT, NoWay, route_to, trusting
from tui_chat.providers.unreached import may_pass

REMOTE = "models.example"
OK: dict[str, Any] = {"data": []}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that leads ``models.example`` to this computer and knows no other ``.example``."""
    real = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and name.endswith(".example") and name != REMOTE:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.1" if name == REMOTE else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


async def asked(url: str, key: Secret | None = None) -> Any:
    connection = Connection(Endpoint("here", url), key)
    try:
        return await connection.get_json(f"{connection.address.url}/models")
    finally:
        await connection.close()


async def unreached(url: str) -> NotReached:
    with pytest.raises(NotReached) as caught:
        await asked(url, KEY)
    assert caught.value.hint
    assert KEY.reveal_text() not in caught.value.sentence
    return caught.value


# -- proxies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
async def test_a_remote_host_is_reached_through_the_proxy_of_the_environment(
    variable: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with (
        Loopback(Reply.json(OK), tls=authority.server("far.example")) as server,
        Proxy(server.port) as proxy,
    ):
        monkeypatch.setenv(variable, proxy.url)
        answer = await asked("https://far.example/v1", KEY)

    assert OK == answer
    assert ["CONNECT far.example:443 HTTP/1.1"] == proxy.asked
    assert f"Bearer {KEY.reveal_text()}" == server.last.headers["authorization"]
    assert KEY.reveal_text() not in str(proxy.headers)  # the proxy sees the name, and nothing else


async def test_plain_http_to_a_remote_host_goes_through_its_own_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Loopback(Reply.json(OK)) as server, Proxy(server.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))  # so too do many write it
        answer = await asked("http://far.example/v1")

    assert OK == answer
    assert ["GET http://far.example/v1/models HTTP/1.1"] == proxy.asked


async def test_a_proxys_password_is_sent_to_it_and_said_to_nobody(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(refusal="403 Forbidden") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{proxy.port}")
        error = await unreached("https://far.example/v1")

    assert "Basic bWU6aHVudGVyMg==" == proxy.headers["proxy-authorization"]
    assert "hunter2" not in error.sentence
    assert "hunter2" not in repr(route_to(read_address("https://far.example")))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/v1",
        "http://localhost:8080",
        "https://[::1]:8080",
        "http://0.0.0.0:1",
        "http://192.168.1.4:8080",
        "https://10.0.0.4",
    ],
)
def test_this_computer_and_the_own_network_are_reached_directly_whatever_the_environment_says(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")

    assert DIRECT == route_to(read_address(url))


@pytest.mark.parametrize("exempt", [REMOTE, ".example", "example", f"x, {REMOTE}", "*"])
async def test_a_name_of_no_proxy_is_reached_directly(
    exempt: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv("NO_PROXY", exempt)
    async with Loopback(Reply.json(OK), tls=authority.server(REMOTE)) as server, Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        answer = await asked(f"https://{REMOTE}:{server.port}/v1")

    assert OK == answer
    assert [] == proxy.asked


@pytest.mark.parametrize(
    ("refusal", "sentence", "hint"),
    [
        ("407 Proxy Authentication Required", "wants a user name and a password (407)", "http://USER:PASSWORD@127.0"),
        ("403 Forbidden", "refused the way to far.example (403)", "the variable HTTPS_PROXY"),
        ("502 Bad Gateway", "refused the way to far.example (502)", "NO_PROXY"),
    ],
)
async def test_a_proxy_that_refuses_is_named_with_what_it_says(
    refusal: str, sentence: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(refusal=refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = await unreached("https://far.example/v1")

    assert f"The proxy 127.0.0.1:{proxy.port} {sentence}" in str(error)
    assert hint in error.hint


async def test_plain_http_through_a_proxy_that_wants_a_password_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Proxy(refusal="407 Proxy Authentication Required") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(NotReached, match="proxy on the way to here wants a user name"):
            await asked("http://far.example/v1")


async def test_a_proxy_that_is_not_there_is_not_taken_for_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Proxy() as proxy:
        port = proxy.port
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")

    error = await unreached("https://far.example/v1")

    said = f"The proxy on the way to far.example does not work. Nothing listens at 127.0.0.1:{port}."
    assert said == str(error)
    assert "HTTPS_PROXY" in error.hint


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://127.0.0.1:1080", "The proxy in the variable ALL_PROXY is one for SOCKS"),
        ("http://[bad", "The proxy in the variable ALL_PROXY is no address"),
        ("ftp://me:hunter2@box", "The proxy in the variable ALL_PROXY is no address"),
        ("http://", "The proxy in the variable ALL_PROXY is no address"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_said_and_not_tried_again(
    proxy: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)

    error = await unreached("https://far.example/v1")

    assert words in str(error)
    assert "hunter2" not in error.sentence
    assert not may_pass(error)


def test_a_proxy_for_the_other_protocol_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1")

    assert DIRECT == route_to(read_address("https://far.example"))


# -- certificates -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [REMOTE, "127.0.0.1"])
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_an_authority_of_the_environment_is_trusted(
    host: str, variable: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(authority.file))
    async with Loopback(Reply.json(OK), tls=authority.server(host)) as server:
        assert OK == await asked(f"https://{host}:{server.port}/v1", KEY)


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
async def test_a_folder_of_authorities_is_trusted(
    variable: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "trusted"
    folder.mkdir()
    number = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(authority.file)], capture_output=True, text=True, check=True
    ).stdout.strip()
    (folder / f"{number}.0").write_bytes(authority.file.read_bytes())
    monkeypatch.setenv(variable, f"/nowhere{os.pathsep}{folder}" if variable == "SSL_CERT_DIR" else str(folder))
    async with Loopback(Reply.json(OK), tls=authority.server(REMOTE)) as server:
        assert OK == await asked(f"https://{REMOTE}:{server.port}/v1")


async def test_what_openssl_is_told_counts_before_what_requests_is_told(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    async with Loopback(Reply.json(OK), tls=authority.server(REMOTE)) as server:
        assert OK == await asked(f"https://{REMOTE}:{server.port}/v1")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
async def test_certificates_that_cannot_be_read_are_said_and_nothing_is_sent(
    variable: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Loopback(Reply.json(OK), tls=authority.server("127.0.0.1")) as server:
        monkeypatch.setenv(variable, str(tmp_path / "missing"))
        missing = await unreached(server.url)
        (tmp_path / "missing").write_text("no certificate")
        senseless = await unreached(server.url)

    for error in (missing, senseless):
        assert f"The certificates that {variable} names cannot be read; nothing was sent." == str(error)
        assert not may_pass(error)
    assert [] == server.requests


@pytest.mark.parametrize(
    ("make", "sentence", "hint"),
    [
        (lambda ca: ca.server("127.0.0.1", since=-3 * DAY, until=-DAY), "has expired", "clock"),
        (lambda ca: ca.server("127.0.0.1", since=timedelta(hours=1)), "is not valid yet", "clock"),
        (lambda ca: ca.server("other.example"), "was made for another name", "the name in the certificate"),
        (lambda ca: ca.server("10.0.0.1"), "was made for another name", "the name in the certificate"),
        (lambda ca: ca.server("127.0.0.1", own=True), "the server signed it itself", "SSL_CERT_FILE"),
    ],
)
async def test_each_fault_of_a_certificate_has_its_own_sentence(
    make: Callable[[Authority], Any], sentence: str, hint: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with Loopback(Reply.json(OK), tls=make(authority)) as server:
        error = await unreached(server.url)

    assert f"The certificate of 127.0.0.1:{server.port} " in str(error)
    assert sentence in str(error)
    assert hint in error.hint
    assert "Nothing was sent." in error.hint
    assert [] == server.requests


async def test_an_authority_that_nobody_named_is_not_trusted(authority: Authority) -> None:
    async with Loopback(Reply.json(OK), tls=authority.server("127.0.0.1")) as server:
        error = await unreached(server.url)

    assert "this computer does not know who signed it" in str(error)
    assert "In a company's network" in error.hint
    assert [] == server.requests


def test_without_a_variable_the_usual_authorities_are_trusted() -> None:
    assert trusting().cert_store_stats()["x509_ca"] > 50


# -- names and networks ---------------------------------------------------------------------------


async def test_a_name_that_nobody_knows_is_not_a_closed_port() -> None:
    error = await unreached("https://nothing.example/v1")

    assert "There is no computer named nothing.example, or no network." == str(error)


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH])
async def test_a_network_that_is_not_there_is_not_a_closed_port(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: socket.socket, address: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "connect", connect)

    error = await unreached("http://127.0.0.1:9/v1")

    assert "No network leads to 127.0.0.1:9." == str(error)
    assert "VPN" in error.hint


def test_a_route_that_cannot_be_used_is_an_error_of_the_connection() -> None:
    assert issubclass(NoWay, NotReached)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take in more connections than they are told to")
async def test_a_computer_that_does_not_answer_says_how_long_it_was_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tui_chat.providers.http.CONNECT_TIMEOUT", 0.05)
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        for _ in range(3):  # as many as it lets wait, and more: whoever comes now gets no answer
            each = waiting.enter_context(socket.socket())
            each.setblocking(False)
            each.connect_ex(place)
        error = await unreached(f"http://127.0.0.1:{place[1]}/v1")

    assert f"127.0.0.1:{place[1]} does not answer: no connection within 5 seconds." == str(error)
    assert not may_pass(error)
