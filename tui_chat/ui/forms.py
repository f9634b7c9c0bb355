"""The small parts that forms are made of: fields, a line that says what went wrong, a card, a list, two questions.

Text that is data reaches them as ``plain(...)`` or through a field, never as markup.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as value_field

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key, Paste
from textual.getters import query_one
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from tui_chat.core.errors import TuiChatError
from tui_chat.core.secret import Secret
from tui_chat.ui.modal import Modal
from tui_chat.ui.text import clean_line, plain
from tui_chat.ui.widgets.ordered_keys import run_own_binding


class Field(Input):
    """One line of text. Keys act in the order in which they were typed, across fields too.

    Enter posts ``Input.Submitted``; with ``moves_on`` it goes to the next field instead.
    """

    BINDINGS = [
        Binding("enter", "submit", "OK", id="field.submit", tooltip="Take what is typed"),
        Binding("enter", "next", "Next", id="field.go_on", tooltip="Go to the next field"),
        Binding("tab", "next", "Next", id="field.next", tooltip="Go to the next field", show=False),
        Binding("shift+tab", "previous", "Back", id="field.previous", tooltip="Go back a field", show=False),
    ]

    DEFAULT_CSS = """
    Field {
        height: 1;
        width: 1fr;
        padding: 0 1 0 0;
        border: none;
        border-left: outer $surface-lighten-2;
        background: $surface;
        &:focus { border: none; border-left: outer $primary; background-tint: $foreground 4%; }
        &:disabled { border-left: none; padding: 0 1; background: transparent; }
    }
    """

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        moves_on: bool = False,
        id: str | None = None,
        disabled: bool = False,
    ) -> None:
        super().__init__(
            clean_line(value), placeholder=clean_line(placeholder), id=id, disabled=disabled, select_on_focus=False
        )
        self.cursor_blink = False
        self.moves_on = moves_on

    async def _on_key(self, event: Key) -> None:
        # What is not handled here goes on to Input._on_key: Textual calls every class's handler.
        focused = self.screen.focused
        if isinstance(focused, Field) and focused is not self:
            # Typed behind the key that moved the focus, but sent here before it had moved.
            event.stop()
            event.prevent_default()
            focused.post_message(events.Key(event.key, event.character))
        else:
            await run_own_binding(self, event)

    def _on_paste(self, event: Paste) -> None:
        event.stop()
        event.prevent_default()
        focused = self.screen.focused
        if isinstance(focused, Field) and focused is not self:
            # A key before it moved on: a pasted key must not land in clear in the field before.
            focused.post_message(Paste(event.text))
        else:
            self.insert_pasted(event.text)

    def insert_pasted(self, text: str) -> None:
        """Put the first line of a pasted text in place of what is selected."""
        line = next(iter(text.splitlines()), "")
        self.replace(self.as_pasted(line), *self.selection)

    def as_pasted(self, line: str) -> str:
        """What of a pasted line belongs into the field."""
        return clean_line(line).strip()

    def action_next(self) -> None:
        """Go to the next field."""
        self.screen.focus_next()

    def action_previous(self) -> None:
        """Go back a field."""
        self.screen.focus_previous()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter hands the value over, or goes on where another field follows."""
        return not self.moves_on if action == "submit" else super().check_action(action, parameters)


