"""Retrieval: what is quoted of what was found, what it costs, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, repeat

from hypothesis import given, settings

from tests.contracts.memory import StrategyContract, messages_of
from tests.memory.branches import Branch, Scene, bodies_of, chat, header, scenes
from tests.memory.test_window import reasons
from tui_chat.core.context import ContextPlan, Kind, Limit, Reason, Warning
from tui_chat.core.models import Role
from tui_chat.core.ports import Body
from tui_chat.core.recall import Hit
from tui_chat.core.tokens import MESSAGE_TOKENS, measure
from tui_chat.memory import Request, sent_ids, with_payload
from tui_chat.memory.quotation import block_tokens
from tui_chat.memory.retrieval import LEAST_SCORE, MOST_QUOTED, Retrieval

retrieval = Retrieval()
ROOMY = Request(context_window=100_000, draft="And now?")
OLD = chat("ua" * 15)
"""Ten messages stand before the window of twenty: m0 to m9."""


class TestRetrieval(StrategyContract):
    strategy = Retrieval()


def found(branch: Branch, *places: int, scores: Iterable[float] = (), twins: Iterable[int] = ()) -> tuple[Hit, ...]:
    """These messages, found in this order, equally good and different unless said otherwise."""
    rows = zip([branch[place] for place in places], chain(scores, repeat(1.0)), chain(twins, repeat(0)), strict=False)
    return tuple(Hit(m.id, score, m.role, m.created_at, m.tokens, m.lines, twin) for m, score, twin in rows)


def elsewhere(id: str, *, at: int = 0, score: float = 1.0, title: str = "Another", tokens: int = 6) -> Hit:
    return Hit(id, score, Role.USER, at, tokens, 1, 0, title)


def quoted(plan: ContextPlan) -> list[str]:
    """The ids of the quotations, in their order."""
    return [each.id for each in plan.quotations]


def with_texts(plan: ContextPlan, branch: Branch, request: Request) -> str:
    """What goes out as the draft's message."""
    bodies = bodies_of(branch, sent_ids(plan)) | {each.id: Body(f"text of {each.id}") for each in plan.quotations}
    return with_payload(plan, system_prompt=None, bodies=bodies, draft=request.draft).payload[-1].content


# -- what is quoted ----------------------------------------------------------------------------------


def test_what_was_found_before_the_window_is_quoted_behind_the_draft_in_its_order() -> None:
    request = replace(ROOMY, ranked=found(OLD, 7, 2))

    plan = retrieval.plan(OLD, request)

    assert ["m2", "m7"] == quoted(plan)
    assert "bbRbbbbRbb" + "W" * 20 == reasons(plan)
    text = with_texts(plan, OLD, request)
    assert text.startswith("And now?\n\n[Earlier messages of this conversation")
    assert text.index("> text of m2\n") < text.index("> text of m7\n")


def test_the_block_stands_once_in_the_plan_inside_the_draft_with_what_it_costs() -> None:
    plan = retrieval.plan(OLD, replace(ROOMY, ranked=found(OLD, 7, 2), draft_id="d"))

    draft, block = plan.entries[-1], plan.entries[-2]
    assert (Kind.RETRIEVED, None, "d") == (block.kind, block.id, block.inside)
    assert block_tokens(plan.quotations) == block.tokens
    assert measure("And now?").tokens + MESSAGE_TOKENS + block.tokens == draft.tokens


def test_a_hit_is_quoted_without_its_pair() -> None:
    plan = retrieval.plan(OLD, replace(ROOMY, ranked=found(OLD, 3)))

    assert "bbbRbb" == reasons(plan)[:6]


def test_what_was_found_far_below_the_best_is_not_quoted() -> None:
    scores = [10, 10 * LEAST_SCORE, 10 * LEAST_SCORE - 0.01]

    plan = retrieval.plan(OLD, replace(ROOMY, ranked=found(OLD, 5, 3, 1, scores=scores)))

    assert ["m3", "m5"] == quoted(plan)


def test_the_best_is_the_best_of_what_can_be_quoted() -> None:
    plan = retrieval.plan(OLD, replace(ROOMY, ranked=found(OLD, 25, 3, scores=[100, 1])))

    assert ["m3"] == quoted(plan)


