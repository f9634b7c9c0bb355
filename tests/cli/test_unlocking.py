"""Into a history without a screen: the order of ways in, and exit 3 where none is left."""

from __future__ import annotations

import os
import sys
import threading
import unicodedata
from pathlib import Path

import click
import pytest

from tests.cli.conftest import Shell, secret_file
from tests.crypto.parts import MemoryBackend
from tui_chat.cli.asking import may_prompt


def answers(monkeypatch: pytest.MonkeyPatch, *texts: str) -> list[str]:
    """What a person types, one text for each question; the questions are returned as they are asked."""
    asked: list[str] = []
    typed = list(texts)

    def prompt(text: str, *, confirmation_prompt: str | None = None, **_: object) -> str:
        asked.append(text)
        return typed.pop(0)

    monkeypatch.setattr(click, "prompt", prompt)
    return asked


def test_a_passphrase_file_that_others_can_read_is_refused(sh: Shell, tmp_path: Path) -> None:
    secret_file(tmp_path / "passphrase", "correct horse", mode=0o640)

    opened = sh("list", "--json")
    made = sh("new", "x")

    assert 0 == opened.code  # there is nothing to unlock yet
    assert 3 == made.code
    assert "read by others" in made.err
    assert "correct horse" not in made.err


@pytest.mark.parametrize("text", ["", "\n", "\nsecond line", "caf\udce9"])
def test_a_file_without_a_passphrase_is_refused(text: str, sh: Shell, tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(text.encode(errors="surrogateescape"))

    assert 3 == sh("new", "x").code


def test_a_missing_passphrase_file_is_exit_3(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "passphrase").unlink()

    assert 3 == sh("new", "x").code


def test_only_the_first_line_counts_and_every_keyboards_spelling_is_the_same(sh: Shell, tmp_path: Path) -> None:
    secret_file(tmp_path / "passphrase", unicodedata.normalize("NFC", "Zoë ist da") + "\r\n")
    sh.ok("new", "x")
    secret_file(tmp_path / "passphrase", unicodedata.normalize("NFD", "Zoë ist da") + "\nanother line")

    assert 1 == len(sh.ok("list", "--json").json)


def test_a_pipe_can_hold_the_passphrase(sh: Shell) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"correct horse\n")
    os.close(writing)
    sh.monkeypatch.setenv("TUI_CHAT_PASSPHRASE_FILE", f"/dev/fd/{reading}")
    try:
        sh.ok("new", "x")
    finally:
        os.close(reading)


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
def test_a_long_passphrase_is_read_to_its_last_letter(pipe: bool, sh: Shell, tmp_path: Path) -> None:
    def spoken(letters: str) -> str:
        path = tmp_path / f"long{letters[-1]}"
        if not pipe:
            return str(secret_file(path, f"{letters}\nnext line"))
        os.mkfifo(path, 0o600)
        threading.Thread(target=path.write_text, args=(f"{letters}\n",)).start()
        return str(path)

    sh.monkeypatch.setenv("TUI_CHAT_PASSPHRASE_FILE", spoken("x" * 90_000 + "a"))
    sh.ok("new", "x")
    sh.monkeypatch.setenv("TUI_CHAT_PASSPHRASE_FILE", spoken("x" * 90_000 + "b"))

    assert 3 == sh("list").code


def test_a_passphrase_file_without_an_end_is_refused(sh: Shell) -> None:
    sh.monkeypatch.setenv("TUI_CHAT_PASSPHRASE_FILE", "/dev/zero")

    made = sh("new", "x")

    assert 3 == made.code
    assert "more than" in made.err


def test_a_wrong_passphrase_is_exit_3_and_is_not_repeated(sh: Shell, tmp_path: Path) -> None:
    sh.ok("new", "x")
    secret_file(tmp_path / "passphrase", "battery staple")

    opened = sh("list")

    assert (3, "") == (opened.code, opened.out)
    assert "battery" not in opened.err


