"""What requests cost: the price before, the limits, and the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.fakes import FakeProviders, FixedClock, ScriptedProvider
from tui_chat.core import catalogue
from tui_chat.core.clock import DAY, MINUTE, from_rfc3339
from tui_chat.core.context import ContextPlan, PlanError, TokenBudget, Totals
from tui_chat.core.errors import StoreFailed
from tui_chat.core.models import Conversation, ModelRef, Usage
from tui_chat.core.ports import ConversationStore, Spending, Spent
from tui_chat.core.prices import Price, price_of
from tui_chat.core.settings import GUIDE_MODEL, Caps, Endpoint, Settings
from tui_chat.core.tokens import measure
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.spending import SpendingService

ENDPOINTS = (
    Endpoint("openai", "https://api.openai.com/v1"),
    Endpoint("home", "http://127.0.0.1:8080/v1"),
    Endpoint("lan", "http://192.168.1.20:8080/v1"),
    Endpoint("gateway", "https://models.example.org/v1"),
    Endpoint("odd", "not an address"),
)
PRICED = ModelRef("openai", "gpt-4o")
LONG = ModelRef("openai", "gpt-6.1-sol")
NEAR = ModelRef("home", "gpt-4o")
FACTS = catalogue.find("gpt-4o", endpoint_host="api.openai.com") or catalogue.ModelFacts()
NOON = from_rfc3339("2026-11-20T12:00:00Z")


def plan(tokens: int, error: PlanError | None = None) -> ContextPlan:
    """A plan of so many tokens."""
    budget = TokenBudget(128_000, assumed=False, reserved_for_reply=4_000, margin=0.0, input=124_000)
    return ContextPlan("window", budget, (), Totals(0, 0, tokens), error=error)


def usd(sent: int, answered: int = 0, cached: int = 0) -> float:
    """What so many tokens cost at the priced model."""
    price = price_of(FACTS, sent, answered, cached)
    assert price is not None
    return price.usd


class Purse:
    """A spending service with limits that can be changed, over a ledger that remembers what it was given."""

    def __init__(self, store: ConversationStore, caps: Caps | None = None) -> None:
        self.store = store
        self.settings = Settings(endpoints=ENDPOINTS, caps=caps or Caps())
        self.clock = FixedClock(NOON)
        endpoints = EndpointService(
            FakeProviders(ScriptedProvider()), store, lambda: self.settings, lambda _: None, {}, asks_consent=True
        )
        self.service = SpendingService(store, lambda: self.settings, endpoints, now=self.clock)

    def allow(self, **caps: Any) -> None:
        """Set these limits and no others."""
        self.settings = replace(self.settings, caps=Caps(**caps))

    async def spend(self, tokens: int, *, model: ModelRef = PRICED, conversation: str = "c1", at: int = NOON) -> None:
        """A request of so many tokens, at that instant."""
        before, self.clock.instant = self.clock.instant, at
        await self.service.record(conversation, model, plan(1), Usage(tokens, 0), "")
        self.clock.instant = before

    async def over(self, tokens: int, *, model: ModelRef = PRICED, conversation: str = "c1") -> str | None:
        """The sentence for the next request of so many tokens."""
        return await self.service.over(conversation, model, plan(tokens))


class Ledger:
    """A store that has only a ledger, to see what it is asked and given."""

    def __init__(self, spent: Spent | None = None) -> None:
        self.entries: list[Spending] = []
        self.questions: list[tuple[str | None, int]] = []
        self._spent = spent or Spent()

    async def add_spending(self, spending: Spending) -> None:
        self.entries.append(spending)

    async def spent(self, *, conversation_id: str | None = None, since: int = 0) -> Spent:
        self.questions.append((conversation_id, since))
        return self._spent


class BrokenLedger(Ledger):
    """One that cannot be written."""

    async def add_spending(self, spending: Spending) -> None:
        raise StoreFailed("The disk is full.")


@pytest.fixture
async def purse(store: ConversationStore) -> Purse:
    for name in ("c1", "c2"):
        await store.add_conversation(Conversation(name, "", NOON, NOON))
    return Purse(store)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def books(ledger: Ledger) -> Purse:
    """A purse over that ledger."""
    return Purse(cast(ConversationStore, ledger))


@contextmanager
def clock_in(zone: str) -> Iterator[None]:
    """This computer's clock shows the time of that zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(autouse=True)
