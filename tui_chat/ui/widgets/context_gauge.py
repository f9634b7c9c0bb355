"""How full the room for a request is: tokens, a bar and a share, in one line."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui_chat.core.context import ContextPlan
from tui_chat.core.sentences import budget_sentence, gauge_sentence, request_tokens, tokens_sentence

_BAR = 8
_EIGHTHS = "·▁▂▃▄▅▆▇"
_NARROW = 60


class ContextGauge(Widget):
    """``~1,880 of 5,485 tokens  ▇▇▆·····  34 %``: the whole request against the budget's ``input``.

    The room is the context window less what is kept for the reply and the estimate's margin, so
    100 % is where messages begin to be dropped; the tooltip says how it comes about. Under 60
    columns the bar is left out, and more where that does not fit.
    """

    DEFAULT_CSS = """
    ContextGauge {
        height: 1;
        padding: 0 1;
        color: $text-muted;
        &.-over { color: $text-error; text-style: bold; }
    }
    """

    plan: reactive[ContextPlan | None] = reactive(None)
    queued: reactive[int] = reactive(0)
    """Prompts that wait for the running reply."""

    def show_plan(self, plan: ContextPlan | None) -> None:
        """Show this plan's size; None shows nothing."""
        self.plan = plan
        self.set_class(plan is not None and request_tokens(plan) > plan.budget.input, "-over")
        # A Content: a str would be parsed as markup.
        self.tooltip = None if plan is None else Content(f"{gauge_sentence(plan)}\n{budget_sentence(plan)}")

    def render(self) -> Content:
        """The longest form that fits."""
        queued = f"{self.queued} queued · " if self.queued else ""
        if self.plan is None:
            return Content(queued.removesuffix(" · "))
        share = _share(self.plan)
        tokens = tokens_sentence(self.plan)
        forms = [
            f"{queued}{tokens}  {_bar(share)}  {share:.0%}".replace("%", " %"),
            f"{queued}{tokens}  {share:.0%}".replace("%", " %"),
            f"{queued}~{request_tokens(self.plan):,} · {share:.0%}".replace("%", " %"),
            f"{queued}{share:.0%}".replace("%", " %"),
        ]
        if self.app.size.width < _NARROW:
            del forms[0]
        return Content(next((form for form in forms if cell_len(form) <= self.content_size.width), forms[-1]))


def _share(plan: ContextPlan) -> float:
    """0 is empty, 1 is full, more is too much."""
    tokens, room = request_tokens(plan), plan.budget.input
    return tokens / room if room > 0 else float(tokens > 0)


def _bar(share: float) -> str:
    eighths = min(_BAR * 7, round(share * _BAR * 7))
    full, rest = divmod(eighths, 7)
    return ("▇" * full + (_EIGHTHS[rest] if full < _BAR else "")).ljust(_BAR, "·")
