"""Model files as models: chosen once, remembered by name, run when they are first asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tui_chat.core.clean import clean_line
from tui_chat.core.errors import NoModel
from tui_chat.core.local import GgufFile, LocalModels, Progress, Running
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore

ENDPOINT = "gguf"
"""The name under which model files stand among the endpoints."""

MOST_REMEMBERED = 50

_KEY = "gguf-files"


class LocalModelService:
    """Knows where the chosen files are, and has at most one of them running."""

    def __init__(self, make: Callable[[], LocalModels], store: ConversationStore) -> None:
        self._make = make
        self._made: LocalModels | None = None
        self._store = store
        self._starting = asyncio.Lock()

    async def read(self, path: Path) -> GgufFile:
        """What the header of a file says. Raises NotFound, or BadInput that says what is wrong with it."""
        return await self._models.read(path)

    async def files(self) -> Sequence[GgufFile]:
        """The model files of other programs on this computer."""
        return await self._models.find()

    async def remembered(self) -> Sequence[str]:
        """The names of those that were chosen, the newest first."""
        return tuple(await self._paths())

    async def choose(self, file: GgufFile) -> ModelRef:
        """Make a file a model that conversations can name; nothing is run yet.

        Another file of the same name keeps it; this one is then called after its folder too.
        """
        paths = await self._paths()
        name, path = file.name, str(file.path)
        if paths.get(name, path) != path:
            name = clean_line(f"{name} ({file.path.parent.name})")
        others = [each for each in paths.items() if each[0] != name]
        await self._store.set_value(_KEY, json.dumps(dict([(name, path), *others][:MOST_REMEMBERED])))
        return ModelRef(ENDPOINT, name)

    async def ready(self, name: str, *, progress: Progress | None = None) -> Running:
        """That model, running. Raises NoModel where nobody chose it, and what ``LocalModels.start`` raises."""
        async with self._starting:
            running = self._models.running
            if running is not None and running.model == name:
                return running
            path = (await self._paths()).get(name)
            if path is None:
                raise NoModel(
                    f"Which file {name!r} is, is not known here.", hint="Open the model file again with ctrl+o."
                )
            file = replace(await self._models.read(Path(path)), name=name)
            return await self._models.start(file, progress=progress)

    @property
    def running(self) -> Running | None:
        """What runs now."""
        return None if self._made is None else self._made.running

    async def close(self) -> None:
        """End what runs."""
        if self._made is not None:
            await self._made.stop()

    @property
    def _models(self) -> LocalModels:
        # Made by who first needs it: most runs have no model file.
        if self._made is None:
            self._made = self._make()
        return self._made

    async def _paths(self) -> dict[str, str]:
        kept = json.loads(await self._store.value(_KEY) or "{}")
        return {str(name): str(path) for name, path in kept.items()} if isinstance(kept, dict) else {}