def _in_utc() -> Iterator[None]:
    with clock_in("UTC"):
        yield


# -- the price of the next request ------------------------------------------------------------------


async def test_the_price_is_that_of_the_input_at_the_endpoints_own_list(books: Purse) -> None:
    assert Price(usd(4_000)) == await books.service.price(PRICED, plan(4_000))


@pytest.mark.parametrize(
    "model",
    [
        NEAR,
        GUIDE_MODEL,
        ModelRef("lan", "gpt-4o"),
        ModelRef("gateway", "gpt-4o"),
        ModelRef("openai", "my-own-model"),
        ModelRef("odd", "gpt-4o"),
        ModelRef("removed", "gpt-4o"),
    ],
    ids=str,
)
async def test_what_is_free_or_unknown_has_no_price(books: Purse, model: ModelRef) -> None:
    assert None is await books.service.price(model, plan(4_000))


async def test_what_is_not_sent_has_no_price(books: Purse) -> None:
    assert None is await books.service.price(PRICED, plan(4_000, PlanError("over_budget", 9_000, 8_000)))


async def test_a_prompt_too_long_for_the_listed_price_costs_at_least_so_much(books: Purse) -> None:
    facts = await books.service.facts(LONG)
    assert facts is not None
    assert facts.prices_up_to is not None

    within = await books.service.price(LONG, plan(facts.prices_up_to))
    above = await books.service.price(LONG, plan(facts.prices_up_to + 1))

    assert within is not None
    assert above is not None
    assert (False, True) == (within.at_least, above.at_least)