def test_a_message_that_is_not_on_the_branch_any_more_is_not_quoted() -> None:
    ranked = (*found(OLD, 3), Hit("gone", 5.0, Role.USER, 0, 6, 1))

    assert ["m3"] == quoted(retrieval.plan(OLD, replace(ROOMY, ranked=ranked)))


def test_the_order_of_the_block_is_the_branch_s_whatever_the_clocks_say() -> None:
    branch = [message._replace(created_at=10**9 - index) for index, message in enumerate(OLD)]

    assert ["m2", "m7"] == quoted(retrieval.plan(branch, replace(ROOMY, ranked=found(branch, 7, 2))))


# -- edge case 16 ------------------------------------------------------------------------------------


def test_a_hit_in_the_window_is_sent_once_and_not_quoted() -> None:
    plan = retrieval.plan(OLD, replace(ROOMY, ranked=found(OLD, 25, 3)))

    assert ["m3"] == quoted(plan)
    assert "W" == reasons(plan)[25]


def test_the_same_text_many_times_is_quoted_once_the_newest() -> None:
    ranked = found(OLD, 1, 7, 3, 5, scores=[9, 8, 8, 8], twins=[42, 42, 42, 43])

    assert ["m5", "m7"] == quoted(retrieval.plan(OLD, replace(ROOMY, ranked=ranked)))


def test_a_text_that_is_in_the_window_too_is_not_quoted() -> None:
    ranked = found(OLD, 1, 25, 3, twins=[42, 42, 43])

    assert ["m3"] == quoted(retrieval.plan(OLD, replace(ROOMY, ranked=ranked)))


def test_a_text_that_is_excluded_elsewhere_is_quoted_where_it_is_not() -> None:
    branch = chat("ua" * 15, excluded=[6])

    assert ["m1"] == quoted(retrieval.plan(branch, replace(ROOMY, ranked=found(branch, 7, 1, twins=[42, 42]))))


def test_where_nothing_is_found_the_warning_says_so() -> None:
    plan = retrieval.plan(OLD, ROOMY)

    assert (Warning("not_found", 10, 30, since=10_000, limit=Limit.MESSAGES, found=0),) == plan.warnings
    assert () == plan.quotations
    assert "And now?" == with_texts(plan, OLD, ROOMY)


def test_an_index_that_is_not_ready_is_told_and_the_window_stands_alone() -> None:
    plan = retrieval.plan(OLD, replace(ROOMY, ranking_problem="building", ranked=found(OLD, 3)))

    assert (Warning("not_searched", 10, 30, since=10_000, limit=Limit.MESSAGES, why="building"),) == plan.warnings
    assert () == plan.quotations
    assert "b" * 10 + "W" * 20 == reasons(plan)


def test_without_a_draft_nothing_is_searched_and_the_window_warns() -> None:
    plan = retrieval.plan(OLD, replace(ROOMY, draft=None, ranked=found(OLD, 3)))

    assert (Warning("before_window", 10, 30, since=10_000, limit=Limit.MESSAGES),) == plan.warnings
    assert () == plan.quotations


# -- what is said of the rest ------------------------------------------------------------------------


def test_the_warning_counts_what_is_sent_beside_and_what_is_not() -> None:
    plan = retrieval.plan(OLD, replace(ROOMY, ranked=found(OLD, 3, 4, 8)))

    assert (Warning("not_found", 7, 30, since=10_000, limit=Limit.MESSAGES, found=3),) == plan.warnings
    assert (23, 7) == (plan.totals.sent, plan.totals.not_sent)


def test_where_all_that_is_older_is_quoted_there_is_no_warning() -> None:
    branch = chat("ua" * 11)

    assert () == retrieval.plan(branch, replace(ROOMY, ranked=found(branch, 0, 1))).warnings


def test_a_short_conversation_is_sent_whole_and_nothing_is_quoted() -> None:
    plan = retrieval.plan(chat("ua ua"), replace(ROOMY, ranked=found(chat("ua ua"), 0)))

    assert "WWWW" == reasons(plan)
    assert () == plan.warnings
    assert () == plan.quotations


def test_where_not_even_the_last_answer_fits_the_gravest_warning_stands() -> None:
    branch = chat("ua ua")
    branch[3] = header(3, Role.ASSISTANT, tokens=5000)

    request = room_for(1000, ranked=found(branch, 0))
    plan = retrieval.plan(branch, request)

    assert (Warning("last_answer_not_sent", 3, 4, limit=Limit.TOKENS, found=1),) == plan.warnings


