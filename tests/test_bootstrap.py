"""The parts joined: users apart from each other, keys never made anew, settings of a run never written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crypto.parts import MemoryBackend
from tests.fakes import FakeProviders, ScriptedProvider
from tui_chat.bootstrap import LocalProgram
from tui_chat.core.errors import DamagedHistory, KeyMissing, KeyringUnavailable, NotFound, Refused
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


async def test_without_a_keyring_nothing_is_made(home: Path) -> None:
    def none() -> MemoryBackend:
        raise KeyringUnavailable("There is no keyring.")

    program = LocalProgram(keychain=Keychain(backend=none))
    with pytest.raises(KeyringUnavailable):
        await program.access().create_with_keyring()

    assert program.users() == []


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
