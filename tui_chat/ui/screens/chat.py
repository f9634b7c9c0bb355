"""The chat: the list of conversations, the one on show, and the prompt."""

from __future__ import annotations

from textual.binding import Binding

from tui_chat.ui.screens.attaching import Attaching
from tui_chat.ui.screens.conversation_actions import ConversationActions
from tui_chat.ui.screens.dialogs import Dialogs
from tui_chat.ui.screens.inspecting import Inspecting
from tui_chat.ui.screens.message_actions import MessageActions
from tui_chat.ui.screens.sampling_actions import SamplingActions
from tui_chat.ui.screens.turns import Turns


class ChatScreen(Turns, Attaching, ConversationActions, MessageActions, Dialogs, Inspecting, SamplingActions):
    """The shell (``chat_shell``), what it shows (``showing``), and its actions, a file for each kind.

    Its looks are in ``chat.tcss``, which the app loads: Textual loads none for a default screen.
    """

    AUTO_FOCUS = "#prompt"
    TITLE = "tui_chat"

    BINDINGS = [
        Binding(
            "escape", "step_back", "Stop", id="chat.stop", tooltip="Stop the reply; else one step back", show=False
        ),
        Binding("ctrl+n", "new", "New", id="chat.new", tooltip="New conversation"),
        Binding("ctrl+o", "choose_model", "Model", id="chat.model", tooltip="Choose model and endpoint"),
        Binding("ctrl+s", "export", "Export", id="chat.export", tooltip="Export this conversation to a file"),
        Binding("f8", "undo", "Undo", id="chat.undo", tooltip="Take back the last delete, clear, edit or new branch"),
        Binding("f1", "help", "Help", id="chat.help", tooltip="Help: these keys, and the guide"),
        Binding("f2", "settings", "Settings", id="chat.settings", tooltip="Settings: looks, keys, endpoints, security"),
        Binding("f3", "inspect", "Inspect", id="chat.inspect", tooltip="What exactly would be sent, what not, and why"),
        Binding("f6", "attach", "Attach", id="chat.attach", tooltip="Attach a file, or see and remove those attached"),
        Binding(
            "backspace",
            "remove_last_file",
            "Remove file",
            id="chat.detach",
            tooltip="Remove the last attached file; in an empty prompt only",
            show=False,
        ),
        Binding(
            "f4,ctrl+b",
            "toggle_sidebar",
            "Sidebar",
            id="chat.sidebar",
            tooltip="Show or hide the list of conversations",
            show=False,
        ),
        Binding(
            "alt+up",
            "previous_conversation",
            "Previous",
            id="chat.previous",
            tooltip="Open the conversation above",
            show=False,
        ),
        Binding(
            "alt+down", "next_conversation", "Next", id="chat.next", tooltip="Open the conversation below", show=False
        ),
        Binding(
            "ctrl+t",
            "toggle_thinking",
            "Thinking",
            id="chat.thinking",
            tooltip="Fold or unfold the model's thinking",
            show=False,
        ),
        Binding("ctrl+r", "ask_now", "Now", id="chat.now", tooltip="Ask a busy server again at once", show=False),
        Binding(
            "ctrl+g", "external_editor", "Editor", id="chat.editor", tooltip="Write the prompt in $EDITOR", show=False
        ),
    ]