def test_a_last_answer_that_is_quoted_is_not_told_to_be_missing() -> None:
    branch = chat("ua ua")
    branch[3] = header(3, Role.ASSISTANT, tokens=5000)

    plan = retrieval.plan(branch, room_for(1000, ranked=found(branch, 3)))

    assert (Warning("not_found", 3, 4, limit=Limit.TOKENS, found=1),) == plan.warnings
    assert Reason.EXCERPT is messages_of(plan)[3].reason


# -- marks and what cannot be quoted -----------------------------------------------------------------


def test_pinned_excluded_empty_and_failed_messages_are_not_quoted() -> None:
    branch = chat("ua ua u- u_" + "ua" * 10, pinned=[0], excluded=[2])

    plan = retrieval.plan(branch, replace(ROOMY, ranked=found(branch, *range(8))))

    assert ["m4", "m6"] == quoted(plan)
    assert "PPeeReRe" == reasons(plan)[:8]


def test_a_result_that_no_call_asked_for_is_not_quoted() -> None:
    branch = chat("uat" + "ua" * 15)
    branch[2] = branch[2]._replace(answers=("c",))

    plan = retrieval.plan(branch, replace(ROOMY, ranked=found(branch, 1, 2)))

    assert "bRe" == reasons(plan)[:3]


def test_a_pin_that_has_no_room_can_be_quoted_and_is_not_counted_twice() -> None:
    branch = chat("ua" * 12, pinned=[0])
    branch[1] = header(1, Role.ASSISTANT, tokens=50_000, pinned=False)

    plan = retrieval.plan(branch, room_for(2000, ranked=found(branch, 1)))

    assert "pE" == reasons(plan)[:2]
    assert [("pin_no_room", 1), ("not_found", 2)] == sorted(
        [(warning.code, warning.count) for warning in plan.warnings], reverse=True
    )


# -- room --------------------------------------------------------------------------------------------


def room_for(tokens: int, *, ranked: tuple[Hit, ...] = (), draft: str = "?", max_messages: int = 20) -> Request:
    """A request whose input budget is exactly so many tokens."""
    return Request(
        context_window=tokens, reserved_for_reply=0, margin=0.0, draft=draft, ranked=ranked, max_messages=max_messages
    )


def test_the_window_takes_half_of_the_room_whether_something_is_found_or_not() -> None:
    branch = chat("ua" * 20, tokens=46)
    request = room_for(1000, max_messages=99)

    alone = retrieval.plan(branch, request)
    beside = retrieval.plan(branch, replace(request, ranked=found(branch, 3, 5)))

    in_window = [entry.id for entry in messages_of(alone) if entry.reason is Reason.WINDOW]
    assert [f"m{index}" for index in range(32, 40)] == in_window
    assert in_window == [entry.id for entry in messages_of(beside) if entry.reason is Reason.WINDOW]


def test_the_last_exchange_may_take_more_than_half_of_the_room() -> None:
    branch = chat("ua" * 3, tokens=346)

    plan = retrieval.plan(branch, room_for(1000, ranked=found(branch, 1, 0, 2, 3)))

    assert "EEEbWW" == reasons(plan)
    assert plan.totals.tokens <= 1000


def test_the_best_that_fit_are_packed_and_what_does_not_fit_is_passed_over() -> None:
    branch = chat("ua" * 20, tokens=46)
    ranked = found(branch, *range(20), scores=[10 - place / 10 for place in range(20)])

    plan = retrieval.plan(branch, room_for(1000, ranked=ranked, max_messages=0))

    assert [f"m{place}" for place in range(len(plan.quotations))] == quoted(plan)
    assert 400 < block_tokens(plan.quotations) <= 498
    assert "m0" == quoted(plan)[0]


def test_quotations_never_take_more_than_helps_however_large_the_room_is() -> None:
    branch = chat("ua" * 200, tokens=300)

    plan = retrieval.plan(branch, replace(ROOMY, ranked=found(branch, *range(200))))

    assert MOST_QUOTED - 400 < block_tokens(plan.quotations) <= MOST_QUOTED


