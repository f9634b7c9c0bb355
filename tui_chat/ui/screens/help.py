"""Help: the keys that work at the place one came from, and the user's guide."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.events import Resize
from textual.geometry import Size
from textual.getters import query_one
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Footer, OptionList
from textual.widgets.option_list import Option

from tui_chat.ui.forms import Choices
from tui_chat.ui.markdown import Inks, Line, render
from tui_chat.ui.modal import Modal
from tui_chat.ui.text import clean, plain

KEYS = "keys"
"""The topic that begins with the keys of the place one came from."""


class Page(ScrollView, can_focus=True):
    """A Markdown text to read; it scrolls with the usual keys and with j, k, g and G."""

    BINDINGS = [
        # Here and not on the screen: a page scrolls sideways with left and right otherwise.
        Binding(
            "left,p", "screen.turn(-1)", "Topic before", id="help.previous", tooltip="The topic before", show=False
        ),
        Binding("right,n", "screen.turn(1)", "Topics", id="help.next", tooltip="The next topic", key_display="←→"),
        Binding("j", "scroll_down", "Down", id="help.down", tooltip="One line down", show=False),
        Binding("k", "scroll_up", "Up", id="help.up", tooltip="One line up", show=False),
        Binding("space", "page_down", "Page down", id="help.page_down", tooltip="One page down", show=False),
        Binding("g", "scroll_home", "Top", id="help.top", tooltip="To the beginning", show=False),
        Binding("G", "scroll_end", "End", id="help.end", tooltip="To the end", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._text = ""
        self._lines: list[Line] = []

    def show(self, text: str) -> None:
        """Another text, from its beginning."""
        self._text = clean(text)
        self._draw()
        self.scroll_home(animate=False)

    def on_resize(self, event: Resize) -> None:
        """Break the lines anew."""
        self._draw()

    def notify_style_update(self) -> None:
        """The theme changed: draw in its colours."""
        super().notify_style_update()
        if self.is_mounted and self._text:
            self._draw()

    def _draw(self) -> None:
        width = self.scrollable_content_region.width
        if width:
            self._lines = render(self._text, width, Inks.of(self.visual_style, self.app.theme_variables))
            self.virtual_size = Size(width, len(self._lines))
        self.refresh()

    def action_scroll_home(self) -> None:
        """To the beginning, at once."""
        self.scroll_home(animate=False)

    def action_scroll_end(self) -> None:
        """To the end, at once."""
        self.scroll_end(animate=False)

    def render_line(self, y: int) -> Strip:
        """One line of the text."""
        width = self.scrollable_content_region.width
        place = y + self.scroll_offset.y
        if place >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[place]
        return Strip(line.segments, line.width).adjust_cell_length(width, self.rich_style)


class HelpScreen(Modal[None]):
    """The guide, open at ``topic``. ``bindings`` are the keys and their descriptions where one came from."""

    BINDINGS = [
        Binding("escape,f1,question_mark,q", "close", "Close", id="help.close", tooltip="Back to where you were"),
    ]

    CSS_PATH = "help.tcss"

    page = query_one(Page)
    topics = query_one(Choices)

    def __init__(self, topic: str, bindings: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__()
        self._topic = topic
        self._keys = bindings
        self._texts: Mapping[str, str] = {}

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Choices(can_focus=False)
            yield Page()
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.page.focus()
        self._load()

    @work(group="load", thread=True)
    def _load(self) -> None:
        """Read the guide; a thread because it is in files, and the parser is imported by it."""
        from tui_chat.core.guide import flowing, topics

        texts = {name: flowing(text) for name, text in topics().items()}
        if self._keys:
            texts[KEYS] = f"{key_table(self._keys)}\n\n{texts.get(KEYS, '')}"
        self.app.call_from_thread(self._show, texts)

    def _show(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self.topics.set_options([Option(plain(name)) for name in texts])
        names = list(texts)
        self.topics.highlighted = names.index(self._topic) if self._topic in names else 0

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show this topic."""
        event.stop()
        name = list(self._texts)[event.option_index]
        self.page.show(self._texts[name])

    def action_turn(self, step: int) -> None:
        """The topic before, or the next one."""
        if self._texts and self.topics.highlighted is not None:
            self.topics.highlighted = (self.topics.highlighted + step) % len(self._texts)

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)


def what_it_does(binding: Binding) -> str:
    """What help says of a key; empty for editing keys and for those of Textual, which everybody knows."""
    if binding.action in _OF_TEXTUAL:
        return _OF_TEXTUAL[binding.action]
    if binding.id is None or (binding.id.startswith("prompt.") and not binding.show):
        return ""
    return binding.tooltip or binding.description


_OF_TEXTUAL = {
    "app.focus_next": "Go to the next part of the screen",
    "app.focus_previous": "Go to the part of the screen before",
}


def key_table(bindings: Sequence[tuple[str, str]]) -> str:
    """The keys as Markdown, those that do the same in one line."""
    keys: dict[str, list[str]] = {}
    for key, description in bindings:
        keys.setdefault(description, []).append(key)
    rows = "\n".join(f"| {_literal(', '.join(same))} | {_literal(what)} |" for what, same in keys.items())
    return f"# Keys here\n\n| key | what it does |\n|---|---|\n{rows}"


def _literal(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~])", r"\\\1", text)
