"""The files of a prompt: which there are, what each adds, and a path for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.getters import query_one
from textual.widgets import Input, OptionList, Static

from tui_chat.core.attachments import clean_name, is_image, is_text, weigh
from tui_chat.core.errors import NotFound, TuiChatError
from tui_chat.core.models import Attachment
from tui_chat.core.ports import Completion
from tui_chat.ui.forms import Card, Choices, Field, Labelled, Pick, Said
from tui_chat.ui.modal import Modal
from tui_chat.ui.text import clean_line, plain
from tui_chat.ui.widgets.file_words import file_words, is_sendable

Files = Callable[[], Sequence[Attachment]]
Attach = Callable[[str], Awaitable[None]]
Complete = Callable[[str], Awaitable[Sequence[Completion]]]

_WIDTH = 44
"""Cells of a file's name and size in the list."""


class FileList(Choices, inherit_bindings=False):
    """The files that go with the prompt."""

    BINDINGS = [
        Binding("up,k", "cursor_up", "Up", id="files.up", tooltip="The file above", show=False),
        Binding("down,j", "cursor_down", "Down", id="files.down", tooltip="The file below", show=False),
        Binding("delete,d", "screen.remove", "Remove", id="files.remove", tooltip="This file shall not go with it"),
        Binding("tab", "screen.focus_path", "Path", id="files.path", tooltip="Attach another file", show=False),
    ]


class PathField(Field):
    """A path; arrows choose among what it may mean, tab takes that over."""

    BINDINGS = [
        Binding("enter", "submit", "Attach", id="path.attach", tooltip="Attach this file"),
        Binding("tab", "screen.complete", "Complete", id="path.complete", tooltip="Take over the highlighted name"),
        Binding("shift+tab", "screen.focus_files", "Files", id="path.files", tooltip="To the files that are attached"),
        Binding("up", "screen.choose(-1)", "Up", id="path.up", tooltip="The name above", show=False),
        Binding("down", "screen.choose(1)", "Down", id="path.down", tooltip="The name below", show=False),
    ]


