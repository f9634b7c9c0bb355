"""Copies text to the system's clipboard and says by which way."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from textual.app import App

OSC52_SAFE_BYTES = 70_000
"""Some terminals are reported to cut OSC 52 at 100,000 base64 characters, which is 75,000 bytes."""

SECONDS = 2.0

Run = Callable[[Sequence[str], bytes], bool]
"""Runs a program with these bytes on its standard input; False where it failed."""


async def copy(
    app: App[Any],
    text: str,
    *,
    environ: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    run: Run | None = None,
) -> str:
    """Copy by the first way that works and return a sentence that says which.

    A program of this computer comes first (its text goes to standard input, never to the command
    line), then the terminal's OSC 52, which nobody confirms.
    """
    program = await asyncio.to_thread(_copy_locally, text, environ, platform, run or run_program)
    if program is not None:
        # What ctrl+v in a text field pastes; App.copy_to_clipboard would also write OSC 52.
        app._clipboard = text
        return f"Copied with {program}."
    app.copy_to_clipboard(text)
    if len(text.encode(errors="replace")) > OSC52_SAFE_BYTES:
        return "Sent to the terminal to copy. It is long: the terminal may have cut it."
    return "Sent to the terminal to copy (OSC 52)."


def run_program(argv: Sequence[str], data: bytes) -> bool:
    """Run a program for at most 2 seconds. Blocks: not for the event loop."""
    if shutil.which(argv[0]) is None:
        return False
    try:
        # No pipes for its output: xclip and wl-copy stay in the background and would keep them open.
        done = subprocess.run(
            argv, input=data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def programs(environ: Mapping[str, str], platform: str) -> list[tuple[str, ...]]:
    """The commands that may reach the clipboard of the person in front of the screen, best first; none over SSH."""
    if environ.get("SSH_TTY") or environ.get("SSH_CONNECTION"):
        return []
    if platform == "darwin":
        return [("pbcopy",)]
    found: list[tuple[str, ...]] = []
    if environ.get("WAYLAND_DISPLAY"):
        found.append(("wl-copy",))
    if environ.get("DISPLAY"):
        found += [("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
    if environ.get("WSL_DISTRO_NAME"):
        found.append(("clip.exe",))
    return found


def _copy_locally(text: str, environ: Mapping[str, str], platform: str, run: Run) -> str | None:
    for argv in programs(environ, platform):
        # clip.exe reads the console's code page unless a byte order mark says UTF-16.
        data = text.encode("utf-16", "replace") if argv[0] == "clip.exe" else text.encode(errors="replace")
        if run(argv, data):
            return argv[0]
    return None
