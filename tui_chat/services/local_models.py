"""Model files as models: opened once, remembered by name, run when they are asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tui_chat.core.clean import clean_line
from tui_chat.core.errors import NoModel, NotFound, TuiChatError
from tui_chat.core.local import GgufFile, LocalModels, ModelFolder, Progress, Running, Stage
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, ModelCard

ENDPOINT = "gguf"
"""The name under which model files stand among the endpoints."""

MOST_REMEMBERED = 50

_KEY = "gguf-files"
_OPEN_AGAIN = "Open the model file again (ctrl+o, or --gguf FILE)."


class LocalModelService:
    """Knows where the chosen files are, and has at most one of them running."""

    def __init__(self, make: Callable[[], LocalModels], store: ConversationStore) -> None:
        self._make = make
        self._made: LocalModels | None = None
        self._store = store
        self._starting = asyncio.Lock()
        self._loading: tuple[str, Stage] | None = None

    # -- which there are ------------------------------------------------------------------------

    async def require(self) -> None:
        """Raises NoModel, which says how to get it, where llama.cpp is not installed here."""
        await self._models.require()

    @property
    def folders(self) -> Sequence[ModelFolder]:
        """Where other programs keep their models."""
        return self._models.folders

    async def files(self) -> Sequence[GgufFile]:
        """The model files of other programs on this computer; their folders are read, and nothing else."""
        return await self._models.find()

    async def read(self, path: Path) -> GgufFile:
        """What the header of a file says. Raises NotFound, or BadInput that says what is wrong with it."""
        return await self._models.read(path)

    async def remembered(self) -> Sequence[str]:
        """The names of those that were chosen, the newest first."""
        return tuple(await self._paths())

    async def cards(self) -> Sequence[ModelCard]:
        """These as models, each with the window that it is run with: none where its file cannot be read."""
        return [ModelCard(name, await self.window(name)) for name in await self._paths()]

    async def window(self, name: str) -> int | None:
        """How many tokens that model runs with, or would; reads its header, and runs nothing."""
        running = self.running
        if running is not None and running.model == name:
            return running.context_window
        path = (await self._paths()).get(name)
        if path is None:
            return None
        try:
            return (await self._models.read(Path(path))).default_window
        except TuiChatError:  # the prompt that needs it says what is wrong
            return None

    # -- choosing and running --------------------------------------------------------------------

    async def choose(self, file: GgufFile) -> ModelRef:
        """Make a file a model that conversations can name; nothing is run yet.

        Another file of the same name keeps it while it is there; this one is then called after its folder too.
        """
        paths = await self._paths()
        name = await self._name_among(paths, file)
        others = [each for each in paths.items() if each[0] != name]
        await self._store.set_value(_KEY, json.dumps(dict([(name, str(file.path)), *others][:MOST_REMEMBERED])))
        return ModelRef(ENDPOINT, name)

    async def open(self, file: GgufFile, *, progress: Progress | None = None) -> ModelRef:
        """Run a file now, and choose it once it runs. Raises what ``LocalModels.start`` raises.

        Where it fails or is cancelled, nothing of it runs or is remembered.
        """
        async with self._starting:
            name = await self._name_among(await self._paths(), file)
            await self._start(replace(file, name=name), progress)
        return await self.choose(file)

    async def ready(self, name: str, *, progress: Progress | None = None) -> Running:
        """That model, running. Raises NoModel where nobody chose it, and what ``LocalModels.start`` raises."""
        async with self._starting:
            running = self._models.running
            if running is not None and running.model == name:
                return running
            path = (await self._paths()).get(name)
            if path is None:
                raise NoModel(f"Which file {name!r} is, is not known here.", hint=_OPEN_AGAIN)
            try:
                file = replace(await self._models.read(Path(path)), name=name)
            except NotFound as error:
                raise NotFound(str(error), hint=f"Was it moved? {_OPEN_AGAIN}") from error
            return await self._start(file, progress)

    def loading(self, name: str) -> Stage | None:
        """How far the start of that model is; None where it is not being started."""
        return self._loading[1] if self._loading is not None and self._loading[0] == name else None

    @property
    def running(self) -> Running | None:
        """What runs now."""
        return None if self._made is None else self._made.running

    async def why_gone(self, running: Running) -> TuiChatError | None:
        """Why that one no longer runs, once its connection broke; None where it runs on or was stopped."""
        return await self._models.why_gone(running)

    async def close(self) -> None:
        """End what runs."""
        if self._made is not None:
            await self._made.stop()

    # -- inside ------------------------------------------------------------------------------------

    async def _start(self, file: GgufFile, progress: Progress | None) -> Running:
        def tell(stage: Stage) -> None:
            self._loading = (file.name, stage)
            if progress is not None:
                progress(stage)

        try:
            return await self._models.start(file, progress=tell)
        finally:
            self._loading = None

    async def _name_among(self, paths: dict[str, str], file: GgufFile) -> str:
        """What a file is called beside those that are remembered: the first name that is free, or its own."""
        folder = file.path.parent
        for name in (file.name, clean_line(f"{file.name} ({folder.name})")):
            held = paths.get(name, str(file.path))
            if held == str(file.path) or await self._is_gone(Path(held)):
                return name
        return clean_line(f"{file.name} ({folder})")

    async def _is_gone(self, path: Path) -> bool:
        try:
            await self._models.read(path)
        except NotFound:
            return True
        except TuiChatError:
            return False
        return False

    @property
    def _models(self) -> LocalModels:
        # Made by who first needs it: most runs have no model file.
        if self._made is None:
            self._made = self._make()
        return self._made

    async def _paths(self) -> dict[str, str]:
        kept = json.loads(await self._store.value(_KEY) or "{}")
        return {str(name): str(path) for name, path in kept.items()} if isinstance(kept, dict) else {}
