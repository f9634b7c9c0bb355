from __future__ import annotations

from collections.abc import Callable

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.keys import _character_to_key
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Static

from tests.ui.reading import lines_of, strips_of
from tui_chat.ui.widgets.prompt import PromptInput

BIG = "a\nb\nc\n" + "x" * 30_000 + "\nd\ne\nf"
"""A text of which the editor holds the ends, and a token for what is between."""


class PromptApp(App[None]):
    """A screen with a prompt at its foot; it remembers what it was told."""

    CSS = "Static { height: 1fr; }"
    BINDINGS = [Binding("ctrl+k", "note('ctrl+k')"), Binding("escape", "note('escape')")]

    def __init__(self, *, enter_sends: bool = True) -> None:
        super().__init__()
        self.prompt = PromptInput(enter_sends=enter_sends)
        self.submitted: list[str] = []
        self.large: list[str] = []
        self.notes: list[str] = []

    def compose(self) -> ComposeResult:
        yield Static("transcript", markup=False)
        yield self.prompt

    def on_mount(self) -> None:
        self.prompt.focus()

    def on_prompt_input_submitted(self, event: PromptInput.Submitted) -> None:
        self.submitted.append(event.text)

    def on_prompt_input_large_paste(self, event: PromptInput.LargePaste) -> None:
        self.large.append(event.text)

    def action_note(self, text: str) -> None:
        self.notes.append(text)


async def burst(pilot: Pilot[None], *keys: str) -> None:
    """Keys in one read of the terminal: all are queued before the first one is handled."""
    for key in keys:
        name = _character_to_key(key) if len(key) == 1 else key
        pilot.app.post_message(events.Key(name, key if len(key) == 1 else None))
    await pilot.pause()
    await pilot.pause()


async def press_at(pilot: Pilot[None], key: str, time: float) -> None:
    """A key that the terminal sent at that time."""
    event = events.Key(key, None)
    event.time = time
    pilot.app.post_message(event)
    await pilot.pause()


async def paste(pilot: Pilot[None], text: str) -> None:
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()
    await pilot.pause()


async def test_enter_sends_the_text_and_empties_the_prompt() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await pilot.press(*"hello", "enter")

        assert app.submitted == ["hello"]
        assert app.prompt.text == ""


async def test_keys_behind_enter_belong_to_the_next_prompt() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await burst(pilot, *"one", "enter", *"two", "enter", *"three")

        assert app.submitted == ["one", "two"]
        assert app.prompt.text == "three"


async def test_nothing_but_white_space_stays_and_enter_is_still_told() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await pilot.press("space", "ctrl+j", "enter")

        assert [""] == app.submitted == app.prompt.handed_over
        assert app.prompt.text == " \n"


async def test_backspace_in_an_empty_prompt_is_the_screens() -> None:
    app = PromptApp()
    app.bind("backspace", "note('backspace')")
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await burst(pilot, "a")
        for second in range(2):
            await press_at(pilot, "backspace", 1_000.0 + second)

        assert ["backspace"] == app.notes


async def test_backspace_that_is_held_down_ends_with_the_text() -> None:
    app = PromptApp()
    app.bind("backspace", "note('backspace')")
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await burst(pilot, *"words")
        for repeat in range(20):
            await press_at(pilot, "backspace", 1_000.0 + repeat * 0.09)

        assert "" == app.prompt.text
        assert [] == app.notes


async def test_typing_and_deleting_in_one_burst_keeps_its_order() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await pilot.press(*"hello")
        await burst(pilot, "a", "backspace", "b", "c")

        assert app.prompt.text == "hellobc"


async def test_deleting_the_line_and_typing_in_one_burst_keeps_its_order() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await pilot.press(*"hello")
        await burst(pilot, "ctrl+u", "q")

        assert app.prompt.text == "q"


async def test_every_key_for_a_new_line_makes_one() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await burst(pilot, "a", "ctrl+j", "b", "shift+enter", "c", "alt+enter", "d")

        assert app.prompt.text == "a\nb\nc\nd"
        assert app.submitted == []


async def test_where_enter_is_a_new_line_ctrl_enter_and_f5_send() -> None:
    app = PromptApp(enter_sends=False)
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        shown = lines_of(app.prompt)[0]
        await burst(pilot, "a", "enter", "b", "ctrl+enter", "c", "f5")

        assert app.submitted == ["a\nb", "c"]
        assert shown == " ❯ Message (ctrl+enter sends, enter new line)"


async def test_the_prompt_says_its_keys_after_the_keymap() -> None:
    app = PromptApp()
    app.set_keymap({"prompt.send": "ctrl+s"})
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        shown = lines_of(app.prompt)[0]
        await burst(pilot, "a", "enter", "b", "ctrl+s", "c")

        assert shown == " ❯ Message (ctrl+s sends, ctrl+j new line)"
        assert app.submitted == ["a\nb"]
        assert app.prompt.text == "c"


async def test_escape_and_ctrl_k_are_left_to_the_screen() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await pilot.press(*"keep", "home", "ctrl+k", "escape")

        assert app.notes == ["ctrl+k", "escape"]
        assert app.prompt.text == "keep"


async def test_it_grows_to_a_third_of_the_screen() -> None:
    app = PromptApp()
    async with app.run_test(size=(40, 24), notifications=True, tooltips=True) as pilot:
        heights = [app.prompt.size.height]
        for number in "123":
            await pilot.press("ctrl+j", "ctrl+j", "ctrl+j", number)
            await pilot.pause()
            heights.append(app.prompt.size.height)

        assert heights == [1, 4, 7, 7]
        assert lines_of(app.prompt)[-1] == "   3"


