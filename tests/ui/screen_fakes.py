"""What the secondary screens are tested with: an app that holds one of them, and services of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from textual import events
from textual.app import App
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.screen import Screen

from tests.fakes import ScriptedProvider
from tests.ui.reading import seen
from tui_chat.core.errors import KeyMissing, TuiChatError, WrongKey
from tui_chat.core.local import LocalModels
from tui_chat.core.ports import ConversationStore, FoundServer, ModelCard, Provider
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, Settings
from tui_chat.services.chat import ChatService
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.files import FileService
from tui_chat.services.guard import GuardService
from tui_chat.services.library import LibraryService
from tui_chat.services.local_models import LocalModelService
from tui_chat.services.planning import PlanningService
from tui_chat.services.program import Program, Services
from tui_chat.services.recalling import RecallService
from tui_chat.services.spending import SpendingService
from tui_chat.services.summaries import SummaryService
from tui_chat.services.transfer import TransferService

SMALL = (60, 20)
USUAL = (100, 30)


class Host(App[None]):
    """Pushes one screen and keeps what it dismisses with."""

    def __init__(self, make: Callable[[], Screen[Any]]) -> None:
        super().__init__()
        self._make = make
        self.results: list[Any] = []
        self.heard: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self._make(), self.results.append)

    def on_settings_screen_changed(self, event: Any) -> None:
        self.heard.append(event.settings)


async def settle(pilot: Pilot[Any]) -> None:
    """Until workers, timers and messages have nothing more to do."""
    for _ in range(4):
        await pilot.pause(0)


async def burst(pilot: Pilot[Any], *keys: str) -> None:
    """Keys in one read of the terminal: all are queued before the first one is handled."""
    for key in keys:
        name = _character_to_key(key) if len(key) == 1 else key
        pilot.app.post_message(events.Key(name, key if len(key) == 1 else None))
    await settle(pilot)


def words(app: App[Any]) -> str:
    """The whole screen as one line of words, without frames and line ends."""
    return " ".join(seen(app).translate(dict.fromkeys(map(ord, "│╭╮╰╯─▌"), " ")).split())


class MemoryStore:
    """The few things of a history that endpoints need."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.secrets: dict[str, Secret | None] = {}

    async def value(self, key: str) -> str | None:
        return self.values.get(key)

    async def set_value(self, key: str, value: str) -> None:
        self.values[key] = value

    async def secret(self, name: str) -> Secret | None:
        return self.secrets.get(name)

    async def set_secret(self, name: str, value: Secret | None) -> None:
        self.secrets[name] = value


class OneEndpoint(ScriptedProvider):
    """Offers what its shelf says now, or fails with that error."""

    def __init__(self, answer: Callable[[], Sequence[ModelCard] | TuiChatError]) -> None:
        super().__init__()
        self._answer = answer

    async def models(self) -> Sequence[ModelCard]:
        answer = self._answer()
        if isinstance(answer, TuiChatError):
            raise answer
        return answer


class Shelf:
    """Providers by endpoint name or address; what they were opened with is kept."""

    def __init__(
        self, answers: dict[str, Sequence[ModelCard] | TuiChatError], found: Sequence[FoundServer] = ()
    ) -> None:
        self.answers = answers
        self.found = found
        self.opened: list[tuple[Endpoint, Secret | None]] = []

    def open(self, endpoint: Endpoint, key: Secret | None) -> Provider:
        self.opened.append((endpoint, key))
        return OneEndpoint(lambda: self.answers.get(endpoint.base_url) or self.answers.get(endpoint.name, ()))

    async def discover(self) -> Sequence[FoundServer]:
        return self.found


class FakeProgram:
    """Settings in memory; ``refusal`` is raised by the next save."""

    user = "default"
    settings_path = Path("/home/alice/.config/tui-chat/settings.toml")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.settings_problems: Sequence[str] = ()
        self.refusal: TuiChatError | None = None

    def save_settings(self, settings: Settings) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.settings = settings


