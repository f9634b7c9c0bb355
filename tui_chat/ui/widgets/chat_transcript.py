"""The transcript as the chat has it: with the keys for what can be done with a message."""

from __future__ import annotations

from textual.binding import Binding

from tui_chat.ui.widgets.transcript import Transcript


class ChatTranscript(Transcript):
    """Its keys are the screen's actions on the current message."""

    BINDINGS = [
        Binding("y", "screen.copy_message", "Copy", id="message.copy", tooltip="Copy this message as it was written"),
        Binding("c", "screen.copy_code", "Copy code", id="message.copy_code", tooltip="Copy its code block"),
        Binding("e", "screen.edit_message", "Edit", id="message.edit", tooltip="Edit and send again, in a new branch"),
        Binding("r", "screen.regenerate", "Again", id="message.again", tooltip="Another reply, in a new branch"),
        Binding(
            "m", "screen.go_on", "More", id="message.more", tooltip="Ask for the rest of the last reply", show=False
        ),
        Binding("left_square_bracket", "screen.branch(-1)", "‹", id="message.earlier", tooltip="The version before"),
        Binding("right_square_bracket", "screen.branch(1)", "›", id="message.later", tooltip="The next version"),
        Binding(
            "i", "screen.inspect_message", "Inspect", id="message.inspect", tooltip="What the model saw for this reply"
        ),
        Binding("p", "screen.pin_message", "Pin", id="message.pin", tooltip="Always send this exchange, or no longer"),
        Binding("x", "screen.exclude_message", "Exclude", id="message.exclude", tooltip="Never send this exchange"),
        Binding("d,delete", "screen.delete_message", "Delete", id="message.delete", tooltip="Delete it, with undo"),
        Binding(
            "a,enter", "screen.focus_prompt", "Write", id="message.write", tooltip="Back to the prompt", show=False
        ),
        Binding("slash", "screen.focus_filter", "Filter", id="message.filter", tooltip="Filter the list", show=False),
        Binding("question_mark", "screen.help", "Help", id="message.help", tooltip="Keys and guide", show=False),
    ]
