"""Files named in the prompt: completed behind an @, and dropped on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static

from tests.ui.reading import lines_of, seen, strips_of
from tests.ui.test_prompt import burst, paste
from tui_chat.core.ports import Completion
from tui_chat.ui.widgets.completions import Completions, begun_path
from tui_chat.ui.widgets.prompt import PromptInput

SHELF = {
    "": ["docs/", "my folder/", "notes.md", "notes.txt"],
    "docs/": ["docs/deep/", "docs/plan.md"],
    "my folder/": ["my folder/a b.md"],
}
"""What is in each folder."""


class NamingApp(App[None]):
    """A prompt whose questions are answered from the shelf, at once or when ``answer`` is called."""

    CSS = "Static { height: 1fr; }"

    def __init__(self, *, waits: bool = False) -> None:
        super().__init__()
        self.prompt = PromptInput()
        self._waits = waits
        self.asked: list[str] = []
        self.named: list[str] = []
        self.ended: list[str] = []
        self.submitted: list[str] = []
        self.dropped: list[str] = []
        self.escaped = 0

    BINDINGS = [("escape", "escaped")]

    def compose(self) -> ComposeResult:
        yield Static("transcript", markup=False)
        yield self.prompt

    def on_mount(self) -> None:
        self.prompt.focus()

    def on_prompt_input_path_begun(self, event: PromptInput.PathBegun) -> None:
        self.asked.append(event.text)
        if not self._waits:
            self.answer(event.text)

    def answer(self, begun: str, found: Sequence[str] | None = None) -> None:
        folder = begun.rpartition("/")[0] + "/" if "/" in begun else ""
        names = [name for name in SHELF.get(folder, ()) if name.startswith(begun)] if found is None else found
        self.prompt.offer(begun, [Completion(f"/files/{name}", name) for name in names])

    def on_prompt_input_file_named(self, event: PromptInput.FileNamed) -> None:
        self.named.append(event.path)

    def on_prompt_input_path_ended(self, event: PromptInput.PathEnded) -> None:
        self.ended.append(event.text)

    def on_prompt_input_submitted(self, event: PromptInput.Submitted) -> None:
        self.submitted.append(event.text)

    def on_prompt_input_may_be_dropped(self, event: PromptInput.MayBeDropped) -> None:
        self.dropped.append(event.text)

    def action_escaped(self) -> None:
        self.escaped += 1

    @property
    def names(self) -> list[str]:
        """The file names on show."""
        return [line.strip() for popup in self.query(Completions) if popup.display for line in lines_of(popup)]


# -- behind an @ ----------------------------------------------------------------------------


async def test_names_narrow_while_typing_and_the_chosen_one_is_named() -> None:
    app = NamingApp()
    async with app.run_test(size=(60, 15)) as pilot:
        await burst(pilot, *"see @")
        everything = app.names
        await burst(pilot, "n", "o")
        narrowed = app.names
        await burst(pilot, "down", "tab", *"and", "enter")

        assert SHELF[""] == everything
        assert ["notes.md", "notes.txt"] == narrowed
        assert ["/files/notes.txt"] == app.named
        assert ["see @notes.txt and"] == app.submitted
        assert [] == app.names


async def test_the_names_stand_right_above_the_prompt_and_move_nothing() -> None:
    app = NamingApp()
    async with app.run_test(size=(60, 15)) as pilot:
        await burst(pilot, *"@no")
        screen = lines_of(app.screen)
        marked = [
            segment.text.strip()
            for strip in strips_of(app.query_one(Completions))
            for segment in strip
            if segment.style is not None and segment.style.reverse
        ]

        assert ["transcript", *[""] * 11, " notes.md", " notes.txt", " ❯ @no"] == screen
        assert ["notes.md"] == marked


async def test_enter_takes_the_name_and_does_not_send_and_the_next_one_sends() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, *"@notes.m")
        await burst(pilot, "enter", "enter")

        assert ["/files/notes.md"] == app.named
        assert ["@notes.md "] == app.submitted


async def test_a_folder_is_gone_into_even_where_its_name_has_a_space() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, *"@my")
        await burst(pilot, "tab")
        inside = app.names
        await burst(pilot, "a")
        await burst(pilot, "tab", "x")

        assert ["my folder/a b.md"] == inside
        assert ["/files/my folder/a b.md"] == app.named
        assert "@my folder/a b.md x" == app.prompt.text


async def test_enter_right_behind_a_folder_does_not_send_half_a_name() -> None:
    app = NamingApp(waits=True)
    async with app.run_test() as pilot:
        await burst(pilot, "@")
        app.answer("")
        await burst(pilot, "tab", "enter")  # nobody has said yet what is in it
        app.answer("docs/")
        await burst(pilot, "down", "tab", "enter")

        assert ["/files/docs/plan.md"] == app.named
        assert ["@docs/plan.md "] == app.submitted


async def test_an_empty_folder_keeps_no_enter_back() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, "@")
        app.answer("", ["empty/"])
        await burst(pilot, "tab")
        await burst(pilot, "enter")

        assert ["@empty/"] == app.submitted


@pytest.mark.parametrize("text", ["me@notes", "@someone", "a @someone", "a@"])
async def test_an_address_or_a_name_without_a_file_is_sent_as_it_is(text: str) -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, *text)
        shown = app.names
        await burst(pilot, "enter")

        assert [] == shown
        assert [text] == app.submitted


async def test_a_burst_that_ends_in_enter_is_sent_before_any_name_came() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, *"@notes", "enter", *"next")

        assert ["@notes"] == app.submitted
        assert "next" == app.prompt.text
        assert [] == app.names


async def test_tab_before_the_names_came_takes_the_first_of_them_unless_something_is_typed_on() -> None:
    app = NamingApp(waits=True)
    async with app.run_test() as pilot:
        await burst(pilot, *"@no", "tab")
        focused = app.focused
        app.answer("@")
        for begun in ("", "no"):
            app.answer(begun)
            await pilot.pause()
        taken = app.prompt.text
        await burst(pilot, *"@do", "tab", "x")
        for begun in ("", "do", "dox"):
            app.answer(begun, ["docs/"])
            await pilot.pause()

        assert app.prompt is focused
        assert "@notes.md " == taken
        assert ["/files/notes.md"] == app.named
        assert "@notes.md @dox" == app.prompt.text


async def test_a_word_that_was_written_to_its_end_is_told_once_and_one_that_was_left_or_chosen_is_not() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, *"@notes.md, me@example.com @a", "ctrl+j", *"@n")
        await burst(pilot, "escape", *" @no")
        await burst(pilot, "tab", *"and @c", "enter")

        assert ["notes.md,", "a", "c"] == app.ended
        assert ["/files/notes.md"] == app.named
        assert ["@notes.md, me@example.com @a\n@n @notes.md and @c"] == app.submitted


async def test_letters_behind_the_shown_names_count_before_the_answer_to_them_comes() -> None:
    app = NamingApp(waits=True)
    async with app.run_test() as pilot:
        await burst(pilot, "@")
        app.answer("@"[1:])
        await pilot.pause()
        await burst(pilot, *"notes.t", "tab")  # asked for, not answered
        await burst(pilot, "@", "x", "enter")

        assert ["/files/notes.txt"] == app.named
        assert ["@notes.txt @x"] == app.submitted


async def test_one_question_at_a_time_and_a_late_answer_shows_nothing() -> None:
    app = NamingApp(waits=True)
    async with app.run_test() as pilot:
        await burst(pilot, *"@not")
        asked_first = list(app.asked)
        app.answer("")
        await pilot.pause()
        late = app.names
        app.answer("not")
        await pilot.pause()
        newest = app.names
        app.answer("", ["docs/"])
        await pilot.pause()
        still = app.names
        await burst(pilot, " ")
        app.answer("not")
        await pilot.pause()

        assert [""] == asked_first
        assert ["", "not"] == app.asked
        assert [] == late
        assert ["notes.md", "notes.txt"] == newest == still
        assert [] == app.names


async def test_a_later_list_keeps_the_name_that_was_moved_to() -> None:
    app = NamingApp(waits=True)
    async with app.run_test() as pilot:
        await burst(pilot, "@")
        app.answer("")
        await burst(pilot, "n", "down")
        app.answer("n", ["nab.md", "notes.md", "notes.txt"])
        await burst(pilot, "tab")

        assert ["/files/notes.txt"] == app.named


async def test_escape_closes_the_names_for_this_word_and_only_the_names() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, *"@no")
        await burst(pilot, "escape", "t")
        closed = app.names
        await burst(pilot, *" @n")
        again = app.names
        await burst(pilot, "escape", "escape")

        assert [] == closed == app.names
        assert ["notes.md", "notes.txt"] == again
        assert "@not @n" == app.prompt.text
        assert 1 == app.escaped


@pytest.mark.parametrize("key", [" ", "left", "home", "ctrl+j", "backspace"])
async def test_leaving_the_word_closes_the_names(key: str) -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, "@")
        shown = app.names
        await burst(pilot, key)

        assert SHELF[""] == shown
        assert [] == app.names


async def test_a_typing_error_that_is_taken_back_brings_the_names_back() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, *"@noz")
        await burst(pilot, "backspace")

        assert ["notes.md", "notes.txt"] == app.names


async def test_a_click_takes_a_name_and_other_ways_into_the_text_close_them() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, *"@no")
        await pilot.click(Completions, offset=(2, 1))
        await burst(pilot, "@")
        app.prompt.draft = "something else"
        await pilot.pause()

        assert ["/files/notes.txt"] == app.named
        assert [] == app.names


async def test_hostile_and_long_names_stay_one_line_each() -> None:
    app = NamingApp(waits=True)
    long = "deep/" * 40 + "end.md"
    async with app.run_test(size=(40, 12)) as pilot:
        await burst(pilot, "@")
        app.answer("", ["a\x1b]52;c;x\x07\n[/b]@click.md", "漢字" * 40 + ".md", long, *(f"{n}.md" for n in range(9))])
        await pilot.pause()
        await pilot.pause()
        shown = app.names
        await burst(pilot, "up")

        assert 4 == len(shown)
        assert "a\ufffd]52;c;x\ufffd [/b]@click.md" == shown[0]
        assert shown[1].startswith("…")
        assert shown[2].endswith("deep/end.md")
        assert "8.md" == app.names[-1]
        assert "\x1b" not in seen(app)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("@", (0, "")),
        ("(@a/b", (1, "a/b")),
        ("“@x", (1, "x")),
        ("see @~/n", (4, "~/n")),
        ("a@b", None),
        ("@a b", None),
        ("@@a", (0, "@a")),
        ("", None),
        ("x" * 5_000 + " @a", (5_001, "a")),
        ("@" * 5_000, None),
    ],
)
def test_a_path_begins_behind_an_at_sign_that_begins_a_word(before: str, expected: tuple[int, str] | None) -> None:
    assert expected == begun_path(before)


# -- dropped ----------------------------------------------------------------------------------


async def test_a_dropped_name_is_text_at_once_and_can_be_taken_back() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await pilot.press(*"look at")
        await paste(pilot, " '/tmp/a\rb.md'")
        there = app.prompt.text
        await pilot.press("!")
        taken = app.prompt.take_back(" '/tmp/a\rb.md'")
        await pilot.press("?")

        assert [" '/tmp/a\rb.md'"] == app.dropped
        assert "look at '/tmp/a\nb.md'" == there
        assert taken
        assert "look at!?" == app.prompt.text
        assert not app.prompt.take_back(" '/tmp/a\rb.md'")


async def test_several_drops_are_taken_back_one_by_one_and_what_they_replaced_returns() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await pilot.press(*"mine", "f7")
        for text in ("/tmp/a ", "/tmp/b ", "/tmp/c "):
            await paste(pilot, text)
        taken = [app.prompt.take_back(text) for text in app.dropped]

        assert None not in taken
        assert "mine" == app.prompt.text


async def test_a_drop_that_was_sent_or_changed_is_not_taken_back() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await paste(pilot, "/tmp/a.md")
        await burst(pilot, "enter", *"next")
        app.prompt.handed_over.clear()
        sent = app.prompt.take_back("/tmp/a.md")
        await paste(pilot, "/tmp/b.md")
        await burst(pilot, "left", "left", "x")
        changed = app.prompt.take_back("/tmp/b.md")
        await paste(pilot, "just words")

        assert not sent
        assert not changed
        assert ["/tmp/a.md"] == app.submitted
        assert ["/tmp/a.md", "/tmp/b.md"] == app.dropped


async def test_a_drop_is_taken_back_from_what_was_submitted_and_put_back_where_it_stood() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await burst(pilot, *"why is ")
        await paste(pilot, "/tmp/a.md")
        await burst(pilot, *" so", "enter", *"next")
        app.prompt.take_back("/tmp/a.md")
        await paste(pilot, "/tmp/b.md")
        await burst(pilot, "!")
        paste_of_b = app.prompt.take_back("/tmp/b.md")
        without = app.prompt.text
        assert paste_of_b is not None
        app.prompt.put_back(paste_of_b)
        await burst(pilot, "?")

        assert ["why is  so"] == app.prompt.handed_over
        assert "next!" == without
        assert "next/tmp/b.md!?" == app.prompt.text


async def test_a_drop_that_may_stand_in_two_places_is_left_where_it_is() -> None:
    app = NamingApp()
    async with app.run_test() as pilot:
        await paste(pilot, "/tmp/a.md")
        app.prompt.load_text("see /tmp/a.md and /tmp/a.md")

        assert not app.prompt.take_back("/tmp/a.md")
        assert "see /tmp/a.md and /tmp/a.md" == app.prompt.text
