"""An app that runs a model until it is killed: ``python -m tests.local.killed_app FILE [FAKE MODE]``.

Prints the guard's process id: as soon as there is one with a fake server, else when the model is ready.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tui_chat.local import LlamaCpp
from tui_chat.local.engine import command


async def main(file: Path, fake: list[str]) -> None:
    models = LlamaCpp(os.environ, choose=(lambda _: (sys.executable, *fake)) if fake else command)
    starting = asyncio.create_task(models.start(await models.read(file)))
    if not fake:
        await starting
    while models._child is None or not (models.running or models._child.lines):
        await asyncio.sleep(0.01)
    print(models._child.pid, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