async def test_the_table_is_not_read_by_the_event_loop(books: Purse, monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[threading.Thread] = []
    monkeypatch.setattr(catalogue, "find", lambda *_, **__: readers.append(threading.current_thread()))

    await books.service.price(PRICED, plan(1))

    assert 1 == len(readers)
    assert threading.current_thread() not in readers


# -- limits -------------------------------------------------------------------------------------------


async def test_without_limits_the_ledger_is_not_asked(books: Purse, ledger: Ledger) -> None:
    assert None is await books.over(10**9)
    assert [] == ledger.questions


async def test_only_the_limits_that_are_set_are_asked_about(books: Purse, ledger: Ledger) -> None:
    books.allow(day_tokens=10**9)

    await books.over(1)

    assert [(None, from_rfc3339("2026-11-20T00:00:00Z"))] == ledger.questions


@pytest.mark.parametrize(("cap", "words"), [("conversation", "a conversation"), ("day", "a day"), ("month", "a month")])
async def test_a_limit_of_tokens_is_reached_exactly_and_not_passed(purse: Purse, cap: str, words: str) -> None:
    purse.allow(**{f"{cap}_tokens": 1_000})
    await purse.spend(900)

    sentence = f"Not sent: this would be ~1,001 of the 1,000 tokens {words} that you allowed."
    assert None is await purse.over(100)
    assert sentence == await purse.over(101)


@pytest.mark.parametrize(("cap", "words"), [("conversation", "a conversation"), ("day", "a day"), ("month", "a month")])
async def test_a_limit_of_money_is_reached_exactly_and_not_passed(purse: Purse, cap: str, words: str) -> None:
    purse.allow(**{f"{cap}_usd": usd(1_000_000)})
    for _ in range(9):
        await purse.spend(100_000)

    sentence = f"Not sent: this would be a little over the ${usd(1_000_000):.2f} {words} that you allowed."
    assert None is await purse.over(100_000)
    assert sentence == await purse.over(100_001)


async def test_the_answer_counts_when_it_is_there(purse: Purse) -> None:
    purse.allow(day_tokens=1_000)
    await purse.service.record("c1", PRICED, plan(1), Usage(400, 500), "")

    assert None is await purse.over(100)
    assert None is not await purse.over(101)


async def test_another_conversation_counts_for_the_day_and_not_for_this_conversation(purse: Purse) -> None:
    await purse.spend(1_000, conversation="c2")

    purse.allow(conversation_tokens=1_000)
    assert None is await purse.over(1_000)
    purse.allow(day_tokens=1_000)
    assert None is not await purse.over(1)


async def test_of_several_limits_the_first_one_is_named(purse: Purse) -> None:
    purse.allow(conversation_tokens=10**6, day_tokens=5, day_usd=0.0, month_tokens=5)

    assert "Not sent: this would be ~6 of the 5 tokens a day that you allowed." == await purse.over(6)


async def test_a_plan_that_is_not_sent_exceeds_nothing(purse: Purse) -> None:
    purse.allow(day_tokens=1)

    assert None is await purse.service.over("c1", PRICED, plan(9_000, PlanError("over_budget", 9_000, 8_000)))


async def test_the_guide_never_counts(purse: Purse) -> None:
    purse.allow(day_tokens=1, day_usd=0.0)
    await purse.spend(1_000, model=GUIDE_MODEL)

    assert None is await purse.over(1_000, model=GUIDE_MODEL)
    assert Spent() == await purse.store.spent()


async def test_a_model_near_by_counts_in_tokens_and_costs_no_money(purse: Purse) -> None:
    await purse.spend(1_000, model=NEAR)

    purse.allow(day_tokens=1_000)
    assert None is not await purse.over(1, model=NEAR)
    purse.allow(day_usd=0.0)
    assert None is await purse.over(1, model=NEAR)


async def test_who_has_spent_all_money_may_still_ask_a_model_without_a_price(purse: Purse) -> None:
    purse.allow(day_usd=usd(1_000))
    await purse.spend(2_000)

    assert None is not await purse.over(1)
    assert None is await purse.over(10**6, model=NEAR)


async def test_requests_of_unknown_price_are_named_where_a_limit_of_money_is_passed(purse: Purse) -> None:
    purse.allow(day_usd=1.0)
    await purse.spend(1_000, model=NEAR)
    await purse.spend(1_000, model=ModelRef("gateway", "m"))

    said = await purse.over(10**6)

    assert said is not None
    assert said.endswith("a day that you allowed, without 2 requests of unknown price.")


# -- days and months of this computer's clock -----------------------------------------------------------


async def test_at_local_midnight_the_day_begins_anew(purse: Purse) -> None:
    with clock_in("America/New_York"):
        purse.allow(day_tokens=10)
        midnight = from_rfc3339("2026-11-21T00:00:00-05:00")
        await purse.spend(10, at=midnight - 1)

        purse.clock.instant = midnight - 1
        assert None is not await purse.over(1)
        purse.clock.instant = midnight
        assert None is await purse.over(10)
        await purse.spend(10, at=midnight)
        assert None is not await purse.over(1)


async def test_on_the_first_the_month_begins_anew(purse: Purse) -> None:
    with clock_in("Asia/Tokyo"):
        purse.allow(month_tokens=10)
        first = from_rfc3339("2026-12-01T00:00:00+09:00")
        await purse.spend(10, at=first - 30 * DAY)

        purse.clock.instant = first - 1
        assert None is not await purse.over(1)
        purse.clock.instant = first
        assert None is await purse.over(10)


@pytest.mark.parametrize(
    ("zone", "moment", "began"),
    [
        # The clock went back, or forward, since midnight.
        ("America/New_York", "2026-11-01T12:00:00-05:00", "2026-11-01T00:00:00-04:00"),
        ("Europe/Berlin", "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00"),
        # There was no midnight: the day began at one.
        ("America/Sao_Paulo", "2018-11-04T12:00:00-02:00", "2018-11-04T01:00:00-02:00"),
        # There were two: the second half past midnight is still of the day that the first began.
        ("America/Havana", "2026-11-01T00:30:00-05:00", "2026-11-01T00:00:00-04:00"),
        ("America/Havana", "2026-11-01T12:00:00-05:00", "2026-11-01T00:00:00-04:00"),
        ("Asia/Kolkata", "2026-05-03T00:00:00+05:30", "2026-05-03T00:00:00+05:30"),
    ],
)
async def test_a_day_begins_once_whatever_the_clock_was_set_to(
    books: Purse, ledger: Ledger, zone: str, moment: str, began: str
) -> None:
    with clock_in(zone):
        books.allow(day_tokens=1)
        books.clock.instant = from_rfc3339(moment)

        await books.over(1)

    assert [(None, from_rfc3339(began))] == ledger.questions


async def test_a_month_begins_in_the_offset_of_its_first_day(books: Purse, ledger: Ledger) -> None:
    with clock_in("Europe/Berlin"):
        books.allow(month_tokens=1)
        books.clock.instant = from_rfc3339("2026-10-31T23:30:00+01:00")

        await books.over(1)

    assert [(None, from_rfc3339("2026-10-01T00:00:00+02:00"))] == ledger.questions


# -- the ledger ---------------------------------------------------------------------------------------


async def test_what_the_server_counted_is_entered_at_its_list_price(books: Purse, ledger: Ledger) -> None:
    books.clock.forward(5 * MINUTE)

    await books.service.record("c1", PRICED, plan(7), Usage(1_000, 200, 600), "an answer")

    assert [
        Spending(NOON + 5 * MINUTE, "c1", "openai/gpt-4o", 1_000, 200, 600, usd(1_000, 200, 600), estimated=False)
    ] == ledger.entries


async def test_cached_tokens_cost_less(purse: Purse) -> None:
    await purse.service.record("c1", PRICED, plan(1), Usage(1_000, 0, 1_000), "")
    cached = await purse.store.spent()
    await purse.spend(1_000)

    assert cached.usd < (await purse.store.spent()).usd - cached.usd


async def test_what_the_server_did_not_count_is_estimated(books: Purse, ledger: Ledger) -> None:
    answered = "a few words of an answer"

    await books.service.record("c1", PRICED, plan(70), None, answered)

    tokens = measure(answered).tokens
    assert [Spending(NOON, "c1", "openai/gpt-4o", 70, tokens, 0, usd(70, tokens), estimated=True)] == ledger.entries


@pytest.mark.parametrize(
    ("usage", "answered", "counted", "estimated"),
    [
        (Usage(0, 9), "yes", (70, 9), True),
        (Usage(60, 0), "yes", (60, measure("yes").tokens), True),
        (Usage(60, 0), "", (60, 0), False),
        (None, "", (70, 0), True),
    ],
)
async def test_a_count_of_nothing_for_something_is_none(
    books: Purse, ledger: Ledger, usage: Usage | None, answered: str, counted: tuple[int, int], estimated: bool
) -> None:
    await books.service.record("c1", PRICED, plan(70), usage, answered)

    (entry,) = ledger.entries
    assert (counted, estimated) == ((entry.input_tokens, entry.output_tokens), entry.estimated)


async def test_no_more_is_entered_as_cached_than_was_sent(books: Purse, ledger: Ledger) -> None:
    await books.service.record("c1", PRICED, plan(70), Usage(100, 0, 10**12), "")

    assert (100, usd(100, 0, 100)) == (ledger.entries[0].cached_tokens, ledger.entries[0].usd)


@pytest.mark.parametrize("model", [NEAR, ModelRef("gateway", "gpt-4o"), ModelRef("removed", "gpt-4o")], ids=str)
async def test_what_has_no_known_price_is_entered_without_one(books: Purse, ledger: Ledger, model: ModelRef) -> None:
    await books.service.record("c1", model, plan(70), Usage(100, 10), "")

    assert [(str(model), None)] == [(entry.model, entry.usd) for entry in ledger.entries]


async def test_a_ledger_that_cannot_be_written_says_so_and_nothing_else() -> None:
    books = Purse(cast(ConversationStore, BrokenLedger()))

    with pytest.raises(StoreFailed):
        await books.service.record("c1", PRICED, plan(70), None, "answered")


async def test_the_ledger_adds_up(purse: Purse) -> None:
    for tokens in (1, 20, 300):
        await purse.spend(tokens)
    await purse.spend(4_000, model=NEAR)

    spent = await purse.store.spent()

    assert (4_321, 1) == (spent.tokens, spent.unpriced)
    assert pytest.approx(usd(321), abs=1e-12) == spent.usd


async def test_a_request_of_a_conversation_erased_meanwhile_still_counts_for_the_day(purse: Purse) -> None:
    await purse.store.erase_conversations(("c1",))
    purse.allow(day_tokens=10)

    await purse.spend(10)

    assert None is not await purse.over(1, conversation="c2")
