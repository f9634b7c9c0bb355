"""Tool calls and results: sent together or not at all, and what is missing said in the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.contracts.memory import messages_of
from tests.memory.branches import Branch, bodies_of, chat, header, marked
from tests.memory.test_window import ROOMY, reasons, room_for
from tui_chat.core.context import ContextPlan, Entry, Kind, PayloadMessage, Reason, Warning
from tui_chat.core.models import Role, ToolCall, ToolResult
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS
from tui_chat.memory import Request, sent_ids, strategy, with_payload
from tui_chat.memory.tools import CANCELLED_TOKENS, ToolPairs, tool_pairs

window = strategy("window")
full = strategy("full")

MESSAGE = 6 + MESSAGE_TOKENS
"""Tokens of a message of ``chat``."""

SYNTHETIC = CANCELLED_TOKENS + MESSAGE_TOKENS
"""Tokens of a result that stands in for one that never came."""


def exchange(*messages: Sequence[str], asked: Sequence[str] = ("1", "2")) -> Branch:
    """A prompt, an answer with these calls, and tool messages with these results."""
    branch = [header(0, Role.USER), header(1, Role.ASSISTANT)._replace(calls=tuple(asked))]
    return [*branch, *(header(2 + n, Role.TOOL)._replace(answers=tuple(each)) for n, each in enumerate(messages))]


def payload(plan: ContextPlan, branch: Branch, request: Request) -> tuple[PayloadMessage, ...]:
    bodies = bodies_of(branch, sent_ids(plan))
    return with_payload(plan, system_prompt=request.system_prompt, bodies=bodies, draft=request.draft).payload


def synthetic(plan: ContextPlan) -> list[Entry]:
    return [entry for entry in plan.entries if entry.kind is Kind.TOOLS]


# -- which calls have which results --------------------------------------------------------------


@pytest.mark.parametrize("results", [(["1"], ["2"]), (["2"], ["1"]), (["1", "2"],), (["2", "1"],)])
def test_parallel_calls_are_answered_in_any_order_and_in_one_message_or_more(results: tuple[list[str], ...]) -> None:
    assert ToolPairs() == tool_pairs(exchange(*results))


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ((), {1: ("1", "2")}),
        ((["1"],), {2: ("2",)}),
        ((["2"],), {2: ("1",)}),
    ],
)
def test_a_call_without_a_result_is_cancelled_behind_the_results_that_came(
    results: tuple[list[str], ...], expected: dict[int, tuple[str, ...]]
) -> None:
    assert ToolPairs(cancelled=expected) == tool_pairs(exchange(*results))


@pytest.mark.parametrize("orphan", [[], ["3"], ["1", "3"], ["1", "1"]])
def test_a_result_that_nobody_asked_for_is_an_orphan_and_answers_nothing(orphan: list[str]) -> None:
    assert ToolPairs(frozenset({2}), {1: ("1", "2")}) == tool_pairs(exchange(orphan))
    assert ToolPairs(frozenset({3}), {2: ("2",)}) == tool_pairs(exchange(["1"], orphan))
    assert ToolPairs(frozenset({2})) == tool_pairs(exchange(orphan, ["1"], ["2"]))


def test_a_second_result_of_one_call_is_an_orphan() -> None:
    assert ToolPairs(frozenset({3})) == tool_pairs(exchange(["1", "2"], ["2"]))


def test_a_result_before_its_call_is_an_orphan_and_its_call_cancelled() -> None:
    branch = exchange(["1"], asked=["1"])
    branch[1:] = branch[:0:-1]

    assert ToolPairs(frozenset({1}), {2: ("1",)}) == tool_pairs(branch)


@pytest.mark.parametrize("role", [Role.ASSISTANT, Role.USER, Role.SYSTEM])
def test_a_result_that_comes_after_the_talk_went_on_is_an_orphan(role: Role) -> None:
    branch = exchange(["1"], asked=["1"])
    branch.insert(2, header(9, role))

    assert ToolPairs(frozenset({3}), {1: ("1",)}) == tool_pairs(branch)


def test_what_is_never_sent_does_not_stand_between_a_call_and_its_result() -> None:
    branch = exchange(["1"], ["2"])
    branch.insert(2, header(8, Role.ASSISTANT, has_text=False))
    branch.insert(4, header(9, Role.TOOL, has_text=False))

    assert ToolPairs() == tool_pairs(branch)


def test_ids_may_be_used_again_in_a_later_answer() -> None:
    later = exchange(["2"], asked=["1", "2"])

    assert ToolPairs(cancelled={5: ("1",)}) == tool_pairs([*exchange(["1"], asked=["1"]), *later])


def test_two_calls_of_one_id_need_two_results() -> None:
    assert ToolPairs(cancelled={2: ("1",)}) == tool_pairs(exchange(["1"], asked=["1", "1"]))
    assert ToolPairs() == tool_pairs(exchange(["1"], ["1"], asked=["1", "1"]))


@pytest.mark.parametrize("role", [Role.USER, Role.SYSTEM, Role.TOOL])
def test_only_a_model_calls(role: Role) -> None:
    branch = [header(0, role, has_text=False)._replace(calls=("1",)), header(1, Role.TOOL)._replace(answers=("1",))]

    assert ToolPairs(frozenset({1})) == tool_pairs(branch)
    assert [Reason.EMPTY, Reason.ERROR] == [entry.reason for entry in messages_of(full.plan(branch, ROOMY))]


@pytest.mark.parametrize("role", [Role.USER, Role.SYSTEM])
def test_a_call_that_no_model_made_is_left_out_of_a_message_that_is_sent(role: Role) -> None:
    branch = [header(0, role)._replace(calls=("1",)), header(1, Role.TOOL)._replace(answers=("1",))]

    assert ToolPairs(frozenset({1})) == tool_pairs(branch)
    assert (PayloadMessage(role, "text of m0"),) == payload(full.plan(branch, ROOMY), branch, ROOMY)[:1]


@pytest.mark.parametrize("role", [Role.USER, Role.SYSTEM, Role.ASSISTANT])
def test_only_a_tool_answers(role: Role) -> None:
    branch = [*exchange(asked=["1"]), header(2, role, has_text=False)._replace(answers=("1",))]

    assert ToolPairs(cancelled={1: ("1",)}) == tool_pairs(branch)
    assert Reason.EMPTY is messages_of(full.plan(branch, ROOMY))[2].reason


# -- what is sent ---------------------------------------------------------------------------------


def test_calls_and_results_go_out_with_their_ids() -> None:
    branch = chat("ua t a")

    sent = payload(window.plan(branch, ROOMY), branch, ROOMY)

    assert sent[1] == PayloadMessage(Role.ASSISTANT, "text of m1", calls=(ToolCall("c2", "look", '{"at":"it"}'),))
    assert sent[2] == PayloadMessage(Role.TOOL, "result of c2", results=(ToolResult("c2", "result of c2"),))


def test_an_answer_that_only_calls_is_sent_without_a_text() -> None:
    branch = chat("ua t a")
    branch[1] = header(1, Role.ASSISTANT, has_text=False)._replace(calls=("c2",))

    sent = payload(window.plan(branch, ROOMY), branch, ROOMY)

    assert ("", ("c2",)) == (sent[1].content, tuple(call.id for call in sent[1].calls))


def test_a_result_without_a_text_is_a_result() -> None:
    branch = exchange(["1", "2"])
    branch[2] = header(2, Role.TOOL, has_text=False)._replace(answers=("1", "2"))

    plan = window.plan(branch, ROOMY)

    assert (reasons(plan), synthetic(plan)) == ("WWW", [])


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("uc a", ["m0", "m1", "cancelled", "m2", None]),
        ("uc", ["m0", "m1", "cancelled", None]),
        ("uct a", ["m0", "m1", "m2", "cancelled", "m3", None]),
        ("uc uc a", ["m0", "m1", "cancelled", "m2", "m3", "cancelled", "m4", None]),
    ],
)
def test_a_cancelled_call_has_a_result_of_its_own_in_the_plan(spelled: str, expected: list[str | None]) -> None:
    plan = window.plan(chat(spelled), ROOMY)

    assert expected == ["cancelled" if entry.kind is Kind.TOOLS else entry.id for entry in plan.entries]
    assert {(Role.TOOL, True, Reason.TOOLS, SYNTHETIC)} == {
        (entry.role, entry.sent, entry.reason, entry.tokens) for entry in synthetic(plan)
    }
    assert list(range(len(expected))) == [entry.order for entry in plan.entries]


def test_the_result_of_a_cancelled_call_says_so_to_the_model() -> None:
    branch = [*exchange(["1"], asked=["1", "2", "3"]), header(3, Role.ASSISTANT)]

    sent = payload(window.plan(branch, ROOMY), branch, ROOMY)

    assert sent[3] == PayloadMessage(
        Role.TOOL, "cancelled", results=(ToolResult("2", "cancelled"), ToolResult("3", "cancelled"))
    )


def test_two_calls_of_one_id_get_two_results() -> None:
    branch = exchange(asked=["1", "1"])

    sent = payload(window.plan(branch, ROOMY), branch, ROOMY)

    assert (ToolResult("1", "cancelled"),) * 2 == sent[2].results


def test_the_results_that_stand_in_count_for_the_request_and_for_no_message() -> None:
    request = room_for(1000, max_messages=3)
    branch = [*exchange(asked=["1", "2"]), header(2, Role.ASSISTANT)]

    plan = window.plan(branch, request)

    tokens = REQUEST_TOKENS + 3 * MESSAGE + SYNTHETIC + CANCELLED_TOKENS
    assert (tokens, tokens) == (plan.totals.tokens, plan.uncorrected)
    assert (3, 0) == (plan.totals.sent, plan.totals.not_sent)


@pytest.mark.parametrize("spelled", ["uaoa", "uato", "uco", "o ua", "uoa"])
def test_an_orphan_is_never_sent_and_is_an_error_without_a_warning(spelled: str) -> None:
    branch = chat(spelled)
    orphan = spelled.replace(" ", "").index("o")

    for known in (window, full):
        plan = known.plan(branch, ROOMY)
        assert (False, Reason.ERROR) == (messages_of(plan)[orphan].sent, messages_of(plan)[orphan].reason)
        assert (len(branch) - 1, ()) == (plan.totals.sent, plan.warnings)
        assert f"m{orphan}" not in sent_ids(plan)


def test_a_call_whose_only_result_is_an_orphan_still_gets_one() -> None:
    branch = chat("uco")

    sent = payload(window.plan(branch, ROOMY), branch, ROOMY)

    assert (ToolResult("c1", "cancelled"),) == sent[2].results


def test_an_orphan_counts_for_no_limit() -> None:
    assert reasons(window.plan(chat("ua uaooo"), replace(ROOMY, max_messages=4))) == "WWWWeee"
    assert reasons(window.plan(chat("ua uao"), room_for(REQUEST_TOKENS + 4 * MESSAGE))) == "WWWWe"


# -- cut off, pinned, excluded --------------------------------------------------------------------


def test_a_unit_with_tools_is_cut_off_whole() -> None:
    for limit, expected in ((6, "WWWWWW"), (5, "bbbbWW")):
        plan = window.plan(chat("uata ua"), replace(ROOMY, max_messages=limit))
        assert expected == reasons(plan)


def test_what_stands_in_for_a_result_can_be_what_does_not_fit() -> None:
    exactly = REQUEST_TOKENS + 5 * MESSAGE + SYNTHETIC

    fits, misses = (window.plan(chat("uca ua"), room_for(tokens)) for tokens in (exactly, exactly - 1))

    assert ("WWWWW", "bbbWW") == (reasons(fits), reasons(misses))
    assert (1, 0) == (len(synthetic(fits)), len(synthetic(misses)))
    assert exactly == fits.totals.tokens


def test_a_pinned_unit_brings_what_stands_in_for_its_results() -> None:
    branch = chat("uca ua ua", pinned=[0])
    exactly = REQUEST_TOKENS + 3 * MESSAGE + SYNTHETIC

    fits, misses = (window.plan(branch, room_for(tokens)) for tokens in (exactly, exactly - 1))

    assert ("PPPbbbb", 1) == (reasons(fits), len(synthetic(fits)))
    assert ("ppp", 0) == (reasons(misses)[:3], len(synthetic(misses)))
    assert Warning("pin_no_room", 3, 7) in misses.warnings


@pytest.mark.parametrize("excluded", [0, 1, 2, 3])
def test_an_excluded_message_takes_calls_and_results_with_it(excluded: int) -> None:
    branch = marked(chat("uct a ua"), excluded=[excluded])

    for known in (window, full):
        plan = known.plan(branch, ROOMY)
        assert [Reason.EXCLUDED] * 4 == [entry.reason for entry in messages_of(plan)][:4]
        assert [] == synthetic(plan)


def test_a_refused_plan_names_no_results() -> None:
    plan = full.plan(chat("uca", tokens=9000), Request(context_window=8192, draft="Hm?"))

    assert plan.error is not None
    assert [] == synthetic(plan)


def test_the_whole_history_needs_room_for_what_stands_in_too() -> None:
    exactly = REQUEST_TOKENS + 3 * MESSAGE + SYNTHETIC

    assert full.plan(chat("uca"), room_for(exactly)).error is None
    error = full.plan(chat("uca"), room_for(exactly - 1)).error
    assert error is not None
    assert (exactly, exactly - 1) == (error.needed, error.room)
