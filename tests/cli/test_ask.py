"""``ask``: one turn from a pipe."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell, served, streamed
from tests.providers.loopback import Loopback, Reply

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
