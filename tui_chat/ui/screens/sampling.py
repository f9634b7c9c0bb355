"""The sampling parameters of one conversation: what is set goes out with each prompt, what is empty does not."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.widgets import Input, Static

from tui_chat.core.clean import clean_line
from tui_chat.core.errors import BadInput
from tui_chat.core.sampling import PARAMETERS, Sampling, parameter, sampling_of
from tui_chat.services.sampling import Takes
from tui_chat.ui.forms import Card, Field, Labelled, Said
from tui_chat.ui.modal import Modal
from tui_chat.ui.text import plain

LABELS = {"temperature": "Temperature", "top_p": "Top p", "top_k": "Top k", "seed": "Seed"}

_INTRO = "Sent with each prompt of this conversation. What is empty is not sent: the service decides."


class SamplingScreen(Modal[Sampling | None]):
    """Four fields; None where the person steps back. ``takes`` is what is known of the model that answers."""

    BINDINGS = [Binding("escape", "cancel", "Cancel", id="sampling.cancel", tooltip="Change nothing")]

    DEFAULT_CSS = """
    SamplingScreen {
        align: center middle;
        & #intro { margin-bottom: 1; }
        & #known { color: $text-muted; margin-top: 1; }
    }
    """

    said = query_one(Said)

    def __init__(self, sampling: Sampling, takes: Takes, *, model: str) -> None:
        super().__init__()
        self._sampling = sampling
        self._takes = takes
        self._model = model

    def compose(self) -> ComposeResult:
        values = self._sampling.values
        fields = [
            Field(
                "" if name not in values else str(values[name]),
                placeholder=f"not sent ({_short(bounds.words)})",
                id=name,
            )
            for name, bounds in PARAMETERS.items()
        ]
        known = known_sentences(self._takes, self._model)
        yield Card(
            "Sampling",
            Static(plain(_INTRO), markup=False, id="intro"),
            *(Labelled(LABELS[field.id or ""], field) for field in fields),
            *([Static(plain("\n".join(known)), markup=False, id="known")] if known else []),
            Said(),
        )

    def on_mount(self) -> None:
        self.query(Field).first().focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take all four; one that cannot be so keeps the screen, with the cursor in it."""
        event.stop()
        values = {}
        for name, bounds in PARAMETERS.items():
            field = self.query_one(f"#{name}", Field)
            try:
                value = typed(name, field.value)
            except ValueError:
                self.said.fail(BadInput(f"{LABELS[name]} must be {bounds.words}.", hint="Empty: it is not sent."))
                field.focus()
                return
            if value is not None:
                values[name] = value
        self.dismiss(sampling_of(values))

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(None)


def typed(name: str, text: str) -> float | None:
    """The value that was typed, with a decimal point or comma; None for nothing. Raises as ``parameter`` does."""
    return parameter(name, text.replace(",", "."))


def known_sentences(takes: Takes, model: str) -> list[str]:
    """What is left out for this model whatever is set, a sentence each."""
    name = clean_line(model) or "The model"
    said = []
    if missing := ", ".join(LABELS[each].lower() for each in takes.missing):
        said.append(f"{name} is told no {missing}: its service has no such parameter.")
    refused = [f"{each} {value}" for each in takes.names for value in takes.refused.get(each, ())]
    if refused:
        said.append(f"{name} refused {', '.join(refused)}: left out. Saving a change has it tried again.")
    return said


def _short(words: str) -> str:
    """Bounds as they fit beside a field: ``1 to 1000`` of ``a whole number from 1 to 1000``."""
    return words.removeprefix("a whole number ").removeprefix("a number ").removeprefix("from ")
