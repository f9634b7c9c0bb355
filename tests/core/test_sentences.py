from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core.context import ContextPlan, Limit, PlanError, TokenBudget, Totals, Warning
from tui_chat.core.sentences import (
    banner_forms,
    cut_sentence,
    error_sentence,
    gauge_sentence,
    is_grave,
    short_warning,
    warning_forms,
    warning_sentence,
)


def noon(instant: int) -> str:
    return "12:40, 3 May"


def plan(
    *, sent: int, not_sent: int, tokens: int, assumed: bool = False, error: PlanError | None = None
) -> ContextPlan:
    budget = TokenBudget(context_window=32_000, assumed=assumed, reserved_for_reply=4_000, margin=0.0, input=28_000)
    return ContextPlan("window", budget, (), Totals(sent, not_sent, tokens), error=error)


@pytest.mark.parametrize(
    ("warning", "sentence"),
    [
        (
            Warning("before_window", 34, 54, 1, Limit.MESSAGES),
            "34 of 54 earlier messages are not sent (older than 12:40, 3 May). The model cannot see them.",
        ),
        (
            Warning("before_window", 1, 21, 1, Limit.MESSAGES),
            "1 of 21 earlier messages is not sent (older than 12:40, 3 May). The model cannot see it.",
        ),
        (Warning("before_window", 54, 54), "None of the 54 earlier messages is sent. The model cannot see them."),
        (Warning("before_window", 1, 1), "The only earlier message is not sent. The model cannot see it."),
        (
            Warning("last_answer_not_sent", 1_234, 1_234, None, Limit.TOKENS),
            "Not even the last answer is sent: none of the 1,234 earlier messages fits. The model cannot see them.",
        ),
        (
            Warning("last_answer_not_sent", 1, 1, None, Limit.TOKENS),
            "Not even the last answer is sent: the only earlier message does not fit. The model cannot see it.",
        ),
        (Warning("pin_no_room", 1, 54), "A pinned message does not fit and is not sent."),
        (Warning("pin_no_room", 2, 54), "2 pinned messages do not fit and are not sent."),
        (Warning("excluded", 1, 54), "1 message is excluded and not sent."),
        (Warning("excluded", 2, 54), "2 messages are excluded and not sent."),
        (
            Warning("summarised", 34, 54, 1, model="llama3.1", tokens=310),
            "34 messages are sent only as a summary (made 12:40, 3 May by llama3.1, 310 tokens). Details may be lost.",
        ),
        (
            Warning("not_summarised", 34, 54, 1, Limit.MESSAGES, why="the summary request failed"),
            "34 of 54 earlier messages are not sent and not summarised (the summary request failed). "
            "The model cannot see them.",
        ),
        (
            Warning("not_summarised", 1, 54, 1, why="due"),
            "1 of 54 earlier messages is not sent and not summarised yet. The model cannot see it.",
        ),
        (
            Warning("not_summarised", 2, 54, 1, why="invalid"),
            "2 of 54 earlier messages are not sent and not summarised: what the summary was made from has changed. "
            "The model cannot see them.",
        ),
        (Warning("not_found", 28, 54, 1, found=6), "34 older messages: 6 found relevant are sent, 28 are not."),
        (Warning("not_found", 1, 54, 1, found=1), "2 older messages: 1 found relevant is sent, 1 is not."),
        (
            Warning("not_found", 34, 54, 1),
            "34 of 54 earlier messages are not sent: nothing relevant was found among them. The model cannot see them.",
        ),
        (
            Warning("not_searched", 34, 54, 1, why="building"),
            "34 of 54 earlier messages are not sent: the index is being built. The model cannot see them.",
        ),
        (Warning("attachment_unsupported", 2, 54), "Files of 2 messages are not sent."),
        (Warning("attachment_unsupported", 1, 54), "Files of a message are not sent."),
    ],
)
def test_a_warning_says_how_many_of_how_many_and_since_when(warning: Warning, sentence: str) -> None:
    assert warning_sentence(warning, time=noon) == sentence


@settings(max_examples=50)
@given(
    st.sampled_from(
        [
            "before_window",
            "last_answer_not_sent",
            "pin_no_room",
            "excluded",
            "not_summarised",
            "not_found",
            "not_searched",
        ]
    ),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.none() | st.integers(0, 10**12),
)
def test_shorter_forms_are_shorter_and_the_last_says_how_many(
    code: str, count: int, more: int, since: int | None
) -> None:
    forms = warning_forms(Warning(code, count, count + more, since), time=noon)
    lengths = [len(form) for form in forms]

    assert lengths == sorted(set(lengths), reverse=True)
    assert forms[-1] == f"{count:,} not sent"


