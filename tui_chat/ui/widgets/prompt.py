"""The prompt: an editor that sends on enter and keeps the order of what is typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.text import Text
from textual import events, on
from textual.content import Content
from textual.document._document import Location
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import TextArea

from tui_chat.core.clean import clean, clean_line
from tui_chat.core.dropped import may_be_dropped
from tui_chat.ui.widgets.completions import Completions
from tui_chat.ui.widgets.ordered_keys import own_bindings, run_binding_in_order
from tui_chat.ui.widgets.pasted import Paste, PastedBlocks, Pastes
from tui_chat.ui.widgets.prompt_keys import PROMPT_KEYS

if TYPE_CHECKING:
    from tui_chat.core.ports import Completion

_MARKER = "❯ "

_HELD_SECONDS = 0.15
"""A key that is held down repeats every 25 to 90 ms; nobody presses it that fast."""


class PromptInput(TextArea, inherit_bindings=False):
    """A multi-line editor that grows to a third of the screen.

    ``enter_sends`` False makes enter a new line, and ctrl+enter or f5 send. Of a big text that is put
    back into it most stands in it as one token; ``draft``, ``take`` and ``Submitted`` give the text
    with all of it in place. ``text`` is what the editor shows. Big pastes are handed on, not kept.

    A path begun behind ``@`` is completed by who answers ``PathBegun`` with ``offer``.
    """

    BINDINGS = PROMPT_KEYS

    COMPONENT_CLASSES = {"prompt--marker", "prompt--pasted"}

    DEFAULT_CSS = """
    PromptInput {
        height: auto;
        min-height: 1;
        max-height: 33vh;
        border: none;
        padding: 0 1;
        background: transparent;
        scrollbar-size-vertical: 1;
        &:focus { border: none; }
        & > .prompt--marker { color: $text-muted; }
        &:focus > .prompt--marker { color: $primary; text-style: bold; }
        & > .prompt--pasted { text-style: bold reverse; }
        & .text-area--cursor-line { background: transparent; }
    }
    """

    enter_sends: reactive[bool] = reactive(True, bindings=True)

    @dataclass
    class Submitted(Message):
        """The user wants ``text`` answered; it is no longer in the prompt.

        It is empty where there was none: files may go with it, of which the prompt knows nothing.
        """

        text: str = field(repr=False)

    @dataclass
    class LargePaste(Message):
        """A text was pasted that is too big for the editor, which stays as it is."""

        text: str = field(repr=False)

    @dataclass
    class MayBeDropped(Message):
        """What was pasted may be names of files that were dropped; see ``take_back``."""

        text: str = field(repr=False)

    @dataclass
    class PathBegun(Message):
        """This is typed behind an ``@`` at the beginning of a word; ``offer`` answers it."""

        text: str = field(repr=False)

    @dataclass
    class PathEnded(Message):
        """A word behind ``@`` was written to its end; it may be a file's name in full."""

        text: str = field(repr=False)

    @dataclass
    class FileNamed(Message):
        """The user chose this file; its name stands in the text."""

        path: str = field(repr=False)

    def __init__(self, *, enter_sends: bool = True, id: str | None = None, classes: str | None = None) -> None:
        self._pasted = PastedBlocks()
        self._dropped = Pastes()
        self._completions = Completions(self._accept_path)
        self.handed_over: list[str] = []
        """Texts that were submitted and not yet taken by who answers for them."""
        self._key_time, self._deleted_time = 0.0, -_HELD_SECONDS
        super().__init__(id=id, classes=classes, highlight_cursor_line=False)
        self.cursor_blink = False
        self.set_reactive(PromptInput.enter_sends, enter_sends)

    # -- what is in it ------------------------------------------------------------

    @property
    def draft(self) -> str:
        """Everything typed and pasted, as it would be sent."""
        return self._pasted.expand(self.text)

    @draft.setter
    def draft(self, text: str) -> None:
        self._pasted.clear()
        self.load_text(self._pasted.fold(_plain(text)))
        self.move_cursor(self.document.end)

    def take(self) -> str:
        """Take the draft out; what is typed from now on belongs to the next prompt."""
        text = self.draft
        self._pasted.clear()
        self.load_text("")
        return text

    def restore(self, text: str) -> None:
        """Put a text back that could not be saved, in front of whatever was typed since."""
        folded = self._pasted.fold(_plain(text), self.text)
        self.insert(f"{folded}\n" if self.text else folded, (0, 0))

    # -- sending ------------------------------------------------------------------

    async def _on_key(self, event: events.Key) -> None:
        self._key_time = event.time
        if await run_binding_in_order(self, event):
            self._follow_path()
        elif event.is_printable:
            if event.character == " ":
                self._end_path()
            # Textual would call this next by itself; what was typed is looked at behind it.
            await super()._on_key(event)
            event.prevent_default()
            self._follow_path(typed=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter sends only where it is set to; page keys are the screen's while all of the text is in view.

        The keys of the file names are theirs while there are some, and backspace is the screen's
        where there is nothing to delete, unless it is held down since there was.
        """
        match action:
            case "accept_path":
                return self._is_completing or self._completions.is_entering
            case "await_path":
                return self._completions.is_awaited(self._line, self.cursor_location)
            case "delete_left":
                return bool(self.text) or self._key_time - self._deleted_time < _HELD_SECONDS
            case "choose_path" | "leave_paths":
                return self._is_completing
            case "send":
                return self.enter_sends
            case "cursor_page_up" | "cursor_page_down":
                return self.virtual_size.height > self.size.height
        return super().check_action(action, parameters)

    def action_send(self) -> None:
        """Hand the text over at once, so that keys behind this one begin the next prompt."""
        self._end_path()
        text = self.take() if self.draft.strip() else ""
        self.handed_over.append(text)
        self.post_message(self.Submitted(text))

    def action_send_always(self) -> None:
        """Send, whatever enter does."""
        self.action_send()

    def action_new_line(self) -> None:
        """Break the line at the cursor, in place of what is selected."""
        self._end_path()
        self._replace_via_keyboard("\n", *self.selection)

    # -- pasting ------------------------------------------------------------------

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self._insert_pasted(event.text)

    def action_paste(self) -> None:
        """Paste what was last copied inside the app."""
        self._insert_pasted(self.app.clipboard)

    def action_copy(self) -> None:
        """Copy the selection, pasted blocks in full."""
        if not self.selected_text:
            super().action_copy()
            return
        self.app.copy_to_clipboard(self._pasted.expand(self.selected_text))

    def action_cut(self) -> None:
        """Cut the selection (or the line), pasted blocks in full."""
        super().action_cut()
        if (full := self._pasted.expand(self.app.clipboard)) != self.app.clipboard:
            self.app.copy_to_clipboard(full)

    def _insert_pasted(self, pasted: str) -> None:
        text = _plain(pasted)
        if self._pasted.belongs_outside(text, self.text):
            self.post_message(self.LargePaste(text))
            return
        start, replaced = min(self.selection), self.selected_text
        if text and (result := self._replace_via_keyboard(text, *self.selection)):
            self.move_cursor(result.end_location)
            if may_be_dropped(pasted):
                self._dropped.add(Paste(pasted, text, len(self.get_text_range((0, 0), start)), replaced))
                self.post_message(self.MayBeDropped(pasted))

    def take_back(self, text: str) -> Paste | None:
        """Take a paste out again and put back what it replaced; None where it no longer stands there.

        ``text`` is that of ``MayBeDropped``. What was typed around it stays, and so does the cursor in it.
        It may be in what was submitted since.
        """
        there = self.text
        if (paste := self._dropped.take(text, there, *self.handed_over)) is None:
            return None
        if (found := paste.place_in(there)) is not None:
            self.replace(paste.replaced, _location(there[:found]), _location(there[: found + len(paste.written)]))
            return paste
        for number, each in enumerate(self.handed_over):
            if (found := paste.place_in(each)) is not None:
                self.handed_over[number] = each[:found] + paste.replaced + each[found + len(paste.written) :]
                break
        return paste

    def put_back(self, paste: Paste) -> None:
        """Put a paste that was taken back where it stood."""
        self.insert(paste.written, _location(self.text[: paste.place]))

    # -- file names behind @ -----------------------------------------------------------

    def offer(self, begun: str, found: Sequence[Completion]) -> None:
        """What ``begun``, the text of a ``PathBegun``, may mean; shown unless something else is typed by now."""
        if not self._completions.is_attached and found and isinstance(self.parent, Widget):
            self.parent.mount(self._completions, before=self)
        self._ask_for(self._completions.offer(begun, found))
        if found and self._completions.is_wanted(begun):
            self._accept_path()

    def action_choose_path(self, rows: int) -> None:
        """Go up or down in the file names."""
        self._completions.move(rows)

    def action_accept_path(self) -> None:
        """Take the chosen file name."""
        if self._is_completing:
            self._accept_path()
        else:
            self._completions.is_entering = False

    def action_await_path(self) -> None:
        """Take the first file name when it is here."""
        self._completions.want()

    def action_leave_paths(self) -> None:
        """Close the file names; what is typed stays."""
        self._completions.leave()

    def _accept_path(self, index: int | None = None) -> None:
        if not self._is_completing:
            return
        start, chosen = self._completions.take(index)
        end = "" if chosen.is_folder else " "
        if result := self._replace_via_keyboard(f"@{clean_line(chosen.text)}{end}", start, self.cursor_location):
            self.move_cursor(result.end_location)
        if chosen.is_folder:
            self._follow_path(typed=True)
        else:
            self.post_message(self.FileNamed(chosen.path))

    @property
    def _is_completing(self) -> bool:
        return self._completions.is_open(self._line, self.cursor_location)

    @property
    def _line(self) -> str:
        return self.document.get_line(self.cursor_location[0])

    def _follow_path(self, *, typed: bool = False) -> None:
        self._ask_for(self._completions.follow(self._line, self.cursor_location, typed=typed))

    def _end_path(self) -> None:
        if written := self._completions.followed(self._line, self.cursor_location):
            self.post_message(self.PathEnded(written))

    def _ask_for(self, begun: str | None) -> None:
        if begun is not None:
            self.post_message(self.PathBegun(begun))

    @on(TextArea.SelectionChanged)
    def _check_path(self) -> None:
        self._completions.check(self._line, self.cursor_location)

    # -- a token is deleted whole ---------------------------------------------------

    def action_delete_left(self) -> None:
        """Delete the character, or the pasted block, left of the cursor."""
        self._deleted_time = self._key_time
        if not self._delete_token(after=self.get_cursor_left_location()):
            super().action_delete_left()

    def action_delete_right(self) -> None:
        """Delete the character, or the pasted block, right of the cursor."""
        if not self._delete_token(after=self.cursor_location):
            super().action_delete_right()

    def _delete_token(self, *, after: Location) -> bool:
        """Delete the token that covers the place after that location, if there is one and nothing is selected."""
        row, column = after
        if not self.selection.is_empty or row != self.cursor_location[0]:
            return False
        for start, end in self._pasted.places(self.document.get_line(row)):
            if start <= column < end:
                self._delete_via_keyboard((row, start), (row, end))
                return True
        return False

    # -- how it looks ---------------------------------------------------------------

    @property
    def gutter_width(self) -> int:
        """The marker's place; TextArea keeps text, cursor and mouse right of it."""
        return len(_MARKER)

    def render_line(self, y: int) -> Strip:
        """The marker, and the editor's line."""
        marker = Segment(_MARKER if y == 0 else " " * len(_MARKER), self.get_component_rich_style("prompt--marker"))
        return Strip.join([Strip([marker], len(_MARKER)), super().render_line(y)])

    def get_line(self, line_index: int) -> Text:
        """A line, with its pasted blocks marked."""
        line = super().get_line(line_index)
        for start, end in self._pasted.places(line.plain):
            line.stylize(self.get_component_rich_style("prompt--pasted"), start, end)
        return line

    def on_focus(self) -> None:
        """Say which keys work now: a keymap may have come since."""
        self._show_keys()

    def on_blur(self) -> None:
        """File names are chosen while typing only."""
        self._completions.close()

    def watch_enter_sends(self) -> None:
        """Say which keys send now."""
        if self.is_mounted:
            self._show_keys()

    def _show_keys(self) -> None:
        keys: dict[str, str] = {}
        for key, bindings in own_bindings(self).items():
            for binding in bindings:
                keys.setdefault(binding.action, key)
        if not keys:
            return
        send = keys.get("send" if self.enter_sends else "send_always", "")
        new_line = keys.get("new_line", "") if self.enter_sends else "enter"
        self.placeholder = Content(f"Message ({send} sends, {new_line} new line)")


def _plain(text: str) -> str:
    """Safe text with one kind of line end: terminals paste a bare CR for each."""
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


def _location(before: str) -> Location:
    """The place behind that text."""
    return before.count("\n"), len(before) - before.rfind("\n") - 1
