"""``ask``: one turn from a pipe."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import Shell, served, streamed
from tests.cli.test_plan import HARBOUR, SCHEMA, files_of, imported, talk_about
from tests.providers.loopback import Loopback, Reply
from tui_chat.core.secret import Secret
from tui_chat.memory import STRATEGIES

MODEL = ("--model", "openai/tiny")


def sent(server: Loopback) -> list[dict[str, str]]:
    """The messages of the last request."""
    found: list[dict[str, str]] = server.last.json["messages"]
    return found


def test_the_reply_comes_to_stdout_and_the_turn_is_kept(sh: Shell, server: Loopback) -> None:
    asked = sh.ok("ask", "Hi", *MODEL)

    assert "Hello there.\n" == asked.out
    messages = sh.ok("show", "@last", "--json").json["conversations"][0]["messages"]
    assert [("user", "Hi", "complete"), ("assistant", "Hello there.", "complete")] == [
        (each["role"], each["text"], each["status"]) for each in messages
    ]


def test_text_and_stdin_are_joined_by_an_empty_line(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "Explain:", *MODEL, stdin="def f(): pass\n")

    assert [{"role": "user", "content": "Explain:\n\ndef f(): pass\n"}] == sent(server)


def test_stdin_alone_is_the_prompt(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", *MODEL, stdin="private words")

    assert "private words" == sent(server)[-1]["content"]


def test_no_prompt_at_all_is_wrong_usage(sh: Shell, server: Loopback) -> None:
    assert 2 == sh("ask", *MODEL).code
    assert 2 == sh("ask", *MODEL, stdin=" \n").code
    assert [] == sh.ok("list", "--json").json


def test_a_conversation_goes_on_with_c(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "one", *MODEL)
    sh.ok("ask", "-c", "@last", "two", *MODEL)

    assert ["one", "Hello there.", "two"] == [each["content"] for each in sent(server)]
    assert [4] == [each["message_count"] for each in sh.ok("list", "--json").json]


def test_what_is_typed_there_in_the_app_stays_a_draft(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "one", *MODEL)
    program = sh.make(user=None, model=None, interactive=False)

    async def draft(text: str | None = None) -> str:
        services = await program.access().open_with_passphrase(Secret("correct horse"))
        conversation = await services.library.find("@last")
        if text is not None:
            await services.library.save_draft(conversation.id, text)
        kept = (await services.library.open(conversation.id)).draft
        await services.close()
        return kept

    asyncio.run(draft("half a thought"))
    sh.ok("ask", "-c", "@last", "two", *MODEL)

    assert "half a thought" == asyncio.run(draft())


def test_options_become_the_settings_of_a_new_conversation(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "one", *MODEL, "-s", "be brief", "--strategy", "full")

    made = sh.ok("list", "--json").json[0]
    assert "be brief" == made["system_prompt"]
    assert {"endpoint": "openai", "name": "tiny"} == made["model"]
    assert {"strategy": "full", "max_messages": 20, "trim": "exact"} == made["memory"]


def test_options_hold_for_one_request_of_a_known_conversation(sh: Shell, server: Loopback) -> None:
    sh.ok("new", "Talk", "-s", "be kind")
    sh.ok("ask", "-c", "Talk", "one", *MODEL, "-s", "be brief", "--strategy", "full")

    assert {"role": "system", "content": "be brief"} == sent(server)[0]
    made = sh.ok("list", "--json").json[0]
    assert ("be kind", None, None) == (made["system_prompt"], made["model"], made["memory"])


@pytest.mark.parametrize("how", [(), ("--no-save",)], ids=["saved", "unsaved"])
def test_an_empty_system_prompt_drops_it_for_one_request(how: tuple[str, ...], sh: Shell, server: Loopback) -> None:
    sh.ok("new", "Talk", "-s", "be kind")

    sh.ok("ask", "-c", "Talk", "one", *MODEL, "-s", "", *how)

    assert [{"role": "user", "content": "one"}] == sent(server)
    assert "be kind" == sh.ok("list", "--json").json[0]["system_prompt"]


def test_a_system_prompt_that_is_no_unicode_is_planned_as_it_is_sent(sh: Shell, server: Loopback) -> None:
    sh.ok("new", "Talk")

    turn = sh.ok("ask", "-c", "Talk", "one", *MODEL, "-s", "be \udcff", "--json").json

    assert {"role": "system", "content": "be \ufffd"} == sent(server)[0]
    assert sent(server) == turn["plan"]["payload"]


def test_where_no_turn_began_there_is_no_json_and_the_help_says_so(sh: Shell, server: Loopback) -> None:
    sh.ok("new", "Talk")

    asked = sh("ask", "-c", "Nobody", "one", *MODEL, "--json")

    assert (4, "") == (asked.code, asked.out)
    assert "no such conversation" in asked.err
    assert "no turn began" in " ".join(sh.ok("ask", "--help").out.split())


def test_json_holds_the_whole_turn(sh: Shell, server: Loopback) -> None:
    turn = sh.ok("ask", "Hi", *MODEL, "--json").json

    assert ["conversation", "prompt", "reply", "plan"] == list(turn)
    assert sh.ok("list", "--json").json[0]["id"] == turn["conversation"]
    assert ("Hi", "Hello there.") == (turn["prompt"]["text"], turn["reply"]["text"])
    assert sent(server) == turn["plan"]["payload"]


def test_nothing_is_stored_with_no_save(sh: Shell, server: Loopback) -> None:
    turn = sh.ok("ask", "Hi", *MODEL, "--no-save", "--json").json

    assert (None, "Hello there.") == (turn["conversation"], turn["reply"]["text"])
    assert [] == sh.ok("list", "--json").json


def test_an_unsaved_turn_sees_the_conversation_it_follows(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", "one", *MODEL)
    sh.ok("ask", "-c", "@last", "two", *MODEL, "--no-save")

    assert ["one", "Hello there.", "two"] == [each["content"] for each in sent(server)]
    assert [2] == [each["message_count"] for each in sh.ok("list", "--json").json]


def test_the_truncation_warning_goes_to_stderr(sh: Shell, server: Loopback) -> None:
    sh.ok("config", "set", "memory.max_messages", "2")
    sh.ok("ask", "one", *MODEL)
    sh.ok("ask", "-c", "@last", "two", *MODEL)

    asked = sh.ok("ask", "-c", "@last", "three", *MODEL)

    assert "2 of 4 earlier messages are not sent" in asked.err
    assert "Hello there.\n" == asked.out


def test_without_a_model_it_is_exit_5_with_a_hint(sh: Shell) -> None:
    asked = sh("ask", "Hi")

    assert (5, "") == (asked.code, asked.out)
    assert "--model" in asked.err


def test_an_unknown_endpoint_is_exit_5_and_keeps_nothing(sh: Shell) -> None:
    assert 5 == sh("ask", "Hi", "--model", "nowhere/x").code
    assert [] == sh.ok("list", "--json").json


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply.json({"error": {"message": "no such key"}}, 401), "key"),
        (Reply.json({"error": {"message": "down"}}, 400), "400"),
        (streamed(), "gave no answer"),
        (streamed(thinking="hm"), "thought"),
    ],
    ids=["unauthorized", "refused", "empty", "only thinking"],
)
def test_a_failed_service_is_exit_5_and_json_tells_it(reply: Reply, says: str, sh: Shell) -> None:
    with served(reply) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        asked = sh("ask", "Hi", *MODEL, "--json")

    assert 5 == asked.code
    assert ("failed", "") == (asked.json["reply"]["status"], asked.json["reply"]["text"])
    assert says in asked.json["reply"]["error"]
    assert "Hi" == asked.json["prompt"]["text"]


def test_thinking_is_kept_but_not_printed(sh: Shell) -> None:
    with served(streamed("42", thinking="six times seven")) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        turn = sh.ok("ask", "Hi", *MODEL)
        kept = sh.ok("show", "@last", "--json").json["conversations"][0]["messages"][1]

    assert "42\n" == turn.out
    assert [{"type": "thinking", "text": "six times seven"}] == kept["parts"]


def test_a_plan_with_an_error_sends_nothing_and_is_exit_1(sh: Shell, server: Loopback) -> None:
    sh.ok("config", "set", "endpoints.small.base_url", server.url)
    sh.ok("config", "set", "endpoints.small.context_window", "256")

    asked = sh("ask", "--model", "small/tiny", stdin="many words " * 500)

    assert 1 == asked.code
    assert "Not sent" in asked.err
    assert not [request for request in server.requests if request.path.endswith("completions")]


def test_a_reply_for_a_terminal_holds_nothing_that_a_terminal_obeys(sh: Shell) -> None:
    nasty = "\x1b]52;c;QUJD\x1b\\ \x9b2J ok"
    with served(streamed(nasty)) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        piped = sh.ok("ask", "Hi", *MODEL)
        shown = sh("ask", "Hi", *MODEL, terminal=True)
        as_json = sh("ask", "Hi", *MODEL, "--json", terminal=True)

    assert f"{nasty}\n" == piped.out
    assert "ok" in shown.out
    assert not set("\x1b\x9b") & set(shown.out + as_json.out)
    assert nasty == json.loads(as_json.out)["reply"]["text"]


def test_the_environments_key_goes_to_the_environments_address_only(sh: Shell, server: Loopback) -> None:
    with served(streamed("other")) as other:
        sh.ok("config", "set", "endpoints.mine.base_url", other.url)
        sh.ok("ask", "Hi", "--model", "mine/x")
        sh.ok("ask", "Hi", *MODEL)

        assert "authorization" not in other.last.headers
    assert "Bearer sk-canary-0123456789abcdef" == server.last.headers["authorization"]


# -- what is remembered -----------------------------------------------------------------------------


def asked_for(server: Loopback) -> Sequence[Sequence[dict[str, str]]]:
    """The messages of each request for a completion, in order."""
    return [request.json["messages"] for request in server.requests if request.path.endswith("completions")]


@pytest.mark.parametrize("strategy", [each.name for each in STRATEGIES])
def test_a_strategy_of_a_new_conversation_becomes_its_own(strategy: str, sh: Shell, server: Loopback) -> None:
    turn = sh.ok("ask", "one", *MODEL, "--strategy", strategy, "--json").json
    sh.ok("ask", "-c", "@last", "two")

    jsonschema.validate(turn["plan"], SCHEMA)
    assert strategy == turn["plan"]["strategy"]
    memory = {"strategy": strategy, "max_messages": 20, "trim": "exact"}
    assert [memory] == [each["memory"] for each in sh.ok("list", "--json").json]
    assert strategy == sh.ok("plan", "@last", "--json").json["strategy"]
    assert ["one", "Hello there.", "two"] == [each["content"] for each in sent(server)]


@pytest.mark.parametrize("strategy", [each.name for each in STRATEGIES])
def test_a_strategy_of_a_known_conversation_holds_for_one_request(
    strategy: str, sh: Shell, server: Loopback, tmp_path: Path
) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))
    sh.ok("config", "set", "memory.max_messages", "4")

    turn = sh.ok("ask", "-c", "Talk", "When does the harbour close?", *MODEL, "--strategy", strategy, "--json").json

    jsonschema.validate(turn["plan"], SCHEMA)
    assert strategy == turn["plan"]["strategy"]
    assert sent(server) == turn["plan"]["payload"]
    assert [None] == [each["memory"] for each in sh.ok("list", "--json").json]
    assert "window" == sh.ok("plan", "Talk", "--json").json["strategy"]


def test_what_was_found_goes_with_the_prompt_and_is_not_kept_as_its_text(
    sh: Shell, server: Loopback, tmp_path: Path
) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))
    sh.ok("config", "set", "memory.max_messages", "2")

    asked = sh.ok("ask", "-c", "Talk", "When does the harbour close?", *MODEL, "--strategy", "retrieval")

    assert sent(server)[-1]["content"].startswith("When does the harbour close?\n\n[Earlier messages of this")
    assert f"> {HARBOUR[1]}\n" in sent(server)[-1]["content"]
    assert "found relevant" in asked.err
    kept = sh.ok("show", "Talk", "--json").json["conversations"][0]["messages"]
    assert "When does the harbour close?" == kept[-2]["text"]


def test_a_summary_that_is_due_is_made_first_shown_and_sent(sh: Shell, tmp_path: Path) -> None:
    with served(streamed("The harbour: seven ", "to nine."), streamed("At nine.")) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        imported(sh, tmp_path, talk_about(*HARBOUR))
        sh.ok("config", "set", "memory.max_messages", "8")
        asked = sh.ok("ask", "-c", "Talk", "When does it close?", *MODEL, "--strategy", "summary")
        requests = asked_for(server)
        kept = sh.ok("show", "Talk", "--json").json["conversations"][0]["messages"]

    assert "At nine.\n" == asked.out
    assert "Asking openai/tiny for a summary of 8 older messages first." in asked.err
    assert "The harbour: seven to nine." in asked.err
    assert "8 messages are sent only as a summary (made " in asked.err
    assert 2 == len(requests)
    assert "| The harbour opens at seven, and closes at nine." in requests[0][-1]["content"]
    assert requests[1][0]["content"].startswith("Summary of 8 earlier messages, made by tiny")
    assert [*talk_about(messages=12)[8:], "When does it close?"] == [each["content"] for each in requests[1][1:]]
    assert ["When does it close?", "At nine."] == [each["text"] for each in kept[-2:]]


def test_a_summary_that_is_there_is_sent_and_not_made_again(sh: Shell, tmp_path: Path) -> None:
    with served(streamed("Seven to nine.")) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        memory = {"strategy": "summary", "max_messages": 8, "trim": "exact"}
        imported(sh, tmp_path, talk_about(*HARBOUR), memory=memory)
        sh.ok("ask", "-c", "Talk", "When does it close?", *MODEL)
        again = sh.ok("ask", "-c", "Talk", "And on Sundays?", *MODEL)
        requests = asked_for(server)

    assert 3 == len(requests)
    assert requests[1][0] == requests[2][0]
    assert "Asking" not in again.err


def test_what_was_dropped_since_is_folded_into_the_summary(sh: Shell, tmp_path: Path) -> None:
    replies = ["The first.", "An answer.", "The second.", "Another."]
    with served(*map(streamed, replies)) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        imported(sh, tmp_path, talk_about(*HARBOUR))
        sh.ok("config", "set", "memory.max_messages", "4")
        sh.ok("ask", "-c", "Talk", "one", *MODEL, "--strategy", "summary")
        sh.ok("config", "set", "memory.max_messages", "2")
        sh.ok("ask", "-c", "Talk", "two", *MODEL, "--strategy", "summary")
        requests = asked_for(server)

    assert 4 == len(requests)
    assert "| The first." in requests[2][-1]["content"]
    assert HARBOUR[0] not in requests[2][-1]["content"]
    assert requests[3][0]["content"].endswith("\n\nThe second.")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply.json({"error": {"message": "down"}}, 400), "400"),
        (streamed(), "wrote no summary"),
        (streamed("far too long a summary " * 200), "too long"),
    ],
    ids=["refused", "empty", "longer than its room"],
)
def test_a_summary_that_fails_is_said_and_the_prompt_goes_without_it(
    reply: Reply, says: str, sh: Shell, tmp_path: Path
) -> None:
    with served(reply, streamed("At nine.")) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        imported(sh, tmp_path, talk_about(*HARBOUR))
        sh.ok("config", "set", "memory.max_messages", "8")
        asked = sh.ok("ask", "-c", "Talk", "When does it close?", *MODEL, "--strategy", "summary", "--json")
        requests = asked_for(server)

    assert says in asked.err
    assert "The prompt goes without this summary." in asked.err
    assert "8 of 12 earlier messages are not sent and not summarised (" in asked.err
    assert ["not_summarised"] == [warning["code"] for warning in asked.json["plan"]["warnings"]]
    assert [*talk_about(messages=12)[8:], "When does it close?"] == [each["content"] for each in requests[-1]]
    assert "At nine." == asked.json["reply"]["text"]


def test_a_summary_in_pieces_says_so(sh: Shell, tmp_path: Path) -> None:
    with served(streamed("Filler.")) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        sh.ok("config", "set", "endpoints.small.base_url", server.url)
        sh.ok("config", "set", "endpoints.small.context_window", "2048")
        imported(sh, tmp_path, ["word " * 300] * 12)
        sh.ok("config", "set", "memory.max_messages", "4")
        asked = sh.ok("ask", "-c", "Talk", "So?", "--model", "small/tiny", "--strategy", "summary")
        requests = asked_for(server)

    pieces = len(requests) - 1
    assert pieces > 2
    for number in range(1, pieces + 1):
        assert f"Piece {number} of {pieces} …" in asked.err


# -- nothing is stored ----------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [each.name for each in STRATEGIES])
def test_an_unsaved_turn_leaves_every_file_as_it_was_and_makes_no_summary(
    strategy: str, sh: Shell, server: Loopback, home: Path, tmp_path: Path
) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))
    sh.ok("config", "set", "memory.max_messages", "4")
    sh.ok("ask", "-c", "Talk", "So?", *MODEL)  # from here on the model's window is known
    before, requests = files_of(home), len(asked_for(server))

    asked = sh.ok("ask", "-c", "Talk", "When does it close?", *MODEL, "--strategy", strategy, "--no-save", "--json")

    assert before == files_of(home)
    assert [asked.json["plan"]["payload"]] == asked_for(server)[requests:]
    if strategy == "summary":
        assert "not summarised yet" in asked.err


def test_an_unsaved_turn_goes_with_the_summary_there_is(sh: Shell, tmp_path: Path) -> None:
    with served(streamed("Seven to nine.")) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        memory = {"strategy": "summary", "max_messages": 8, "trim": "exact"}
        imported(sh, tmp_path, talk_about(*HARBOUR), memory=memory)
        sh.ok("ask", "-c", "Talk", "When does it close?", *MODEL)
        sh.ok("ask", "-c", "Talk", "And on Sundays?", *MODEL, "--no-save")
        requests = asked_for(server)

    assert 3 == len(requests)
    assert requests[1][0] == requests[2][0]


# -- limits of spending -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [(), ("--no-save",)], ids=["saved", "unsaved"])
@pytest.mark.parametrize("span", ["conversation", "day", "month"])
def test_over_a_cap_nothing_is_sent_and_json_tells_it(
    span: str, how: tuple[str, ...], sh: Shell, server: Loopback
) -> None:
    sh.ok("ask", "one", *MODEL)
    sh.ok("config", "set", f"caps.{span}_tokens", "20")
    before = len(asked_for(server))

    asked = sh("ask", "-c", "@last", "two", *MODEL, "--json", *how)

    assert 1 == asked.code
    assert before == len(asked_for(server))
    assert "of the 20 tokens" in asked.err
    assert "failed" == asked.json["reply"]["status"]
    assert asked.json["reply"]["error"] in " ".join(asked.err.split("\n"))
    assert ["one", "Hello there.", "two"] == [each["content"] for each in asked.json["plan"]["payload"]]


def test_a_summary_over_a_cap_is_not_asked_for(sh: Shell, server: Loopback, tmp_path: Path) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))
    sh.ok("config", "set", "memory.max_messages", "4")
    sh.ok("config", "set", "caps.day_tokens", "150")

    asked = sh.ok("ask", "-c", "Talk", "When does it close?", *MODEL, "--strategy", "summary")

    assert "The prompt goes without this summary." in asked.err
    assert "of the 150 tokens" in asked.err
    (only,) = asked_for(server)
    assert "When does it close?" == only[-1]["content"]


# -- what goes to stderr ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        ("window", "8 of 12 earlier messages are not sent (older than "),
        ("summary", "10 messages are sent only as a summary (made "),
        ("retrieval", "found relevant are sent, "),
    ],
)
def test_what_the_model_does_not_see_stands_on_stderr_alone(
    strategy: str, says: str, sh: Shell, server: Loopback, tmp_path: Path
) -> None:
    imported(sh, tmp_path, talk_about(*HARBOUR))
    sh.ok("config", "set", "memory.max_messages", "4")

    asked = sh.ok("ask", "-c", "Talk", "When does the harbour close?", *MODEL, "--strategy", strategy)

    assert says in asked.err
    assert "Hello there.\n" == asked.out


def test_over_the_budget_of_full_nothing_is_sent_and_nothing_is_dropped_in_silence(
    sh: Shell, server: Loopback, tmp_path: Path
) -> None:
    imported(sh, tmp_path, ["many words " * 200] * 8)
    sh.ok("config", "set", "endpoints.small.base_url", server.url)
    sh.ok("config", "set", "endpoints.small.context_window", "1024")

    asked = sh("ask", "-c", "Talk", "So?", "--model", "small/tiny", "--strategy", "full", "--json")

    assert (1, []) == (asked.code, asked_for(server))
    assert "over_budget" == asked.json["plan"]["error"]["code"]
    assert "Not sent: the whole conversation and this message need" in asked.err
    assert ("failed", "So?") == (asked.json["reply"]["status"], asked.json["prompt"]["text"])