class AttachScreen(Modal[None]):
    """Attaches and removes at once. What cannot be attached is said here, and the path stays."""

    BINDINGS = [Binding("escape,f6", "close", "Done", id="attach.close", tooltip="Back to the prompt")]

    DEFAULT_CSS = """
    AttachScreen {
        align: center middle;
        & FileList { max-height: 8; margin-bottom: 1; }
        & #names { max-height: 8; margin-left: 17; color: $text-muted; }
    }
    """

    list = query_one(FileList)
    field = query_one(PathField)
    names = query_one("#names", Choices)
    said = query_one(Said)

    def __init__(
        self,
        files: Files,
        *,
        attach: Attach,
        remove: Callable[[Attachment], None],
        complete: Complete,
        takes_images: bool,
    ) -> None:
        super().__init__()
        self._files = files
        self._read = attach
        self._remove = remove
        self._complete = complete
        self._takes_images = takes_images
        self._tokens: dict[str, int] = {}
        self._begun = ""
        """The path that the names on show are for."""
        self._found: Sequence[Completion] = ()
        self._chosen: int | None = None
        """The name that the arrows went to."""
        self._taken = Completion("", "")
        """The name that was taken over; written out it may be less than its path."""

    def compose(self) -> ComposeResult:
        path = Labelled("Path", PathField(placeholder="of a text, an image or another file"))
        yield Card(
            "Files of this message",
            Static(id="none", markup=False),
            FileList(),
            path,
            Choices(id="names", can_focus=False),
            Said(),
        )

    def on_mount(self) -> None:
        """Ready for a path."""
        self._show()
        self._weigh()
        self.field.focus()

    # -- the files there are ----------------------------------------------------------------------

    def _show(self) -> None:
        files = self._files()
        place = self.list.highlighted or 0
        self.list.set_options([Pick(plain(self._line(each)), each) for each in files])
        self.list.display = bool(files)
        self.list.highlighted = min(place, len(files) - 1) if files else None
        self.query_one("#none", Static).update(plain("" if files else "None yet."))
        self.query_one("#none").display = not files

    def _line(self, file: Attachment) -> str:
        kind = "text" if is_text(file) else "image" if is_image(file) else "file"
        if not is_sendable(file, takes_images=self._takes_images):
            return f"{file_words(file, _WIDTH)} · {kind} · not sent"
        tokens = self._tokens.get(file.sha256)
        return f"{file_words(file, _WIDTH)} · {kind}{'' if tokens is None else f' · ~{tokens:,} tokens'}"

    @work(group="weigh", exclusive=True)
    async def _weigh(self) -> None:
        """Say what each adds, when it is known."""
        for file in self._files():
            if file.sha256 not in self._tokens:
                added, carried = await asyncio.to_thread(weigh, (file,))
                self._tokens[file.sha256] = added.tokens + carried.image_tokens
                self._show()

    def action_remove(self) -> None:
        """The highlighted file shall not go with it."""
        files, place = self._files(), self.list.highlighted
        if place is not None and place < len(files):
            self._remove(files[place])
            self._show()
            self.said.clear()
            if not self._files():
                self.field.focus()

    def action_focus_files(self) -> None:
        """To the files that are attached."""
        if self._files():
            self.set_focus(self.list)

    def action_focus_path(self) -> None:
        """To the path."""
        self.set_focus(self.field)

    # -- another one -------------------------------------------------------------------------------

    @on(Input.Changed)
    def _path_changed(self, event: Input.Changed) -> None:
        self._chosen = None
        self._look(event.value)

    @work(group="names", exclusive=True)
    async def _look(self, begun: str) -> None:
        self._offer(begun, await self._complete(begun) if begun.strip() else ())

    def _offer(self, begun: str, found: Sequence[Completion]) -> None:
        self._begun, self._found = begun, found
        self.names.set_options([Pick(plain(clean_line(each.text)), each) for each in found])
        self.names.display = bool(found)
        self.names.highlighted = self._chosen

    def action_choose(self, step: int) -> None:
        """The name above, or below."""
        if self._found:
            last = len(self._found) - 1
            self._chosen = max(0, min(last, (-1 if self._chosen is None else self._chosen) + step))
            self.names.highlighted = self._chosen

    @work(group="complete", exclusive=True)
    async def action_complete(self) -> None:
        """Take the highlighted name over, the first where none is; from an empty path go on to the files."""
        begun = self.field.value
        if not begun.strip():
            self.action_focus_files()
            return
        found = self._found if self._begun == begun else await self._complete(begun)
        if self.field.value != begun:
            return
        if found:
            self._take_over(found[min(self._chosen or 0, len(found) - 1)])
        elif begun != self._taken.text:
            # Not on to the files: a letter that is typed on would be one of their keys.
            self.said.say("There is no such name.")

    def _take_over(self, name: Completion) -> None:
        self._taken = name
        self.field.value = name.text
        self.field.cursor_position = len(name.text)

    @on(OptionList.OptionSelected, "#names")
    def _name_clicked(self, event: OptionList.OptionSelected) -> None:
        self._chosen = event.option_index
        self._take(self.field.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._take(event.value)
        else:
            self.action_close()

    @work(group="attach")
    async def _take(self, path: str) -> None:
        """Attach the name that was gone to; else the path as it stands; else the first name it may mean."""
        names = self._found if self._begun == path else ()
        chosen = names[self._chosen] if names and self._chosen is not None else None
        if chosen is not None and chosen.is_folder:
            self._take_over(chosen)
            return
        try:
            await self._read((chosen or self._named(path)).path)
        except TuiChatError as error:
            guess = next((each for each in names if each.is_folder or isinstance(error, NotFound)), None)
            if chosen is None and guess is not None:
                self._take_over(guess)
            else:
                self.said.fail(error)
            return
        self._attached(path)

    def _named(self, path: str) -> Completion:
        return self._taken if path == self._taken.text else Completion(path, path)

    def _attached(self, path: str) -> None:
        if self.field.value == path:
            self.field.value = ""
        self._show()
        self._weigh()
        self.said.good(f"{clean_name(self._files()[-1].name)} goes with your next message.")

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)