async def test_a_wide_text_wraps_beside_the_marker() -> None:
    app = PromptApp()
    async with app.run_test(size=(20, 24), notifications=True, tooltips=True) as pilot:
        await pilot.press(*"漢字漢字漢字漢字漢字")
        await pilot.pause()

        assert lines_of(app.prompt) == [" ❯ 漢字漢字漢字漢", "   字漢字"]


async def test_pasted_text_is_made_safe_and_keeps_its_lines_and_tabs() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await paste(pilot, "a\tb\r\nc\rd \x1b]52;c;eA==\x07 \u202eevil [/foo]")

        assert app.prompt.text == "a\tb\nc\nd �]52;c;eA==� evil [/foo]"


async def test_a_big_paste_is_handed_on_and_leaves_the_prompt_as_it_is() -> None:
    app = PromptApp()
    block = "some log output\n" * 21_739
    async with app.run_test(size=(70, 20), notifications=True, tooltips=True) as pilot:
        await pilot.press(*"Why?")
        await paste(pilot, block.replace("\n", "\r\n"))
        await pilot.press("!", "enter")

        assert [block] == app.large
        assert ["Why?!"] == app.submitted


async def test_a_folded_block_is_deleted_whole_from_both_sides_and_comes_back_with_undo() -> None:
    app = PromptApp()
    token = "[pasted #1 30 kB, 1 line]"
    async with app.run_test(size=(70, 20), notifications=True, tooltips=True) as pilot:
        app.prompt.draft = BIG
        shown = app.prompt.text
        app.prompt.move_cursor((3, len(token)))
        await pilot.press("backspace")
        emptied = app.prompt.draft
        await pilot.press("ctrl+z")
        back = app.prompt.draft
        app.prompt.move_cursor((3, 0))
        await pilot.press("delete")

        assert f"a\nb\nc\n{token}d\ne\nf" == shown
        assert "a\nb\nc\nd\ne\nf" == emptied == app.prompt.draft
        assert back == BIG


async def test_many_pastes_do_not_fill_the_editor() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        for letter in "abc":
            await paste(pilot, letter * 15_000)

        assert "a" * 15_000 == app.prompt.draft
        assert ["b" * 15_000, "c" * 15_000] == app.large


async def test_a_folded_block_is_cut_and_copied_in_full() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        app.prompt.draft = BIG
        await burst(pilot, "f7", "ctrl+x", "ctrl+v")

        assert app.clipboard == BIG
        assert "" == app.prompt.draft
        assert [BIG] == app.large


async def test_a_token_typed_by_hand_is_only_text() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await paste(pilot, "[pasted #1 30 kB, 1 line]")
        app.prompt.restore(BIG)

        assert f"{BIG}\n[pasted #1 30 kB, 1 line]" == app.prompt.draft


async def test_a_sent_block_is_forgotten() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        app.prompt.draft = BIG
        await pilot.press("enter")
        await paste(pilot, "[pasted #1 30 kB, 1 line]")

        assert [BIG] == app.submitted
        assert "[pasted #1 30 kB, 1 line]" == app.prompt.draft


async def test_a_big_draft_comes_back_folded_with_its_ends_in_view() -> None:
    app = PromptApp()
    draft = "Explain this:\n" + "noise\n" * 10_000 + "Thanks"
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        app.prompt.draft = draft
        await pilot.pause()

        assert app.prompt.draft == draft
        assert lines_of(app.prompt)[0] == " ❯ Explain this:"
        assert lines_of(app.prompt)[-1] == "   Thanks"
        assert app.prompt.size.height < 8


async def test_a_text_that_could_not_be_saved_comes_back_before_what_was_typed_since() -> None:
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        await pilot.press(*"first", "enter", *"second")
        app.prompt.restore(app.submitted[0])
        await pilot.press("!")

        assert app.prompt.draft == "first\nsecond!"


async def test_no_colour_still_marks_a_pasted_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = PromptApp()
    async with app.run_test(notifications=True, tooltips=True) as pilot:
        app.prompt.draft = BIG
        await pilot.pause()
        marked = "".join(
            segment.text for segment in strips_of(app.prompt)[3] if segment.style is not None and segment.style.reverse
        )

        assert marked.startswith("[pasted #1 30 kB, 1 line]")


async def test_page_keys_go_to_the_screen_while_all_is_in_view() -> None:
    app = PromptApp()
    app.bind("pageup", "note('page')")
    async with app.run_test(size=(40, 12), notifications=True, tooltips=True) as pilot:
        await pilot.press("a", "pageup")
        in_view = list(app.notes)
        await pilot.press(*["ctrl+j"] * 9, "pageup")

        assert in_view == ["page"]
        assert app.notes == ["page"]
        assert app.prompt.cursor_location[0] < 9


@pytest.mark.parametrize(
    "message",
    [
        PromptInput.Submitted,
        PromptInput.LargePaste,
        PromptInput.MayBeDropped,
        PromptInput.PathBegun,
        PromptInput.FileNamed,
    ],
)
def test_what_is_typed_and_pasted_is_in_no_repr(message: Callable[[str], Message]) -> None:
    assert "secret" not in repr(message("secret"))
