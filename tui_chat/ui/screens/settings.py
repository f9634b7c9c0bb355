"""The settings: models, memory, looks, keys and the ways into the history."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui_chat.core.errors import TuiChatError
from tui_chat.core.sampling import PARAMETERS
from tui_chat.core.settings import GUIDE, Endpoint, Settings
from tui_chat.services.program import RECOVERY_UNCONFIRMED, Program, Services
from tui_chat.ui.forms import AskScreen, Card, Choices, LineScreen, Pick, Said
from tui_chat.ui.modal import Modal
from tui_chat.ui.screens.sampling import LABELS
from tui_chat.ui.screens.settings_rows import (
    CAPS,
    FEWEST,
    MOST,
    Does,
    Line,
    Security,
    lines,
    stepped,
    with_cap,
    with_parameter,
)
from tui_chat.ui.text import clean_line, plain

_LABEL_WIDTH = 24


class Lines(Choices):
    """The lines; left and right go through a line's values."""

    # Here and not on the screen: a list scrolls sideways with these keys otherwise.
    BINDINGS = [
        Binding("left", "screen.step(-1)", "Before", id="settings.before", tooltip="The value before", show=False),
        Binding("right", "screen.step(1)", "Try", id="settings.next", tooltip="The next value", key_display="←→"),
    ]


