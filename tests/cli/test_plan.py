"""``plan``: the truth about the next request, without sending it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.conftest import Shell, served, streamed
from tests.providers.loopback import Loopback
from tui_chat.memory import STRATEGIES

SCHEMA = json.loads((Path(__file__).parent.parent / "schemas" / "plan.json").read_text())
MODEL = ("--model", "openai/tiny")
HARBOUR = ("When does the harbour open?", "The harbour opens at seven, and closes at nine.")


def imported(sh: Shell, folder: Path, texts: Sequence[str], *, title: str = "Talk", **settings: Any) -> None:
    """A conversation of that title, the user and the model in turns, one message a minute."""
    ids = [f"{title.lower()}-{place:08d}" for place in range(len(texts))]
    times = [f"2026-11-20T08:{place:02d}:00.000Z" for place in range(len(texts))]
    messages: list[dict[str, Any]] = [
        {
            "id": id,
            "parent_id": before,
            "role": "assistant" if place % 2 else "user",
            "text": text,
            "parts": [],
            "status": "complete",
            "error": None,
            "created_at": time,
            "model": None,
            "usage": None,
            "pinned": False,
            "excluded": False,
        }
        for place, (id, before, time, text) in enumerate(zip(ids, [None, *ids], times, texts, strict=False))
    ]
    conversation = {
        "id": f"{title.lower()}-conversation",
        "title": title,
        "created_at": times[0],
        "updated_at": times[-1],
        "system_prompt": None,
        "model": None,
        "memory": None,
        "tags": [],
        "pinned": False,
        "archived": False,
        "head": ids[-1],
        "messages": messages,
    }
    envelope = {
        "format": "tui-chat",
        "version": 1,
        "exported_at": times[0],
        "generator": "a test",
        "conversations": [conversation | settings],
    }
    file = folder / f"{title}.json"
    file.write_text(json.dumps(envelope))
    sh.ok("import", str(file))


def talk_about(*first: str, messages: int = 12) -> list[str]:
    """What was said first, and then other things up to so many messages."""
    return [*first, *(f"Filler number {place}." for place in range(len(first), messages))]


def planned(sh: Shell, *arguments: str) -> Any:
    """The plan of these options as JSON, which holds to its schema."""
    plan = sh.ok("plan", *arguments, "--json").json
    jsonschema.validate(plan, SCHEMA)
    return plan


def files_of(home: Path) -> dict[Path, bytes]:
    """Every file of the person's, with what it holds."""
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


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


# -- every strategy -----------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [each.name for each in STRATEGIES])
def test_every_strategy_is_planned_by_its_schema_without_a_connection_or_a_stored_byte(
    strategy: str, sh: Shell, server: Loopback, home: Path, tmp_path: Path
) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))
    drafts = tmp_path / "drafts"
    drafts.write_text("When does the harbour open?\nAnd when does it close?\n")
    options = ("Talk", "--strategy", strategy, "--max-messages", "4", *MODEL)
    sh.ok("list")
    before = files_of(home)

    plan = planned(sh, *options, "--draft", "When does the harbour open?")
    lines = sh.ok("plan", *options, "--drafts", str(drafts)).out.splitlines()
    sh.ok("plan", *options)

    assert strategy == plan["strategy"]
    assert plan == json.loads(lines[0])
    assert before == files_of(home)
    assert [] == server.requests


def test_a_strategy_that_is_tried_out_is_not_the_conversation_s(sh: Shell, talk: Loopback) -> None:
    planned(sh, "@last", "--draft", "four", "--strategy", "full", "--max-messages", "2")

    assert "window" == planned(sh, "@last", "--draft", "four")["strategy"]
    assert [None] == [each["memory"] for each in sh.ok("list", "--json").json]


def test_the_conversation_s_own_strategy_holds_where_none_is_named(sh: Shell, server: Loopback, tmp_path: Path) -> None:
    memory = {"strategy": "retrieval", "max_messages": 2, "trim": "exact"}
    imported(sh, tmp_path, talk_about(*HARBOUR), memory=memory)

    plan = planned(sh, "Talk", "--draft", "When does the harbour close?", *MODEL)

    assert "retrieval" == plan["strategy"]
    assert HARBOUR[1] in plan["payload"][-1]["content"]


