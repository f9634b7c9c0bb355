"""The file names that a path begun behind ``@`` may mean: a short list above the prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.document._document import Location
from textual.geometry import Size
from textual.widget import Widget

from tui_chat.ui.text import clean_line

if TYPE_CHECKING:
    from tui_chat.core.ports import Completion

LONGEST = 300
"""Characters of a begun path; a longer word is none."""

_WORD = re.compile(r"\S*\Z")
_BEGUN = re.compile(r"""[(\[{<"'“„]*@(.*)""")


def begun_path(before: str, folder: str = "") -> tuple[int, str] | None:
    """Where the ``@`` stands whose path ends at the end of this text, and that path; None where there is none.

    It begins a word and goes on to the next space; ``folder`` may hold spaces, because it was chosen.
    """
    if folder and (at := before.rfind(f"@{folder}")) >= 0 and not _has_space(before[at + 1 + len(folder) :]):
        return at, before[at + 1 :]
    word = _WORD.search(before[-LONGEST:])
    found = _BEGUN.fullmatch(word[0]) if word and len(word[0]) < LONGEST else None
    return found and (len(before) - len(found[1]) - 1, found[1])


class Completions(Widget):
    """Follows what is typed behind an ``@``; open only while there is something to choose from.

    It says what to look up, one at a time, and takes the answer in ``offer``: letters typed
    meanwhile narrow what is on show at once, and an answer to what nobody types any more shows nothing.
    """

    DEFAULT_CSS = """
    Completions {
        display: none;
        overlay: screen;
        offset-y: -100%;
        width: auto;
        max-width: 100%;
        height: auto;
        max-height: 40vh;
        padding: 0 1;
        background: $panel;
        color: $foreground;
        &.-open { display: block; }
    }
    """

    def __init__(self, accept: Callable[[int], None]) -> None:
        super().__init__()
        self._accept = accept
        self._found: tuple[Completion, ...] = ()
        self._chosen = 0
        self._start: Location = (0, 0)
        self._begun: str | None = None
        """What is typed behind the ``@`` at ``_start``; None where nothing is followed."""
        self._asked: str | None = None
        self._folder = ""
        self.is_entering = False
        """A folder was chosen, and what is in it is not here yet: the next tab or enter is meant for that."""
        self._wanted: str | None = None
        """What was typed when the first name for it was wanted."""
        self._left: Location | None = None
        """The ``@`` whose names the person did not want."""
        self._seen = (0, "")

    # -- what is typed ------------------------------------------------------------------------

    def follow(self, line: str, at: Location, *, typed: bool) -> str | None:
        """Take the line with the cursor after a key; what to look up now, if anything.

        ``typed``: the key wrote something. Else the line shows whether it was edited or the cursor moved.
        """
        row, seen = at[0], self._seen
        self._seen = (row, line)
        word = begun_path(line[: at[1]], self._folder)
        if word is None:
            self.close()
            self._left = None
            return None
        column, begun = word
        if self._left != (row, column):
            self._left = None
        if begun == self._begun and self._start == (row, column):
            return None
        if self._left is not None or not (typed or (seen[0] == row and seen[1] != line)):
            self.close()
            return None
        self._start, self._begun, self._wanted = (row, column), begun, None
        self.is_entering = self.is_entering and begun == self._folder
        self._show([each for each in self._found if _begins(each, begun)])
        return self._ask()

    def offer(self, begun: str, found: Sequence[Completion]) -> str | None:
        """Take what was found; what to look up next, where more was typed meanwhile."""
        was_asked = begun == self._asked
        if was_asked:
            self._asked = None
        if begun == self._begun:
            self.is_entering = False
            self._show(found)
            return None
        return self._ask() if was_asked and self._begun is not None else None

    def check(self, line: str, at: Location) -> None:
        """Close where the cursor is no longer behind what was followed."""
        self._seen = (at[0], line)
        if self._begun is not None and not self._stands(line, at):
            self.close()

    def followed(self, line: str, at: Location) -> str | None:
        """What stands before the cursor, where that is followed."""
        return self._begun if self._begun is not None and self._stands(line, at) else None

    def is_awaited(self, line: str, at: Location) -> bool:
        """Whether names for what stands before the cursor are being looked up."""
        return self._asked is not None and self.followed(line, at) is not None

    def want(self) -> None:
        """Take the first name as soon as it is here, if nothing else is typed until then."""
        self._wanted = self._begun

    def is_wanted(self, begun: str) -> bool:
        """Whether a name for just this is wanted; asked once."""
        if begun != self._wanted:
            return False
        self._wanted = None
        return True

    def is_open(self, line: str, at: Location) -> bool:
        """Whether there is something to choose from, for what stands before the cursor."""
        return bool(self._found) and self._stands(line, at)

    # -- choosing -------------------------------------------------------------------------------

    def move(self, rows: int) -> None:
        """Choose another one; behind the last comes the first."""
        self._chosen = (self._chosen + rows) % len(self._found)
        self.refresh()

    def take(self, index: int | None = None) -> tuple[Location, Completion]:
        """Where the ``@`` stands, and what was chosen for it; a folder is gone on with."""
        chosen, start = self._found[self._chosen if index is None else index], self._start
        self.close()
        if chosen.is_folder:
            self._folder, self.is_entering = clean_line(chosen.text), True
        return start, chosen

    def leave(self) -> None:
        """Close, and stay closed for this word."""
        self._left = self._start
        self.close()

    def close(self) -> None:
        """Nothing is followed any more; an answer that comes now is not shown."""
        self._begun = self._asked = self._wanted = None
        self._folder, self.is_entering = "", False
        self._show(())

    # -- how it looks -----------------------------------------------------------------------------

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """The longest of them."""
        return max((cell_len(clean_line(each.text)) for each in self._found), default=0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A line each."""
        return len(self._found)

    def render(self) -> Content:
        """As many as there is room for, around the chosen one; of a long one the end."""
        first, room = self._first(), max(1, self.content_size.width)
        lines = [
            Content(_end_of(clean_line(each.text), room)).stylize("bold reverse" if number == self._chosen else "")
            for number, each in enumerate(self._found)
            if first <= number < first + self.content_size.height
        ]
        return Content("\n").join(lines)

    def on_click(self, event: events.Click) -> None:
        """Take the one under the mouse."""
        event.stop()
        index = self._first() + event.get_content_offset_capture(self).y
        if 0 <= index < len(self._found):
            self._accept(index)

    def _first(self) -> int:
        return max(0, self._chosen - self.content_size.height + 1)

    # -- inside -----------------------------------------------------------------------------------

    def _show(self, found: Sequence[Completion]) -> None:
        """These from now on; the one that was moved to stays the chosen one."""
        if not found and not self._found:
            return
        kept = self._found[self._chosen] if self._chosen < len(self._found) and self._chosen else None
        self._found = tuple(found)
        self._chosen = self._found.index(kept) if kept in self._found else 0
        self.set_class(bool(found), "-open")
        self.refresh(layout=True)

    def _ask(self) -> str | None:
        """One question at a time: while one is open, the newest waits for its answer."""
        if self._asked is not None:
            return None
        self._asked = self._begun
        return self._begun

    def _stands(self, line: str, at: Location) -> bool:
        row, column = self._start
        return row == at[0] and begun_path(line[: at[1]], self._folder) == (column, self._begun)


def _begins(completion: Completion, begun: str) -> bool:
    """As the search does it: the whole, or for a name without a folder its last part."""
    begun = begun.casefold()
    text = completion.text.casefold()
    return text.startswith(begun) or ("/" not in begun and text.rpartition("/")[2].startswith(begun))


def _has_space(text: str) -> bool:
    return any(map(str.isspace, text))


def _end_of(text: str, room: int) -> str:
    while cell_len(text) > room:
        text = f"…{text[2:]}"
    return text
