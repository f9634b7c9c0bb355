"""The connection to one endpoint: requests out, bytes in, and one way to fail.

httpx is imported, and its client made, with the first request and in a thread: together they
cost a tenth of a second (the TLS context a fifth of that). For plain http no certificates are loaded.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from tui_chat import __version__
from tui_chat.core.address import Address, read_address
from tui_chat.core.errors import NotReached, ProviderError, ServerFailed
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.providers.inflate import plain
from tui_chat.providers.refusals import (
    SETTINGS,
    TRY_AGAIN,
    Speaker,
    clean,
    complaint,
    duration,
    not_this_dialect,
    parse_json,
    refusal,
    web_page,
)
from tui_chat.providers.route import DIRECT, Route, proxy_of, route_to, trusting
from tui_chat.providers.sent_key import check_key
from tui_chat.providers.unreached import CONNECT_TIMEOUT, may_pass, transport_errors
from tui_chat.providers.waits import asked_wait, worth_retrying
from tui_chat.providers.wire import Wire

if TYPE_CHECKING:
    import httpx

SILENCE = 60.0
"""Seconds between two pieces of a body."""

WHOLE_ANSWER = 20.0
"""Seconds for the first byte of an answer that is not streamed, and again for all of it."""

LARGEST_BODY = 2_000_000
"""Bytes of an error or of a list of models; the rest is not read."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No answer: why, whether another try may help, and the seconds the server asks to wait before it."""

    error: ProviderError
    again: bool = False
    wait: float | None = None
    status: int = 0
    about: str = field(default="", repr=False)
    """What the server says the refusal is about: the parameter's name and its words, uncut; never shown."""
    param: str = ""
    """That parameter's name alone, where the server says it apart from its words."""


class Answer:
    """The open body of an answer. Close it, whatever happens."""

    def __init__(self, response: httpx.Response, speaker: Speaker) -> None:
        """Reads nothing yet. Raises ServerFailed for a body that cannot be decoded."""
        self._response = response
        encoding = response.headers.get("content-encoding", "")
        self._chunks = plain(response.aiter_raw(), encoding, name=speaker.name)
        self._first = b""
        self.speaker = speaker

    async def begin(self) -> None:
        """Wait for the first piece, which ``next`` then gives."""
        self._first = await anext(self._chunks, b"")

    async def next(self, *, within: float = SILENCE) -> bytes:
        """The next piece; empty at the end. Raises NotReached when it is cut or silent for so many seconds."""
        if self._first:
            piece, self._first = self._first, b""
            return piece
        name = self.speaker.name
        try:
            with transport_errors(self.speaker, midway=True):
                async with asyncio.timeout(within):
                    return await anext(self._chunks, b"")
        except TimeoutError as error:
            raise NotReached(
                f"{name} fell silent for {duration(within)} in the middle of its reply.", hint=TRY_AGAIN
            ) from error

    async def close(self) -> None:
        """Close the connection unless the body was read to its end; the server then stops working on it."""
        await self._response.aclose()


