"""One model of this computer at a time: found, read, started, watched and ended."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tui_chat.core.errors import BadInput, ServerFailed, TuiChatError
from tui_chat.core.local import GgufFile, ModelFolder, Progress, Running, Stage
from tui_chat.core.secret import Secret
from tui_chat.core.settings import is_context_window
from tui_chat.local.child import Child, ChildEnded, KeyIgnored
from tui_chat.local.complaints import REINSTALL, replaced, why_ended, why_not_started
from tui_chat.local.engine import Choose, command, variables
from tui_chat.local.folders import find_models, folders, limits
from tui_chat.local.model import read_model

LOAD_SECONDS = 900.0
"""Until a start is given up: tens of gigabytes from a slow disk."""

NOTICE_SECONDS = 5.0
"""Between the end of the server's connections and that of its guard: mostly a few milliseconds."""


class LlamaCpp:
    """Implements ``core.local.LocalModels``, whose docstrings are the promise, with llama.cpp."""

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        choose: Choose = command,
        load_seconds: float = LOAD_SECONDS,
    ) -> None:
        self._environment = environment
        self._choose = choose
        self._load_seconds = load_seconds
        self._starting = asyncio.Lock()
        self._stops = 0
        self._child: Child | None = None
        self._running: Running | None = None
        self._replaced: Running | None = None
        self._failure: TuiChatError | None = None

    @property
    def running(self) -> Running | None:
        """See the port."""
        return self._running

    @property
    def failure(self) -> TuiChatError | None:
        """See the port."""
        return self._failure

    async def why_gone(self, running: Running) -> TuiChatError | None:
        """See the port."""
        if self._running is running and self._child is not None:
            await asyncio.wait((self._child.ended,), timeout=NOTICE_SECONDS)
        if self._running is running:
            return None
        return replaced(running.model) if self._replaced is running else self._failure

    @property
    def folders(self) -> Sequence[ModelFolder]:
        """See the port."""
        return folders(self._environment)

    async def require(self) -> None:
        """See the port."""
        await asyncio.to_thread(self._choose, self._environment)

    async def find(self) -> Sequence[GgufFile]:
        """See the port."""
        within = limits()
        try:
            return await asyncio.to_thread(find_models, folders(self._environment), within)
        except asyncio.CancelledError:
            within.entries = 0  # the thread ends with the next name it sees
            raise

    async def read(self, path: Path) -> GgufFile:
        """See the port."""
        return await asyncio.to_thread(read_model, path, follow=True)

    async def start(
        self, file: GgufFile, *, context_window: int | None = None, progress: Progress | None = None
    ) -> Running:
        """See the port."""
        tell = progress or (lambda stage: None)
        stops = self._stops
        async with self._starting:
            tell(Stage.READING)
            model = replace(await self.read(file.path), name=file.name, source=file.source)
            window = context_window or model.default_window
            if not is_context_window(window):
                raise BadInput(f"A context window cannot have {window} tokens.", hint="Give it 256 or more.")
            running = self._running
            if running is None or (running.file, running.context_window) != (model, window):
                argv = await asyncio.to_thread(self._choose, self._environment)
                self._replaced = running
                await self._end()
                if self._stops != stops:
                    raise _stopped(model)
                tell(Stage.LOADING)
                running = await self._run(argv, model, window, stops)
            tell(Stage.READY)
            return running

    async def stop(self) -> None:
        """See the port."""
        self._stops += 1
        self._failure = None
        await self._end()

    # -- inside -------------------------------------------------------------------------

    async def _run(self, argv: Sequence[str], model: GgufFile, window: int, stops: int) -> Running:
        """Start a child and make it what runs, unless it was stopped meanwhile."""
        key = Secret(secrets.token_urlsafe(32))
        told = variables(self._environment, model, context_window=window, key=key)
        self._failure = None
        try:
            self._child = child = await Child.start(argv, told)
        except OSError as error:
            raise ServerFailed(f"llama.cpp could not be started ({error.strerror}).", hint="Try again.") from error
        try:
            port = await self._served(child, model, key) if self._stops == stops else 0
            if self._stops != stops:
                raise _stopped(model)
        except BaseException as error:
            await asyncio.shield(self._end())
            if isinstance(error, TuiChatError) and self._stops != stops:
                raise _stopped(model) from None
            raise
        self._running = Running(model, f"http://127.0.0.1:{port}/v1", model.name, key, window)
        child.ended.add_done_callback(lambda ended: self._note_end(child, ended))
        return self._running

    async def _served(self, child: Child, model: GgufFile, key: Secret) -> int:
        """The port, once the child serves there. Raises what a person is told."""
        try:
            async with asyncio.timeout(self._load_seconds):
                return await child.serve(key)
        except ChildEnded:
            raise why_not_started(model, child.lines, child.ended.result()) from None
        except KeyIgnored:
            raise ServerFailed("This llama.cpp would serve everybody on this computer.", hint=REINSTALL) from None
        except TimeoutError:
            minutes = round(self._load_seconds / 60)
            raise ServerFailed(
                f"{model.name} was not loaded after {minutes} minutes.", hint="Try a smaller file."
            ) from None

    def _note_end(self, child: Child, ended: asyncio.Task[int]) -> None:
        """What ran is no more. Where nobody ended it, that is a failure to tell of."""
        if self._child is child and self._running is not None and not ended.cancelled():
            self._failure = why_ended(self._running.model, ended.result(), memory=child.out_of_memory)
            self._running = self._child = None

    async def _end(self) -> None:
        """End the child; from this moment nothing is running."""
        self._running = None
        if (child := self._child) is not None:
            await asyncio.shield(child.end())
            if self._child is child:
                self._child = None


def _stopped(model: GgufFile) -> ServerFailed:
    return ServerFailed(f"{model.name} was stopped before it was loaded.", hint="Start it again.")
