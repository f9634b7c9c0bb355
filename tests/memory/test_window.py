"""The rolling window: which messages, which limit, which warning."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.memory import messages_of
from tests.memory.branches import branches, chat, header, requests, without_files
from tui_chat.core.context import ContextPlan, Limit, Reason, Warning
from tui_chat.core.models import MessageHeader, Role, Status
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS
from tui_chat.memory import Request, sent_ids, strategy
from tui_chat.memory.tools import CANCELLED_TOKENS, tool_pairs

window = strategy("window")
ROOMY = Request(context_window=100_000, draft="And now?")


def reasons(plan: ContextPlan) -> str:
    """Every message's reason by its first letter; the sent ones in capitals."""
    return "".join(e.reason[0].upper() if e.sent else e.reason[0] for e in messages_of(plan))


def room_for(tokens: int, *, draft: str | None = None, max_messages: int = 20) -> Request:
    """A request whose input budget is exactly so many tokens."""
    return Request(context_window=tokens, reserved_for_reply=0, margin=0.0, draft=draft, max_messages=max_messages)


# -- the default: the last 20 messages ---------------------------------------------------------


def test_with_the_eleventh_prompt_everything_is_sent_and_nothing_is_warned_about() -> None:
    plan = window.plan(chat("ua" * 10), ROOMY)

    assert (plan.totals.sent, plan.totals.not_sent) == (20, 0)
    assert plan.warnings == ()


def test_with_the_twelfth_prompt_two_of_22_earlier_messages_are_not_sent() -> None:
    plan = window.plan(chat("ua" * 11), ROOMY)

    assert (plan.totals.sent, plan.totals.not_sent) == (20, 2)
    assert (Warning("before_window", count=2, of=22, since=2000, limit=Limit.MESSAGES),) == plan.warnings
    assert [f"m{index}" for index in range(2, 22)] == sent_ids(plan)


@pytest.mark.parametrize("prompt", range(1, 31))
def test_a_growing_chat_sends_ten_pairs_at_most_and_counts_the_rest(prompt: int) -> None:
    plan = window.plan(chat("ua" * (prompt - 1)), ROOMY)

    left_out = max(0, 2 * (prompt - 1) - 20)
    assert left_out == plan.totals.not_sent
    assert [left_out] * (left_out > 0) == [warning.count for warning in plan.warnings]


@pytest.mark.parametrize(
    ("max_messages", "expected"),
    [(0, "bbbbbb"), (1, "bbbbbb"), (2, "bbbbWW"), (3, "bbbbWW"), (6, "WWWWWW"), (99, "WWWWWW")],
)
def test_a_limit_in_the_middle_of_a_unit_takes_whole_units_below_it(max_messages: int, expected: str) -> None:
    plan = window.plan(chat("ua ua ua"), replace(ROOMY, max_messages=max_messages))

    assert expected == reasons(plan)
    assert plan.error is None


def test_a_limit_of_one_sends_a_lone_user_message_without_an_answer() -> None:
    plan = window.plan(chat("ua u-"), replace(ROOMY, max_messages=1))

    assert reasons(plan) == "bbWe"


# -- units ---------------------------------------------------------------------------------------


def test_two_user_messages_in_a_row_are_two_units() -> None:
    plan = window.plan(chat("ua uu a"), replace(ROOMY, max_messages=2))

    assert reasons(plan) == "bbbWW"


def test_a_prompt_whose_answer_failed_stays_a_message_of_its_own_before_the_next() -> None:
    plan = window.plan(chat("ua u- ua"), replace(ROOMY, max_messages=3))

    assert reasons(plan) == "bbWeWW"
    assert [Role.USER, Role.USER, Role.ASSISTANT, Role.USER] == [entry.role for entry in plan.entries if entry.sent]


def test_calls_and_results_stay_with_their_unit() -> None:
    plan = window.plan(chat("ua uatta"), replace(ROOMY, max_messages=4))

    assert reasons(plan) == "bbbbbbb"


def test_a_system_message_in_the_tree_belongs_to_the_unit_it_stands_in() -> None:
    plan = window.plan(chat("ua usa ua"), replace(ROOMY, max_messages=5))

    assert reasons(plan) == "bbWWWWW"
    assert Role.SYSTEM is messages_of(plan)[3].role


