"""Safe addresses and keys, and connections that fail in every way."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.contracts.provider import KEY
from tests.providers.certificates import Authority
from tests.providers.loopback import Loopback, Reply
from tui_chat.core.address import read_address
from tui_chat.core.errors import BadInput, NotReached, ProviderError, ServerFailed
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.providers.http import Answer, Connection, Refused, make_client
from tui_chat.providers.inflate import PIECE


def connect(url: str, key: Secret | None = None, transport: httpx.AsyncBaseTransport | None = None) -> Connection:
    return Connection(Endpoint("here", url), key, transport=transport)


# -- addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com/v1",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "http://user:password@example.com",
        "http://127.0.0.1\\@example.com",
        "http://example.com:0/v1",
        "http://example.com:99999/v1",
        "http://exa mple.com",
        "http://example.com/a b",
        "http://example.com/v1?key=1",
        "http://example.com/v1#x",
        "http://example..com",
        "http://[::1",
        "http://[fe80::1::2]/",
        "http://a\r\nX-Evil: 1/",
    ],
)
def test_an_unsafe_address_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        connect(url)

    assert caught.value.hint
    assert "password@" not in caught.value.sentence


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        (" http://[::1]:8080/v1 ", "http://[::1]:8080/v1"),
        ("http://my_nas:11434", "http://my_nas:11434"),
        ("https://bücher.example/v1", "https://bücher.example/v1"),
    ],
)
def test_an_address_is_taken_without_its_last_slash(url: str, expected: str) -> None:
    assert expected == connect(url).address.url


# -- keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "http://localhost:8080/v1",
        "http://127.3.2.1/v1",
        "http://[::1]:8080/v1",
        "http://192.168.1.20:11434/v1",
        "http://10.0.0.7/v1",
        "http://172.31.0.1/v1",
        "http://[fd00::7]/v1",
        "http://[::ffff:127.0.0.1]/v1",
    ],
)
def test_a_key_goes_over_https_to_this_computer_and_to_the_own_network(url: str) -> None:
    connect(url, KEY)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/v1",
        "http://8.8.8.8/v1",
        "http://172.32.0.1/v1",
        "http://nas.local/v1",
        "http://localhost.example.com/v1",
        "http://192.168.1.20.example.com/v1",
        "http://2130706433/v1",
        "http://0x7f.1/v1",
        "http://[::ffff:8.8.8.8]/v1",
        "http://[2001:db8::1]/v1",
    ],
)
def test_no_key_travels_unencrypted_to_anywhere_else(url: str) -> None:
    with pytest.raises(BadInput, match="unencrypted"):
        connect(url, KEY)
    connect(url)


@pytest.mark.parametrize("value", ["ключ", "two words", "line\nend", "\x00", b"\xff\xfe"])
def test_a_key_that_no_header_can_carry_is_refused_unquoted(value: str | bytes) -> None:
    with pytest.raises(BadInput) as caught:
        connect("https://api.example.com", Secret(value))

    assert str(value) not in caught.value.sentence
    assert caught.value.__cause__ is None


async def test_a_key_may_be_pasted_with_its_line_end() -> None:
    async with Loopback(Reply.json({"data": []})) as server:
        connection = connect(server.url, Secret("k\n"))
        await connection.get_json(f"{server.url}/models")
        await connection.close()

    assert server.last.headers["authorization"] == "Bearer k"


async def test_an_empty_key_is_no_key() -> None:
    async with Loopback(Reply.json({})) as server:
        connection = connect(server.url, Secret(" "))
        await connection.get_json(f"{server.url}/models")
        await connection.close()

    assert "authorization" not in server.last.headers


# -- the client ----------------------------------------------------------------------------------


async def test_no_proxy_stands_between_us_and_our_own_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with Loopback(Reply.json({"data": []})) as server:
        connection = connect(server.url)

        assert await connection.get_json(f"{server.url}/models") == {"data": []}
        await connection.close()


async def test_a_client_for_plain_http_trusts_no_certificate(certificate: ssl.SSLContext) -> None:
    async with Loopback(Reply.json({}), tls=certificate) as server:
        client = make_client(read_address("http://127.0.0.1"))
        with pytest.raises(httpx.ConnectError):
            await client.get(server.url)
        await client.aclose()


def test_naming_and_checking_an_endpoint_imports_no_http_library() -> None:
    import subprocess

    program = (
        "import sys; from tui_chat.providers.connect import HttpProviders; from tui_chat.core.settings import Endpoint;"
        "HttpProviders().open(Endpoint('a', 'https://example.com/v1'), None);"
        "print([name for name in ('httpx', 'anyio', 'textual', 'rich') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


# -- connections that fail ---------------------------------------------------------------------------


async def refused(connection: Connection) -> Refused:
    outcome = await connection.post("chat/completions", b"{}", model="tiny")
    await connection.close()
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, NotReached)
    assert outcome.error.hint
    return outcome


@pytest.mark.parametrize(
    ("cause", "words", "again"),
    [
        (ConnectionRefusedError(111, "refused"), "Nothing listens at api.example.com", False),
        (socket.gaierror(-2, "Name or service not known"), "no computer named api.example.com", True),
        (ssl.SSLCertVerificationError("self-signed"), "certificate of api.example.com is not trusted", False),
        (ssl.SSLError("wrong version"), "does not speak https", False),
        (OSError(101, "Network is unreachable"), "No network leads to api.example.com", True),
        (OSError(1, "Operation not permitted"), "api.example.com cannot be reached", True),
    ],
)
async def test_a_connection_that_cannot_be_made_says_why(cause: OSError, words: str, again: bool) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no") from ExceptionGroup("all attempts", [cause])

    outcome = await refused(connect("https://api.example.com/v1", transport=httpx.MockTransport(fail)))

    assert words in str(outcome.error)
    assert again == outcome.again


@pytest.mark.parametrize("kind", [httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.ProxyError])
async def test_every_transport_failure_has_its_sentence(kind: type[httpx.TransportError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise kind("no")

    await refused(connect("https://api.example.com/v1", transport=httpx.MockTransport(fail)))


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """A server's TLS context that nobody has reason to trust."""
    return Authority(tmp_path).server("127.0.0.1", own=True)


