"""Where to export a conversation to."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from textual.widgets import Input

from tui_chat.core.clean import clean_line
from tui_chat.core.errors import BadInput, Refused, TuiChatError
from tui_chat.core.models import Conversation
from tui_chat.services.program import Program
from tui_chat.services.transfer import TransferService
from tui_chat.ui.forms import LineScreen

_FORMATS = {".json": "json", ".md": "markdown", ".markdown": "markdown"}

_TEXT = """\
.json keeps everything and can be imported again; .md is for reading.
The file is not encrypted: whoever can read it can read the conversation."""


class ExportScreen(LineScreen):
    """A file name, whose ending chooses the format. Answers with a sentence that says what was written."""

    def __init__(self, program: Program, transfer: TransferService, conversation: Conversation) -> None:
        path = Path.cwd() / f"{_slug(conversation.title)}.json"
        super().__init__("Export this conversation", str(path), text=_TEXT)
        self._program = program
        self._transfer = transfer
        self._conversation = conversation
        self._overwrite: str | None = None

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Write the file; one that is there only after a second enter."""
        event.stop()
        event.prevent_default()
        try:
            path, format_name = _target(event.value)
            data = await self._transfer.export([self._conversation.id], format=format_name)
            overwrite = self._overwrite == str(path)
            await asyncio.to_thread(self._program.write_private_file, path, data, overwrite=overwrite)
        except Refused as error:
            self._overwrite = str(path)
            self.said.fail(Refused(str(error), hint="Enter once more overwrites it."))
        except TuiChatError as error:
            self.said.fail(error)
        else:
            self.dismiss(f"Exported to {path}. The file is not encrypted.")


def _target(typed: str) -> tuple[Path, str]:
    """The file and its format. Raises BadInput for an ending that is no format, or a folder that is not there."""
    path = Path(typed.strip()).expanduser().absolute()
    if path.suffix.lower() not in _FORMATS:
        raise BadInput("The ending chooses the format: end the name with .json or .md.")
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {path.parent}.", hint="Choose one that exists.")
    return path, _FORMATS[path.suffix.lower()]


def _slug(title: str) -> str:
    """A file name made of a title: letters, digits and dashes only."""
    return re.sub(r"[^\w]+", "-", clean_line(title).lower()).strip("-")[:60] or "conversation"
