"""Pins and exclusions: a message that is sent always, or never, takes its whole unit with it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.memory import messages_of, reference_units
from tests.memory.branches import branches, chat, marked, requests
from tests.memory.test_window import ROOMY, reasons, room_for, synthetic_from
from tui_chat.core.context import Entry, Limit, Reason, Warning
from tui_chat.core.models import MessageHeader, Role
from tui_chat.core.tokens import REQUEST_TOKENS
from tui_chat.memory import Request, sent_ids, strategy

window = strategy("window")
quick = settings(max_examples=100, deadline=None)

UNIT = 20
"""Tokens of a unit of ``chat``: two messages of 6 + 4."""


def room_for_units(units: int, *, max_messages: int = 20) -> Request:
    return room_for(REQUEST_TOKENS + units * UNIT, max_messages=max_messages)


def test_a_pinned_message_pins_its_whole_unit_and_stands_before_the_window() -> None:
    plan = window.plan(chat("ua ua ua ua", pinned=[1]), replace(ROOMY, max_messages=2, system_prompt="Be kind."))

    assert reasons(plan) == "PPbbbbWW"
    assert [entry.order for entry in plan.entries if entry.sent] == [0, 1, 2, 3, 4, 5]
    assert list(sent_ids(plan)) == ["m0", "m1", "m6", "m7"]
    assert plan.warnings == (Warning("before_window", 4, 8, since=6000, limit=Limit.MESSAGES),)


def test_pins_stand_in_the_order_of_the_branch() -> None:
    plan = window.plan(chat("ua ua ua ua ua", pinned=[0, 5]), replace(ROOMY, max_messages=2))

    assert list(sent_ids(plan)) == ["m0", "m1", "m4", "m5", "m8", "m9"]


def test_a_pin_inside_the_window_is_sent_once_counted_once_and_takes_no_place_of_the_window() -> None:
    pinned = window.plan(chat("ua ua ua ua", pinned=[4]), replace(ROOMY, max_messages=4))

    assert reasons(pinned) == "bbWWPPWW"
    assert pinned.totals.sent == 6
    assert list(sent_ids(pinned)) == ["m2", "m3", "m4", "m5", "m6", "m7"]
    assert pinned.totals.tokens == REQUEST_TOKENS + pinned.entries[-1].tokens + 3 * UNIT


def test_unpinning_gives_the_place_back() -> None:
    branch = chat("ua ua ua")

    assert reasons(window.plan(marked(branch, pinned=[0]), replace(ROOMY, max_messages=2))) == "PPbbWW"
    assert reasons(window.plan(branch, replace(ROOMY, max_messages=2))) == "bbbbWW"


def test_a_limit_of_no_messages_still_sends_the_pins() -> None:
    plan = window.plan(chat("ua ua", pinned=[0]), replace(ROOMY, max_messages=0))

    assert reasons(plan) == "PPbb"
    assert plan.warnings == (Warning("before_window", 2, 4, since=None, limit=Limit.MESSAGES),)


def test_where_all_is_pinned_all_is_sent_without_a_warning() -> None:
    plan = window.plan(chat("ua ua ua", pinned=range(6)), replace(ROOMY, max_messages=0))

    assert (reasons(plan), plan.warnings) == ("PPPPPP", ())


def test_of_more_pins_than_fit_the_newest_have_their_room_first() -> None:
    plan = window.plan(chat("ua ua ua ua", pinned=[0, 2, 4]), room_for_units(2))

    assert [e.reason for e in messages_of(plan)][::2] == ["pinned_no_room", "pinned", "pinned", "before_window"]
    assert Warning("pin_no_room", 2, 8) in plan.warnings


def test_pins_have_their_room_before_the_window() -> None:
    plan = window.plan(chat("ua ua ua ua", pinned=[0]), room_for_units(2))

    assert reasons(plan) == "PPbbbbWW"


def test_a_pin_that_does_not_fit_leaves_its_room_to_a_smaller_older_one() -> None:
    branch = chat("ua ua ua", pinned=[0, 2])
    branch[3] = branch[3]._replace(tokens=5000)

    plan = window.plan(branch, room_for_units(2))

    assert [e.reason for e in messages_of(plan)][::2] == ["pinned", "pinned_no_room", "window"]


def test_the_window_does_not_reach_past_a_pin_without_room() -> None:
    branch = chat("ua ua ua", pinned=[2])
    branch[3] = branch[3]._replace(tokens=5000)

    plan = window.plan(branch, replace(room_for_units(10), max_messages=2))

    assert [e.reason for e in messages_of(plan)][::2] == ["before_window", "pinned_no_room", "window"]
    assert plan.warnings == (
        Warning("before_window", 2, 6, since=4000, limit=Limit.TOKENS),
        Warning("pin_no_room", 2, 6),
    )


def test_a_pinned_last_answer_without_room_is_warned_about_as_a_pin() -> None:
    plan = window.plan(chat("ua", tokens=5000, pinned=[1]), room_for_units(3))

    assert plan.warnings == (Warning("pin_no_room", 2, 2),)


def test_a_pinned_unit_with_tools_is_whole() -> None:
    plan = window.plan(chat("ua uatta ua", pinned=[3]), replace(ROOMY, max_messages=2))

    assert reasons(plan) == "bbPPPPPWW"


def test_a_greeting_cannot_be_pinned_for_no_request_may_begin_with_an_answer() -> None:
    plan = window.plan(chat("a ua ua", pinned=[0]), replace(ROOMY, max_messages=2))

    assert [e.reason for e in messages_of(plan)][:2] == [Reason.NO_USER_MESSAGE, Reason.BEFORE_WINDOW]
    assert plan.warnings[0].count == 3


# -- exclusions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("marked_message", [4, 5])
def test_an_excluded_message_takes_its_unit_out_of_the_window_and_the_window_goes_on(marked_message: int) -> None:
    plan = window.plan(chat("ua ua ua ua", excluded=[marked_message]), replace(ROOMY, max_messages=4))

    assert reasons(plan) == "bbWWeeWW"
    assert plan.warnings == (
        Warning("before_window", 2, 8, since=2000, limit=Limit.MESSAGES),
        Warning("excluded", 2, 8),
    )


def test_exclusions_alone_have_a_warning_of_their_own() -> None:
    plan = window.plan(chat("ua ua", excluded=[1]), ROOMY)

    assert (reasons(plan), plan.warnings) == ("eeWW", (Warning("excluded", 2, 4),))


def test_an_excluded_last_answer_is_the_user_s_wish_and_no_alarm() -> None:
    plan = window.plan(chat("ua", excluded=[1]), room_for_units(0))

    assert plan.warnings == (Warning("excluded", 2, 2),)


def test_the_draft_is_sent_whatever_is_excluded() -> None:
    plan = window.plan(chat("ua ua", excluded=range(4)), replace(ROOMY, draft_id="m4"))

    assert ["m4"] == [entry.id for entry in plan.entries if entry.sent]


def test_of_two_prompts_in_a_row_each_is_excluded_and_pinned_by_itself() -> None:
    plan = window.plan(chat("uu a ua", pinned=[0], excluded=[1]), replace(ROOMY, max_messages=2))

    assert reasons(plan) == "PeeWW"


def test_never_beats_always() -> None:
    plan = window.plan(chat("ua ua", pinned=[0], excluded=[1]), ROOMY)

    assert reasons(plan) == "eeWW"


def test_a_mark_on_a_failed_answer_holds_for_its_question() -> None:
    plan = window.plan(chat("u- ua", excluded=[1]), ROOMY)

    assert [e.reason for e in messages_of(plan)][:2] == [Reason.EXCLUDED, Reason.ERROR]


def test_a_greeting_is_sent_where_only_the_user_left_something_out() -> None:
    plan = window.plan(chat("a ua ua", excluded=[1]), ROOMY)

    assert reasons(plan) == "WeeWW"


# -- properties ----------------------------------------------------------------------------------


@quick
@given(branch=branches(), request=requests())
def test_at_most_max_messages_unpinned_ones_are_sent(branch: list[MessageHeader], request: Request) -> None:
    plan = window.plan(branch, request)

    heads = [0, *(place for place, m in enumerate(branch) if m.has_text and m.role is Role.USER), len(branch)]
    units = [slice(start, end) for start, end in pairwise(heads)]
    unpinned = [unit for unit in units if not any(message.pinned for message in branch[unit])]
    assert sum(entry.sent for unit in unpinned for entry in messages_of(plan)[unit]) <= request.max_messages


@quick
@given(branch=branches(), request=requests(), one_more=st.integers(0, 15))
def test_one_more_pin_never_takes_the_room_of_a_newer_one(
    branch: list[MessageHeader], request: Request, one_more: int
) -> None:
    before = window.plan(branch, request)
    more = marked(branch, pinned=[one_more] if one_more < len(branch) else [])

    after = window.plan(more, request)

    newer = {entry.id for entry in pins_sent(messages_of(before)[one_more + 1 :])}
    assert newer <= {entry.id for entry in pins_sent(messages_of(after))}


@quick
@given(branch=branches(), request=requests())
def test_what_is_sent_between_the_pins_is_one_stretch(branch: list[MessageHeader], request: Request) -> None:
    plan = window.plan(branch, request)

    fates = [unit[0].reason for unit in reference_units(branch, plan) if unit[0].reason is not Reason.EXCLUDED]
    in_window = [place for place, reason in enumerate(fates) if reason is Reason.WINDOW]
    if in_window:
        assert set(fates[in_window[0] :]) <= {Reason.WINDOW, Reason.PINNED}


@quick
@given(branch=branches(), request=requests())
def test_a_pin_without_room_would_not_fit_beside_the_newer_pins(branch: list[MessageHeader], request: Request) -> None:
    plan = window.plan(branch, request)

    if plan.error is None:
        room = plan.budget.input - request.corrected(REQUEST_TOKENS)
        room -= sum(entry.tokens for entry in plan.entries if entry.kind in ("system", "draft"))
        places = {message.id: place for place, message in enumerate(branch)}
        after = 0
        for unit in reversed(reference_units(branch, plan)):
            size = sum(entry.tokens for entry in unit) - after
            size += (after := sum(synthetic_from(places[unit[0].id or ""], branch, request)))
            if unit[0].reason is Reason.PINNED:
                room -= size
            if unit[0].reason is Reason.PINNED_NO_ROOM:
                assert size > room
                assert unit[0].role is Role.USER


def pins_sent(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.reason is Reason.PINNED]
