"""Reading the files that the user names: regular ones, within the limits, and never waiting for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui_chat.core.attachments import MOST_FILE
from tui_chat.core.errors import BadInput, NotFound
from tui_chat.disk import attached
from tui_chat.disk.attached import UserFiles

posix = pytest.mark.skipif(os.name != "posix", reason="needs the files of a POSIX system")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; the home is beside it."""
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    home.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    return here


# -- reading ------------------------------------------------------------------------------------


def test_a_file_is_read_from_here_from_home_and_from_anywhere(folder: Path) -> None:
    (folder / "near.md").write_text("near")
    (folder.parent / "home" / "at home.md").write_text("at home")

    texts = [UserFiles().read(each).data for each in ("near.md", "~/at home.md", "../home/../here/near.md")]

    assert [b"near", b"at home", b"near"] == texts


@posix
def test_what_is_no_file_is_refused_in_words_and_without_waiting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    Path("nowhere").symlink_to("gone.md")
    Path("empty.md").touch()

    def refusal(path: str) -> str:
        with pytest.raises(BadInput) as caught:
            UserFiles().read(path)
        assert caught.value.hint or path == "empty.md"
        return str(caught.value)

    with monkeypatch.context() as patch:  # opening a device may already do something
        patch.setattr(os, "open", lambda *_: pytest.fail("It was opened."))
        assert "pipe is not a regular file." == refusal("pipe")
        assert "null is not a regular file." == refusal("/dev/null")
    assert "here is a folder." == refusal(str(folder))
    assert refusal("loop").startswith("loop could not be read (")
    assert "empty.md is empty." == refusal("empty.md")
    for missing in ("gone.md", "nowhere", "gone/deep.md", "~nobody-of-that-name/x", "nul\0.md", "lone\ud800.md"):
        with pytest.raises(NotFound, match="There is no file"):
            UserFiles().read(missing)


@posix
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("notes.md").write_text("notes")
    before = Path("notes.md").stat()
    Path("notes.md").unlink()
    os.mkfifo("notes.md")
    monkeypatch.setattr(Path, "stat", lambda path, **_: before)

    with pytest.raises(BadInput, match="not a regular file"):
        UserFiles().read("notes.md")


def test_a_file_that_may_not_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("secret.md").write_text("secret")

    def forbidden(*_: object) -> int:  # modes do not stop root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)

    with pytest.raises(BadInput, match=r"You may not read secret.md"):
        UserFiles().read("secret.md")


def test_a_file_over_the_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("film.mp4").open("wb") as file:
        file.truncate(60_000_000)
    monkeypatch.setattr(os, "read", lambda *_: pytest.fail("It was read."))

    with pytest.raises(BadInput, match=r"film.mp4 is too large: 60.0 MB.") as refused:
        UserFiles().read("film.mp4")
    assert "At most 50 MB can be attached, 5 MB of a text." == refused.value.hint


def test_a_file_that_grows_while_it_is_read_is_refused_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("growing.log").write_text("one line")
    read: list[int] = []

    def always_more(_: int, size: int) -> bytes:
        read.append(size)
        return bytes(size)

    monkeypatch.setattr(os, "read", always_more)

    with pytest.raises(BadInput, match=r"growing.log is too large"):
        UserFiles().read("growing.log")
    assert sum(read) <= MOST_FILE + attached._CHUNK


def test_a_hostile_name_is_shown_in_one_clean_line(folder: Path) -> None:
    name = "\x1b]52;c;x\x07a\nb\u202e.md" if os.name == "posix" else "a.md"
    (folder / name).write_text("text")

    shown = UserFiles().read(name).name

    assert shown.isprintable()
    assert shown.endswith(".md")


# -- finding names ------------------------------------------------------------------------------


@posix
def test_only_full_names_of_regular_files_exist(folder: Path) -> None:
    Path("notes.md").touch()
    Path("C:\\notes.md").touch()
    (folder.parent / "home" / "mine.md").touch()
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    Path("link.md").symlink_to("notes.md")

    def exist(*names: str) -> list[str]:
        return list(UserFiles().existing(names))

    assert [str(folder / "notes.md"), str(folder / "link.md")] == exist(f"{folder}/notes.md", f"{folder}/link.md")
    assert [str(folder.parent / "home/mine.md")] == exist("~/mine.md")
    assert [] == exist(
        "notes.md", "C:\\notes.md", "/a\0b", "/a\ud800", *(f"{folder}/{name}" for name in ("pipe", "loop"))
    )
    assert [] == exist(str(folder), "/dev/null", "/" + "a" * 5_000)


def completed(begun: str, limit: int = 8) -> list[str]:
    return [each.text for each in UserFiles().completions(begun, limit=limit)]


def tree(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def test_a_begun_path_is_completed_in_the_folder_it_names(folder: Path) -> None:
    tree("Novel.md", "notes/a.md", "other.md", ".hidden", ".git/config", "node_modules/notes.js", "../home/mine.md")

    assert ["notes/", "Novel.md"] == completed("nO")
    assert ["notes/", "Novel.md", "other.md"] == completed("")
    assert ["notes/a.md"] == completed("notes/")
    assert [".git/", ".hidden"] == completed(".")
    assert ["~/mine.md"] == completed("~/m") == completed("~")
    assert [f"{folder}/other.md"] == completed(f"{folder}/ot")
    assert ["../home/"] == completed("../ho")
    assert ["notes/"] == completed("n", limit=1)
    assert str(folder / "notes" / "a.md") == UserFiles().completions("notes/a", limit=8)[0].path
    for nowhere in ("gone/", "Novel.md/", "~nobody-of-that-name/", "nul\0/", "\ud800/x"):
        assert [] == completed(nowhere)


def test_a_name_alone_is_found_deeper_down_the_nearest_first() -> None:
    tree("b/c/plan.md", "b/plan.txt", "a/Planning.md", "a/no.md", ".venv/plan.py", "a/node_modules/plan", "plan-b.md")

    assert ["plan-b.md", "a/Planning.md", "b/plan.txt", "b/c/plan.md"] == completed("plan")
    assert [] == completed("c/plan")


@posix
def test_completing_follows_no_circle_and_shows_no_pipe(folder: Path) -> None:
    tree("a/deep.md")
    Path("a/again").symlink_to(folder)
    Path("self").symlink_to("self")
    os.mkfifo("detour")
    os.mkfifo("a/detour")

    assert ["a/deep.md"] == completed("de")
    assert [] == completed("det")
    assert ["a/"] == completed("")
    assert ["a/again/a/"] == completed("a/again/")


def test_completing_looks_at_a_bounded_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "MOST_WALKED", 30)
    tree(*(f"{letter}/{number}" for letter in "abcdefgh" for number in range(10)), "z/plan.md")
    looked: list[str] = []
    is_own_folder = attached._is_own_folder

    def looking(entry: os.DirEntry[str]) -> bool:
        looked.append(entry.name)
        return is_own_folder(entry)

    monkeypatch.setattr(attached, "_is_own_folder", looking)

    assert [] == completed("plan")
    assert len(looked) <= 30


@posix
def test_hostile_names_are_completed_in_one_clean_line_and_kept_as_they_are(folder: Path) -> None:
    name = b"a\x1b]52;c;x\x07\nb\xff.md"
    Path(os.fsdecode(name)).write_text("text")

    (only,) = UserFiles().completions("a", limit=8)

    assert only.text.isprintable()
    assert name == os.fsencode(Path(only.path).name)
    assert "md" not in repr(only)
    assert b"text" == UserFiles().read(only.path).data
