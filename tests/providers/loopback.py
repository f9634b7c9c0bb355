"""A scripted HTTP server on the loopback that can cut, drop, hold and watch."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """What a client sent; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What the server answers.

    The body goes out in chunks of ``cut`` bytes. ``gate``: what follows, ``then``, waits until it
    is set. ``drop``: the connection is closed without the body's proper end (``silent``: without a
    single byte). ``drips``: the body comes again and again. ``raw`` is sent instead of an answer.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 7
    gate: asyncio.Event | None = None
    then: bytes = b""
    drop: bool = False
    silent: bool = False
    drips: bool = False
    raw: bytes = b""

    @classmethod
    def json(cls, value: Any, status: int = 200, **more: Any) -> Reply:
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(body, status, "application/json", **{"cut": 1000, **more})


class Loopback:
    """Serves the script's replies one after the other; the last one again and again.

    ``requests`` is what came, ``asked`` is set when the first did, ``left`` is set when a client
    closed its connection before its answer was done. ``routes`` answer their path before the script.
    """

    def __init__(self, *script: Reply, routes: Mapping[str, Reply] | None = None, tls: ssl.SSLContext | None = None):
        self._script = list(script) or [Reply.json({"error": "not found"}, 404)]
        self._routes = dict(routes or {})
        self._tls = tls
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open.values():
            writer.close()  # whoever reads or holds there sees the end
        await asyncio.gather(*self._open)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    @property
    def last(self) -> Request:
        return self.requests[-1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while request := await self._read(reader):
                self.requests.append(request)
                self.asked.set()
                if not await self._answer(self._next(request), reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            del self._open[task]
            writer.close()

    def _next(self, request: Request) -> Reply:
        if request.path in self._routes:
            return self._routes[request.path]
        return self._script.pop(0) if len(self._script) > 1 else self._script[0]

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        if not (line := await reader.readline()):
            return None
        method, path, _ = line.decode().split()
        headers = {}
        while (line := await reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Request(method, path, headers, body)

    async def _answer(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send it; whether the connection goes on."""
        if reply.silent or reply.raw:
            writer.write(reply.raw)
            return False
        head = {"Content-Type": reply.content_type, "Transfer-Encoding": "chunked", **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Some", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        await self._chunks(reply.body, reply.cut, writer)
        while reply.drips:
            await self._chunks(reply.body, reply.cut, writer)
        if reply.gate is not None and not await self._hold(reply.gate, reader):
            return False
        await self._chunks(reply.then, reply.cut, writer)
        if not reply.drop:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return not reply.drop

    async def _hold(self, gate: asyncio.Event, reader: asyncio.StreamReader) -> bool:
        """Wait for the gate, or for the client to leave; whether it is still there."""
        waits = {asyncio.create_task(gate.wait()), gone := asyncio.create_task(reader.read(1))}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stays = not gone.done()
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if not stays:
            self.left.set()
        return stays

    async def _chunks(self, body: bytes, size: int, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0)  # so that the pieces arrive apart
