"""The whole app on a real encrypted history, with a keyring in memory and a provider of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from textual.pilot import Pilot

from tests.crypto.parts import MemoryBackend
from tests.fakes import FakeProviders
from tests.ui.reading import seen
from tui_chat.bootstrap import LocalProgram
from tui_chat.core.clock import Clock, now
from tui_chat.core.errors import KeyringUnavailable
from tui_chat.core.ports import Provider
from tui_chat.core.settings import Endpoint, Settings
from tui_chat.crypto.keychain import Keychain
from tui_chat.services.program import Services
from tui_chat.ui.app import TuiChatApp
from tui_chat.ui.screens.chat import ChatScreen

MODEL = "test/test-model"
Wish = Callable[[], bool]


@dataclass
class Chat:
    """A running app as a person has it in front of them."""

    app: TuiChatApp
    pilot: Pilot[Any]

    @property
    def screen(self) -> ChatScreen:
        """The chat screen, whatever lies on top of it."""
        return self.app._chat

    @property
    def services(self) -> Services:
        """The open history."""
        return self.screen.require_services()

    def seen(self) -> str:
        """What is on the screen."""
        return seen(self.app)

    async def send(self, text: str) -> None:
        """Type a prompt and press enter; returns as soon as the app is idle."""
        self.screen.prompt.focus()
        self.screen.prompt.insert(text)
        await self.pilot.press("enter")

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)

    async def until(self, wish: Wish) -> None:
        """Let the app go on until that is so."""
        async with asyncio.timeout(20):
            while not wish():
                await self.pilot.pause(0.01)

    async def until_seen(self, text: str) -> None:
        """Let the app go on until the text is on the screen."""
        try:
            await self.until(lambda: text in self.seen())
        except TimeoutError:
            raise AssertionError(f"never seen: {text!r}; the screen is\n{self.seen()}") from None

    async def until_quiet(self) -> None:
        """Let the app go on until no reply is running in the conversation on show."""
        await self.until(lambda: not self.services.chat.is_replying(self.screen.shown.id))
        await self.pilot.pause()


class World:
    """One computer: its files are ``TUI_CHAT_HOME``'s, its keyring stays while apps come and go."""

    def __init__(self, provider: Provider) -> None:
        self.backend = MemoryBackend()
        self.backend_missing = False
        self.model: str | None = MODEL
        self.has_endpoint = True
        self.now: Clock = now
        self.providers = FakeProviders(provider)

    def program(self) -> LocalProgram:
        """A new run of the program on this computer."""
        return LocalProgram(
            interactive=True, model=self.model, keychain=Keychain(backend=self._keyring), providers=self.providers
        )

    def _keyring(self) -> MemoryBackend:
        if self.backend_missing:
            raise KeyringUnavailable("This computer has no secure keyring.", hint="A passphrase works everywhere.")
        return self.backend

    def add_endpoint(self) -> None:
        """Let the settings have the endpoint of the test's model."""
        program = self.program()
        if self.has_endpoint and not program.settings.endpoints:
            program.save_settings(Settings(endpoints=(Endpoint("test", "http://127.0.0.1:1/v1"),)))

    async def services(self) -> Services:
        """The history, opened without an app (and made where it is missing)."""
        self.add_endpoint()
        access = self.program().access()
        return await (access.open_with_keyring() if await access.exists() else access.create_with_keyring())

    @asynccontextmanager
    async def app(
        self, *, size: tuple[int, int] = (100, 30), conversation: str | None = None, first_run: bool = False
    ) -> AsyncIterator[Chat]:
        """A running app, its history open; quit and closed afterwards."""
        if not first_run:
            await (await self.services()).close()
        app = TuiChatApp(self.program(), conversation=conversation, now=self.now)
        async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
            async with asyncio.timeout(20):
                await app.opened.wait()
            await pilot.pause()
            yield Chat(app, pilot)
            await app.leave()
