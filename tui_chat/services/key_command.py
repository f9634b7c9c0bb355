"""A key that a command prints, such as ``pass show openai``.

The command is the user's own, from the settings; it is run without a shell, only when its endpoint
is used or tested. It gets no terminal: a keeper of passwords that asks on one would write over the
app, so one that needs to be unlocked must ask in a window, or be unlocked before.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import BinaryIO

from tui_chat.core.clean import clean_line
from tui_chat.core.errors import Unauthorized
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, command_words

COMMAND_SECONDS = 60.0
"""How long a command may take: a person may be typing a passphrase into its window."""

LONGEST_KEY = 16_384
"""Bytes of its first line; nobody's key is as long."""


LAST_WORDS = 1.0
"""Seconds to wait for the end of its output once it has ended: what it left running may hold that open."""


async def printed_key(endpoint: Endpoint, *, seconds: float = COMMAND_SECONDS) -> Secret:
    """The first line that its command prints. Cancelled or too slow, the command is killed with all it started.

    Raises Unauthorized in a sentence that repeats nothing of what was printed.
    """
    said = f"The command for the key of {endpoint.name!r}"
    # A pipe of our own: that of asyncio would let nobody end before whoever holds its other end.
    ours, its = os.pipe()
    printed = _Printed()
    with os.fdopen(ours, "rb") as output:
        try:
            process = await _start(endpoint, its)
        finally:
            os.close(its)
        reading = asyncio.create_task(_read(output, printed))
        try:
            async with asyncio.timeout(seconds):
                code = await process.wait()
            await asyncio.wait({reading}, timeout=LAST_WORDS)
        except TimeoutError:
            hint = f"{_try(endpoint)} If it asks for a passphrase, unlock it there first."
            raise Unauthorized(f"{said} did not end within {seconds:g} seconds.", hint=hint) from None
        finally:
            await _end(process, reading)
    if code != 0:
        raise Unauthorized(f"{said} failed (exit code {code}).", hint=_try(endpoint))
    if not (key := printed.first_line()):
        raise Unauthorized(f"{said} printed no key.", hint=_try(endpoint))
    return key


class _Printed:
    """The beginning of what a command printed; no repr shows it."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, piece: bytes) -> bool:
        """Keep what belongs to the beginning; whether there may be more."""
        self._bytes += piece[: LONGEST_KEY - len(self._bytes)]
        return bool(piece)

    def first_line(self) -> Secret:
        return Secret(bytes(self._bytes.partition(b"\n")[0].strip()))


async def _start(endpoint: Endpoint, output: int) -> asyncio.subprocess.Process:
    words = command_words(endpoint.key_command or "") or ("",)
    # Without a terminal, not even the one that gpg is told of: whoever asks there spoils the screen.
    environment = {name: value for name, value in os.environ.items() if name != "GPG_TTY"}
    nothing = asyncio.subprocess.DEVNULL
    try:
        return await asyncio.create_subprocess_exec(
            *words, stdin=nothing, stdout=output, stderr=nothing, env=environment, start_new_session=True
        )
    except OSError as error:
        what = "There is no program" if isinstance(error, FileNotFoundError) else "This computer does not run"
        raise Unauthorized(
            f"{what} “{clean_line(words[0])}”, which is to print the key of {endpoint.name!r}.",
            hint="Correct the command in the endpoint's form (f2), or install it.",
        ) from error


async def _read(output: BinaryIO, printed: _Printed) -> None:
    """Take what is printed until its end: the beginning is kept, the rest is read so that the command can end."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), output
    )
    try:
        while printed.take(await reader.read(LONGEST_KEY)):
            pass
    finally:
        transport.close()


async def _end(process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
    reading.cancel()
    await asyncio.wait({reading})  # before its pipe is closed, which another file's number may then have
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its own session: what it started is in its group
        await process.wait()


def _try(endpoint: Endpoint) -> str:
    return f"Run it in a shell to see why: {clean_line(endpoint.key_command or '')}"
