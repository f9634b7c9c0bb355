"""The user's own files: read to go with a message, found behind a paste, completed while their names are typed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tui_chat.core.dropped import readings
from tui_chat.core.models import Attachment
from tui_chat.core.ports import Completion, Files

MOST_OFFERED = 40
"""Names for what is begun: more than anybody goes through."""

_ENDS = ".,;:!?)]}>\"'”’"


class FileService:
    """What the user names, beside the event loop."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def read(self, path: str) -> Attachment:
        """The file as it goes with a message; ``~`` is the home, relative is to the working directory.

        Raises NotFound where it is missing, BadInput where it is no regular file, may not be read, or
        cannot go with a message.
        """
        return await asyncio.to_thread(self._files.read, path)

    async def dropped(self, text: str) -> Sequence[str]:
        """The paths of the files whose names are all that this paste is; () for any other text."""
        found = readings(text)
        return await asyncio.to_thread(self._first_existing, found) if found else ()

    async def completions(self, begun: str, *, limit: int = MOST_OFFERED) -> Sequence[Completion]:
        """Files and folders that a begun path may mean, at most so many, the nearest first."""
        return await asyncio.to_thread(self._files.completions, begun, limit=limit)

    async def named(self, written: str) -> str | None:
        """The path of the file that this names in full, without the end of a sentence behind it; None for none."""
        for text in dict.fromkeys((written, written.rstrip(_ENDS))):
            for each in await self.completions(text) if text else ():
                if each.text == text and not each.is_folder:
                    return each.path
        return None

    def _first_existing(self, found: Sequence[Sequence[str]]) -> Sequence[str]:
        for names in found:
            paths = self._files.existing(names)
            if len(paths) == len(names):
                return tuple(dict.fromkeys(paths))
        return ()
