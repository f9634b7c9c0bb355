"""What the inspector shows: one request as a value, and its entries in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tui_chat.core.attachments import clean_name
from tui_chat.core.clock import Millis
from tui_chat.core.context import ContextPlan, Entry, Kind
from tui_chat.core.models import Usage
from tui_chat.services.endpoints import Reach
from tui_chat.ui.widgets.file_words import CLIP

_HEAD = 2_000
"""Characters in which the first line of a text is looked for."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What there is of the conversation, in messages: on the branch on show, and in the encrypted history.

    ``versions`` counts the places where a message has more than one; ``since`` is when the oldest
    message was written, None where there is none.
    """

    shown: int
    messages: int
    versions: int
    since: Millis | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """One request: the next one, or with ``past`` the one that an answer came from.

    ``excerpts`` holds the first line of every message of the plan that is still stored, by id;
    ``raw`` is the body exactly as the provider renders it, empty where nothing is sent or it was not
    kept. ``usage`` is what the server counted, ``estimated`` what had been estimated for that very
    request. A past plan comes from its digest and has no payload.
    """

    plan: ContextPlan = field(repr=False)
    excerpts: Mapping[str, str] = field(repr=False)
    times: Mapping[str, Millis] = field(repr=False)
    raw: bytes = field(repr=False)
    model: str
    host: str
    reach: Reach
    stored: Stored
    usage: Usage | None = None
    estimated: int = 0
    past: bool = False

    def text_of(self, row: Row) -> str | None:
        """The text of a row as it is sent; None where the plan does not hold it."""
        if row.number is None or not self.plan.payload:
            return None
        return self.plan.payload[row.number - 1].content

    def excerpt_of(self, row: Row) -> str | None:
        """The first line of a row's text, and the names of its images; None where no text of it is known."""
        text = self.text_of(row)
        if text is None and row.entry.id is not None:
            text = self.excerpts.get(row.entry.id)
        if text is None:
            return None
        images = self.plan.payload[row.number - 1].images if row.number is not None and self.plan.payload else ()
        return " ".join(filter(None, (first_line(text), *(f"{CLIP} {clean_name(each.name)}" for each in images))))

    def time_of(self, row: Row) -> Millis | None:
        """When it was written; None where it was not (a system prompt, a draft)."""
        return None if row.entry.id is None else self.times.get(row.entry.id)


class Row(NamedTuple):
    """An entry and its number in the payload, from 1; None where it is not sent by itself."""

    entry: Entry
    number: int | None


def first_line(text: str) -> str:
    """The first line that is not blank."""
    return next((line for line in text[:_HEAD].splitlines() if line.strip()), "")


def rows_of(plan: ContextPlan) -> Sequence[Row]:
    """Every entry once: the payload in its order, what is quoted behind what carries it, and what is not
    sent behind the message it followed in the conversation."""
    own = sorted((entry for entry in plan.entries if _is_carried(entry)), key=_order)
    behind = _behind(plan.entries, own)
    first = next((at for at, entry in enumerate(own) if entry.kind not in (Kind.SYSTEM, Kind.TOOLS)), len(own))
    rows: list[Row] = []
    for at, entry in enumerate(own):
        if at == first:
            rows += [Row(each, None) for each in behind.get(None, ())]
        rows.append(Row(entry, at + 1))
        rows += [Row(each, None) for each in behind.get(_order(entry), ())]
    if first == len(own):
        rows += [Row(each, None) for each in behind.get(None, ())]
    return tuple(rows)


def _behind(entries: Sequence[Entry], own: Sequence[Entry]) -> Mapping[int | None, Sequence[Entry]]:
    """What is not sent by itself, by the order of what it stands behind; None for before all messages."""
    places = {entry.id: entry.order for entry in own if entry.id is not None}
    draft = next((entry.order for entry in own if entry.kind is Kind.DRAFT), None)
    behind: dict[int | None, list[Entry]] = {}
    for entry in entries:
        if entry.inside is not None:
            behind.setdefault(places.get(entry.inside, draft), []).append(entry)
    last: int | None = None
    for entry in entries:
        if _is_carried(entry):
            last = entry.order if entry.kind in (Kind.MESSAGE, Kind.DRAFT) else last
        elif entry.inside is None:
            behind.setdefault(last, []).append(entry)
    return behind


def _is_carried(entry: Entry) -> bool:
    """Whether it is a message of the payload by itself."""
    return entry.sent and entry.order is not None and entry.inside is None


def _order(entry: Entry) -> int:
    return entry.order or 0
