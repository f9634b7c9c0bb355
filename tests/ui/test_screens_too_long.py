"""A text that is too long by itself: what of it fits, and what is offered."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from tests.ui.plans import plan_of
from tests.ui.reading import seen
from tests.ui.screen_fakes import SMALL, USUAL, Host, burst, settle, words
from tui_chat.core.context import PlanError
from tui_chat.core.tokens import measure
from tui_chat.ui.screens.too_long import Cut, TooLongScreen, head_of, most, tail_of

ERROR = PlanError("fixed_over_budget", needed=9_400, room=8_192, parts="system prompt and this message")


def at_most(tokens: int) -> Callable[[str], bool]:
    return lambda text: measure(text).tokens <= tokens


# -- what fits ---------------------------------------------------------------------------------


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_the_most_that_fits_is_found(length: int, limit: int) -> None:
    limit = min(limit, length - 1)

    assert limit == most(length, lambda tried: tried <= limit)


def test_a_large_text_is_never_measured_as_a_whole() -> None:
    tried: list[int] = []

    def fits(length: int) -> bool:
        tried.append(length)
        return length <= 5_000

    assert 5_000 == most(10_000_000, fits)
    assert max(tried) <= 4 * 5_000
    assert len(tried) < 25


@given(st.text(alphabet="ab \n漢🙂", min_size=1, max_size=400), st.integers(1, 60))
def test_both_ends_fit_and_nothing_of_the_text_is_lost(text: str, tokens: int) -> None:
    fits = at_most(tokens)
    if fits(text):
        return

    head, tail = head_of(text, fits), tail_of(text, fits)
    assert text.split() == f"{head.sent} {head.left}".split() or text == head.sent + head.left
    assert text.split() == f"{tail.left} {tail.sent}".split() or text == tail.left + tail.sent
    assert fits(head.sent)
    assert fits(tail.sent)
    assert text.startswith(head.sent)
    assert text.endswith(tail.sent)


def test_a_cut_is_made_between_words_where_one_is_near() -> None:
    text = "several words of it " * 30
    head, tail = head_of(text, at_most(50)), tail_of(text, at_most(50))

    assert set(head.sent.split()) == set(tail.sent.split()) == {"several", "words", "of", "it"}
    assert not at_most(50)(f"{head.sent} several words")
    assert not at_most(50)(f"words of {tail.sent}")


def test_a_text_without_spaces_is_cut_where_it_must_be() -> None:
    head = head_of("x" * 400, at_most(50))

    assert at_most(50)(head.sent)
    assert not at_most(50)(head.sent + "x")


def test_where_nothing_fits_nothing_is_sent() -> None:
    assert Cut("", "some words") == head_of("some words", lambda text: False)
    assert Cut("", "some words") == tail_of("some words", lambda text: False)


# -- the screen ------------------------------------------------------------------------------------


@asynccontextmanager
async def asked(
    text: str, fits: Callable[[str], bool], *, size: tuple[int, int] = USUAL
) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host(lambda: TooLongScreen(text, plan_of(error=ERROR), fits))
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await settle(pilot)
        yield app, pilot


async def measured(app: Host, pilot: Pilot[Any]) -> None:
    await app.workers.wait_for_complete([each for each in app.workers if each.group == "cut"])
    await settle(pilot)


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_it_says_how_many_tokens_are_too_many_and_offers_both_ends(size: tuple[int, int]) -> None:
    async with asked("one two three " * 40, at_most(50), size=size) as (app, pilot):
        await measured(app, pilot)
        text = words(app)

        assert "system prompt and this message need ~9,400 of 8,192 tokens. That is ~1,208 too many." in text
        assert "Send only its first" in text
        assert "Send only its last" in text
        assert "What is not sent stays in the prompt." in text


async def test_enter_goes_back_first_so_that_one_meant_for_the_prompt_cuts_nothing() -> None:
    async with asked("one two three " * 40, at_most(50)) as (app, pilot):
        await measured(app, pilot)
        await burst(pilot, "enter")

        assert [None] == app.results


async def test_going_back_does_not_wait_for_the_measuring() -> None:
    gate = threading.Event()

    def fits(text: str) -> bool:
        gate.wait(20)
        return False

    async with asked("one two three " * 400, fits) as (app, pilot):
        assert "Measuring what would fit" in words(app)
        await burst(pilot, "escape")
        results = list(app.results)
        gate.set()
        await settle(pilot)

        assert [None] == results


async def test_where_no_part_fits_only_the_way_back_is_offered() -> None:
    async with asked("one two three " * 40, lambda text: False) as (app, pilot):
        await measured(app, pilot)

        assert "No part of it fits" in words(app)
        assert "Send only" not in seen(app)
