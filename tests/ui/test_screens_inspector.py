"""The inspector: what is sent and why, the bytes themselves, and what is where; through its keys."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.pilot import Pilot

from tests.attached import picture
from tests.ui.reading import lines_of, seen, strips_of
from tests.ui.screen_fakes import SMALL, USUAL, Host, burst, settle, words
from tui_chat.core.clean import clean
from tui_chat.core.clock import MINUTE
from tui_chat.core.context import (
    ContextPlan,
    Entry,
    Kind,
    Limit,
    PayloadMessage,
    PlanError,
    Quotation,
    Reason,
    TokenBudget,
    Totals,
    Warning,
)
from tui_chat.core.errors import StoreFailed
from tui_chat.core.models import Role, Usage
from tui_chat.core.summary import Source, Summary
from tui_chat.services.endpoints import Reach
from tui_chat.ui import clipboard
from tui_chat.ui.screens import inspector_list, inspector_raw
from tui_chat.ui.screens.inspection import Inspection, Stored, rows_of
from tui_chat.ui.screens.inspector import InspectorScreen, ReadText, Tab
from tui_chat.ui.screens.inspector_list import EntryList
from tui_chat.ui.screens.inspector_raw import Folded, RawRequest
from tui_chat.ui.screens.inspector_words import KINDS, REASONS, ROLES, SHORT, sent_sentence, usage_sentence

BEGIN = 1_795_000_000_000
BUDGET = TokenBudget(context_window=8_192, assumed=False, reserved_for_reply=2_048, margin=0.12, input=5_485)
HOSTILE = "a\x1b]52;c;aGk=\x07[/foo] [@click=app.quit]x[/] \u202etxt.exe"


def body_of(plan: ContextPlan) -> bytes:
    """As a provider renders it."""
    messages = [{"role": str(each.role), "content": each.content} for each in plan.payload]
    form = {"model": "llama3.2", "messages": messages, "stream": True}
    return json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode()


def a_plan(texts: Sequence[str], sent: int, *, draft: str = "And now?") -> ContextPlan:
    """A system prompt, the last so many of these messages, and a draft."""
    first = len(texts) - sent
    entries = [Entry(None, Kind.SYSTEM, Role.SYSTEM, True, Reason.SYSTEM, 12, 0)]
    payload = [PayloadMessage(Role.SYSTEM, "Be terse.")]
    for at, text in enumerate(texts):
        role = Role.ASSISTANT if at % 2 else Role.USER
        if at < first:
            entries.append(Entry(f"m{at}", Kind.MESSAGE, role, False, Reason.BEFORE_WINDOW, 100))
        else:
            entries.append(Entry(f"m{at}", Kind.MESSAGE, role, True, Reason.WINDOW, 100, len(payload)))
            payload.append(PayloadMessage(role, text))
    entries.append(Entry("draft", Kind.DRAFT, Role.USER, True, Reason.DRAFT, 9, len(payload)))
    payload.append(PayloadMessage(Role.USER, draft))
    return ContextPlan(
        strategy="window",
        budget=BUDGET,
        entries=tuple(entries),
        totals=Totals(sent, first, 12 + 100 * sent + 9 + 3),
        warnings=(Warning("before_window", first, len(texts), BEGIN, Limit.MESSAGES),) if first else (),
        payload=tuple(payload),
    )


def an_inspection(texts: Sequence[str] = ("one", "two", "three", "four"), sent: int = 2, **more: Any) -> Inspection:
    plan = more.pop("plan", None) or a_plan(texts, sent)
    given_fields = {
        "excerpts": {f"m{at}": text.split("\n")[0] for at, text in enumerate(texts)},
        "times": {f"m{at}": BEGIN + at * MINUTE for at in range(len(texts))},
        "raw": body_of(plan),
        "model": "llama3.2",
        "host": "127.0.0.1:11434",
        "reach": Reach.LOCAL,
        "stored": Stored(len(texts), len(texts) + 7, 3, BEGIN),
    }
    return Inspection(plan, **{**given_fields, **more})


@asynccontextmanager
async def inspected(
    inspection: Inspection, *, size: tuple[int, int] = USUAL, read: ReadText | None = None
) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host(lambda: InspectorScreen(inspection, read=read, now=lambda: BEGIN))
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        yield app, pilot


def listed(app: Host) -> list[str]:
    """The lines of the list, without the scrollbar and the empty ones."""
    return [line for strip in strips_of(app.screen.query_one(EntryList)) if (line := strip.text[:-1].rstrip())]


def current(app: Host) -> str:
    """The line with the cursor, by its reversed cells; empty where none has it."""
    for strip in strips_of(app.screen.query_one(EntryList)):
        text = strip.crop(0, strip.cell_length - 1)  # the scrollbar is reversed as well
        if any(segment.style is not None and segment.style.reverse for segment in text):
            return text.text.rstrip()
    return ""


# -- what is sent ----------------------------------------------------------------------------


async def test_every_entry_has_one_line_that_says_who_why_and_how_much() -> None:
    async with inspected(an_inspection(), size=(60, 20)) as (app, _):
        assert listed(app) == [
            "▌ 1 system system prompt    ~12  Be terse.",
            "┆   you    before window   ~100  one",
            "┆   model  before window   ~100  two",
            "▌ 2 you    in the window   ~100  three",
            "▌ 3 model  in the window   ~100  four",
            "▌ 4 you    your message      ~9  And now?",
        ]


async def test_a_wide_screen_shows_the_time_too() -> None:
    async with inspected(an_inspection(), size=(120, 40)) as (app, _):
        times = [re.findall(r"\d\d:\d\d", line) for line in listed(app)]

        assert [len(found) for found in times] == [0, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("size", [SMALL, USUAL, (120, 40)])
async def test_the_totals_the_budget_and_the_servers_count_are_always_there(size: tuple[int, int]) -> None:
    usage = Usage(input_tokens=230, output_tokens=5, cached_tokens=120)
    async with inspected(an_inspection(usage=usage, estimated=224), size=size) as (app, _):
        text = words(app)

        assert "What llama3.2 gets with the next message" in text
        assert "Sent: system prompt ~12 · 2 messages ~200 · your message ~9 · around them ~3" in text
        assert "Not sent: 2 before window (limit of messages)" in text
        assert "~224 of 5,485 tokens: window 8,192 − reply 2,048 − margin 12%" in text
        assert "The server counted 230 last time (estimate ~224: 2.6% low) · 120 cached" in text
        assert len(listed(app)) >= 6


async def test_keys_move_the_cursor_and_it_begins_where_sending_begins() -> None:
    async with inspected(an_inspection()) as (app, pilot):
        places = [current(app)[2:3]]
        for key in ("down", "j", "k", "up", "G", "down", "g", "k", "end", "home", "pagedown", "pageup"):
            await burst(pilot, key)
            places.append(current(app).split()[-1])

        assert places == [
            *("2", "four", "now?", "four", "three", "now?", "now?", "terse.", "terse.", "now?", "terse."),
            *("now?", "terse."),
        ]


async def test_enter_unfolds_the_whole_text_with_its_reason_and_folds_it_again() -> None:
    texts = ("one", "two", "three\nsecond line\n\nlast " + "word " * 30 + "END", "four")
    async with inspected(an_inspection(texts)) as (app, pilot):
        folded = seen(app)
        await burst(pilot, "enter")
        unfolded = words(app)
        await burst(pilot, "space")

        assert "Sent: it is among the newest messages. Written at" in unfolded
        assert "second line" in unfolded
        assert "word END" in unfolded
        assert folded == seen(app)


async def test_what_is_not_sent_says_which_limit_and_reads_its_text_when_unfolded() -> None:
    asked: list[str] = []

    async def read(message_id: str) -> str:
        asked.append(message_id)
        return "one\nand the rest of it"

    async with inspected(an_inspection(), read=read) as (app, pilot):
        await burst(pilot, "g", "down", "enter")
        await app.workers.wait_for_complete()
        await settle(pilot)

        assert asked == ["m0"]
        assert "Not sent: it is older than the messages that are (limit of messages)." in words(app)
        assert "and the rest of it" in words(app)


async def test_a_text_that_cannot_be_read_is_reported_and_its_first_line_stays() -> None:
    async def read(message_id: str) -> str:
        raise StoreFailed("The history [/b] cannot be read.", hint="Try again.")

    async with inspected(an_inspection(), read=read) as (app, pilot):
        await burst(pilot, "g", "down", "enter")
        await app.workers.wait_for_complete()
        await settle(pilot)

        assert "The history [/b] cannot be read." in words(app)
        assert "one …" in words(app)


async def test_a_text_higher_than_the_screen_is_read_line_by_line() -> None:
    long = "\n".join(f"line {number}" for number in range(60))
    async with inspected(an_inspection(("one", "two", long, "four"))) as (app, pilot):
        await burst(pilot, "enter")
        assert "line 59" not in seen(app)
        ways = []
        for key, end in (("down", "four"), ("up", "two")):
            steps = 0
            while end not in current(app) and steps < 100:
                await burst(pilot, key)
                steps += 1
            ways.append(steps)
            assert "line 59" in seen(app) if key == "down" else "line 0" in seen(app)

        # Every line of it passed over the screen, both ways.
        height = app.screen.query_one(EntryList).size.height
        assert all(62 - height < steps < 62 for steps in ways), ways


async def test_ten_thousand_entries_open_at_once_where_sending_begins() -> None:
    inspection = an_inspection([f"message {number}" for number in range(10_000)], sent=20)
    before = process_time()
    async with inspected(inspection, size=(120, 40)) as (app, pilot):
        spent = process_time() - before
        first = current(app)
        await burst(pilot, "g", "down", "enter", "G")
        last = current(app)

        assert "▌  2 you    in the window   ~100" in first
        assert "message 9980" in first
        assert "22 you" in last
        assert spent < 2.0  # a tenth of a second here; the other way, a widget an entry, takes many


async def test_unfolded_entries_do_not_confuse_which_line_is_whose() -> None:
    texts = [f"message {number}\nbody {number}" for number in range(30)]
    async with inspected(an_inspection(texts, sent=30), size=(100, 40)) as (app, pilot):
        await burst(pilot, "g", "down", "enter", "down", "down", "enter", "g")
        lines = listed(app)
        await burst(pilot, *["down"] * 4)

        bodies = [line for line in lines if "body" in line]
        assert bodies == ["▌   body 0", "▌   body 2"]
        assert "message 3" in current(app)
        assert lines[1].startswith("▌▾ 2")
        await pilot.click(EntryList, offset=(20, 2))
        assert "message 0" in current(app)


async def test_a_click_takes_the_cursor_and_a_second_one_unfolds() -> None:
    async with inspected(an_inspection(("one", "two", "three\nhidden", "four"))) as (app, pilot):
        await burst(pilot, "g")
        await pilot.click(EntryList, offset=(20, 3))
        assert "three" in current(app)
        assert "hidden" not in seen(app)
        await pilot.click(EntryList, offset=(20, 3))
        await settle(pilot)

        assert "hidden" in seen(app)


async def test_hostile_texts_are_shown_as_harmless_text() -> None:
    inspection = an_inspection([HOSTILE, HOSTILE, f"{HOSTILE}\n{HOSTILE}", "x" * 300_000], model=HOSTILE, host=HOSTILE)
    async with inspected(inspection, size=(120, 40)) as (app, pilot):
        await burst(pilot, "g", "down", "enter", "down", "down", "enter")
        texts = ["\n".join(listed(app))]
        await burst(pilot, "G", "up", "enter")
        texts.append(seen(app))
        for key in "23":
            await burst(pilot, key)
            texts.append(seen(app))
        await pilot.hover(Tab, offset=(2, 0))

        for text in texts:
            assert not {"\x1b", "\x07", "\u202e"} & set(text)
        harmless = "a\ufffd]52;c;aGk=\ufffd[/foo] [@click=app.quit]x[/] txt.exe"
        assert 6 == texts[0].count(harmless)  # three lines, an excerpt unfolded, and a text of two lines
        assert all(harmless in text for text in texts[1:])


async def test_an_endless_text_is_unfolded_in_part_and_says_so() -> None:
    size = inspector_list.MOST_SHOWN + 2_345
    async with inspected(an_inspection(("a", "b", "x" * size, "d"))) as (app, pilot):
        await burst(pilot, "enter", "pagedown")
        app.screen.query_one(EntryList).scroll_end(animate=False)
        await settle(pilot)

        assert "… 2,345 more characters are not shown here." in seen(app)


async def test_wide_characters_keep_every_line_as_wide_as_the_list() -> None:
    async with inspected(an_inspection(["漢字" * 60] * 4), size=SMALL) as (app, pilot):
        await burst(pilot, "enter")

        entries = app.screen.query_one(EntryList)
        assert {strip.cell_length for strip in strips_of(entries)} == {entries.outer_size.width}


async def test_marks_cursor_and_tab_are_seen_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with inspected(an_inspection()) as (app, pilot):
        await burst(pilot, "G")
        lines = listed(app)

        assert [line[0] for line in lines] == ["▌", "┆", "┆", "▌", "▌", "▌"]
        assert "And now?" in current(app)
        tabs = [strip for tab in app.screen.query(Tab) for strip in strips_of(tab)]
        reverse = [any(segment.style and segment.style.reverse for segment in strip) for strip in tabs]
        assert reverse == [True, False, False]


async def test_a_change_of_theme_redraws_what_is_unfolded() -> None:
    async with inspected(an_inspection()) as (app, pilot):
        await burst(pilot, "enter")
        before = seen(app)
        app.theme = "textual-light"
        await settle(pilot)

        assert before == seen(app)


# -- the raw request -----------------------------------------------------------------------------


async def test_the_raw_request_is_the_body_to_the_letter() -> None:
    raw = body_of(a_plan([f'\x1b[31m message {number} \\ " é 漢字\u202e' for number in range(20)], sent=20))
    async with inspected(an_inspection(raw=raw), size=SMALL) as (app, pilot):
        await burst(pilot, "2")

        assert app.screen.query_one(RawRequest).shown == clean(raw.decode())
        assert f"{len(raw):,} bytes, as they are sent. The key travels in a header that is not shown." in words(app)


async def test_what_the_screen_shows_of_a_body_is_the_body_unwrapped() -> None:
    raw = body_of(a_plan([f"message {number}  [b]two  spaces[/b]" for number in range(40)], sent=40))
    async with inspected(an_inspection(raw=raw), size=SMALL) as (app, pilot):
        await burst(pilot, "2")
        view = app.screen.query_one(RawRequest)
        shown: dict[int, str] = {}
        for top in range(view.max_scroll_y + 1):
            view.scroll_to(y=top, animate=False)
            await pilot.pause(0)
            shown.update({top + y: strip.text[:-1] for y, strip in enumerate(strips_of(view))})

        assert "".join(shown[line] for line in sorted(shown)).rstrip() == raw.decode()


@given(st.text(alphabet=st.sampled_from("a \n漢é👩‍👧\u0301"), max_size=200), st.integers(2, 12), st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_folding_by_pieces_loses_nothing_and_fills_lines(text: str, width: int, piece: int) -> None:
    folded = Folded(text, width, piece=piece)
    while not folded.done:
        folded.go_on()

    lines = [folded.line(number) for number in range(len(folded))]
    assert "".join(lines) == text
    assert all(cell_len(line.rstrip("\n")) <= width for line in lines)
    for number in range(len(folded)):
        assert folded.line_with(folded.start_of(number)) == number or not lines[number]


def test_pieces_make_the_same_lines_as_the_whole() -> None:
    text = "漢字 and words é " * 50
    whole, pieces = Folded(text, 30, piece=10_000), Folded(text, 30, piece=64)
    for folded in (whole, pieces):
        while not folded.done:
            folded.go_on()

    assert [whole.line(n) for n in range(len(whole))] == [pieces.line(n) for n in range(len(pieces))]


async def test_y_copies_the_whole_body_as_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipboard, "programs", lambda environ, platform: [])
    raw = b'{"x":"\x1b' + "é\u202e".encode() + b"word " * 400_000 + b'"}'
    async with inspected(an_inspection(raw=raw)) as (app, pilot):
        await burst(pilot, "2", "y")
        await app.workers.wait_for_complete()
        await settle(pilot)

        assert raw.decode() == app.clipboard
        assert "Sent to the terminal to copy" in seen(app)


async def test_ten_megabytes_are_shown_in_part_at_once_and_say_so() -> None:
    raw = ("漢字" * 1_700_000).encode()
    async with inspected(an_inspection(raw=raw)) as (app, pilot):
        view = app.screen.query_one(RawRequest)
        slowest = 0.0
        before = process_time()
        await burst(pilot, "2")
        slowest = process_time() - before
        await app.workers.wait_for_complete()
        await burst(pilot, "G")

        assert slowest < 3.0  # cutting all of it by characters' widths takes longer
        assert view.shown == "漢字" * (inspector_raw.MOST_SHOWN // 2)
        assert "… 2,400,000 more characters are not shown. y copies all." in seen(app)


async def test_an_image_in_the_body_is_shortened_for_the_eye_and_says_so_but_is_copied_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clipboard, "programs", lambda environ, platform: [])
    images = [base64.b64encode(bytes([number, 200]) * 20_000).decode() for number in range(2)]
    url = f"data:image/png;base64,{images[0]}"
    raw = json.dumps({"a": [url, 'text "é" ' * 900, images[1]], "b": 1}, ensure_ascii=False).encode()
    note = "…base64, {}, shortened here for the eye: y copies all of it…"
    expected = raw.decode().replace(url, url[:40] + note.format("40.0 kB"))
    expected = expected.replace(images[1], images[1][:40] + note.format("40.0 kB"))
    async with inspected(an_inspection(raw=raw)) as (app, pilot):
        await burst(pilot, "2", "y")
        await app.workers.wait_for_complete()
        await settle(pilot)

        assert expected == app.screen.query_one(RawRequest).shown
        assert raw.decode() == app.clipboard


@given(st.lists(st.text(alphabet=st.sampled_from('aé漢 "\\\n'), max_size=30), max_size=30), st.integers(1, 400))
@settings(max_examples=50, deadline=None)
def test_nothing_but_long_base64_is_shortened(texts: list[str], times: int) -> None:
    raw = json.dumps({"texts": [f"{each} " * times for each in texts]}, ensure_ascii=False).encode()

    assert (raw.decode(), 0) == inspector_raw.for_the_eye(raw)


async def test_an_entry_names_the_images_that_go_with_it() -> None:
    plan = a_plan(["one", "two"], sent=2)
    payload = (*plan.payload[:-1], replace(plan.payload[-1], images=(picture(name="a[b]\x1b.png"),)))
    async with inspected(an_inspection(("one", "two"), plan=replace(plan, payload=payload), raw=b"{}")) as (app, _):
        assert listed(app)[-1].endswith("And now? 📎 a[b]\ufffd.png")


async def test_another_width_keeps_the_place_in_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector_raw, "SLICE_SECONDS", 0.0)  # so that it takes several slices
    raw = " ".join(f"{number:05}" for number in range(5_000)).encode()
    async with inspected(an_inspection(raw=raw), size=(100, 30)) as (app, pilot):
        await burst(pilot, "2")
        await app.workers.wait_for_complete()
        view = app.screen.query_one(RawRequest)
        view.scroll_to(y=100, animate=False)
        await settle(pilot)
        top = lines_of(view)[0][:11]
        await pilot.resize_terminal(60, 30)
        await settle(pilot)
        await app.workers.wait_for_complete()

        assert top in lines_of(view)[0] + lines_of(view)[1]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"reach": Reach.BUILT_IN}, "Nothing is sent: the built-in guide answers inside this program."),
        ({"past": True}, "The body of a past request is not kept, only which messages were in it, and why."),
    ],
)
async def test_without_a_body_the_tab_says_why(more: dict[str, Any], sentence: str) -> None:
    async with inspected(an_inspection(raw=b"", **more)) as (app, pilot):
        await burst(pilot, "2", "y", "right", "left")

        assert sentence in words(app)


async def test_a_refused_plan_says_that_nothing_is_sent_and_keeps_its_order() -> None:
    plan = a_plan(("one", "two"), sent=2)
    refused = replace(
        plan,
        entries=tuple(each._replace(sent=False, order=None, reason=Reason.OVER_BUDGET) for each in plan.entries),
        error=PlanError("over_budget", needed=9_400, room=8_192, parts="system prompt and this message"),
        payload=(),
    )
    async with inspected(an_inspection(("one", "two"), plan=refused, raw=b"")) as (app, pilot):
        lines = listed(app)
        assert "Not sent: system prompt and this message need ~9,400 of 8,192 tokens." in words(app)
        await burst(pilot, "2")

        assert [line.split()[1] for line in lines] == ["system", "you", "model", "you"]
        assert "Nothing is sent. Not sent: system prompt" in words(app)


# -- what an answer saw -----------------------------------------------------------------------------


async def test_a_past_answer_shows_reasons_and_the_texts_that_still_exist() -> None:
    past = replace(a_plan(("one", "two", "three", "four"), sent=2), payload=())
    inspection = an_inspection(plan=past, raw=b"", past=True, times={}, usage=Usage(224, 5), estimated=224)
    inspection = replace(inspection, excerpts={"m2": "three", "draft": "And now?"})
    asked: list[str] = []

    async def read(message_id: str) -> str:
        asked.append(message_id)
        return "three, whole"

    async with inspected(inspection, read=read, size=SMALL) as (app, pilot):
        lines = listed(app)
        await burst(pilot, "enter", "down", "enter")
        await app.workers.wait_for_complete()
        await settle(pilot)

        assert "What llama3.2 saw when it said this" in words(app)
        assert lines == [
            "▌ 1 system system prompt    ~12  (its text was not kept wi…",
            "┆   you    before window   ~100  (no longer stored)",
            "┆   model  before window   ~100  (no longer stored)",
            "▌ 2 you    in the window   ~100  three",
            "▌ 3 model  in the window   ~100  (no longer stored)",
            "▌ 4 you    your message      ~9  And now?",
        ]
        assert asked == ["m2"]
        assert "three, whole" in words(app)
        assert "The server counted 224 (estimate ~224: exact)" in words(app)


async def test_a_past_message_of_which_only_the_reason_is_known_claims_no_more() -> None:
    past = a_plan(("one", "two", "three", "four"), sent=2)
    entries = tuple(each if each.sent else each._replace(id=None, role=Role.USER, tokens=0) for each in past.entries)
    inspection = an_inspection(plan=replace(past, entries=entries, payload=()), raw=b"", past=True)
    async with inspected(inspection) as (app, pilot):
        lines = listed(app)
        await burst(pilot, "g", "down", "enter")

        unknown = ["┆", "before", "window", "(the", "conversation", "has", "changed:"]
        assert [line.split()[:7] for line in lines[1:3]] == [unknown, unknown]
        assert "Not sent: it is older than the messages that are (limit of messages)." in words(app)


# -- three layers, and the screen itself ---------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL, (120, 40)])
async def test_three_layers_at_a_glance(size: tuple[int, int]) -> None:
    async with inspected(an_inspection(), size=size) as (app, pilot):
        await burst(pilot, "3")
        text = words(app)
        await burst(pilot, *["j"] * 20)
        text += words(app)

        for part in ("4 messages on this branch", "2 of 4 messages", "+ system prompt", "11 messages on all branches"):
            assert part in text
        assert "3 places have" in text
        assert "~224 of 5,485 tokens" in text
        assert "encrypted, in your history" in text


async def test_digits_arrows_and_the_mouse_switch_tabs() -> None:
    async with inspected(an_inspection()) as (app, pilot):
        shown = []
        for key in ("2", "3", "1", "right", "right", "right", "left", "left"):
            await burst(pilot, key)
            shown.append(next(tab.name for tab in app.screen.query(Tab) if tab.has_class("-on")))
        await pilot.click(app.screen.query(Tab).last())
        await settle(pilot)

        assert shown == ["raw", "layers", "sent", "raw", "layers", "sent", "layers", "raw"]
        assert "This screen" in seen(app)


@pytest.mark.parametrize("key", ["escape", "f3", "q"])
@pytest.mark.parametrize("tab", "123")
async def test_every_tab_closes_with_the_same_keys(tab: str, key: str) -> None:
    async with inspected(an_inspection()) as (app, pilot):
        await burst(pilot, tab, key)

        assert [False] == app.results


async def test_it_leads_to_what_is_remembered_and_not_for_a_past_request() -> None:
    async with inspected(an_inspection()) as (app, pilot):
        await burst(pilot, "m")
        assert [True] == app.results

    async with inspected(replace(an_inspection(), past=True)) as (app, pilot):
        await burst(pilot, "m")
        assert [] == app.results


async def test_keys_of_a_hidden_tab_do_nothing() -> None:
    async with inspected(an_inspection(("one", "two", "three\nhidden", "four"))) as (app, pilot):
        await burst(pilot, "3", "enter", "1")

        assert "hidden" not in seen(app)


async def test_an_empty_plan_does_not_fail() -> None:
    empty = ContextPlan("window", BUDGET, (), Totals(0, 0, 0))
    async with inspected(an_inspection((), plan=empty, raw=b"")) as (app, pilot):
        await burst(pilot, "enter", "down", "G", "pagedown", "pageup", "g", "2", "3", "1")
        await pilot.click(EntryList, offset=(3, 0))

        assert "Nothing is sent." in words(app)


# -- words and order, as values ------------------------------------------------------------------------


def test_every_reason_kind_and_role_has_its_words() -> None:
    assert set(REASONS) == set(Reason)
    assert set(KINDS) == set(Kind)
    assert set(ROLES) == set(Role)
    assert max(len(each.short) for each in REASONS.values()) <= SHORT
    assert len({each.short for each in REASONS.values()}) == len(Reason)


def test_pins_a_summary_and_quotations_stand_where_they_are_sent() -> None:
    def entry(id: str | None, kind: Kind, reason: Reason, order: int | None = None, inside: str | None = None) -> Entry:
        sent = order is not None or inside is not None
        return Entry(id, kind, Role.USER, sent, reason, 10, order, inside)

    plan = replace(
        a_plan((), 0),
        entries=(
            entry(None, Kind.SYSTEM, Reason.SYSTEM, 0),
            entry("a", Kind.MESSAGE, Reason.SUMMARISED),
            entry("pin", Kind.MESSAGE, Reason.PINNED, 1),
            entry("b", Kind.MESSAGE, Reason.SUMMARISED),
            entry("hit", Kind.MESSAGE, Reason.RETRIEVED, inside="draft"),
            entry("s", Kind.SUMMARY, Reason.SUMMARY, 2),
            entry("w", Kind.MESSAGE, Reason.WINDOW, 3),
            entry("draft", Kind.DRAFT, Reason.DRAFT, 4),
        ),
        totals=Totals(3, 2, 50),
    )

    assert [(row.entry.id, row.number) for row in rows_of(plan)] == [
        *((None, 1), ("a", None), ("pin", 2), ("b", None), ("s", 3), ("w", 4), ("draft", 5), ("hit", None)),
    ]
    assert sent_sentence(plan) == (
        "Sent: system prompt ~10 · 2 messages ~20 · summary ~10 · your message ~10 · 1 quotation inside"
    )


def a_plan_with_extras(*, title: str | None = None, model: str = "llama3.2") -> ContextPlan:
    """A summary of two messages, a call whose result never came, and two quotations, one from elsewhere."""
    sources = (Source("m0", 3, 1), Source("m1", 3, 1))
    entries = (
        Entry("m0", Kind.MESSAGE, Role.USER, False, Reason.SUMMARISED, 100),
        Entry("m1", Kind.MESSAGE, Role.ASSISTANT, False, Reason.SUMMARISED, 100),
        Entry("s", Kind.SUMMARY, Role.USER, True, Reason.SUMMARY, 40, 0),
        Entry("m2", Kind.MESSAGE, Role.USER, True, Reason.WINDOW, 100, 1),
        Entry(None, Kind.TOOLS, Role.TOOL, True, Reason.TOOLS, 8, 2),
        Entry("m3", Kind.MESSAGE, Role.ASSISTANT, True, Reason.RETRIEVED, 12, None, "draft"),
        Entry("far", Kind.RETRIEVED, Role.USER, True, Reason.EXCERPT, 20, None, "draft"),
        Entry(None, Kind.RETRIEVED, Role.USER, True, Reason.RETRIEVED, 90, None, "draft"),
        Entry("draft", Kind.DRAFT, Role.USER, True, Reason.DRAFT, 99, 3),
    )
    texts = ("Summary of 2 earlier messages:\n\nGoal: fish", "three", "cancelled", "And now?\n\n> four\n> far away")
    roles = (Role.USER, Role.USER, Role.TOOL, Role.USER)
    return replace(
        a_plan((), 0),
        entries=entries,
        totals=Totals(3, 1, 250),
        payload=tuple(PayloadMessage(role, text) for role, text in zip(roles, texts, strict=True)),
        summary=Summary("s", "Goal: fish", sources, model, BEGIN, 2, edited=True),
        quotations=(
            Quotation("m3", Role.ASSISTANT, BEGIN, 12),
            Quotation("far", Role.USER, BEGIN, 20, limit=10, conversation=title),
        ),
    )


async def test_summary_stand_in_and_quotations_say_what_they_are() -> None:
    plan = a_plan_with_extras(title="Sea trip")
    inspection = an_inspection(plan=plan)
    inspection = replace(inspection, excerpts={**inspection.excerpts, "far": "far away"})
    async with inspected(inspection, size=(70, 36)) as (app, pilot):
        assert listed(app) == [
            "┆   you    summarised      ~100  one",
            "┆   model  summarised      ~100  two",
            "▌ 1        summary          ~40  Summary of 2 earlier messages:",
            "▌ 2 you    in the window   ~100  three",
            "▌ 3 tool   no result         ~8  cancelled",
            "▌ 4 you    your message     ~99  And now?",
            "▌ ↳ model  found relevant   ~12  four",
            "▌ ↳ you    passage of it    ~20  “Sea trip”: far away",
            "▌ ↳        quotations       ~90  (all of the quotations, with what s…",
        ]
        assert "2 quotations inside" in words(app)
        await burst(pilot, "g", "j", "j", "enter")
        assert "Made by llama3.2 from 2 messages, and edited by you." in words(app)
        assert "Goal: fish" in words(app)
        await burst(pilot, "G", "enter", "k", "enter", "g", "j", "j", "j", "j", "enter")
        text = words(app)

    assert "behind a line that says what they are" in text
    assert "It comes from another conversation: “Sea trip”." in text
    assert "Sent in place of a result that never came" in text


async def test_hostile_titles_and_model_names_are_shown_cleaned() -> None:
    plan = a_plan_with_extras(title=HOSTILE, model=HOSTILE)
    async with inspected(an_inspection(plan=plan), size=(100, 40)) as (app, pilot):
        await burst(pilot, "g", "j", "j", "enter", "G", "k", "enter")
        text = seen(app)

        assert "[/foo] [@click=app.quit]x[/]" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


async def test_m_asks_for_another_memory_but_not_for_a_request_of_the_past() -> None:
    async with inspected(an_inspection()) as (app, pilot):
        assert "m Memory" in words(app)
        await burst(pilot, "m")
        assert [True] == app.results

    async with inspected(an_inspection(past=True)) as (app, pilot):
        assert "m Memory" not in words(app)
        await burst(pilot, "m")
        assert [] == app.results


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (3, "around them ~3"),
        (40, "around them and by the server's last count ~40"),
        (-43, "less ~43 by the server's last count"),
    ],
)
def test_what_the_last_count_adds_or_takes_is_not_blamed_on_the_messages(more: int, said: str) -> None:
    plan = a_plan(("one", "two"), 2)
    own = sum(entry.tokens for entry in plan.entries)

    assert sent_sentence(replace(plan, totals=Totals(2, 0, own + more))).endswith(f" · {said}")


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.integers(0, 2)), max_size=30), st.randoms())
def test_every_entry_has_exactly_one_row_and_the_payload_its_order(shape: list[tuple[Kind, int]], random: Any) -> None:
    orders = list(range(len(shape)))
    random.shuffle(orders)
    entries = tuple(
        Entry(
            str(at),
            kind,
            Role.USER,
            how > 0,
            Reason.WINDOW,
            1,
            orders[at] if how == 1 else None,
            "0" if how == 2 else None,
        )
        for at, (kind, how) in enumerate(shape)
    )

    rows = rows_of(replace(a_plan((), 0), entries=entries))

    assert sorted(row.entry.id or "" for row in rows) == sorted(entry.id or "" for entry in entries)
    numbered = [row for row in rows if row.number is not None]
    assert [row.number for row in numbered] == list(range(1, len(numbered) + 1))
    assert [row.entry.order for row in numbered] == sorted(row.entry.order or 0 for row in numbered)


def test_the_error_of_the_estimate_has_a_sign_and_no_division_by_nothing() -> None:
    assert usage_sentence(Usage(200, 1), 250, past=True) == "The server counted 200 (estimate ~250: 25.0% high)"
    assert usage_sentence(Usage(0, 1), 250, past=True) == "The server counted 0"
    assert usage_sentence(Usage(200, 1), 0, past=False) == "The server counted 200 last time"
