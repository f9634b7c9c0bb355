"""From enter to the first painted token, above what the server itself takes.

By hand: ``python -m tests.benchmarks.first_token [ROUNDS]``.

The whole program runs in a pseudo-terminal of 120 x 40 against a server on the loopback, on a thread of
this process and so on the same clock. Each round is one prompt; before it, a bare ``httpx`` client posts the
same to the same server and reads its first token: what no client of it can be without.

* ``server``: from the request's last byte to the first of the reply; its model "thinks" for 50 ms.
* ``above the server``: from the enter byte to the first token's bytes in the terminal, less ``server``.
* ``to the request``, ``from the reply``: the same, before and behind the server.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter

import httpx

from tests.servers.terminal import Computer, Terminal, computer_with_keyring

LIMIT = 0.030
"""Seconds above the server's own first byte."""

THINKS, GOES_ON = 0.05, 0.2
FIRST = [chr(code) for code in range(0x2801, 0x2900)]
"""Tokens that no screen has before: each is one piece of bytes in the terminal."""

PROMPT_READY = "essage (enter sends"  # the cursor stands on its M
ENTER, MODEL = b"\r", "measured"


@dataclass(frozen=True)
class Sample:
    """Seconds of one round."""

    bare: float
    """From the bare client's post to its first token, less the server's."""

    server: float
    to_request: float
    from_reply: float

    @property
    def above(self) -> float:
        return self.to_request + self.from_reply


class Quiet(ThreadingHTTPServer):
    """Says nothing where a client has left."""

    daemon_threads = True  # a kept connection does not hold up the end

    def handle_error(self, request: object, client_address: object) -> None:
        """It left."""


class Server:
    """Answers with the next of ``FIRST``; notes when a request was there and when the reply began."""

    def __init__(self) -> None:
        self.asked = self.began = 0.0
        self.tokens = iter(FIRST)
        self.token = ""
        self.server = Quiet(("127.0.0.1", 0), self._connection())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def _connection(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Connection(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            thinking = threading.Event()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                self._whole(json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                owner.asked = perf_counter()
                owner.token = next(owner.tokens)
                self.thinking.wait(THINKS)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                owner.began = perf_counter()
                self.end_headers()
                self._event({"choices": [{"index": 0, "delta": {"content": owner.token}}]})
                self.thinking.wait(GOES_ON)  # so that the end's own work is not measured
                with suppress(ConnectionError):  # the bare client has seen enough
                    self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                    self._chunk(b"data: [DONE]\n\n")
                    self._chunk(b"")

            def _whole(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _event(self, value: object) -> None:
                self._chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

            def _chunk(self, data: bytes) -> None:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

        return Connection


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        thread.join(10)
        server.server.server_close()


def sample(terminal: Terminal, server: Server, client: httpx.Client, number: int) -> Sample:
    """One prompt of the bare client, and one in the program."""
    bare = _bare(client, server)
    terminal.type(f"Prompt {number}, please")
    terminal.wait_for(f"❯ Prompt {number}, please")
    _settle(terminal)
    place = len(terminal.raw)
    typed = perf_counter()
    terminal.type(ENTER)
    terminal.until(lambda: server.asked > typed and server.token.encode() in terminal.raw[place:], what="a token")
    painted = terminal._last_read
    terminal.wait_for(PROMPT_READY)
    _settle(terminal)
    return Sample(bare, server.began - server.asked, server.asked - typed, painted - server.began)


def _bare(client: httpx.Client, server: Server) -> float:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Prompt, please"}], "stream": True}
    posted = perf_counter()
    with client.stream("POST", f"{server.url}/chat/completions", json=body) as reply:
        seen = ""
        for text in reply.iter_text():
            seen += text
            if json.dumps(server.token) in seen:
                break
        received = perf_counter()
    return received - posted - (server.began - server.asked)


def _settle(terminal: Terminal) -> None:
    """Read until the program has said nothing for a third of a second: counts, the list, the title."""
    while terminal.read(0.3):
        pass


def prepare(computer: Computer, server: Server) -> None:
    """Make the server the computer's model; a history is there, its first run behind it."""
    (computer.root / "tui-chat/config/settings.toml").write_text(
        f'model = "local/{MODEL}"\n[endpoints.local]\nbase_url = "{server.url}"\ncontext_window = 32768\n'
    )
    computer.run("new", "Measured")


def main(rounds: int) -> None:
    """Print the table."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"load {load:.1f} on {cores} cores, {rounds} rounds; the model thinks {THINKS * 1e3:.0f} ms\n")
    with serving() as server, computer_with_keyring() as computer, httpx.Client() as client:
        prepare(computer, server)
        with computer.start(columns=120, rows=40) as terminal:
            terminal.wait_for(PROMPT_READY)
            _settle(terminal)
            first = sample(terminal, server, client, 0)
            samples = [sample(terminal, server, client, number) for number in range(1, rounds + 1)]
            terminal.type("\x11")
            terminal.wait_for_exit()
    print(f"{'from enter to the first token painted':38}     median      p95    worst")
    _line("bare httpx client, above the server", [each.bare for each in samples])
    _line("the server itself", [each.server for each in samples])
    _line("tui-chat: to the request", [each.to_request for each in samples])
    _line("tui-chat: from the reply", [each.from_reply for each in samples])
    _line("tui-chat: above the server", [each.above for each in samples])
    _line("tui-chat: above the bare client", [each.above - each.bare for each in samples])
    print(f"the first prompt of the run (connects): {first.above * 1e3:.1f} ms above the server")
    median = statistics.median(each.above for each in samples)
    print(f"limit {LIMIT * 1e3:.0f} ms above the server, median: {'met' if median <= LIMIT else 'MISSED'}")


def _line(name: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
    print(f"{name:38} {statistics.median(ordered) * 1e3:7.1f} ms {p95 * 1e3:5.1f} ms {ordered[-1] * 1e3:5.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
