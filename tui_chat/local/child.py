"""The server as a child process: started, heard, asked whether it serves, and ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tui_chat.core.secret import Secret
from tui_chat.local.complaints import MEMORY

KEPT_LINES = 40
LONGEST_LINE = 1_000
"""What is kept of the child's words while it starts: lines, and characters of each. Afterwards nothing is."""

END_SECONDS = 5.0
"""Until a child that was asked to end is killed with all that it started; the guard waits less."""

ASK_AGAIN = 0.1
"""Seconds between two questions whether it is ready."""

ANSWER_SECONDS = 10.0
"""For one answer of a server that listens."""

_LISTENING = re.compile(r"listening\b.*?(?:on http://127\.0\.0\.1:|\bhostname: 127\.0\.0\.1, port: )(\d{1,5})\b")
"""Of ``llama-server`` new and old, and of ``serve.py``. The port is free: the child let the system choose it."""


class ChildEnded(Exception):
    """It ended before it served."""


class KeyIgnored(Exception):
    """It serves people without the key, or is none of ours."""


class Child:
    """One server process with its guard, in a session of its own: ctrl+c and a hangup do not reach it.

    It is heard to its end by a task that also waits for it; ``ended`` gives the exit code, 128 + the
    number for a signal.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._serves = False
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.out_of_memory = False
        self.ended = asyncio.create_task(self._hear())

    @classmethod
    async def start(cls, command: Sequence[str], variables: Mapping[str, str]) -> Child:
        """A child that is about to start; what it writes never reaches the terminal."""
        guard = Path(__file__).with_name("guard.py")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(guard), *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=variables,
            cwd="/",
            start_new_session=True,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The guard's."""
        return self._process.pid

    async def serve(self, key: Secret) -> int:
        """The port of 127.0.0.1 where it serves whoever has the key, and nobody else, once it does.

        Raises ChildEnded, and KeyIgnored.
        """
        await asyncio.wait((self._port, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if not self._port.done():
            raise ChildEnded
        port = self._port.result()
        while await _ask(port, "/health") != 200:  # older servers listen before the model is loaded
            await asyncio.wait((self.ended,), timeout=ASK_AGAIN)
            if self.ended.done():
                raise ChildEnded
        # The second answer also shows that it is our child who listens there: nobody else knows the key.
        if await _ask(port, "/slots") != 401 or await _ask(port, "/slots", key) == 401:
            raise KeyIgnored
        self._serves = True
        self.out_of_memory = False
        self.lines.clear()
        return port

    async def end(self) -> int:
        """End it, politely first, and everything it started. Its exit code. May be called twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                return await asyncio.shield(self.ended)
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            return await asyncio.shield(self.ended)

    # -- inside -------------------------------------------------------------------------

    async def _hear(self) -> int:
        """Read what it writes until nobody can write any more, and wait for its end."""
        assert self._process.stdout is not None
        begun = b""
        while piece := await self._process.stdout.read(8192):
            *whole, begun = (begun + piece).split(b"\n")
            for line in whole:
                self._take(line)
            begun = begun[:LONGEST_LINE]
        self._take(begun)
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    def _take(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode(errors="replace")
        self.out_of_memory = self.out_of_memory or MEMORY.search(text) is not None
        if self._serves:
            return  # from now on a line could hold a piece of the chat
        self.lines.append(text)
        if (found := _LISTENING.search(text)) and not self._port.done():
            self._port.set_result(int(found[1]))


async def _ask(port: int, path: str, key: Secret | None = None) -> int:
    """The status of the answer; 0 where there is none."""
    writer = None
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n".encode())
            if key is not None:
                writer.write(b"Authorization: Bearer " + key.reveal() + b"\r\n")
            writer.write(b"\r\n")
            answer = await reader.readline()
    except (OSError, ValueError, OverflowError):
        return 0
    finally:
        if writer is not None:
            writer.close()
    words = answer.split(maxsplit=2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) == 3 else 0
