"""Runs a command that ends with whoever started this: ``python -I -S guard.py COMMAND...``.

The app keeps the other end of this process's stdin. When that closes - the app stops the model, ends,
or is killed, even with -9 - the command is ended. The server cannot see to that itself: while it loads
a model it holds Python's lock, and ``llama-server`` reads no stdin. Where a command ends by a signal,
this ends with 128 + its number.

A program of its own: it imports nothing of ``tui_chat`` and nothing heavy.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

GRACE = 2.0
"""Seconds between the request to end and the kill."""

_PR_SET_PDEATHSIG = 1


def main(command: Sequence[str]) -> None:
    """Run it until it ends or the app has gone."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the chat
    # Its stdin is a pipe from here, so that a command that watches it sees this process die, too.
    engine = subprocess.Popen(command, stdin=subprocess.PIPE, preexec_fn=_die_with(os.getpid()))
    threading.Thread(target=_end_with_app, args=(engine,), daemon=True).start()
    code = engine.wait()
    os._exit(code if code >= 0 else 128 - code)


def _end_with_app(engine: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    engine.terminate()
    time.sleep(GRACE)
    engine.kill()


def _die_with(guard: int) -> Callable[[], None] | None:
    """What the child does first: have Linux kill it when the guard dies, however that comes."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)

    def ask() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guard:  # it died in between
            os._exit(1)

    return ask


if __name__ == "__main__":
    main(sys.argv[1:])
