"""The transcript: what a reader sees, and that it stays where it is."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult
from textual.message import Message as Event
from textual.pilot import Pilot
from textual.widgets import Input

from tests.attached import attached, picture
from tui_chat.core.context import ContextPlan, Entry, Kind, Reason, TokenBudget, Totals
from tui_chat.core.errors import StoreFailed
from tui_chat.core.headers import header_of
from tui_chat.core.models import Attachment, Message, ModelRef, Role, Status, Thinking
from tui_chat.core.ports import Body
from tui_chat.core.sentences import CUT_OFF
from tui_chat.ui.markdown import Line, fences
from tui_chat.ui.widgets import transcript as transcript_module
from tui_chat.ui.widgets.transcript import Transcript
from tui_chat.ui.widgets.transcript_live import SLICE

NOON = 1_770_000_000_000
MODEL = ModelRef("local", "llama3.2")


def message(number: int, text: str = "", **fields: object) -> Message:
    """Message ``m0`` is a prompt, ``m1`` its answer, and so on."""
    made = Message(
        id=f"m{number}",
        parent_id=f"m{number - 1}" if number else None,
        role=Role.ASSISTANT if number % 2 else Role.USER,
        text=text or f"text of {number}",
        created_at=NOON + number * 60_000,
        model=MODEL if number % 2 else None,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def answer(number: int) -> Message:
    """A message of a length of its own, every sixth with code."""
    lines = [f"line {number}.{k} " + "words " * ((number * 7 + k * 5) % 40) for k in range(number % 5 + 1)]
    return message(number, "\n\n".join(lines) + ("\n\n```python\nx = 1\n```" if number % 6 == 1 else ""))


class Store:
    """Hands out bodies and remembers what it was asked for; ``gate`` lets it answer."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.bodies = {each.id: Body(each.text, each.parts) for each in messages}
        self.asked: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: StoreFailed | None = None

    async def fetch(self, ids: Sequence[str]) -> Mapping[str, Body]:
        self.asked.append(list(ids))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {each: self.bodies[each] for each in ids if each in self.bodies}


class Viewer(App[None]):
    """A transcript above an input, and what it posts."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[Event] = []

    def compose(self) -> ComposeResult:
        yield Input()
        yield Transcript(now=lambda: NOON, id="transcript")

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    def note(self, event: Event) -> None:
        self.posted.append(event)

    on_transcript_cursor_current_changed = note
    on_transcript_cursor_link_chosen = note
    on_transcript_follow_changed = note
    on_transcript_fetch_failed = note

    def seen(self) -> list[str]:
        """The transcript's lines as they are on the screen, without the scrollbar."""
        transcript = self.transcript
        region = transcript.region
        return [strip.text[: region.width - 1].rstrip() for strip in transcript.render_lines(transcript.size.region)]

    def texts(self) -> list[str]:
        """``seen`` without the gutter, in which the cursor stands."""
        return [line[2:] for line in self.seen()]


@asynccontextmanager
async def viewing(
    messages: Sequence[Message],
    *,
    size: tuple[int, int] = (60, 23),
    at_hand: bool = True,
    focus: bool = False,
    **options: object,
) -> AsyncIterator[tuple[Viewer, Pilot[None], Store]]:
    app, store = Viewer(), Store(messages)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        bodies = store.bodies if at_hand else {}
        app.transcript.focus() if focus else app.query_one(Input).focus()
        app.transcript.show([header_of(each) for each in messages], store.fetch, bodies=bodies, **options)  # type: ignore[arg-type]
        await pilot.pause()
        yield app, pilot, store


async def settled(pilot: Pilot[None]) -> None:
    """Until nothing that was fed waits to be drawn."""
    transcript = pilot.app.query_one(Transcript)
    for _ in range(400):
        await pilot.pause(0.01)
        if transcript._flush_timer is None and not any(live.is_pending for live in transcript._live.values()):
            return
    raise AssertionError("what was fed is not drawn after four seconds")


