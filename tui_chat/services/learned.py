"""What sent requests taught: how a model's tokens are counted, the last exact count, where windows of blocks began."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tui_chat.core.calibration import Calibration, LastCount
from tui_chat.core.context import ContextPlan
from tui_chat.core.models import MessageHeader, ModelRef

if TYPE_CHECKING:
    from tui_chat.core.ports import ConversationStore

MOST_ANCHORS = 8
"""Branches of a conversation whose window's beginning is remembered; one forgotten costs one cache miss."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Where windows of blocks began in a conversation, newest first, under which rules and marks."""

    rules: tuple[str, ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    """Pairs of a message's id and the marks that its branch had (``marks_of``)."""

    def on(self, branch: Sequence[MessageHeader], rules: tuple[str, ...]) -> str | None:
        """The newest one that holds for this branch; None under other rules, or after a pin or an exclusion."""
        if rules != self.rules or not self.places:
            return None
        marks = marks_of(branch)
        ids = {header.id for header in branch}
        return next((place for place, held in self.places if held == marks and place in ids), None)

    def with_place(self, message_id: str, branch: Sequence[MessageHeader], rules: tuple[str, ...]) -> Anchors:
        """With this one as the newest; other rules forget all before."""
        before = self.places if rules == self.rules else ()
        others = [place for place in before if place[0] != message_id]
        return Anchors(rules, ((message_id, marks_of(branch)), *others)[:MOST_ANCHORS])


def marks_of(branch: Sequence[MessageHeader]) -> str:
    """The same for two branches exactly if the same messages are pinned and excluded."""
    marks = [
        f"{header.id}{header.pinned:d}{header.excluded:d}" for header in branch if header.pinned or header.excluded
    ]
    return blake2b("".join(marks).encode(), digest_size=8).hexdigest() if marks else ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before a plan is made."""

    calibration: Calibration = field(default_factory=Calibration)
    anchors: Anchors = field(default_factory=Anchors)
    last: LastCount | None = None


class Learned:
    """Reads and keeps it, per model and per conversation. Another version's, or damaged, is learned again."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    async def known(self, conversation_id: str, model: ModelRef) -> Known:
        """All of it."""
        return Known(
            await self.calibration(model),
            await self._anchors(conversation_id),
            await self._last(conversation_id, model),
        )

    async def calibration(self, model: ModelRef) -> Calibration:
        """How that model's tokens are counted."""
        kept = await self._read(f"calibration:{model}")
        try:
            return Calibration() if kept is None else Calibration.from_json(kept)
        except ValueError:
            return Calibration()

    async def remember_anchor(
        self, conversation_id: str, message_id: str, branch: Sequence[MessageHeader], rules: tuple[str, ...]
    ) -> None:
        """The window of a request that is sent begins there."""
        anchors = (await self._anchors(conversation_id)).with_place(message_id, branch, rules)
        await self._write(f"anchors:{conversation_id}", {"rules": anchors.rules, "places": anchors.places})

    async def remember_count(self, conversation_id: str, model: ModelRef, plan: ContextPlan, real: int) -> None:
        """The server's own count of what that plan sent."""
        after = (await self.calibration(model)).with_figure(plan.uncorrected, real, others=plan.share_of_others)
        await self._write(f"calibration:{model}", after.to_json())
        last = LastCount(plan.uncorrected, real)
        await self._write(f"count:{conversation_id}", {"model": str(model), **last.to_json()})

    # -- inside -------------------------------------------------------------------------------

    async def _anchors(self, conversation_id: str) -> Anchors:
        kept = await self._read(f"anchors:{conversation_id}")
        try:
            places = tuple((str(message_id), str(marks)) for message_id, marks in kept["places"])
            return Anchors(tuple(str(rule) for rule in kept["rules"]), places)
        except (TypeError, KeyError, ValueError):
            return Anchors()

    async def _last(self, conversation_id: str, model: ModelRef) -> LastCount | None:
        kept = await self._read(f"count:{conversation_id}")
        if not isinstance(kept, dict) or kept.pop("model", None) != str(model):
            return None
        try:
            return LastCount.from_json(kept)
        except ValueError:
            return None

    async def _read(self, key: str) -> Any:
        kept = await self._store.value(key)
        try:
            return json.loads(kept) if kept else None
        except ValueError:
            return None

    async def _write(self, key: str, value: object) -> None:
        await self._store.set_value(key, json.dumps(value))
