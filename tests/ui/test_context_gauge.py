from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from tests.ui.plans import plan_of
from tests.ui.reading import lines_of, seen
from tui_chat.core.context import ContextPlan, PlanError
from tui_chat.ui.widgets.context_gauge import ContextGauge


class GaugeApp(App[None]):
    def __init__(self, plan: ContextPlan | None, *, queued: int = 0) -> None:
        super().__init__()
        self.gauge = ContextGauge()
        self.plan = plan
        self.queued = queued

    def compose(self) -> ComposeResult:
        yield self.gauge

    def on_mount(self) -> None:
        self.gauge.show_plan(self.plan)
        self.gauge.queued = self.queued


async def shown(plan: ContextPlan | None, *, width: int = 100, queued: int = 0) -> str:
    app = GaugeApp(plan, queued=queued)
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


async def test_the_tooltip_says_where_the_room_comes_from() -> None:
    app = GaugeApp(plan_of(sent=20, not_sent=34))
    async with app.run_test(size=(100, 12), notifications=True, tooltips=True) as pilot:
        await pilot.pause()
        app.screen._handle_tooltip_timer(app.gauge)
        await pilot.pause()
        text = " ".join(seen(app).split())

        assert "20 of 54 messages sent · ~1,880 of 5,485 tokens" in text
        assert "A context window of 8,192 tokens, 2,048 kept" in text
