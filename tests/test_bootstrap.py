"""The parts joined: users apart from each other, keys never made anew, settings of a run never written."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.crypto.parts import MemoryBackend
from tests.fakes import FakeProviders, ScriptedProvider
from tui_chat.bootstrap import LocalProgram
from tui_chat.core.errors import (
    DamagedHistory,
    KeyMissing,
    KeyringLocked,
    KeyringUnavailable,
    LockedError,
    NotFound,
    Refused,
)
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, Settings
from tui_chat.crypto.keychain import Keychain


class Computer:
    """One keyring and one ``TUI_CHAT_HOME`` over several runs."""

    def __init__(self) -> None:
        self.keyring = MemoryBackend()

    def run(self, user: str | None = None, model: str | None = None) -> LocalProgram:
        return LocalProgram(
            user=user,
            model=model,
            keychain=Keychain(backend=lambda: self.keyring),
            providers=FakeProviders(ScriptedProvider()),
        )


async def make_user(computer: Computer, name: str, title: str) -> None:
    services = await computer.run(name).access().create_with_keyring()
    await services.library.new(title)
    await services.close()


async def titles(computer: Computer, name: str) -> list[str]:
    services = await computer.run(name).access().open_with_keyring()
    index = await services.library.index()
    found = [row.conversation.title for row in await services.library.listed(index.keys)]
    await services.close()
    return found


async def test_users_see_their_own_history_only() -> None:
    computer = Computer()
    await make_user(computer, "alice", "of alice")
    await make_user(computer, "bob", "of bob")

    assert await titles(computer, "alice") == ["of alice"]
    assert await titles(computer, "bob") == ["of bob"]


async def test_one_users_file_is_not_readable_with_anothers_key(home: Path) -> None:
    computer = Computer()
    await make_user(computer, "alice", "of alice")
    await make_user(computer, "bob", "of bob")
    alice, bob = (user.id for user in computer.run().users())
    data = home / "data"

    (data / f"{alice}.db").replace(data / f"{bob}.db")

    with pytest.raises(DamagedHistory):
        await computer.run("bob").access().open_with_keyring()


async def test_a_key_that_is_gone_from_the_keyring_is_missing_and_never_made_anew(home: Path) -> None:
    computer = Computer()
    await make_user(computer, "default", "mine")
    before = {path.name: path.read_bytes() for path in (home / "data").iterdir() if path.suffix in (".db", ".json")}
    computer.keyring = MemoryBackend()

    with pytest.raises(KeyMissing):
        await computer.run().access().open_with_keyring()

    assert {name: (home / "data" / name).read_bytes() for name in before} == before


async def test_a_history_without_its_key_file_is_missing_its_key_and_untouched(home: Path) -> None:
    computer = Computer()
    await make_user(computer, "default", "mine")
    next((home / "data").glob("*.keys.json")).unlink()
    history = next((home / "data").glob("*.db"))
    before = history.read_bytes()

    with pytest.raises(KeyMissing):
        await computer.run().access().create_with_keyring()

    assert history.read_bytes() == before
    assert await computer.run().access().exists()


async def test_a_history_that_is_gone_is_said_and_not_replaced_by_an_empty_one(home: Path) -> None:
    computer = Computer()
    await make_user(computer, "default", "mine")
    history = next((home / "data").glob("*.db"))
    for path in (home / "data").glob("*.db*"):
        path.unlink()

    with pytest.raises(DamagedHistory):
        await computer.run().access().open_with_keyring()

    assert not history.exists()


class Killed(BaseException):
    """What stands for the end of the process."""


async def test_a_first_start_that_is_killed_before_its_history_is_made_is_ended_by_the_next(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer = Computer()

    async def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as during:
        during.setattr("tui_chat.store.open_store", die)
        with pytest.raises(Killed):
            await computer.run().access().create_with_keyring()
    made = [path.name[-10:] for path in (home / "data").iterdir() if path.name.endswith((".db", ".keys.json"))]

    assert made == [".keys.json"]
    assert await titles(computer, "default") == []


async def test_a_first_start_that_is_killed_after_its_history_is_made_opens_it_the_next_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer = Computer()

    async def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as during:
        during.setattr("tui_chat.crypto.lock.HistoryLock.record_history", die)
        with pytest.raises(Killed):
            await computer.run().access().create_with_keyring()
    first = await titles(computer, "default")
    for path in (home / "data").glob("*.db*"):
        path.unlink()

    assert first == []
    with pytest.raises(DamagedHistory):
        await titles(computer, "default")


async def test_a_history_that_is_gone_is_not_replaced_by_creating_it_again(home: Path) -> None:
    computer = Computer()
    await make_user(computer, "default", "mine")
    for path in (home / "data").glob("*.db*"):
        path.unlink()

    with pytest.raises(DamagedHistory):
        await computer.run().access().create_with_keyring()
    assert list((home / "data").glob("*.db*")) == []


FIRST_START = """
    import asyncio, sys
    from tui_chat.bootstrap import LocalProgram
    from tui_chat.core.secret import Secret
    async def main():
        access = LocalProgram().access()
        print("ready", flush=True)
        sys.stdin.readline()
        services = await access.create_with_passphrase(Secret("correct horse"))
        await services.library.new(sys.argv[1])
        await services.close()
    asyncio.run(main())
