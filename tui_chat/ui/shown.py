"""What the chat screen shows: a conversation, its tree and the model's window, as one value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tui_chat.core.headers import header_of
from tui_chat.core.models import Conversation, Message, MessageHeader
from tui_chat.core.tree import Tree
from tui_chat.services.options import Basis
from tui_chat.services.windows import ASSUMED as ASSUMED_WINDOW

if TYPE_CHECKING:
    from tui_chat.core.catalogue import ModelFacts

ASSUMED = Basis(ASSUMED_WINDOW)


@dataclass(frozen=True, slots=True)
class Shown:
    """The conversation on show. ``stored`` is False for a new one that has no row in the history yet.

    During a turn it is brought up to date from the turn's events; nothing is read back.
    """

    conversation: Conversation
    tree: Tree
    stored: bool = True
    basis: Basis = ASSUMED
    facts: ModelFacts | None = None
    """What the shipped table says of its model: list prices."""

    @property
    def id(self) -> str:
        return self.conversation.id

    @property
    def branch(self) -> tuple[MessageHeader, ...]:
        """The messages on show, oldest first."""
        return self.tree.branch

    def with_message(self, message: Message) -> Shown:
        """With a new message, which becomes the head, or with a newer form of one that is here."""
        return self.with_header(header_of(message))

    def with_header(self, header: MessageHeader) -> Shown:
        """The same for a message that is measured already."""
        head = self.tree.head if header.id in self.tree else header.id
        headers = {each.id: each for each in self.tree}
        headers[header.id] = header
        return replace(self, tree=Tree(headers.values(), head), conversation=replace(self.conversation, head=head))

    def versions(self) -> dict[str, tuple[int, int]]:
        """For each message on show that has other versions: its place among them (from 1) and their number."""
        found = {}
        for header in self.branch:
            siblings = self.tree.siblings(header.id)
            if len(siblings) > 1:
                found[header.id] = (siblings.index(header.id) + 1, len(siblings))
        return found
