"""Commands as a shell runs them, in this process: a real program, a real encrypted history, cheap keys."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.providers.loopback import Loopback, Reply
from tui_chat.bootstrap import LocalProgram
from tui_chat.cli.main import main
from tui_chat.core.errors import KeyringUnavailable
from tui_chat.crypto.keychain import Backend, Keychain
from tui_chat.crypto.keys import KdfParameters
from tui_chat.crypto.lock import HistoryLock
from tui_chat.services.program import Program


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Input(io.TextIOWrapper):
    """A stdin that says whether it is a terminal."""

    def __init__(self, data: bytes, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@dataclass
class Shell:
    """Runs ``tui-chat`` with arguments; the app only says that it was opened."""

    capture: pytest.CaptureFixture[bytes]
    monkeypatch: pytest.MonkeyPatch
    opened: list[str | None] = field(default_factory=list)
    open_app: Callable[[Program, str | None], int] | None = None
    keyring: Backend | None = None

    def __call__(self, *arguments: str, stdin: str | bytes = b"", terminal: bool = False) -> Outcome:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        self.monkeypatch.setattr(sys, "stdin", Input(data, terminal=terminal))
        for stream in (sys.stdout, sys.stderr):
            self.monkeypatch.setattr(stream, "isatty", lambda: terminal)
        self.capture.readouterr()
        code = main(arguments, make_program=self.make, open_app=self.open_app or self.note_app)
        captured = self.capture.readouterr()
        return Outcome(code, captured.out.decode(), captured.err.decode())

    def ok(self, *arguments: str, stdin: str | bytes = b"") -> Outcome:
        """Run a command that has to succeed."""
        outcome = self(*arguments, stdin=stdin)
        assert outcome.code == 0, outcome.err
        return outcome

    def note_app(self, program: Program, conversation: str | None) -> int:
        self.opened.append(conversation)
        return 0

    def make(self, *, user: str | None, model: str | None, gguf: Path | None = None, interactive: bool) -> Program:
        keychain = Keychain(backend=self.find_keyring)
        return LocalProgram(os.environ, user=user, model=model, gguf=gguf, interactive=interactive, keychain=keychain)

    def find_keyring(self) -> Backend:
        if self.keyring is None:
            raise KeyringUnavailable("There is no keyring.")
        return self.keyring


@pytest.fixture
def sh(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """A shell with a passphrase file, a key derivation at the lowest price, and no keyring."""
    monkeypatch.setattr(HistoryLock.__init__, "__kwdefaults__", {"price": KdfParameters(64, 1, 1)})
    monkeypatch.setenv("TUI_CHAT_PASSPHRASE_FILE", str(secret_file(tmp_path / "passphrase", "correct horse")))
    return Shell(capsysbinary, monkeypatch)


def secret_file(path: Path, text: str, *, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@contextmanager
def served(*script: Reply, models: Reply | None = None) -> Iterator[Loopback]:
    """A model server on a thread of its own, so that a command can have this one's event loop."""
    ready, servers = threading.Event(), list[Loopback]()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with Loopback(*script, routes={"/v1/models": models or Reply.json({"data": [{"id": "tiny"}]})}) as server:
            servers.append(server)
            ready.set()
            await done.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield servers[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)


def streamed(*texts: str, thinking: str = "") -> Reply:
    """A reply in the OpenAI dialect."""
    deltas = [{"reasoning_content": thinking}] if thinking else []
    deltas += [{"content": text} for text in texts]
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Reply(body.encode(), cut=1000)


@pytest.fixture
def server(sh: Shell) -> Iterator[Loopback]:
    """A server that answers ``Hello there.`` and is the endpoint ``openai`` of the environment."""
    with served(streamed("Hello ", "there.")) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        sh.monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789abcdef")
        yield server
