"""The line above the prompt that says what the model will not see."""

from __future__ import annotations

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui_chat.core.context import ContextPlan, PlanError, Warning
from tui_chat.core.sentences import banner_forms, error_sentence, is_grave

_WARNING = "⚠ "
_ERROR = "✖ "


class TruncationWarning(Widget, can_focus=True):
    """Stands there whenever a complete message of the branch is not sent, and goes only when all are.

    A click, enter or space folds it to one short line and back; it cannot be dismissed. Errors and
    "not even the last answer" are never folded. Where the line is narrow it says less, never
    something else.
    """

    BINDINGS = [
        Binding("enter,space", "fold", "Fold", id="warning.fold", tooltip="Show the warning short or in full"),
    ]

    DEFAULT_CSS = """
    TruncationWarning {
        display: none;
        height: auto;
        max-height: 3;
        padding: 0 1;
        background: $warning-muted;
        /* $text-warning on it is unreadable in two light themes (contrast 2.8); this is 6.2 at the least. */
        color: auto;
        &.-shown { display: block; }
        &.-grave { background: $error-muted; text-style: bold; }
        &:focus { text-style: reverse; }
    }
    """

    folded: reactive[bool] = reactive(False, layout=True)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._warnings: tuple[Warning, ...] = ()
        self._error: PlanError | None = None

    def show_plan(self, plan: ContextPlan | None) -> None:
        """Say what this plan does not send; None, or a plan that sends all, hides the line."""
        error = plan.error if plan else None
        # An empty prompt is no failure: nobody has asked to send it.
        self._error = None if error and error.code == "empty_draft" else error
        self._warnings = plan.warnings if plan else ()
        self.set_class(self._error is not None or bool(self._warnings), "-shown")
        self.set_class(self._is_grave, "-grave")
        self.refresh(layout=True)

    @property
    def _is_grave(self) -> bool:
        return self._error is not None or is_grave(self._warnings)

    def render(self) -> Content:
        """The longest form that fits in one line; an error in full, in as many as it takes."""
        if self._error is not None:
            return Content(_ERROR + error_sentence(self._error))
        forms = tuple(_WARNING + form for form in banner_forms(self._warnings))
        if not forms:
            return Content("")
        if self.folded and not self._is_grave:
            return Content(forms[-1])
        width = self.container_size.width - 2 if not self.content_size.width else self.content_size.width
        return Content(next((form for form in forms if cell_len(form) <= width), forms[-1]))

    def on_click(self) -> None:
        """Fold or unfold."""
        self.action_fold()

    def action_fold(self) -> None:
        """Fold or unfold."""
        self.folded = not self.folded
