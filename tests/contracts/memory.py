"""What every memory strategy promises: inherit, say which strategy, and the properties are checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from tests.memory.branches import Scene, bodies_of, scenes
from tui_chat.core.context import ContextPlan, Entry, Kind, Reason
from tui_chat.core.models import MessageHeader, Role, ToolResult
from tui_chat.core.ports import Body
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS, measure
from tui_chat.memory import Request, Strategy, sent_ids, with_payload

SENT_REASONS = {
    Reason.SYSTEM, Reason.TOOLS, Reason.DRAFT, Reason.FULL, Reason.WINDOW,
    Reason.PINNED, Reason.SUMMARY, Reason.RETRIEVED, Reason.EXCERPT,
}  # fmt: skip

WARNED = {
    Reason.BEFORE_WINDOW: "window",
    Reason.NO_USER_MESSAGE: "window",
    Reason.SUMMARISED: "summarised",
    Reason.PINNED_NO_ROOM: "pin_no_room",
    Reason.EXCLUDED: "excluded",
}
WARNING_OF = dict.fromkeys(
    ("before_window", "last_answer_not_sent", "not_summarised", "not_found", "not_searched"), "window"
)
UNSENDABLE = {Reason.ERROR, Reason.EMPTY, Reason.ATTACHMENT_UNSUPPORTED}
QUOTED = {Reason.RETRIEVED, Reason.EXCERPT}

# Inherited properties run with one `self` a class; they keep no state in it.
quick = settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


class StrategyContract:
    """The properties that hold whatever a strategy remembers."""

    strategy: Strategy

    @quick
    @given(scene=scenes())
    def test_every_message_has_one_entry_with_a_reason_that_fits(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        assert [header.id for header in branch] == [entry.id for entry in messages_of(plan)]
        assert all(entry.sent == (entry.reason in SENT_REASONS) for entry in plan.entries)
        assert all(entry.sent == (entry.order is not None or entry.inside is not None) for entry in plan.entries)
        assert {entry.inside for entry in plan.entries} <= {None, *(entry.id for entry in plan.entries[-1:])}

    @quick
    @given(scene=scenes())
    def test_what_is_sent_fits_the_budget_or_nothing_is_sent(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        sent = [entry for entry in plan.entries if entry.order is not None]
        if plan.error is None:
            assert request.corrected(REQUEST_TOKENS) + sum(entry.tokens for entry in sent) == plan.totals.tokens
            assert plan.totals.tokens <= plan.budget.input
        else:
            assert not any(entry.sent for entry in plan.entries)

    @quick
    @given(scene=scenes())
    def test_the_uncorrected_size_is_that_of_what_is_sent(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        uncorrected = {header.id: header.tokens + MESSAGE_TOKENS for header in branch}
        if plan.error is not None:
            assert 0 == plan.uncorrected
        elif request.factor == 1:
            assert REQUEST_TOKENS + sum(e.tokens for e in plan.entries if e.order is not None) == plan.uncorrected
        elif not plan.quotations and plan.summary is None:
            fixed = {Kind.SYSTEM: request.system_prompt, Kind.DRAFT: request.draft}
            for entry in plan.entries:
                if entry.kind in fixed and entry.sent:
                    uncorrected[entry.id or entry.kind] = measure(fixed[entry.kind] or "").tokens + MESSAGE_TOKENS
            own = [e for e in plan.entries if e.order is not None and e.kind is not Kind.TOOLS]
            tools = plan.uncorrected - REQUEST_TOKENS - sum(uncorrected[e.id or e.kind] for e in own)
            assert (tools > 0) == any(entry.kind is Kind.TOOLS for entry in plan.entries)

    @quick
    @given(scene=scenes())
    def test_system_prompt_and_draft_are_sent_first_and_last(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        kinds = [entry.kind for entry in plan.entries if entry.sent or plan.error is not None]
        system = bool((request.system_prompt or "").strip())
        assert ([Kind.SYSTEM] if system else []) == kinds[: kinds.count(Kind.SYSTEM)]
        assert ([Kind.DRAFT] if request.draft is not None else []) == kinds[len(kinds) - kinds.count(Kind.DRAFT) :]
        assert int(system) == kinds.count(Kind.SYSTEM)

    @quick
    @given(scene=scenes())
    def test_units_are_sent_whole_and_the_first_one_begins_with_the_user(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        units = reference_units(branch, plan)
        assert all(len({entry.order is None for entry in unit}) == 1 for unit in units)
        assert all(len({entry.reason for entry in unit} - QUOTED) <= 1 for unit in units)
        sent = [entry for entry in messages_of(plan) if entry.order is not None]
        wanted = [e.id for unit in units for e in unit if e.reason is not Reason.EXCLUDED]
        assert not sent or sent[0].role is Role.USER or wanted == [entry.id for entry in sent]

    @quick
    @given(scene=scenes())
    def test_an_excluded_message_is_never_sent_and_nor_is_its_unit(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        excluded = {header.id for header in branch if header.excluded and header.is_sendable}
        for unit in reference_units(branch, plan):
            if excluded & {entry.id for entry in unit}:
                assert {Reason.EXCLUDED} == {entry.reason for entry in unit}

    @quick
    @given(scene=scenes())
    def test_the_payload_has_the_branch_s_order_and_no_message_twice(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        ids = [header.id for header in branch]
        places = [ids.index(entry.id or "") for entry in messages_of(plan) if entry.order is not None]
        assert sorted(set(places)) == places
        orders = [entry.order for entry in plan.entries if entry.order is not None]
        assert list(range(len(orders))) == orders

    @quick
    @given(scene=scenes())
    def test_the_payload_is_what_the_entries_say(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)
        bodies = {id: Body("quoted") for id in sent_ids(plan)} | bodies_of(branch, sent_ids(plan))

        filled = with_payload(plan, system_prompt=request.system_prompt, bodies=bodies, draft=request.draft)

        carried = [entry for entry in plan.entries if entry.order is not None]
        assert [entry.role for entry in carried] == [message.role for message in filled.payload]
        for entry, message in zip(carried, filled.payload, strict=True):
            expected = expected_text(entry, request, bodies)
            assert expected in message.content
            assert plan.quotations or entry.kind is Kind.SUMMARY or expected == message.content
        assert plan == replace(filled, payload=())

    @quick
    @given(scene=scenes())
    def test_calls_and_results_are_sent_together(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)
        bodies = {id: Body("quoted") for id in sent_ids(plan)} | bodies_of(branch, sent_ids(plan))

        filled = with_payload(plan, system_prompt=request.system_prompt, bodies=bodies, draft=request.draft)

        waiting: list[str] = []
        for message in filled.payload:
            if message.role is not Role.TOOL:
                assert [] == waiting
                waiting = [call.id for call in message.calls]
            assert bool(message.results) == (message.role is Role.TOOL)
            for result in message.results:
                waiting.remove(result.id)
        assert [] == waiting

    @quick
    @given(scene=scenes())
    def test_the_same_input_makes_the_same_plan(self, scene: Scene) -> None:
        branch, request = scene
        first = self.strategy.plan(branch, request)
        second = self.strategy.plan(list(branch), replace(request))

        assert first == second

    @quick
    @given(scene=scenes())
    def test_messages_without_a_text_say_why_they_are_not_sent(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        for header, entry in zip(branch, messages_of(plan), strict=True):
            if not header.is_sendable and not header.attachments:
                assert (Reason.ERROR if header.status == "failed" else Reason.EMPTY) == entry.reason
            elif not header.is_sendable:
                assert Reason.ATTACHMENT_UNSUPPORTED == entry.reason

    @quick
    @given(scene=scenes())
    def test_there_is_a_warning_exactly_when_a_message_with_a_text_is_left_out(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        with_text = [e for e in messages_of(plan) if e.reason not in UNSENDABLE and plan.error is None]
        left_out = Counter(WARNED[entry.reason] for entry in with_text if not entry.sent)
        warnings = [warning for warning in plan.warnings if warning.code != "attachment_unsupported"]
        warned = {WARNING_OF.get(warning.code, warning.code): warning for warning in warnings}
        assert left_out == {about: warning.count for about, warning in warned.items()}
        assert len(warnings) == len(warned)
        assert {len(with_text)} >= {warning.of for warning in warnings}
        if warned.get("window"):
            times = {entry.id: header.created_at for entry, header in zip(messages_of(plan), branch, strict=True)}
            holes = ("window", "pin_no_room", "summarised")
            dropped = [place for place, entry in enumerate(with_text) if WARNED.get(entry.reason) in holes]
            window = [times[entry.id] for entry in with_text[dropped[-1] + 1 :] if entry.order is not None]
            assert warned["window"].since == (window[0] if window else None)

    @quick
    @given(scene=scenes())
    def test_totals_count_the_earlier_messages(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        sent = sum(entry.sent for entry in messages_of(plan))
        assert (sent, len(branch) - sent) == (plan.totals.sent, plan.totals.not_sent)


def messages_of(plan: ContextPlan) -> list[Entry]:
    return [entry for entry in plan.entries if entry.kind is Kind.MESSAGE]


def expected_text(entry: Entry, request: Request, bodies: Mapping[str, Body]) -> str:
    match entry.kind:
        case Kind.SYSTEM:
            return request.system_prompt or ""
        case Kind.DRAFT:
            return request.draft or ""
        case Kind.SUMMARY:
            return "Summary of"
        case Kind.TOOLS:
            return "cancelled"
        case _:
            body = bodies[entry.id or ""]
            results = [part.text for part in body.parts if isinstance(part, ToolResult)]
            return "\n".join(results) if entry.role is Role.TOOL else body.text


def reference_units(branch: Sequence[MessageHeader], plan: ContextPlan) -> list[list[Entry]]:
    """The entries of messages with a text, cut before each user message."""
    units: list[list[Entry]] = []
    for header, entry in zip(branch, messages_of(plan), strict=True):
        if entry.reason not in UNSENDABLE:
            if header.role is Role.USER or not units:
                units.append([])
            units[-1].append(entry)
    return units
