"""How a message looks around its text: header, thinking, error, gutter, and the rule of the model's view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from tui_chat.core import clock
from tui_chat.core.clean import clean, clean_line
from tui_chat.core.clock import Millis
from tui_chat.core.models import Attachment, MessageHeader, Part, Role, Status
from tui_chat.core.sentences import CUT_OFF
from tui_chat.ui.markdown import BLANK, Inks, Line, crop, wrap
from tui_chat.ui.markdown.inks import BOLD, ITALIC
from tui_chat.ui.widgets.file_words import file_words

NARROW = 40
"""Columns below which a header shows no time."""

GUTTER = 2
"""Cells left of every line of a message."""

FOLD = {"fold": True}
"""What a click on the line about thinking finds in its style."""

_NAMES = {Role.USER: "you", Role.SYSTEM: "system", Role.TOOL: "tool"}


class State(NamedTuple):
    """What a message's header says beside who wrote it."""

    queued: bool = False
    sent: bool = True
    branch: tuple[int, int] | None = None
    """Its place among its versions and their number."""


def name_of(header: MessageHeader) -> str:
    """Who speaks: you, or the model by its name."""
    name = _NAMES.get(header.role) or header.model_name or "assistant"
    return clean_line(name)


def time_of(instant: Millis, now: Millis) -> str:
    """``12:40`` for today, ``3 May 12:40`` else, in the reader's zone."""
    time, day = clock.local_time(instant).split(", ", 1)
    today = clock.local_time(now).split(", ", 1)[1]
    return time if day == today else f"{day} {time}"


def header_line(header: MessageHeader, state: State, width: int, inks: Inks, now: Millis) -> Line:
    """Name at the left; branch, status and time at the right, as far as there is room."""
    colour = inks.user if header.role is Role.USER else inks.reply
    notes = _notes(header, state, inks)
    if width + GUTTER >= NARROW:
        notes.append((time_of(header.created_at, now), inks.dim))
    name = crop(name_of(header), max(1, width - 2))
    while notes and cell_len(name) + 2 + _width(notes) > width:
        notes.pop()
    space = max(0, width - cell_len(name) - _width(notes)) if notes else 0
    segments = [Segment(name, colour + BOLD), Segment(" " * space, inks.text)]
    for place, (text, style) in enumerate(notes):
        segments += [Segment(" · ", inks.dim)] if place else []
        segments.append(Segment(text, style))
    return Line(tuple(segments), cell_len(name) + space + _width(notes))


def _notes(header: MessageHeader, state: State, inks: Inks) -> list[tuple[str, Style]]:
    notes = []
    if state.branch is not None and state.branch[1] > 1:
        notes.append((f"‹{state.branch[0]}/{state.branch[1]}›", inks.text))
    if header.pinned:
        notes.append(("pinned", inks.text))
    if header.excluded:
        notes.append(("excluded", inks.warning))
    match header.status:
        case Status.STREAMING:
            notes.append(("writing…", inks.reply))
        case Status.STOPPED:
            notes.append(("stopped", inks.warning))
        case Status.FAILED:
            notes.append(("failed", inks.error))
        case _ if state.queued:
            notes.append(("queued", inks.warning))
        case _ if not state.sent:
            notes.append(("not sent", inks.dim))
    return notes


def _width(notes: Sequence[tuple[str, Style]]) -> int:
    return sum(cell_len(text) for text, _ in notes) + 3 * max(0, len(notes) - 1)


# -- around the text


def folded_thinking(text: str, width: int, inks: Inks) -> Line:
    """One line that says how much thinking there is."""
    words = len(text.split())
    return _clickable(f"▸ thinking ({words:,} {'word' if words == 1 else 'words'})", width, inks)


def live_thinking(text: str, width: int, inks: Inks) -> Line:
    """One line with the newest words."""
    head = "▸ thinking… "
    last = clean_line(text[-4 * width :]).strip()
    while last and cell_len(head + last) > width:
        last = last[1 + max(0, (cell_len(head + last) - width) // 2) :]
    return _clickable(head + last, width, inks)


def open_thinking(text: str, width: int, inks: Inks) -> list[Line]:
    """All of it, as plain text in another hand, so that nobody takes it for the answer."""
    style = inks.dim + ITALIC
    body = wrap([(clean(text).strip("\n"), style)], max(1, width - 2))
    indent = Segment("  ", inks.text)
    return [
        _clickable("▾ thinking", width, inks),
        *(Line((indent, *line.segments), line.width + 2, 2, line.glue) for line in body),
        BLANK,
    ]


def file_lines(parts: Sequence[Part], width: int, inks: Inks) -> list[Line]:
    """One line for each file that goes with the message; it is drawn and no text, so that no copy has it."""
    names = [crop(file_words(part, width), width) for part in parts if isinstance(part, Attachment)]
    return [Line((Segment(name, inks.dim),), cell_len(name), 0, None) for name in names]


def error_lines(header: MessageHeader, width: int, inks: Inks, before_keys: str) -> list[Line]:
    """What went wrong, or what else is to be said of it, beside the text and never in it, and what to do.

    ``before_keys`` is what must be done first for the keys to work, with a comma and a space.
    """
    if not header.error and header.status is not Status.FAILED:
        return []
    failed = header.status is not Status.COMPLETE
    error = clean_line(header.error or "The reply failed.")
    keys = ["r tries again"] if failed else []
    if header.characters and (failed or error.startswith(CUT_OFF)):
        keys.append("m asks for the rest")
    hint = [(f" · {before_keys}{', '.join(keys)}", inks.dim)] if keys else []
    said = (f"✗ {error}", inks.error) if failed else (f"! {error}", inks.warning)
    return wrap([said, *hint], width)


def waiting_lines(height: int, inks: Inks) -> list[Line]:
    """What stands for a text that is not here yet: as many lines as it is expected to have."""
    return [Line((Segment("…", inks.dim),), 1, 0, None), *([BLANK] * max(0, height - 1))]


def rule_line(above: int, width: int, inks: Inks) -> Line:
    """Where the model's view begins."""
    verb = "message above is" if above == 1 else "messages above are"
    text = crop(f"┄┄ ↑ {above:,} {verb} not sent to the model ", width)
    return Line((Segment(text + "┄" * max(0, width - cell_len(text)), inks.warning),), width, 0, None)


def gutter(role: Role, inks: Inks, *, sent: bool, current: bool, head: bool) -> Segment:
    """The bar left of a message: dotted where it is not sent; where the cursor is, a block at its head
    and a double bar below, so that it is seen without colours."""
    bar = "▌" if sent else "┆"
    if current:
        return Segment("█ " if head else f"{bar}▏", inks.text + BOLD)
    colour = inks.user if role is Role.USER else inks.reply
    return Segment(f"{bar} ", colour if sent else inks.dim)


def _clickable(text: str, width: int, inks: Inks) -> Line:
    text = crop(text, width)
    return Line((Segment(text, inks.dim + Style.from_meta(FOLD)),), cell_len(text), 0, None)
