"""How full the room for a request is: tokens, a bar and a share, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui_chat.core.context import ContextPlan
from tui_chat.core.models import Usage
from tui_chat.core.prices import price_details, price_of, price_sentence
from tui_chat.core.sentences import budget_sentence, counted_sentence, gauge_sentence, request_tokens, tokens_sentence

if TYPE_CHECKING:
    from tui_chat.core.catalogue import ModelFacts

_BAR = 8
_EIGHTHS = "·▁▂▃▄▅▆▇"
_NARROW = 60


class ContextGauge(Widget):
    """``~1,880 of 5,485 tokens  ▇▇▆·····  34 % · ~$0.002 + reply · last 1,902 + 310``: how full the room is.

    The whole request against the budget's ``input``; its list price; what the server counted last.

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

    counted: reactive[Usage | None] = reactive(None)
    """What the server counted of the last request, where that is known: shown without ``~``."""

    price: reactive[str] = reactive("")

    def show_plan(self, plan: ContextPlan | None, facts: ModelFacts | None = None) -> None:
        """Show this plan's size, and what sending it costs where ``facts`` know a price; None shows nothing."""
        price = None if plan is None or plan.error else price_of(facts, plan.totals.tokens)
        self.plan = plan
        self.price = "" if price is None else price_sentence(price)
        self.set_class(plan is not None and request_tokens(plan) > plan.budget.input, "-over")
        said = [] if plan is None else [gauge_sentence(plan), budget_sentence(plan)]
        if facts is not None and price is not None:
            said.append(price_details(facts, price))
        # A Content: a str would be parsed as markup.
        self.tooltip = Content("\n".join(said)) if said else None

    def render(self) -> Content:
        """The longest form that fits."""
        queued = f"{self.queued} queued · " if self.queued else ""
        if self.plan is None:
            return Content(queued.removesuffix(" · "))
        share = _share(self.plan)
        tokens = tokens_sentence(self.plan)
        percent = f"{share:.0%}".replace("%", " %")
        last = "" if self.counted is None else f" · last {counted_sentence(self.counted)}"
        price = f" · {self.price}" if self.price else ""
        forms = [
            f"{queued}{tokens}  {_bar(share)}  {percent}{price}{last}",
            f"{queued}{tokens}  {_bar(share)}  {percent}{price}",
            f"{queued}{tokens}  {percent}{price}",
            f"{queued}{tokens}  {percent}",
            f"{queued}~{request_tokens(self.plan):,} · {percent}",
            f"{queued}{percent}",
        ]
        if self.app.size.width < _NARROW:
            del forms[:2]
        return Content(next((form for form in forms if cell_len(form) <= self.content_size.width), forms[-1]))


def _share(plan: ContextPlan) -> float:
    """0 is empty, 1 is full, more is too much."""
    tokens, room = request_tokens(plan), plan.budget.input
    return tokens / room if room > 0 else float(tokens > 0)


def _bar(share: float) -> str:
    eighths = min(_BAR * 7, round(share * _BAR * 7))
    full, rest = divmod(eighths, 7)
    return ("▇" * full + (_EIGHTHS[rest] if full < _BAR else "")).ljust(_BAR, "·")
