"""The inspector's list: every entry of a plan in one line, of which each unfolds to its text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui_chat.core import clock
from tui_chat.core.clean import clean, clean_line
from tui_chat.core.clock import Clock
from tui_chat.core.context import Kind
from tui_chat.core.models import Role
from tui_chat.ui.markdown import Inks, Line, crop, wrap
from tui_chat.ui.screens.inspection import Inspection, Row, rows_of
from tui_chat.ui.screens.inspector_words import (
    SHORT,
    is_unknown,
    no_text,
    reason_sentence,
    short_reason,
    title_of,
    who,
)
from tui_chat.ui.widgets.transcript_look import time_of

MOST_SHOWN = 100_000
"""Characters of one text that are unfolded; wrapping them takes a tenth of a second at worst."""

NARROW = 80
"""Columns below which a line has no time; unfolded it has."""

INDENT = 4
_WHO = 7
_TIME = 13

TURN = [
    # Here and not on the screen: what scrolls takes left and right for itself otherwise.
    Binding("left", "screen.turn(-1)", "Tab before", id="inspector.before", tooltip="The tab before", show=False),
    Binding(
        "right", "screen.turn(1)", "Tabs", id="inspector.after", tooltip="The next tab (or 1, 2, 3)", key_display="←→"
    ),
]


class EntryList(ScrollView, can_focus=True, inherit_bindings=False):
    """One line for each entry; only the lines on the screen are drawn, so that any number opens at once.

    Where an entry's text is not in the plan, unfolding posts ``TextWanted``; answer with ``give``.
    """

    BINDINGS = [
        *TURN,
        Binding("enter,space", "unfold", "Unfold", id="inspector.unfold", tooltip="Show the whole text, or fold it"),
        Binding("up,k", "move(-1)", "Up", id="inspector.up", tooltip="The entry above", show=False),
        Binding("down,j", "move(1)", "Down", id="inspector.down", tooltip="The entry below", show=False),
        Binding("pageup", "page(-1)", "Page up", id="inspector.page_up", tooltip="One page up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="inspector.page_down", tooltip="One page down", show=False),
        Binding("home,g", "first", "First", id="inspector.first", tooltip="The first entry", show=False),
        Binding("end,G", "last", "Last", id="inspector.last", tooltip="The last entry", show=False),
    ]

    DEFAULT_CSS = """
    EntryList { height: 1fr; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    """

    @dataclass
    class TextWanted(Message):
        """The whole text of this message is to be shown."""

        message_id: str

    def __init__(self, inspection: Inspection, *, now: Clock = clock.now) -> None:
        super().__init__()
        self._inspection = inspection
        self._now = now
        self._rows = rows_of(inspection.plan)
        self._cursor = _begin(self._rows)
        self._texts: dict[str, str] = {}
        self._unfolded: dict[int, list[Line]] = {}
        self._marks: list[int] = []
        self._below: list[int] = [0]
        self._number = len(str(max((row.number or 0 for row in self._rows), default=0)))
        self._tokens = 1 + len(f"{max((row.entry.tokens for row in self._rows), default=0):,}")
        self._inks: Inks | None = None
        self._is_placed = False

    # -- texts ------------------------------------------------------------------------------

    def give(self, message_id: str, text: str) -> None:
        """The whole text of a message, for where it is unfolded."""
        self._texts[message_id] = text
        for place in self._marks:
            if self._rows[place].entry.id == message_id:
                self._unfolded[place] = self._body(place)
        self._measure()

    def _body(self, place: int) -> list[Line]:
        """What an unfolded entry shows below its line."""
        row, inks, width = self._rows[place], self.inks, max(1, self._width - INDENT)
        instant = self._inspection.time_of(row)
        why = reason_sentence(row.entry, self._inspection.plan)
        facts = why if instant is None else f"{why} Written at {clock.local_time(instant)}."
        lines = wrap([(facts, inks.dim)], width)
        text = self._text(row)
        if text is None:
            excerpt = self._inspection.excerpt_of(row)
            missing = no_text(self._inspection, row.entry)
            return lines + wrap([(f"({missing})" if excerpt is None else f"{clean_line(excerpt)} …", inks.text)], width)
        lines += wrap([(clean(text[:MOST_SHOWN]), inks.text)], width)
        if (more := len(text) - MOST_SHOWN) > 0:
            lines += wrap([(f"… {more:,} more characters are not shown here.", inks.warning)], width)
        return lines

    def _text(self, row: Row) -> str | None:
        text = self._inspection.text_of(row)
        return self._texts.get(row.entry.id or "") if text is None else text

    # -- lines and places ---------------------------------------------------------------------

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    def _measure(self) -> None:
        """Where each entry's line is, from what is unfolded."""
        self._marks = sorted(self._unfolded)
        self._below = [0, *accumulate(len(self._unfolded[place]) for place in self._marks)]
        self.virtual_size = Size(0, len(self._rows) + self._below[-1])
        self.refresh()

    def _line_of(self, place: int) -> int:
        return place + self._below[bisect_left(self._marks, place)]

    def _place_at(self, line: int) -> tuple[int, int]:
        """The entry that a line belongs to, and which of its lines it is; an entry's own line is 0."""
        known = bisect_right(self._marks, line, key=self._line_of)
        if known:
            mark = self._marks[known - 1]
            within = line - self._line_of(mark)
            if within <= len(self._unfolded[mark]):
                return mark, within
        return line - self._below[known], 0

    def _bottom_of(self, place: int) -> int:
        return self._line_of(place) + len(self._unfolded.get(place, ()))

    def on_resize(self, event: events.Resize) -> None:
        """Another width breaks the lines anew; the entry with the cursor stays in view."""
        for place in self._marks:
            self._unfolded[place] = self._body(place)
        self._measure()
        line = self._line_of(self._cursor)
        if self._is_placed:
            self._show(line, line)
        else:
            self._is_placed = True
            self.scroll_to(y=line - self.size.height // 4, animate=False)

    # -- drawing --------------------------------------------------------------------------------

    @property
    def inks(self) -> Inks:
        """The theme's styles."""
        if self._inks is None:
            self._inks = Inks.of(self.visual_style, self.app.theme_variables)
        return self._inks

    def notify_style_update(self) -> None:
        """The theme changed: draw in its colours."""
        super().notify_style_update()
        self._inks = None
        if self.is_mounted and self._marks:
            self._unfolded = {place: self._body(place) for place in self._marks}

    def render_line(self, y: int) -> Strip:
        """An entry, a line of its text, or nothing."""
        width = self._width
        place, within = self._place_at(y + self.scroll_offset.y)
        if place >= len(self._rows):
            return Strip.blank(width, self.inks.text)
        segments = self._row_segments(place, width) if within == 0 else self._text_segments(place, within)
        return Strip(segments).adjust_cell_length(width, self.inks.text)

    def _row_segments(self, place: int, width: int) -> list[Segment]:
        """Mark, number, who, why, tokens, time, first line."""
        row, inks = self._rows[place], self.inks
        entry = row.entry
        text = inks.text if entry.sent else inks.dim
        number = str(row.number) if row.number else "↳" if entry.sent else ""
        tokens = "" if is_unknown(entry) else f"~{entry.tokens:,}"
        head = f"{number:>{self._number}} {who(entry):<{_WHO}}{short_reason(entry):<{SHORT + 1}}"
        tail = f"{tokens:>{self._tokens}}  "
        if width >= NARROW:
            instant = self._inspection.time_of(row)
            tail += f"{'' if instant is None else time_of(instant, self._now()):<{_TIME}}"
        excerpt = self._inspection.excerpt_of(row)
        known = excerpt is not None
        line = clean_line(excerpt).strip() if excerpt is not None else f"({no_text(self._inspection, entry)})"
        if title := title_of(entry, self._inspection.plan):
            line = f"{title}: {line}"
        room = max(0, width - 2 - cell_len(head) - cell_len(tail))
        # No line is drawn wider than this, however long its text is.
        shown = set_cell_size(crop(line[: 4 * room + 64], room), room)
        is_current = place == self._cursor and self.has_focus
        cursor = Style(reverse=True) if is_current else Style()
        return [
            self._gutter(row, "▾" if place in self._unfolded else " "),
            Segment(head, text + cursor),
            Segment(tail, inks.dim + cursor),
            Segment(shown, (text if known else inks.dim) + cursor),
        ]

    def _text_segments(self, place: int, within: int) -> list[Segment]:
        return [
            self._gutter(self._rows[place], " " * (INDENT - 1)),
            *self._unfolded[place][within - 1].segments,
        ]

    def _gutter(self, row: Row, rest: str) -> Segment:
        """The bar left of an entry: dotted where it is not sent, so that it is seen without colours."""
        if not row.entry.sent:
            return Segment(f"┆{rest}", self.inks.dim)
        colour = self.inks.user if row.entry.role is Role.USER else self.inks.reply
        return Segment(f"▌{rest}", colour)

    def on_focus(self) -> None:
        """Show the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.refresh()

    # -- keys and mouse --------------------------------------------------------------------------

    def action_unfold(self) -> None:
        """Show the current entry's text below its line, or fold it."""
        if not self._rows:
            return
        place = self._cursor
        if place in self._unfolded:
            del self._unfolded[place]
            self._measure()
        else:
            self._unfolded[place] = self._body(place)
            self._measure()
            row = self._rows[place]
            message_id = row.entry.id
            if message_id is not None and message_id in self._inspection.excerpts and self._text(row) is None:
                self.post_message(self.TextWanted(message_id))
        self._show(self._line_of(place), self._bottom_of(place))

    def action_move(self, step: int) -> None:
        """To the next entry; through a text that is higher than the screen, line by line."""
        top, height = self.scroll_offset.y, self.size.height
        if step > 0 and self._bottom_of(self._cursor) >= top + height:
            self.scroll_to(y=top + 1, animate=False)
        elif step < 0 and self._line_of(self._cursor) < top:
            self.scroll_to(y=top - 1, animate=False)
        else:
            self._set_cursor(self._cursor + step)
            end = self._line_of(self._cursor) if step > 0 else self._bottom_of(self._cursor)
            self._show(end, end)

    def action_page(self, step: int) -> None:
        """A view's height up or down, the cursor with it."""
        height = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        line = self._line_of(self._cursor) - top
        new = max(0, min(top + step * height, self.max_scroll_y))
        self.scroll_to(y=new, animate=False)
        if new == top:
            self._set_cursor(self._cursor + step * len(self._rows))
        else:
            self._set_cursor(self._place_at(new + max(0, min(line, height)))[0])

    def action_first(self) -> None:
        """The first entry."""
        self._set_cursor(0)
        self.scroll_to(y=0, animate=False)

    def action_last(self) -> None:
        """The last entry."""
        self._set_cursor(len(self._rows) - 1)
        self._show(self._line_of(self._cursor), self._bottom_of(self._cursor))

    def _set_cursor(self, place: int) -> None:
        self._cursor = max(0, min(place, len(self._rows) - 1))
        self.refresh()

    def _show(self, first: int, last: int) -> None:
        """Scroll as little as brings these lines into view; the first ones where they are too many."""
        top, height = self.scroll_offset.y, self.size.height
        if last >= top + height:
            top = last - height + 1
        self.scroll_to(y=min(top, first), animate=False)

    def on_click(self, event: events.Click) -> None:
        """Take the cursor; a click on the entry that has it unfolds it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        place, within = self._place_at(offset.y + self.scroll_offset.y)
        if place < len(self._rows):
            was_current = place == self._cursor and within == 0
            self._set_cursor(place)
            if was_current:
                self.action_unfold()


def _begin(rows: Sequence[Row]) -> int:
    """Where to look first: at the first message that is sent, however many before it are not."""
    fixed = (Kind.SYSTEM, Kind.TOOLS)
    return next((at for at, row in enumerate(rows) if row.number and row.entry.kind not in fixed), 0)