def test_without_any_way_in_it_is_exit_3_with_a_hint_and_makes_nothing(sh: Shell) -> None:
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")

    made = sh("new", "x")

    assert 3 == made.code
    assert "TUI_CHAT_PASSPHRASE_FILE" in made.err
    assert [] == sh.ok("users", "--json").json


def test_a_history_with_a_passphrase_is_not_opened_without_one(sh: Shell) -> None:
    sh.ok("new", "x")
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")

    opened = sh("list")

    assert 3 == opened.code
    assert "TUI_CHAT_PASSPHRASE_FILE" in opened.err


def test_on_a_terminal_the_passphrase_is_asked_for_three_times_at_most(sh: Shell) -> None:
    sh.ok("new", "x")
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")

    asked = answers(sh.monkeypatch, "wrong", "correct horse")
    assert 0 == sh("list", terminal=True).code
    assert ["Passphrase", "Passphrase"] == asked

    asked = answers(sh.monkeypatch, "wrong", "wrong", "wrong", "correct horse")
    assert 3 == sh("list", terminal=True).code
    assert 3 == len(asked)


def test_on_a_terminal_a_new_history_asks_for_a_new_passphrase(sh: Shell) -> None:
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")
    answers(sh.monkeypatch, "typed twice", "typed twice")

    assert 0 == sh("new", "x", terminal=True).code
    assert 0 == sh("list", terminal=True).code


def test_a_stdin_that_is_closed_is_no_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    assert not may_prompt()


def test_the_keyring_opens_what_it_made(sh: Shell) -> None:
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")
    sh.keyring = MemoryBackend()

    sh.ok("new", "x")

    assert ["keyring"] == sh.ok("keys", "status", "--json").json["slots"]
    assert 1 == len(sh.ok("list", "--json").json)


def test_a_keyring_that_forgot_the_key_is_exit_3_and_never_a_new_key(sh: Shell) -> None:
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")
    sh.keyring = MemoryBackend()
    sh.ok("new", "x")
    sh.keyring = MemoryBackend()

    assert 3 == sh("new", "y").code
    assert 3 == sh("list").code


def test_with_a_passphrase_file_the_keyring_is_not_asked(sh: Shell) -> None:
    class Untouchable(MemoryBackend):
        def get_password(self, service: str, username: str) -> str | None:
            raise AssertionError("the keyring was asked")

    sh.keyring = Untouchable()

    sh.ok("new", "x")

    assert ["passphrase"] == sh.ok("keys", "status", "--json").json["slots"]


def test_the_passphrase_is_asked_for_where_the_keyring_is_gone(sh: Shell, tmp_path: Path) -> None:
    sh.ok("new", "x")
    code = secret_file(tmp_path / "code", sh.ok("keys", "recovery").out)
    sh.monkeypatch.setenv("TUI_CHAT_RECOVERY_FILE", str(code))
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")
    sh.keyring = MemoryBackend()
    sh.ok("keys", "recover")
    assert 0 == sh("list").code

    sh.keyring = None
    assert 3 == sh("list").code
    asked = answers(sh.monkeypatch, "correct horse")
    assert 0 == sh("list", terminal=True).code
    assert ["Passphrase"] == asked


def test_where_the_keyring_is_gone_the_ways_that_exist_are_named(sh: Shell, tmp_path: Path) -> None:
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")
    keyring = sh.keyring = MemoryBackend()
    sh.ok("new", "x")

    def said() -> str:
        sh.keyring = None
        refused = sh("list", terminal=True)
        sh.keyring = keyring
        assert 3 == refused.code
        return refused.err

    bare = said()
    sh.ok("keys", "recovery")
    with_code = said()
    sh.monkeypatch.setenv("TUI_CHAT_NEW_PASSPHRASE_FILE", str(secret_file(tmp_path / "new", "battery staple")))
    sh.ok("keys", "passphrase")
    sh.keyring = None
    with_both = sh("list").err

    assert "assphrase" not in bare + with_code
    assert ["keys recover" in each for each in (bare, with_code)] == [False, True]
    assert "TUI_CHAT_PASSPHRASE_FILE" in with_both
