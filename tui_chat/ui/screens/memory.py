"""What the model gets to remember of a conversation: the strategies, and what each would send now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.getters import query_one
from textual.widgets import OptionList, Static

from tui_chat.core.clean import clean_line
from tui_chat.core.context import ContextPlan, Warning
from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import MemorySettings
from tui_chat.core.prices import price_of, price_sentence
from tui_chat.core.sentences import error_sentence, gauge_sentence
from tui_chat.ui.forms import Card, Choices, Pick
from tui_chat.ui.modal import Modal
from tui_chat.ui.strategies import STRATEGIES
from tui_chat.ui.text import plain

if TYPE_CHECKING:
    from tui_chat.core.catalogue import ModelFacts

Look = Callable[[MemorySettings], Awaitable[ContextPlan]]
"""Gives the plan of the draft as it would be with these settings."""

_STEP = 2
_MOST = 1_000


class MemoryScreen(Modal[MemorySettings | None]):
    """Choose for one conversation; None where the person steps back. Nothing is sent by looking.

    ``refused`` says that a prompt waits which does not fit: what holds now is then not offered.
    """

    BINDINGS = [
        Binding(
            "plus,equals_sign",
            "count(1)",
            "More",
            key_display="+",
            id="memory.more",
            tooltip="Two messages more",
            show=False,
        ),
        Binding(
            "minus", "count(-1)", "Fewer", key_display="-", id="memory.fewer", tooltip="Two messages fewer", show=False
        ),
        Binding("t", "trim", "Trimming", id="memory.trim", tooltip="One by one, or in blocks", show=False),
        Binding(
            "a", "scope", "Where to look", id="memory.scope", tooltip="This conversation, or all of yours", show=False
        ),
        Binding("escape,q", "back", "Back", id="memory.back", tooltip="Change nothing"),
    ]

    DEFAULT_CSS = """
    MemoryScreen {
        align: center middle;
        & Card { width: 84; }
        & #refused { color: $text-error; margin-bottom: 1; display: none; &.-on { display: block; } }
        & #details { margin-top: 1; color: $text-muted; }
    }
    """

    choices = query_one(Choices)
    details = query_one("#details", Static)

    def __init__(
        self, memory: MemorySettings, look: Look, *, facts: ModelFacts | None = None, refused: bool = False
    ) -> None:
        super().__init__()
        self._memory = memory
        self._look = look
        self._facts = facts
        self._refused = refused
        self._names = [name for name in STRATEGIES if not refused or name != memory.strategy]
        self._effects: dict[str, Sequence[str]] = {}

    def compose(self) -> ComposeResult:
        refusal = Static("", markup=False, id="refused")
        details = Static("", markup=False, id="details")
        yield Card("What the model remembers", refusal, Choices(id="strategies"), details)

    def on_mount(self) -> None:
        """Begin at the one that holds."""
        if self._refused:
            refusal = self.query_one("#refused", Static)
            refusal.update(
                plain("Not sent: the whole conversation does not fit. Choose what is left out; your prompt is kept.")
            )
            refusal.add_class("-on")
        self._draw()
        now = self._memory.strategy
        self.choices.highlighted = self._names.index(now) if now in self._names else 0
        self.choices.focus()
        self._try_all()

    # -- drawing --------------------------------------------------------------------------------

    def _draw(self) -> None:
        at = self.choices.highlighted
        self.choices.set_options([Pick(self._line(name), name) for name in self._names])
        self.choices.highlighted = at
        memory = self._memory
        trims = {"exact": "one by one, as each new one comes", "blocks": "half of them at once, then none for a while"}
        scope = "this conversation" if memory.scope == "conversation" else "all of your conversations"
        lines = (
            ("+ -", f"The newest: at most {memory.max_messages:,} messages, and no more than fit the model"),
            ("t", f"Older ones go {trims.get(memory.trim, memory.trim)}"),
            ("a", f"Retrieval looks in {scope}"),
        )
        told = [Content.assemble((f"{key:<5}", "bold $accent"), plain(text)) for key, text in lines]
        self.details.update(Content("\n").join(told))

    def _line(self, name: str) -> Content:
        title, meaning = STRATEGIES[name]
        mark = "●" if name == self._memory.strategy else "○"
        effects = "".join(f"\n    {clean_line(line)}" for line in self._effects.get(name, ("…",)))
        return Content.assemble(f"{mark} ", (title, "bold"), f": {meaning}", (effects, "dim"))

    # -- trying -----------------------------------------------------------------------------------

    @work(group="try", exclusive=True)
    async def _try_all(self, *, changed: bool = False) -> None:
        """What each would send with the draft as it is; what was ``changed`` stays in view."""
        for name in self._names:
            try:
                self._effects[name] = self._effect(await self._look(replace(self._memory, strategy=name)))
            except TuiChatError as error:
                self._effects[name] = (str(error),)
            if self not in self.app.screen_stack:
                return  # chosen meanwhile
            self._draw()
            if changed:
                self.call_after_refresh(self.details.scroll_visible, animate=False)

    def _effect(self, plan: ContextPlan) -> Sequence[str]:
        """What would be sent, and what becomes of the rest; a line each."""
        if plan.error is not None:
            return (error_sentence(plan.error),)
        # Whether the window is only assumed the gauge below the prompt says.
        said = gauge_sentence(replace(plan, budget=replace(plan.budget, assumed=False)))
        if (price := price_of(self._facts, plan.totals.tokens)) is not None:
            said = f"{said} · {price_sentence(price)}"
        return said, *filter(None, map(_about, plan.warnings))

    # -- what the keys do --------------------------------------------------------------------------

    def action_count(self, direction: int) -> None:
        """Another number of messages, the next even one."""
        count = self._memory.max_messages + direction * _STEP
        count -= count % _STEP
        self._change(replace(self._memory, max_messages=max(0, min(_MOST, count))))

    def action_trim(self) -> None:
        """The other way of trimming."""
        self._change(replace(self._memory, trim="blocks" if self._memory.trim == "exact" else "exact"))

    def action_scope(self) -> None:
        """The other place to look in: all conversations only by this choice."""
        scope = "all" if self._memory.scope == "conversation" else "conversation"
        self._change(replace(self._memory, scope=scope))

    def _change(self, memory: MemorySettings) -> None:
        self._memory = memory
        self._draw()
        self._try_all(changed=True)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        if isinstance(event.option, Pick):
            self.dismiss(replace(self._memory, strategy=str(event.option.value)))

    def action_back(self) -> None:
        """Change nothing."""
        self.dismiss(None)


def _about(warning: Warning) -> str:
    """What becomes of the older messages, where that is not just that they are not sent."""
    match warning.code:
        case "not_summarised" if warning.why == "due":
            return f"a summary of {warning.count:,} would be offered first"
        case "not_summarised" if warning.why == "too_long":
            return "no room for a summary of the others"
        case "not_summarised":
            return f"{warning.count:,} not summarised"
        case "summarised":
            return f"{warning.count:,} only as a summary"
        case "not_found" if warning.found:
            return f"{warning.found:,} older message{'' if warning.found == 1 else 's'} found relevant"
        case "not_found":
            return "nothing relevant found in older messages"
        case "not_searched" if warning.why == "building":
            return "the index is being built"
    return ""
