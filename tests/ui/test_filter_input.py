from __future__ import annotations

from textual import events
from textual.app import App, ComposeResult
from textual.widgets import Input

from tests.ui.reading import lines_of
from tui_chat.ui.widgets.filter_input import FilterInput


class FilterApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.filter = FilterInput()
        self.values: list[str] = []
        self.left = 0

    def compose(self) -> ComposeResult:
        yield self.filter

    def on_mount(self) -> None:
        self.filter.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.values.append(event.value)

    def on_filter_input_left(self) -> None:
        self.left += 1


async def test_typing_and_deleting_in_one_burst_keeps_its_order() -> None:
    app = FilterApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        for key in ("a", "backspace", "b", "c", "home", "x"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        await pilot.pause()

        assert app.filter.value == "xbc"
        assert app.values[-1] == "xbc"


async def test_escape_clears_and_then_leaves() -> None:
    app = FilterApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await pilot.press("a", "escape")
        after_one = (app.filter.value, app.left)
        await pilot.press("escape")

        assert after_one == ("", 0)
        assert app.left == 1


async def test_down_and_enter_go_to_the_list_and_keep_the_filter() -> None:
    app = FilterApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await pilot.press("a", "down", "enter")

        assert app.left == 2
        assert app.filter.value == "a"


async def test_a_pasted_filter_is_one_safe_line() -> None:
    app = FilterApp()
    async with app.run_test(size=(30, 5), notifications=True, tooltips=True) as pilot:
        app.post_message(events.Paste("[/foo]\x1b]0;x\x07\n\u202esecond"))
        await pilot.pause()
        await pilot.pause()

        assert app.filter.value == "[/foo]�]0;x� second"
        assert lines_of(app.filter) == [" [/foo]�]0;x� second"]


async def test_it_says_what_it_is() -> None:
    app = FilterApp()
    async with app.run_test(size=(30, 5), notifications=True, tooltips=True) as pilot:
        await pilot.pause()

        assert lines_of(app.filter) == [" ⌕ filter"]
