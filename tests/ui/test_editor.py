"""The external editor gets the prompt through a private folder of which nothing is left."""

from __future__ import annotations

import shlex
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tui_chat.core.errors import BadInput
from tui_chat.ui import editor
from tui_chat.ui.editor import edit, erase_left_files

CANARY = "canary-in-the-coal-mine"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The folder for temporary files is the test's own; each editor is put in by its test."""
    (tmp_path / "run").mkdir()
    return {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "EDITOR": "true"}


def python(code: str) -> str:
    """An editor that runs this code, the file's path being ``path``."""
    return shlex.join([sys.executable, "-c", f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n{code}"])


def left(environment: dict[str, str]) -> list[Path]:
    return list(Path(environment["XDG_RUNTIME_DIR"]).rglob("*"))


def test_what_was_saved_comes_back_and_nothing_is_left(environment: dict[str, str]) -> None:
    environment["EDITOR"] = python("path.write_text(path.read_text().upper() + chr(10))")

    assert "ONE\nTWO" == edit("one\ntwo", environment)
    assert [] == left(environment)


def test_what_an_editor_leaves_beside_the_file_is_erased_too(environment: dict[str, str]) -> None:
    environment["EDITOR"] = python(
        "(path.parent / '.prompt.md.swp').write_text(path.read_text())\n"
        "(path.parent / 'backups').mkdir()\n"
        "(path.parent / 'backups' / 'one').write_text(path.read_text())"
    )

    assert CANARY == edit(CANARY, environment)
    assert [] == left(environment)


def test_only_the_owner_can_read_it(environment: dict[str, str]) -> None:
    environment["EDITOR"] = python("path.write_text(f'{path.parent.stat().st_mode} {path.stat().st_mode}')")

    modes = [stat.S_IMODE(int(mode)) for mode in edit(CANARY, environment).split()]

    assert [0o700, 0o600] == modes


@pytest.mark.parametrize(
    "command", ["false", "no-such-editor-here", "'", python("path.unlink()"), python("path.chmod(0); path.unlink()")]
)
def test_an_editor_that_fails_is_a_sentence_and_leaves_nothing(command: str, environment: dict[str, str]) -> None:
    environment["EDITOR"] = command

    with pytest.raises(BadInput):
        edit(CANARY, environment)

    assert [] == left(environment)


def test_a_folder_that_is_gone_is_done_without(environment: dict[str, str]) -> None:
    environment["XDG_RUNTIME_DIR"] += "/gone"

    assert "a\ufffdb" == edit("a\udcffb", environment)


def test_a_prompt_that_an_editor_still_has_can_be_erased_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    started, gate = tmp_path / "started", tmp_path / "gate"
    environment["EDITOR"] = python(
        f"open({str(started)!r}, 'w').close(); open({str(gate)!r}).read(); path.write_text('x')"
    )
    for fifo in (started, gate):
        subprocess.run(["mkfifo", fifo], check=True)
    failures: list[BadInput] = []

    def run() -> None:
        try:
            edit(CANARY, environment)
        except BadInput as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    started.read_bytes()
    seen = [path.read_text() for path in left(environment) if path.is_file()]

    erase_left_files()
    after = left(environment)
    gate.write_bytes(b"")
    thread.join(10)

    assert [CANARY] == seen
    assert [] == after == left(environment)
    assert 1 == len(failures)
    assert set() == editor._left


def test_erasing_where_nothing_is_left_does_nothing() -> None:
    erase_left_files()
