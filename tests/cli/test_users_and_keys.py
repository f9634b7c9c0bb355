"""Users and the keys of their histories."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Shell, secret_file
from tests.crypto.parts import MemoryBackend


def names(sh: Shell) -> list[str]:
    return [each["name"] for each in sh.ok("users", "--json").json]


def test_users_are_apart(sh: Shell) -> None:
    sh.ok("new", "mine")
    sh.ok("--user", "other", "new", "theirs")

    assert ["mine"] == [each["title"] for each in sh.ok("list", "--json").json]
    assert ["theirs"] == [each["title"] for each in sh.ok("--user", "other", "list", "--json").json]
    assert [("default", True), ("other", False)] == [
        (each["name"], each["current"]) for each in sh.ok("users", "--json").json
    ]


def test_the_environment_names_the_user_of_a_run(sh: Shell) -> None:
    sh.monkeypatch.setenv("TUI_CHAT_USER", "work")
    sh.ok("new", "x")

    assert ["work"] == names(sh)
    assert ["name", "id", "current"] == list(sh.ok("users", "--json").json[0])
    assert "* work\n" == sh.ok("users", "list").out


def test_users_are_added_renamed_and_removed(sh: Shell) -> None:
    sh.ok("users", "add", "work")
    sh.ok("--user", "work", "new", "x")
    sh.ok("users", "rename", "work", "job")
    assert 1 == len(sh.ok("--user", "job", "list", "--json").json)

    assert 2 == sh("users", "remove", "job").code
    sh.ok("users", "remove", "job", "--yes")
    assert [] == names(sh)
    assert 4 == sh("users", "remove", "job", "--yes").code


@pytest.mark.parametrize("name", ["", "a/b", "a\nb"])
def test_a_name_that_could_deceive_is_refused(name: str, sh: Shell) -> None:
    assert 1 == sh("users", "add", name).code


def test_a_removed_user_leaves_nothing_on_disk_or_in_the_keyring(sh: Shell, home: Path) -> None:
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")
    sh.keyring = keyring = MemoryBackend()
    sh.ok("--user", "work", "new", "x")

    sh.ok("users", "remove", "work", "--yes")

    assert {} == keyring.items
    assert {"profiles.json", "profiles.lock"} == {path.name for path in (home / "data").iterdir()}


def test_the_status_of_no_history_is_no_slots(sh: Shell) -> None:
    assert {"slots": [], "keyring": None} == sh.ok("keys", "status", "--json").json


def test_the_status_of_a_user_who_is_not_there_is_exit_4(sh: Shell) -> None:
    asked = sh("--user", "nobody", "keys", "status", "--json")

    assert (4, "") == (asked.code, asked.out)
    assert "nobody" in asked.err


def test_a_new_passphrase_opens_and_the_old_one_does_not(sh: Shell, tmp_path: Path) -> None:
    sh.ok("new", "x")
    assert 3 == sh("keys", "passphrase").code

    new = secret_file(tmp_path / "new", "battery staple")
    sh.monkeypatch.setenv("TUI_CHAT_NEW_PASSPHRASE_FILE", str(new))
    sh.ok("keys", "passphrase")

    assert 3 == sh("list").code
    sh.monkeypatch.setenv("TUI_CHAT_PASSPHRASE_FILE", str(new))
    assert 1 == len(sh.ok("list", "--json").json)


def test_the_recovery_code_is_alone_on_stdout_and_opens_a_lost_history(sh: Shell, tmp_path: Path) -> None:
    sh.ok("new", "x")
    made = sh.ok("keys", "recovery")
    assert 1 == len(made.out.splitlines())
    assert made.out.strip() not in made.err

    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")
    assert 3 == sh("keys", "recover").code
    sh.monkeypatch.setenv("TUI_CHAT_RECOVERY_FILE", str(secret_file(tmp_path / "code", made.out)))
    new = secret_file(tmp_path / "new", "battery staple")
    sh.monkeypatch.setenv("TUI_CHAT_NEW_PASSPHRASE_FILE", str(new))
    sh.ok("keys", "recover")

    sh.monkeypatch.setenv("TUI_CHAT_PASSPHRASE_FILE", str(new))
    assert 1 == len(sh.ok("list", "--json").json)
    assert {"passphrase", "recovery"} == set(sh.ok("keys", "status", "--json").json["slots"])


def test_a_new_recovery_code_says_that_the_old_one_is_void(sh: Shell) -> None:
    sh.ok("new", "x")
    first, second = sh.ok("keys", "recovery"), sh.ok("keys", "recovery")

    assert "no longer works" not in first.err
    assert "The code you had no longer works.\n" in second.err
    assert 1 == len(second.out.splitlines())


def test_on_a_terminal_a_recovery_code_is_replaced_only_after_a_yes(sh: Shell, tmp_path: Path) -> None:
    sh.ok("new", "x")
    code = secret_file(tmp_path / "code", sh.ok("keys", "recovery").out)

    refused = sh("keys", "recovery", stdin="n\n", terminal=True)

    assert (130, "") == (refused.code, refused.out)
    assert "no longer works" not in refused.err
    sh.monkeypatch.setenv("TUI_CHAT_RECOVERY_FILE", str(code))
    sh.monkeypatch.setenv("TUI_CHAT_NEW_PASSPHRASE_FILE", str(secret_file(tmp_path / "new", "battery staple")))
    sh.ok("keys", "recover")


def test_recovery_prefers_the_keyring_where_there_is_one(sh: Shell, tmp_path: Path) -> None:
    sh.ok("new", "x")
    code = sh.ok("keys", "recovery").out
    sh.monkeypatch.delenv("TUI_CHAT_PASSPHRASE_FILE")
    sh.monkeypatch.setenv("TUI_CHAT_RECOVERY_FILE", str(secret_file(tmp_path / "code", code)))
    sh.keyring = MemoryBackend()

    sh.ok("keys", "recover")

    assert 1 == len(sh.ok("list", "--json").json)


def test_a_mistyped_code_is_exit_3_and_is_not_repeated(sh: Shell, tmp_path: Path) -> None:
    sh.ok("new", "x")
    code = sh.ok("keys", "recovery").out.strip()
    wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
    sh.monkeypatch.setenv("TUI_CHAT_RECOVERY_FILE", str(secret_file(tmp_path / "code", wrong)))

    recovered = sh("keys", "recover")

    assert 3 == recovered.code
    assert wrong not in recovered.err