def note_drawn(transcript: Transcript, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages that are drawn from now on."""
    drawn: list[str] = []
    draw = transcript.draw_message

    def noting(row: int) -> tuple[list[Line], bool]:
        drawn.append(transcript.rows.headers[row].id)
        return draw(row)

    monkeypatch.setattr(transcript, "draw_message", noting)
    return drawn


def plan_for(messages: Sequence[Message], *, sent_from: int) -> ContextPlan:
    """The window begins at this message."""
    entries = tuple(
        Entry(m.id, Kind.MESSAGE, m.role, n >= sent_from, Reason.WINDOW if n >= sent_from else Reason.BEFORE_WINDOW, 5)
        for n, m in enumerate(messages)
    )
    budget = TokenBudget(8192, assumed=False, reserved_for_reply=1000, margin=0.1, input=6000)
    return ContextPlan("window", budget, entries, Totals(len(messages) - sent_from, sent_from, 100))


# -- looks


async def test_where_nothing_above_is_sent_the_end_can_be_shown_in_a_view_of_one_line() -> None:
    messages = [answer(number) for number in range(4)]
    async with viewing(messages, size=(60, 4)) as (app, pilot, _):
        app.transcript.styles.height = 1
        await pilot.pause()
        app.transcript.show_plan(plan_for(messages, sent_from=4))
        app.transcript.show_end()
        await pilot.pause()

        assert "m3" == app.transcript.current_id


async def test_a_message_has_a_header_a_gutter_and_its_text() -> None:
    async with viewing([message(0, "Hello **you**"), message(1, "Hi")]) as (app, _, _):
        lines = [re.sub(r"\d\d:\d\d", "12:00", line) for line in app.seen()[:5]]

        assert [
            "▌ you" + "12:00".rjust(53),
            "▌ Hello you",
            "",
            "▌ llama3.2" + "12:00".rjust(48),
            "▌ Hi",
        ] == lines


async def test_a_narrow_screen_shows_no_time() -> None:
    async with viewing([message(0)], size=(36, 10)) as (app, _, _):
        assert app.seen()[0] == "▌ you"


async def test_a_failed_reply_says_so_and_how_to_go_on_beside_its_text() -> None:
    failed = message(1, "half an ans", status=Status.FAILED, error="The server [/hung] up.")
    async with viewing([message(0), failed]) as (app, _, _):
        lines = app.seen()

        assert "failed" in lines[3]
        said = "▌ ✗ The server [/hung] up. · r tries again, m asks for the"
        assert ["▌ half an ans", "▌", said, "▌ rest"] == lines[4:8]


async def test_where_nothing_arrived_there_is_no_rest_to_ask_for() -> None:
    failed = replace(message(1, status=Status.FAILED, error="The server hung up."), text="")
    async with viewing([message(0), failed]) as (app, _, _):
        assert "▌ ✗ The server hung up. · r tries again" in app.seen()


async def test_what_is_said_beside_a_whole_reply_is_no_failure_and_one_cut_off_has_more() -> None:
    noted = [message(1, "Yes.", error="m takes no seed 7."), message(2, "Half", error=f"{CUT_OFF} m takes no seed 7.")]
    async with viewing([message(0), *noted], size=(100, 20)) as (app, _, _):
        assert "▌ ! m takes no seed 7." in app.seen()
        assert f"▌ ! {CUT_OFF} m takes no seed 7. · m asks for the rest" in app.seen()


@pytest.mark.parametrize(
    ("status", "word"), [(Status.STOPPED, "stopped"), (Status.FAILED, "failed"), (Status.STREAMING, "writing…")]
)
async def test_the_header_has_a_word_for_each_state(status: Status, word: str) -> None:
    async with viewing([message(0), message(1, status=status)]) as (app, _, _):
        assert word in app.seen()[3]


async def test_versions_are_counted_in_the_header() -> None:
    async with viewing([message(0), message(1)], versions={"m1": (2, 3)}) as (app, _, _):
        assert "‹2/3›" in app.seen()[3]
        assert "‹" not in app.seen()[0]


async def test_thinking_is_folded_until_it_is_asked_for() -> None:
    thought = message(1, "Answer.", parts=(Thinking("first this\n[then] that"),))
    async with viewing([message(0), thought]) as (app, pilot, _):
        folded = app.texts()[4:6]
        app.transcript.toggle_thinking()
        await pilot.pause()
        unfolded = app.texts()[4:9]
        await pilot.click(Transcript, offset=(5, 4))
        await pilot.pause()

        assert ["▸ thinking (4 words)", "Answer."] == folded
        assert ["▾ thinking", "  first this", "  [then] that", "", "Answer."] == unfolded
        assert folded == app.texts()[4:6]


async def test_another_theme_repaints_and_moves_nothing() -> None:
    async with viewing([answer(n) for n in range(40)]) as (app, pilot, _):
        before = app.seen()
        styles = {s.style for strip in app.transcript.render_lines(app.transcript.size.region) for s in strip}
        app.theme = "textual-light"
        await pilot.pause(0.1)
        after = {s.style for strip in app.transcript.render_lines(app.transcript.size.region) for s in strip}

        assert before == app.seen()
        assert not styles & after


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light", "nord", "textual-light"])
async def test_every_theme_can_be_painted(theme: str) -> None:
    async with viewing([answer(n) for n in range(8)]) as (app, pilot, _):
        app.theme = theme
        await pilot.pause(0.1)

        assert any("line 7.0" in line for line in app.seen())


async def test_files_of_a_message_are_lines_below_its_text_that_no_copy_has_and_every_height_counts() -> None:
    files = (attached("x" * 12_345), attached("%PDF", "application/pdf", "[b]a\x1b\u202e.pdf"), picture())
    messages = [message(0, "Look.", parts=files), message(1, "Seen."), message(2, "", parts=files[:1])]
    bodies = {each.id: Body(each.text, tuple(map(Attachment.unloaded, each.attachments))) for each in messages}
    async with viewing([]) as (app, pilot, store):
        app.transcript.show([header_of(each) for each in messages], store.fetch, bodies=bodies)
        await pilot.pause()
        drawn = list(app.transcript.rows.heights)
        text = "\n".join(app.texts())
        app.transcript.rows.forget_heights(app.transcript.text_width)
        app.transcript.select_message(0)

        assert "Look.\n📎 notes.txt · 12.3 kB\n📎 [b]a\ufffd.pdf · 4 bytes\n📎 photo.png · 73 bytes\n" in text
        assert drawn == list(app.transcript.rows.heights)
        assert [] == store.asked
        selection = app.transcript.text_selection
        assert selection is not None
        copied = app.transcript.get_selection(selection)
        assert copied is not None
        assert "Look." == copied[0].strip()


async def test_an_added_message_is_held_without_the_data_of_its_files() -> None:
    async with viewing([]) as (app, _, _store):
        app.transcript.add(message(0, "Look.", parts=(picture(),)))

        body = app.transcript._bodies.get("m0")
        assert body is not None
        assert (picture().unloaded(),) == body.parts


# -- opening and texts that come later


async def test_a_conversation_opens_at_its_end_with_the_texts_at_hand() -> None:
    messages = [answer(n) for n in range(198)]
    async with viewing(messages) as (app, _, store):
        assert any("line 197.2" in line for line in app.seen())
        assert app.seen()[-1] == ""
        assert app.transcript.follow
        assert store.asked == []


async def test_ten_thousand_messages_cost_one_screen() -> None:
    messages = [message(n, "a word") for n in range(10_000)]
    async with viewing(messages, at_hand=False) as (app, pilot, store):
        await app.workers.wait_for_complete()
        await pilot.pause()

        assert "a word" in app.seen()[-2]
        assert len(app.transcript._drawn) < 40
        assert sum(map(len, store.asked)) <= 100


async def test_a_text_that_comes_later_moves_nothing_below_it() -> None:
    messages = [answer(n) for n in range(300)]
    async with viewing(messages, at_hand=False) as (app, pilot, store):
        await app.workers.wait_for_complete()
        await pilot.pause()
        store.gate.clear()
        app.transcript.jump_to("m120")
        await pilot.pause()
        waiting = app.seen()
        store.gate.set()
        await app.workers.wait_for_complete()
        await pilot.pause()

        assert [line for line in waiting if "line" in line] == []
        assert waiting[0] == app.seen()[0]
        assert "line 120.0" in app.seen()[1]


async def test_scrolling_up_into_texts_that_come_later_keeps_what_is_read() -> None:
    messages = [answer(n) for n in range(300)]
    async with viewing(messages, at_hand=False) as (app, pilot, store):
        await app.workers.wait_for_complete()
        store.gate.clear()
        at_hand = {each.id: Body(each.text) for each in messages[150:]}
        headers = [header_of(each) for each in messages]
        app.transcript.show(headers, store.fetch, bodies=at_hand, anchor=("m150", 0))
        await pilot.pause()
        app.transcript.move(-9)
        await pilot.pause()
        before = app.texts()
        store.gate.set()
        await app.workers.wait_for_complete()
        await pilot.pause()

        assert not any("line" in line for line in before[:9])
        assert "line 150.0" in before[10]
        assert before[9:] == app.texts()[9:]
        assert any("line 149" in line for line in app.texts()[:9])


async def test_a_failed_fetch_is_reported_and_tried_again() -> None:
    messages = [answer(n) for n in range(300)]
    async with viewing(messages, at_hand=False, focus=True) as (app, pilot, store):
        await app.workers.wait_for_complete()
        store.error = StoreFailed("The disk is gone.")
        app.transcript.jump_to("m20")
        await app.workers.wait_for_complete()
        await pilot.pause()
        reported = [type(event).__name__ for event in app.posted]
        store.error = None
        await pilot.press("down")
        await app.workers.wait_for_complete()
        await pilot.pause()

        assert "FetchFailed" in reported
        assert any("line 20.0" in line for line in app.seen())


async def test_a_late_answer_to_another_conversation_is_dropped() -> None:
    async with viewing([answer(n) for n in range(100)], at_hand=False) as (app, pilot, store):
        await app.workers.wait_for_complete()
        store.gate.clear()
        app.transcript.jump_to("m5")
        await pilot.pause()
        other = Store([message(0, "other")])
        app.transcript.show([header_of(message(0, "other"))], other.fetch, bodies=other.bodies)
        store.gate.set()
        await app.workers.wait_for_complete()
        await pilot.pause()

        assert [line for line in app.seen() if line][1:] == ["▌ other"]


# -- the view stays put


async def test_the_wheel_moves_by_its_lines_through_messages_never_seen_before() -> None:
    async with viewing([answer(n) for n in range(400)], size=(70, 33)) as (app, pilot, _):
        jumps = 0
        for step in [3] * 20 + [30] * 10 + [-7] * 10:
            before = app.texts()
            app.transcript.scroll_to(y=app.transcript.scroll_y - step, animate=False)
            await pilot.pause()
            after = app.texts()
            jumps += after[step:] != before[:-step] if step > 0 else after[:step] != before[-step:]

        assert jumps == 0


async def test_what_is_read_stays_while_a_reply_arrives_below() -> None:
    async with viewing([answer(n) for n in range(60)], focus=True) as (app, pilot, _):
        transcript = app.transcript
        await pilot.press("pageup", "pageup")
        before = app.seen()
        transcript.begin(message(60, "", role=Role.ASSISTANT, status=Status.STREAMING))
        for n in range(50):
            transcript.feed("m60", f"paragraph {n}\n\n")
        await settled(pilot)
        stayed = app.seen()
        await pilot.press("end")
        transcript.feed("m60", "the very end")
        await settled(pilot)

        assert before == stayed
        assert "the very end" in app.seen()[-2]
        assert [event.following for event in app.posted if isinstance(event, Transcript.FollowChanged)] == [False, True]


async def test_another_width_keeps_the_message_and_the_part_of_it() -> None:
    async with viewing([answer(n) for n in range(198)], size=(80, 30)) as (app, pilot, _):
        app.transcript.jump_to("m120")
        await pilot.pause()
        await pilot.resize_terminal(50, 25)
        await pilot.pause(0.05)

        assert "line 120.0" in app.seen()[1]
        assert not app.transcript.follow


async def test_the_end_stays_in_view_when_the_screen_gets_smaller() -> None:
    async with viewing([answer(n) for n in range(48)]) as (app, pilot, _):
        await pilot.resize_terminal(60, 12)
        await pilot.pause(0.05)

        assert any("line 47.2" in line for line in app.seen())
        assert app.transcript.follow


async def test_the_place_can_be_kept_and_restored() -> None:
    messages = [answer(n) for n in range(198)]
    async with viewing(messages, focus=True) as (app, pilot, store):
        at_the_end = app.transcript.scroll_state()
        app.transcript.jump_to("m77")
        await pilot.press("down", "down")
        place, before = app.transcript.scroll_state(), app.seen()
        app.transcript.show([], store.fetch)
        await pilot.pause()
        app.transcript.show([header_of(each) for each in messages], store.fetch, bodies=store.bodies, anchor=place)
        await pilot.pause()

        assert at_the_end is None
        assert ("m77", 2) == place
        assert before[1:] == app.seen()[1:]


# -- the model's view


async def test_what_is_not_sent_is_marked_without_colour_and_the_rule_stands_where_the_view_begins() -> None:
    messages = [message(n) for n in range(6)]
    async with viewing(messages) as (app, pilot, _):
        app.transcript.show_plan(plan_for(messages, sent_from=2))
        await pilot.pause()
        lines = app.seen()

        assert ["┆ you", "┆ text of 0"] == [lines[0].split("  ")[0], lines[1]]
        assert "not sent" in lines[0]
        assert "not sent" in lines[3]
        assert lines[6].startswith("  ┄┄ ↑ 2 messages above are not sent to the model ┄┄┄")
        assert ["▌ you", "▌ text of 2"] == [lines[8].split("  ")[0], lines[9]]
        assert "not sent" not in lines[8]


async def test_the_rule_moves_without_drawing_a_text_again_and_without_a_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [answer(n) for n in range(100)]
    async with viewing(messages) as (app, pilot, _):
        app.transcript.show_plan(plan_for(messages, sent_from=10))
        app.transcript.jump_to("m60")
        await pilot.pause()
        before = app.seen()
        drawn = note_drawn(app.transcript, monkeypatch)
        app.transcript.show_plan(plan_for(messages, sent_from=20))
        await pilot.pause()
        stayed = app.seen()
        app.transcript.show_plan(plan_for(messages, sent_from=63))
        drawn_by_plans = list(drawn)
        app.transcript.jump_to("m63")
        await pilot.pause()

        assert before == stayed
        assert [] == drawn_by_plans
        assert any("63 messages above" in line for line in app.seen())


async def test_with_nothing_sent_the_rule_stands_below_all() -> None:
    messages = [message(n) for n in range(2)]
    async with viewing(messages) as (app, pilot, _):
        app.transcript.show_plan(plan_for(messages, sent_from=2))
        await pilot.pause()

        assert app.seen()[6].startswith("  ┄┄ ↑ 2 messages above")
        app.transcript.show_plan(None)
        await pilot.pause()
        assert not any("┄" in line for line in app.seen())


# -- a reply that arrives


async def test_a_reply_has_its_place_before_its_first_word() -> None:
    async with viewing([message(0)]) as (app, pilot, _):
        app.transcript.begin(replace(message(1), text=""))
        await pilot.pause()

        assert "llama3.2" in app.seen()[3]
        assert "writing…" in app.seen()[3]


async def test_a_streamed_reply_looks_like_a_whole_one_when_it_has_settled() -> None:
    text = answer(1).text + "\n\n- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n> quoted\n\nThe end."
    whole = message(1, text)
    async with viewing([message(0), whole], size=(60, 40)) as (app, _, _):
        expected = app.seen()
    async with viewing([message(0)], size=(60, 40)) as (app, pilot, _):
        app.transcript.begin(replace(whole, text="", status=Status.STREAMING))
        for start in range(0, len(text), 7):
            app.transcript.feed("m1", text[start : start + 7])
            if start % 35 == 0:
                await pilot.pause(0.001)
        await settled(pilot)
        drawn = app.seen()
        app.transcript.settle(whole)
        await pilot.pause()

        assert expected[5:] == drawn[5:]
        assert expected == app.seen()


async def test_what_was_settled_differently_from_what_arrived_is_drawn_again() -> None:
    async with viewing([message(0)]) as (app, pilot, _):
        app.transcript.begin(message(1, status=Status.STREAMING))
        app.transcript.feed("m1", "See [a].\n\n")
        await settled(pilot)
        app.transcript.settle(message(1, "Other text"), error="It broke.")
        await pilot.pause()

        assert ["▌ Other text", "▌", "▌ ! It broke."] == app.seen()[4:7]


async def test_thinking_that_arrives_shows_its_newest_words_in_one_line() -> None:
    async with viewing([message(0)]) as (app, pilot, _):
        app.transcript.begin(replace(message(1), text=""))
        app.transcript.feed_thinking("m1", "One thing after another. " * 20 + "And at last this")
        await settled(pilot)
        thinking = app.seen()[4]
        app.transcript.feed("m1", "Answer")
        await settled(pilot)

        assert thinking.startswith("▌ ▸ thinking… ")
        assert thinking.endswith("And at last this")
        assert ["▌ ▸ thinking (84 words)", "▌ Answer"] == app.seen()[4:6]


async def test_a_queued_prompt_says_so_until_its_reply_begins_below_it() -> None:
    async with viewing([message(0)]) as (app, pilot, _):
        transcript = app.transcript
        transcript.begin(replace(message(1), text=""))
        transcript.add(message(2, "second", parent_id="m1"), queued=True)
        transcript.add(message(4, "third", parent_id="m1"), queued=True)
        await pilot.pause()
        queued = [line for line in app.seen() if "queued" in line]
        transcript.begin(replace(message(3), text="", parent_id="m2"))
        await pilot.pause()

        assert len(queued) == 2
        assert ["m0", "m1", "m2", "m3", "m4"] == [header.id for header in transcript.rows.headers]
        assert len([line for line in app.seen() if "queued" in line]) == 1


async def test_a_burst_is_drawn_in_slices() -> None:
    async with viewing([message(0)]) as (app, pilot, _):
        app.transcript.begin(replace(message(1), text=""))
        await pilot.pause()
        app.transcript.feed("m1", "word " * SLICE)
        live = app.transcript._live["m1"]
        await pilot.pause(0.02)

        assert len(live._text) in (SLICE, 2 * SLICE)
        assert live.is_pending
        await settled(pilot)
        assert len(live._text) == 5 * SLICE


async def test_an_emoji_cut_in_two_by_the_stream_is_one_emoji() -> None:
    async with viewing([message(0)]) as (app, pilot, _):
        app.transcript.begin(replace(message(1), text=""))
        await pilot.pause()
        app.transcript.feed("m1", "a \ud83d")
        await settled(pilot)
        app.transcript.feed("m1", "\ude00 b")
        await settled(pilot)
        app.transcript.settle(message(1, "a 😀 b"))
        await pilot.pause()

        assert "▌ a 😀 b" in app.seen()


async def test_code_is_plain_until_the_colours_are_loaded_and_as_high(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = asyncio.Event()
    loop = asyncio.get_running_loop()
    for module in (fences, transcript_module):
        monkeypatch.setattr(module, "colours_are_loaded", loaded.is_set)
    monkeypatch.setattr(transcript_module, "load_colours", lambda: loop.call_soon_threadsafe(loaded.set))
    async with viewing([message(0), message(1, "```python\ndef f(): return 1\n```")]) as (app, pilot, _):
        plain = app.seen()
        await app.workers.wait_for_complete()
        await pilot.pause()
        styles = {s.style for s in app.transcript.render_lines(app.transcript.size.region)[5] if s.style}

        assert plain == app.seen()
        assert len(styles) > 4


# -- cursor, mouse, selection


async def test_keys_move_the_cursor_by_message_and_keep_it_on_the_screen() -> None:
    async with viewing([answer(n) for n in range(48)], focus=True) as (app, pilot, _):
        transcript = app.transcript
        visited = [transcript.current_id]
        for key in ("k", "k", "j", "g", "j", "G", "home", "end"):
            await pilot.press(key)
            visited.append(transcript.current_id)
            assert any(line.startswith("█") or line[1:2] == "▏" for line in app.seen())

        assert ["m47", "m46", "m45", "m46", "m0", "m1", "m47", "m0", "m47"] == visited


async def test_a_page_up_takes_the_cursor_along() -> None:
    async with viewing([answer(n) for n in range(48)], focus=True) as (app, pilot, _):
        await pilot.press("pageup", "pageup", "pageup")

        assert app.transcript.current_id in ("m45", "m44", "m43")
        assert any(line.startswith("█") or line[1:2] == "▏" for line in app.seen())


async def test_a_clicked_link_is_asked_about_and_only_web_links_can_be() -> None:
    async with viewing([message(0, "[docs](https://example.org/x) [no](file:///etc/passwd) and")]) as (app, pilot, _):
        await pilot.click(Transcript, offset=(3, 1))
        await pilot.click(Transcript, offset=(22, 1))
        await pilot.pause()
        chosen = [event for event in app.posted if isinstance(event, Transcript.LinkChosen)]

        assert [Transcript.LinkChosen("https://example.org/x", "docs")] == chosen


async def test_selected_text_has_its_wrapped_lines_joined_and_no_bars() -> None:
    text = "one " * 30 + "end\n\n> quoted\n\n```\n  code\n```"
    async with viewing([message(0, text)]) as (app, pilot, _):
        await pilot.click(Transcript, offset=(5, 1), times=2)
        await pilot.pause()

        assert "one " * 30 + "end\n\nquoted\n\n  code" == app.screen.get_selected_text()


async def test_a_dragged_selection_is_what_is_under_it_wide_characters_too() -> None:
    async with viewing([message(0, "漢字 and more\n\nsecond")]) as (app, pilot, _):
        await pilot.mouse_down(Transcript, offset=(4, 1))
        await pilot.hover(Transcript, offset=(6, 3))
        await pilot.mouse_up(Transcript, offset=(6, 3))
        await pilot.pause()

        assert (app.screen.get_selected_text() or "").startswith("字 and more\n\nseco")


# -- another branch


async def test_another_branch_draws_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [message(n) for n in range(6)]
    other = [*messages[:5], replace(message(5, "another answer"), id="other")]
    async with viewing(messages) as (app, pilot, store):
        drawn = note_drawn(app.transcript, monkeypatch)
        app.transcript.show([header_of(each) for each in other], store.fetch, bodies={"other": Body("another answer")})
        await pilot.pause()

        assert ["other"] == drawn
        assert "▌ another answer" in app.seen()


# -- hostile text

_HOSTILE = [
    "a\x1b]52;c;aGFjaw==\x07b \x1b]0;owned\x07 \x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\ \x1b[2J\x1bc",
    "a\x9b2Jb \x9d52;c;aGFjaw==\x9c safe\rEVIL\x08\x08 a\x00b\x7fc",
    "`a\x1b[31mred` ```py\x1b[31mthon\ncode\n```\n\n|a\x1b[31m|b|\n|-|-|\n|c\x1b[2J|d|",
    "```\na\x1b]52;c;aGFjaw==\x1b\\b\u202e\n```\n\n    indented \x1b[2J\n",
    "[x](http://a/\x1b]52;c;aGFjaw==\x1b\\) abc \u202e evil \u2066x\u2069 a\u200bb hi\U000e0068",
    "[bold]x[/bold] [@click=app.quit]y[/] [/foo] [link=http://evil]z[/link] &#8238; &#x1b;[31m",
]


@pytest.mark.parametrize("text", _HOSTILE)
async def test_nothing_of_a_hostile_message_reaches_the_terminal(text: str) -> None:
    hostile = message(1, text, parts=(Thinking(text),), status=Status.FAILED, error=text, model=ModelRef("e", text))
    async with viewing([message(0, text), hostile]) as (app, pilot, _):
        app.transcript.toggle_thinking()
        await pilot.pause()
        app.transcript.begin(replace(message(3), text=text, parts=()))
        app.transcript.feed_thinking("m3", text)
        await settled(pilot)
        strips = app.screen._compositor.render_strips()
        written = "".join(strip.render(app.console) for strip in strips)
        painted = app.transcript.render_lines(app.transcript.size.region)
        metas = [s.style.meta for strip in painted for s in strip if s.style and s.style.meta]

        assert [] == re.findall(
            "[\x00-\x1a\x1c-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", written
        )
        assert set(re.findall("\x1b(.)", written)) <= {"["}
        assert set(re.findall("\x1b\\[[0-9;]*(.)", written)) <= {"m"}
        assert [] == [meta for meta in metas if set(meta) - {"href", "fold"}]


@pytest.mark.parametrize(
    "text",
    [
        "|a|b|\n|-|-|\n" + "|x|y|\n" * 4_000,
        "- item\n" * 4_000,
        "# h\n\n" * 5_000,
        "[" * 8_000,
        "![" * 3_000,
        "**_" * 5_000,
        "[a](b)" * 5_000,
        "x" * 500_000,
        "```html\n" + "<" * 20_000,
        "```json\n" + '{"a":' * 15_000,
        "".join("`" * (i % 80 + 1) + "a" for i in range(3000)),
    ],
)
async def test_a_giant_message_is_shown_and_can_be_left(text: str) -> None:
    async with viewing([message(0, text), message(1)], focus=True) as (app, pilot, _):
        await pilot.press("g", "G")

        assert "text of 1" in app.seen()[-2]


# -- imports


def test_nothing_heavy_is_imported_before_the_first_message() -> None:
    check = (
        "import sys, tui_chat.ui.widgets.transcript\n"
        "heavy = ('markdown_it', 'pygments', 'textual.widgets._markdown', 'httpx', 'PIL')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