def test_one_long_message_is_cut_to_a_passage_and_leaves_room_for_others() -> None:
    branch = chat("ua" * 15)
    branch[3] = header(3, Role.ASSISTANT, tokens=50_000)
    branch[5] = header(5, Role.ASSISTANT, tokens=50_000)

    plan = retrieval.plan(branch, replace(ROOMY, ranked=found(branch, 3, 5, 7)))

    assert ["m3", "m5", "m7"] == quoted(plan)
    assert "bbbEbEbRbb" == reasons(plan)[:10]


def test_a_corrected_estimate_corrects_the_block_too() -> None:
    branch = chat("ua" * 200, tokens=300)
    request = replace(ROOMY, ranked=found(branch, *range(200)), factor=2.0)

    plan = retrieval.plan(branch, request)

    assert plan.entries[-2].tokens == request.corrected(block_tokens(plan.quotations)) <= MOST_QUOTED


# -- other conversations -----------------------------------------------------------------------------


def test_messages_of_other_conversations_are_quoted_in_their_time_and_labelled() -> None:
    ranked = (elsewhere("x1", at=2500), *found(OLD, 3, 2), elsewhere("x2", at=99_000))
    request = replace(ROOMY, ranked=ranked)

    plan = retrieval.plan(OLD, request)

    assert ["m2", "x1", "m3", "x2"] == quoted(plan)
    assert '"Another"' in with_texts(plan, OLD, request)
    assert (8, 2) == (plan.warnings[0].count, plan.warnings[0].found)
    assert ["x1", "x2"] == [entry.id for entry in plan.entries if entry.kind is Kind.RETRIEVED and entry.id]


def test_a_message_of_this_branch_is_never_quoted_as_another_s() -> None:
    branch = chat("ua" * 15, excluded=[3])

    plan = retrieval.plan(branch, replace(ROOMY, ranked=(elsewhere("m3"), elsewhere("m25"), elsewhere("m5"))))

    assert () == plan.quotations


def test_a_text_of_this_conversation_is_quoted_from_here() -> None:
    ranked = (elsewhere("x1", at=10**9)._replace(twin=42), *found(OLD, 3, twins=[42]))

    assert ["m3"] == quoted(retrieval.plan(OLD, replace(ROOMY, ranked=ranked)))


# -- properties --------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(scene=scenes())
def test_nothing_is_quoted_that_is_sent_or_must_not_be(scene: Scene) -> None:
    branch, request = scene
    plan = retrieval.plan(branch, request)

    by_id = {entry.id: entry for entry in messages_of(plan)}
    own = [each for each in plan.quotations if each.conversation is None]
    assert all(by_id[each.id].reason in (Reason.RETRIEVED, Reason.EXCERPT) for each in own)
    assert all(by_id[each.id].order is None for each in own)
    excluded = {message.id for message in branch if message.excluded or not message.has_text}
    assert not excluded & {each.id for each in plan.quotations}
    assert len(set(quoted(plan))) == len(plan.quotations)
    assert sorted(own, key=lambda each: list(by_id).index(each.id)) == own


@settings(max_examples=150, deadline=None)
@given(scene=scenes())
def test_the_block_stays_in_its_share(scene: Scene) -> None:
    branch, request = scene
    plan = retrieval.plan(branch, request)

    pinned = sum(entry.tokens for entry in messages_of(plan) if entry.reason is Reason.PINNED)
    bare = retrieval.plan(branch, replace(request, ranked=()))
    fixed = sum(entry.tokens for entry in bare.entries if entry.order is not None and entry.kind is not Kind.MESSAGE)
    if plan.quotations:
        block = plan.entries[-2].tokens
        assert 0 < block <= MOST_QUOTED
        assert 2 * block <= max(0, plan.budget.input - fixed - pinned)


@settings(max_examples=100, deadline=None)
@given(scene=scenes())
def test_what_is_found_moves_neither_window_nor_anchor(scene: Scene) -> None:
    branch, request = scene
    plan, bare = (retrieval.plan(branch, replace(request, ranked=ranked)) for ranked in (request.ranked, ()))

    assert [entry.id for entry in bare.entries if entry.order is not None] == [
        entry.id if entry.kind is not Kind.DRAFT else bare.entries[-1].id
        for entry in plan.entries
        if entry.order is not None
    ]
    assert bare.anchor == plan.anchor
