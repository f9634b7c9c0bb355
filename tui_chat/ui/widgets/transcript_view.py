"""A document of messages of any length as lines: scrolling that stays put, painting, selection.

Only what is on the screen is drawn. Heights of messages that were never drawn are estimates; the truth
about where the reader is, is the ``Place`` at the top of the screen, so that a better height above it or
a text that arrives moves nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterator

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Offset, Region, Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from tui_chat.core.models import Role, Status
from tui_chat.ui.markdown import BLANK, Inks, Line
from tui_chat.ui.markdown.inks import DIM
from tui_chat.ui.widgets.transcript_copy import copied
from tui_chat.ui.widgets.transcript_look import GUTTER, gutter, rule_line
from tui_chat.ui.widgets.transcript_rows import RULE_LINES, Place, Rows

KEPT_LINES = 6_000
"""Drawn lines that are kept, about 1 kB each with their styles shared."""

PAINTED = 1_000
"""Painted lines that are kept: a few screens, so that scrolling writes what it has written before."""

_ROW_SHIFT = 20
# A selection is made of (column, line) and must hold while heights above it change, so that its
# lines are numbered by message: row << 20 | line.


class TranscriptView(ScrollView, can_focus=True):
    """Draws and scrolls; what the messages are, its subclass knows."""

    DEFAULT_CSS = """
    TranscriptView {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows = Rows()
        self.text_width = 0
        """Cells a line of text has; 0 before the first layout."""
        self.place = Place(0, 0)
        """What stands at the top of the screen."""
        self._follow = True
        self._inks: Inks | None = None
        self._inks_are_fresh = False
        self._drawn: OrderedDict[str, list[Line]] = OrderedDict()
        self._drawn_lines = 0
        self._painted: dict[tuple[int, Role | None, bool, bool], tuple[Line, Strip]] = {}

    # -- what the subclass says

    @abstractmethod
    def draw_message(self, row: int) -> tuple[list[Line], bool]:
        """A message's lines, the first a place for its header, and whether they are its true ones (not
        something that stands for them)."""

    @abstractmethod
    def header_line(self, row: int) -> Line:
        """A message's first line. It is asked for whenever it is painted, so that it can say what changes."""

    @abstractmethod
    def is_sent(self, row: int) -> bool:
        """Whether the model gets it."""

    @abstractmethod
    def is_current(self, row: int) -> bool:
        """Whether the cursor is on it."""

    @abstractmethod
    def following_changed(self, following: bool) -> None:
        """The view began or ceased to follow the end."""

    @abstractmethod
    def scrolled(self) -> None:
        """Other lines are on the screen."""

    above = 0
    """Messages above the rule that are not sent."""

    @property
    def follow(self) -> bool:
        """Whether the end is on the screen and stays there when more comes."""
        return self._follow

    # -- drawing

    @property
    def inks(self) -> Inks:
        """The theme's styles. A change of theme forgets what is drawn, not how high it is."""
        if not self._inks_are_fresh or self._inks is None:
            inks = Inks.of(self.visual_style, self.app.theme_variables)
            self._inks_are_fresh = True
            if inks != self._inks:
                self._inks = inks
                self.forget_drawn()
        return self._inks or inks

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._inks_are_fresh = False

    def forget_drawn(self) -> None:
        """Draw everything again when it is next seen."""
        self._drawn.clear()
        self._drawn_lines = 0
        self._painted.clear()

    def undraw(self, message_id: str) -> None:
        """Draw this message again when it is next seen; it will be as high as it is."""
        self._drawn_lines -= len(self._drawn.pop(message_id, ()))

    def forget(self, message_id: str) -> None:
        """Draw this message again when it is next seen; its height counts as an estimate."""
        self.undraw(message_id)
        if (row := self.rows.index(message_id)) is not None:
            self.rows.exact[row] = False

    def lines_of(self, row: int) -> list[Line]:
        """A message's lines, drawn now if need be."""
        message_id = self.rows.headers[row].id
        if (lines := self._drawn.get(message_id)) is not None:
            self._drawn.move_to_end(message_id)
            return lines
        lines, exact = self.draw_message(row)
        self.keep(message_id, lines)
        if exact and not self.rows.exact[row]:
            self.rows.measure(row, len(lines))
        return lines

    def keep(self, message_id: str, lines: list[Line]) -> None:
        """These are the message's lines."""
        self.undraw(message_id)
        self._drawn_lines += len(lines)
        self._drawn[message_id] = lines
        while self._drawn_lines > KEPT_LINES and len(self._drawn) > 4:
            self._drawn_lines -= len(self._drawn.popitem(last=False)[1])

    def height_of(self, row: int) -> int:
        """A message's lines, counted."""
        self.lines_of(row)
        return self.rows.heights[row]

    def keep_true(self, row: int, lines: list[Line]) -> None:
        """These are the message's lines, and so many it has."""
        self.keep(self.rows.headers[row].id, lines)
        self.rows.measure(row, len(lines))

    # -- scrolling

    def show_end(self) -> None:
        """Bring the last line to the bottom of the screen."""
        if not self.text_width:
            return
        room, row = self.size.height + RULE_LINES, len(self.rows)
        while row and room > 0:
            row -= 1
            room -= self.height_of(row)
        self.rows.add_up()
        self.scroll_to_line(self.rows.total)

    def show_from(self, place: Place) -> None:
        """Bring this line to the top of the screen (or the end to its bottom, if that comes first)."""
        if not self.rows or not self.text_width:
            self.place = place
            return
        row = min(place.row, len(self.rows) - 1)
        line = max(-self.rule_lines(row), min(place.line, self.height_of(row) - 1))
        room, below = self.size.height + RULE_LINES - (self.rows.heights[row] - line), row + 1
        while below < len(self.rows) and room > 0:
            room -= self.height_of(below)
            below += 1
        if room > RULE_LINES:
            self.show_end()
            return
        self.rows.add_up()
        self.scroll_to_line(self.rows.line_of(Place(row, line)))

    def stay(self) -> None:
        """Draw what is in view and keep it where it is: the end where that is followed, the top line else."""
        if self._follow:
            self.show_end()
        else:
            self.show_from(self.place)

    def move(self, lines: int) -> None:
        """Scroll by so many true lines, measuring on the way."""
        row, line = self.place
        line += lines
        while line < -self.rule_lines(row) and row > 0:
            line += self.rule_lines(row)
            row -= 1
            line += self.height_of(row)
        while row < len(self.rows) - 1 and line >= self.height_of(row):
            line -= self.height_of(row)
            row += 1
            line -= self.rule_lines(row)
        self.show_from(Place(row, line))

    def rule_lines(self, row: int) -> int:
        """Lines of the rule above this message."""
        return RULE_LINES if row == self.rows.rule else 0

    def scroll_to_line(self, line: int) -> None:
        """Bring a line of the document to the top; what comes into view must have been measured."""
        self.size_changed()
        line = max(0, min(line, self.rows.total - self.size.height))
        self.set_reactive(ScrollView.scroll_y, float(line))
        self.set_reactive(ScrollView.scroll_target_y, float(line))
        self.vertical_scrollbar.position = line
        self.place = self.rows.place_of(line)
        self.set_follow(line >= self.rows.total - self.size.height)
        self.scrolled()
        self.refresh()

    def set_follow(self, follow: bool) -> None:
        """Follow the end from now on, or stay."""
        if follow != self._follow:
            self._follow = follow
            self.following_changed(follow)

    def size_changed(self) -> None:
        """Tell the scrollbar how long the document is.

        Not by assigning ``virtual_size``: that lays out the whole screen, for every line that arrives.
        """
        size = Size(self.text_width, self.rows.total)
        if size != self.virtual_size:
            self.set_reactive(ScrollView.virtual_size, size)
            self.vertical_scrollbar.window_virtual_size = size.height

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The wheel, the scrollbar or a selection scrolls: by a true distance if it is short."""
        old, new = round(old_value), round(new_value)
        if old == new or not self.rows or not self.text_width:
            return
        if abs(new - old) <= 3 * self.size.height:
            self.move(new - old)
        else:
            self.show_from(self.rows.place_of(new))

    def scroll_to(self, x: float | None = None, y: float | None = None, **options: object) -> None:
        """As every ScrollView does, but at once: an animation counts in lines that may be estimates."""
        super().scroll_to(x, y, animate=False)

    def on_resize(self, event: events.Resize) -> None:
        """Another width draws everything again and keeps the reader at the same part of the same message."""
        width = max(1, self.scrollable_content_region.width - GUTTER - 1)
        if self.scrollable_content_region.width <= 0:
            return
        if width == self.text_width:
            self.stay()
            return
        row, line = self.place
        part = line / max(1, self.rows.heights[row]) if self.text_width and row < len(self.rows) else None
        self.text_width = width
        self.width_changed()
        self.forget_drawn()
        self.rows.forget_heights(width)
        if self._follow or part is None:
            self.stay()
        else:
            self.show_from(Place(row, int(part * self.height_of(row)) if line > 0 else line))

    def width_changed(self) -> None:
        """Lines have another width from now on."""

    # -- painting

    def line_at(self, place: Place) -> Line:
        """The line of a place, drawn now if need be."""
        if place.line < 0 or place.row >= len(self.rows):
            is_rule = place.line == -RULE_LINES
            return rule_line(self.above, self.text_width, self.inks) if is_rule else BLANK
        if place.line == 0:
            return self.header_line(place.row)
        lines = self.lines_of(place.row)
        return lines[place.line] if place.line < len(lines) else BLANK

    def render_lines(self, crop: Region) -> list[Strip]:
        """As every widget does, but without its cache by screen line, which begins anew with every scroll.

        Here the strips themselves are kept, with the escape sequences they have been turned into.
        """
        _ = self.inks
        background = self.background_colors[1]
        filters = self.get_line_filters()
        strips = []
        for y in crop.line_range:
            strip = self._strip(y)[1]
            for each in filters:
                strip = strip.apply_filter(each, background)
            strips.append(strip)
        if crop.column_span == (0, self.size.width):
            return strips
        return [strip.crop(*crop.column_span) for strip in strips]

    def render_line(self, y: int) -> Strip:
        """The line with the places of its characters in its styles; Textual asks for it where the mouse is."""
        place, strip = self._strip(y)
        return strip if place is None else strip.apply_offsets(0, _selection_line(place))

    def _strip(self, y: int) -> tuple[Place | None, Strip]:
        line_number = self.scroll_offset.y + y
        if line_number >= self.rows.total or not self.text_width:
            return None, Strip.blank(self.size.width, self.inks.text)
        place = self.rows.place_of(line_number)
        strip = self._paint(place)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(_selection_line(place))) is not None:
            strip = self._selected(strip, *span)
        return place, strip

    def _paint(self, place: Place) -> Strip:
        """A line with its gutter. What depends on the plan and the cursor is decided here, not when it is drawn."""
        row, line = place.row, self.line_at(place)
        # The blank line below a message is not part of it.
        in_message = row < len(self.rows) and 0 <= place.line < self.rows.heights[row] - 1
        sent, current = not in_message or self.is_sent(row), in_message and self.is_current(row)
        role = self.rows.headers[row].role if in_message else None
        key = (id(line), role, sent, current)
        known = self._painted.get(key)
        if known is not None and known[0] is line:
            return known[1]
        bar = gutter(role, self.inks, sent=sent, current=current, head=place.line == 0) if role else None
        # What failed is not sent either, but it is what the reader has to see.
        dim = not sent and self.rows.headers[row].status is Status.COMPLETE
        strip = self._with_gutter(line, bar or Segment(" " * GUTTER, self.inks.text), dim=dim)
        if len(self._painted) >= PAINTED:
            self._painted.clear()
        self._painted[key] = (line, strip)
        return strip

    def _with_gutter(self, line: Line, bar: Segment, *, dim: bool) -> Strip:
        segments = Segment.apply_style(line.segments, post_style=DIM) if dim else line.segments
        width = GUTTER + line.width
        space = self.size.width - width
        if space < 0:
            return Strip([bar, *segments], width).crop(0, self.size.width)
        return Strip(
            [bar, *segments, Segment(" " * space, self.inks.text)] if space else [bar, *segments], width + space
        )

    # -- selection

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        """The characters from ``start`` to ``end`` (-1: all) as selected; on top, for cells have backgrounds."""
        style = self.screen.get_component_rich_style("screen--selection")
        text = strip.text
        first = cell_len(text[:start])
        last = strip.cell_length if end == -1 else min(strip.cell_length, cell_len(text[:end]))
        before, chosen, after = strip.crop(0, first), strip.crop(first, last), strip.crop(last, None)
        painted = Strip(Segment.apply_style(chosen, post_style=style), chosen.cell_length)
        return Strip.join([before, painted, after])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text as it reads: wrapped lines joined, bars and rules left out."""
        return copied(self._selected_lines(selection)), "\n"

    def _selected_lines(self, selection: Selection) -> Iterator[tuple[Line, int, int | None, bool]]:
        if not self.rows:
            return
        start, end = selection
        first = _selection_place(start.y) if start else Place(0, 0)
        last = _selection_place(end.y) if end else Place(len(self.rows) - 1, self.height_of(len(self.rows) - 1))
        for row in range(first.row, min(last.row, len(self.rows) - 1) + 1):
            for number in range(self.height_of(row)):
                place = Place(row, number)
                if first <= place <= last:
                    left = start.x if start and place == first else 0
                    right = end.x if end and place == last else None
                    yield self.line_at(place), left, right, number == 0

    def select_message(self, row: int) -> None:
        """Select the whole of a message."""
        last = Place(row, self.height_of(row) - 1)
        selection = Selection(Offset(0, _selection_line(Place(row, 1))), Offset(self.size.width, _selection_line(last)))
        self.screen.selections = {self: selection}


def _selection_line(place: Place) -> int:
    return place.row << _ROW_SHIFT | (place.line + RULE_LINES)


def _selection_place(line: int) -> Place:
    return Place(line >> _ROW_SHIFT, (line & ((1 << _ROW_SHIFT) - 1)) - RULE_LINES)
