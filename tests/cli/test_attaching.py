"""``--attach``: files that go with a prompt from the command line."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.attached import png
from tests.cli.conftest import Shell
from tests.cli.test_plan import SCHEMA
from tests.providers.loopback import Loopback

MODEL = ("--model", "openai/tiny")
EXPANDED = "Compare:\n\n[Attached file: my notes.md]\n```\nred\n```"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    """The options for a text and an image."""
    (tmp_path / "my notes.md").write_text("red\n")
    (tmp_path / "photo.png").write_bytes(png())
    return "--attach", str(tmp_path / "my notes.md"), "--attach", str(tmp_path / "photo.png")


@pytest.mark.parametrize("how", [(), ("--no-save",)])
def test_files_go_with_the_prompt_and_stay_with_it_where_it_is_saved(
    how: tuple[str, ...], files: tuple[str, ...], sh: Shell, server: Loopback
) -> None:
    turn = sh.ok("ask", "Compare:", *MODEL, *files, *how, "--json").json

    image, text = server.last.json["messages"][-1]["content"]
    assert EXPANDED == text["text"]
    assert image["image_url"]["url"].endswith(base64.b64encode(png()).decode())
    assert "Compare:" == turn["prompt"]["text"]
    assert ["my notes.md", "photo.png"] == [part["name"] for part in turn["prompt"]["parts"]]
    if not how:
        shown = sh.ok("show", "@last").out
        assert "(attachment: my notes.md, 4 bytes)" in shown


def test_a_file_alone_is_a_prompt(files: tuple[str, ...], sh: Shell, server: Loopback) -> None:
    sh.ok("ask", *MODEL, *files[:2])

    assert EXPANDED.partition("\n\n")[2] == server.last.json["messages"][-1]["content"]
    assert "my notes.md" == sh.ok("list", "--json").json[0]["title"]


def test_a_file_that_is_only_kept_is_no_prompt_alone(tmp_path: Path, sh: Shell, server: Loopback) -> None:
    (tmp_path / "doc.pdf").write_bytes(b"%PDF-1.4\n")
    failed = sh("ask", *MODEL, "--attach", str(tmp_path / "doc.pdf"))

    assert 0 != failed.code
    assert "Nothing of this would be sent" in failed.err
    assert [] == sh.ok("list", "--json").json
    assert [] == server.requests


def test_a_plan_shows_what_goes_out_with_the_files(files: tuple[str, ...], sh: Shell, server: Loopback) -> None:
    sh.ok("new", "Talk")

    def planned(*arguments: str) -> Any:
        plan = sh.ok("plan", "Talk", *arguments, *MODEL, "--json").json
        jsonschema.validate(plan, SCHEMA)
        return plan["payload"][-1]

    with_draft, alone = planned("--draft", "Compare:", *files), planned(*files[:2])
    assert [] == server.requests
    sent = sh.ok("ask", "-c", "Talk", "Compare:", *MODEL, *files, "--json").json["plan"]["payload"][-1]

    assert EXPANDED == with_draft["content"]
    assert sent == with_draft
    assert EXPANDED.partition("\n\n")[2] == alone["content"]


def test_what_cannot_be_attached_is_said_and_nothing_is_sent_or_kept(
    tmp_path: Path, sh: Shell, server: Loopback
) -> None:
    (tmp_path / "program").write_bytes(b"\x7fELF\0\0")
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe")

    def refused(name: str, *command: str) -> tuple[int, str]:
        outcome = sh(*command, "--attach", str(tmp_path / name))
        assert outcome.out == ""
        return outcome.code, outcome.err

    sh.ok("new", "Talk")
    missing = refused("gone.md", "ask", "Look", *MODEL)
    unknown = refused("program", "ask", "Look", *MODEL)
    folder = refused("", "plan", "Talk", *MODEL)
    pipe = refused("pipe", "ask", "Look", *MODEL, "--no-save") if os.name == "posix" else (1, "not a regular file")

    assert [4, 1, 1, 1] == [code for code, _ in (missing, unknown, folder, pipe)]
    assert "There is no file gone.md there.\nCheck the path" in missing[1]
    assert "program is neither a text in UTF-8" in unknown[1]
    assert "is a folder.\nAttach its files one by one." in folder[1]
    assert "not a regular file" in pipe[1]
    assert [] == server.requests
    assert ["Talk"] == [each["title"] for each in sh.ok("list", "--json").json]
