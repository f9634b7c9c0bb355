"""The summary: what it covers, when it no longer holds, and that it moves no window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.contracts.memory import StrategyContract, messages_of, reference_units
from tests.memory.branches import Branch, branches, chat, header, marked, requests
from tests.memory.test_pins import room_for_units
from tests.memory.test_window import ROOMY, reasons
from tui_chat.core.context import ContextPlan, Kind, Limit, Reason, Warning
from tui_chat.core.models import MessageHeader, Role, Status
from tui_chat.core.ports import Body
from tui_chat.core.summary import Source, Summary
from tui_chat.core.tokens import MESSAGE_TOKENS
from tui_chat.memory import Request, sent_ids, strategy, with_payload
from tui_chat.memory.composition import SUMMARY_LINE_TOKENS
from tui_chat.memory.summary import Due, due, holds, most_text, most_tokens

strategy_ = strategy("summary")
LINE = SUMMARY_LINE_TOKENS + MESSAGE_TOKENS
quick = settings(max_examples=80, deadline=None)


def summary_of(headers: Sequence[MessageHeader], *, tokens: int = 50, id: str = "s1") -> Summary:
    return Summary(id, "Goal: go on.", tuple(map(Source.of, headers)), "llama3.1", 5_000, tokens)


def made_from(work: Due, *, tokens: int = 50) -> Summary:
    return Summary("s2", "Goal: go on.", work.sources, "llama3.1", 6_000, tokens)


def window_of(plan: ContextPlan) -> list[str | None]:
    return [entry.id for entry in messages_of(plan) if entry.reason is Reason.WINDOW]


def ids_with(plan: ContextPlan, reason: Reason) -> list[str | None]:
    return [entry.id for entry in messages_of(plan) if entry.reason is reason]


# -- the contract of every strategy ------------------------------------------------------------------


def with_room(request: Request) -> Request:
    """The same where older messages are dropped and a summary has room."""
    window = max(1200, request.context_window)
    few = request.max_messages % 7
    return replace(request, context_window=window, reserved_for_reply=0, margin=0.1, max_messages=few)


class TestSummary(StrategyContract):
    strategy = strategy_


class WithASummary:
    """The strategy after a summary was made of a part of what it drops; of which part the request decides."""

    name = "summary"

    def plan(self, branch: Sequence[MessageHeader], request: Request) -> ContextPlan:
        request = with_room(request)
        first = strategy_.plan(branch, replace(request, draft="Go on.", summary=None))
        dropped = (Reason.BEFORE_WINDOW, Reason.NO_USER_MESSAGE)
        units = [unit for unit in reference_units(branch, first) if unit[0].reason in dropped]
        ids = {entry.id for unit in units[: 1 + request.context_window % 5] for entry in unit}
        made = summary_of([each for each in branch if each.id in ids], tokens=10 * (request.context_window % 7))
        return strategy_.plan(branch, replace(request, summary=made))


class TestSummaryThatIsSent(StrategyContract):
    strategy = WithASummary()


# -- one chat --------------------------------------------------------------------------------------------


def test_what_fits_is_sent_whole_without_a_summary_or_a_warning() -> None:
    branch = chat("ua" * 10)

    plan = strategy_.plan(branch, replace(ROOMY, summary=summary_of(branch[:4])))

    assert (20, None, ()) == (plan.totals.sent, plan.summary, plan.warnings)


def test_what_the_window_drops_is_sent_as_the_summary_that_was_made_of_it() -> None:
    branch = chat("ua" * 11)

    plan = strategy_.plan(branch, replace(ROOMY, summary=summary_of(branch[:12])))

    assert "s" * 12 + "W" * 10 == reasons(plan)
    assert [Kind.SUMMARY, *[Kind.MESSAGE] * 10, Kind.DRAFT] == [e.kind for e in plan.entries if e.sent]
    assert (Warning("summarised", 12, 22, since=5_000, model="llama3.1", tokens=50 + LINE),) == plan.warnings
    assert (10, 12) == (plan.totals.sent, plan.totals.not_sent)


def test_the_payload_has_the_summary_before_the_window_and_says_what_it_is() -> None:
    branch = chat("ua" * 11)
    plan = strategy_.plan(branch, replace(ROOMY, summary=summary_of(branch[:12]), system_prompt="Be kind."))

    filled = with_payload(plan, system_prompt="Be kind.", bodies=_Bodies(), draft=ROOMY.draft)

    assert [Role.SYSTEM, Role.USER, Role.USER] == [message.role for message in filled.payload[:3]]
    assert (
        "Summary of 12 earlier messages, made by llama3.1; details may be missing:\n\nGoal: go on."
        == filled.payload[1].content
    )


def test_before_it_is_made_the_warning_says_that_it_is_due() -> None:
    plan = strategy_.plan(chat("ua" * 11), ROOMY)

    assert (Warning("not_summarised", 12, 22, since=12_000, limit=Limit.MESSAGES, why="due"),) == plan.warnings


def test_what_was_dropped_since_is_warned_about_beside_it() -> None:
    branch = chat("ua" * 17)

    plan = strategy_.plan(branch, replace(ROOMY, summary=summary_of(branch[:12]), anchor_id="m12"))

    assert "s" * 12 + "b" * 12 + "W" * 10 == reasons(plan)
    assert [("not_summarised", 12, "due"), ("summarised", 12, "")] == [(w.code, w.count, w.why) for w in plan.warnings]


def test_the_sentence_of_a_failure_stands_in_the_warning() -> None:
    plan = strategy_.plan(chat("ua" * 11), replace(ROOMY, summary_problem="The server is busy."))

    assert ["The server is busy."] == [warning.why for warning in plan.warnings]


def test_it_trims_in_blocks_whatever_the_user_s_trim_says() -> None:
    exact, blocks = (strategy_.plan(chat("ua" * 11), replace(ROOMY, low=low)) for low in (1.0, 0.5))

    assert exact == blocks
    assert (10, "m12") == (exact.totals.sent, exact.anchor)


def test_a_greeting_before_the_first_prompt_is_summarised_too() -> None:
    branch = chat("a" + "ua" * 11)

    plan = strategy_.plan(branch, replace(ROOMY, summary=summary_of(branch[:13])))

    assert "s" * 13 + "W" * 10 == reasons(plan)


def test_a_result_that_nothing_asked_for_is_no_source_and_keeps_its_exchange_from_nothing() -> None:
    branch = chat("uao" + "ua" * 10)

    made = made_from(due(branch, strategy_.plan(branch, ROOMY), None))

    assert ["m0", "m1", "m3"] == [source.id for source in made.sources[:3]]
    assert "sses" == reasons(strategy_.plan(branch, replace(ROOMY, summary=made)))[:4]


# -- when it no longer holds ---------------------------------------------------------------------------------


def altered(branch: Branch, place: int, how: str) -> Branch:
    """The branch after something was done to one message."""
    match how:
        case "edited":  # another message in its place, under another id
            return [each._replace(id=f"{each.id}'") if index == place else each for index, each in enumerate(branch)]
        case "deleted":
            return [each for index, each in enumerate(branch) if index != place]
        case "excluded":
            return marked(branch, excluded=[place])
        case "longer":
            longer = branch[place]._replace(characters=branch[place].characters + 1)
        case _:
            longer = branch[place]._replace(tokens=branch[place].tokens + 1)
    return [longer if index == place else each for index, each in enumerate(branch)]


CHANGES = ("edited", "deleted", "excluded", "longer", "heavier")


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("place", [0, 5, 11])
def test_any_change_of_a_source_makes_it_invalid(how: str, place: int) -> None:
    branch = chat("ua" * 11)
    request = replace(ROOMY, summary=summary_of(branch[:12]), anchor_id="m12")

    plan = strategy_.plan(altered(branch, place, how), request)

    assert plan.summary is None
    assert [] == ids_with(plan, Reason.SUMMARISED)
    assert "invalid" in [warning.why for warning in plan.warnings]


def test_excluding_the_other_message_of_an_exchange_makes_it_invalid() -> None:
    branch = chat("u-ua" + "ua" * 10)
    request = replace(ROOMY, summary=summary_of([branch[0], *branch[2:12]]), anchor_id="m12")

    assert strategy_.plan(branch, request).summary is not None
    assert strategy_.plan(marked(branch, excluded=[1]), request).summary is None


def test_a_summary_of_half_an_exchange_is_none() -> None:
    branch = chat("ua" * 11)

    assert strategy_.plan(branch, replace(ROOMY, summary=summary_of(branch[:11]))).summary is None


def test_sources_in_another_order_are_another_conversation_s() -> None:
    branch = chat("ua" * 11)
    swapped = [*branch[2:4], *branch[:2]]

    assert strategy_.plan(branch, replace(ROOMY, summary=summary_of(swapped))).summary is None


def test_a_summary_of_nothing_is_none() -> None:
    plan = strategy_.plan(chat("ua" * 11), replace(ROOMY, summary=summary_of([])))

    assert (None, ["invalid"]) == (plan.summary, [warning.why for warning in plan.warnings])


def test_a_sibling_s_summary_is_not_used() -> None:
    branch = chat("ua" * 11)
    sibling = [*branch[:5], *(each._replace(id=f"{each.id}'") for each in branch[5:])]

    assert strategy_.plan(sibling, replace(ROOMY, summary=summary_of(branch[:12]))).summary is None


def test_one_longer_than_its_room_is_not_sent() -> None:
    branch = chat("ua" * 11)
    most = most_text(strategy_.plan(branch, ROOMY).budget, 1.0)

    sizes = (most, most + 1)
    plans = [strategy_.plan(branch, replace(ROOMY, summary=summary_of(branch[:12], tokens=size))) for size in sizes]

    assert [[""], ["too_long"]] == [[warning.why for warning in plan.warnings] for plan in plans]
    assert [True, False] == [plan.summary is not None for plan in plans]


@pytest.mark.parametrize(("context_window", "most"), [(11_000, 1_024), (2_000, 200), (760, 76), (750, 75), (0, 0)])
def test_its_room_is_a_tenth_of_the_budget_and_at_most_1024(context_window: int, most: int) -> None:
    budget = strategy_.plan([], replace(ROOMY, context_window=context_window, reserved_for_reply=0, margin=0.0)).budget

    assert most == most_tokens(budget)
    assert (most - LINE if most >= 76 else 0) == most_text(budget, 1.0)


@quick
@given(input=st.integers(0, 20_000), factor=st.sampled_from([0.4, 0.65, 1.0, 1.05, 1.1, 2.5]))
def test_the_longest_text_is_the_longest_that_costs_no_more_than_that(input: int, factor: float) -> None:
    request = Request(context_window=input, reserved_for_reply=0, margin=0.0, factor=factor)
    budget = strategy_.plan([], request).budget

    text = most_text(budget, factor)

    assert not text or request.corrected(text + LINE) <= most_tokens(budget)
    assert not text or request.corrected(text + 1 + LINE) > most_tokens(budget)


@pytest.mark.parametrize("low", [0.5, 1.0])
def test_a_budget_without_room_for_any_keeps_none_sends_what_the_window_sends_and_says_so(low: float) -> None:
    branch, request = chat("ua" * 40), replace(room_for_units(36, max_messages=80), low=low)

    plan, window = strategy_.plan(branch, request), strategy("window").plan(branch, request)

    assert ["too_long"] == [warning.why for warning in plan.warnings]
    assert (window_of(window), window.anchor) == (window_of(plan), plan.anchor)


# -- the window stands still -------------------------------------------------------------------------------------


BY_TOKENS = room_for_units(100, max_messages=500)
"""2,003 tokens: 200 of them for a summary."""


def test_its_room_is_kept_from_the_first_message_dropped() -> None:
    full = strategy_.plan(chat("ua" * 100), BY_TOKENS)
    plan = strategy_.plan(chat("ua" * 101), BY_TOKENS)

    assert (200, 0) == (full.totals.sent, full.totals.not_sent)
    # Half of 2,003 - 3 - 200 tokens, in units of 20.
    assert 2 * 45 == plan.totals.sent


def test_with_a_summary_a_window_holds_what_it_holds_without() -> None:
    branch = chat("ua" * 101)
    before = strategy_.plan(branch, BY_TOKENS)

    after = strategy_.plan(branch, replace(BY_TOKENS, summary=made_from(due(branch, before, None))))

    assert window_of(before) == window_of(after)
    assert before.anchor == after.anchor
    assert after.summary is not None


def test_the_newest_exchange_never_gives_way_to_the_summary() -> None:
    branch = chat("ua" * 3)
    branch[5] = branch[5]._replace(tokens=1_950)
    summary = summary_of(branch[:4], tokens=50)

    plan = strategy_.plan(branch, replace(BY_TOKENS, summary=summary))

    assert "bbbbWW" == reasons(plan)
    assert ["too_long"] == [warning.why for warning in plan.warnings]


def test_where_even_the_newest_does_not_fit_the_warning_is_grave_and_the_summary_is_sent() -> None:
    branch = chat("ua" * 3)
    branch[5] = branch[5]._replace(tokens=5_000)
    plan = strategy_.plan(branch, replace(BY_TOKENS, summary=summary_of(branch[:4])))

    assert "ssssbb" == reasons(plan)
    assert [("last_answer_not_sent", 2), ("summarised", 4)] == [(w.code, w.count) for w in plan.warnings]


@pytest.mark.parametrize("anchor_id", [None, "m0", "m2"])
def test_a_shorter_draft_does_not_move_the_window_back_over_the_summary(anchor_id: str | None) -> None:
    branch = chat("ua" * 60)
    long = replace(BY_TOKENS, draft="word " * 900, anchor_id=anchor_id)
    made = made_from(due(branch, strategy_.plan(branch, long), None))

    plan = strategy_.plan(chat("ua" * 101), replace(BY_TOKENS, draft="Hm?", summary=made, anchor_id=anchor_id))

    assert made == plan.summary
    assert len(made.sources) == len(ids_with(plan, Reason.SUMMARISED))


def test_a_far_larger_window_does_not_wait_for_the_end_of_a_small_one_s_summary() -> None:
    branch = chat("ua" * 300)
    made = summary_of(branch[:-4])

    plans = [strategy_.plan(branch, replace(ROOMY, max_messages=most, summary=made)) for most in (8, 32, 36)]

    assert [True, True, False] == [plan.summary is not None for plan in plans]
    assert [2, 2, 9] == [units_in(plan) for plan in plans]
    assert ["due"] == [warning.why for warning in plans[-1].warnings]


def units_in(plan: ContextPlan) -> int:
    return len(window_of(plan)) // 2


def grown(turns: int) -> Iterator[ContextPlan]:
    """The plans of a chat in which each summary is made as soon as it is due, and each plan sent."""
    branch: Branch = []
    request = BY_TOKENS
    for _ in range(turns):
        plan = strategy_.plan(branch, request)
        work = due(branch, plan, request.summary)
        if work.messages:
            request = replace(request, summary=made_from(work))
            plan = strategy_.plan(branch, request)
        yield plan
        request = replace(request, anchor_id=plan.anchor)
        branch += [header(len(branch), Role.USER), header(len(branch) + 1, Role.ASSISTANT)]


def test_a_summary_is_made_once_a_block_and_then_all_is_sent_or_summarised() -> None:
    plans = list(grown(300))

    assert {"summarised"} == {warning.code for plan in plans for warning in plan.warnings}
    made = {plan.summary.sources for plan in plans if plan.summary}
    assert 5 == len(made)


# -- pins -----------------------------------------------------------------------------------------------------


def test_a_pin_among_the_sources_is_sent_as_such_and_the_rest_is_summarised() -> None:
    branch = chat("ua" * 11)
    request = replace(ROOMY, summary=summary_of(branch[:12]), anchor_id="m12")

    plan = strategy_.plan(marked(branch, pinned=[2]), request)

    assert "ssPP" + "s" * 8 + "W" * 10 == reasons(plan)
    assert [("summarised", 10)] == [(w.code, w.count) for w in plan.warnings]


def test_where_all_sources_are_pinned_no_summary_is_sent() -> None:
    branch = chat("ua" * 12)
    request = replace(ROOMY, summary=summary_of(branch[:2]), anchor_id="m14")

    assert strategy_.plan(marked(branch, pinned=[0]), request).summary is None


def test_a_pin_without_room_stays_the_user_s_to_know_of() -> None:
    branch = marked(chat("ua" * 101), pinned=[0])
    branch[1] = branch[1]._replace(tokens=9_000)

    plan = strategy_.plan(branch, replace(BY_TOKENS, summary=summary_of(branch[:4])))

    assert "ppss" == reasons(plan)[:4]
    assert "pin_no_room" in [warning.code for warning in plan.warnings]


# -- what the next one is made of ------------------------------------------------------------------------------------


def test_the_first_is_made_of_all_that_is_dropped() -> None:
    branch = chat("ua" * 11)

    work = due(branch, strategy_.plan(branch, ROOMY), None)

    assert Due(None, branch[:12]) == work


def test_the_next_folds_what_was_dropped_since_into_the_one_before() -> None:
    branch = chat("ua" * 17)
    old = summary_of(branch[:12])

    work = due(branch, strategy_.plan(branch, replace(ROOMY, summary=old, anchor_id="m12")), old)

    assert Due(old, branch[12:24]) == work
    assert tuple(map(Source.of, branch[:24])) == work.sources


def test_where_nothing_is_missing_nothing_is_due() -> None:
    branch = chat("ua" * 11)
    old = summary_of(branch[:12])

    assert Due(old, []) == due(branch, strategy_.plan(branch, replace(ROOMY, summary=old)), old)


def test_one_too_long_for_this_window_is_built_on_all_the_same() -> None:
    branch = chat("ua" * 17)
    old = summary_of(branch[:12], tokens=9_999)

    assert old == due(branch, strategy_.plan(branch, replace(ROOMY, summary=old, anchor_id="m12")), old).old


@pytest.mark.parametrize("how", CHANGES)
def test_an_invalid_one_is_not_built_on(how: str) -> None:
    before = chat("ua" * 17)
    branch = altered(before, 4, how)

    work = due(branch, strategy_.plan(branch, replace(ROOMY, anchor_id="m24")), summary_of(before[:12]))

    assert work.old is None
    assert "m0" == work.messages[0].id


def test_what_is_older_than_its_last_source_is_not_folded_in_after_it() -> None:
    branch = chat("ua" * 17)
    old = summary_of([*branch[:4], *branch[6:12]])

    work = due(branch, strategy_.plan(branch, replace(ROOMY, summary=old, anchor_id="m12")), old)

    assert Due(None, branch[:24]) == work


def test_one_that_reaches_into_the_window_is_not_built_on() -> None:
    branch = chat("ua" * 11)

    assert due(branch, strategy_.plan(branch, ROOMY), summary_of(branch[:20])).old is None


def test_pins_and_exclusions_and_what_cannot_be_sent_are_not_folded_in() -> None:
    branch = marked(chat("ua u- ua ua" + "ua" * 14), pinned=[0], excluded=[4])

    work = due(branch, strategy_.plan(branch, ROOMY), None)

    assert ["m2", "m6", "m7"] == [message.id for message in work.messages[:3]]


def test_the_newest_exchange_is_not_folded_in_for_its_size() -> None:
    branch = chat("ua" * 3)
    branch[5] = branch[5]._replace(tokens=5_000)

    assert branch[:4] == due(branch, strategy_.plan(branch, BY_TOKENS), None).messages


def test_where_the_limit_of_messages_keeps_everything_out_everything_is_folded_in() -> None:
    branch = chat("ua" * 3)

    assert branch == due(branch, strategy_.plan(branch, replace(ROOMY, max_messages=0)), None).messages


def test_what_is_still_being_written_is_not_folded_in_and_nor_is_what_follows() -> None:
    branch = chat("ua ua ua")
    branch[3] = branch[3]._replace(status=Status.STREAMING)

    assert branch[:2] == due(branch, strategy_.plan(branch, replace(ROOMY, max_messages=0)), None).messages


def test_a_refused_plan_asks_for_no_summary() -> None:
    branch = chat("ua" * 11)

    assert Due(None, ()) == due(branch, strategy_.plan(branch, replace(ROOMY, draft=" ")), None)


# -- properties --------------------------------------------------------------------------------------------------------


@quick
@given(branch=branches(), request=requests(), tokens=st.integers(0, 60))
def test_a_summary_covers_exactly_the_messages_it_claims(branch: Branch, request: Request, tokens: int) -> None:
    request = replace(with_room(request), draft="Go on.")
    first = strategy_.plan(branch, request)
    made = made_from(due(branch, first, None), tokens=tokens)

    plan = strategy_.plan(branch, replace(request, summary=made))

    assert window_of(first) == window_of(plan)
    if plan.summary is not None:
        assert [source.id for source in made.sources] == ids_with(plan, Reason.SUMMARISED)
        assert [] == list(due(branch, plan, made).messages)
    else:
        assert [] == ids_with(plan, Reason.SUMMARISED)


@quick
@given(
    branch=branches(),
    request=requests(),
    later=requests(),
    take=st.integers(0, 15),
    marks=st.lists(st.integers(0, 15), max_size=2),
)
def test_sources_and_window_never_overlap(
    branch: Branch, request: Request, later: Request, take: int, marks: list[int]
) -> None:
    dropped = work_of(branch, request).messages
    made = summary_of(dropped[:take])
    pinned = marked(branch, pinned=[place for place in marks if place < len(branch)])

    plan = strategy_.plan(pinned, replace(later, summary=made))

    if plan.summary is not None:
        sources = [source.id for source in made.sources]
        assert not set(sources) & set(window_of(plan))
        assert set(ids_with(plan, Reason.SUMMARISED)) <= set(sources)
        window = [place for place, entry in enumerate(messages_of(plan)) if entry.reason is Reason.WINDOW]
        covered = [place for place, entry in enumerate(messages_of(plan)) if entry.id in sources]
        assert not window or max(covered) < min(window)


def work_of(branch: Branch, request: Request) -> Due:
    """What is due where the window is small."""
    return due(branch, strategy_.plan(branch, replace(with_room(request), draft="Go on.")), None)


LONG = branches().filter(lambda branch: sum(header.is_sendable for header in branch) >= 3)


@quick
@given(branch=LONG, request=requests(), data=st.data())
def test_any_change_among_its_sources_invalidates_it(branch: Branch, request: Request, data: st.DataObject) -> None:
    request = replace(with_room(request), draft="Go on.")
    made = made_from(due(branch, strategy_.plan(branch, request), None), tokens=0)
    assume(made.sources)
    ids = [header.id for header in branch]
    place = ids.index(data.draw(st.sampled_from(made.sources)).id)

    changed = altered(branch, place, data.draw(st.sampled_from(CHANGES)))

    assert strategy_.plan(changed, replace(request, summary=made)).summary is None
    assert not holds(made, changed)


@quick
@given(branch=LONG, request=requests(), data=st.data())
def test_a_change_of_another_message_changes_no_summary(branch: Branch, request: Request, data: st.DataObject) -> None:
    made = made_from(work_of(branch, request))
    sources = {source.id for source in made.sources}
    others = [place for place, header in enumerate(branch) if header.id not in sources]
    assume(sources and others)

    changed = altered(branch, data.draw(st.sampled_from(others)), data.draw(st.sampled_from(CHANGES)))

    assert holds(made, changed)


@quick
@given(branch=branches(), request=requests(), take=st.integers(0, 15))
def test_planning_again_from_the_anchor_of_a_plan_makes_that_plan(branch: Branch, request: Request, take: int) -> None:
    made = summary_of(work_of(branch, request).messages[:take])
    request = replace(with_room(request), summary=made)
    plan = strategy_.plan(branch, request)

    if plan.anchor is not None:
        assert plan == strategy_.plan(branch, replace(request, anchor_id=plan.anchor))


@quick
@given(branch=branches(), request=requests())
def test_it_sends_no_more_messages_than_blocks_do_and_never_none_where_they_send_one(
    branch: Branch, request: Request
) -> None:
    plan = strategy_.plan(branch, request)
    has_room = most_text(plan.budget, request.factor) > 0
    blocks = strategy("window").plan(branch, replace(request, low=0.5) if has_room else request)

    assert bool(sent_ids(blocks)) == bool(sent_ids(plan))
    assert len(sent_ids(plan)) <= len(sent_ids(blocks))


class _Bodies(dict[str, Body]):
    def __missing__(self, id: str) -> Body:
        return Body(f"text of {id}")
