"""What is typed into a chat is found in no byte of any file: while the app is open, and afterwards."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.slow_model import slow_model
from tests.servers.terminal import Computer, Terminal, computer_with_keyring, require_keyring

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

PROMPT, REPLY, TITLE, DRAFT, KEY = (f"canary{place}xq7wz" for place in ("prompt", "reply", "title", "draft", "key"))
CANARIES = (PROMPT, REPLY, TITLE, DRAFT, KEY)


@pytest.fixture
def computer() -> Iterator[Computer]:
    require_keyring()
    with computer_with_keyring() as computer:
        computer.run("new", "The first one")
        yield computer


def test_what_is_typed_is_in_no_file_and_no_process_title(computer: Computer) -> None:
    with slow_model(lambda _: ["Dear ", REPLY, *(f"and {number} " for number in range(1_000_000))]) as model:
        with computer.start() as terminal:
            terminal.wait_for("offline guide, not an AI")
            add_endpoint(terminal, model.url)
            terminal.type(f"{PROMPT}\r")
            terminal.wait_for(REPLY)
            rename(terminal)
            terminal.type(DRAFT)
            terminal.wait_for(DRAFT)
            shown = terminal.text
            terminal.read(1.5)  # so that the draft and a checkpoint of the reply are written
            while_open = [*leaks(computer.root), *leaks_of_process(terminal.pid)]
            terminal.type("\x11")
            assert 0 == terminal.wait_for_exit()
        afterwards = leaks(computer.root)
        written = bytes(terminal.raw)

    # The control: it was all there, on the screen and with the model.
    assert [] == [canary for canary in (PROMPT, REPLY, TITLE, DRAFT) if canary not in shown]
    assert f"Bearer {KEY}" == model.headers[-1]["Authorization"]
    assert PROMPT == model.requests[-1]["messages"][-1]["content"]
    assert PROMPT in computer.run("export", "--all")
    assert [] == while_open
    assert [] == afterwards
    assert KEY.encode() not in written


def add_endpoint(terminal: Terminal, url: str) -> None:
    """Type an endpoint and its key into the form, and choose its model."""
    terminal.type("\x0f")
    terminal.wait_for("type to filter")
    terminal.type("\x0e")
    terminal.wait_for("Add an endpoint")
    terminal.type(f"mine\r{url}\r{KEY}")
    terminal.wait_for("•" * len(KEY))
    terminal.type("\x13")
    terminal.until(lambda: "Add an endpoint" not in terminal.text and "slow" in terminal.text, what="the new model")
    terminal.type("slow\r")
    terminal.wait_for("● local")


def rename(terminal: Terminal) -> None:
    """Give the conversation another title through the palette."""
    terminal.type("\x10")
    terminal.wait_for("Search for commands")
    terminal.type("Rename this")
    terminal.wait_for("Give it another title")
    terminal.type("\r")
    terminal.wait_for("Rename the conversation")
    terminal.type(f"\x15{TITLE}\r")
    terminal.until(lambda: "Rename the conversation" not in terminal.text and TITLE in terminal.text)


# -- looking ------------------------------------------------------------------------------


def leaks(folder: Path) -> list[str]:
    """The files below the folder that hold a canary, or have one in their name."""
    found = [str(path) for path in folder.rglob("*") if any(canary in path.name for canary in CANARIES)]
    return found + [str(path) for path in folder.rglob("*") if path.is_file() and holds_canary(path)]


def leaks_of_process(pid: int) -> list[str]:
    """The same in what every user of the computer can see of a process, and in its open files, deleted ones too."""
    process = Path(f"/proc/{pid}")
    titles = [str(path) for path in (process / "cmdline", process / "comm") if holds_canary(path)]
    return titles + [str(path) for path in (process / "fd").iterdir() if path.is_file() and holds_canary(path)]


def holds_canary(path: Path) -> bool:
    return _ANY_CANARY.search(path.read_bytes()) is not None


# As UTF-8 and as UTF-16, in either case.
_ANY_CANARY = re.compile(b"canary\\w{3,6}xq7wz|c\0?a\0?n\0?a\0?r\0?y\0?[a-z]\0", re.IGNORECASE)


def test_the_look_would_find_a_leak(tmp_path: Path) -> None:
    for number, text in enumerate((f"a {PROMPT} b".encode(), KEY.upper().encode(), TITLE.encode("utf-16-le"))):
        (tmp_path / f"{number}.log").write_bytes(text)
    (tmp_path / f"{DRAFT}.txt").touch()
    (tmp_path / "innocent").write_text("canaries sing")

    assert ["0.log", "1.log", "2.log", f"{DRAFT}.txt"] == sorted(Path(found).name for found in leaks(tmp_path))
