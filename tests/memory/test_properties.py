"""Properties of the specification that hold for more strategies than the one whose tests show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.memory.branches import CONTENTS, Branch, Scene, bodies_of, branches, header, scenes
from tests.memory.test_pins import UNIT
from tui_chat.core.context import ContextPlan, Kind, Reason
from tui_chat.core.models import Role
from tui_chat.core.ports import Body
from tui_chat.core.recall import Hit
from tui_chat.core.summary import Summary
from tui_chat.memory import STRATEGIES, Request, Strategy, sent_hashes, sent_ids, strategy, with_payload
from tui_chat.memory.summary import due

quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
every = pytest.mark.parametrize("known", STRATEGIES, ids=lambda known: known.name)


def grown(known: Strategy, request: Request, turns: Sequence[int]) -> Iterator[ContextPlan]:
    """The plans of a chat whose prompts are of so many tokens, each sent, its summary made where one is due.

    What was found is another message in each turn.
    """
    branch: Branch = []
    for turn, tokens in enumerate(turns):
        ranked = tuple(Hit(m.id, 1.0, m.role, m.created_at, m.tokens, m.lines) for m in branch[turn // 2 : turn])
        request = replace(request, ranked=ranked)
        plan = known.plan(branch, request)
        if known.name == "summary" and (work := due(branch, plan, request.summary)).messages:
            made = Summary(f"s{turn}", "What was said.", work.sources, "a model", turn, 20)
            request = replace(request, summary=made)
            plan = known.plan(branch, request)
        yield plan
        if plan.error is None:
            request = replace(request, anchor_id=plan.anchor)
        branch += [header(len(branch), Role.USER, tokens=tokens), header(len(branch) + 1, Role.ASSISTANT)]


def in_order(plan: ContextPlan) -> list[tuple[Kind, str | None]]:
    """The messages of the payload before the draft's, which carries the quotations."""
    sent = sorted((entry.order, entry.kind, entry.id) for entry in plan.entries if entry.order is not None)
    return [(kind, id) for _, kind, id in sent if kind is not Kind.DRAFT]


def first_sent(plan: ContextPlan) -> int:
    """The number of the first message that is sent as one of the window; how many there are where none is."""
    messages = [entry for entry in plan.entries if entry.kind is Kind.MESSAGE]
    sent = (place for place, entry in enumerate(messages) if entry.reason in (Reason.WINDOW, Reason.FULL))
    return next(sent, len(messages))


# -- 8 and 9: what a server's cache can hold -----------------------------------------------------------


@every
@quick
@given(
    window=st.integers(1_000, 6_000),
    max_messages=st.integers(2, 12),
    low=st.sampled_from([0.25, 0.5, 0.75]),
    turns=st.lists(st.integers(0, 300), max_size=16),
)
def test_while_the_anchor_stays_every_strategy_s_request_begins_the_next(
    known: Strategy, window: int, max_messages: int, low: float, turns: list[int]
) -> None:
    request = Request(
        context_window=window, max_messages=max_messages, low=low, margin=0.4, draft="Go on.", system_prompt="Be kind."
    )

    for plan, following in pairwise(grown(known, request, turns)):
        if plan.error is not None or following.error is not None:
            continue
        if (plan.anchor, plan.summary) == (following.anchor, following.summary) and (plan.anchor or not plan.warnings):
            before, after = in_order(plan), in_order(following)
            assert before == after[: len(before)]
        assert first_sent(following) >= first_sent(plan) or not following.warnings


@quick
@given(
    context_window=st.integers(4_000, 20_000),
    max_messages=st.integers(16, 40),
    shares=st.lists(st.floats(0, 1), min_size=20, max_size=50),
)
def test_where_no_unit_is_large_a_summary_s_window_moves_rarely_too(
    context_window: int, max_messages: int, shares: list[float]
) -> None:
    request = Request(context_window=context_window, reserved_for_reply=0, margin=0.0, max_messages=max_messages)
    # An eighth of what the window has beside the room of a summary.
    largest = (context_window * 9 // 10 - 10) // 8 - UNIT

    plans = list(grown(strategy("summary"), request, [int(share * largest) for share in shares]))

    anchors = [plan.anchor for plan in plans][1:]
    moves = [turn for turn, (before, after) in enumerate(pairwise(anchors)) if before != after]
    assert all(later - earlier > 2 for earlier, later in pairwise(moves))
    summaries = [plan.summary for plan in plans]
    assert sum(before != after for before, after in pairwise(summaries)) <= len(moves)


# -- 6 and 12: limits -------------------------------------------------------------------------------------


@every
@settings(quick, max_examples=150)
@given(scene=scenes())
def test_no_strategy_but_full_sends_more_unpinned_messages_than_the_limit(known: Strategy, scene: Scene) -> None:
    branch, request = scene

    plan = known.plan(branch, request)

    in_window = [entry for entry in plan.entries if entry.reason is Reason.WINDOW]
    assert len(in_window) <= request.max_messages


ANY_NUMBER = st.sampled_from([0, 1, 255, 256, 2**31, 10**18]) | st.integers(0, 10_000)


@every
@settings(quick, max_examples=150)
@given(
    branch=branches(),
    request=st.builds(
        Request,
        context_window=ANY_NUMBER | st.integers(-(10**6), 0),
        max_messages=ANY_NUMBER,
        reserved_for_reply=st.none() | ANY_NUMBER,
        margin=st.none() | st.floats(0, 10),
        low=st.floats(0, 1),
        factor=st.floats(0.4, 2.5).map(lambda factor: round(factor * 20) / 20),
        residual=st.integers(-(10**6), 10**6),
        calibrated=st.booleans(),
        calibrated_others=st.booleans(),
        draft=st.none() | st.text(max_size=40),
        system_prompt=st.none() | st.text(max_size=40),
    ),
)
def test_any_budget_gives_a_plan_or_a_named_error(known: Strategy, branch: Branch, request: Request) -> None:
    plan = known.plan(branch, request)
    bodies = {id: Body("quoted") for id in sent_ids(plan)} | bodies_of(branch, sent_ids(plan))
    contents = {sha256: CONTENTS[sha256] for sha256 in sent_hashes(plan, bodies)}
    filled = with_payload(
        plan, system_prompt=request.system_prompt, bodies=bodies, draft=request.draft, contents=contents
    )

    if plan.error is not None:
        assert plan.error.code in ("empty_draft", "no_room", "fixed_over_budget", "over_budget")
        assert () == filled.payload
    else:
        assert plan.totals.tokens <= plan.budget.input
        assert len(filled.payload) == sum(entry.order is not None for entry in plan.entries)