class SecretField(Field):
    """A passphrase, a key or a recovery code: masked unless asked for, copied nowhere.

    Enter posts ``Entered`` with the value as a ``Secret``; with ``empties`` the field is empty from
    that moment, so that what is typed behind the enter is the next value.
    """

    BINDINGS = [Binding("f3", "reveal", "Show", id="secret.reveal", tooltip="Show or hide what is typed")]

    @dataclass
    class Entered(Message):
        """The person pressed enter."""

        secret: Secret = value_field(repr=False)

    def __init__(
        self, *, placeholder: str = "", moves_on: bool = False, id: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(placeholder=placeholder, moves_on=moves_on, id=id, disabled=disabled)
        self.password = True
        self.empties = False

    @property
    def secret(self) -> Secret:
        """What is in the field now."""
        return Secret(self.value)

    def put(self, secret: Secret) -> None:
        """Put a value back, selected: the next key replaces it, enter tries it again."""
        self.value = secret.reveal_text()
        self.select_all()

    def as_pasted(self, line: str) -> str:
        """The line as it is: a secret may hold any character. One that cannot be shown safely is masked."""
        if not line.isprintable():
            self.password = True
        return line

    def action_reveal(self) -> None:
        """Show or hide what is typed."""
        if self.value.isprintable():
            self.password = not self.password

    async def action_submit(self) -> None:
        """Hand the value over."""
        self.post_message(self.Entered(self.secret))
        if self.empties:
            self.value = ""

    def action_copy(self) -> None:
        """A secret is not copied: the clipboard would keep it."""

    def action_cut(self) -> None:
        """Delete what is selected; it is not copied."""
        self.delete_selection()


class Labelled(Horizontal):
    """A short label and the field it belongs to."""

    DEFAULT_CSS = """
    Labelled {
        height: auto;
        & > .label { width: 17; padding: 0 1 0 0; color: $text-muted; }
        &:focus-within > .label { color: $foreground; text-style: bold; }
    }
    """

    def __init__(self, label: str, field: Widget) -> None:
        super().__init__(Static(plain(label), classes="label", markup=False), field)


class Said(Static):
    """One thing the form has to say: a fact, a success or a failure with what to do about it. Else invisible."""

    DEFAULT_CSS = """
    Said {
        height: auto;
        display: none;
        margin-top: 1;
        &.-said { display: block; }
        &.-failed { color: $text-error; }
        &.-good { color: $text-success; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)

    def say(self, text: str) -> None:
        """Something that is so, or going on."""
        self._show(text, "")

    def good(self, text: str) -> None:
        """Something that worked."""
        self._show(f"✓ {text}", "-good")

    def fail(self, error: TuiChatError) -> None:
        """What went wrong, and the hint."""
        self._show(f"✗ {error.sentence}", "-failed")

    def clear(self) -> None:
        """Nothing to say."""
        self._show("", "")

    def _show(self, text: str, kind: str) -> None:
        self.update(plain(text))
        self.set_class(bool(text), "-said")
        self.set_class(kind == "-failed", "-failed")
        self.set_class(kind == "-good", "-good")


class Card(Vertical):
    """A quiet frame in the middle of the screen: a title, a body that scrolls where it must, the keys."""

    DEFAULT_CSS = """
    Card {
        width: 76;
        max-width: 100%;
        height: auto;
        max-height: 100%;
        border: round $primary 60%;
        border-title-color: $foreground;
        border-title-style: bold;
        background: $background;
        & > .body { height: auto; max-height: 85vh; padding: 1 2; scrollbar-size-vertical: 1; }
        & > Footer { dock: bottom; background: transparent; padding: 0 1; }
        & > Footer FooterKey { background: transparent; }
    }
    """

    def __init__(self, title: str, *body: Widget, id: str | None = None) -> None:
        scroll = VerticalScroll(*body, classes="body", can_focus=False)
        super().__init__(scroll, Footer(show_command_palette=False, compact=True), id=id)
        self.title = title

    @property
    def title(self) -> str:
        """What stands in the frame."""
        return self._title

    @title.setter
    def title(self, text: str) -> None:
        self._title = clean_line(text)
        self.border_title = Content(self._title)


class Pick(Option):
    """A line of a list with what it stands for; without that it is only read.

    The value and not the line's number is what a choice means: the list may be drawn anew before
    the message of an enter arrives.
    """

    def __init__(self, text: Content, value: object | None) -> None:
        super().__init__(text, disabled=value is None)
        self.value = value


class Choices(OptionList):
    """A list to choose from, without a frame; give it ``Pick`` lines."""

    BINDINGS = [Binding("enter", "select", "Choose", id="choices.choose", tooltip="Choose the highlighted line")]

    DEFAULT_CSS = """
    Choices {
        height: auto;
        border: none;
        padding: 0;
        background: transparent;
        scrollbar-size-vertical: 1;
        &:focus { border: none; background-tint: transparent 0%; }
        & > .option-list--option { padding: 0 1; }
        & > .option-list--option-disabled { color: $foreground; }
    }
    """

    def __init__(self, *, id: str | None = None, can_focus: bool = True) -> None:
        super().__init__(id=id, markup=False)
        self.can_focus = can_focus


class ListFilter(Field):
    """A field whose text narrows a list while its arrows and enter act in that list.

    ``narrow`` is called with each change, at once: an enter typed right behind must meet the narrowed list.
    """

    BINDINGS = [
        Binding("enter", "submit", "Choose", id="filter.choose", tooltip="Choose the highlighted line"),
        Binding("up", "list('cursor_up')", "Up", id="filter.up", tooltip="One line up", show=False),
        Binding("down", "list('cursor_down')", "Down", id="filter.down", tooltip="One line down", show=False),
        Binding("pageup", "list('page_up')", "Page up", id="filter.page_up", tooltip="One page up", show=False),
        Binding("pagedown", "list('page_down')", "Page down", id="filter.page_down", tooltip="Page down", show=False),
    ]

    def __init__(self, choices: Choices, narrow: Callable[[], None], *, placeholder: str) -> None:
        super().__init__(placeholder=placeholder)
        self._choices = choices
        self._narrow = narrow
        self.moved = False
        """Whether the person went to the highlighted line; False again when they type."""

    def watch_value(self, value: str) -> None:
        """A new filter, a new beginning."""
        self.moved = False
        self._narrow()

    def action_list(self, move: str) -> None:
        """Move in the list."""
        self.moved = True
        getattr(self._choices, f"action_{move}")()

    async def action_submit(self) -> None:
        """Choose the highlighted line."""
        self._choices.action_select()


class AskScreen(Modal[bool]):
    """A question with yes and no; True for yes. Enter answers nothing: it may have been meant for what was before."""

    BINDINGS = [
        Binding("y", "answer(True)", "Yes", id="ask.yes", tooltip="Yes, do it"),
        Binding("n,escape", "answer(False)", "No", id="ask.no", tooltip="No, leave it as it is"),
    ]

    DEFAULT_CSS = "AskScreen { align: center middle; }"

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        yield Card(self._title, Static(plain(self._text), markup=False))

    def action_answer(self, yes: bool) -> None:
        """Take the answer."""
        self.dismiss(yes)


class LineScreen(Modal[str | None]):
    """Asks for one line of text; None where the person steps back.

    ``check`` says what is wrong with a text, or nothing; what was typed stays.
    """

    BINDINGS = [Binding("escape", "cancel", "Cancel", id="line.cancel", tooltip="Change nothing")]

    DEFAULT_CSS = "LineScreen { align: center middle; }"

    field = query_one(Field)
    said = query_one(Said)

    def __init__(
        self, title: str, value: str, *, text: str = "", check: Callable[[str], str] = lambda line: ""
    ) -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._text = text
        self._check = check

    def compose(self) -> ComposeResult:
        intro = [Static(plain(self._text), markup=False, classes="intro")] if self._text else []
        yield Card(self._title, *intro, Field(self._value), Said())

    def on_mount(self) -> None:
        self.field.focus()
        self.field.select_all()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        # What was shown cleaned and left alone stays what it is.
        line = event.value.strip() if event.value != clean_line(self._value) else self._value
        problem = self._check(line)
        if problem:
            self.said.fail(TuiChatError(problem))
        else:
            self.dismiss(line)

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(None)
