"""Sampling parameters: what each may be, who has a name for it, and what is said of those left out."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.provider import plan_of
from tests.samplings import ALL, SAMPLINGS
from tui_chat.core.sampling import (
    PARAMETERS,
    WIRE_NAMES,
    LeftOut,
    Sampling,
    on_the_wire,
    parameter,
    sampling_of,
    taken_at,
)
from tui_chat.core.sentences import dropped_sentence, sampling_sentence


def test_every_field_has_its_bounds_and_none_is_set_by_itself() -> None:
    assert [each.name for each in fields(Sampling)] == list(PARAMETERS)
    assert {} == Sampling().values


@given(SAMPLINGS)
def test_what_is_set_makes_the_same_again(sampling: Sampling) -> None:
    assert sampling == sampling_of(sampling.values)
    assert sampling.values == {name: parameter(name, repr(value)) for name, value in sampling.values.items()}


@given(st.sampled_from(list(PARAMETERS)), st.text(max_size=8) | st.floats().map(repr) | st.integers().map(str))
def test_any_text_is_a_value_within_its_bounds_or_refused(name: str, text: str) -> None:
    try:
        value = parameter(name, text)
    except ValueError:
        return

    assert (value is None and not text.strip()) or PARAMETERS[name].hold(value)


def test_a_whole_temperature_is_the_same_number_wherever_it_was_written() -> None:
    assert "1.0" == repr(sampling_of({"temperature": 1}).temperature) == repr(parameter("temperature", "1"))


def test_only_what_a_dialect_has_a_name_for_goes_out_by_that_name() -> None:
    wire = {dialect: list(on_the_wire(ALL, dialect)) for dialect in WIRE_NAMES}

    assert {
        "openai": ["temperature", "top_p", "top_k", "seed"],
        "anthropic": ["temperature", "top_p", "top_k"],
        "gemini": ["temperature", "topP", "topK", "seed"],
        "ollama": ["temperature", "top_p", "top_k", "seed"],
    } == wire


@pytest.mark.parametrize(
    ("host", "takes"),
    [("api.openai.com", False), ("me.openai.azure.com", False), ("127.0.0.1", True), ("notopenai.com", True)],
)
def test_openai_itself_has_no_top_k_and_the_compatible_may_have(host: str, takes: bool) -> None:
    assert takes is ("top_k" in taken_at("openai", host))


def test_the_guide_takes_none() -> None:
    assert () == taken_at("guide", "")


def test_what_is_sent_and_what_is_not_is_said_with_the_reason() -> None:
    plan = replace(plan_of("hi"), sampling=Sampling(temperature=0.7, top_p=0.9))
    left_out = (LeftOut("top_k", 40, refused=True), LeftOut("seed", 7, refused=False))

    assert "" == sampling_sentence(plan_of("hi"))
    assert "temperature 0.7, top_p 0.9" == sampling_sentence(plan)
    assert (
        "temperature 0.7, top_p 0.9 · not sent: top_k 40 (refused by the model before), "
        "seed 7 (the service has no such parameter)"
    ) == sampling_sentence(replace(plan, unsampled=left_out))


def test_a_drop_is_one_sentence_and_promises_only_what_is_kept() -> None:
    dropped = LeftOut("temperature", 0.7, refused=True)

    assert [
        "gpt-x takes no temperature 0.7: it was left out, and will be from now on.",
        "gpt-x takes no temperature 0.7: it was left out.",
    ] == [dropped_sentence("gpt-x", dropped, remembered=remembered) for remembered in (True, False)]
    assert "\x1b" not in dropped_sentence("\x1b[2J", dropped, remembered=True)
