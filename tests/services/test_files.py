"""The user's files as a front end asks for them."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tui_chat.core.models import Attachment
from tui_chat.core.ports import Completion
from tui_chat.disk.attached import UserFiles
from tui_chat.services.files import FileService


@pytest.fixture
def files() -> FileService:
    return FileService(UserFiles())


async def test_what_is_dropped_is_named_and_can_be_read(files: FileService, tmp_path: Path) -> None:
    one, other = tmp_path / "it's a\nname.md", tmp_path / "b\\ c.md"
    one.write_text("one")
    other.write_text("other")

    quoted = await files.dropped(f"{shlex.quote(str(one))} {shlex.quote(str(other))} ")
    through_a_terminal = await files.dropped(shlex.quote(str(one)).replace("\n", "\r"))
    plain = await files.dropped(str(other))
    twice = await files.dropped(f"{other.as_uri()}\r\n{other.as_uri()}")

    assert (str(one), str(other)) == quoted
    assert (str(one),) == through_a_terminal
    assert (str(other),) == plain == twice
    assert b"other" == (await files.read(plain[0])).data


async def test_nothing_is_dropped_where_one_name_is_no_regular_file(files: FileService, tmp_path: Path) -> None:
    (tmp_path / "a.md").touch()
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe")
    there = tmp_path / "a.md"

    for text in (f"{there} {tmp_path}/gone.md", f"{there} {tmp_path}/pipe", str(tmp_path), f"{there} please", "a.md"):
        assert () == await files.dropped(text)


async def test_the_event_loop_reads_nothing_itself() -> None:
    threads: set[int] = set()

    class Files:
        def read(self, path: str) -> Attachment:
            threads.add(threading.get_ident())
            return Attachment(path, "text/plain", "", b"x")

        def existing(self, names: Sequence[str]) -> Sequence[str]:
            threads.add(threading.get_ident())
            return names

        def completions(self, begun: str, *, limit: int) -> Sequence[Completion]:
            threads.add(threading.get_ident())
            return ()

    files = FileService(Files())
    await files.read("a")
    await files.dropped("/a")
    await files.completions("a")

    assert threads
    assert threading.get_ident() not in threads
