"""Room: reserve, margin, and what happens where the fixed parts do not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory.branches import chat, header
from tui_chat.core.context import ContextPlan, PlanError, Reason, TokenBudget
from tui_chat.core.models import Role
from tui_chat.memory import STRATEGIES, Request, Strategy, strategy

window = strategy("window")
every_strategy = pytest.mark.parametrize("any_strategy", STRATEGIES, ids=lambda known: known.name)
LONG = "word " * 500
"""500 tokens."""


def budget(**request: object) -> TokenBudget:
    return window.plan([], Request(**request)).budget  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("context_window", "reserved", "room"),
    [(8192, 2048, 4388), (4096, 1024, 2194), (128_000, 4096, 88502), (400, 100, 214)],
)
def test_by_default_a_quarter_is_kept_for_the_reply_and_40_percent_for_the_estimate(
    context_window: int, reserved: int, room: int
) -> None:
    actual = budget(context_window=context_window)

    assert TokenBudget(context_window, False, reserved, 0.40, room) == actual


def test_an_assumed_window_is_marked() -> None:
    assert budget(context_window=8192, assumed=True).assumed


def test_a_margin_that_is_asked_for_holds() -> None:
    assert TokenBudget(8192, False, 2048, 0.05, 5851) == budget(context_window=8192, margin=0.05)


@pytest.mark.parametrize(
    ("context_window", "asked", "kept"),
    [(8192, 6000, 6000), (8192, 8192, 6144), (4096, 8192, 3072), (300, 4096, 256), (8192, 0, 0), (8192, -5, 0)],
)
def test_a_reserve_too_large_for_the_window_gives_way_but_keeps_256(context_window: int, asked: int, kept: int) -> None:
    assert kept == budget(context_window=context_window, reserved_for_reply=asked).reserved_for_reply


@given(st.integers(-10, 20_000), st.integers(0, 9000) | st.none(), st.sampled_from([0.05, 0.12, 0.4, 1.0]))
def test_a_larger_window_never_has_less_room(context_window: int, reserve: int | None, margin: float) -> None:
    smaller = budget(context_window=context_window, reserved_for_reply=reserve, margin=margin)
    larger = budget(context_window=context_window + 1, reserved_for_reply=reserve, margin=margin)

    assert smaller.input <= larger.input


# -- the margin by script ---------------------------------------------------------------------------


def test_more_than_30_percent_letters_of_other_scripts_take_the_larger_margin() -> None:
    at_30 = [header(0, Role.USER, letters=100, other_letters=30)]
    above = [header(0, Role.USER, letters=100, other_letters=31)]
    request = Request(context_window=8192)

    assert (window.plan(at_30, request).budget.margin, window.plan(above, request).budget.margin) == (0.40, 1.00)


def test_draft_and_system_prompt_count_for_the_script() -> None:
    assert budget(context_window=8192, draft="नमस्ते दुनिया").margin == 1.00
    assert budget(context_window=8192, system_prompt="Отвечай кратко.").margin == 1.00
    assert budget(context_window=8192, draft="Größe über alles").margin == 0.40


def test_the_margin_goes_by_the_whole_branch_also_by_what_is_not_sent() -> None:
    branch = [header(i, Role.USER, letters=1000, other_letters=1000) for i in range(2)]
    branch += [header(i, Role.USER, letters=100) for i in range(2, 30)]

    plan = window.plan(branch, Request(context_window=8192, max_messages=5))

    assert plan.budget.margin == 1.00


# -- corrected by the server's own figures ------------------------------------------------------------


def test_uncalibrated_estimates_keep_the_large_margin_whatever_their_factor() -> None:
    assert budget(context_window=8192, factor=1.2).margin == 0.40
    assert budget(context_window=8192, draft="नमस्ते दुनिया").margin == 1.00


def test_calibrated_estimates_take_5_percent_whatever_their_script() -> None:
    assert TokenBudget(8192, False, 2048, 0.05, 5851) == budget(context_window=8192, calibrated=True)
    assert budget(context_window=8192, calibrated=True, draft="नमस्ते दुनिया").margin == 0.05


def test_calibrated_estimates_with_tool_results_take_12_percent_sent_or_not() -> None:
    plan = window.plan(chat("uatta ua"), Request(context_window=8192, calibrated=True, max_messages=2))

    assert plan.budget.margin == 0.12


def test_a_margin_that_is_asked_for_holds_when_calibrated_too() -> None:
    assert budget(context_window=8192, margin=0.3, calibrated=True).margin == 0.3


@every_strategy
def test_every_part_of_a_request_is_corrected_and_rounded_up(any_strategy: Strategy) -> None:
    request = Request(context_window=8192, draft="Hm?", system_prompt="Be kind.", factor=1.1)

    plan = any_strategy.plan(chat("ua", tokens=96), request)

    # 1.1 times 3 + 4 for the system prompt, twice 96 + 4, 2 + 4 for the draft, and 3 for the request.
    assert [entry.tokens for entry in plan.entries] == [8, 110, 110, 7]
    assert (plan.totals.tokens, plan.uncorrected) == (239, 216)


def test_a_larger_factor_leaves_room_for_fewer_messages() -> None:
    branch = chat("ua" * 5, tokens=46)
    request = Request(context_window=520, reserved_for_reply=0, margin=0.0)

    sent = [window.plan(branch, replace(request, factor=factor)).totals.sent for factor in (0.4, 1.0, 1.2, 2.5)]

    assert sent == [10, 10, 8, 4]


@given(st.integers(0, 10**6), st.integers(8, 50))
def test_correcting_rounds_up_and_never_by_more_than_one(estimate: int, twentieths: int) -> None:
    exact = estimate * twentieths / 20

    assert 0 <= Request(context_window=0, factor=twentieths / 20).corrected(estimate) - exact < 1


# -- errors -----------------------------------------------------------------------------------------


def error_of(any_strategy: Strategy, request: Request) -> tuple[ContextPlan, PlanError]:
    plan = any_strategy.plan(chat("ua ua u-"), request)
    assert plan.error is not None
    return plan, plan.error


@every_strategy
def test_a_draft_over_the_budget_is_named_with_its_tokens(any_strategy: Strategy) -> None:
    request = Request(context_window=400, reserved_for_reply=0, margin=0.0, draft=LONG)

    _, error = error_of(any_strategy, request)

    assert PlanError("fixed_over_budget", needed=507, room=400, parts="this message") == error


@every_strategy
def test_system_prompt_and_draft_over_the_budget_are_both_named(any_strategy: Strategy) -> None:
    request = Request(context_window=800, reserved_for_reply=0, margin=0.0, draft=LONG, system_prompt=LONG)

    _, error = error_of(any_strategy, request)

    assert PlanError("fixed_over_budget", needed=1011, room=800, parts="system prompt and this message") == error


@every_strategy
def test_a_system_prompt_over_the_budget_is_an_error_without_a_draft_too(any_strategy: Strategy) -> None:
    _, error = error_of(any_strategy, Request(context_window=400, system_prompt=LONG))

    assert (error.code, error.parts) == ("fixed_over_budget", "system prompt")


@every_strategy
@pytest.mark.parametrize("context_window", [-1, 0, 1, 3])
def test_a_window_without_any_room_is_an_error(any_strategy: Strategy, context_window: int) -> None:
    _, error = error_of(any_strategy, Request(context_window=context_window, draft="Hm?"))

    assert error.code == "no_room"


@every_strategy
def test_a_reserve_of_which_256_cannot_stay_is_an_error(any_strategy: Strategy) -> None:
    _, error = error_of(any_strategy, Request(context_window=256, reserved_for_reply=4096, draft="Hm?"))

    assert error.code == "no_room"


@every_strategy
@pytest.mark.parametrize("draft", ["", " ", "\n\t\u3000"])
def test_a_draft_of_white_space_is_refused(any_strategy: Strategy, draft: str) -> None:
    plan, error = error_of(any_strategy, Request(context_window=8192, draft=draft))

    assert PlanError("empty_draft") == error
    assert Reason.EMPTY is plan.entries[-1].reason


@every_strategy
def test_with_an_error_nothing_is_sent_and_what_would_have_been_says_over_budget(any_strategy: Strategy) -> None:
    request = Request(context_window=400, draft=LONG, system_prompt="Be kind.", max_messages=2)

    plan, _ = error_of(any_strategy, request)

    assert not any(entry.sent for entry in plan.entries)
    assert {Reason.OVER_BUDGET, Reason.ERROR} <= {entry.reason for entry in plan.entries}
    assert plan.warnings == ()
    assert (plan.totals.sent, plan.totals.not_sent, plan.totals.tokens) == (0, 6, 0)


def test_with_an_error_what_is_outside_the_window_keeps_its_own_reason() -> None:
    plan, _ = error_of(window, Request(context_window=400, draft=LONG, max_messages=1))

    expected = ["before_window"] * 4 + ["over_budget", "error", "over_budget"]
    assert expected == [entry.reason for entry in plan.entries]


def test_a_system_prompt_of_white_space_is_none() -> None:
    request = Request(context_window=8192, draft="Hm?")

    assert window.plan(chat("ua"), request) == window.plan(chat("ua"), replace(request, system_prompt=" \n"))