def test_an_answer_to_a_user_message_without_a_text_never_begins_the_window() -> None:
    branch = chat("uaua")
    branch[2] = header(2, Role.USER, has_text=False)

    plan = window.plan(branch, replace(ROOMY, max_messages=1))

    assert reasons(plan) == "bbeb"


# -- messages before the first user message -----------------------------------------------------


def test_a_greeting_is_sent_while_everything_is() -> None:
    plan = window.plan(chat("a ua"), replace(ROOMY, max_messages=3))

    assert reasons(plan) == "WWW"
    assert plan.warnings == ()


def test_a_greeting_goes_first_and_is_warned_about() -> None:
    plan = window.plan(chat("a ua"), replace(ROOMY, max_messages=2))

    assert [entry.reason for entry in messages_of(plan)] == [Reason.NO_USER_MESSAGE, Reason.WINDOW, Reason.WINDOW]
    assert (Warning("before_window", count=1, of=3, since=1000, limit=Limit.MESSAGES),) == plan.warnings


def test_a_chat_that_is_only_a_greeting_is_sent() -> None:
    plan = window.plan(chat("a"), ROOMY)

    assert reasons(plan) == "W"


def test_an_empty_chat_sends_the_draft_alone() -> None:
    plan = window.plan([], ROOMY)

    assert [entry.reason for entry in plan.entries] == [Reason.DRAFT]
    assert (plan.totals.sent, plan.totals.not_sent) == (0, 0)


def test_a_chat_of_nothing_but_a_system_prompt_sends_that() -> None:
    plan = window.plan([], replace(ROOMY, draft=None, system_prompt="Be kind."))

    assert [Reason.SYSTEM] == [entry.reason for entry in plan.entries]
    assert (None, ()) == (plan.error, plan.warnings)


def test_without_a_draft_there_is_no_draft_entry() -> None:
    plan = window.plan(chat("ua"), replace(ROOMY, draft=None, system_prompt="Be kind."))

    assert [entry.reason for entry in plan.entries] == ["system", "window", "window"]


def test_a_saved_draft_keeps_its_id() -> None:
    plan = window.plan(chat("ua"), replace(ROOMY, draft_id="m2"))

    assert [entry.id for entry in plan.entries] == ["m0", "m1", "m2"]


# -- messages without a text, and partial ones ----------------------------------------------------


def test_failed_and_empty_answers_are_not_sent_not_counted_and_not_warned_about() -> None:
    plan = window.plan(chat("u- u_ ua"), replace(ROOMY, max_messages=4))

    assert [entry.reason for entry in messages_of(plan)] == [
        Reason.WINDOW,
        Reason.ERROR,
        Reason.WINDOW,
        Reason.EMPTY,
        Reason.WINDOW,
        Reason.WINDOW,
    ]
    assert plan.warnings == ()
    assert (plan.totals.sent, plan.totals.not_sent) == (4, 2)


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED, Status.STREAMING])
def test_a_partial_answer_counts_as_a_message(status: Status) -> None:
    branch = [header(0, Role.USER), header(1, Role.ASSISTANT, status=status)]

    assert reasons(window.plan(branch, ROOMY)) == "WW"
    assert (Warning("before_window", count=2, of=2, limit=Limit.MESSAGES),) == window.plan(
        branch, replace(ROOMY, max_messages=0)
    ).warnings


# -- the token budget ---------------------------------------------------------------------------


def test_the_token_budget_cuts_even_where_few_messages_are_left() -> None:
    branch = chat("ua ua ua", tokens=100)
    exactly_four = REQUEST_TOKENS + 4 * (100 + MESSAGE_TOKENS)

    fits = window.plan(branch, room_for(exactly_four))
    misses = window.plan(branch, room_for(exactly_four - 1))

    assert (reasons(fits), reasons(misses)) == ("bbWWWW", "bbbbWW")
    assert Limit.TOKENS is fits.warnings[0].limit
    assert exactly_four == fits.totals.tokens


def test_the_window_does_not_skip_over_a_large_unit_to_older_ones() -> None:
    branch = chat("ua ua ua")
    branch[3] = header(3, Role.ASSISTANT, tokens=5000)

    plan = window.plan(branch, room_for(1000))

    assert reasons(plan) == "bbbbWW"


