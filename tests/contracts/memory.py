"""What every memory strategy promises: inherit, say which strategy, and the properties are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from tests.memory.branches import branches, requests
from tui_chat.core.context import ContextPlan, Entry, Kind, PayloadMessage, Reason
from tui_chat.core.models import MessageHeader, Role
from tui_chat.core.tokens import REQUEST_TOKENS
from tui_chat.memory import Request, Strategy, sent_ids, with_payload

SENT_REASONS = {
    Reason.SYSTEM, Reason.TOOLS, Reason.DRAFT, Reason.FULL, Reason.WINDOW,
    Reason.PINNED, Reason.SUMMARY, Reason.RETRIEVED, Reason.EXCERPT,
}  # fmt: skip

# Inherited properties run with one `self` a class; they keep no state in it.
quick = settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


class StrategyContract:
    """The properties that hold whatever a strategy remembers."""

    strategy: Strategy

    @quick
    @given(branch=branches(), request=requests())
    def test_every_message_has_one_entry_with_a_reason_that_fits(
        self, branch: list[MessageHeader], request: Request
    ) -> None:
        plan = self.strategy.plan(branch, request)

        assert [header.id for header in branch] == [entry.id for entry in messages_of(plan)]
        assert all(entry.sent == (entry.reason in SENT_REASONS) for entry in plan.entries)
        assert all(entry.sent == (entry.order is not None) for entry in plan.entries)

    @quick
    @given(branch=branches(), request=requests())
    def test_what_is_sent_fits_the_budget_or_nothing_is_sent(
        self, branch: list[MessageHeader], request: Request
    ) -> None:
        plan = self.strategy.plan(branch, request)

        sent = [entry for entry in plan.entries if entry.sent]
        if plan.error is None:
            assert REQUEST_TOKENS + sum(entry.tokens for entry in sent) == plan.totals.tokens
            assert plan.totals.tokens <= plan.budget.input
        else:
            assert sent == []

    @quick
    @given(branch=branches(), request=requests())
    def test_system_prompt_and_draft_are_sent_first_and_last(
        self, branch: list[MessageHeader], request: Request
    ) -> None:
        plan = self.strategy.plan(branch, request)

        kinds = [entry.kind for entry in plan.entries if entry.sent or plan.error is not None]
        system = bool((request.system_prompt or "").strip())
        assert ([Kind.SYSTEM] if system else []) == kinds[: kinds.count(Kind.SYSTEM)]
        assert ([Kind.DRAFT] if request.draft is not None else []) == kinds[len(kinds) - kinds.count(Kind.DRAFT) :]
        assert int(system) == kinds.count(Kind.SYSTEM)

    @quick
    @given(branch=branches(), request=requests())
    def test_units_are_sent_whole_and_the_first_one_begins_with_the_user(
        self, branch: list[MessageHeader], request: Request
    ) -> None:
        plan = self.strategy.plan(branch, request)

        fates = [{entry.sent for entry in unit} for unit in reference_units(branch, plan)]
        assert all(len(fate) == 1 for fate in fates)
        sent = [entry for entry in messages_of(plan) if entry.sent]
        sendable = [header.id for header in branch if header.has_text]
        assert not sent or sent[0].role is Role.USER or sendable == [entry.id for entry in sent]

    @quick
    @given(branch=branches(), request=requests())
    def test_the_payload_has_the_branch_s_order_and_no_message_twice(
        self, branch: list[MessageHeader], request: Request
    ) -> None:
        plan = self.strategy.plan(branch, request)

        ids = [header.id for header in branch]
        places = [ids.index(id) for id in sent_ids(plan)]
        assert sorted(set(places)) == places
        orders = [entry.order for entry in plan.entries if entry.sent]
        assert list(range(len(orders))) == orders

    @quick
    @given(branch=branches(), request=requests())
    def test_the_payload_is_what_the_entries_say(self, branch: list[MessageHeader], request: Request) -> None:
        plan = self.strategy.plan(branch, request)
        texts = {id: f"text of {id}" for id in sent_ids(plan)}

        filled = with_payload(plan, system_prompt=request.system_prompt, texts=texts, draft=request.draft)

        expected = [PayloadMessage(e.role, expected_text(e, request)) for e in plan.entries if e.sent]
        assert expected == list(filled.payload)
        assert plan == replace(filled, payload=())

    @quick
    @given(branch=branches(), request=requests())
    def test_the_same_input_makes_the_same_plan(self, branch: list[MessageHeader], request: Request) -> None:
        first = self.strategy.plan(branch, request)
        second = self.strategy.plan(list(branch), replace(request))

        assert first == second

    @quick
    @given(branch=branches(), request=requests())
    def test_messages_without_a_text_say_why_they_are_not_sent(
        self, branch: list[MessageHeader], request: Request
    ) -> None:
        plan = self.strategy.plan(branch, request)

        for header, entry in zip(branch, messages_of(plan), strict=True):
            if not header.has_text:
                assert (Reason.ERROR if header.status == "failed" else Reason.EMPTY) == entry.reason

    @quick
    @given(branch=branches(), request=requests())
    def test_there_is_a_warning_exactly_when_a_message_with_a_text_is_left_out(
        self, branch: list[MessageHeader], request: Request
    ) -> None:
        plan = self.strategy.plan(branch, request)

        with_text = [
            (entry, header)
            for entry, header in zip(messages_of(plan), branch, strict=True)
            if header.has_text and plan.error is None
        ]
        left_out = [entry for entry, _ in with_text if not entry.sent]
        sent_times = [header.created_at for entry, header in with_text if entry.sent]
        expected = [(len(left_out), len(with_text), sent_times[0] if sent_times else None)] if left_out else []
        assert expected == [(warning.count, warning.of, warning.since) for warning in plan.warnings]

    @quick
    @given(branch=branches(), request=requests())
    def test_totals_count_the_earlier_messages(self, branch: list[MessageHeader], request: Request) -> None:
        plan = self.strategy.plan(branch, request)

        sent = sum(entry.sent for entry in messages_of(plan))
        assert (sent, len(branch) - sent) == (plan.totals.sent, plan.totals.not_sent)


def messages_of(plan: ContextPlan) -> list[Entry]:
    return [entry for entry in plan.entries if entry.kind is Kind.MESSAGE]


def expected_text(entry: Entry, request: Request) -> str:
    match entry.kind:
        case Kind.SYSTEM:
            return request.system_prompt or ""
        case Kind.DRAFT:
            return request.draft or ""
        case _:
            return f"text of {entry.id}"


def reference_units(branch: Sequence[MessageHeader], plan: ContextPlan) -> list[list[Entry]]:
    """The entries of messages with a text, cut before each user message."""
    units: list[list[Entry]] = []
    for header, entry in zip(branch, messages_of(plan), strict=True):
        if header.has_text:
            if header.role is Role.USER or not units:
                units.append([])
            units[-1].append(entry)
    return units
