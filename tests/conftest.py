"""What every test stands on: no network beyond this computer, a home of its own."""

from __future__ import annotations

import ipaddress
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

_real_connect = socket.socket.connect
_real_connect_ex = socket.socket.connect_ex


def _require_local(address: Any) -> None:
    if isinstance(address, tuple):
        host = address[0]
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise AssertionError(f"a test reached for the network: {host}")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background, shells let SIGINT be ignored, and children inherit that: tests send it to them.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach beyond the loopback, by construction."""

    def connect(self: socket.socket, address: Any) -> None:
        _require_local(address)
        _real_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _require_local(address)
        return _real_connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``TUI_CHAT_HOME`` and a ``HOME`` of the test's own, and none of the person's environment."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TUI_CHAT_HOME", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))  # other programs' model files are looked for there
    for name in (
        "TUI_CHAT_USER",
        "TUI_CHAT_MODEL",
        "TUI_CHAT_PASSPHRASE_FILE",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "GEMINI_API_KEY",
        "OLLAMA_HOST",
        "OLLAMA_API_KEY",
        "NO_COLOR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "OLLAMA_MODELS",  # where other programs keep model files
        "LLAMA_CACHE",
        "HF_HOME",
        "HF_HUB_CACHE",
        "XDG_CACHE_HOME",
        *(f"{what}_PROXY" for what in ("HTTP", "HTTPS", "ALL", "NO")),
        *(f"{what}_proxy" for what in ("http", "https", "all", "no")),
    ):
        monkeypatch.delenv(name, raising=False)
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-screenshots`` writes the pictures that the tests compare."""
    parser.addoption("--update-screenshots", action="store_true", help="write screenshots/ instead of comparing")
