"""Model files on this computer and the server that runs one of them: the values, and what is asked of the rim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tui_chat.core.errors import TuiChatError
from tui_chat.core.secret import Secret


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A model in one file or several parts, of which ``path`` is the first.

    ``name`` is one clean line, fit for a screen and as the model's name. ``size`` in bytes, all parts
    together. ``source`` says whose folder it lies in, empty for a file that the user named.
    Windows are in tokens: ``trained_window`` is the file's own figure, ``default_window`` what it is
    run with unless the user says otherwise. ``fits`` says whether it is smaller than this computer's memory.
    """

    path: Path
    name: str
    size: int
    source: str
    architecture: str
    trained_window: int | None
    default_window: int
    fits: bool = True


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """Where a program keeps its models, whether it is there or not; ``source`` says whose it is."""

    source: str
    path: Path


@dataclass(frozen=True, slots=True)
class Running:
    """A model that is being served on this computer, in the OpenAI dialect, to whoever has the key."""

    file: GgufFile
    base_url: str
    model: str
    key: Secret
    context_window: int


class Stage(StrEnum):
    """How far a start is."""

    READING = "reading the file"
    LOADING = "loading the model"
    READY = "ready"


Progress = Callable[[Stage], None]
"""Told of each stage once, in order, in the event loop."""


class LocalModels(Protocol):
    """Runs at most one model file at a time as a child process, which ends with the program."""

    @property
    def folders(self) -> Sequence[ModelFolder]:
        """Where ``find`` looks, and nowhere else."""

    async def require(self) -> None:
        """Raises NoModel, which says how to get it, where llama.cpp is not installed here."""

    async def find(self) -> Sequence[GgufFile]:
        """The model files of other programs on this computer, by name; looks into their folders only.

        Only what can chat and is whole; what cannot be read is left out. Ends within seconds, with
        what was found until then.
        """

    async def read(self, path: Path) -> GgufFile:
        """What the header of a file says. Raises NotFound, or BadInput that says what is wrong with it."""

    async def start(
        self, file: GgufFile, *, context_window: int | None = None, progress: Progress | None = None
    ) -> Running:
        """Run this file under its name instead of what runs, ready when this returns; if it runs already, it goes on.

        Raises what ``read`` raises and NoModel where llama.cpp is not installed, ending nothing. Where the
        server then fails (ServerFailed, BadInput) or this is cancelled, nothing runs.
        """

    @property
    def running(self) -> Running | None:
        """What runs now; None from the moment it crashed."""

    @property
    def failure(self) -> TuiChatError | None:
        """Why what ran no longer does, where nobody stopped it."""

    async def why_gone(self, running: Running) -> TuiChatError | None:
        """Why that one no longer runs; an end that its broken connection announces is waited for.

        None where it runs on, or was stopped.
        """

    async def stop(self) -> None:
        """End what runs or is being started; nothing of it is left when this returns."""
