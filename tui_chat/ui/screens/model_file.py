"""Opens a model file: one that another program has on this computer, or one whose path is typed."""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections.abc import Sequence
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.timer import Timer
from textual.widgets import OptionList, Static
from textual.worker import Worker

from tui_chat.core.errors import TuiChatError
from tui_chat.core.local import GgufFile, Stage
from tui_chat.core.models import ModelRef
from tui_chat.services.local_models import LocalModelService
from tui_chat.ui.forms import Card, Choices, ListFilter, Pick, Said
from tui_chat.ui.modal import Modal
from tui_chat.ui.screens.model_file_rows import at_home, rows
from tui_chat.ui.text import clean_line, plain

TICK = 0.5
"""Seconds between two looks at the clock while a file is loaded."""


class ModelFileScreen(Modal[ModelRef | None]):
    """The model that the chosen file is, remembered and running; None where the person steps back.

    Only the folders of other programs are looked into, and of a file that is typed its header.
    """

    BINDINGS = [
        Binding("f5", "look", "Look again", id="model_file.look", tooltip="Look into the folders again"),
        Binding("escape", "back", "Back", id="model_file.back", tooltip="Stop loading; else choose nothing"),
    ]

    CSS_PATH = "models.tcss"

    choices = query_one(Choices)
    filter = query_one(ListFilter)
    hint = query_one("#hint", Static)
    missing = query_one("#missing", Said)
    said = query_one("#said", Said)

    def __init__(self, local: LocalModelService) -> None:
        super().__init__()
        self._local = local
        self._files: Sequence[GgufFile] | None = None
        self._loading: Worker[None] | None = None
        self._stage = ""
        self._began = 0.0
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        choices = Choices(can_focus=False)
        yield Card(
            "Open a model file",
            ListFilter(choices, self._show, placeholder="type to filter, or a path: ~/models/name.gguf"),
            choices,
            Static(id="hint", markup=False),
            Said(id="missing"),
            Said(id="said"),
        )

    def on_mount(self) -> None:
        self.filter.focus()
        self.action_look()

    # -- what there is ----------------------------------------------------------------------------

    def action_look(self) -> None:
        """Look into the folders, and whether llama.cpp is here."""
        self.workers.cancel_group(self, "look")
        self._files = None
        self._show()
        self._look()
        self._require()

    @work(group="look")
    async def _look(self) -> None:
        try:
            self._files = await self._local.files()
        except TuiChatError as error:
            self._files = ()
            self.said.fail(error)
        self._show()

    @work(group="look")
    async def _require(self) -> None:
        """Say what is missing before anything is chosen."""
        try:
            await self._local.require()
        except TuiChatError as error:
            self.missing.fail(error)
        else:
            self.missing.clear()

    def _show(self) -> None:
        """Draw the list anew, with the same line highlighted where the person went there."""
        before = self._highlighted if self.filter.moved else None
        picks = rows(self._files, self._local.folders, self.filter.value)
        self.choices.set_options(picks)
        places = [place for place, pick in enumerate(picks) if pick.value is not None]
        same = [place for place in places if picks[place].value == before]
        self.choices.highlighted = next(iter(same or places), None)
        self._show_hint()

    @property
    def _highlighted(self) -> object | None:
        option = self.choices.highlighted_option
        return option.value if isinstance(option, Pick) else None

    def _show_hint(self) -> None:
        """Where the highlighted file is."""
        match self._highlighted:
            case GgufFile(path):
                self.hint.update(plain(at_home(path)))
            case Path():
                self.hint.update(plain("Nothing is read but what you typed; of a folder, its names."))
            case _:
                self.hint.update("")

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._show_hint()

    # -- loading one ----------------------------------------------------------------------------------

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        value = event.option.value if isinstance(event.option, Pick) else None
        if isinstance(value, GgufFile | Path) and self._loading is None:
            self._loading = self._open(value)

    @work(group="load")
    async def _open(self, chosen: GgufFile | Path) -> None:
        """Load it with its stages on show; a failure is said, and another can be chosen."""
        name = clean_line(chosen.name)
        self._stage, self._began = f"{name}: {Stage.READING}", time.monotonic()
        self._timer = self.set_interval(TICK, self._show_stage)
        self._show_stage()
        try:
            file = chosen if isinstance(chosen, GgufFile) else await self._local.read(chosen)
            model = await self._local.open(file, progress=lambda stage: self._take(f"{file.name}: {stage}"))
        except CancelledError:
            if self.is_attached:
                self.said.say(f"{name} was not loaded; nothing of it runs.")
            raise
        except TuiChatError as error:
            if self.is_attached:  # else the app is leaving
                self.said.fail(error)
        else:
            if self.is_current:
                self.dismiss(model)
        finally:
            self._timer.stop()
            self._loading = None

    def _take(self, stage: str) -> None:
        self._stage = stage
        self._show_stage()

    def _show_stage(self) -> None:
        stopping = self._loading is not None and self._loading.is_cancelled
        rest = "" if stopping else " · esc stops it"
        self.said.say(f"{self._stage} · {time.monotonic() - self._began:.0f} s{rest}")

    def action_back(self) -> None:
        """Stop loading; else choose nothing."""
        if self._loading is None:
            self.dismiss(None)
        elif not self._loading.is_cancelled:
            self._loading.cancel()
            self._take("stopping")
