"""``plan``: the truth about the next request, without sending it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.conftest import Shell
from tests.providers.loopback import Loopback

SCHEMA = json.loads((Path(__file__).parent.parent / "schemas" / "plan.json").read_text())
MODEL = ("--model", "openai/tiny")


@pytest.fixture
def talk(sh: Shell, server: Loopback) -> Loopback:
    """A conversation of three turns."""
    sh.ok("ask", "one", *MODEL, "-s", "be brief")
    sh.ok("ask", "-c", "@last", "two")
    sh.ok("ask", "-c", "@last", "three")
    return server


def test_a_plan_holds_to_its_schema_and_opens_no_connection(sh: Shell, talk: Loopback) -> None:
    before = len(talk.requests)

    plan = sh.ok("plan", "@last", "--draft", "four", "--json").json

    jsonschema.validate(plan, SCHEMA)
    assert before == len(talk.requests)
    assert {"sent": 6, "not_sent": 0} == {name: plan["totals"][name] for name in ("sent", "not_sent")}


def test_what_is_planned_is_what_is_sent(sh: Shell, talk: Loopback) -> None:
    options = ("--strategy", "full")
    planned = sh.ok("plan", "@last", "--draft", "four", *options, "--json").json["payload"]

    sh.ok("ask", "-c", "@last", "four", *options)

    assert planned == talk.last.json["messages"]


@pytest.mark.parametrize("where", ["before the command", "behind it"])
def test_the_model_of_a_run_is_planned_for_as_it_is_asked(where: str, sh: Shell, talk: Loopback) -> None:
    sh.ok("config", "set", "endpoints.small.base_url", talk.url)
    sh.ok("config", "set", "endpoints.small.context_window", "4096")
    small = ("--model", "small/tiny")

    def run(*arguments: str) -> dict[str, Any]:
        whole = (*small, *arguments) if where == "before the command" else (*arguments, *small)
        found: dict[str, Any] = sh.ok(*whole).json
        return found

    planned = run("plan", "@last", "--draft", "four", "--json")
    asked = run("ask", "-c", "@last", "four", "--json")

    assert 4096 == planned["budget"]["context_window"]
    assert planned["budget"] == asked["plan"]["budget"]


def test_the_window_can_be_tried_out(sh: Shell, talk: Loopback) -> None:
    plan = sh.ok("plan", "@last", "--draft", "four", "--max-messages", "2", "--json").json

    assert (2, 4) == (plan["totals"]["sent"], plan["totals"]["not_sent"])
    assert ["be brief", "three", "Hello there.", "four"] == [each["content"] for each in plan["payload"]]
    assert "4 of 6 earlier messages are not sent" in plan["warnings"][0]["text"]


def test_without_a_draft_there_is_no_draft_entry(sh: Shell, talk: Loopback) -> None:
    plan = sh.ok("plan", "@last", "--json").json

    assert "draft" not in {entry["kind"] for entry in plan["entries"]}


def test_each_line_of_drafts_becomes_a_line_of_plans(sh: Shell, talk: Loopback, tmp_path: Path) -> None:
    drafts = tmp_path / "drafts"
    drafts.write_bytes("one\u2028still one\n\nthree".encode())

    plans = [json.loads(line) for line in sh.ok("plan", "@last", "--drafts", str(drafts)).out.splitlines()]

    assert ["one\u2028still one", None, "three"] == [
        plan["payload"][-1]["content"] if plan["error"] is None else None for plan in plans
    ]
    for plan in plans:
        jsonschema.validate(plan, SCHEMA)


def test_a_plan_with_an_error_is_still_exit_0(sh: Shell, talk: Loopback) -> None:
    plan = sh.ok("plan", "@last", "--draft", "x" * 5000, "--context-window", "100", "--json").json

    assert plan["error"] is not None
    assert [] == plan["payload"]


def test_people_read_counts_reasons_and_the_warning(sh: Shell, talk: Loopback) -> None:
    text = sh.ok("plan", "@last", "--draft", "four", "--max-messages", "2").out

    assert "before_window" in text
    assert "4 of 6 earlier messages are not sent" in text


def test_wrong_options_are_exit_2(sh: Shell, talk: Loopback) -> None:
    assert 2 == sh("plan", "@last", "--strategy", "psychic").code
    assert 2 == sh("plan", "@last", "--draft", "a", "--drafts", __file__).code
    assert 2 == sh("plan", "@last", "--max-messages", "-1").code
