"""Where to export a conversation to."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui_chat.core.clean import clean_line
from tui_chat.core.errors import Refused, TuiChatError
from tui_chat.core.models import Conversation
from tui_chat.services.program import Program
from tui_chat.services.transfer import TransferService


class ExportScreen(ModalScreen[str | None]):
    """A file name; its ending chooses the format. Answers with a sentence that says what was written."""

    BINDINGS = [Binding("escape", "dismiss", "Back", id="export.back", tooltip="Export nothing")]
    DEFAULT_CSS = """
    ExportScreen { align: center middle; }
    ExportScreen > Vertical { width: 72; max-width: 95%; height: auto; padding: 1 2; background: $panel; }
    ExportScreen Input { margin: 1 0; }
    ExportScreen #problem { color: $text-error; height: auto; }
    """

    def __init__(self, program: Program, transfer: TransferService, conversation: Conversation) -> None:
        super().__init__()
        self._program = program
        self._transfer = transfer
        self._conversation = conversation
        self._overwrite: str | None = None

    def compose(self) -> ComposeResult:
        """A name to change or confirm."""
        with Vertical():
            yield Static(Content("Export this conversation").stylize("bold"), markup=False)
            yield Input(str(Path.home() / f"{_slug(self._conversation.title)}.json"), id="path")
            yield Static(
                ".json keeps everything and can be imported again; .md is for reading.\n"
                "The file is not encrypted: whoever can read it can read the conversation.",
                markup=False,
            )
            yield Static("", id="problem", markup=False)

    @on(Input.Submitted)
    async def _export(self, event: Input.Submitted) -> None:
        path = _path(event.value)
        format_name = "markdown" if path.suffix.lower() in (".md", ".markdown") else "json"
        try:
            data = await self._transfer.export([self._conversation.id], format=format_name)
            overwrite = self._overwrite == str(path)
            await asyncio.to_thread(self._program.write_private_file, path, data, overwrite=overwrite)
        except Refused as error:
            self._overwrite = str(path)
            self._say(f"{error} Press enter again to overwrite it.")
        except TuiChatError as error:
            self._say(error.sentence)
        else:
            self.dismiss(f"Exported to {path}; the file is not encrypted.")

    def _say(self, text: str) -> None:
        self.query_one("#problem", Static).update(Content(clean_line(text)))


def _path(typed: str) -> Path:
    return Path(typed.strip()).expanduser()


def _slug(title: str) -> str:
    """A file name made of a title: letters, digits and dashes only."""
    return re.sub(r"[^\w]+", "-", clean_line(title).lower()).strip("-")[:60] or "conversation"