@pytest.mark.parametrize("code", ["not_summarised", "not_found", "not_searched"])
def test_in_a_narrow_line_the_reason_goes_before_the_fact_does(code: str) -> None:
    assert "10 of 16 earlier messages are not sent." == warning_forms(Warning(code, 10, 16))[-2]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            PlanError("fixed_over_budget", 9_400, 8_192, "system prompt and this message"),
            "Not sent: system prompt and this message need ~9,400 of 8,192 tokens.",
        ),
        (
            PlanError("fixed_over_budget", 9_400, 8_192, "this message"),
            "Not sent: this message needs ~9,400 of 8,192 tokens.",
        ),
        (
            PlanError("over_budget", 9_400, 8_192),
            "Not sent: the whole conversation and this message need ~9,400 of 8,192 tokens.",
        ),
        (
            PlanError("no_room", 300, 256),
            "Not sent: the model's context window of 256 tokens is too small for any message.",
        ),
        (PlanError("empty_draft"), "Not sent: the message is empty."),
    ],
)
def test_an_error_says_what_does_not_fit(error: PlanError, sentence: str) -> None:
    assert error_sentence(error) == sentence


def test_the_gauge_says_what_is_sent_of_what_was_said() -> None:
    sentences = [
        gauge_sentence(plan(sent=54, not_sent=0, tokens=5_900)),
        gauge_sentence(plan(sent=20, not_sent=34, tokens=5_900)),
        gauge_sentence(plan(sent=0, not_sent=0, tokens=7, assumed=True)),
        gauge_sentence(plan(sent=0, not_sent=54, tokens=0, error=PlanError("over_budget", 29_000, 28_000))),
    ]

    assert sentences == [
        "All 54 messages sent · ~5,900 of 28,000 tokens",
        "20 of 54 messages sent · ~5,900 of 28,000 tokens",
        "No earlier messages · ~7 of 28,000 tokens (window assumed)",
        "0 of 54 messages sent · ~29,000 of 28,000 tokens",
    ]


def test_only_what_was_to_be_there_and_is_not_must_stay_in_sight() -> None:
    many, wish = Warning("before_window", 9, 9), Warning("excluded", 9, 9)
    grave, pin = Warning("last_answer_not_sent", 2, 9), Warning("pin_no_room", 2, 9)

    assert [is_grave((many, wish)), is_grave((many, grave)), is_grave((many, pin)), is_grave(())] == [
        False,
        True,
        True,
        False,
    ]
    assert short_warning(many) == "9 not sent"


def test_a_banner_of_several_reasons_names_each_then_adds_them_up() -> None:
    window, wish = Warning("before_window", 34, 54, 1, Limit.MESSAGES), Warning("excluded", 2, 54)

    assert banner_forms((wish, window), time=noon) == (
        "34 of 54 earlier messages are not sent (older than 12:40, 3 May). The model cannot see them. "
        "2 messages are excluded and not sent.",
        "34 of 54 earlier messages are not sent. 2 messages are excluded and not sent.",
        "36 of 54 earlier messages are not sent. The model cannot see them.",
        "36 of 54 earlier messages are not sent.",
        "36 not sent",
    )


def test_a_banner_of_several_reasons_never_loses_the_last_answer() -> None:
    grave, pin = Warning("last_answer_not_sent", 2, 4, None, Limit.TOKENS), Warning("pin_no_room", 2, 4)

    forms = banner_forms((grave, pin))

    assert all("Not even the last answer is sent" in form for form in forms[:-1])
    assert forms[-1] == "4 not sent"


def test_a_banner_of_one_reason_is_that_warning() -> None:
    warning = Warning("before_window", 34, 54, 1, Limit.MESSAGES)

    assert banner_forms((warning,), time=noon) == warning_forms(warning, time=noon)
    assert banner_forms(()) == ()


@settings(max_examples=50)
@given(
    st.lists(
        st.builds(
            Warning,
            st.sampled_from(["before_window", "last_answer_not_sent", "pin_no_room", "excluded"]),
            st.integers(1, 50),
            st.just(200),
        ),
        unique_by=lambda warning: warning.code,
        min_size=1,
    )
)
def test_shorter_banners_are_shorter_and_the_last_counts_all(warnings: list[Warning]) -> None:
    forms = banner_forms(warnings, time=noon)
    lengths = [len(form) for form in forms]

    assert lengths == sorted(lengths, reverse=True)
    assert forms[-1] == f"{sum(warning.count for warning in warnings):,} not sent"


@pytest.mark.parametrize(
    ("real", "sentence"),
    [
        (
            2048,
            "The server counted 2,048 tokens of ~5,900 sent: it has probably cut the beginning (context of 2,048?).",
        ),
        (1873, "The server counted 1,873 tokens of ~5,900 sent: it has probably cut the beginning."),
    ],
)
def test_a_cut_is_said_with_both_figures(real: int, sentence: str) -> None:
    assert cut_sentence(5900, real) == sentence


def test_attachments_are_told_of_beside_what_is_not_sent() -> None:
    window, files = Warning("before_window", 34, 54), Warning("attachment_unsupported", 2, 54)

    forms = banner_forms((window, files), time=noon)

    assert forms[0].endswith("Files of 2 messages are not sent.")
    assert forms[-1] == "34 not sent; 2 with files not sent"
    assert all("iles" in form for form in forms)


def test_a_summary_and_what_it_does_not_hold_add_up() -> None:
    held, newer = Warning("summarised", 20, 54, 1, model="m", tokens=9), Warning("not_summarised", 14, 54, 1, why="due")

    forms = banner_forms((held, newer), time=noon)

    assert forms[0].startswith("20 messages are sent only as a summary (made 12:40, 3 May by m, 9 tokens).")
    assert forms[-1] == "34 not sent"
