"""The full history: everything, or nothing and a reason."""

from __future__ import annotations

from hypothesis import given, settings

from tests.contracts.memory import messages_of
from tests.memory.branches import branches, chat, requests, without_files
from tui_chat.core.context import PlanError, Reason, Warning
from tui_chat.core.models import MessageHeader
from tui_chat.memory import Request, strategy
from tui_chat.memory.tools import tool_pairs

full = strategy("full")


def test_every_message_is_sent_whatever_the_message_limit() -> None:
    plan = full.plan(chat("a" + "ua" * 50), Request(context_window=100_000, draft="Go on.", max_messages=2))

    assert (plan.totals.sent, plan.totals.not_sent) == (101, 0)
    assert {Reason.FULL} == {entry.reason for entry in messages_of(plan)}
    assert plan.warnings == ()


def test_over_the_budget_nothing_is_sent_and_the_error_counts_everything() -> None:
    request = Request(context_window=200, reserved_for_reply=0, margin=0.0, draft="Go on.", system_prompt="Be kind.")

    plan = full.plan(chat("ua ua u-", tokens=46), request)

    # 3 for the request, 3 + 4 for each of system prompt and draft, 5 messages of 46 + 4.
    assert PlanError("over_budget", 267, 200, "the whole conversation and this message") == plan.error
    assert [e.reason for e in plan.entries] == [Reason.OVER_BUDGET] * 6 + [Reason.ERROR] + [Reason.OVER_BUDGET]
    assert (plan.totals.sent, plan.totals.not_sent, plan.totals.tokens) == (0, 6, 0)


def test_without_a_draft_the_error_names_the_conversation_alone() -> None:
    plan = full.plan(chat("ua", tokens=500), Request(context_window=200, reserved_for_reply=0))

    assert plan.error is not None
    assert plan.error.parts == "the whole conversation"


@settings(max_examples=100, deadline=None)
@given(branch=branches(), request=requests())
def test_it_never_drops_a_message_with_a_text_but_at_the_user_s_wish(
    branch: list[MessageHeader], request: Request
) -> None:
    branch = without_files(branch)
    plan = full.plan(branch, request)

    orphans = tool_pairs(branch).orphans
    reasons = {
        entry.reason
        for place, entry in enumerate(messages_of(plan))
        if branch[place].is_sendable and place not in orphans
    }
    assert reasons <= {Reason.EXCLUDED, Reason.OVER_BUDGET if plan.error else Reason.FULL}


def test_pins_are_simply_part_of_it_and_exclusions_are_not_sent() -> None:
    plan = full.plan(chat("ua ua ua", pinned=[0], excluded=[3]), Request(context_window=8192))

    expected = [Reason.FULL] * 2 + [Reason.EXCLUDED] * 2 + [Reason.FULL] * 2
    assert expected == [entry.reason for entry in messages_of(plan)]
    assert plan.warnings == (Warning("excluded", 2, 6),)


def test_what_is_excluded_takes_no_room() -> None:
    request = Request(context_window=200, reserved_for_reply=0, margin=0.0)

    assert full.plan(chat("ua ua", tokens=46), request).error is not None
    assert full.plan(chat("ua ua", tokens=46, excluded=[0]), request).error is None
