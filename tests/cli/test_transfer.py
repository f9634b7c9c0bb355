"""Export and import from the command line."""

from __future__ import annotations

import json
import stat
import time
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import Shell
from tests.providers.loopback import Loopback


def library(*ids: str) -> bytes:
    """An export with a tree of versions and texts that are easily broken."""
    at = "2026-11-20T08:00:00.123Z"
    texts = ["a\x00b\r\nc", "👩‍👩‍👧 \u202e \x9b", "\ufeff漢字\u2028"]
    messages = [
        {
            "id": f"{ids[0]}-{place}",
            "parent_id": f"{ids[0]}-0" if place else None,
            "role": "assistant" if place else "user",
            "text": text,
            "parts": [{"type": "tool_call", "id": "x", "name": "f", "arguments": "{}"}],
            "status": "failed" if place else "complete",
            "error": "cut off" if place else None,
            "created_at": at,
            "model": {"endpoint": "gone", "name": "a/b"},
            "usage": {"input_tokens": 1, "output_tokens": 2, "cached_tokens": 0},
            "pinned": bool(place),
            "excluded": not place,
        }
        for place, text in enumerate(texts)
    ]
    conversation = {
        "title": "A title",
        "created_at": at,
        "updated_at": at,
        "system_prompt": "be\nbrief",
        "model": None,
        "memory": {"strategy": "full", "max_messages": 7, "trim": "blocks"},
        "tags": ["b", "a"],
        "pinned": True,
        "archived": False,
    }
    conversations = [
        {
            "id": each,
            **conversation,
            "head": messages[1]["id"] if place == 0 else None,
            "messages": messages[: 3 * (not place)],
        }
        for place, each in enumerate(ids)
    ]
    envelope = {"format": "tui-chat", "version": 1, "exported_at": at, "generator": "x", "conversations": conversations}
    return json.dumps(envelope).encode()


FIRST = "01a1f87c-7c94-7000-af35-3c118f95cfbb"
SECOND = "01a1f87c-7c94-7000-af35-3c118f95cfbc"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "library.json"
    path.write_bytes(library(FIRST, SECOND))
    return path


def without_time(data: str) -> list[str]:
    return [line for line in data.splitlines() if not line.startswith('  "exported_at"')]


def test_export_then_import_into_an_empty_user_then_export_is_the_same(sh: Shell, source: Path, tmp_path: Path) -> None:
    counts = sh.ok("import", str(source), "--json").json
    first = tmp_path / "first.json"
    sh.ok("export", "--all", "-o", str(first))
    sh.ok("--user", "other", "import", str(first))
    second = sh.ok("--user", "other", "export", "--all").out

    assert {"conversations": 2, "messages": 3, "unchanged": 0} == counts
    assert json.loads(source.read_text())["conversations"][0] == json.loads(second)["conversations"][0]
    assert without_time(first.read_text()) == without_time(second)


def test_a_known_conversation_is_left_as_it_is(sh: Shell, source: Path) -> None:
    sh.ok("import", str(source))
    sh.ok("rename", FIRST, "Mine")

    again = sh.ok("import", str(source), "--json").json

    assert {"conversations": 0, "messages": 0, "unchanged": 2} == again
    assert "Mine" == sh.ok("show", FIRST, "--json").json["conversations"][0]["title"]


def test_a_dry_run_counts_and_makes_nothing(sh: Shell, source: Path) -> None:
    counted = sh.ok("import", str(source), "--dry-run", "--json").json

    assert {"conversations": 2, "messages": 3, "unchanged": 0} == counted
    assert [] == sh.ok("users", "--json").json


def test_nothing_is_written_unless_every_file_is_understood(sh: Shell, source: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(source.read_bytes().replace(b'"version": 1', b'"version": 2'))

    imported = sh("import", str(source), str(bad))

    assert 1 == imported.code
    assert "newer version" in imported.err
    assert [] == sh.ok("list", "--json").json


def test_files_that_do_not_go_together_import_nothing(sh: Shell, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(source.read_bytes().replace(f'"id": "{FIRST}"'.encode(), b'"id": "another-conversation"'))

    imported = sh("import", str(source), str(other))

    assert 1 == imported.code
    assert [] == sh.ok("list", "--json").json


def test_several_files_are_counted_together_and_what_both_hold_is_taken_once(
    sh: Shell, source: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(library("another-conversation", SECOND))
    files_ = (str(source), str(other))
    expected = {"conversations": 3, "messages": 6, "unchanged": 1}

    assert expected == sh.ok("import", *files_, "--dry-run", "--json").json
    assert expected == sh.ok("import", *files_, "--json").json
    assert 3 == len(sh.ok("list", "--json").json)


def test_a_foreign_or_missing_file_is_refused(sh: Shell, tmp_path: Path) -> None:
    foreign = tmp_path / "x.txt"
    foreign.write_text("hello")

    assert 1 == sh("import", str(foreign)).code
    assert 2 == sh("import", str(tmp_path / "missing")).code


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("at", ["9999-12-29T23:59:59.999Z", "1970-01-01T00:00:00Z"])
def test_the_last_and_the_first_time_that_are_taken_can_be_shown_everywhere(
    at: str, zone: str, sh: Shell, source: Path
) -> None:
    source.write_bytes(source.read_bytes().replace(b"2026-11-20T08:00:00.123Z", at.encode()))
    sh.ok("import", str(source))

    sh.monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for command in (["list"], ["list", "--json"], ["show", FIRST], ["export", "--all"], ["search", "漢字"]):
            assert sh.ok(*command).out
    finally:
        sh.monkeypatch.delenv("TZ")
        time.tzset()


def test_a_time_beyond_every_calendar_is_refused_and_nothing_breaks(sh: Shell, source: Path) -> None:
    source.write_bytes(source.read_bytes().replace(b"2026-11-20T08:00:00.123Z", b"9999-12-31T23:59:59-12:00"))

    assert 1 == sh("import", str(source)).code
    assert 0 == sh("list").code


def test_stdin_can_be_imported(sh: Shell, source: Path) -> None:
    sh.ok("import", "-", stdin=source.read_bytes())

    assert 2 == len(sh.ok("list", "--json").json)


def test_an_exported_file_is_private_and_not_overwritten_without_force(sh: Shell, source: Path, tmp_path: Path) -> None:
    sh.ok("import", str(source))
    target = tmp_path / "out.json"
    exported = sh.ok("export", FIRST, "-o", str(target))

    assert "plaintext" in exported.err
    assert 0o600 == stat.S_IMODE(target.stat().st_mode)
    assert 1 == sh("export", SECOND, "-o", str(target)).code
    assert FIRST == json.loads(target.read_text())["conversations"][0]["id"]
    sh.ok("export", SECOND, "-o", str(target), "--force")
    assert SECOND == json.loads(target.read_text())["conversations"][0]["id"]


def test_markdown_is_for_reading(sh: Shell, source: Path) -> None:
    sh.ok("import", str(source))

    text = sh.ok("export", FIRST, "--format", "markdown").out

    assert text.startswith("# A title\n")
    assert "1 message of other branches left out" in text
    assert 1 == sh("export", FIRST, "--format", "nonsense").code


def test_wrong_usage_is_exit_2(sh: Shell) -> None:
    assert 2 == sh("export").code
    assert 2 == sh("export", "--all", "X").code


def test_what_is_exported_holds_to_the_schema_that_is_printed(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "Hi", "--model", "openai/tiny")
    schema = sh.ok("export", "--schema")

    assert files("tui_chat").joinpath("transfer/schemas/export.json").read_text() == schema.out
    jsonschema.validate(sh.ok("export", "--all").json, schema.json)
