"""Trimming in blocks: where the window begins, for how long, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.memory import messages_of, reference_units
from tests.memory.branches import Branch, branches, chat, header, requests
from tests.memory.test_pins import UNIT, room_for_units
from tests.memory.test_window import ROOMY, reasons
from tui_chat.core.context import ContextPlan, Limit, Reason, Warning
from tui_chat.core.models import Role
from tui_chat.memory import Request, sent_ids, strategy

window = strategy("window")
BLOCKS = replace(ROOMY, low=0.5)
quick = settings(max_examples=80, deadline=None)


def starts(plans: Sequence[ContextPlan]) -> list[int]:
    """The number of the first message that each plan sends."""
    return [int(sent_ids(plan)[0][1:]) for plan in plans]


def grown(branch: Branch, request: Request, turns: Sequence[int]) -> Iterator[ContextPlan]:
    """The plans of a chat that goes on with units of so many tokens, each sent and its anchor remembered."""
    branch = [*branch]
    for tokens in turns:
        plan = window.plan(branch, request)
        yield plan
        if plan.error is None:
            request = replace(request, anchor_id=plan.anchor)
        branch += [header(len(branch), Role.USER, tokens=tokens), header(len(branch) + 1, Role.ASSISTANT, tokens=6)]


# -- the three steps ---------------------------------------------------------------------------------


def test_a_chat_grows_to_the_limit_drops_to_half_of_it_and_grows_again() -> None:
    plans = list(grown([], BLOCKS, [6] * 30))

    # In turn 12 there are 22 earlier messages: 10 of them stay, and five turns later there are 20 again.
    assert [0] * 10 + [12] * 6 + [24] * 6 + [36] * 6 + [48] == starts(plans[1:])
    assert [*range(0, 22, 2), *range(10, 22, 2)] == [plan.totals.sent for plan in plans[:17]]


def test_the_limit_of_tokens_drops_to_half_of_the_room_too() -> None:
    plans = list(grown([], replace(room_for_units(8), low=0.5), [6] * 16))

    assert [0] * 8 + [10] * 5 + [20] * 2 == starts(plans[1:])
    assert plans[9].warnings == (Warning("before_window", 10, 18, since=10_000, limit=Limit.TOKENS),)


def test_the_anchor_stays_while_it_fits() -> None:
    plan = window.plan(chat("ua" * 12), replace(BLOCKS, anchor_id="m8"))

    assert (plan.totals.sent, plan.anchor) == (16, "m8")


def test_an_anchor_that_no_longer_fits_is_moved_to_half() -> None:
    plan = window.plan(chat("ua" * 12), replace(BLOCKS, anchor_id="m2"))

    assert (plan.totals.sent, plan.anchor) == (10, "m14")


def test_what_fits_under_half_brings_everything_back() -> None:
    plan = window.plan(chat("ua" * 5), replace(BLOCKS, anchor_id="m8"))

    assert (plan.totals.sent, plan.anchor) == (10, "m0")
    assert plan.warnings == ()


def test_what_fits_but_not_under_half_stays_as_it_was() -> None:
    plan = window.plan(chat("ua" * 6), replace(BLOCKS, anchor_id="m8"))

    assert (plan.totals.sent, plan.anchor) == (4, "m8")
    assert plan.warnings == (Warning("before_window", 8, 12, since=8000, limit=Limit.MESSAGES),)


def test_without_an_anchor_everything_is_sent_as_long_as_it_fits() -> None:
    assert [window.plan(chat("ua" * n), BLOCKS).totals.sent for n in (10, 11)] == [20, 10]


@pytest.mark.parametrize("anchor_id", [None, "of another branch", ""])
def test_an_anchor_off_the_branch_is_ignored(anchor_id: str | None) -> None:
    plan = window.plan(chat("ua" * 9), replace(BLOCKS, anchor_id=anchor_id))

    assert (plan.totals.sent, plan.anchor) == (18, "m0")


def test_an_anchor_in_the_middle_of_a_unit_takes_the_unit_whole() -> None:
    plan = window.plan(chat("ua" * 9), replace(BLOCKS, anchor_id="m5"))

    assert (plan.totals.sent, plan.anchor) == (14, "m4")


def test_another_model_with_a_larger_window_lets_history_come_back_and_a_smaller_one_warns_at_once() -> None:
    branch = chat("ua" * 8)
    little, much = replace(room_for_units(4), low=0.5), replace(room_for_units(16, max_messages=40), low=0.5)
    small = window.plan(branch, little)

    larger = window.plan(branch, replace(much, anchor_id=small.anchor))
    smaller = window.plan(branch, replace(little, anchor_id=larger.anchor))

    assert [small.totals.sent, larger.totals.sent, smaller.totals.sent] == [4, 16, 4]
    assert [len(small.warnings), len(larger.warnings), len(smaller.warnings)] == [1, 0, 1]


# -- the ends of the scale ----------------------------------------------------------------------------


def test_exact_has_no_anchor_and_heeds_none() -> None:
    plan = window.plan(chat("ua" * 12), replace(ROOMY, anchor_id="m20"))

    assert (plan.totals.sent, plan.anchor) == (20, None)


def test_low_0_drops_to_the_newest_unit() -> None:
    assert window.plan(chat("ua" * 11), replace(BLOCKS, low=0.0)).totals.sent == 2


@pytest.mark.parametrize(("max_messages", "sent"), [(0, 0), (1, 0), (2, 2), (3, 2), (4, 2), (5, 2), (6, 2), (8, 4)])
def test_the_newest_unit_is_kept_where_it_fits_however_low_half_is(max_messages: int, sent: int) -> None:
    assert sent == window.plan(chat("ua" * 11), replace(BLOCKS, max_messages=max_messages)).totals.sent


def test_a_last_answer_larger_than_half_of_the_room_is_kept() -> None:
    branch = chat("ua ua ua")
    branch[5] = branch[5]._replace(tokens=6 + 2 * UNIT)

    assert reasons(window.plan(branch, replace(room_for_units(4), low=0.5))) == "bbbbWW"


def test_where_not_even_the_last_answer_fits_there_is_no_anchor() -> None:
    plan = window.plan(chat("ua", tokens=5000), replace(room_for_units(3), low=0.5))

    assert plan.warnings == (Warning("last_answer_not_sent", 2, 2, limit=Limit.TOKENS),)
    assert plan.anchor is None


def test_a_refused_plan_has_no_anchor() -> None:
    plan = window.plan(chat("ua"), replace(BLOCKS, draft=" "))

    assert plan.error is not None
    assert plan.anchor is None


def test_full_has_no_anchor() -> None:
    assert strategy("full").plan(chat("ua"), BLOCKS).anchor is None


# -- pins and exclusions --------------------------------------------------------------------------------


def test_pins_before_the_window_stay_where_they_are_while_it_moves() -> None:
    plans = list(grown(chat("ua ua", pinned=[0]), BLOCKS, [6] * 20))

    assert {("m0", "m1")} == {tuple(sent_ids(plan)[:2]) for plan in plans}


def test_an_excluded_unit_at_the_beginning_is_no_anchor() -> None:
    assert window.plan(chat("ua ua ua", excluded=[0]), BLOCKS).anchor == "m2"


def test_an_anchor_that_was_excluded_meanwhile_gives_its_place_to_the_next() -> None:
    plan = window.plan(chat("ua" * 12, excluded=[8]), replace(BLOCKS, anchor_id="m8"))

    assert (plan.totals.sent, plan.anchor) == (14, "m10")


def test_an_excluded_last_unit_that_was_the_anchor_does_not_empty_the_window() -> None:
    plan = window.plan(chat("ua" * 12, excluded=[22]), replace(BLOCKS, anchor_id="m22"))

    assert (plan.totals.sent, plan.anchor) == (10, "m12")


# -- properties -------------------------------------------------------------------------------------------


@quick
@given(
    branch=branches(max_size=8),
    request=requests(),
    low=st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    turns=st.lists(st.integers(0, 300), max_size=14),
)
def test_while_the_anchor_stays_a_request_is_the_beginning_of_the_next_one(
    branch: Branch, request: Request, low: float, turns: list[int]
) -> None:
    request = replace(request, low=low, margin=0.4, draft="Go on.")

    for plan, following in pairwise(grown(branch, request, turns)):
        if plan.error is None and plan.anchor is not None:
            before, after = list(sent_ids(plan)), list(sent_ids(following))
            if plan.anchor == following.anchor:
                assert before == after[: len(before)]
            elif following.anchor is not None:
                assert is_all_sent(following) or place_of(following, plan.anchor) < place_of(
                    following, following.anchor
                )


@quick
@given(
    request=st.builds(
        Request,
        context_window=st.integers(2_000, 20_000),
        reserved_for_reply=st.just(0),
        margin=st.just(0.0),
        max_messages=st.integers(16, 40),
        low=st.sampled_from([0.1, 0.25, 0.5]),
    ),
    shares=st.lists(st.floats(0, 1), min_size=20, max_size=60),
)
def test_where_no_unit_is_large_at_least_two_turns_lie_between_two_moves(request: Request, shares: list[float]) -> None:
    largest = (request.context_window - 10) // 8 - UNIT

    anchors = [plan.anchor for plan in grown([], request, [int(share * largest) for share in shares])][1:]

    moves = [turn for turn, (before, after) in enumerate(pairwise(anchors)) if before != after]
    assert all(later - earlier > 2 for earlier, later in pairwise(moves))


@quick
@given(branch=branches(), request=requests())
def test_blocks_send_nothing_that_the_exact_window_does_not(branch: Branch, request: Request) -> None:
    blocks = window.plan(branch, request)
    exact = window.plan(branch, replace(request, low=1.0))

    assert set(sent_ids(blocks)) <= set(sent_ids(exact))
    assert bool(sent_ids(blocks)) == bool(sent_ids(exact))


@quick
@given(branch=branches(), request=requests())
def test_the_anchor_is_the_first_message_after_the_last_that_was_dropped(branch: Branch, request: Request) -> None:
    plan = window.plan(branch, request)

    if plan.anchor is not None:
        units = reference_units(branch, plan)
        dropped = [
            place
            for place, unit in enumerate(units)
            if not unit[0].sent and unit[0].reason is not Reason.EXCLUDED and plan.error is None
        ]
        sent = [unit[0].id for unit in units[dropped[-1] + 1 if dropped else 0 :] if unit[0].sent]
        assert plan.anchor == sent[0]
        assert request.low < 1
        assert plan.error is None


@quick
@given(branch=branches(), request=requests(), edited=st.integers(0, 15), tokens=st.integers(0, 500))
def test_an_edit_changes_no_entry_older_than_the_window_s_start(
    branch: Branch, request: Request, edited: int, tokens: int
) -> None:
    request = replace(request, margin=0.4)
    branch = [message._replace(pinned=False) for message in branch]
    changed = [*branch]
    if edited < len(branch) and branch[edited].has_text:
        changed[edited] = branch[edited]._replace(tokens=tokens)

    before, after = window.plan(branch, request), window.plan(changed, request)

    start = min(window_start(before), window_start(after))
    outside = [place for place in range(start) if place != edited]
    assert [messages_of(before)[place] for place in outside] == [messages_of(after)[place] for place in outside]


@quick
@given(branch=branches(), request=requests())
def test_planning_again_from_the_anchor_of_a_plan_makes_that_plan(branch: Branch, request: Request) -> None:
    plan = window.plan(branch, request)

    if plan.anchor is not None:
        assert plan == window.plan(branch, replace(request, anchor_id=plan.anchor))


def is_all_sent(plan: ContextPlan) -> bool:
    return all(e.sent or e.reason in (Reason.EXCLUDED, Reason.EMPTY, Reason.ERROR) for e in messages_of(plan))


def place_of(plan: ContextPlan, id: str) -> int:
    return [entry.id for entry in messages_of(plan)].index(id)


def window_start(plan: ContextPlan) -> int:
    return next((place for place, e in enumerate(messages_of(plan)) if e.sent), len(messages_of(plan)))
