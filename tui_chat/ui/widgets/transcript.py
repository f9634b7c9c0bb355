"""The conversation on the screen: any number of messages in one widget that draws lines.

What a screen does with it::

    show(headers, fetch, bodies=..., anchor=..., versions=...)   another conversation, or another branch of it
    add(message, queued=...)    begin(reply)                     a message more; a reply that will be fed
    feed(id, text)              feed_thinking(id, text)          for every piece; cheap, drawn a few times a second
    settle(reply)                                                its final state
    show_plan(plan)                                              marks what the model does not get
    jump_to(id)    scroll_state()    toggle_thinking()           current_id    follow

It posts ``CurrentChanged``, ``FollowChanged``, ``LinkChosen`` and ``FetchFailed``. It has neither border
nor padding; put it into a container for that. Messages that are not on show are ignored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.message import Message as Event
from textual.timer import Timer

from tui_chat.core import clock
from tui_chat.core.clean import clean
from tui_chat.core.clock import Clock
from tui_chat.core.context import ContextPlan, Kind, Reason
from tui_chat.core.errors import TuiChatError
from tui_chat.core.headers import header_of
from tui_chat.core.models import Body, Message, MessageHeader, Status, Thinking
from tui_chat.ui.markdown import BLANK, Line, render
from tui_chat.ui.markdown.fences import colours_are_loaded, load_colours
from tui_chat.ui.widgets import transcript_look as look
from tui_chat.ui.widgets.transcript_bodies import PAGE, Bodies, Fetch, unloaded
from tui_chat.ui.widgets.transcript_cursor import TranscriptCursor
from tui_chat.ui.widgets.transcript_live import FRAME, SHARE, Live
from tui_chat.ui.widgets.transcript_rows import Place

Anchor = tuple[str, int]
"""A message and one of its lines, at the top of the screen."""

AHEAD = 10
"""Messages before and behind one that is drawn whose texts are asked for too."""


class Transcript(TranscriptCursor):
    """The messages of one branch, oldest first; the newest may still be arriving."""

    @dataclass
    class FollowChanged(Event):
        """The view follows the end, or no longer does: then what arrives is below the screen."""

        following: bool

    @dataclass
    class FetchFailed(Event):
        """Texts could not be read; they are asked for again when they come into view again."""

        error: TuiChatError

    def __init__(
        self,
        *,
        now: Clock = clock.now,
        before_keys: str = "",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._now = now
        self._before_keys = before_keys
        self._bodies = Bodies()
        self._versions: Mapping[str, tuple[int, int]] = {}
        self._queued: set[str] = set()
        self._not_sent: frozenset[str] = frozenset()
        self._window_start: str | None = None
        self._unfolded = False
        self._headers: dict[str, tuple[MessageHeader, look.State, Line]] = {}
        self._live: dict[str, Live] = {}
        self._plain_code: set[str] = set()
        self._flush_timer: Timer | None = None
        self._next_flush = 0.0

    # -- what is on show

    def show(
        self,
        headers: Sequence[MessageHeader],
        fetch: Fetch,
        *,
        bodies: Mapping[str, Body] | None = None,
        anchor: Anchor | None = None,
        versions: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        """Show these messages, at ``anchor`` or at their end.

        Only the headers are held; texts are fetched by the page when they come into view, and
        ``bodies`` are those at hand. ``versions``: of a message that has others beside it, its place
        among them (from 1) and their number. Replies that were being fed are fed no more.
        """
        before = {header.id: header for header in self.rows.headers if header.id not in self._live}
        stay = {header.id for header in headers if before.get(header.id) == header}
        for message_id in [each for each in self._drawn if each not in stay]:
            self.forget(message_id)
        fresh = Bodies(fetch)
        fresh.put({each: body for each in stay if (body := self._bodies.get(each)) is not None})
        fresh.put(bodies or {})
        self._bodies = fresh
        self._live.clear()
        self._queued.clear()
        self._versions = versions or {}
        self.rows.replace(headers, self.text_width, known=stay)
        self._place_rule()
        self._clear_selection()
        row = self.rows.index(anchor[0]) if anchor else None
        self.set_follow(row is None)
        self.set_current(headers[-1 if row is None else row].id if headers else None)
        if anchor is None or row is None:
            self.show_end()
        else:
            self.show_from(Place(row, anchor[1]))

    def add(self, message: Message, *, header: MessageHeader | None = None, queued: bool = False) -> None:
        """One more message at the end; ``queued`` where it waits for a reply that is being written.

        Measuring one with files takes long, or is not possible here: ``header`` is what it came to.
        """
        self._insert(len(self.rows), message, header)
        if queued:
            self._queued.add(message.id)
        self.stay()

    def show_queued(self, ids: Sequence[str]) -> None:
        """These prompts wait, and no others."""
        changed = self._queued ^ set(ids)
        self._queued = set(ids)
        for message_id in changed:
            self.forget(message_id)
        if changed:
            self.stay()

    def begin(self, reply: Message) -> None:
        """An answer that will be fed, below what it answers; with what has arrived of it so far."""
        row = self.rows.index(reply.id)
        if row is None:
            asked = self.rows.index(reply.parent_id) if reply.parent_id else None
            row = len(self.rows) if asked is None else asked + 1
            self._insert(row, reply)
        self.rows.headers[row] = header_of(reply)._replace(status=Status.STREAMING)
        self._live[reply.id] = Live(reply.text, reply.thinking)
        self._queued.discard(reply.parent_id or "")
        self.forget(reply.id)
        self.stay()

    def feed(self, message_id: str, text: str) -> None:
        """More of an answer. Cheap: it is drawn with what else comes in the same frame."""
        if (live := self._live.get(message_id)) is not None:
            live.feed(text)
            self._flush_soon()

    def feed_thinking(self, message_id: str, text: str) -> None:
        """More of what the model thinks before it answers."""
        if (live := self._live.get(message_id)) is not None:
            live.feed_thinking(text)
            self._flush_soon()

    def settle(self, reply: Message, error: str | None = None) -> None:
        """The reply is as it will stay; ``error`` in place of the one it carries."""
        row = self.rows.index(reply.id)
        if row is None:
            return
        live = self._live.pop(reply.id, None)
        header = header_of(reply)
        self.rows.headers[row] = header._replace(error=error or header.error)
        body = Body(reply.text, reply.parts)
        self._bodies.put({reply.id: body})
        self.forget(reply.id)
        if live is not None and self.text_width:
            live.flush(self.text_width, self.inks)
            if live.is_whole(reply.text) and reply.id not in self._plain_code:
                # What was drawn piece by piece is what a rendering of the whole would give.
                self.keep_true(row, self._around(row, self._thinking_lines(body), live.answer))
        self.stay()

    def scroll_state(self) -> Anchor | None:
        """What stands at the top of the screen, for ``show(anchor=...)``; None at the end."""
        if self.follow or not self.rows:
            return None
        row = min(self.place.row, len(self.rows) - 1)
        return self.rows.headers[row].id, self.place.line

    def toggle_thinking(self) -> None:
        """Fold or unfold the thinking of all messages."""
        self._unfolded = not self._unfolded
        for header in self.rows.headers:
            if header.has_thinking or header.id in self._live:
                self.forget(header.id)
        self.stay()

    def _insert(self, row: int, message: Message, header: MessageHeader | None = None) -> None:
        current = self._current
        was_last = not self.rows or current == self.rows.headers[-1].id
        self._bodies.put({message.id: Body(message.text, unloaded(message.parts))})
        self.rows.insert(row, header or header_of(message))
        self._place_rule()
        if was_last:
            self.set_current(self.rows.headers[-1].id)

    def _clear_selection(self) -> None:
        if self.is_attached and self.text_selection is not None:
            self.screen.clear_selection()

    # -- the model's view

    def show_plan(self, plan: ContextPlan | None) -> None:
        """Mark what this plan does not send, with the rule where its window begins. No text is drawn again."""
        entries = [entry for entry in plan.entries if entry.kind is Kind.MESSAGE and entry.id] if plan else []
        not_sent = frozenset(entry.id for entry in entries if entry.id and not entry.sent)
        above = sum(entry.reason in (Reason.BEFORE_WINDOW, Reason.NO_USER_MESSAGE) for entry in entries)
        in_window = [entry.id for entry in entries if entry.sent and entry.reason in (Reason.WINDOW, Reason.FULL)]
        start = in_window[0] if in_window else None
        if (not_sent, above, start) == (self._not_sent, self.above, self._window_start):
            return
        self._not_sent, self.above, self._window_start = not_sent, above, start
        self._place_rule()
        self.stay()

    def _place_rule(self) -> None:
        if not self.above:
            self.rows.rule = None
        elif self._window_start is None:
            self.rows.rule = len(self.rows)
        else:
            self.rows.rule = self.rows.index(self._window_start)
        self.rows.add_up()

    def is_sent(self, row: int) -> bool:
        message_id = self.rows.headers[row].id
        return message_id not in self._not_sent or message_id in self._live or message_id in self._queued

    # -- drawing

    def header_line(self, row: int) -> Line:
        header = self.rows.headers[row]
        state = look.State(
            queued=header.id in self._queued, sent=self.is_sent(row), branch=self._versions.get(header.id)
        )
        known = self._headers.get(header.id)
        if known is None or known[:2] != (header, state):
            line = look.header_line(header, state, self.text_width, self.inks, self._now())
            known = self._headers[header.id] = (header, state, line)
        return known[2]

    def draw_message(self, row: int) -> tuple[list[Line], bool]:
        header = self.rows.headers[row]
        if (live := self._live.get(header.id)) is not None:
            if not live.is_drawn:
                live.flush(self.text_width, self.inks)
            self._note_code(header.id, has_code=live.has_code)
            return self._around(row, [], live.lines(self.text_width, self.inks, unfolded=self._unfolded)), True
        self._ask_around(row)
        body = self._bodies.get(header.id)
        if body is None:
            return [BLANK, *look.waiting_lines(self.rows.heights[row] - 2, self.inks), BLANK], False
        text = clean(body.text)
        self._note_code(header.id, has_code="```" in text or "~~~" in text)
        files = look.file_lines(body.parts, self.text_width, self.inks)
        return self._around(row, self._thinking_lines(body), [*render(text, self.text_width, self.inks), *files]), True

    def _around(self, row: int, thinking: Sequence[Line], answer: Sequence[Line]) -> list[Line]:
        errors = look.error_lines(self.rows.headers[row], self.text_width, self.inks, self._before_keys)
        return [BLANK, *thinking, *answer, *([BLANK] if answer and errors else []), *errors, BLANK]

    def _thinking_lines(self, body: Body) -> list[Line]:
        thinking = "".join([part.text for part in body.parts if isinstance(part, Thinking)])
        if not thinking:
            return []
        if self._unfolded:
            return look.open_thinking(thinking, self.text_width, self.inks)
        return [look.folded_thinking(thinking, self.text_width, self.inks)]

    def forget_drawn(self) -> None:
        super().forget_drawn()
        self._headers.clear()
        for live in self._live.values():
            live.restart()

    def following_changed(self, following: bool) -> None:
        self.post_message(self.FollowChanged(following))

    # -- colours of code, which are loaded when the first code is drawn

    def _note_code(self, message_id: str, *, has_code: bool) -> None:
        if not has_code or colours_are_loaded():
            return
        if not self._plain_code:
            self.run_worker(self._colour_code(), group="colours")
        self._plain_code.add(message_id)

    async def _colour_code(self) -> None:
        await asyncio.to_thread(load_colours)
        for message_id in self._plain_code:
            self.undraw(message_id)
            if (live := self._live.get(message_id)) is not None:
                live.restart()
        self._plain_code.clear()
        self.refresh()

    # -- texts

    def _ask_around(self, row: int) -> None:
        """Ask for this message's text and those around it, by the page, unless they are here or on their way."""
        headers = self.rows.headers
        near = [
            place
            for place in range(max(0, row - AHEAD), min(len(headers), row + AHEAD))
            if headers[place].id not in self._bodies
        ]
        if not near:
            return
        first, last = near[0] // PAGE * PAGE, (near[-1] // PAGE + 1) * PAGE
        bodies = self._bodies
        wanted = bodies.missing([header.id for header in headers[first:last]])
        if wanted:
            self.run_worker(self._load(bodies, wanted), group="bodies")

    async def _load(self, bodies: Bodies, wanted: Sequence[str]) -> None:
        try:
            await bodies.load(wanted)
        except TuiChatError as error:
            for message_id in wanted:
                self.undraw(message_id)
            self.post_message(self.FetchFailed(error))
            return
        if bodies is self._bodies:
            self._arrived(set(wanted))

    def _arrived(self, ids: set[str]) -> None:
        """Draw them in place of what stood for them; what is read stays where it is."""
        row, line = self.place
        height = self.rows.heights[row] if row < len(self.rows) else 0
        for message_id in ids:
            if message_id not in self._live:
                self.forget(message_id)
        if line > 0 and row < len(self.rows) and self.rows.headers[row].id in ids:
            # The reader came from below: the distance to the end of this message is what must stay.
            self.place = Place(row, max(0, self.height_of(row) - (height - line)))
        self.stay()

    # -- what arrives

    def _flush_soon(self) -> None:
        if self._flush_timer is not None:
            return
        wait = self._next_flush - time.monotonic()
        if wait > 0:
            self._flush_timer = self.set_timer(wait, self._flush)
        else:
            self._flush()  # at once: the first word shall not wait for a timer

    def _flush(self) -> None:
        """Draw what has arrived, the more rarely the more it costs."""
        self._flush_timer = None
        if not self.text_width:
            return
        start = time.perf_counter()
        for message_id, live in self._live.items():
            if live.is_pending:
                self._draw_more(message_id, live)
        cost = time.perf_counter() - start
        self._next_flush = time.monotonic() + max(FRAME, SHARE * cost)
        if any(live.is_pending for live in self._live.values()):
            self._flush_soon()

    def _draw_more(self, message_id: str, live: Live) -> None:
        row = self.rows.index(message_id)
        if row is None:
            return
        before = self.lines_of(row)
        live.flush(self.text_width, self.inks)
        lines, _ = self.draw_message(row)
        changed = _first_difference(before, lines)
        self.keep(message_id, lines)
        total = self.rows.total
        self.rows.grow(row, len(lines))
        if self.rows.total == total and self.rows.exact[row]:
            # Most flushes end within a line: only what changed is painted again.
            self.refresh_lines(self.rows.line_of(Place(row, changed)), len(lines) - changed)
        elif self.follow:
            self.scroll_to_line(self.rows.total)
        else:
            self.size_changed()
            if self.rows.line_of(Place(row, 0)) < self.scroll_y + self.size.height:
                self.refresh()


def _first_difference(old: Sequence[Line], new: Sequence[Line]) -> int:
    """The first line that differs; lines that do not are the same objects in both only where they were kept."""
    for place, (one, other) in enumerate(zip(old, new, strict=False)):
        if one is not other and one != other:
            return place
    return min(len(old), len(new))
