"""What a front end asks of the program as a whole, before and after a history is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tui_chat.core.secret import Secret
from tui_chat.core.settings import Settings

if TYPE_CHECKING:
    from tui_chat.core.local import GgufFile
    from tui_chat.services.chat import ChatService
    from tui_chat.services.endpoints import EndpointService
    from tui_chat.services.files import FileService
    from tui_chat.services.guard import GuardService
    from tui_chat.services.library import LibraryService
    from tui_chat.services.local_models import LocalModelService
    from tui_chat.services.planning import PlanningService
    from tui_chat.services.recalling import RecallService
    from tui_chat.services.spending import SpendingService
    from tui_chat.services.summaries import SummaryService
    from tui_chat.services.transfer import TransferService

RECOVERY_UNCONFIRMED = "recovery-unconfirmed"
"""The remembered value that says that a recovery code was made and its writing down not confirmed."""


class Keys(Protocol):
    """The key slots of the open history."""

    async def slots(self) -> Sequence[str]:
        """Which of ``keyring``, ``passphrase``, ``recovery`` can open it."""

    async def keyring(self) -> str | None:
        """The name of this computer's secure keyring; None where there is none."""

    async def set_passphrase(self, passphrase: Secret) -> None:
        """Add or replace the passphrase slot."""

    async def add_keyring(self) -> None:
        """Add the keyring slot. Raises KeyringUnavailable or KeyringLocked."""

    async def make_recovery_code(self) -> str:
        """A new recovery code, shown once; the one before is no longer valid."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the program can do with an open history."""

    chat: ChatService
    planning: PlanningService
    library: LibraryService
    endpoints: EndpointService
    transfer: TransferService
    files: FileService
    spending: SpendingService
    summaries: SummaryService
    recall: RecallService
    local: LocalModelService
    guard: GuardService
    keys: Keys

    async def check_integrity(self) -> str:
        """``ok``, or what the history's own check found."""
        return await self.library.check_integrity()

    async def close(self) -> None:
        """Stop the turns, wait for their saves, close the connections and the file."""
        await self.chat.close()
        await self.recall.close()
        await self.endpoints.close()
        await self.local.close()
        await self.library.close()


class Access(Protocol):
    """The way into one user's history. Every ``open_`` and ``create_`` returns it open, ready for use."""

    async def exists(self) -> bool:
        """Whether this user has a history (or at least its keys)."""

    async def slots(self) -> Sequence[str]:
        """Which slots can open it; empty where it does not exist."""

    async def keyring(self) -> str | None:
        """The name of this computer's secure keyring; None where there is none."""

    async def open_with_keyring(self) -> Services: ...
    async def open_with_passphrase(self, passphrase: Secret) -> Services: ...
    async def open_with_recovery(self, code: Secret) -> Services: ...
    async def create_with_keyring(self) -> Services:
        """Make the user, its key and its file. Raises KeyringUnavailable or KeyringLocked, making nothing."""

    async def create_with_passphrase(self, passphrase: Secret) -> Services: ...
    def open_empty(self) -> Services:
        """A history without anything, for reading where none exists; it keeps nothing."""


@dataclass(frozen=True, slots=True)
class User:
    """A profile: its own key, its own file."""

    name: str
    id: str
    current: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``doctor``."""

    name: str
    ok: bool
    detail: str


class Program(Protocol):
    """One run of ``tui-chat``."""

    @property
    def user(self) -> str:
        """The profile of this run: ``--user``, ``TUI_CHAT_USER``, the settings' or ``default``."""

    @property
    def settings(self) -> Settings:
        """The settings of this run, options and environment applied."""

    @property
    def settings_path(self) -> Path: ...

    @property
    def settings_problems(self) -> Sequence[str]:
        """What in the settings file was not understood, each with its line."""

    def save_settings(self, settings: Settings) -> None:
        """Write what differs to the file; from now on these are the run's settings."""

    def set_setting(self, key: str, value: str) -> None:
        """Write one value to the file. Raises BadInput for an unknown key, a wrong type, or a secret."""

    def users(self) -> Sequence[User]: ...
    def add_user(self, name: str) -> User: ...
    def rename_user(self, old: str, new: str) -> User: ...
    async def remove_user(self, name: str) -> None:
        """Destroy its keys (keyring item and key file), then its history."""

    def access(self) -> Access:
        """The way into this run's user's history."""

    async def read_model_file(self, path: Path) -> GgufFile:
        """What the header of a model file says. Raises NotFound, or BadInput that says what is wrong with it."""

    async def checks(self) -> Sequence[Check]:
        """What ``doctor`` can say without an open history; no secret in it."""

    def write_private_file(self, path: Path, data: bytes, *, overwrite: bool) -> None:
        """Put bytes at a path, whole or not at all, mode 0600. Raises Refused where something is there."""

    def record_crash(self, error: BaseException) -> Path:
        """Log where it happened, without messages or values; returns the log file."""