def test_where_not_even_the_last_answer_fits_the_warning_says_so() -> None:
    branch = chat("ua")
    branch[1] = header(1, Role.ASSISTANT, tokens=5000)

    plan = window.plan(branch, room_for(1000, draft="Hm?"))

    assert (Warning("last_answer_not_sent", count=2, of=2, since=None, limit=Limit.TOKENS),) == plan.warnings
    assert plan.error is None


def test_equal_and_backward_clocks_do_not_change_the_order() -> None:
    branch = [message._replace(created_at=1000 - index) for index, message in enumerate(chat("ua" * 11))]

    plan = window.plan(branch, ROOMY)

    assert [f"m{index}" for index in range(2, 22)] == sent_ids(plan)
    assert plan.warnings[0].since == 998


# -- properties ---------------------------------------------------------------------------------

quick = settings(max_examples=100, deadline=None)


@quick
@given(branch=branches(marks=False), request=requests(low=1))
def test_the_window_is_the_longest_run_of_whole_units_that_fits(branch: list[MessageHeader], request: Request) -> None:
    branch = without_files(branch)
    plan = window.plan(branch, request)

    if plan.error is None:
        fixed = request.corrected(REQUEST_TOKENS)
        fixed += sum(entry.tokens for entry in plan.entries if entry.kind in ("system", "draft"))
        room = plan.budget.input - fixed
        heads = [index for index, m in enumerate(branch) if m.has_text and m.role is Role.USER]
        runs = [messages_from(start, branch) for start in (0, *heads, len(branch))]
        costs = [sum(synthetic_from(start, branch, request)) for start in (0, *heads, len(branch))]
        fitting = [
            run
            for run, cost in zip(runs, costs, strict=True)
            if len(run) <= request.max_messages
            and sum(request.corrected(m.tokens + MESSAGE_TOKENS) for m in run) + cost <= room
        ]
        assert [m.id for m in max(fitting, key=len)] == sent_ids(plan)


def messages_from(start: int, branch: list[MessageHeader]) -> list[MessageHeader]:
    """What of it can be sent."""
    orphans = tool_pairs(branch).orphans
    return [m for place, m in enumerate(branch) if place >= start and m.is_sendable and place not in orphans]


def synthetic_from(start: int, branch: list[MessageHeader], request: Request) -> list[int]:
    """What the results cost that stand in for missing ones."""
    cancelled = tool_pairs(branch).cancelled
    return [
        request.corrected(MESSAGE_TOKENS + CANCELLED_TOKENS * len(calls))
        for place, calls in cancelled.items()
        if place >= start
    ]


@quick
@given(branch=branches(), request=requests())
def test_no_more_than_the_limit_of_unpinned_messages_is_sent(branch: list[MessageHeader], request: Request) -> None:
    plan = window.plan(branch, request)

    in_window = [entry for entry in messages_of(plan) if entry.sent and entry.reason is not Reason.PINNED]
    assert len(in_window) <= request.max_messages


@quick
@given(
    branch=branches(marks=False), request=requests(low=1), more=st.integers(0, 3000), more_messages=st.integers(0, 10)
)
def test_a_larger_budget_never_sends_fewer_messages(
    branch: list[MessageHeader], request: Request, more: int, more_messages: int
) -> None:
    smaller = window.plan(branch, request)
    larger = window.plan(
        branch,
        replace(
            request,
            context_window=request.context_window + more,
            max_messages=request.max_messages + more_messages,
        ),
    )

    assert smaller.totals.sent <= larger.totals.sent


@quick
@given(branch=branches(), request=requests())
def test_an_edit_before_the_window_changes_nothing_in_it(branch: list[MessageHeader], request: Request) -> None:
    request = replace(request, margin=0.4)
    plan = window.plan(branch, request)
    outside = next((i for i, entry in enumerate(messages_of(plan)) if entry.reason is Reason.BEFORE_WINDOW), None)

    if outside is not None:
        edited = [*branch]
        edited[outside] = branch[outside]._replace(tokens=branch[outside].tokens + 1)
        assert sent_ids(plan) == sent_ids(window.plan(edited, request))
