"""The inspector: exactly what one request sends, what it does not and why, and the bytes themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.getters import query_one
from textual.message import Message
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Footer, Static

from tui_chat.core import clock
from tui_chat.core.clock import Clock
from tui_chat.core.errors import TuiChatError
from tui_chat.ui.modal import Modal
from tui_chat.ui.screens.inspection import Inspection
from tui_chat.ui.screens.inspector_list import TURN, EntryList
from tui_chat.ui.screens.inspector_raw import RawRequest
from tui_chat.ui.screens.inspector_words import KEY_NOTE, destination, heading, layers, no_body, totals
from tui_chat.ui.text import plain

ReadText = Callable[[str], Awaitable[str]]
"""Gives the whole text of a stored message by its id."""

TABS = {"sent": "What is sent", "raw": "Raw request", "layers": "Three layers"}


class Tab(Static):
    """The name of a tab, to be clicked."""

    @dataclass
    class Chosen(Message):
        """Show this tab."""

        name: str

    def __init__(self, number: int, name: str) -> None:
        super().__init__(plain(f"{number} {TABS[name]}"), markup=False, name=name)

    def on_click(self) -> None:
        """Ask for it."""
        self.post_message(self.Chosen(self.name or ""))


class Layers(VerticalScroll, can_focus=True):
    """Side by side, or below one another where there is no room: this screen, the model's view, the history."""

    BINDINGS = [
        *TURN,
        Binding("j", "scroll_down", "Down", id="inspector.layers_down", tooltip="One line down", show=False),
        Binding("k", "scroll_up", "Up", id="inspector.layers_up", tooltip="One line up", show=False),
    ]

    def __init__(self, inspection: Inspection) -> None:
        cards = []
        for name, lines in layers(inspection):
            card = Static(plain("\n".join(lines)), markup=False, classes="layer")
            card.border_title = plain(name)
            cards.append(card)
        super().__init__(Container(*cards))


class InspectorScreen(Modal[bool]):
    """Shows one request and changes nothing. ``read`` gives the texts that are not in the plan.

    True where the person wants to choose what the model remembers.
    """

    BINDINGS = [
        *TURN,
        Binding("1", "show('sent')", TABS["sent"], id="inspector.sent", tooltip="Every entry and why", show=False),
        Binding("2", "show('raw')", TABS["raw"], id="inspector.raw", tooltip="The bytes as they are sent", show=False),
        Binding("3", "show('layers')", TABS["layers"], id="inspector.layers", tooltip="What is where", show=False),
        Binding("m", "memory", "Memory", id="inspector.memory", tooltip="Choose what the model remembers"),
        Binding("escape,f3,q", "close", "Close", id="inspector.close", tooltip="Back to where you were"),
    ]

    CSS_PATH = "inspector.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]

    switcher = query_one(ContentSwitcher)
    entries = query_one(EntryList)

    def __init__(self, inspection: Inspection, *, read: ReadText | None = None, now: Clock = clock.now) -> None:
        super().__init__()
        self._inspection = inspection
        self._read = read
        self._now = now

    def compose(self) -> ComposeResult:
        inspection = self._inspection
        yield Static(plain(heading(inspection)), markup=False, id="heading")
        yield Static(plain(destination(inspection)), markup=False, id="destination")
        yield Horizontal(*(Tab(number, name) for number, name in enumerate(TABS, 1)), id="tabs")
        with ContentSwitcher():
            yield Vertical(
                EntryList(inspection, now=self._now),
                Static(plain("\n".join(totals(inspection))), markup=False, id="totals", classes="said"),
                id="sent",
            )
            yield Vertical(*_raw(inspection), id="raw")
            yield Vertical(Layers(inspection), id="layers")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin with what is sent."""
        self.action_show("sent")

    # -- tabs ---------------------------------------------------------------------------------

    def action_show(self, name: str) -> None:
        """Show this tab."""
        self.switcher.current = name
        for each in self.query(Tab):
            each.set_class(each.name == name, "-on")
        # Not the parts of another tab: what is hidden must not take keys.
        parts = self.query(f"#{name} > *").results()
        self.set_focus(next((part for part in parts if part.can_focus), None))

    def action_turn(self, step: int) -> None:
        """The tab before, or the next one."""
        names = list(TABS)
        self.action_show(names[(names.index(self.switcher.current or names[0]) + step) % len(names)])

    @on(Tab.Chosen)
    def _tab_chosen(self, event: Tab.Chosen) -> None:
        self.action_show(event.name)

    # -- what the keys do ------------------------------------------------------------------------

    @on(EntryList.TextWanted)
    def _text_wanted(self, event: EntryList.TextWanted) -> None:
        if self._read is not None:
            self._give(self._read, event.message_id)

    @work(group="text")
    async def _give(self, read: ReadText, message_id: str) -> None:
        """Read a text that the plan does not hold."""
        try:
            self.entries.give(message_id, await read(message_id))
        except TuiChatError as error:
            self.notify(error.sentence, severity="error", markup=False)

    @work(group="copy")
    async def action_copy_raw(self) -> None:
        """Copy the whole body, as it is sent."""
        from tui_chat.ui.clipboard import copy

        self.notify(await copy(self.app, self._inspection.raw.decode(errors="replace")), markup=False)

    def action_memory(self) -> None:
        """Choose what is remembered, and see what changes."""
        self.dismiss(True)

    def action_close(self) -> None:
        """Back."""
        self.dismiss(False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A past request can no longer be changed."""
        return not self._inspection.past if action == "memory" else True


def _raw(inspection: Inspection) -> Iterator[Widget]:
    if inspection.raw:
        has_images = any(each.images for each in inspection.plan.payload)
        eye = " Images are shortened for the eye." if has_images else ""
        note = f"{len(inspection.raw):,} bytes, as they are sent.{eye} {KEY_NOTE}"
        yield Static(plain(note), markup=False, id="note", classes="said")
        yield RawRequest(inspection.raw)
    else:
        yield Static(plain(no_body(inspection)), markup=False, classes="said")
