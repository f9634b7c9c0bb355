"""An app that runs a model until it is killed: ``python -m tests.local.killed_app FILE [FAKE MODE]``.

Prints the guard's process id: as soon as there is one with a fake server, else when the model is ready.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tui_chat.local import LlamaCpp
from tui_chat.local.engine import command


def chosen(environment: Mapping[str, str]) -> Sequence[str]:
    """The llama.cpp that the tests of real servers run."""
    if named := os.environ.get("TUI_CHAT_LLAMA_SERVER"):
        return named, "--host", "127.0.0.1", "--port", "0"
    return command(environment)


async def main(file: Path, fake: list[str]) -> None:
    models = LlamaCpp(os.environ, choose=(lambda _: (sys.executable, *fake)) if fake else chosen)
    starting = asyncio.create_task(models.start(await models.read(file)))
    if not fake:
        await starting
    while models._child is None or not (models.running or models._child.lines):
        await asyncio.sleep(0.01)
    print(models._child.pid, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