"""


async def test_first_starts_of_several_processes_at_once_make_one_history(home: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(FIRST_START)]
    processes = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "abcd"
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:  # at once: the others read on while this one starts
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    services = await LocalProgram().access().open_with_passphrase(Secret("correct horse"))
    rows = await services.library.listed((await services.library.index()).keys)
    await services.close()
    names = sorted(path.name.partition(".")[2] for path in (home / "data").iterdir())

    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(row.conversation.title for row in rows) == list("abcd")
    assert names == ["db", "json", "keys.json", "lock"]


async def test_without_a_keyring_nothing_is_made(home: Path) -> None:
    def none() -> MemoryBackend:
        raise KeyringUnavailable("There is no keyring.")

    program = LocalProgram(keychain=Keychain(backend=none))
    with pytest.raises(KeyringUnavailable):
        await program.access().create_with_keyring()

    assert program.users() == []


@pytest.mark.parametrize("failure", [KeyringUnavailable, KeyringLocked])
async def test_a_keyring_that_does_not_open_names_the_other_ways_that_exist_and_no_others(
    failure: type[LockedError],
) -> None:
    computer = Computer()

    def broken() -> MemoryBackend:
        raise failure("No.", hint="Use a passphrase instead.")

    async def hint() -> str:
        program = LocalProgram(keychain=Keychain(backend=broken))
        with pytest.raises(failure) as refused:
            await program.access().open_with_keyring()
        return refused.value.hint

    services = await computer.run().access().create_with_keyring()
    hints = [await hint()]
    await services.keys.make_recovery_code()
    hints.append(await hint())
    await services.keys.set_passphrase(Secret("correct horse"))
    hints.append(await hint())
    await services.close()

    assert [False, False, True] == ["the passphrase" in each for each in hints]
    assert [False, True, True] == ["the recovery code" in each for each in hints]
    assert "use a passphrase" not in "".join(hints).lower()
    if failure is KeyringUnavailable:
        assert all("desktop session" in each for each in hints)


async def test_removing_a_user_removes_its_keyring_item_and_files(home: Path) -> None:
    computer = Computer()
    await make_user(computer, "alice", "of alice")
    await make_user(computer, "bob", "of bob")

    await computer.run().remove_user("alice")

    assert [user.name for user in computer.run().users()] == ["bob"]
    assert len(computer.keyring.items) == 1
    assert len(list((home / "data").glob("*.db"))) == 1
    with pytest.raises(NotFound):
        await computer.run().remove_user("alice")


async def test_files_are_private(home: Path) -> None:
    await make_user(Computer(), "default", "mine")

    modes = {path.stat().st_mode & 0o077 for path in home.rglob("*")}

    assert modes == {0}


async def test_the_model_of_a_run_is_never_written() -> None:
    computer = Computer()
    computer.run().save_settings(Settings(endpoints=(Endpoint("home", "http://127.0.0.1:1/v1"),)))
    program = computer.run(model="home/tiny")
    services = await program.access().create_with_keyring()
    during = str(program.settings.model)

    program.save_settings(program.settings)
    await services.close()

    assert during == "home/tiny"
    assert computer.run().settings.model is None


def test_an_export_is_private_and_overwrites_only_when_allowed(tmp_path: Path) -> None:
    program, path = Computer().run(), tmp_path / "chat.json"
    program.write_private_file(path, b"one", overwrite=False)

    with pytest.raises(Refused):
        program.write_private_file(path, b"two", overwrite=False)
    kept = path.read_bytes()
    program.write_private_file(path, b"two", overwrite=True)

    assert (kept, path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", b"two", 0o600)
