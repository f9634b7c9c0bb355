"""A real Secret Service (gnome-keyring on a D-Bus of its own), thrown away afterwards.

Needs the programs ``dbus-daemon`` and ``gnome-keyring-daemon`` (Debian: gnome-keyring, dbus). Nothing of
the user's own keyring is touched: home, data and run-time folders are temporary.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")


def missing_programs() -> list[str]:
    """Those of the needed programs that this computer does not have."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class SecretService:
    """One private bus with one keyring; ``environment`` makes a process use it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._bus: subprocess.Popen[bytes] | None = None
        self._keyring: subprocess.Popen[bytes] | None = None
        self.environment = {
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / "share"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_RUNTIME_DIR": str(home / "run"),
        }

    def start(self) -> None:
        """Start bus and keyring, the keyring unlocked and with its collection."""
        for folder in ("share/keyrings", "config", "cache", "run"):
            (self._home / folder).mkdir(parents=True, exist_ok=True)
        (self._home / "run").chmod(0o700)
        self._bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address=1", f"--address=unix:dir={self._home / 'run'}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._full_environment(),
        )
        assert self._bus.stdout is not None
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self._bus.stdout.readline().decode().strip()
        self.start_keyring(password=b"test")

    def start_keyring(self, *, password: bytes | None) -> None:
        """Start the keyring daemon; without a password its collection stays locked."""
        command = ["gnome-keyring-daemon", "--foreground", "--components=secrets"]
        if password is not None:
            command.append("--unlock")
        self._keyring = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._full_environment(),
        )
        assert self._keyring.stdin is not None
        assert self._keyring.stdout is not None
        # No newline: it would be part of the password.
        self._keyring.stdin.write(password or b"")
        self._keyring.stdin.close()
        # It prints where its control socket is once it is on the bus.
        self._keyring.stdout.readline()

    def lock(self) -> None:
        """The keyring as after a new login that did not unlock it."""
        self.stop_keyring()
        self.start_keyring(password=None)

    def stop_keyring(self) -> None:
        """End the daemon; its collection stays on disk."""
        _end(self._keyring)
        self._keyring = None

    def stop(self) -> None:
        """End everything."""
        self.stop_keyring()
        _end(self._bus)
        self._bus = None

    def _full_environment(self) -> dict[str, str]:
        hidden = ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "GNOME_KEYRING_CONTROL")
        kept = {name: value for name, value in os.environ.items() if name not in hidden}
        return kept | self.environment


@contextmanager
def secret_service(home: Path) -> Iterator[SecretService]:
    """A running Secret Service."""
    service = SecretService(home)
    try:
        service.start()
        yield service
    finally:
        service.stop()


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
