"""What every memory strategy promises: inherit, say which strategy, and the properties are checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from tests.memory.branches import CONTENTS, IMAGE, Scene, bodies_of, scenes
from tui_chat.core.attachments import carried, expanded, weigh
from tui_chat.core.context import ContextPlan, Entry, Kind, Reason
from tui_chat.core.models import Attachment, MessageHeader, Role, ToolResult
from tui_chat.core.ports import Body
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS, measure
from tui_chat.memory import Request, Strategy, sent_hashes, sent_ids, with_payload

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

        images = request.takes_images
        uncorrected = {each.id: each.tokens + MESSAGE_TOKENS + each.image_tokens * images for each in branch}
        if plan.error is not None:
            assert 0 == plan.uncorrected
        elif request.factor == 1:
            assert REQUEST_TOKENS + sum(e.tokens for e in plan.entries if e.order is not None) == plan.uncorrected
        elif not plan.quotations and plan.summary is None:
            fixed = {Kind.SYSTEM: request.system_prompt, Kind.DRAFT: request.draft}
            for entry in plan.entries:
                if entry.kind in fixed and entry.sent:
                    uncorrected[entry.id or entry.kind] = measure(fixed[entry.kind] or "").tokens + MESSAGE_TOKENS
                if entry.kind is Kind.DRAFT and entry.sent:
                    added, files = weigh(request.draft_attachments)
                    uncorrected[entry.id or entry.kind] += added.tokens + files.image_tokens * images
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

        excluded = {header.id for header in branch if header.excluded and is_sendable(header, request)}
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

        filled = self.filled(plan, request, bodies)

        sent = [entry for entry in plan.entries if entry.order is not None]
        assert [entry.role for entry in sent] == [message.role for message in filled.payload]
        for entry, message in zip(sent, filled.payload, strict=True):
            expected = expected_text(entry, request, bodies)
            assert expected in message.content
            assert plan.quotations or entry.kind is Kind.SUMMARY or expected == message.content
        assert plan == replace(filled, payload=())

    def filled(self, plan: ContextPlan, request: Request, bodies: Mapping[str, Body]) -> ContextPlan:
        """The plan with its payload, of the contents that it asks for and no others."""
        return with_payload(
            plan,
            system_prompt=request.system_prompt,
            bodies=bodies,
            draft=request.draft,
            draft_attachments=request.draft_attachments,
            contents={sha256: CONTENTS[sha256] for sha256 in sent_hashes(plan, bodies)},
        )

    @quick
    @given(scene=scenes())
    def test_images_go_with_their_messages_where_the_model_takes_them(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)
        bodies = {id: Body("quoted") for id in sent_ids(plan)} | bodies_of(branch, sent_ids(plan))

        filled = self.filled(plan, request, bodies)

        counts = {header.id: header.images for header in branch}
        draft = weigh(request.draft_attachments)[1].images
        sent = [entry for entry in plan.entries if entry.order is not None]
        expected = [
            (draft if entry.kind is Kind.DRAFT else counts.get(entry.id or "", 0)) if request.takes_images else 0
            for entry in sent
        ]
        assert expected == [len(message.images) for message in filled.payload]
        assert {IMAGE} >= {image for message in filled.payload for image in message.images}
        assert request.takes_images or IMAGE.sha256 not in sent_hashes(plan, bodies)

    @quick
    @given(scene=scenes())
    def test_it_says_how_many_messages_lose_attachments(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)

        def loses(images: int, others: int) -> bool:
            return others > 0 or (images > 0 and not request.takes_images)

        about = [warning for warning in plan.warnings if warning.code == "attachment_unsupported"]
        entries = {entry.id: entry for entry in messages_of(plan)}
        losing = [
            header.id
            for header in branch
            if loses(header.images, header.other_files)
            and (entries[header.id].order is not None or entries[header.id].reason is Reason.ATTACHMENT_UNSUPPORTED)
        ]
        draft = carried(Role.USER, request.draft_attachments if request.draft is not None else ())
        expected = len(losing) + loses(draft.images, draft.others)
        assert plan.error is not None or expected == sum(warning.count for warning in about)
        assert len(about) <= 1

    @quick
    @given(scene=scenes())
    def test_calls_and_results_are_sent_together(self, scene: Scene) -> None:
        branch, request = scene
        plan = self.strategy.plan(branch, request)
        bodies = {id: Body("quoted") for id in sent_ids(plan)} | bodies_of(branch, sent_ids(plan))

        filled = self.filled(plan, request, bodies)

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
            if not is_sendable(header, request) and not header.attachments:
                assert (Reason.ERROR if header.status == "failed" else Reason.EMPTY) == entry.reason
            elif not is_sendable(header, request):
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
            return expanded(request.draft or "", request.draft_attachments)
        case Kind.SUMMARY:
            return "Summary of"
        case Kind.TOOLS:
            return "cancelled"
        case _:
            body = bodies[entry.id or ""]
            results = [part.text for part in body.parts if isinstance(part, ToolResult)]
            if entry.role is Role.TOOL:
                return "\n".join(results)
            texts = [replace(each, data=CONTENTS[each.sha256]) for each in body.parts if isinstance(each, Attachment)]
            return expanded(body.text, texts)


def is_sendable(header: MessageHeader, request: Request) -> bool:
    """Whether this model can be sent anything of it."""
    return (
        header.is_sendable
        if request.takes_images
        else header._replace(attachments=0).is_sendable or (header.attachments > header.images + header.other_files)
    )


def reference_units(branch: Sequence[MessageHeader], plan: ContextPlan) -> list[list[Entry]]:
    """The entries of messages with a text, cut before each user message."""
    units: list[list[Entry]] = []
    for header, entry in zip(branch, messages_of(plan), strict=True):
        if entry.reason not in UNSENDABLE:
            if header.role is Role.USER or not units:
                units.append([])
            units[-1].append(entry)
    return units
