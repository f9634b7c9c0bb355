"""Profiles: a list of names that two running programs cannot tear."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tui_chat.core.errors import BadInput, NotFound, Refused, StoreFailed
from tui_chat.disk.profiles import Profiles


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    return Profiles(tmp_path / "data" / "profiles.json")


def test_a_name_is_found_again_in_any_spelling_of_its_letters(profiles: Profiles) -> None:
    added = profiles.add(" Zoë ")

    assert (
        added == profiles.find("Zoe\u0308") == Profiles(profiles.key_file(added).with_name("profiles.json")).find("Zoë")
    )
    assert profiles.find("zoë") is None


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\\b", "a\nb", "a\x1b[2J", "\u202ea", "a" * 65, "\ud800"])
def test_a_name_that_could_deceive_is_refused(name: str, profiles: Profiles) -> None:
    with pytest.raises(BadInput):
        profiles.add(name)

    assert profiles.all() == ()


def test_many_writers_at_once_lose_no_profile_and_make_none_twice(profiles: Profiles) -> None:
    # Two Profiles each: the lock must hold between processes, so nothing in memory may carry it.
    def add(number: int) -> str:
        return Profiles(profiles._path).add(f"user {number % 10}").id

    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(add, range(40)))

    assert [f"user {number}" for number in range(10)] == sorted(profile.name for profile in profiles.all())
    assert len(set(ids)) == 10


def test_a_renamed_profile_keeps_its_files(profiles: Profiles) -> None:
    added = profiles.add("old")
    profiles.add("other")

    renamed = profiles.rename("old", "new")

    assert profiles.history_file(added) == profiles.history_file(renamed)
    assert [profile.name for profile in profiles.all()] == ["new", "other"]
    with pytest.raises(Refused):
        profiles.rename("new", "other")
    with pytest.raises(NotFound):
        profiles.rename("old", "x")


def test_removing_a_profile_erases_its_files_and_no_others(profiles: Profiles) -> None:
    gone, stays = profiles.add("gone"), profiles.add("stays")
    for profile in (gone, stays):
        history = profiles.history_file(profile)
        for path in (profiles.key_file(profile), history, history.with_name(f"{history.name}-wal")):
            path.write_bytes(b"x")

    profiles.remove("gone")

    left = {path.name for path in profiles.key_file(stays).parent.iterdir()}
    assert {
        "profiles.json",
        "profiles.lock",
        f"{stays.id}.db",
        f"{stays.id}.db-wal",
        f"{stays.id}.keys.json",
    } == left
    assert (stays,) == profiles.all()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 1, "profiles": [{"id": "../../etc", "name": "x"}]}',
        '{"version": 2, "profiles": []}',
        "[" * 100_000,
        '{"version": ' + "9" * 5000 + "}",
    ],
)
def test_a_damaged_list_is_never_taken_for_an_empty_one(text: str, profiles: Profiles) -> None:
    path = profiles.key_file(profiles.add("x")).with_name("profiles.json")
    path.write_text(text)

    with pytest.raises(StoreFailed):
        profiles.add("y")

    assert text == path.read_text()
