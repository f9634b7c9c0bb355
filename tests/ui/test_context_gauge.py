from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.app import App, ComposeResult

from tests.ui.plans import plan_of
from tests.ui.reading import lines_of, seen
from tui_chat.core.catalogue import ModelFacts, find
from tui_chat.core.context import ContextPlan, PlanError
from tui_chat.core.models import Usage
from tui_chat.ui.widgets.context_gauge import ContextGauge

GPT = find("gpt-4o", endpoint_host="api.openai.com")
"""2.50 dollars for a million tokens, 1.25 from the cache, 10 of reply."""


class GaugeApp(App[None]):
    def __init__(
        self,
        plan: ContextPlan | None,
        *,
        queued: int = 0,
        facts: ModelFacts | None = None,
        counted: Usage | None = None,
    ) -> None:
        super().__init__()
        self.gauge = ContextGauge()
        self.plan = plan
        self.queued = queued
        self.facts = facts
        self.counted = counted

    def compose(self) -> ComposeResult:
        yield self.gauge

    def on_mount(self) -> None:
        self.gauge.show_plan(self.plan, self.facts)
        self.gauge.queued = self.queued
        self.gauge.counted = self.counted


async def shown(plan: ContextPlan | None, *, width: int = 100, **more: Any) -> str:
    app = GaugeApp(plan, **more)
    async with app.run_test(size=(width, 5), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        return lines_of(app.gauge)[0].strip()


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        (plan_of(tokens=0), "~0 of 5,485 tokens  ········  0 %"),
        (plan_of(tokens=1_880), "~1,880 of 5,485 tokens  ▇▇▅·····  34 %"),
        (plan_of(tokens=5_485), "~5,485 of 5,485 tokens  ▇▇▇▇▇▇▇▇  100 %"),
        (plan_of(assumed=True), "~1,880 of 5,485 tokens (window assumed)  ▇▇▅·····  34 %"),
        (
            plan_of(tokens=0, error=PlanError("over_budget", 9_400, 5_485)),
            "~9,400 of 5,485 tokens  ▇▇▇▇▇▇▇▇  171 %",
        ),
        (plan_of(tokens=0, room=0, error=PlanError("no_room", 300, 256)), "~300 of 0 tokens  ▇▇▇▇▇▇▇▇  100 %"),
    ],
)
async def test_it_shows_the_request_against_the_room_for_it(plan: ContextPlan, line: str) -> None:
    assert await shown(plan) == line


async def test_without_a_plan_it_shows_nothing() -> None:
    assert await shown(None) == ""


async def test_prompts_that_wait_are_counted() -> None:
    assert [await shown(plan_of(), queued=2), await shown(None, queued=1)] == [
        "2 queued · ~1,880 of 5,485 tokens  ▇▇▅·····  34 %",
        "1 queued",
    ]


@pytest.mark.parametrize(("width", "line"), [(59, "~1,880 of 5,485 tokens  34 %"), (20, "~1,880 · 34 %"), (8, "34 %")])
async def test_a_narrow_screen_gets_a_shorter_form(width: int, line: str) -> None:
    assert await shown(plan_of(), width=width) == line


@pytest.mark.parametrize(
    ("tokens", "price"), [(100, "<$0.001 + reply"), (8_400, "~$0.021 + reply"), (500_000, "~$1.25 + reply")]
)
async def test_a_known_price_stands_behind_the_share(tokens: int, price: str) -> None:
    line = await shown(plan_of(tokens=tokens, room=1_000_000), facts=GPT)

    assert line.endswith(f"% · {price}")


@pytest.mark.parametrize(
    "facts",
    [
        None,
        replace(GPT, input_price=None) if GPT else None,
    ],
)
async def test_an_unknown_price_is_not_free_and_not_shown(facts: ModelFacts | None) -> None:
    assert "~1,880 of 5,485 tokens  ▇▇▅·····  34 %" == await shown(plan_of(), facts=facts)


async def test_what_cannot_be_sent_costs_nothing() -> None:
    plan = plan_of(tokens=0, error=PlanError("over_budget", 9_400, 5_485))

    assert "~9,400 of 5,485 tokens  ▇▇▇▇▇▇▇▇  171 %" == await shown(plan, facts=GPT)


async def test_the_last_count_is_exact_and_names_what_was_cached() -> None:
    counted = Usage(1_902, 310, cached_tokens=1_500)

    assert [await shown(plan_of(), counted=Usage(1_902, 310)), await shown(plan_of(), counted=counted)] == [
        "~1,880 of 5,485 tokens  ▇▇▅·····  34 % · last 1,902 + 310",
        "~1,880 of 5,485 tokens  ▇▇▅·····  34 % · last 1,902 (1,500 cached) + 310",
    ]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (90, "~1,880 of 5,485 tokens  ▇▇▅·····  34 % · ~$0.005 + reply · last 1,902 + 310"),
        (75, "~1,880 of 5,485 tokens  ▇▇▅·····  34 % · ~$0.005 + reply"),
        (59, "~1,880 of 5,485 tokens  34 % · ~$0.005 + reply"),
        (40, "~1,880 of 5,485 tokens  34 %"),
    ],
)
async def test_where_there_is_less_room_the_last_count_goes_first_and_then_the_price(width: int, line: str) -> None:
    assert line == await shown(plan_of(), width=width, facts=GPT, counted=Usage(1_902, 310))


async def test_a_price_goes_with_the_plan_that_had_it() -> None:
    app = GaugeApp(plan_of(), facts=GPT)
    async with app.run_test(size=(100, 5)) as pilot:
        await pilot.pause()
        assert "$" in lines_of(app.gauge)[0]
        app.gauge.show_plan(plan_of())
        await pilot.pause()
        assert "$" not in lines_of(app.gauge)[0]
        app.gauge.show_plan(None, GPT)
        await pilot.pause()

        assert "" == lines_of(app.gauge)[0].strip()
        assert app.gauge.tooltip is None


async def test_the_tooltip_says_where_the_room_comes_from() -> None:
    app = GaugeApp(plan_of(sent=20, not_sent=34))
    async with app.run_test(size=(100, 12), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        app.screen._handle_tooltip_timer(app.gauge)
        await pilot.pause()
        text = " ".join(seen(app).split())

        assert "20 of 54 messages sent · ~1,880 of 5,485 tokens" in text
        assert "A context window of 8,192 tokens, 2,048 kept" in text
