"""An OpenAI-compatible server on the loopback that speaks slowly, for who wants to be there while it speaks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

Answer = Callable[[str], Iterable[str]]
"""From the last prompt to the pieces of the reply; it may go on for ever."""

MODEL = "slow"


def counting(prompt: str) -> Iterator[str]:
    """For ever: ``n0 n1 n2 …``, the same for every prompt."""
    return (f"n{number} " for number in count())


class SlowModel:
    """Serves the answer's pieces ``pause`` seconds apart, a thread for each connection.

    ``requests`` and ``headers`` are what came; ``left`` is set when a client went away in mid-reply.
    """

    def __init__(self, answer: Answer = counting, *, pause: float = 0.01) -> None:
        self.answer = answer
        self.pause = pause
        self.requests: list[Any] = []
        self.headers: list[Mapping[str, str]] = []
        self.left = threading.Event()
        self.ended = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._connection())

    @property
    def url(self) -> str:
        """Its OpenAI base URL."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def _connection(self) -> type[BaseHTTPRequestHandler]:
        model = self

        class Connection(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                body = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.headers.append(dict(self.headers))
                model.requests.append(request)
                try:
                    self._stream(model.answer(request["messages"][-1]["content"]))
                except ConnectionError:
                    model.left.set()

            def _stream(self, pieces: Iterable[str]) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for piece in pieces:
                    self._event({"delta": {"content": piece}})
                    if model.ended.wait(model.pause):
                        return
                self._event({"delta": {}, "finish_reason": "stop"})
                self.wfile.write(b"data: [DONE]\n\n")

            def _event(self, choice: dict[str, Any]) -> None:
                self.wfile.write(b"data: " + json.dumps({"choices": [{"index": 0, **choice}]}).encode() + b"\n\n")

        return Connection


@contextmanager
def slow_model(answer: Answer = counting, *, pause: float = 0.01) -> Iterator[SlowModel]:
    """A running slow model; whoever still listens at the end is cut off."""
    model = SlowModel(answer, pause=pause)
    thread = threading.Thread(target=model.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield model
    finally:
        model.ended.set()
        model.server.shutdown()
        thread.join(10)
        model.server.server_close()