class SettingsScreen(Modal[Settings]):
    """Changes are saved as they are made; dismisses with what holds at the end."""

    BINDINGS = [
        Binding("space", "choose", "Change", id="settings.change", tooltip="Change the highlighted line", show=False),
        Binding("escape", "leave", "Done", id="settings.done", tooltip="Back; everything is saved"),
    ]

    CSS_PATH = "settings.tcss"

    @dataclass
    class Changed(Message):
        """These are the settings from now on."""

        settings: Settings

    choices = query_one(Choices)
    hint = query_one("#hint", Static)
    said = query_one(Said)

    def __init__(self, program: Program, services: Services) -> None:
        super().__init__()
        self._program = program
        self._services = services
        self._settings = program.settings
        self._security: Security | None = None
        self._lines: list[Line] = []
        self._saving = asyncio.Lock()

    def compose(self) -> ComposeResult:
        yield Card("Settings", Lines(), Static(id="hint", markup=False), Said())

    def on_mount(self) -> None:
        self._show()
        self.choices.focus()
        if problems := self._program.settings_problems:
            self.said.fail(TuiChatError("\n".join(problems)))
        self._look()

    # -- what is shown ----------------------------------------------------------------------

    @work(group="look")
    async def _look(self) -> None:
        """Which ways into the history there are."""
        try:
            slots = frozenset(await self._services.keys.slots())
            self._security = Security(slots, await self._services.keys.keyring())
        except TuiChatError as error:
            self.said.fail(error)
        self._show()

    def _show(self) -> None:
        """Draw every line anew, with the same one highlighted."""
        before = self._line.name if self._line else ""
        endpoints = [endpoint for endpoint in self._services.endpoints.all() if endpoint != GUIDE]
        self._lines = lines(
            self._settings, endpoints, self._security, user=self._program.user, path=self._program.settings_path
        )
        self.choices.set_options([Pick(_content(line), line if line.name else None) for line in self._lines])
        names = [line.name for line in self._lines]
        self.choices.highlighted = names.index(before) if before and before in names else 1
        self._show_hint()

    @property
    def _line(self) -> Line | None:
        place = self.choices.highlighted
        return self._lines[place] if place is not None and place < len(self._lines) else None

    def _show_hint(self) -> None:
        self.hint.update(plain(self._line.hint if self._line else ""))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say what the line means."""
        event.stop()
        self._show_hint()

    # -- what is changed ----------------------------------------------------------------------

    def action_step(self, step: int) -> None:
        """The value before, or the next one."""
        if line := self._line:
            self._step(line, step)

    def _step(self, line: Line, step: int) -> None:
        self._change(stepped(self._settings, line.name, step, themes=self._themes()))

    def action_choose(self) -> None:
        """What enter does."""
        self.choices.action_select()

    def _themes(self) -> Sequence[str]:
        return sorted(self.app.available_themes)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do what the line says."""
        event.stop()
        line = event.option.value if isinstance(event.option, Pick) else None
        if not isinstance(line, Line):
            return
        match line.does:
            case Does.STEP:
                self._step(line, 1)
            case Does.MODEL:
                self._choose_model()
            case Does.ENDPOINT:
                self._edit_endpoint(line.endpoint)
            case Does.NUMBER:
                self._ask_number()
            case Does.CAP:
                self._ask_cap(line.name)
            case Does.PARAMETER:
                self._ask_parameter(line.name)
            case Does.THEME:
                self._choose_theme()
            case Does.KEYRING:
                self._add_keyring()
            case Does.PASSPHRASE:
                self._set_passphrase()
            case Does.RECOVERY:
                self._make_recovery_code()

    def _change(self, settings: Settings) -> None:
        """Show it at once, save it behind."""
        if settings == self._settings:
            return
        self._settings = settings
        self.said.clear()
        self._apply()
        self._save()

    def _apply(self) -> None:
        if self._settings.theme in self.app.available_themes:
            self.app.theme = self._settings.theme
        self._show()

    @work(group="save")
    async def _save(self) -> None:
        """Write the newest settings; where that fails, the saved ones hold again."""
        async with self._saving:
            wanted = self._settings
            if wanted == self._program.settings:
                return
            try:
                await asyncio.to_thread(self._program.save_settings, wanted)
            except TuiChatError as error:
                self._settings = self._program.settings
                self._apply()
                self.said.fail(error)
            else:
                self.post_message(self.Changed(wanted))

    @work(group="leave")
    async def action_leave(self) -> None:
        """Leave when the last change is saved."""
        async with self._saving:
            self.dismiss(self._settings)

    def _take_over(self) -> None:
        """Another screen saved something: show what holds now."""
        self._settings = self._program.settings
        self._show()
        self.post_message(self.Changed(self._settings))

    # -- questions ------------------------------------------------------------------------------

    @work(group="form")
    async def _choose_model(self) -> None:
        from tui_chat.ui.screens.models import ModelScreen

        model = await self.app.push_screen_wait(ModelScreen(self._services.endpoints, self._settings.model))
        try:
            if model is not None:
                async with self._saving:
                    await self._services.endpoints.choose(model)
        except TuiChatError as error:
            self.said.fail(error)
        self._take_over()

    @work(group="form")
    async def _edit_endpoint(self, endpoint: Endpoint | None) -> None:
        from tui_chat.ui.screens.endpoint_form import EndpointForm

        if await self.app.push_screen_wait(EndpointForm(self._services.endpoints, endpoint)):
            self._take_over()

    @work(group="form")
    async def _ask_number(self) -> None:
        memory = self._settings.memory
        line = await self.app.push_screen_wait(
            LineScreen(
                "Earlier messages at most", str(memory.max_messages), text=f"{FEWEST} to {MOST:,}.", check=_bad_number
            )
        )
        if line is not None:
            self._change(replace(self._settings, memory=replace(memory, max_messages=int(line))))

    @work(group="form")
    async def _ask_cap(self, name: str) -> None:
        caps = self._settings.caps
        value = getattr(caps, name)

        def problem(line: str) -> str:
            return "" if with_cap(caps, name, line) is not None else "A number above 0, or nothing for no limit."

        screen = LineScreen(CAPS[name], "" if value is None else str(value), text="Empty: no limit.", check=problem)
        line = await self.app.push_screen_wait(screen)
        changed = None if line is None else with_cap(caps, name, line)
        if changed is not None:
            self._change(replace(self._settings, caps=changed))

    @work(group="form")
    async def _ask_parameter(self, name: str) -> None:
        sampling, words = self._settings.sampling, PARAMETERS[name].words

        def problem(line: str) -> str:
            return "" if with_parameter(sampling, name, line) is not None else f"It must be {words}, or nothing."

        value = str(sampling.values.get(name, ""))
        text = f"{words.capitalize()}. Empty: not sent."
        line = await self.app.push_screen_wait(LineScreen(LABELS[name], value, text=text, check=problem))
        changed = None if line is None else with_parameter(sampling, name, line)
        if changed is not None:
            self._change(replace(self._settings, sampling=changed))

    @work(group="form")
    async def _choose_theme(self) -> None:
        theme = await self.app.push_screen_wait(ThemeScreen(self._themes(), self._settings.theme))
        if theme is not None:
            self._change(replace(self._settings, theme=theme))

    @work(group="form")
    async def _add_keyring(self) -> None:
        self.said.say("Waiting for the keyring…")
        try:
            await self._services.keys.add_keyring()
        except TuiChatError as error:
            self.said.fail(error)
        else:
            self.said.good("The keyring opens your history from now on.")
        self._look()

    @work(group="form")
    async def _set_passphrase(self) -> None:
        from tui_chat.ui.screens.passphrase import PassphraseScreen

        passphrase = await self.app.push_screen_wait(PassphraseScreen("New passphrase"))
        if passphrase is None:
            return
        self.said.say("Setting the passphrase…")
        try:
            await self._services.keys.set_passphrase(passphrase)
        except TuiChatError as error:
            self.said.fail(error)
        else:
            self.said.good("The new passphrase holds from now on.")
        self._look()

    @work(group="form")
    async def _make_recovery_code(self) -> None:
        from tui_chat.ui.screens.recovery_code import RecoveryCodeScreen

        has_one = self._security is not None and "recovery" in self._security.slots
        if has_one and not await self.app.push_screen_wait(
            AskScreen("Make a new recovery code?", "The one you have becomes invalid at once.")
        ):
            return
        try:
            code = await self._services.keys.make_recovery_code()
        except TuiChatError as error:
            self.said.fail(error)
            return
        if await self.app.push_screen_wait(RecoveryCodeScreen(code)):
            await self._services.library.set_value(RECOVERY_UNCONFIRMED, "")
        self._look()


