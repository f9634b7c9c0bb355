"""``tui-chat models``: every dialect, at the same time, and never for long."""

from __future__ import annotations

import asyncio
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.conftest import Shell, served
from tests.local.gguf_bytes import gguf
from tests.providers.loopback import Loopback, Reply
from tui_chat.cli import models as command
from tui_chat.core.secret import Secret

OPENAI = Reply.json({"data": [{"id": "tiny", "max_model_len": 4096}, {"id": "other"}]})
ANTHROPIC = Reply.json({"data": [{"id": "claude", "max_input_tokens": 200_000}], "has_more": False})
GEMINI = Reply.json({"models": [{"name": "models/gemini", "inputTokenLimit": 1_000_000}]})
OLLAMA = Reply.json(
    {
        "models": [
            {"name": "llama3.2:latest", "digest": "a"},
            {"name": "big:cloud", "digest": "b", "remote_host": "https://ollama.com"},
        ]
    }
)


def root(server: Loopback) -> str:
    return server.url.removesuffix("/v1")


def test_every_dialect_is_listed_with_the_windows_that_it_names(sh: Shell) -> None:
    with ExitStack() as stack:
        openai, anthropic, gemini, ollama = (
            stack.enter_context(served(reply, models=reply)) for reply in (OPENAI, ANTHROPIC, GEMINI, OLLAMA)
        )
        sh.monkeypatch.setenv("OPENAI_BASE_URL", openai.url)
        sh.monkeypatch.setenv("ANTHROPIC_BASE_URL", root(anthropic))
        sh.monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-anthropic")
        sh.monkeypatch.setenv("OLLAMA_HOST", root(ollama))
        for name, value in {"base_url": root(gemini), "dialect": "gemini"}.items():
            sh.ok("config", "set", f"endpoints.google.{name}", value)
        found = sh.ok("models", "--json").json
        text = sh.ok("models").out

    windows = {each["endpoint"]: {model["name"]: model["context_window"] for model in each["models"]} for each in found}
    assert {
        "openai": {"tiny": 4096, "other": None},
        "anthropic": {"claude": 200_000},
        "google": {"gemini": 1_000_000},
        "ollama": {"llama3.2:latest": 4096, "big:cloud": None},
    } == windows
    assert all(each["reachable"] and each["error"] is None for each in found)
    assert {"endpoint", "url", "reachable", "error", "models"} == set(found[0])
    assert {"name", "context_window"} == {name for each in found for model in each["models"] for name in model}
    assert "sk-anthropic" == anthropic.last.headers["x-api-key"]
    assert "  anthropic/claude  200,000 tokens\n" in text


def test_what_is_not_reachable_says_why_in_a_sentence(sh: Shell) -> None:
    with served() as gone:
        port = gone.port
    with served(Reply.json({"error": {"message": "no"}}, 401), models=Reply.json({"error": "no"}, 401)) as closed:
        sh.ok("config", "set", "endpoints.gone.base_url", f"http://127.0.0.1:{port}/v1")
        sh.ok("config", "set", "endpoints.closed.base_url", closed.url)
        sh.ok("config", "set", "endpoints.keyless.base_url", closed.url)
        sh.ok("config", "set", "endpoints.keyless.key_command", "no-such-program-here")
        outcome = sh.ok("models", "--json")

    errors = {each["endpoint"]: each["error"] for each in outcome.json}
    assert f"Nothing listens at 127.0.0.1:{port}. Start the model server" in errors["gone"]
    assert "closed asks for a key (401): no. " in errors["closed"]
    assert "There is no program “no-such-program-here”" in errors["keyless"]
    assert [[]] * 3 == [each["models"] for each in outcome.json]
    assert not any(each["reachable"] for each in outcome.json)


def test_a_key_is_what_its_command_prints(sh: Shell) -> None:
    line = shlex.join([sys.executable, "-c", "print('from-a-command')"])
    with served() as server:
        sh.ok("config", "set", "endpoints.work.base_url", server.url)
        sh.ok("config", "set", "endpoints.work.key_command", line)
        outcome = sh.ok("models", "--json")

    assert "Bearer from-a-command" == server.last.headers["authorization"]
    assert "from-a-command" not in outcome.out + outcome.err


def test_a_server_that_never_answers_costs_the_deadline_and_no_other_endpoint(
    sh: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "DEADLINE", 0.5)
    silent = Reply(gate=asyncio.Event())
    with served(silent, models=silent) as slow, served() as quick:
        sh.ok("config", "set", "endpoints.slow.base_url", slow.url)
        sh.ok("config", "set", "endpoints.quick.base_url", quick.url)
        found = {each["endpoint"]: each for each in sh.ok("models", "--json").json}

    assert "slow did not answer within 0.5 seconds." == found["slow"]["error"]
    assert ["tiny"] == [each["name"] for each in found["quick"]["models"]]


def test_endpoints_are_asked_at_the_same_time(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answers only once the other was asked too."""
    both = asyncio.Event()

    class Waits(Loopback):
        def _next(self, request):  # type: ignore[no-untyped-def]
            if len(self.requests) == 2:
                both.set()
            return Reply(gate=both, then=b'{"data": [{"id": "tiny"}]}')

    monkeypatch.setattr("tests.cli.conftest.Loopback", Waits)
    with served() as server:
        sh.ok("config", "set", "endpoints.one.base_url", f"{root(server)}/one")
        sh.ok("config", "set", "endpoints.two.base_url", f"{root(server)}/two")
        found = sh.ok("models", "--json").json

    assert [True, True] == [each["reachable"] for each in found]
    assert ["/one/models", "/two/models"] == sorted(request.path for request in server.requests)


def test_model_files_that_were_opened_are_listed_and_none_is_run(sh: Shell, tmp_path: Path) -> None:
    path = tmp_path / "eight.gguf"
    path.write_bytes(gguf())

    async def open_one() -> None:
        services = (
            await sh.make(user=None, model=None, interactive=False)
            .access()
            .create_with_passphrase(Secret("correct horse"))
        )
        await services.local.choose(await services.local.read(path))
        await services.close()

    asyncio.run(open_one())
    found = sh.ok("models", "--json").json

    assert [("gguf", True, None)] == [(each["endpoint"], each["reachable"], each["error"]) for each in found]
    assert 1 == len(found[0]["models"])
    assert found[0]["models"][0]["context_window"] > 0
