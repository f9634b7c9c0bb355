"""Room: reserve, margin, and what happens where the fixed parts do not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.memory.branches import branches, chat, header, requests
from tui_chat.core.context import ContextPlan, PlanError, Reason, TokenBudget
from tui_chat.core.models import MessageHeader, Role
from tui_chat.core.tokens import REQUEST_TOKENS, measure
from tui_chat.memory import STRATEGIES, Request, Strategy, strategy
from tui_chat.memory.budget import fixed_parts

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


def test_calibrated_estimates_take_5_percent() -> None:
    assert TokenBudget(8192, False, 2048, 0.05, 5851) == budget(context_window=8192, calibrated=True)
    assert budget(context_window=8192, calibrated_others=True, draft="नमस्ते दुनिया").margin == 0.05


def test_a_script_that_was_not_calibrated_keeps_the_larger_margin() -> None:
    assert budget(context_window=8192, calibrated=True, draft="नमस्ते दुनिया").margin == 1.00
    assert budget(context_window=8192, calibrated_others=True, draft="Hello, world").margin == 0.40
    both = {"calibrated": True, "calibrated_others": True}
    assert budget(context_window=8192, **both, draft="नमस्ते दुनिया").margin == 0.05
    assert budget(context_window=8192, **both, draft="Hello, world").margin == 0.05


@pytest.mark.parametrize(
    ("others", "unknown_others", "unknown_latin"),
    [
        (0, 0.05, 0.40),
        (20, 0.05, 0.40),
        (21, 0.145, 0.40),
        (100, 0.145, 0.365),
        (101, 0.24, 0.365),
        (500, 0.525, 0.225),
        (979, 1.00, 0.085),
        (980, 1.00, 0.05),
        (1000, 1.00, 0.05),
    ],
)
def test_the_share_of_the_script_not_calibrated_counts_in_tenths_rounded_up(
    others: int, unknown_others: float, unknown_latin: float
) -> None:
    branch = [header(0, Role.USER, letters=1000, other_letters=others)]

    after_latin = window.plan(branch, Request(context_window=8192, calibrated=True))
    after_others = window.plan(branch, Request(context_window=8192, calibrated_others=True))

    assert (unknown_others, unknown_latin) == (after_latin.budget.margin, after_others.budget.margin)


def test_the_margin_for_tools_blends_with_that_of_a_script_not_calibrated() -> None:
    branch = [header(0, Role.USER, letters=1000, other_letters=500), header(1, Role.TOOL, letters=0)]

    assert window.plan(branch, Request(context_window=8192, calibrated=True)).budget.margin == 0.56


@given(st.integers(0, 1000), st.booleans())
def test_the_blend_is_never_below_what_each_letter_deserves(others: int, latin: bool) -> None:
    branch = [header(0, Role.USER, letters=1000, other_letters=others)]
    request = Request(context_window=8192, calibrated=latin, calibrated_others=not latin)
    unknown, margin = (others, 1.0) if latin else (1000 - others, 0.4)

    deserved = 0.05 + (margin - 0.05) * unknown / 1000
    few = 0.02 * margin
    assert deserved - few <= window.plan(branch, request).budget.margin < deserved + margin / 10


def test_calibrated_estimates_with_tool_results_take_12_percent_sent_or_not() -> None:
    plan = window.plan(chat("uatta ua"), Request(context_window=8192, calibrated=True, max_messages=2))

    assert plan.budget.margin == 0.12


@pytest.mark.parametrize("marks", [{"calls": ("c1",)}, {"answers": ("c1",)}])
def test_calibrated_estimates_with_tool_calls_take_12_percent(marks: dict[str, tuple[str]]) -> None:
    branch = [header(0, Role.USER), header(1, Role.ASSISTANT)._replace(**marks)]  # type: ignore[arg-type]

    assert window.plan(branch, Request(context_window=8192, calibrated=True)).budget.margin == 0.12


# -- dense texts --------------------------------------------------------------------------------------

DENSE = {
    "JSON with ids": '{"id": "7f8a1c9e-52d0-4a66-9b1e-0c3d5f7a9b21", "user": 48213377, "at": "2026-03-11T09:41:07Z",\n'
    ' "amount": 812.40, "hash": "9c1185a5c5e9fc54612808977ee8f548b2258d31", "ok": true}',
    "a table of numbers": "| run | count | mean | p95 |\n|---|---:|---:|---:|\n| a1 | 48,213 | 12.51 | 101.2 |\n"
    "| a2 | 50,117 | 11.98 | 99.7 |\n",
    "rows": "1,2026-03-11,812.401,48213,A\n2,2026-03-12,90.017,50117,B\n",
    "a log": "2026-03-11T09:41:07.120Z INFO [worker-3] request 7f8a1c9e-52d0-4a66-9b1e-0c3d5f7a9b21 "
    "GET /api/v1/users 200 took 812 ms\n",
    "a dump": "7f 8a 1c 9e 52 d0 4a 66 9b 1e 0c 3d 5f 7a 9b 21\n",
}
ORDINARY = {
    "English": "The quick brown fox, who is 3 years old, jumps over the lazy dog's fence.\n",
    "code": "    def plan(self, branch: Branch, *, room: int = 20) -> Plan:\n        return self.table[branch][0]\n",
    "Markdown": "## Install\n\n1. Run `pip install thing`.\n2. See the [guide](https://example.org/guide) (5 min).\n",
    "JSON of words": '{\n  "name": "thing",\n  "version": "1.4.0",\n  "scripts": {"build": "tsc", "test": "jest"}\n}\n',
    "a table of words": "| option | what it does | default |\n|---|---|---|\n| `--limit` | How many are shown | 20 |\n",
    "German": "Größere Änderungen müssen vorher ausführlich begründet werden, auch für ältere Geräte.\n",
    "Vietnamese": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.\n",
    "Russian": "Все люди рождаются свободными и равными в своём достоинстве и правах.\n",
    "Hindi": "नमस्ते दुनिया, आज मौसम बहुत अच्छा है और हम सब बाहर घूमने जा रहे हैं।\n",
    "Chinese": "轻敲键盘，对话就会继续；没有任何内容会丢失。\n",
    "Japanese": "すべての人間は、生れながらにして自由であり、尊厳と権利とについて平等である。\n",
}
calibrated = {"calibrated": True, "calibrated_others": True}


@pytest.mark.parametrize("text", DENSE.values(), ids=DENSE.keys())
def test_texts_of_digits_and_marks_take_12_percent_in_the_draft_and_in_the_system_prompt(text: str) -> None:
    context_window = 9 * measure(text).tokens

    assert budget(context_window=context_window, draft=text, **calibrated).margin == 0.12
    assert budget(context_window=context_window, system_prompt=text, **calibrated).margin == 0.12


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY.keys())
def test_prose_and_ordinary_code_take_5_percent(text: str) -> None:
    assert budget(context_window=2 * measure(text).tokens, draft=text, **calibrated).margin == 0.05


def dense(index: int, tokens: int) -> MessageHeader:
    return header(index, Role.USER, tokens=tokens, letters=10)


def test_dense_messages_matter_above_a_tenth_of_the_context_window() -> None:
    request = Request(context_window=8000, calibrated=True)

    at_a_tenth = window.plan([dense(0, 400), dense(1, 400)], request)
    above = window.plan([dense(0, 400), dense(1, 401)], request)

    assert (at_a_tenth.budget.margin, above.budget.margin) == (0.05, 0.12)


@given(branches(), st.integers(1, 6000))
def test_a_branch_that_grows_takes_the_margin_of_dense_texts_at_most_once(
    branch: list[MessageHeader], context_window: int
) -> None:
    request = Request(context_window=context_window, **calibrated)  # type: ignore[arg-type]

    margins = [window.plan(branch[:size], request).budget.margin for size in range(len(branch) + 1)]

    assert sorted(margins) == margins


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


# -- corrected by the last request ------------------------------------------------------------------

residuals = st.integers(-8000, 8000) | st.sampled_from([-(10**12), 10**12])


def test_what_the_last_request_was_larger_by_is_added_and_takes_room() -> None:
    branch = chat("ua" * 5, tokens=46)
    request = Request(context_window=607, reserved_for_reply=0, margin=0.0)

    plans = [window.plan(branch, replace(request, residual=residual)) for residual in (0, 30, 100)]

    # 3 for the request, 50 a message: ten of them and 30 are 533, eight of them and a fifth are 483.
    assert [(10, 503), (10, 533), (10, 603)] == [(plan.totals.sent, plan.totals.tokens) for plan in plans]
    fewer = window.plan(branch, replace(request, context_window=600, residual=100))
    assert (8, 483) == (fewer.totals.sent, fewer.totals.tokens)


def test_what_the_last_request_was_smaller_by_is_taken_off_and_gives_no_room() -> None:
    branch = chat("ua" * 5, tokens=46)
    request = Request(context_window=500, reserved_for_reply=0, margin=0.0)

    plans = [window.plan(branch, replace(request, residual=residual)) for residual in (0, -30, -100)]

    assert [(8, 403), (8, 373), (8, 323)] == [(plan.totals.sent, plan.totals.tokens) for plan in plans]


@pytest.mark.parametrize(("residual", "tokens"), [(10**6, 243), (-(10**6), 163)])
def test_the_residual_of_a_far_larger_request_is_a_fifth_at_most(residual: int, tokens: int) -> None:
    request = Request(context_window=128_000, residual=residual)

    assert tokens == window.plan(chat("ua" * 2, tokens=46), request).totals.tokens


@every_strategy
@given(branch=branches(), request=requests(), residual=residuals)
@settings(deadline=None)
def test_with_any_residual_a_request_fits_the_budget_or_is_an_error(
    any_strategy: Strategy, branch: list[MessageHeader], request: Request, residual: int
) -> None:
    plan = any_strategy.plan(branch, replace(request, residual=residual))

    if plan.error is None:
        sent = sum(entry.tokens for entry in plan.entries if entry.order is not None)
        estimate = request.corrected(REQUEST_TOKENS) + sent
        assert max(-(estimate // 5), min(residual, estimate // 5)) == plan.totals.tokens - estimate
        assert max(estimate, plan.totals.tokens) <= plan.budget.input
    else:
        assert plan.error.code in ("empty_draft", "no_room") or plan.error.needed > plan.error.room


@given(st.integers(0, 20_000), residuals)
@settings(deadline=None)
def test_a_request_that_fills_the_room_fills_the_budget_with_its_residual(context_window: int, residual: int) -> None:
    request = Request(context_window=context_window, reserved_for_reply=0, margin=0.0, residual=residual)
    fixed = fixed_parts([], request)

    total = context_window + fixed.credit(context_window)

    assert total <= context_window
    assert total >= context_window - 1 or residual < context_window / 6


@given(branches(), requests(), residuals, residuals)
@settings(deadline=None)
def test_a_larger_residual_never_leaves_more_room(
    branch: list[MessageHeader], request: Request, one: int, other: int
) -> None:
    none = fixed_parts(branch, request)
    low, high = (fixed_parts(branch, replace(request, residual=each)) for each in sorted((one, other)))

    assert low.budget == high.budget == none.budget
    assert high.room <= low.room <= none.room
    assert high.room >= none.room - (max(0, none.budget.input) + 5) // 6


@given(branches(), requests(), residuals, st.integers(0, 20_000))
@settings(deadline=None)
def test_a_larger_window_never_leaves_less_room_whatever_is_known(
    branch: list[MessageHeader], request: Request, residual: int, more: int
) -> None:
    request = replace(request, residual=residual)

    smaller = fixed_parts(branch, request)
    larger = fixed_parts(branch, replace(request, context_window=request.context_window + more))

    assert smaller.room <= larger.room


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
