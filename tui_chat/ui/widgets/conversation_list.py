"""The list of saved conversations: any number of them, of which only the rows in view are fetched."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui_chat.core import clock
from tui_chat.core.clean import clean_line
from tui_chat.core.clock import Clock
from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import ConversationIndex, ListedConversation
from tui_chat.ui.widgets.day_groups import Group, day_groups

FetchRows = Callable[[Sequence[int]], Awaitable[Sequence[ListedConversation]]]
"""Gives the rows of these keys; vanished ones may be missing."""

PAGE = 64
MOST_ROWS = 4_096
_MARK = "▸ "
_EMPTY_INDEX = ConversationIndex(array("q"), array("q"), 0)


class ConversationList(ScrollView, can_focus=True):
    """One line for each conversation of an index, under headings by day.

    Give it an index with ``set_index``; it asks ``fetch`` for the rows it draws, one page at a
    time, and shows a placeholder until they are there. A new index keeps the selected conversation
    selected and shows the known rows until fresh ones have come.
    """

    BINDINGS = [
        Binding("enter", "open", "Open", id="list.open", tooltip="Open the selected conversation"),
        Binding("up,k", "move(-1)", "Up", id="list.up", tooltip="The conversation above", show=False),
        Binding("down,j", "move(1)", "Down", id="list.down", tooltip="The conversation below", show=False),
        Binding("pageup", "page(-1)", "Page up", id="list.page_up", tooltip="One page up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="list.page_down", tooltip="One page down", show=False),
        Binding("home,g", "first", "First", id="list.first", tooltip="The first conversation", show=False),
        Binding("end,G", "last", "Last", id="list.last", tooltip="The last conversation", show=False),
        Binding("r", "rename", "Rename", id="list.rename", tooltip="Rename the selected conversation"),
        Binding("p", "pin", "Pin", id="list.pin", tooltip="Pin the selected conversation to the top, or unpin it"),
        Binding(
            "d,delete", "delete", "Delete", id="list.delete", tooltip="Delete the selected conversation (with undo)"
        ),
    ]

    COMPONENT_CLASSES = {
        "conversation-list--heading",
        "conversation-list--open",
        "conversation-list--dim",
    }

    DEFAULT_CSS = """
    ConversationList {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & > .conversation-list--heading { color: $text-muted; text-style: bold; }
        & > .conversation-list--open { color: $text-primary; text-style: bold; }
        & > .conversation-list--dim { color: $text-muted; }
    }
    """

    open_key: reactive[int | None] = reactive(None)
    """The conversation on show, marked in the list."""

    @dataclass
    class Asked(Message):
        """The user wants something done with the conversation of this key (see ``ConversationList.row``)."""

        key: int

    class Opened(Asked):
        """Show this conversation."""

    class DeleteRequested(Asked):
        """Delete this conversation."""

    class RenameRequested(Asked):
        """Let the user give this conversation another title."""

    class PinToggled(Asked):
        """Pin this conversation, or unpin it."""

    @dataclass
    class FetchFailed(Message):
        """Rows could not be fetched; they are asked for again with the next index."""

        error: TuiChatError

    def __init__(
        self, fetch: FetchRows, *, now: Clock = clock.now, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._fetch = fetch
        self._now = now
        self._index = _EMPTY_INDEX
        self._groups: list[Group] = []
        self._heading_lines: list[int] = []
        self._rows: dict[int, ListedConversation] = {}
        self._asked_pages: set[int] = set()
        self._loading = False
        self._cursor = 0
        self._today: date | None = None

    # -- what is listed -----------------------------------------------------------

    def set_index(self, index: ConversationIndex) -> None:
        """List these conversations. The selected one stays selected, or else its place does."""
        selected = self.selected_key
        self._index = index
        self._asked_pages.clear()
        place = self._cursor if selected is None else self._place_of(selected)
        self._cursor = max(0, min(self._cursor if place is None else place, len(index.keys) - 1))
        self._group()
        self._show_cursor()
        self.refresh()

    @property
    def selected_key(self) -> int | None:
        """The key of the conversation under the cursor; None in an empty list."""
        return self._index.keys[self._cursor] if self._index.keys else None

    def select(self, key: int) -> None:
        """Move the cursor to a conversation, if it is listed."""
        if (place := self._place_of(key)) is not None:
            self._move_to(place)

    def row(self, key: int) -> ListedConversation | None:
        """What is known of a conversation: None where it was not fetched yet."""
        return self._rows.get(key)

    def neighbour(self, key: int | None, step: int) -> int | None:
        """The key ``step`` places below ``key``; None at the ends, the first where ``key`` is not listed."""
        if not self._index.keys:
            return None
        place = None if key is None else self._place_of(key)
        if place is None:
            return self._index.keys[0]
        return self._index.keys[place + step] if 0 <= place + step < len(self._index.keys) else None

    def _place_of(self, key: int) -> int | None:
        try:
            return self._index.keys.index(key)
        except ValueError:
            return None

    def _group(self) -> None:
        now = self._now()
        self._today = _date(now)
        self._groups = day_groups(self._index, now)
        self._heading_lines = [group.start + number for number, group in enumerate(self._groups)]
        self.virtual_size = Size(0, len(self._index.keys) + len(self._groups))

    def on_mount(self) -> None:
        """Watch for midnight: an app may stay open for days."""
        self.set_interval(60, self._group_on_a_new_day)

    def _group_on_a_new_day(self) -> None:
        if self._index.keys and _date(self._now()) != self._today:
            self._group()
            self.refresh()

    # -- lines and places -----------------------------------------------------------

    def _line_of(self, place: int) -> int:
        return place + bisect_right(self._groups, place, key=lambda group: group.start)

    def _place_at(self, line: int) -> int | None:
        """The place in the index that this line shows; None for a heading or nothing."""
        above = bisect_right(self._heading_lines, line)
        place = line - above
        if not 0 <= place < len(self._index.keys) or (above and self._heading_lines[above - 1] == line):
            return None
        return place

    def _places_in_view(self) -> range:
        top, height = self.scroll_offset.y, max(1, self.size.height)
        first = top - bisect_right(self._heading_lines, top)
        last = top + height - 1 - bisect_right(self._heading_lines, top + height - 1)
        return range(max(0, first), min(len(self._index.keys), last + 1))

    # -- rows -----------------------------------------------------------------------

    async def _load_rows_in_view(self) -> None:
        """Fetch one page after the other until what is in view now is there; what was scrolled past is not asked."""
        try:
            while (page := self._next_page()) is not None:
                self._asked_pages.add(page)
                keys = self._index.keys[page * PAGE : (page + 1) * PAGE]
                self._keep(keys, await self._fetch(keys))
        except TuiChatError as error:
            self.post_message(self.FetchFailed(error))
        finally:
            self._loading = False

    def _next_page(self) -> int | None:
        return next((page for page in self._pages_in_view() if page not in self._asked_pages), None)

    def _pages_in_view(self) -> Sequence[int]:
        places = self._places_in_view()
        return range(places[0] // PAGE, places[-1] // PAGE + 1) if places else ()

    def _keep(self, keys: Sequence[int], rows: Sequence[ListedConversation]) -> None:
        for key in keys:
            self._rows.pop(key, None)
        self._rows.update((row.key, row) for row in rows)
        if len(self._rows) > MOST_ROWS:
            pages = self._pages_in_view()
            near = {key for page in pages for key in self._index.keys[page * PAGE : (page + 1) * PAGE]}
            self._rows = {key: row for key, row in self._rows.items() if key in near}
            self._asked_pages.intersection_update(pages)
        self.refresh()

    # -- drawing --------------------------------------------------------------------

    def watch_open_key(self) -> None:
        """Move the mark."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """A heading, a conversation, or nothing."""
        line, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        place = self._place_at(line)
        if place is not None:
            return self._draw_row(place, width)
        heading = next((self._groups[n].heading for n, at in enumerate(self._heading_lines) if at == line), "")
        return Strip(
            [Segment(_fit(heading, width), self.get_component_rich_style("conversation-list--heading"))], width
        )

    def _draw_row(self, place: int, width: int) -> Strip:
        if place // PAGE not in self._asked_pages and not self._loading:
            self._loading = True
            self.call_later(lambda: self.run_worker(self._load_rows_in_view(), group="rows"))
        key = self._index.keys[place]
        row = self._rows.get(key)
        title = clean_line(row.conversation.title).strip() if row else "…"
        count = f" {row.message_count:,} " if row and width >= 16 else " "
        is_open = key == self.open_key
        base = self.get_component_rich_style("conversation-list--open") if is_open else self.rich_style
        dim = self.get_component_rich_style("conversation-list--dim")
        cursor = Style(reverse=True) if place == self._cursor and self.has_focus else Style()
        name = _fit(title or "Untitled", max(1, width - len(_MARK) - len(count)))
        segments = (
            Segment(_MARK if is_open else " " * len(_MARK), base + cursor),
            Segment(name, (base if row and title else dim) + cursor),
            Segment(count, dim + cursor),
        )
        return Strip(segments).adjust_cell_length(width)

    # -- moving -----------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        """Move the cursor by so many conversations."""
        self._move_to(self._cursor + step)

    def action_page(self, step: int) -> None:
        """Move the cursor by a view's height."""
        self._move_to(self._cursor + step * max(1, self.size.height - 1))

    def action_first(self) -> None:
        """Move the cursor to the first conversation."""
        self._move_to(0)

    def action_last(self) -> None:
        """Move the cursor to the last conversation."""
        self._move_to(len(self._index.keys) - 1)

    def _move_to(self, place: int) -> None:
        self.refresh_line(self._line_of(self._cursor))
        self._cursor = max(0, min(place, len(self._index.keys) - 1))
        self.refresh_line(self._line_of(self._cursor))
        self._show_cursor()

    def _show_cursor(self) -> None:
        """Scroll no more than it takes; a group's first conversation brings its heading into view."""
        bottom = self._line_of(self._cursor)
        top = bottom - 1 if bottom - 1 in self._heading_lines else bottom
        if top < self.scroll_offset.y:
            self.scroll_to(y=top, animate=False)
        elif bottom >= self.scroll_offset.y + self.size.height:
            self.scroll_to(y=bottom - self.size.height + 1, animate=False)

    # -- asking -----------------------------------------------------------------------

    def action_open(self) -> None:
        """Ask to show the selected conversation."""
        self._ask(self.Opened)

    def action_delete(self) -> None:
        """Ask to delete the selected conversation."""
        self._ask(self.DeleteRequested)

    def action_rename(self) -> None:
        """Ask to rename the selected conversation."""
        self._ask(self.RenameRequested)

    def action_pin(self) -> None:
        """Ask to pin or unpin the selected conversation."""
        self._ask(self.PinToggled)

    def _ask(self, wish: type[Asked]) -> None:
        if (key := self.selected_key) is not None:
            self.post_message(wish(key))

    def on_click(self, event: events.Click) -> None:
        """Select and open what was clicked."""
        offset = event.get_content_offset(self)
        place = None if offset is None else self._place_at(offset.y + self.scroll_offset.y)
        if place is not None:
            self._move_to(place)
            self.action_open()


def _fit(text: str, width: int) -> str:
    """The text in exactly so many cells, cut with … where it is longer."""
    # No title is drawn wider than this, however long its text is.
    text = text[: 4 * width + 64]
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(0, width - 1)) + "…"


def _date(instant: int) -> date:
    return clock.local(instant).date()
