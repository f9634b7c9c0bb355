"""What the chat screen shows: a conversation, its tree and the model's window, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tui_chat.core.headers import header_of
from tui_chat.core.models import Conversation, Message, MessageHeader
from tui_chat.core.tree import Tree
from tui_chat.services.endpoints import ASSUMED_CONTEXT_WINDOW, ContextWindow

ASSUMED = ContextWindow(ASSUMED_CONTEXT_WINDOW, assumed=True)


@dataclass(frozen=True, slots=True)
class Shown:
    """The conversation on show. ``stored`` is False for a new one that has no row in the history yet.

    During a turn it is brought up to date from the turn's events; nothing is read back.
    """

    conversation: Conversation
    tree: Tree
    stored: bool = True
    window: ContextWindow = ASSUMED

    @property
    def id(self) -> str:
        return self.conversation.id

    @property
    def branch(self) -> tuple[MessageHeader, ...]:
        """The messages on show, oldest first."""
        return self.tree.branch

    def with_message(self, message: Message, *, adopted: Sequence[str] = ()) -> Shown:
        """With a new message, or a newer form of one; those of ``adopted`` become its children.

        The message becomes the head unless it adopts (then the head is below it) or was there before.
        """
        known = message.id in self.tree
        headers = {header.id: header for header in self.tree}
        headers[message.id] = header_of(message)
        for child in adopted:
            if child in headers:
                headers[child] = headers[child]._replace(parent_id=message.id)
        keep = known or any(child in headers for child in adopted)
        head = self.tree.head if keep else message.id
        return replace(self, tree=Tree(headers.values(), head), conversation=replace(self.conversation, head=head))

    def versions(self) -> dict[str, tuple[int, int]]:
        """For each message on show that has other versions: its place among them (from 1) and their number."""
        found = {}
        for header in self.branch:
            siblings = self.tree.siblings(header.id)
            if len(siblings) > 1:
                found[header.id] = (siblings.index(header.id) + 1, len(siblings))
        return found
