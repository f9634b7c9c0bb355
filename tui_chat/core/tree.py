"""The tree of a conversation's messages: its branch on show, siblings, and what lies below.

Pure and without texts: it works on headers, so a conversation of ten thousand messages is
a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tui_chat.core.models import MessageHeader


class Tree:
    """An immutable view of a conversation's messages and of the branch that ends at ``head``.

    A parent that is not among the headers counts as no parent. Cycles cannot be expressed:
    a message whose ancestors lead back to itself is treated as a root.
    """

    def __init__(self, headers: Iterable[MessageHeader], head: str | None) -> None:
        self._headers = {header.id: header for header in headers}
        self._children: dict[str | None, list[str]] = {}
        for header in self._headers.values():
            parent = header.parent_id if header.parent_id in self._headers else None
            self._children.setdefault(parent, []).append(header.id)
        self.head = head if head in self._headers else None
        self.branch: tuple[MessageHeader, ...] = self.path_to(self.head)

    def __len__(self) -> int:
        return len(self._headers)

    def __iter__(self) -> Iterator[MessageHeader]:
        return iter(self._headers.values())

    def __contains__(self, message_id: str | None) -> bool:
        return message_id in self._headers

    def __getitem__(self, message_id: str) -> MessageHeader:
        return self._headers[message_id]

    def path_to(self, message_id: str | None) -> tuple[MessageHeader, ...]:
        """From the root to that message, oldest first; empty for None."""
        path: list[MessageHeader] = []
        seen: set[str] = set()
        current = message_id
        while current is not None and current in self._headers and current not in seen:
            seen.add(current)
            path.append(self._headers[current])
            current = self._headers[current].parent_id
        path.reverse()
        return tuple(path)

    def siblings(self, message_id: str) -> Sequence[str]:
        """The versions that stand at this message's place, oldest first; it is one of them."""
        header = self._headers[message_id]
        parent = header.parent_id if header.parent_id in self._headers else None
        return self._children.get(parent, [message_id])

    def children(self, message_id: str | None) -> Sequence[str]:
        """What answers this message, oldest first (None: the roots)."""
        return self._children.get(message_id, ())

    def leaf_below(self, message_id: str) -> str:
        """The newest end of the branches through this message."""
        current, seen = message_id, {message_id}
        while children := [child for child in self._children.get(current, ()) if child not in seen]:
            current = children[-1]
            seen.add(current)
        return current

    def neighbour(self, message_id: str, step: int) -> str | None:
        """The leaf to show for the version ``step`` places beside this one; None where there is none."""
        versions = self.siblings(message_id)
        place = versions.index(message_id) + step
        return self.leaf_below(versions[place]) if 0 <= place < len(versions) else None