def test_what_retrieval_finds_is_planned_as_it_is_sent(sh: Shell, server: Loopback, tmp_path: Path) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))
    sh.ok("config", "set", "memory.max_messages", "4")
    options = ("--strategy", "retrieval", *MODEL)
    planned(sh, "Talk", *options)
    sh.ok("ask", "-c", "Talk", "So?", "--no-save", *MODEL)  # from here on the model's window is known

    plan = planned(sh, "Talk", "--draft", "When does the harbour close?", *options)
    sh.ok("ask", "-c", "Talk", "When does the harbour close?", *options)

    assert plan["payload"] == server.last.json["messages"]
    quoted = [entry for entry in plan["entries"] if entry["reason"] == "retrieved"]
    assert {"talk-00000000", "talk-00000001", None} <= {entry["id"] for entry in quoted}
    found = len(quoted) - 1
    assert ("not_found", 8 - found) == (plan["warnings"][0]["code"], plan["warnings"][0]["count"])
    assert f"8 older messages: {found} found relevant are sent, {8 - found} are not." == plan["warnings"][0]["text"]


def test_nothing_relevant_is_said_so(sh: Shell, server: Loopback, tmp_path: Path) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))

    draft = "Giraffes, xylophones, zithers?"

    plan = planned(sh, "Talk", "--draft", draft, "--strategy", "retrieval", "--max-messages", "4", *MODEL)

    (warning,) = plan["warnings"]
    assert ("not_found", 8, 12) == (warning["code"], warning["count"], warning["of"])
    assert warning["text"].startswith("8 of 12 earlier messages are not sent: nothing relevant was found among them.")


def test_no_summary_is_made_by_looking_and_the_plan_says_so(sh: Shell, server: Loopback, tmp_path: Path) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))
    options = ("Talk", "--draft", "And?", "--strategy", "summary", "--max-messages", "4", *MODEL)

    plan = planned(sh, *options)

    assert (
        "10 of 12 earlier messages are not sent and not summarised yet. The model cannot see them."
        == (plan["warnings"][0]["text"])
    )
    assert "summary" not in {entry["kind"] for entry in plan["entries"]}
    assert plan == planned(sh, *options)


def test_a_summary_that_was_made_is_planned_as_it_is_sent(sh: Shell, tmp_path: Path) -> None:
    with served(streamed("The harbour: seven to nine."), streamed("At nine.")) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        imported(sh, tmp_path, talk_about(*HARBOUR))
        sh.ok("config", "set", "memory.max_messages", "8")
        sh.ok("ask", "-c", "Talk", "When does it close?", "--strategy", "summary", *MODEL)
        plan = planned(sh, "Talk", "--draft", "And on Sundays?", "--strategy", "summary", *MODEL)
        sh.ok("ask", "-c", "Talk", "And on Sundays?", "--strategy", "summary", *MODEL)

    assert plan["payload"] == server.last.json["messages"]
    assert plan["payload"][0]["content"].endswith(
        "made by tiny; details may be missing:\n\nThe harbour: seven to nine."
    )
    assert ["summarised"] == [warning["code"] for warning in plan["warnings"]]
    (summary,) = [entry for entry in plan["entries"] if entry["kind"] == "summary"]
    assert (True, "summary", 0) == (summary["sent"], summary["reason"], summary["order"])
    summarised = [entry for entry in plan["entries"] if entry["reason"] == "summarised"]
    assert plan["totals"]["not_sent"] == len(summarised) == plan["warnings"][0]["count"]


# -- the numbers ----------------------------------------------------------------------------------


def test_window_and_reserve_of_the_options_make_the_budget(sh: Shell, talk: Loopback) -> None:
    plan = planned(sh, "@last", "--context-window", "4096", "--reserve", "1296")

    assert {
        "context_window": 4096,
        "assumed": False,
        "reserved_for_reply": 1296,
        "margin": 0.4,
        "input": 2000,
    } == plan["budget"]


def test_the_numbers_decide_what_is_sent(sh: Shell, talk: Loopback) -> None:
    def sent(*options: str) -> tuple[int, str | None]:
        plan = planned(sh, "@last", "--draft", "four", *options)
        return plan["totals"]["sent"], plan["error"] and plan["error"]["code"]

    assert (6, None) == sent()
    assert (0, None) == sent("--max-messages", "0")
    assert (2, None) == sent("--max-messages", "3")
    assert (2, None) == sent("--context-window", "300", "--reserve", "253")
    assert (0, "no_room") == sent("--context-window", "0")
    assert (0, "over_budget") == sent("--strategy", "full", "--context-window", "300", "--reserve", "245")


