"""How late a typed letter is on the screen while 1,000 tokens a second arrive, and while nothing does.

By hand: ``python -m tests.benchmarks.keys_while_streaming [ROUNDS]``.

The whole program runs in a pseudo-terminal of 120 x 40 against a server on the loopback, in a process of its
own. In each round the same letters are typed at the same pace: first at rest, then into the reply that streams.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.benchmarks.texts import answer
from tests.servers.terminal import Computer, Terminal, computer_with_keyring

LIMIT = 0.060
"""Seconds, of the median while streaming."""

TOKENS_PER_SECOND, SECONDS, KEYS_PER_SECOND = 1_000, 6, 12
CHARACTERS_PER_TOKEN = 4
LETTERS = [chr(code) for code in range(0x2801, 0x2900)]
"""Letters that are in no text; each is one piece of bytes in the terminal."""

PROMPT_READY = "essage (enter sends"  # the cursor stands on its M
MODEL, LAST_WORDS = "fast", "the very last token"


class Connection(BaseHTTPRequestHandler):
    """Streams one long answer, each token an event, as many as are due each millisecond."""

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
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        text, size = answer(TOKENS_PER_SECOND * SECONDS, seed=3), CHARACTERS_PER_TOKEN
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        began, sent = time.perf_counter(), 0
        while sent < len(pieces):
            due = min(len(pieces), int((time.perf_counter() - began) * TOKENS_PER_SECOND) + 1)
            self.wfile.write(b"".join(map(_event, pieces[sent:due])))
            sent = due
            time.sleep(0.001)
        self.wfile.write(_event(f"\n\n{LAST_WORDS}") + b"data: [DONE]\n\n")


def _event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


@contextmanager
def serving() -> Iterator[str]:
    """The server as a child, so that it and the measuring do not share an interpreter; its address."""
    command = [sys.executable, "-m", "tests.benchmarks.keys_while_streaming", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def serve() -> None:
    """Serve until SIGTERM."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


def prepare(computer: Computer, url: str) -> None:
    """Make the server the computer's model; a history is there, its first run behind it."""
    (computer.root / "tui-chat/config/settings.toml").write_text(
        f'model = "local/{MODEL}"\n[endpoints.local]\nbase_url = "{url}"\ncontext_window = 131072\n'
    )
    computer.run("new", "Measured")


def echoes(terminal: Terminal, letters: Sequence[str]) -> list[float]:
    """The seconds until each letter was written to the terminal; the letters go in at their pace."""
    seconds, due = [], time.perf_counter()
    for letter in letters:
        while (now := time.perf_counter()) < due:
            terminal.read(min(0.002, due - now))
        due = max(due + 1 / KEYS_PER_SECOND, now)
        place, typed = len(terminal.raw), time.perf_counter()
        terminal.type(letter)
        needle = letter.encode()
        while terminal.raw.find(needle, place) < 0:
            terminal.read(0.05)
            assert time.perf_counter() - typed < 30, f"{letter} never came\n{terminal.text}"
        seconds.append(time.perf_counter() - typed)
    return seconds


def one_round(terminal: Terminal) -> tuple[list[float], list[float], float]:
    """The echoes at rest and while streaming, and the share of a core that streaming took."""
    letters = LETTERS[: (SECONDS - 1) * KEYS_PER_SECOND]
    rest = echoes(terminal, letters)
    terminal.type("\x15")  # what was typed is no part of the prompt
    terminal.wait_for(PROMPT_READY)
    terminal.type("Tell me everything.\r")
    place = len(terminal.raw)
    terminal.until(lambda: len(terminal.raw) > place + 2_000, what="a stream")
    began, cpu = time.perf_counter(), terminal.cpu_seconds()
    streaming = echoes(terminal, letters)
    share = (terminal.cpu_seconds() - cpu) / (time.perf_counter() - began)
    assert LAST_WORDS not in terminal.text, "the reply was over before the typing"
    terminal.type("\x15")
    terminal.wait_for(LAST_WORDS)
    terminal.wait_for(PROMPT_READY)
    while terminal.read(0.5):
        pass
    return rest, streaming, share


def main(rounds: int) -> None:
    """Print the table."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"load {load:.1f} on {cores} cores, {rounds} rounds; {TOKENS_PER_SECOND:,} tokens/s for {SECONDS} s\n")
    rest: list[float] = []
    streaming: list[float] = []
    shares: list[float] = []
    with serving() as url, computer_with_keyring() as computer:
        prepare(computer, url)
        for _ in range(rounds):
            with computer.start(columns=120, rows=40) as terminal:
                terminal.wait_for(PROMPT_READY)
                terminal.type("\x0e")  # a new conversation for each round
                while terminal.read(0.5):
                    pass
                still, busy, share = one_round(terminal)
                terminal.type("\x11")
                terminal.wait_for_exit()
            rest += still
            streaming += busy
            shares.append(share)
    print(f"{'key echo':24} letters   median      p95    worst")
    _line("at rest", rest)
    _line("while streaming", streaming)
    print(f"share of a core while streaming: {statistics.median(shares):.0%}")
    median = statistics.median(streaming)
    print(f"limit {LIMIT * 1e3:.0f} ms, median while streaming: {'met' if median <= LIMIT else 'MISSED'}")


def _line(name: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
    middle = statistics.median(ordered)
    print(f"{name:24} {len(ordered):7} {middle * 1e3:6.1f} ms {p95 * 1e3:5.1f} ms {ordered[-1] * 1e3:5.1f} ms")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
