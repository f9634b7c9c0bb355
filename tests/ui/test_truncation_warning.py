from __future__ import annotations

from datetime import datetime

import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.theme import BUILTIN_THEMES
from textual.widget import Widget
from textual.widgets import Static

from tests.ui.plans import plan_of
from tests.ui.reading import lines_of, strips_of
from tui_chat.core.context import Limit, PlanError, Warning
from tui_chat.ui.widgets.truncation_warning import TruncationWarning

NOON = round(datetime(2025, 5, 3, 12, 40).timestamp() * 1000)
USUAL = Warning("before_window", 34, 54, NOON, Limit.MESSAGES)
GRAVE = Warning("last_answer_not_sent", 54, 54, None, Limit.TOKENS)
TOO_BIG = PlanError("fixed_over_budget", 9_400, 8_192, "system prompt and this message")


class WarningApp(App[None]):
    CSS = "Static { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.warning = TruncationWarning()

    def compose(self) -> ComposeResult:
        yield Static("transcript", markup=False)
        yield self.warning
        yield Static("prompt", markup=False)


async def test_it_says_how_many_messages_the_model_does_not_get() -> None:
    app = WarningApp()
    async with app.run_test(size=(120, 10), notifications=True, tooltips=True) as pilot:
        app.warning.show_plan(plan_of(warning=USUAL))
        await pilot.pause()

        assert lines_of(app.warning) == [
            " ⚠ 34 of 54 earlier messages are not sent (older than 12:40, 3 May 2025). The model cannot see them."
        ]


async def test_it_is_hidden_only_while_everything_is_sent() -> None:
    app = WarningApp()
    async with app.run_test(size=(120, 10), notifications=True, tooltips=True) as pilot:
        shown = []
        for plan in (None, plan_of(), plan_of(warning=USUAL), plan_of(error=PlanError("empty_draft")), plan_of()):
            app.warning.show_plan(plan)
            await pilot.pause()
            shown.append(app.warning.display)

        assert shown == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, " ⚠ 34 of 54 earlier messages are not sent. The model cannot see them."),
        (60, " ⚠ 34 of 54 earlier messages are not sent."),
        (20, " ⚠ 34 not sent"),
    ],
)
async def test_a_narrow_line_says_less_but_nothing_else(width: int, line: str) -> None:
    app = WarningApp()
    async with app.run_test(size=(width, 10), notifications=True, tooltips=True) as pilot:
        app.warning.show_plan(plan_of(warning=USUAL))
        await pilot.pause()

        assert lines_of(app.warning) == [line]


async def test_it_says_more_when_it_gets_wider() -> None:
    app = WarningApp()
    async with app.run_test(size=(20, 10), notifications=True, tooltips=True) as pilot:
        app.warning.show_plan(plan_of(warning=USUAL))
        await pilot.pause()
        await pilot.resize_terminal(60, 10)
        await pilot.pause()

        assert lines_of(app.warning) == [" ⚠ 34 of 54 earlier messages are not sent."]


async def test_a_click_or_a_key_folds_it_and_opens_it_again() -> None:
    app = WarningApp()
    async with app.run_test(size=(120, 10), notifications=True, tooltips=True) as pilot:
        app.warning.show_plan(plan_of(warning=USUAL))
        await pilot.pause()
        seen = []
        await pilot.click(app.warning)
        await pilot.pause()
        seen.append(lines_of(app.warning)[0])
        app.warning.focus()
        await pilot.press("enter")
        await pilot.pause()
        seen.append(lines_of(app.warning)[0][:20])
        await pilot.press("space")
        app.warning.show_plan(plan_of(warning=Warning("before_window", 36, 56, NOON)))
        await pilot.pause()
        seen.append(lines_of(app.warning)[0])

        assert seen == [" ⚠ 34 not sent", " ⚠ 34 of 54 earlier ", " ⚠ 36 not sent"]


async def test_the_gravest_things_are_never_folded() -> None:
    app = WarningApp()
    async with app.run_test(size=(120, 10), notifications=True, tooltips=True) as pilot:
        app.warning.show_plan(plan_of(warning=USUAL))
        app.warning.action_fold()
        seen = []
        for plan in (plan_of(warning=GRAVE), plan_of(error=TOO_BIG)):
            app.warning.show_plan(plan)
            await pilot.pause()
            seen += lines_of(app.warning)

        assert seen == [
            " ⚠ Not even the last answer is sent: none of the 54 earlier messages fits. The model cannot see them.",
            " ✖ Not sent: system prompt and this message need ~9,400 of 8,192 tokens.",
        ]


async def test_an_error_is_said_in_full_where_the_line_is_narrow() -> None:
    app = WarningApp()
    async with app.run_test(size=(40, 10), notifications=True, tooltips=True) as pilot:
        app.warning.show_plan(plan_of(error=TOO_BIG))
        await pilot.pause()

        assert lines_of(app.warning) == [" ✖ Not sent: system prompt and this", " message need ~9,400 of 8,192 tokens."]


@pytest.mark.parametrize("warning", [USUAL, GRAVE], ids=["usual", "grave"])
async def test_it_is_readable_in_every_theme(warning: Warning) -> None:
    app = WarningApp()
    async with app.run_test(size=(120, 10), notifications=True, tooltips=True) as pilot:
        app.warning.show_plan(plan_of(warning=warning))
        contrasts = {}
        for theme in BUILTIN_THEMES:
            if theme.startswith("ansi"):
                continue
            app.theme = theme
            await pilot.pause()
            contrasts[theme] = contrast_of(app.warning)

        assert {theme: ratio for theme, ratio in contrasts.items() if ratio < 4.5} == {}


def contrast_of(widget: Widget) -> float:
    """WCAG's ratio of luminances in its first line: 1 is invisible, 21 black on white, 4.5 the least for text."""

    def luminance(colour: Color) -> float:
        channels = [
            channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
            for channel in colour.normalized
        ]
        return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]

    style = next(segment.style for segment in strips_of(widget)[0] if segment.text.strip())
    assert style is not None
    assert style.color is not None
    assert style.bgcolor is not None
    darker, lighter = sorted(luminance(Color.from_rich_color(colour)) for colour in (style.color, style.bgcolor))
    return (lighter + 0.05) / (darker + 0.05)