@pytest.mark.parametrize("strategy", [each.name for each in STRATEGIES])
def test_an_error_in_a_plan_leaves_its_payload_empty_and_is_exit_0(strategy: str, sh: Shell, talk: Loopback) -> None:
    plan = planned(sh, "@last", "--draft", "many words " * 500, "--context-window", "256", "--strategy", strategy)

    assert "fixed_over_budget" == plan["error"]["code"]
    assert "Not sent: system prompt and this message need" in plan["error"]["text"]
    assert [] == plan["payload"]
    assert (0, 6) == (plan["totals"]["sent"], plan["totals"]["not_sent"])


def test_drafts_come_from_stdin_too(sh: Shell, talk: Loopback) -> None:
    lines = sh.ok("plan", "@last", "--drafts", "-", stdin="four\nfive").out.splitlines()

    plans = [json.loads(line) for line in lines]
    assert ["four", "five"] == [plan["payload"][-1]["content"] for plan in plans]
    assert plans[0] == planned(sh, "@last", "--draft", "four")


def test_no_drafts_are_no_plans_and_what_is_no_text_is_refused(sh: Shell, talk: Loopback) -> None:
    assert "" == sh.ok("plan", "@last", "--drafts", "-", stdin="").out

    refused = sh("plan", "@last", "--drafts", "-", stdin=b"\xff\xfe")

    assert (1, "") == (refused.code, refused.out)
    assert "not UTF-8" in refused.err


def test_a_conversation_that_is_not_there_is_exit_4(sh: Shell, talk: Loopback) -> None:
    assert (4, "") == ((missing := sh("plan", "Nobody")).code, missing.out)


def test_deleted_messages_and_conversations_are_in_no_plan(sh: Shell, talk: Loopback) -> None:
    sh.ok("clear", "@last")

    assert [] == [entry for entry in planned(sh, "@last")["entries"] if entry["kind"] == "message"]

    sh.ok("delete", "@last")

    assert 4 == sh("plan", "@last").code


# -- what a person reads ----------------------------------------------------------------------------


def rows(text: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in text.splitlines()]


def test_people_read_where_a_quotation_goes_and_what_all_of_them_cost(
    sh: Shell, server: Loopback, tmp_path: Path
) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))
    options = ("Talk", "--draft", "When does it close?", "--strategy", "retrieval", "--max-messages", "2", *MODEL)
    plan = planned(sh, *options)

    text = sh.ok("plan", *options).out

    costs = {(entry["kind"], entry["id"]): str(entry["tokens"]) for entry in plan["entries"]}
    assert ["in", "2", "sent", "retrieved", "assistant", costs["message", "talk-00000001"], "00000001"] in rows(text)
    assert ["in", "2", "sent", "retrieved", "user", costs["retrieved", None], "all", "quotations"] in rows(text)
    assert ["2", "sent", "draft", "user", costs["draft", "draft"], "-"] in rows(text)
    assert plan["warnings"][0]["text"] in text.splitlines()


def test_people_read_which_conversation_a_quotation_comes_from(sh: Shell, server: Loopback, tmp_path: Path) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR), title="Harbours")
    memory = {"strategy": "retrieval", "max_messages": 2, "trim": "exact", "scope": "all"}
    imported(sh, tmp_path, talk_about(messages=4), memory=memory)

    text = sh.ok("plan", "Talk", "--draft", "When does the harbour close?", *MODEL).out

    assert ["of", "“Harbours”"] in [row[-2:] for row in rows(text)]
    assert HARBOUR[1] not in text


def test_people_read_the_summary_in_its_place(sh: Shell, tmp_path: Path) -> None:
    with served(streamed("Seven to nine."), streamed("Yes.")) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        imported(sh, tmp_path, talk_about(*HARBOUR))
        sh.ok("config", "set", "memory.max_messages", "8")
        sh.ok("ask", "-c", "Talk", "So?", "--strategy", "summary", *MODEL)
        text = sh.ok("plan", "Talk", "--strategy", "summary", *MODEL).out

    sent = [row for row in rows(text) if row[1:2] == ["sent"] and row[0] != "not"]
    assert ["0", "sent", "summary", "user"] == sent[0][:4]
    assert {"summarised"} == {row[2] for row in rows(text) if row[:2] == ["not", "sent"]}
    assert "are sent only as a summary (made " in text


def test_an_empty_conversation_reads_well(sh: Shell, server: Loopback) -> None:
    sh.ok("new", "Nothing")

    text = sh.ok("plan", "Nothing", *MODEL).out

    assert ["window: No earlier messages · ~3 of 4,388 tokens (window assumed)"] == text.splitlines()[:1]