class FakeKeys:
    """Slots as names."""

    CODE = "-".join(["ABCDEFG"] * 7 + ["XYZ2345"])

    def __init__(self, *slots: str, keyring: str | None = "GNOME Keyring") -> None:
        self.held = list(slots)
        self.name = keyring
        self.passphrase: Secret | None = None

    async def slots(self) -> Sequence[str]:
        return tuple(self.held)

    async def keyring(self) -> str | None:
        return self.name

    async def set_passphrase(self, passphrase: Secret) -> None:
        self.passphrase = passphrase
        self.held.append("passphrase")

    async def add_keyring(self) -> None:
        self.held.append("keyring")

    async def make_recovery_code(self) -> str:
        self.held.append("recovery")
        return self.CODE


class Closing:
    """Counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


class World:
    """A program with endpoints and keys, as the screens receive them."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        shelf: Shelf | None = None,
        keys: FakeKeys | None = None,
        environment: dict[str, str] | None = None,
        llama: LocalModels | None = None,
    ) -> None:
        self.fake_program = FakeProgram(settings or Settings())
        self.store = MemoryStore()
        self.shelf = shelf or Shelf({})
        self.keys = keys or FakeKeys("keyring")
        self.closing = Closing()
        self.endpoints = EndpointService(
            self.shelf,
            cast(ConversationStore, self.store),
            lambda: self.fake_program.settings,
            self.fake_program.save_settings,
            environment or {},
            asks_consent=True,
            local=LocalModelService(lambda: llama, cast(ConversationStore, self.store)) if llama else None,
        )

    @property
    def program(self) -> Program:
        return cast(Program, self.fake_program)

    @property
    def services(self) -> Services:
        # The screens under test use endpoints and keys only.
        return Services(
            chat=cast(ChatService, self.closing),
            planning=cast(PlanningService, None),
            library=cast(LibraryService, self.closing),
            endpoints=self.endpoints,
            transfer=cast(TransferService, None),
            files=cast(FileService, None),
            spending=cast(SpendingService, None),
            summaries=cast(SummaryService, None),
            recall=cast(RecallService, self.closing),
            local=cast(LocalModelService, self.closing),
            guard=cast(GuardService, None),
            keys=self.keys,
        )


class FakeAccess:
    """A history with one passphrase and one code; a keyring that answers when its gate is open."""

    PASSPHRASE = Secret("correct horse")
    CODE = Secret(FakeKeys.CODE)

    def __init__(
        self, *slots: str, keyring: str | None = None, exists: bool = True, problem: TuiChatError | None = None
    ) -> None:
        self._slots = slots
        self._keyring = keyring
        self._exists = exists
        self.keyring_problem: TuiChatError | None = problem
        self.refusal: TuiChatError | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.passphrase_gate = asyncio.Event()
        self.passphrase_gate.set()
        self.asked: list[str] = []
        self.created: Secret | None = None
        self.keys = FakeKeys(*slots, keyring=keyring)
        self._world = World(keys=self.keys)
        self.services = self._world.services

    @property
    def closed(self) -> bool:
        """Whether services that it gave out were closed."""
        return self._world.closing.closed > 0

    async def exists(self) -> bool:
        return self._exists

    async def slots(self) -> Sequence[str]:
        return self._slots

    async def keyring(self) -> str | None:
        return self._keyring

    async def open_with_keyring(self) -> Services:
        return await self._by_keyring("open")

    async def create_with_keyring(self) -> Services:
        return await self._by_keyring("create")

    async def _by_keyring(self, verb: str) -> Services:
        self.asked.append(f"{verb} keyring")
        await self.gate.wait()
        if self.keyring_problem is not None:
            raise self.keyring_problem
        return self.services

    async def open_with_passphrase(self, passphrase: Secret) -> Services:
        self.asked.append("passphrase")
        await self.passphrase_gate.wait()
        return await self._opened(passphrase == self.PASSPHRASE, "This is not the passphrase.")

    async def open_with_recovery(self, code: Secret) -> Services:
        self.asked.append("recovery")
        return await self._opened(code == self.CODE, "There is a typing error in the recovery code.")

    async def create_with_passphrase(self, passphrase: Secret) -> Services:
        self.asked.append("create passphrase")
        if self.refusal is not None:
            raise self.refusal
        self.created = passphrase
        return self.services

    def open_empty(self) -> Services:
        return self.services

    async def _opened(self, fits: bool, otherwise: str) -> Services:
        if self.refusal is not None:
            raise self.refusal
        if not fits:
            raise WrongKey(otherwise, hint="Try it once more.")
        return self.services


MISSING = KeyMissing("The keyring holds no key for this history.", hint="Nothing was changed.")
