"""Listing, showing, searching and changing conversations by their names."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.cli.conftest import Shell
from tests.providers.loopback import Loopback

MODEL = ("--model", "openai/tiny")


def titles(sh: Shell, *options: str) -> list[str]:
    return [each["title"] for each in sh.ok("list", "--json", *options).json]


def test_new_prints_the_id_alone(sh: Shell) -> None:
    made = sh.ok("new", "First")

    assert f"{sh.ok('list', '--json').json[0]['id']}\n" == made.out


def test_the_name_of_a_model_is_kept_without_what_a_terminal_obeys(sh: Shell) -> None:
    sh.ok("new", "x", "--model", "guide/\udcff\x1b[2J\nm")

    assert {"endpoint": "guide", "name": "\ufffd\ufffd[2J m"} == sh.ok("list", "--json").json[0]["model"]
    assert json.loads(sh.ok("export", "--all").out)


@pytest.mark.parametrize(("on", "off", "field"), [("pin", "unpin", "pinned"), ("archive", "unarchive", "archived")])
def test_what_is_switched_on_is_switched_off(on: str, off: str, field: str, sh: Shell) -> None:
    sh.ok("new", "x")

    states = []
    for command in (on, on, off):
        sh.ok(command, "x")
        states.append(sh.ok("show", "x", "--json").json["conversations"][0][field])

    assert [True, True, False] == states
    assert 4 == sh(on, "Nobody").code


def test_the_first_command_that_writes_says_that_it_made_the_user(sh: Shell) -> None:
    first, second = sh.ok("new", "First"), sh.ok("new", "Second")

    assert "Made the user “default”" in first.err
    assert "keys recovery" in first.err
    assert "" == second.err


def test_a_missing_default_reads_as_empty_and_is_not_made(sh: Shell) -> None:
    assert "" == sh.ok("list").out
    assert [] == sh.ok("search", "x", "--json").json
    assert [] == sh.ok("export", "--all").json["conversations"]
    assert 4 == sh("show", "@last").code
    assert 4 == sh("clear", "@last").code
    assert [] == sh.ok("users", "--json").json


def test_another_missing_user_is_exit_4(sh: Shell) -> None:
    missing = sh("--user", "nobody", "list")

    assert (4, "") == (missing.code, missing.out)
    assert "nobody" in missing.err


def test_the_list_is_newest_first_and_shows_the_random_end_of_the_id(sh: Shell) -> None:
    ids = [sh.ok("new", title).out.strip() for title in ("one", "two", "three")]
    sh.ok("pin", "one")

    lines = sh.ok("list", "--limit", "2").out.splitlines()

    assert [ids[2][-8:], ids[1][-8:]] == [line.split()[0] for line in lines]
    assert f"{datetime.now():%Y-%m-%d}" == lines[0].split()[1]
    assert ["three", "two", "one"] == titles(sh)


def test_a_conversation_has_many_names(sh: Shell) -> None:
    identity = sh.ok("new", "A title").out.strip()
    for name in (identity, identity[:16], identity[-8:], "A title", "@last"):
        assert identity == sh.ok("show", name, "--json").json["conversations"][0]["id"]


def test_an_ambiguous_name_lists_the_candidates_and_is_exit_4(sh: Shell) -> None:
    ids = [sh.ok("new", "Twin").out.strip() for _ in range(2)]

    shown = sh("show", "Twin")

    assert 4 == shown.code
    assert all(identity in shown.err for identity in ids)


def test_an_unknown_name_is_exit_4(sh: Shell) -> None:
    sh.ok("new", "First")

    assert 4 == sh("show", "Second").code
    assert 4 == sh("delete", "First", "Second").code
    assert ["First"] == titles(sh)


def test_a_name_that_is_no_unicode_is_just_unknown(sh: Shell) -> None:
    sh.ok("new", "caf\udce9")

    assert ["caf\ufffd"] == titles(sh)
    assert 4 == sh("show", "\udce9").code
    assert 0 == sh("plan", "@last", "--draft", "\udce9", "--json").code


def test_show_prints_the_branch_that_is_on_show(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "Who are you?", *MODEL)

    lines = sh.ok("show", "@last").out.splitlines()

    assert "Who are you?" == lines[0]
    assert [line for line in lines if line.startswith("[openai/tiny")]
    assert "Hello there." == lines[-1]


def test_a_search_finds_messages_and_titles(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "Where is Timbuktu?", *MODEL)

    hits = sh.ok("search", "timbuktu", "--json").json

    assert [None, "user"] == [hit["role"] for hit in hits]
    assert ["conversation", "title", "message", "role", "created_at", "snippet"] == list(hits[1])
    assert "Timbuktu" in sh.ok("search", "where timbuktu").out


def test_a_search_without_a_hit_says_so_on_stderr(sh: Shell) -> None:
    nothing = sh.ok("search", "timbuktu")
    assert ("", "Nothing found.\n") == (nothing.out, nothing.err)

    assert "" == sh.ok("search", "timbuktu", "--json").err


def test_a_conversation_without_a_title_is_listed_as_that(sh: Shell, server: Loopback) -> None:
    made = sh.ok("new").out.strip()
    sh.ok("ask", "Where is Timbuktu?", "-c", made, *MODEL)
    sh.ok("rename", made, "")

    assert sh.ok("list").out.endswith("(no title)\n")
    assert "(no title)\n" == sh.ok("show", made).out.splitlines(keepends=True)[0]
    assert "user  (no title)\n" in sh.ok("search", "timbuktu").out
    assert "(no title)" in sh("delete", "--forever", made, stdin="n\n", terminal=True).err


@pytest.mark.parametrize("query", ['"', "*", "AND", "-x", "NEAR(", "\udce9", "\x00"])
def test_any_text_can_be_searched_for(query: str, sh: Shell) -> None:
    sh.ok("new", "First")

    assert [] == sh.ok("search", "--json", "--", query).json


def test_rename_tag_archive_and_pin_are_seen_in_the_list(sh: Shell) -> None:
    sh.ok("new", "Old")
    sh.ok("rename", "Old", "New")
    sh.ok("tag", "New", "work", "urgent")
    sh.ok("tag", "New", "urgent", "--remove")
    sh.ok("pin", "New")

    assert ["New"] == titles(sh, "--tag", "work")
    assert [] == titles(sh, "--tag", "urgent")
    assert sh.ok("list", "--json").json[0]["pinned"]

    sh.ok("archive", "New")
    assert [] == titles(sh)
    assert ["New"] == titles(sh, "--archived")
    sh.ok("unarchive", "New")
    sh.ok("unpin", "New")
    assert not sh.ok("list", "--json").json[0]["pinned"]


def test_a_deleted_conversation_is_nowhere_and_comes_back(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "Remember Timbuktu", *MODEL)
    before = sh.ok("show", "@last", "--json").json["conversations"]

    sh.ok("delete", "@last")
    assert [] == titles(sh)
    assert ["Remember Timbuktu"] == titles(sh, "--deleted")
    assert [] == sh.ok("search", "timbuktu", "--json").json
    assert [] == sh.ok("export", "--all").json["conversations"]
    assert 4 == sh("plan", "Remember Timbuktu").code

    sh.ok("undelete", "Remember Timbuktu")
    assert before == sh.ok("show", "@last", "--json").json["conversations"]


def test_clear_empties_a_conversation_and_undelete_fills_it_again(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "Remember Timbuktu", *MODEL, "-s", "be brief")
    before = sh.ok("show", "@last", "--json").json["conversations"]

    sh.ok("clear", "@last")
    cleared = sh.ok("show", "@last", "--json").json["conversations"][0]
    assert ([], None, "be brief") == (cleared["messages"], cleared["head"], cleared["system_prompt"])

    sh.ok("undelete", "@last")
    assert before == sh.ok("show", "@last", "--json").json["conversations"]
    assert 4 == sh("undelete", "@last").code


def test_what_is_erased_forever_does_not_come_back(sh: Shell) -> None:
    sh.ok("new", "First")
    sh.ok("new", "Second")
    sh.ok("delete", "Second")

    assert 2 == sh("delete", "First", "--forever").code
    sh.ok("delete", "First", "Second", "--forever", "--yes")

    assert [] == titles(sh) + titles(sh, "--deleted")
    assert 4 == sh("undelete", "First").code


def test_erasing_asks_on_a_terminal_and_no_means_no(sh: Shell) -> None:
    sh.ok("new", "First")

    assert 130 == sh("delete", "First", "--forever", stdin="n\n", terminal=True).code
    assert ["First"] == titles(sh)
    assert 0 == sh("delete", "First", "--forever", stdin="y\n", terminal=True).code
    assert [] == titles(sh)


def test_titles_reach_a_terminal_clean_and_a_pipe_as_they_are(sh: Shell) -> None:
    sh.ok("new", "a\x1b[2Jb")

    assert "a\x1b[2Jb" in sh.ok("list").out
    assert "\x1b" not in sh("list", terminal=True).out
    assert r"a\u001b[2Jb" in sh("list", "--json", terminal=True).out
