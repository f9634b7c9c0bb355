"""A terminal for tests: a program on a pseudo-terminal, its keyboard, its screen, and its raw bytes.

``Computer`` says where the program has its files and who its keyring is; ``Terminal`` runs it. Every
wait has a deadline and fails with the screen as it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, perf_counter
from typing import Self

import pyte
import pytest

from tests.servers.secret_service import missing_programs, secret_service

TUI_CHAT = Path(sys.executable).with_name("tui-chat")
"""The installed program, as a person starts it."""

DEADLINE = 30.0
"""Seconds until a wait fails: a bound for a loaded machine, not an expectation."""

# pyte knows no private markers but "?", nor the "$" forms, and would print their last letters.
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$[a-z]")
_FRAME_BEGINS, _FRAME_ENDS = b"\x1b[?2026h", b"\x1b[?2026l"
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;?<>=$]*)?\Z")


class Terminal:
    """A program, started at once with the terminal as its controlling one.

    ``raw`` is every byte it wrote.
    """

    def __init__(
        self, argv: Sequence[str | Path], environment: Mapping[str, str], *, columns: int = 100, rows: int = 30
    ) -> None:
        self.raw = bytearray()
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._shown = 0
        self._last_read = 0.0
        self._exit_code: int | None = None
        self._ours, theirs = os.openpty()
        self.resize(columns, rows)
        name = os.ttyname(theirs)
        words = [os.fspath(word) for word in argv]
        self.began = perf_counter()
        # As the leader of a new session, the first terminal it opens becomes its own: closing ours hangs up.
        self.pid = os.posix_spawnp(
            words[0],
            words,
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, name, os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
            setsid=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # -- the screen -----------------------------------------------------------------------

    @property
    def text(self) -> str:
        """What is on the screen, without the spaces at the ends of its lines."""
        self._show()
        # Not pyte's own ``display``: it fails where a wide character was half overwritten.
        lines = (self._screen.buffer[row] for row in range(self._screen.lines))
        columns = range(self._screen.columns)
        return "\n".join("".join(line[column].data for column in columns).rstrip() for line in lines)

    def wait_for(self, text: str, *, seconds: float = DEADLINE) -> None:
        """Wait until that is on the screen."""
        self.until(lambda: text in self.text, seconds=seconds, what=repr(text))

    def seconds_until_written(self, text: str) -> float:
        """Wait until the program has written that in one piece; the seconds from its start to that moment.

        For measuring: nothing is spent on drawing a screen meanwhile.
        """
        needle = text.encode()
        self.until(lambda: needle in self.raw, what=repr(text))
        return self._last_read - self.began

    def until(self, wish: Callable[[], bool], *, seconds: float = DEADLINE, what: str = "what was waited for") -> None:
        """Show what the program writes until the wish is fulfilled. Raises AssertionError with the screen."""
        end = monotonic() + seconds
        while not wish():
            assert monotonic() < end, f"{what} did not come; the screen is\n{self.text}"
            if not self.read() and self.exit_code is not None and not wish():
                raise AssertionError(f"the program ended ({self.exit_code}) before {what}; its screen was\n{self.text}")

    def read(self, seconds: float = 0.02) -> bool:
        """Take what the program wrote, waiting so long at most; whether there was something."""
        if self._ours < 0 or not select.select([self._ours], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # Linux's way to say that the program has closed its side
            return False
        self._last_read = perf_counter()
        self.raw += data
        if b"\x1b[?2026$p" in data:
            os.write(self._ours, b"\x1b[?2026;2$y")  # yes, this terminal can hold back half-drawn screens
        return bool(data)

    def _show(self) -> None:
        """Draw what was read since; a frame or a sequence that has begun and not ended waits for its end."""
        data = bytes(self.raw[self._shown :])
        begun = data.rfind(_FRAME_BEGINS)
        if begun < 0 or data.find(_FRAME_ENDS, begun) >= 0:
            unfinished = _UNFINISHED.search(data)
            begun = unfinished.start() if unfinished else len(data)
        self._shown += begun
        self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", data[:begun]))

    # -- the keyboard, and worse ------------------------------------------------------------

    def type(self, keys: str | bytes) -> None:
        """Press keys, all in one write."""
        os.write(self._ours, keys.encode() if isinstance(keys, str) else keys)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; the program is told."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen.resize(rows, columns)

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Close the terminal's window: the program gets SIGHUP, and its terminal is gone."""
        os.close(self._ours)
        self._ours = -1

    # -- the end ------------------------------------------------------------------------------

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self._exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code

    def wait_for_exit(self, *, seconds: float = DEADLINE) -> int:
        """Wait until the program has ended by itself and all it wrote is read; its exit code."""
        end = monotonic() + seconds
        while (code := self.exit_code) is None:
            assert monotonic() < end, f"the program still runs; the screen is\n{self.text}"
            if self._ours < 0:
                select.select([], [], [], 0.01)
            self.read()
        while self.read(0):
            pass
        return code

    def kill(self) -> None:
        """End the program if it still runs, and close the terminal."""
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self._ours >= 0:
            self.hang_up()

    # -- its price ----------------------------------------------------------------------------

    def cpu_seconds(self) -> float:
        """Processor time it has used so far (Linux)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """Memory it holds (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) / 1024


@dataclass
class Computer:
    """A computer for one test: all its files below ``root``, and who its keyring is."""

    root: Path
    bus: str = ""
    """The D-Bus address of its Secret Service; without one there is no keyring."""

    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("home", "tmp", "run", "tui-chat/config"):
            (self.root / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing is inherited but the search path."""
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "TUI_CHAT_HOME": str(self.root / "tui-chat"),
        }
        if self.bus:
            environment["DBUS_SESSION_BUS_ADDRESS"] = self.bus
        return environment | dict(self.extra)

    @property
    def log(self) -> str:
        """What the program logged; faults are there."""
        file = self.root / "tui-chat/state/tui-chat.log"
        return file.read_text() if file.exists() else ""

    def use_model(self, url: str, model: str, *, context_window: int = 8192) -> None:
        """Write settings that name one endpoint and its model."""
        (self.root / "tui-chat/config/settings.toml").write_text(
            f'model = "local/{model}"\n[endpoints.local]\nbase_url = "{url}"\ncontext_window = {context_window}\n'
        )

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run a command of the installed ``tui-chat`` without a terminal; what it printed."""
        command = [str(TUI_CHAT), *arguments]
        done = subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, text=True, timeout=DEADLINE
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str, columns: int = 100, rows: int = 30) -> Terminal:
        """Start the installed ``tui-chat`` on a terminal."""
        return Terminal([TUI_CHAT, *arguments], self.environment, columns=columns, rows=rows)


def require_keyring() -> None:
    """Skip the calling test, with a reason, where no Secret Service can be had."""
    missing = missing_programs()
    if missing and os.environ.get("TUI_CHAT_REQUIRE_SERVERS") == "1":
        pytest.fail(f"required here, but not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@contextlib.contextmanager
def computer_with_keyring() -> Iterator[Computer]:
    """A computer with a real Secret Service; needs the programs of ``secret_service.PROGRAMS``."""
    # A short path: the bus' socket is in it, and those have 108 characters.
    with tempfile.TemporaryDirectory(prefix="tui-chat-") as folder:
        root = Path(folder)
        with secret_service(root / "keyring") as service:
            yield Computer(root, service.environment["DBUS_SESSION_BUS_ADDRESS"])
