"""The app: one run of a program, its first screen, its way in and its way out."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events, work
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from tui_chat.core import clock
from tui_chat.core.clock import Clock
from tui_chat.core.errors import LockedError, StoreFailed, TuiChatError
from tui_chat.services.program import RECOVERY_UNCONFIRMED, Program, Services
from tui_chat.ui.screens.chat import ChatScreen

if TYPE_CHECKING:
    from textual.actions import ActionParseResult
    from textual.dom import DOMNode

    from tui_chat.services.program import Access

LEAVE_SECONDS = 6.0
"""How long the way out waits for saves before it goes all the same."""


class TuiChatApp(App[None]):
    """Opens on the chat screen at once and unlocks the history behind it.

    Quitting, SIGHUP, SIGTERM and a crash all leave by ``leave``: turns are stopped and their text
    is saved before the terminal is given back.
    """

    TITLE = "tui_chat"
    BINDINGS = [
        Binding("ctrl+q", "quit", "Quit", id="app.quit", tooltip="Keep everything and quit", priority=True),
        Binding("ctrl+p", "command_palette", "Commands", id="app.palette", tooltip="Every action by name", show=False),
    ]
    CSS_PATH = Path(__file__).with_name("screens") / "chat.tcss"

    def __init__(self, program: Program, *, conversation: str | None = None, now: Clock = clock.now) -> None:
        super().__init__()
        self.program = program
        self.services: Services | None = None
        self.ended_by: TuiChatError | None = None
        """Why the app had to end; to be said when the terminal is given back."""
        self.opened = asyncio.Event()
        """Set when the history is open and the conversation on show."""
        self._conversation = conversation
        self._chat = ChatScreen(program, now=now)
        self._leaving: asyncio.Task[None] | None = None
        self._typed_early: list[events.Event] | None = []

    def get_default_screen(self) -> Screen[None]:
        """The chat, a shell until the history is open."""
        return self._chat

    # -- in -------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Paint first."""
        self._apply_looks()
        if not self.is_headless:
            self._listen_to_signals()

    async def on_event(self, event: events.Event) -> None:
        """What is typed before there is a prompt waits for it; Textual would drop it."""
        if self._typed_early is not None and isinstance(event, events.Key | events.Paste):
            self._typed_early.append(event)
        else:
            await super().on_event(event)

    async def on_ready(self) -> None:
        """Unlock, import and read behind the first paint."""
        typed, self._typed_early = self._typed_early or [], None
        for event in typed:
            await self.on_event(event)
        # Not by call_after_refresh: that waits for the second frame, 17 ms later.
        self.unlock()

    def _apply_looks(self) -> None:
        settings = self.program.settings
        if settings.theme in self.available_themes:
            self.theme = settings.theme
        if settings.keymap:
            self.set_keymap(dict(settings.keymap))

    @work(group="unlock")
    async def unlock(self) -> None:
        """Open the history by the keyring, or ask."""
        await asyncio.to_thread(_import_behind_the_paint)
        access = self.program.access()
        new_code: str | None = None
        try:
            if await access.exists():
                services = await access.open_with_keyring()
            else:
                services = await access.create_with_keyring()
                new_code = await services.keys.make_recovery_code()
        except LockedError as problem:
            await self.ask_to_unlock(access, problem)
        except TuiChatError as error:
            await self._give_up(error)
        else:
            await self._open(services, new_code)

    async def ask_to_unlock(self, access: Access, problem: LockedError | None) -> None:
        """Let the person open the history by passphrase or recovery code."""
        from tui_chat.ui.screens.unlock import UnlockScreen

        existed = await access.exists()
        services = await self.push_screen_wait(UnlockScreen(access, self.program.user, problem))
        if services is None:
            await self.action_quit()
            return
        await self._open(services, None if existed else await services.keys.make_recovery_code())

    async def _open(self, services: Services, new_code: str | None) -> None:
        self.services = services
        try:
            await services.library.tidy()
            await self._chat.open_history(services, self._conversation)
        except TuiChatError as error:
            if self._leaving is None:  # else the history was closed in the midst of its opening
                await self._give_up(error)
            return
        self.opened.set()
        # A reply whose writer was killed a moment ago still counts as alive.
        from tui_chat.services.library import ABANDONED_AFTER

        self.set_timer(ABANDONED_AFTER / 1000 + 1, self._tidy_again)
        try:
            await self._confirm_recovery_code(services, new_code)
        except TuiChatError as error:
            if self._leaving is None:
                self._chat.report(error)

    async def _confirm_recovery_code(self, services: Services, new_code: str | None) -> None:
        """Show a new code; until one is confirmed, say at each start that it was not."""
        library = services.library
        if new_code is not None:
            from tui_chat.ui.screens.recovery_code import RecoveryCodeScreen

            confirmed = await self.push_screen_wait(RecoveryCodeScreen(new_code))
            await library.set_value(RECOVERY_UNCONFIRMED, "" if confirmed else "true")
        if await library.value(RECOVERY_UNCONFIRMED):
            self._chat.say("No recovery code was confirmed: without one a lost key is a lost history. f2 makes one.")

    @work(group="tidy")
    async def _tidy_again(self) -> None:
        try:
            if self.services is not None and await self.services.library.tidy():
                await self._chat.reload()
        except TuiChatError as error:
            self._chat.report(error)

    @work(group="unlock")
    async def action_lock(self) -> None:
        """Close the history, show nothing of it, and ask for the way in."""
        if self.services is None:
            return
        await self._chat.close_history()
        services, self.services = self.services, None
        self.opened.clear()
        await services.close()
        await self.ask_to_unlock(self.program.access(), None)

    async def _give_up(self, error: TuiChatError) -> None:
        self.ended_by = error
        await self.leave()
        self.exit(return_code=error.exit_code)

    # -- out ------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Keep everything, then go."""
        await self.leave()
        self.exit()

    async def leave(self) -> None:
        """Save the draft and the place, stop the turns, wait for their saves, close the history."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave())
        await asyncio.shield(self._leaving)

    async def _leave(self) -> None:
        services = self.services
        if services is None:
            return
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                try:
                    await self._chat.save_place()
                finally:
                    self._cancel_bystanders()
                    await services.close()
        except TimeoutError:
            self.ended_by = StoreFailed("The history did not answer in time.", hint="The last second may be missing.")
        except TuiChatError as error:
            self.ended_by = error

    def _cancel_bystanders(self) -> None:
        """What still reads the history must not find it closed; turns are stopped by their service."""
        for worker in tuple(self.workers):
            if worker.group not in ("turn", "unlock"):
                worker.cancel()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end_by, number)
        if hasattr(signal, "SIGHUP"):
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _end_by(self, number: int) -> None:
        async def end() -> None:
            try:
                await self.leave()
            finally:
                self.exit(return_code=128 + number)

        self._ending = asyncio.create_task(end())

    def _hang_up(self) -> None:
        async def end() -> None:
            try:
                await self.leave()
            finally:
                from tui_chat.ui.editor import erase_left_files

                erase_left_files()
                # The terminal is gone: restoring it would only write into the dead line and fail.
                os._exit(128 + signal.SIGHUP)

        self._ending = asyncio.create_task(end())

    # -- faults -----------------------------------------------------------------------------

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """What a person can act on is shown, and ends neither the action's screen nor the app."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except TuiChatError as error:
            self._chat.report(error)
            await self._chat.refresh_list()
            return True

    def _handle_exception(self, error: Exception) -> None:
        """Say one line, log where it happened, save what can be saved.

        Textual's own way prints the traceback with local variables: chats and keys.
        """
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._exit_renderables.append(Text(self._record_fault(error)))
        self._ending = asyncio.create_task(self._end_after_fault())

    def _record_fault(self, error: Exception) -> str:
        said = "A fault in tui_chat ended the program. What had arrived was kept."
        cause = getattr(error, "error", error)
        try:
            log = self.program.record_crash(cause if isinstance(cause, BaseException) else error)
        except TuiChatError as failure:
            return f"{said} It could not be logged: {failure}"
        return f"{said} Where it happened: {log}"

    async def _end_after_fault(self) -> None:
        try:
            await self.leave()
        finally:
            self._close_messages_no_wait()

    # -- naming -----------------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action there is, by name."""
        if screen is not self._chat:
            return
        from tui_chat.ui.commands import commands

        for title, description, action in commands(self._chat):
            yield SystemCommand(title, description, action)


def _import_behind_the_paint() -> None:
    """Load what unlocking and drawing need while the person already types."""
    import tui_chat.services.joined
    import tui_chat.ui.markdown  # noqa: F401