async def test_a_self_made_certificate_is_not_trusted_and_nothing_is_sent(certificate: ssl.SSLContext) -> None:
    async with Loopback(Reply.json({}), tls=certificate) as server:
        outcome = await refused(connect(server.url, KEY))

    assert "certificate" in str(outcome.error)
    assert server.requests == []


async def test_https_to_a_plain_server_asks_for_http() -> None:
    async with Loopback(Reply.json({})) as server:
        outcome = await refused(connect(server.url.replace("http:", "https:")))

    assert "http://" in outcome.error.hint


async def test_a_server_that_speaks_no_http_is_told_from_a_busy_one() -> None:
    for said in (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n"):
        async with Loopback(Reply(raw=said)) as server:
            outcome = await refused(connect(server.url))

        assert f"127.0.0.1:{server.port} does not speak HTTP properly." == str(outcome.error)
        assert not outcome.again


async def test_plain_http_to_a_server_of_https_asks_for_https(certificate: ssl.SSLContext) -> None:
    async with Loopback(Reply.json({}), tls=certificate) as server:
        outcome = await refused(connect(server.url.replace("https:", "http:")))

    assert "https://" in outcome.error.hint


async def test_a_server_that_falls_silent_is_given_up() -> None:
    async with Loopback(Reply(b"data: x\n\n", cut=100, gate=asyncio.Event())) as server:
        connection = connect(server.url)
        answer = await connection.post("chat/completions", b"{}", model="tiny")
        assert isinstance(answer, Answer)
        assert await answer.next() == b"data: x\n\n"
        with pytest.raises(NotReached, match="fell silent for 1 second"):
            await answer.next(within=0.02)
        await answer.close()
        await connection.close()


@pytest.mark.parametrize("status", [200, 503])
async def test_a_body_that_only_drips_is_given_up_as_a_whole(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_chat.providers.http.WHOLE_ANSWER", 0.05)
    async with Loopback(Reply(b" ", status, drips=True)) as server:
        connection = connect(server.url)
        with pytest.raises(ProviderError) as caught:
            await connection.get_json(f"{server.url}/models", within=0.05)
        await connection.close()

    said = "did not come to the end of its answer within 1 second" if status == 200 else "failed (503"
    assert said in str(caught.value)


# -- bodies that nobody asked to compress -----------------------------------------------------------------

GZIP = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize("cut", [1, 1000])
async def test_a_compressed_answer_is_read_however_it_is_cut(
    encoding: str, compress: Callable[[bytes], bytes], cut: int
) -> None:
    packed = Reply(compress(b'{"data": ["x"]}'), headers={"Content-Encoding": encoding}, cut=cut)
    async with Loopback(packed) as server:
        connection = connect(server.url)

        assert {"data": ["x"]} == await connection.get_json(f"{server.url}/models")
        assert server.last.headers["accept-encoding"] == "identity"
        await connection.close()


async def test_little_that_stands_for_much_comes_in_small_pieces_and_is_not_read_to_its_end() -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(bomb) < 200_000
    async with Loopback(Reply(bomb, headers=GZIP, cut=len(bomb))) as server:
        connection = connect(server.url)
        answer = await connection.post("chat/completions", b"{}", model="tiny")
        assert isinstance(answer, Answer)
        assert all([len(await answer.next()) <= PIECE for _ in range(9)])
        await answer.close()
        with pytest.raises(ServerFailed, match="more than 2 MB"):
            await connection.get_json(f"{server.url}/models")
        await connection.close()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(gzip.compress(gzip.compress(b"{}")), headers={"Content-Encoding": "gzip, gzip"}), "does not read"),
        (Reply(b"{}", headers={"Content-Encoding": "br"}), "does not read"),
        (Reply(b"{}", headers=GZIP), "damaged"),
        (Reply(b"no such thing", 404, headers={"Content-Encoding": "br"}), "(404)"),
    ],
)
async def test_a_compressed_answer_that_cannot_be_read_is_said_to_be(reply: Reply, words: str) -> None:
    async with Loopback(reply) as server:
        connection = connect(server.url)
        with pytest.raises(ProviderError) as caught:
            await connection.get_json(f"{server.url}/models")
        await connection.close()

    assert words in str(caught.value)


async def test_an_answer_may_be_called_created() -> None:
    async with Loopback(Reply.json({"data": []}, 201)) as server:
        connection = connect(server.url)

        assert {"data": []} == await connection.get_json(f"{server.url}/models")
        await connection.close()