class ThemeScreen(Modal[str | None]):
    """A theme from the list, each shown while it is highlighted; None where it stays."""

    BINDINGS = [Binding("escape", "cancel", "Back", id="themes.cancel", tooltip="Keep the theme as it was")]

    DEFAULT_CSS = """
    ThemeScreen {
        align: right middle;
        background: transparent;
        & Card { width: 34; }
    }
    """

    choices = query_one(Choices)

    def __init__(self, themes: Sequence[str], current: str) -> None:
        super().__init__()
        self._themes = themes
        self._current = current

    def compose(self) -> ComposeResult:
        yield Card("Theme", Choices())

    def on_mount(self) -> None:
        self.choices.add_options([Option(plain(theme)) for theme in self._themes])
        self.choices.highlighted = self._themes.index(self._current) if self._current in self._themes else 0
        self.choices.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Try it on."""
        event.stop()
        self.app.theme = self._themes[event.option_index]

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Keep it."""
        event.stop()
        self.dismiss(self._themes[event.option_index])

    def action_cancel(self) -> None:
        """The theme as it was."""
        if self._current in self._themes:
            self.app.theme = self._current
        self.dismiss(None)


def _content(line: Line) -> Content:
    if not line.name:
        return Content.styled(clean_line(line.label), "bold")
    label = clean_line(line.label)
    return Content.assemble(f"  {label:<{_LABEL_WIDTH}}", (clean_line(line.value), "$text-primary"))


def _bad_number(line: str) -> str:
    is_number = line.isascii() and line.isdecimal() and FEWEST <= int(line) <= MOST
    return "" if is_number else f"A whole number from {FEWEST} to {MOST:,}."
