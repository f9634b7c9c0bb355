"""The current message of the transcript: the keys that move it, and the mouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message as Event

from tui_chat.ui.widgets.transcript_rows import Place
from tui_chat.ui.widgets.transcript_view import TranscriptView


class TranscriptCursor(TranscriptView, inherit_bindings=False):
    """One message is the current one; it is always on the screen, and marked while the keys act on it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "next", "Next", id="transcript.next", tooltip="The next message", show=False),
        Binding("k", "previous", "Previous", id="transcript.previous", tooltip="The message before", show=False),
        Binding("g", "first", "First", id="transcript.first", tooltip="The first message", show=False),
        Binding("G,shift+g", "last", "Last", id="transcript.last", tooltip="The newest message", show=False),
        Binding("up", "move(-1)", "Up", id="transcript.up", tooltip="One line up", show=False),
        Binding("down", "move(1)", "Down", id="transcript.down", tooltip="One line down", show=False),
        Binding("pageup", "page(-1)", "Page up", id="transcript.page_up", tooltip="One page up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="transcript.page_down", tooltip="One page down", show=False),
        Binding("home", "first", "Top", id="transcript.top", tooltip="The beginning", show=False),
        Binding("end", "last", "End", id="transcript.bottom", tooltip="The end, and follow it", show=False),
    ]

    @dataclass
    class CurrentChanged(Event):
        """The cursor is on another message."""

        message_id: str | None

    @dataclass
    class LinkChosen(Event):
        """A link was clicked. ``text`` is what it looks like, ``href`` where it leads."""

        href: str
        text: str

    _current: str | None = None

    @property
    def current_id(self) -> str | None:
        """The message that keys act on; None where there is none."""
        return self._current

    def set_current(self, message_id: str | None) -> None:
        """Put the cursor on this message."""
        if message_id != self._current:
            self._current = message_id
            self.post_message(self.CurrentChanged(message_id))
            self.refresh()

    def is_current(self, row: int) -> bool:
        return self.has_focus and self.rows.headers[row].id == self._current

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def scrolled(self) -> None:
        """Keep the cursor on the screen."""
        if not self.rows:
            return
        top = round(self.scroll_y)
        # Behind the last message the rule may stand alone.
        first, last = (
            min(self.rows.place_of(line).row, len(self.rows) - 1) for line in (top, top + self.size.height - 1)
        )
        row = self._current_row()
        if row is None or not first <= row <= last:
            self.set_current(self.rows.headers[first if row is not None and row < first else last].id)

    def jump_to(self, message_id: str) -> None:
        """Bring a message's beginning to the top of the screen and the cursor on it."""
        if (row := self.rows.index(message_id)) is not None:
            self.set_current(message_id)
            self.show_from(Place(row, -self.rule_lines(row)))

    # -- keys

    def action_next(self) -> None:
        """The next message."""
        self._step(1)

    def action_previous(self) -> None:
        """The message before."""
        self._step(-1)

    def action_first(self) -> None:
        """The beginning."""
        if self.rows:
            self.set_current(self.rows.headers[0].id)
            self.show_from(Place(0, -self.rule_lines(0)))

    def action_last(self) -> None:
        """The end, and follow it."""
        if self.rows:
            self.set_current(self.rows.headers[-1].id)
            self.show_end()

    def action_move(self, lines: int) -> None:
        """Some lines down, or up."""
        self.move(lines)

    def action_page(self, pages: int) -> None:
        """Some pages down, or up; two lines stay to go on from."""
        self.move(pages * max(1, self.size.height - 2))

    def _step(self, step: int) -> None:
        row = self._current_row()
        if row is None:
            return
        row = max(0, min(row + step, len(self.rows) - 1))
        self.set_current(self.rows.headers[row].id)
        self._reveal(row)

    def _reveal(self, row: int) -> None:
        """Scroll as little as shows the whole message; to its beginning where it is higher than the screen."""
        height = self.height_of(row)
        self.stay()
        top = round(self.scroll_y)
        begin, end = self.rows.line_of(Place(row, 0)), self.rows.bottom(row)
        if begin < top or height > self.size.height:
            self.show_from(Place(row, -self.rule_lines(row)))
        elif end > top + self.size.height:
            self.move(end - top - self.size.height)

    def _current_row(self) -> int | None:
        return self.rows.index(self._current) if self._current is not None else None

    # -- mouse

    def on_click(self, event: events.Click) -> None:
        """A link asks to be followed, the line about thinking unfolds, all else takes the cursor."""
        place = self.rows.place_of(self.scroll_offset.y + event.y)
        if place.row >= len(self.rows):
            return
        meta = event.style.meta
        if "href" in meta:
            segments = self.line_at(place).segments
            text = "".join([s.text for s in segments if s.style and s.style.meta.get("href") == meta["href"]])
            self.post_message(self.LinkChosen(str(meta["href"]), text))
        elif "fold" in meta:
            self.toggle_thinking()
        self.set_current(self.rows.headers[place.row].id)

    def toggle_thinking(self) -> None:
        """Fold or unfold the thinking."""
        raise NotImplementedError

    def text_select_all(self) -> None:
        """A double click selects the message, not a conversation of thousands."""
        if (row := self._current_row()) is not None:
            self.select_message(row)
