"""Prices of requests, and the words for them: nothing is called free that is only unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.core import catalogue
from tui_chat.core.catalogue import ModelFacts
from tui_chat.core.prices import (
    Price,
    Span,
    money,
    money_over,
    price_details,
    price_of,
    price_sentence,
    tokens_over,
)

FACTS = ModelFacts(input_price=2.0, output_price=10.0, cached_price=0.5, prices_up_to=200_000)

counts = st.integers(0, 10**12)
facts_known = st.builds(
    ModelFacts,
    input_price=st.floats(0, 1000),
    output_price=st.floats(0, 1000),
    cached_price=st.none() | st.floats(0, 1000),
    prices_up_to=st.none() | st.integers(1, 10**7),
)

# -- prices ---------------------------------------------------------------------------------------


def test_a_price_is_that_of_a_million_tokens_shared_out() -> None:
    assert Price(0.002) == price_of(FACTS, 1_000)
    assert Price(0.012) == price_of(FACTS, 1_000, 1_000)
    assert Price(2.0) == price_of(replace(FACTS, prices_up_to=None), 1_000_000)


def test_what_the_service_had_in_its_cache_is_cheaper_and_counted_once() -> None:
    assert Price(0.0005) == price_of(FACTS, 1_000, 0, 1_000)
    assert Price(0.00125) == price_of(FACTS, 1_000, 0, 500)


def test_cached_tokens_without_a_price_of_their_own_cost_as_much_as_any() -> None:
    assert Price(0.002) == price_of(replace(FACTS, cached_price=None), 1_000, 0, 500)


def test_no_more_was_in_the_cache_than_was_sent_whatever_the_server_says() -> None:
    assert price_of(FACTS, 1_000, 0, 1_000) == price_of(FACTS, 1_000, 0, 10**12)


@pytest.mark.parametrize("facts", [None, ModelFacts(), ModelFacts(context_window=8192), ModelFacts(output_price=1.0)])
def test_an_unknown_price_is_none_and_not_nothing(facts: ModelFacts | None) -> None:
    assert None is price_of(facts, 1_000, 1_000)


def test_without_a_price_of_the_reply_only_a_request_without_one_has_a_price() -> None:
    facts = replace(FACTS, output_price=None)

    assert Price(0.002) == price_of(facts, 1_000)
    assert None is price_of(facts, 1_000, 1)


def test_a_prompt_longer_than_the_prices_hold_for_costs_at_least_so_much() -> None:
    assert Price(0.4) == price_of(FACTS, 200_000)
    assert Price(0.400002, at_least=True) == price_of(FACTS, 200_001)


@settings(deadline=None)
@given(facts_known, counts, counts, counts)
def test_a_price_is_the_sum_of_its_parts(facts: ModelFacts, sent: int, answered: int, cached: int) -> None:
    whole = price_of(facts, sent + cached, answered, cached)
    parts = (price_of(facts, sent), price_of(facts, cached, 0, cached), price_of(facts, 0, answered))

    assert whole is not None
    assert pytest.approx(whole.usd, rel=1e-12, abs=1e-12) == sum(part.usd for part in parts if part is not None)


@settings(deadline=None)
@given(facts_known, counts, counts, counts)
def test_more_tokens_never_cost_less(facts: ModelFacts, sent: int, answered: int, more: int) -> None:
    price, dearer = price_of(facts, sent, answered), price_of(facts, sent + more, answered + more)

    assert price is not None
    assert dearer is not None
    assert price.usd <= dearer.usd


# -- money ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0.0, "$0.00"),
        (1e-12, "<$0.001"),
        (0.00099, "<$0.001"),
        (0.001, "$0.001"),
        (0.0021, "$0.002"),
        (0.02, "$0.02"),
        (0.075, "$0.075"),
        (0.5, "$0.50"),
        (0.125, "$0.125"),
        (0.9994, "$0.999"),
        (0.9996, "$1.00"),
        (1.0, "$1.00"),
        (1.236, "$1.24"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money_has_as_many_places_as_it_needs(usd: float, text: str) -> None:
    assert text == money(usd)


@settings(deadline=None)
@given(st.floats(0.001, 1e7))
def test_money_is_shown_within_half_of_its_last_place(usd: float) -> None:
    shown = float(money(usd).removeprefix("$").replace(",", ""))

    assert shown == pytest.approx(usd, abs=0.0005000001 if usd < 1 else 0.005000001)


# -- the next request ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "sentence"),
    [
        (Price(0.021), "~$0.021 + reply"),
        (Price(0.0002), "<$0.001 + reply"),
        (Price(0.4, at_least=True), "over $0.40 + reply"),
    ],
)
def test_the_price_of_a_request_leaves_its_reply_open(price: Price, sentence: str) -> None:
    assert sentence == price_sentence(price)


def test_details_name_the_day_and_the_source_of_the_prices() -> None:
    assert (
        f"List prices of {catalogue.DATE} ({catalogue.SOURCE}) for a million tokens: "
        "$2.00 sent, $0.50 from the service's cache, $10.00 of reply. The service's own bill counts."
    ) == price_details(FACTS, Price(0.02))


def test_details_leave_out_what_is_not_known() -> None:
    assert "$2.00 sent, $10.00 of reply." in price_details(replace(FACTS, cached_price=None), Price(0.02))


def test_details_say_that_a_long_prompt_costs_more() -> None:
    said = "For more than 200,000 tokens the service charges more; how much is not known here."

    assert said in price_details(FACTS, Price(0.4, at_least=True))
    assert said not in price_details(FACTS, Price(0.4))


# -- over a limit -----------------------------------------------------------------------------------


def test_as_many_tokens_as_allowed_are_allowed_and_one_more_is_not() -> None:
    assert None is tokens_over(Span.DAY, 100_000, 100_000)
    sentence = "Not sent: this would be ~100,001 of the 100,000 tokens a day that you allowed."
    assert sentence == tokens_over(Span.DAY, 100_001, 100_000)


@pytest.mark.parametrize(("span", "words"), [(Span.CONVERSATION, "a conversation"), (Span.MONTH, "a month")])
def test_the_sentence_says_which_limit(span: Span, words: str) -> None:
    assert f"Not sent: this would be ~6 of the 5 tokens {words} that you allowed." == tokens_over(span, 6, 5)
    assert f"Not sent: this would be ~$6.00 of the $5.00 {words} that you allowed." == money_over(span, 6, 5)


def test_as_much_money_as_allowed_is_allowed_however_it_was_added_up() -> None:
    assert None is money_over(Span.DAY, sum([0.1] * 3), 0.3)
    assert None is money_over(Span.DAY, sum([0.01] * 100_000), 1_000)


def test_one_token_of_the_cheapest_model_more_is_too_much() -> None:
    rows = json.loads(files("tui_chat.core").joinpath("catalogue.json").read_bytes())["models"].values()
    cheapest = min(price for models in rows for row in models.values() for price in row[2:5] if price)

    assert None is not money_over(Span.MONTH, 100 + cheapest / 1_000_000, 100)


def test_a_little_over_is_not_said_as_so_much_of_the_same() -> None:
    sentence = "Not sent: this would be a little over the $1.00 a day that you allowed."
    assert sentence == money_over(Span.DAY, 1.0004, 1.0)


@pytest.mark.parametrize(
    ("unpriced", "words"), [(1, "1 request of unknown price"), (1_200, "1,200 requests of unknown price")]
)
def test_the_sentence_says_what_it_could_not_count(unpriced: int, words: str) -> None:
    sentence = f"Not sent: this would be ~$1.26 of the $1.00 a day that you allowed, without {words}."
    assert sentence == money_over(Span.DAY, 1.26, 1.0, unpriced=unpriced)


def test_a_limit_of_nothing_allows_nothing_but_what_costs_nothing() -> None:
    assert None is tokens_over(Span.DAY, 0, 0)
    assert None is money_over(Span.DAY, 0.0, 0.0)
    assert None is not tokens_over(Span.DAY, 1, 0)
    assert None is not money_over(Span.DAY, 0.0001, 0.0)
