"""Private files are whole or not there, and their owner's only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tui_chat.core.errors import BadInput, StoreFailed
from tui_chat.disk import files
from tui_chat.disk.files import FileAt
from tui_chat.disk.paths import places, private_folder


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def loose_umask() -> None:
    os.umask(0o000)


def test_a_home_of_ones_own_holds_every_folder(tmp_path: Path) -> None:
    here = places({"TUI_CHAT_HOME": str(tmp_path)})

    assert [tmp_path] * 4 == [here.data.parent, here.config.parent, here.state.parent, here.cache.parent]


def test_without_one_the_platforms_folders_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    here = places({})

    assert here.data.is_relative_to(tmp_path)
    assert here.data.name == "tui-chat"


def test_a_home_that_cannot_be_found_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="TUI_CHAT_HOME"):
        places({"TUI_CHAT_HOME": "~no-such-user-here/x"})
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(BadInput, match="TUI_CHAT_HOME"):
        places({"TUI_CHAT_HOME": "x"})
    monkeypatch.chdir(tmp_path)


def test_new_folders_are_private_and_so_are_their_new_parents(tmp_path: Path) -> None:
    made = private_folder(tmp_path / "a" / "b")

    assert (mode_of(made), mode_of(made.parent)) == (0o700, 0o700)


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreFailed, match="could not be made"):
        private_folder(tmp_path / "file" / "folder")


def test_a_replaced_file_is_private_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    place = FileAt(tmp_path / "new" / "file")

    place.replace(b"one")
    place.replace(b"two")

    assert place.read() == b"two"
    assert mode_of(place.path) == 0o600
    assert [place.path] == list(place.path.parent.iterdir())


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.replace(path, b"old")

    def no_room(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(StoreFailed, match="No space left"):
        files.replace(path, b"new")

    assert path.read_bytes() == b"old"
    assert [path] == list(tmp_path.iterdir())


def test_what_a_link_points_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)

    files.replace(link, b"new")

    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without hard links"])
def test_creating_never_touches_what_is_there(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    place = FileAt(tmp_path / "file")
    place.create(b"first")

    with pytest.raises(FileExistsError):
        place.create(b"second")

    assert place.read() == b"first"
    assert mode_of(place.path) == 0o600
    assert [place.path] == list(tmp_path.iterdir())


def test_a_missing_file_reads_as_none_and_an_unreadable_one_as_a_failure(tmp_path: Path) -> None:
    assert FileAt(tmp_path / "missing").read() is None

    with pytest.raises(StoreFailed, match="could not be read"):
        FileAt(tmp_path).read()
