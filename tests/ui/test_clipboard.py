from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.app import App

from tui_chat.ui import clipboard

WAYLAND = {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}


class Programs:
    """Programs of a computer: those that work, and what each was given."""

    def __init__(self, *works: str) -> None:
        self.works = works
        self.given: list[tuple[Sequence[str], bytes]] = []

    def __call__(self, argv: Sequence[str], data: bytes) -> bool:
        self.given.append((argv, data))
        return argv[0] in self.works


@pytest.mark.parametrize(
    ("environ", "platform", "works", "sentence"),
    [
        (WAYLAND, "linux", ("wl-copy", "xclip"), "Copied with wl-copy."),
        (WAYLAND, "linux", ("xsel",), "Copied with xsel."),
        ({"DISPLAY": ":0"}, "linux", ("wl-copy", "xclip"), "Copied with xclip."),
        ({}, "darwin", ("pbcopy",), "Copied with pbcopy."),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", ("clip.exe",), "Copied with clip.exe."),
        ({}, "linux", ("wl-copy", "xclip"), "Sent to the terminal to copy (OSC 52)."),
        (WAYLAND, "linux", (), "Sent to the terminal to copy (OSC 52)."),
        ({**WAYLAND, "SSH_TTY": "/dev/pts/1"}, "linux", ("wl-copy",), "Sent to the terminal to copy (OSC 52)."),
        ({"SSH_CONNECTION": "a b"}, "darwin", ("pbcopy",), "Sent to the terminal to copy (OSC 52)."),
    ],
)
async def test_the_first_way_that_works_is_taken_and_named(
    environ: dict[str, str], platform: str, works: tuple[str, ...], sentence: str
) -> None:
    app: App[None] = App()
    async with app.run_test(notifications=True, tooltips=True):
        said = await clipboard.copy(app, "text", environ=environ, platform=platform, run=Programs(*works))

        assert said == sentence
        assert app.clipboard == "text"


async def test_the_text_goes_to_standard_input_and_never_to_the_command_line() -> None:
    app: App[None] = App()
    programs = Programs("wl-copy")
    async with app.run_test(notifications=True, tooltips=True):
        await clipboard.copy(app, "geheim ü", environ=WAYLAND, platform="linux", run=programs)

        assert programs.given == [(("wl-copy",), "geheim ü".encode())]


async def test_windows_gets_utf_16_with_its_mark() -> None:
    app: App[None] = App()
    programs = Programs("clip.exe")
    async with app.run_test(notifications=True, tooltips=True):
        await clipboard.copy(app, "ü", environ={"WSL_DISTRO_NAME": "x"}, platform="linux", run=programs)

        assert programs.given == [(("clip.exe",), b"\xff\xfe\xfc\x00")]


async def test_a_long_text_through_the_terminal_comes_with_a_warning() -> None:
    app: App[None] = App()
    async with app.run_test(notifications=True, tooltips=True):
        said = await clipboard.copy(app, "ü" * 40_000, environ={}, platform="linux")

        assert said == "Sent to the terminal to copy. It is long: the terminal may have cut it."


def test_a_program_gets_its_input_and_its_success_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "keep", f"cat > {tmp_path}/got; echo noise; exit 0")
    program(tmp_path, "fail", "exit 1")
    program(tmp_path, "hang", "exec sleep 30")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(clipboard, "SECONDS", 0.2)

    worked = [clipboard.run_program((name,), b"data") for name in ("keep", "fail", "hang", "absent")]

    assert worked == [True, False, False, False]
    assert (tmp_path / "got").read_bytes() == b"data"


def test_a_program_that_stays_in_the_background_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "daemon", "cat > /dev/null; sleep 3 & exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(clipboard, "SECONDS", 1.5)

    assert clipboard.run_program(("daemon",), b"data")


def program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
