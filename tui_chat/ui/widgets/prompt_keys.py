"""The keys of the prompt."""

from __future__ import annotations

from dataclasses import replace

from textual.binding import Binding, BindingType
from textual.widgets import TextArea


def _editing_bindings() -> list[Binding]:
    """TextArea's own, each with an id for the keymap; ctrl+k and f6 are left to the screen."""
    return [
        replace(binding, id=f"prompt.{binding.action.replace('(True)', '_select')}", tooltip=binding.description)
        for binding in TextArea.BINDINGS
        if isinstance(binding, Binding) and binding.key not in ("ctrl+k", "f6")
    ]


PROMPT_KEYS: list[BindingType] = [
    # Before all others of these keys: they are on only while there are names to choose from.
    Binding("up", "choose_path(-1)", "Up", id="prompt.path_up", tooltip="The file name above", show=False),
    Binding("down", "choose_path(1)", "Down", id="prompt.path_down", tooltip="The file name below", show=False),
    Binding("tab,enter", "accept_path", "Attach", id="prompt.path", tooltip="Attach this file", show=False),
    Binding("tab", "await_path", "Attach", id="prompt.path_soon", tooltip="Attach the first, once found", show=False),
    Binding("escape", "leave_paths", "Close", id="prompt.path_leave", tooltip="Only text, no file", show=False),
    Binding("enter", "send", "Send", id="prompt.send", tooltip="Send this message"),
    Binding(
        "ctrl+enter,f5",
        "send_always",
        "Send",
        id="prompt.send_always",
        tooltip="Send this message, whatever enter does",
        show=False,
    ),
    Binding(
        "ctrl+j,shift+enter,alt+enter",
        "new_line",
        "New line",
        id="prompt.new_line",
        tooltip="Start a new line (shift+enter and alt+enter where the terminal can tell them from enter)",
    ),
    *_editing_bindings(),
]
