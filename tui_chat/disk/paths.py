"""The folders of the program: the platform's own, or all below one that the user names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tui_chat.core.errors import BadInput, StoreFailed

APP_NAME = "tui-chat"
HOME_VARIABLE = "TUI_CHAT_HOME"

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


@dataclass(frozen=True, slots=True)
class Places:
    """The four folders; none of them need exist yet (see ``private_folder``)."""

    data: Path
    config: Path
    state: Path
    cache: Path

    @property
    def settings_file(self) -> Path:
        return self.config / "settings.toml"

    @property
    def profiles_file(self) -> Path:
        return self.data / "profiles.json"

    @property
    def log_file(self) -> Path:
        return self.state / "tui-chat.log"


def places(environment: Mapping[str, str]) -> Places:
    """Where this run keeps things; touches no file. Raises BadInput where the named folder cannot be found."""
    if home := environment.get(HOME_VARIABLE):
        try:
            root = Path(home).expanduser().absolute()
        except (RuntimeError, OSError) as error:  # "~somebody" who is nobody; a relative path in a folder that is gone
            raise BadInput(
                f"The folder named by {HOME_VARIABLE} cannot be found.", hint="Name an absolute path."
            ) from error
        return Places(root / "data", root / "config", root / "state", root / "cache")
    # Imported here: a run with a home of its own does without it.
    from platformdirs import PlatformDirs

    folders = PlatformDirs(APP_NAME, appauthor=False)
    return Places(folders.user_data_path, folders.user_config_path, folders.user_state_path, folders.user_cache_path)


def private_folder(folder: Path) -> Path:
    """The folder, made with mode 0700 where it is missing, and so are its missing parents.

    Raises StoreFailed where it cannot be made.
    """
    if folder.is_dir():
        return folder
    try:
        if folder.parent != folder:
            private_folder(folder.parent)
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    except OSError as error:
        raise StoreFailed(
            f"The folder {folder} could not be made ({error.strerror}).",
            hint=f"Check its permissions, or set {HOME_VARIABLE} to another folder.",
        ) from error
    return folder
