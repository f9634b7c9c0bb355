"""Servers that behave as no good one does: ``python fake_server.py MODE``, told by the same variables.

``old``    listens before it has loaded, and says so in the words of older versions
``open``   answers people without the key
``shut``   refuses the key that it was given
``mute``   never says where it listens
``loud``   writes megabytes without a line end, then serves
``dead``   says why it cannot, in the words of the model's name, and ends
``deaf``   does not heed a request to end, and says so
``leaky``  serves, and writes what it was asked into its log
"""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = sys.argv[1]
KEY = f"Bearer {os.environ['LLAMA_API_KEY']}"
asked = 0


class Connection(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        global asked
        if self.path == "/health":
            asked += 1
        if MODE == "old" and asked < 3:
            return self._answer(503)
        if self.path == "/health":
            return self._answer(200)
        if MODE == "leaky":
            print("asked by", self.headers.get("Authorization"), "for", self.path, flush=True)
        known = self.headers.get("Authorization") == KEY
        return self._answer(200 if MODE == "open" or (known and MODE != "shut") else 401)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    if MODE == "dead":
        print(os.environ["LLAMA_ARG_ALIAS"], file=sys.stderr, flush=True)
        sys.exit(3)
    if MODE == "mute":
        print("still loading", flush=True)
        signal.pause()
    if MODE == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("I hear nothing", flush=True)
    if MODE == "loud":
        for _ in range(300):
            print("x" * 10_000, end="")
        print(flush=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    port = server.server_address[1]
    if MODE == "old":
        print(f"main: HTTP server is listening, hostname: 127.0.0.1, port: {port}, http threads: 15", flush=True)
    else:
        print(f"server is listening on http://127.0.0.1:{port}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