class Connection:
    """One HTTP client for one endpoint; its key is sent there and nowhere else."""

    def __init__(
        self,
        endpoint: Endpoint,
        key: Secret | None = None,
        *,
        first_byte_timeout: float = 300.0,
        transport: httpx.AsyncBaseTransport | None = None,
        wire: Wire | None = None,
    ) -> None:
        """Opens nothing yet. Raises BadInput for an unsafe address or key."""
        self.address = read_address(endpoint.base_url)
        self.name = endpoint.name
        self._key = check_key(endpoint, self.address, key)
        self._first_byte_timeout = first_byte_timeout
        self._transport = transport
        self._wire = wire or Wire()
        self._route = DIRECT
        self._client: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()

    def speaker(self, url: str, model: str = "") -> Speaker:
        """Who is spoken to, for messages."""
        return Speaker(self.name, url, model, self._key, self._wire)

    async def post(self, path: str, body: bytes, *, model: str) -> Answer | Refused:
        """Send a JSON body and wait for the first byte of what comes back."""
        speaker = self.speaker(f"{self.address.url}/{path}", model)
        try:
            return await self._open("POST", speaker, within=self._first_byte_timeout, body=body)
        except NotReached as error:
            return Refused(error, again=may_pass(error))

    async def get_json(self, url: str, *, within: float = WHOLE_ANSWER) -> Any:
        """The JSON value at an address. Raises ProviderError."""
        speaker = self.speaker(url)
        answer = await self._open("GET", speaker, within=within)
        if isinstance(answer, Refused):
            raise answer.error
        try:
            body = await self._read(answer, within)
        finally:
            await answer.close()
        try:
            return parse_json(body)
        except ValueError as error:
            raise (web_page(speaker) if body.lstrip().startswith(b"<") else not_this_dialect(speaker)) from error

    async def close(self) -> None:
        """Close what is open; a later request opens it again."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    # -- inside ---------------------------------------------------------------------------

    async def _open(
        self, method: Literal["GET", "POST"], speaker: Speaker, *, within: float, body: bytes | None = None
    ) -> Answer | Refused:
        client = await self._ready()
        headers = {**self._wire.headers, **({"Content-Type": "application/json"} if body is not None else {})}
        response = None
        try:
            with transport_errors(speaker, route=self._route):
                request = client.build_request(method, speaker.url, content=body, headers=headers)
                async with asyncio.timeout(within):
                    response = await client.send(request, stream=True, auth=self._authorise)
                    if response.is_success:  # some answer every POST with a 201
                        answer = Answer(response, speaker)
                        await answer.begin()
                        return answer
            return await self._refused(speaker, response)
        except TimeoutError as error:
            await _close(response)
            raise NotReached(
                f"{speaker.name} sent nothing for {duration(within)}.",
                hint="A local model may still be loading; the wait can be made longer in the settings.",
            ) from error
        except BaseException:
            await _close(response)
            raise

    async def _refused(self, speaker: Speaker, response: httpx.Response) -> Refused:
        try:
            body = await self._read(Answer(response, speaker), WHOLE_ANSWER)
        except ProviderError:
            body = b""  # the status alone says what happened; its explanation was cut off
        finally:
            await response.aclose()
        said = complaint(body, key=self._key)
        wait = asked_wait(response.headers)
        wait = said.wait if wait is None else wait
        moved = _target(response.headers.get("location", ""), self._key)
        return Refused(
            refusal(speaker, response.status_code, said, wait=wait, moved=moved),
            again=worth_retrying(response.status_code, response.headers) and not said.exhausted,
            wait=wait,
            status=response.status_code,
            about=said.about,
            param=said.param,
        )

    async def _read(self, answer: Answer, within: float) -> bytes:
        """A whole body. Raises ServerFailed beyond ``LARGEST_BODY``, NotReached beyond so many seconds."""
        body = bytearray()
        try:
            async with asyncio.timeout(within):
                while piece := await answer.next():
                    body += piece
                    if len(body) > LARGEST_BODY:
                        raise ServerFailed(f"{self.name} answered with more than 2 MB.", hint=SETTINGS)
        except TimeoutError as error:
            said = f"{self.name} did not come to the end of its answer within {duration(within)}."
            raise NotReached(said, hint=TRY_AGAIN) from error
        return bytes(body)

    async def _ready(self) -> httpx.AsyncClient:
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make)
            return self._client

    def _make(self) -> httpx.AsyncClient:
        self._route = DIRECT if self._transport is not None else route_to(self.address)
        return make_client(self.address, self._route, transport=self._transport)

    def _authorise(self, request: httpx.Request) -> httpx.Request:
        # Set here and nowhere earlier: no local variable and no default header ever holds the key.
        if self._key is not None:
            request.headers[self._wire.key_header] = f"{self._wire.key_prefix}{self._key.reveal_text()}"
        return request


def make_client(
    address: Address, route: Route = DIRECT, *, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A client for one address and the way there; it follows no redirect. Blocks a moment. Raises NoWay."""
    import httpx

    for name in ("httpx", "httpcore"):  # they log addresses and headers, and a header may echo the key
        logging.getLogger(name).setLevel(logging.WARNING)
    # Without TLS nothing needs certificates. This context trusts none, so that it could not be misused.
    tls = trusting() if address.encrypted else None
    return httpx.AsyncClient(
        verify=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        proxy=proxy_of(route, tls),
        trust_env=False,  # the route says all that the environment has to say
        follow_redirects=False,
        timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT, write=SILENCE),
        # Uncompressed: pieces then arrive as they were sent.
        headers={"User-Agent": f"tui-chat/{__version__}", "Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none is kept, so none tells us apart
        transport=transport,
    )


def _target(location: str, key: Secret | None) -> str:
    """Where a redirect leads, without what may be personal in it; empty where that is not clear."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return clean(f"{parts.scheme}://{host}{parts.path}", limit=100, key=key) if host else ""


async def _close(response: httpx.Response | None) -> None:
    if response is not None:
        await response.aclose()
