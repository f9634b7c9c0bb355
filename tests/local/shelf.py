"""Stands in for llama.cpp: every path is a model of its stem, and each start another port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tui_chat.core.errors import NoModel, NotFound, TuiChatError
from tui_chat.core.local import GgufFile, ModelFolder, Progress, Running, Stage
from tui_chat.core.secret import Secret


class Shelf:
    """Finds ``found`` once ``looked`` is set; a start waits at its ``gate`` while it loads.

    ``refusal`` is what a start fails with, ``missing`` what is said where llama.cpp is not installed.
    """

    def __init__(self, *found: GgufFile) -> None:
        self.found = found
        self.looks = 0
        self.looked = asyncio.Event()
        self.looked.set()
        self.gone: set[Path] = set()
        self.window = 4096
        self.running: Running | None = None
        self.failure: TuiChatError | None = None
        self.refusal: TuiChatError | None = None
        self.missing: NoModel | None = None
        self.starts: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    @property
    def folders(self) -> Sequence[ModelFolder]:
        return (ModelFolder("Ollama", Path("/home/alice/.ollama/models")), ModelFolder("llama.cpp", Path("/cache")))

    async def require(self) -> None:
        if self.missing is not None:
            raise self.missing

    async def find(self) -> Sequence[GgufFile]:
        self.looks += 1
        await self.looked.wait()
        return self.found

    async def read(self, path: Path) -> GgufFile:
        if path in self.gone:
            raise NotFound(f"There is no file {path}.", hint="Check the path.")
        return GgufFile(path, path.stem, 1, "", "llama", 8192, 4096)

    async def start(
        self, file: GgufFile, *, context_window: int | None = None, progress: Progress | None = None
    ) -> Running:
        tell = progress or (lambda stage: None)
        tell(Stage.READING)
        await self.require()
        self.running = None
        tell(Stage.LOADING)
        self.begun.set()
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        self.starts.append(file.name)
        port = 9000 + len(self.starts)
        self.failure = None
        self.running = Running(
            file, f"http://127.0.0.1:{port}/v1", file.name, Secret(f"key {port}"), context_window or self.window
        )
        tell(Stage.READY)
        return self.running

    async def why_gone(self, running: Running) -> TuiChatError | None:
        return None if self.running is running else self.failure

    def crash(self, failure: TuiChatError) -> None:
        """What runs ends by itself."""
        self.running, self.failure = None, failure

    async def stop(self) -> None:
        self.running = self.failure = None
