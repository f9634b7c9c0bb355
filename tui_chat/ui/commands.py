"""The command palette's table: every action of the chat, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui_chat.ui.screens.chat import ChatScreen

_COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("New conversation", "Start a new, empty conversation", "new"),
    ("Rename this conversation", "Give it another title", "rename"),
    ("Pin or unpin this conversation", "Keep it on top of the list", "toggle_pin"),
    ("Archive this conversation", "Take it out of the list without deleting it", "archive"),
    ("Delete this conversation", "f8 brings it back; `tui-chat undelete` does for 30 days", "delete_conversation"),
    ("Clear this conversation", "Take out all messages, keep its settings; undo brings them back", "clear"),
    ("Undo", "Take back the last delete, clear, edit, rename, archive, mark or new branch", "undo"),
    ("Choose the model", "Which model answers, and where it is", "choose_model"),
    ("System prompt", "What the model is told before everything else", "system_prompt"),
    ("What the model remembers", "Window, everything, summary or retrieval, and what each would send", "memory"),
    ("Sampling", "Temperature and the like, for this conversation; none is sent that is not set", "sampling"),
    ("Summary of this conversation", "Read, edit or make anew what stands for older messages", "summary"),
    ("Keep this conversation on this computer", "Only local models answer in it; again: any", "toggle_staying"),
    ("Inspect the next request", "What exactly would be sent, what not, and why", "inspect"),
    ("Stop the reply", "What has arrived is kept", "stop"),
    ("Ask a busy server again now", "Instead of waiting as long as it asked for", "ask_now"),
    ("Another reply", "Ask for the last reply again, in a new branch", "regenerate"),
    ("Go on with the last reply", "Ask for the rest of one that was cut off", "go_on"),
    ("Export this conversation", "To a JSON or Markdown file", "export"),
    ("Show or hide thinking", "Fold the models' thinking", "toggle_thinking"),
    ("Show or hide the sidebar", "The list of conversations", "toggle_sidebar"),
    ("Attach a file", "It goes with your next message; f6 also lists and removes those attached", "attach"),
    ("Edit the prompt in $EDITOR", "Through a private file that is erased", "external_editor"),
    ("Next conversation", "The one below in the list", "next_conversation"),
    ("Previous conversation", "The one above in the list", "previous_conversation"),
    ("Settings", "Looks, keys, endpoints, security", "settings"),
    ("Help", "Keys and guide", "help"),
    ("Lock now", "Close the history; nothing of it stays on the screen", "lock"),
    ("Quit", "Keep everything and quit", "quit"),
)


def commands(screen: ChatScreen) -> Iterable[tuple[str, str, Callable[[], None]]]:
    """Title, description and what to run."""
    for title, description, action in _COMMANDS:
        yield title, description, partial(_run, screen, action)


def _run(screen: ChatScreen, action: str) -> None:
    namespace = "app" if action in ("quit", "lock") else "screen"
    screen.call_later(screen.run_action, f"{namespace}.{action}")
