from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from datetime import datetime
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.widgets import Static

from tests.ui.reading import lines_of, strips_of
from tui_chat.core.clock import DAY
from tui_chat.core.errors import StoreFailed
from tui_chat.core.models import Conversation
from tui_chat.core.ports import ConversationIndex, ListedConversation
from tui_chat.ui.widgets import conversation_list
from tui_chat.ui.widgets.conversation_list import PAGE, ConversationList
from tui_chat.ui.widgets.day_groups import day_groups

FRIDAY = round(datetime(2026, 11, 20, 15, 0).timestamp() * 1000)


def index_of(*days_ago: float, pinned: int = 0) -> ConversationIndex:
    """Keys 1, 2, … of conversations last touched so many days before that Friday."""
    return ConversationIndex(
        array("q", range(1, len(days_ago) + 1)), array("q", [FRIDAY - round(days * DAY) for days in days_ago]), pinned
    )


def long_index(number: int) -> ConversationIndex:
    return ConversationIndex(
        array("q", range(1, number + 1)), array("q", [FRIDAY - place * 900_000 for place in range(number)]), 0
    )


class Rows:
    """A store's rows: titles by key, and a gate that holds answers back."""

    def __init__(self, titles: dict[int, str] | None = None) -> None:
        self.titles = titles
        self.asked: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: StoreFailed | None = None

    async def __call__(self, keys: Sequence[int]) -> Sequence[ListedConversation]:
        self.asked.append(list(keys))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        titles = {key: f"Talk {key}" for key in keys} if self.titles is None else self.titles
        return [
            ListedConversation(key, Conversation(f"id-{key}", titles[key], 0, 0), key * 2)
            for key in keys
            if key in titles
        ]


class ListApp(App[None]):
    CSS = "Static { height: 1; }"

    def __init__(self, rows: Rows, index: ConversationIndex) -> None:
        super().__init__()
        self.list = ConversationList(rows, now=lambda: FRIDAY)
        self.index = index
        self.asked: list[tuple[str, int]] = []
        self.failures: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.list
        yield Static("foot", markup=False)

    def on_mount(self) -> None:
        self.list.set_index(self.index)
        self.list.focus()

    def on_conversation_list_opened(self, event: ConversationList.Opened) -> None:
        self.asked.append(("open", event.key))

    def on_conversation_list_delete_requested(self, event: ConversationList.DeleteRequested) -> None:
        self.asked.append(("delete", event.key))

    def on_conversation_list_rename_requested(self, event: ConversationList.RenameRequested) -> None:
        self.asked.append(("rename", event.key))

    def on_conversation_list_pin_toggled(self, event: ConversationList.PinToggled) -> None:
        self.asked.append(("pin", event.key))

    def on_conversation_list_fetch_failed(self, event: ConversationList.FetchFailed) -> None:
        self.failures.append(str(event.error))


async def test_conversations_stand_under_pinned_and_their_days() -> None:
    titles = {1: "Thesis notes", 2: "Trip to Oslo", 3: "", 4: "Soup", 5: "Bread", 6: "Tax", 7: "Old"}
    app = ListApp(Rows(titles), index_of(90, 0.1, 0.2, 1, 3, 25, 400, pinned=1))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        app.list.open_key = 2
        await pilot.pause()

        assert lines_of(app.list) == [
            "Pinned",
            "  Thesis notes          2",
            "Today",
            "▸ Trip to Oslo          4",
            "  Untitled              6",
            "Yesterday",
            "  Soup                  8",
            "This week",
            "  Bread                10",
            "October 2026",
            "  Tax                  12",
            "October 2025",
            "  Old                  14",
            *[""] * 6,
        ]


async def test_hostile_titles_are_shown_as_harmless_text_of_one_line() -> None:
    titles = {
        1: "a\x1b]0;pwned\x07b\nc",
        2: "[/foo] [@click=app.quit]x[/]",
        3: "\u202etxt.exe\u2066",
        4: "漢字漢字漢字漢字漢字漢字漢字漢字",
        5: "x" * 100_000,
        6: " \n ",
    }
    app = ListApp(Rows(titles), index_of(*[0.1] * 6))
    async with app.run_test(size=(40, 10), notifications=True, tooltips=True) as pilot:
        await pilot.pause()

        assert lines_of(app.list)[1:7] == [
            "  a�]0;pwned�b c" + " " * 22 + "2",
            "  [/foo] [@click=app.quit]x[/]" + " " * 8 + "4",
            "  txt.exe" + " " * 29 + "6",
            "  漢字漢字漢字漢字漢字漢字漢字漢字" + " " * 4 + "8",
            "  " + "x" * 33 + "… 10",
            "  Untitled" + " " * 27 + "12",
        ]


