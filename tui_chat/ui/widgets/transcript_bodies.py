"""The texts of the messages on show: asked for by the page, when they come into view."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tui_chat.core.models import Attachment, Body, Part

Fetch = Callable[[Sequence[str]], Awaitable[Mapping[str, Body]]]

PAGE = 50
"""Messages asked for at once."""

KEPT_CHARACTERS = 4_000_000
"""Texts beyond that are forgotten, the longest unused first, and asked for again."""

MISSING = Body("")


def unloaded(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The same without the data of files: their names are all that is drawn of them."""
    return tuple(part.unloaded() if isinstance(part, Attachment) else part for part in parts)


class Bodies:
    """What is here, and what has been asked for. Texts are kept as they were written."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch = fetch
        self._here: OrderedDict[str, Body] = OrderedDict()
        self._asked: set[str] = set()
        self._characters = 0

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._here

    def get(self, message_id: str) -> Body | None:
        """The body, if it is here."""
        body = self._here.get(message_id)
        if body is not None:
            self._here.move_to_end(message_id)
        return body

    def put(self, bodies: Mapping[str, Body]) -> None:
        """Keep these, and forget others where there is no more room."""
        for message_id, body in bodies.items():
            self.drop(message_id)
            self._here[message_id] = body
            self._characters += len(body.text)
        while self._characters > KEPT_CHARACTERS and len(self._here) > PAGE:
            self._characters -= len(self._here.popitem(last=False)[1].text)

    def drop(self, message_id: str) -> None:
        """Forget one: it has changed."""
        if (old := self._here.pop(message_id, None)) is not None:
            self._characters -= len(old.text)

    def missing(self, page: Sequence[str]) -> list[str]:
        """Those of a page that are neither here nor asked for; from now on they are asked for."""
        if self._fetch is None:
            return []
        wanted = [each for each in page if each not in self._here and each not in self._asked]
        self._asked.update(wanted)
        return wanted

    async def load(self, wanted: Sequence[str]) -> None:
        """Ask for these. What does not exist any more counts as empty, so that it is not asked for again."""
        if self._fetch is None:
            return
        try:
            found = await self._fetch(wanted)
            self.put({each: found.get(each, MISSING) for each in wanted})
        finally:
            self._asked.difference_update(wanted)
