"""Files in a plan: what is sent of them is counted, what is not is told of, and the payload holds exactly that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attached import attached, picture, png
from tests.memory.branches import IMAGE, IMAGE_TOKENS, PDF, TEXT, chat, marked, with_files
from tui_chat.core.context import ContextPlan, Kind, PayloadMessage, PlanError, Reason, Warning
from tui_chat.core.headers import header_of
from tui_chat.core.models import Attachment, Message, MessageHeader, Part, Role, Thinking, ToolCall, ToolResult
from tui_chat.core.ports import Body
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS, measure
from tui_chat.memory import STRATEGIES, Request, Strategy, sent_hashes, sent_ids, strategy, with_payload
from tui_chat.memory.budget import CALIBRATED_DENSE_MARGIN, CALIBRATED_MARGIN

window = strategy("window")
ROOMY = Request(context_window=1_000_000, draft="And now?")
SEES = replace(ROOMY, takes_images=True)


@pytest.fixture(params=STRATEGIES, ids=lambda known: known.name)
def any_strategy(request: pytest.FixtureRequest) -> Strategy:
    strategy: Strategy = request.param
    return strategy


def reasons(plan: ContextPlan) -> list[Reason]:
    return [entry.reason for entry in plan.entries if entry.kind is Kind.MESSAGE]


def lost(plan: ContextPlan) -> list[Warning]:
    return [warning for warning in plan.warnings if warning.code == "attachment_unsupported"]


def with_some(spelled: str, **files: dict[int, int]) -> list[MessageHeader]:
    """A chat with files of each kind at those places."""
    branch = chat(spelled)
    for place in {place for places in files.values() for place in places}:
        branch[place] = with_files(branch[place], **{kind: at.get(place, 0) for kind, at in files.items()})
    return branch


# -- what is sent, and what is told ---------------------------------------------------------------


def test_text_files_are_sent_whatever_the_model_takes() -> None:
    plan = window.plan(with_some("ua ua", texts={0: 2, 2: 1}), ROOMY)

    assert ([Reason.WINDOW] * 4, []) == (reasons(plan), lost(plan))


def test_images_are_counted_where_they_are_sent_and_told_of_where_not() -> None:
    branch = with_some("ua ua", images={0: 2, 2: 1})
    plain = window.plan(chat("ua ua"), ROOMY)

    blind, seeing = window.plan(branch, ROOMY), window.plan(branch, SEES)

    assert ([Warning("attachment_unsupported", 2, 4)], []) == (lost(blind), lost(seeing))
    assert (0, 3 * IMAGE_TOKENS) == tuple(plan.totals.tokens - plain.totals.tokens for plan in (blind, seeing))
    assert (0, 3 * IMAGE_TOKENS) == tuple(plan.uncorrected - plain.uncorrected for plan in (blind, seeing))


def test_the_factor_of_a_models_texts_says_nothing_of_images() -> None:
    branch = with_some("ua", images={0: 1})

    tokens = [window.plan(branch, replace(SEES, factor=factor)).entries[0].tokens for factor in (1.0, 2.0)]

    assert [6 + MESSAGE_TOKENS + IMAGE_TOKENS, 2 * (6 + MESSAGE_TOKENS) + IMAGE_TOKENS] == tokens


def test_what_no_model_takes_is_told_of_and_its_text_is_sent() -> None:
    plan = window.plan(with_some("ua ua", others={0: 1}, texts={2: 1}), SEES)

    assert ([Reason.WINDOW] * 4, [Warning("attachment_unsupported", 1, 4)]) == (reasons(plan), lost(plan))


@pytest.mark.parametrize(
    ("letter", "blind", "seeing"),
    [
        ("f", Reason.WINDOW, Reason.WINDOW),
        ("i", Reason.ATTACHMENT_UNSUPPORTED, Reason.WINDOW),
        ("p", Reason.ATTACHMENT_UNSUPPORTED, Reason.ATTACHMENT_UNSUPPORTED),
    ],
)
def test_a_message_of_a_file_alone_is_sent_where_the_file_is(letter: str, blind: Reason, seeing: Reason) -> None:
    branch = chat(f"ua {letter}a")

    assert [blind, seeing] == [reasons(window.plan(branch, request))[2] for request in (ROOMY, SEES)]
    assert [blind is not Reason.WINDOW, seeing is not Reason.WINDOW] == [
        bool(lost(window.plan(branch, request))) for request in (ROOMY, SEES)
    ]


def test_the_answer_to_what_is_not_sent_never_begins_the_window() -> None:
    branch, request = chat("ua ia ua"), replace(ROOMY, max_messages=3)

    blind, seeing = window.plan(branch, request), window.plan(branch, replace(request, takes_images=True))

    before, sent = Reason.BEFORE_WINDOW, Reason.WINDOW
    assert [before, before, Reason.ATTACHMENT_UNSUPPORTED, before, sent, sent] == reasons(blind)
    assert Warning("before_window", 3, 5, since=4000, limit=blind.warnings[0].limit) == blind.warnings[0]
    assert [before, before, before, before, sent, sent] == reasons(seeing)


def test_files_of_messages_that_are_not_sent_anyway_are_not_told_of() -> None:
    branch = with_some("ua ua", images={0: 1}, others={0: 1})

    before = window.plan(branch, replace(ROOMY, max_messages=2))
    excluded = window.plan(marked(branch, excluded=[1]), ROOMY)

    assert [["before_window"], ["excluded"]] == [[each.code for each in plan.warnings] for plan in (before, excluded)]


def test_an_image_takes_room_like_any_message(any_strategy: Strategy) -> None:
    branch = with_some("ua ua ua", images={0: 1, 2: 1, 4: 1})
    request = replace(SEES, context_window=1600, reserved_for_reply=0, max_messages=99, margin=0.0)

    blind = any_strategy.plan(branch, replace(request, context_window=350, takes_images=False))
    seeing = any_strategy.plan(branch, replace(request, context_window=350))

    assert blind.error is None
    assert 6 == blind.totals.sent
    assert seeing.totals.sent < 6
    assert seeing.totals.tokens <= seeing.budget.input


# -- the draft ----------------------------------------------------------------------------------


def test_a_drafts_files_are_counted_as_they_will_be_sent() -> None:
    files = (TEXT, IMAGE, PDF)
    bare = window.plan((), ROOMY)

    blind = window.plan((), replace(ROOMY, draft_attachments=files))
    seeing = window.plan((), replace(SEES, draft_attachments=files))

    sent = with_payload(seeing, system_prompt=None, bodies={}, draft=ROOMY.draft, draft_attachments=files).payload[0]
    assert 0 <= blind.totals.tokens - REQUEST_TOKENS - MESSAGE_TOKENS - measure(sent.content).tokens <= 2
    assert IMAGE_TOKENS == seeing.totals.tokens - blind.totals.tokens
    assert bare.totals.tokens < blind.totals.tokens
    assert [[Warning("attachment_unsupported", 1, 1)]] * 2 == [lost(blind), lost(seeing)]
    assert [] == lost(window.plan((), replace(SEES, draft_attachments=(TEXT, IMAGE))))


@pytest.mark.parametrize(
    ("files", "blind", "seeing"),
    [((), True, True), ((TEXT,), False, False), ((IMAGE,), True, False), ((PDF,), True, True)],
)
def test_a_draft_without_words_is_sent_where_one_of_its_files_is(
    any_strategy: Strategy, files: tuple[Attachment, ...], blind: bool, seeing: bool
) -> None:
    requests = [replace(each, draft=" \n", draft_attachments=files) for each in (ROOMY, SEES)]

    errors = [any_strategy.plan(chat("ua"), request).error for request in requests]

    assert [PlanError("empty_draft") if is_empty else None for is_empty in (blind, seeing)] == errors


def test_files_too_large_for_the_window_are_an_error_that_names_the_message(any_strategy: Strategy) -> None:
    for files, request in (((attached("word " * 9000),), ROOMY), ((picture(2000, 2000),) * 3, SEES)):
        plan = any_strategy.plan((), replace(request, context_window=8192, draft_attachments=files))

        assert plan.error is not None
        assert ("fixed_over_budget", "this message") == (plan.error.code, plan.error.parts)


def test_without_a_draft_there_are_no_files_of_it() -> None:
    request = replace(SEES, draft=None)

    assert window.plan(chat("ua"), request) == window.plan(chat("ua"), replace(request, draft_attachments=(PDF, IMAGE)))


def test_a_file_of_numbers_takes_the_margin_of_dense_texts() -> None:
    numbers = attached('{"a7":"9f3c-81","b2":[4,81,22]}\n' * 200, "application/json")
    words = attached("some plain words of a text\n" * 400)
    known = replace(ROOMY, context_window=20_000, calibrated=True, draft="What is in it?")

    margins = [window.plan((), replace(known, draft_attachments=(file,))).budget.margin for file in (numbers, words)]
    header = header_of(Message("m0", None, Role.USER, "What is in it?", 0, parts=(numbers,)))

    assert [CALIBRATED_DENSE_MARGIN, CALIBRATED_MARGIN] == margins
    assert CALIBRATED_DENSE_MARGIN == window.plan((header,), known).budget.margin


# -- the payload ----------------------------------------------------------------------------------

BLOCK = "[Attached file: notes.txt]\n```\nsome text\n```"


def payload(plan: ContextPlan, bodies: dict[str, Body], draft: str | None = None, **more: object) -> ContextPlan:
    return with_payload(plan, system_prompt=None, bodies=bodies, draft=draft, **more)  # type: ignore[arg-type]


def test_the_payload_expands_texts_and_holds_images_and_nothing_of_other_files() -> None:
    branch = with_some("ua", texts={0: 1, 1: 1}, images={0: 1}, others={0: 1, 1: 1})
    wrong = replace(IMAGE, mime="image/jpg", name="b.png")
    files = (PDF, IMAGE, TEXT)
    bodies = {
        "m0": Body("Look.", tuple(each.unloaded() for each in (*files, wrong))),
        "m1": Body("Seen.", (Thinking("hm"), *(each.unloaded() for each in files))),
    }
    plan = window.plan(branch, replace(SEES, draft_attachments=(wrong, TEXT)))

    needed = sent_hashes(plan, bodies)
    contents = {each.sha256: each.data for each in (TEXT, IMAGE)}
    sent = payload(plan, bodies, "And now?", contents=contents, draft_attachments=(wrong, TEXT)).payload

    assert sorted(contents) == sorted(needed)
    assert (
        PayloadMessage(Role.USER, f"Look.\n\n{BLOCK}", images=(IMAGE, replace(wrong, mime="image/png"))),
        PayloadMessage(Role.ASSISTANT, f"Seen.\n\n{BLOCK}"),
        PayloadMessage(Role.USER, f"And now?\n\n{BLOCK}", images=(replace(wrong, mime="image/png"),)),
    ) == sent


def test_a_model_without_eyes_is_sent_no_image_and_none_is_read() -> None:
    bodies = {"m0": Body("Look.", (IMAGE.unloaded(),)), "m1": Body("Seen.")}
    plan = window.plan(with_some("ua", images={0: 1}), replace(ROOMY, draft_attachments=(IMAGE,)))

    assert [] == sent_hashes(plan, bodies)
    assert [()] * 3 == [each.images for each in payload(plan, bodies, "x", draft_attachments=(IMAGE,)).payload]


def test_only_contents_of_what_is_sent_are_asked_for() -> None:
    texts = [attached(f"text {place}") for place in range(4)]
    bodies = {f"m{place}": Body("", (file.unloaded(),)) for place, file in enumerate(texts)}
    plan = window.plan(with_some("ua ua", texts=dict.fromkeys(range(4), 1)), replace(ROOMY, max_messages=2))

    assert [texts[2].sha256, texts[3].sha256] == sent_hashes(plan, {id: bodies[id] for id in sent_ids(plan)})


def test_a_missing_content_is_never_sent_as_an_empty_one() -> None:
    bodies = {"m0": Body("Look.", (TEXT.unloaded(),)), "m1": Body("Seen.")}

    with pytest.raises(KeyError):
        payload(window.plan(with_some("ua", texts={0: 1}), replace(ROOMY, draft=None)), bodies)


def test_results_of_tools_are_sent_alone() -> None:
    branch = [*chat("uat")]
    body = Body("found", (ToolResult("c2", "found"), TEXT.unloaded()))
    plan = window.plan(branch, replace(SEES, draft=None))

    assert [] == sent_hashes(plan, {"m0": Body("u"), "m1": Body("a"), "m2": body})
    sent = payload(plan, {"m0": Body("u"), "m1": Body("a", (ToolCall("c2", "look", "{}"),)), "m2": body}).payload
    assert PayloadMessage(Role.TOOL, "found", results=(ToolResult("c2", "found"),)) == sent[2]


FILES = st.sampled_from(
    [TEXT, IMAGE, PDF, attached(""), attached("```\n````", "application/json", "a.json"), attached(png(), "text/plain")]
)
PARTS: st.SearchStrategy[Part] = FILES | st.builds(Thinking, st.text()) | st.just(ToolCall("1", "look", '{"at":"it"}'))


@given(st.text(max_size=30), st.lists(PARTS, max_size=4), st.sampled_from([Role.USER, Role.ASSISTANT]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_headers_tokens_are_those_of_what_is_sent(text: str, parts: list[Part], role: Role, sees: bool) -> None:
    calls = [part for part in parts if isinstance(part, ToolCall)] if role is Role.ASSISTANT else []
    parts = [part for part in parts if not isinstance(part, ToolCall) or role is Role.ASSISTANT]
    header = header_of(Message("m0", None, role, text, 0, parts=tuple(parts)))
    plan = strategy("full").plan((header,), replace(ROOMY, draft=None, takes_images=sees))
    body = Body(text, tuple(parts))

    entry = plan.entries[0]

    if entry.sent:
        sent = payload(plan, {"m0": body}).payload[0]
        said = "\n".join([sent.content, *(each for call in calls for each in (call.name, call.arguments))])
        images = len(sent.images) * IMAGE_TOKENS
        assert measure(said).tokens + MESSAGE_TOKENS + images == entry.tokens
    else:
        assert not text
        assert not calls
        assert not any(isinstance(part, Attachment) and part in (TEXT, attached("")) for part in parts)