async def test_a_narrow_list_cuts_between_wide_characters() -> None:
    app = ListApp(Rows({1: "漢字漢字漢字漢字漢字漢字"}), index_of(0.1))
    async with app.run_test(size=(20, 6), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        row = strips_of(app.list)[1].text

        assert row == "  漢字漢字漢字漢… 2 "
        assert cell_len(row) == 20


async def test_keys_move_over_headings_to_conversations_only() -> None:
    app = ListApp(Rows(), index_of(0.1, 1, 3, 25, 60))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        places = []
        for key in ("up", "down", "j", "k", "end", "down", "g", "G", "home", "pagedown", "pageup"):
            await pilot.press(key)
            places.append(app.list.selected_key)

        assert places == [1, 2, 3, 2, 5, 5, 1, 5, 1, 5, 1]


async def test_keys_ask_for_what_they_say_about_the_selected_one() -> None:
    app = ListApp(Rows(), index_of(0.1, 1, 3))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        await pilot.press("down", "enter", "r", "p", "d", "down", "delete")

        assert app.asked == [("open", 2), ("rename", 2), ("pin", 2), ("delete", 2), ("delete", 3)]


async def test_a_click_selects_and_opens_but_not_on_a_heading_or_below() -> None:
    app = ListApp(Rows(), index_of(0.1, 1, 3))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        for line in (0, 3, 2, 5, 12):
            await pilot.click(app.list, offset=(4, line))

        assert app.asked == [("open", 2), ("open", 3)]
        assert app.list.selected_key == 3


async def test_an_empty_list_does_nothing_and_does_not_fail() -> None:
    app = ListApp(Rows(), index_of())
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        await pilot.press("down", "end", "enter", "d", "pageup")
        await pilot.click(app.list, offset=(4, 2))

        assert app.asked == []
        assert app.list.selected_key is None
        assert app.list.neighbour(None, 1) is None


async def test_rows_that_are_not_there_yet_are_placeholders() -> None:
    rows = Rows()
    rows.gate.clear()
    app = ListApp(rows, index_of(0.1, 0.2))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        waiting = lines_of(app.list)[:3]
        await pilot.press("down", "enter")
        rows.gate.set()
        await pilot.pause()

        assert waiting == ["Today", "  …", "  …"]
        assert lines_of(app.list)[:3] == ["Today", "  Talk 1                2", "  Talk 2                4"]
        assert app.asked == [("open", 2)]


async def test_only_the_pages_in_view_are_fetched() -> None:
    rows = Rows()
    app = ListApp(rows, long_index(100_000))
    async with app.run_test(size=(30, 20), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        await pilot.press("end")
        await pilot.pause()

        assert [(keys[0], len(keys)) for keys in rows.asked] == [(1, PAGE), (99_969, 32)]
        assert "Talk 100000" in lines_of(app.list)[-1]


async def test_pages_scrolled_past_while_waiting_are_not_fetched() -> None:
    rows = Rows()
    rows.gate.clear()
    app = ListApp(rows, long_index(10_000))
    async with app.run_test(size=(30, 20), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        await pilot.press(*["pagedown"] * 8, "end")
        rows.gate.set()
        await pilot.pause()

        assert [keys[0] for keys in rows.asked] == [1, 9_921, 9_985]


async def test_the_selected_conversation_stays_selected_when_the_list_changes() -> None:
    app = ListApp(Rows(), index_of(0.1, 1, 3))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        await pilot.press("down")
        app.list.set_index(ConversationIndex(array("q", [9, 8, 1, 2, 3]), array("q", [FRIDAY] * 5), 0))
        moved = app.list.selected_key
        app.list.set_index(ConversationIndex(array("q", [9, 8, 1]), array("q", [FRIDAY] * 3), 0))
        await pilot.pause()

        assert moved == 2
        assert app.list.selected_key == 1


async def test_a_new_index_shows_known_rows_until_fresh_ones_come() -> None:
    rows = Rows({1: "Before"})
    app = ListApp(rows, index_of(0.1))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        rows.titles = {1: "After"}
        rows.gate.clear()
        app.list.set_index(index_of(0.1))
        await pilot.pause()
        meanwhile = lines_of(app.list)[1]
        rows.gate.set()
        await pilot.pause()

        assert "Before" in meanwhile
        assert "After" in lines_of(app.list)[1]


async def test_a_vanished_row_is_no_longer_shown() -> None:
    rows = Rows({1: "Here", 2: "Gone"})
    app = ListApp(rows, index_of(0.1, 0.2))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        rows.titles = {1: "Here"}
        app.list.set_index(index_of(0.1, 0.2))
        await pilot.pause()

        assert lines_of(app.list)[2] == "  …"
        assert app.list.row(2) is None


async def test_a_failed_fetch_is_reported_once_and_tried_again_with_the_next_index() -> None:
    rows = Rows()
    rows.error = StoreFailed("The history could not be read.")
    app = ListApp(rows, index_of(0.1))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        app.list.refresh()
        await pilot.pause()
        failures = list(app.failures)
        rows.error = None
        app.list.set_index(index_of(0.1))
        await pilot.pause()

        assert failures == ["The history could not be read."]
        assert "Talk 1" in lines_of(app.list)[1]


async def test_what_was_scrolled_far_past_is_forgotten_and_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_list, "MOST_ROWS", 3 * PAGE)
    rows = Rows()
    app = ListApp(rows, long_index(10_000))
    async with app.run_test(size=(30, 20), notifications=True, tooltips=True) as pilot:
        for page in range(4):
            app.list.select(page * PAGE + 40)
            await pilot.pause()
        forgotten = app.list.row(1) is None
        await pilot.press("home")
        await pilot.pause()

        assert forgotten
        assert "Talk 1 " in lines_of(app.list)[1]


async def test_the_cursor_is_marked_without_colour_and_only_in_focus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = ListApp(Rows(), index_of(0.1, 0.2))
    async with app.run_test(size=(26, 20), notifications=True, tooltips=True) as pilot:
        await pilot.press("down")

        def marked() -> list[int]:
            return [
                line
                for line, strip in enumerate(strips_of(app.list))
                if any(segment.style is not None and segment.style.reverse for segment in strip)
            ]

        focused = marked()
        app.screen.set_focus(None)
        await pilot.pause()

        assert focused == [2]
        assert marked() == []


async def test_the_first_of_a_group_brings_its_heading_into_view() -> None:
    app = ListApp(Rows(), index_of(*[0.1] * 30, *[1] * 30))
    async with app.run_test(size=(26, 10), notifications=True, tooltips=True) as pilot:
        await pilot.press("end")
        app.list.select(31)
        await pilot.pause()

        assert lines_of(app.list)[0].startswith("Yesterday")


async def test_neighbours_are_those_above_and_below() -> None:
    app = ListApp(Rows(), index_of(0.1, 1, 3))
    async with app.run_test(size=(26, 10), notifications=True, tooltips=True):
        neighbours = [app.list.neighbour(key, step) for key, step in ((2, 1), (2, -1), (1, -1), (3, 1), (77, 1))]

        assert neighbours == [3, 1, None, None, 1]


async def test_a_hundred_thousand_conversations_are_listed_in_a_moment() -> None:
    app = ListApp(Rows(), index_of(0.1))
    index = long_index(100_000)
    async with app.run_test(size=(30, 40), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        start = process_time()
        app.list.set_index(index)
        await pilot.pause()
        cost = process_time() - start

        # OptionList takes 9.3 s; here some 0.03 s. The bound is wide for slow machines.
        assert cost < 0.5


@settings(max_examples=60)
@given(st.lists(st.integers(-(10**15), 10**15), max_size=40), st.integers(0, 5), st.booleans())
def test_groups_cover_every_conversation_once(instants: list[int], pinned: int, in_order: bool) -> None:
    pinned = min(pinned, len(instants))
    rest = sorted(instants[pinned:], reverse=True) if in_order else instants[pinned:]
    index = ConversationIndex(array("q", range(len(instants))), array("q", instants[:pinned] + rest), pinned)

    groups = day_groups(index, FRIDAY)
    starts = [group.start for group in groups]

    assert starts == sorted(set(starts))
    assert (starts[:1] == [0]) == bool(instants)
    assert all(start < len(instants) for start in starts)


def test_on_a_monday_the_week_has_only_today() -> None:
    monday = round(datetime(2026, 11, 16, 9, 0).timestamp() * 1000)
    index = ConversationIndex(array("q", [1, 2, 3]), array("q", [monday, monday - DAY, monday - 2 * DAY]), 0)

    assert [group.heading for group in day_groups(index, monday)] == ["Today", "Yesterday", "November 2026"]
