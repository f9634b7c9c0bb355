"""The executable as a whole: failures, help, the app, settings, and what a start costs."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Shell, secret_file, served, streamed
from tests.providers.loopback import Loopback, Reply
from tui_chat import __main__, __version__
from tui_chat.core.errors import NotFound, StoreFailed
from tui_chat.core.guide import topics
from tui_chat.services.library import LibraryService
from tui_chat.services.program import Program

COMMAND = [sys.executable, "-m", "tui_chat"]
CANARY = "canary-in-the-coal-mine"


def test_the_version_is_told(sh: Shell) -> None:
    assert f"tui-chat {__version__}\n" == sh.ok("--version").out


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_load_no_heavy_library_and_touch_no_file(argument: str, home: Path) -> None:
    code = (
        "import sys; sys.argv[1:] = [sys.argv[1]]\n"
        "from tui_chat.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"textual", "rich", "httpx", "apsw", "keyring", "cryptography", "tomlkit", "platformdirs"}
    assert loaded & heavy == set()
    assert not home.exists()


def test_help_names_stdin_and_the_process_list(sh: Shell) -> None:
    for arguments in (["--help"], ["ask", "--help"]):
        text = " ".join(sh.ok(*arguments).out.split())

        assert "stdin" in text
        assert "every user of this computer" in text


def test_every_command_explains_itself(sh: Shell) -> None:
    lines = sh.ok("--help").out.split("Commands:")[1].splitlines()
    commands = [line.split()[0] for line in lines if line.strip()]

    assert {"ask", "list", "show", "search", "plan", "new", "delete", "export", "import", "doctor"} <= set(commands)
    for command in commands:
        assert sh.ok(command, "--help").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "--user", "bob", "x.json"], "`tui-chat --user NAME import …`"),
        (["import", "--user=bob", "x.json"], "`tui-chat --user NAME import …`"),
        (["keys", "status", "--no-color"], "`tui-chat --no-color keys status …`"),
    ],
)
def test_a_global_option_behind_the_command_is_told_its_place(arguments: list[str], said: str, sh: Shell) -> None:
    refused = sh(*arguments)

    assert 2 == refused.code
    assert f"stands before the command: {said}" in " ".join(refused.err.split())


def test_an_unknown_option_is_exit_2(sh: Shell) -> None:
    assert 2 == sh("list", "--nonsense").code
    assert 2 == sh("--nonsense").code


def test_without_a_terminal_the_app_is_exit_2_with_a_hint(sh: Shell) -> None:
    for arguments in ([], ["lsit"]):
        opened = sh(*arguments)

        assert 2 == opened.code
        assert "terminal" in opened.err
    assert [] == sh.opened


def test_on_a_terminal_the_app_opens_with_or_without_a_conversation(sh: Shell) -> None:
    assert 0 == sh(terminal=True).code
    assert 0 == sh("Some title", terminal=True).code
    assert 0 == sh("--user", "work", "@last", terminal=True).code

    assert [None, "Some title", "@last"] == sh.opened


def test_a_word_that_is_neither_command_nor_conversation_is_exit_4_and_both_are_named(sh: Shell) -> None:
    def none(program: Program, conversation: str | None) -> int:
        raise NotFound("There is no such conversation.")

    sh.open_app = none

    opened = sh("lsit", terminal=True)

    assert 4 == opened.code
    assert "neither a command nor a conversation" in opened.err


def test_the_exit_code_of_the_app_is_the_commands(sh: Shell) -> None:
    sh.open_app = lambda program, conversation: 3

    assert 3 == sh(terminal=True).code


def test_a_fault_is_one_line_and_a_log_without_what_was_written(sh: Shell, home: Path) -> None:
    async def fail(self: LibraryService, name: str) -> None:
        raise RuntimeError(CANARY)

    sh.ok("new", "x")
    sh.monkeypatch.setattr(LibraryService, "find", fail)

    shown = sh("show", "@last")

    log = home / "state" / "tui-chat.log"
    assert 1 == shown.code
    assert f"A fault in tui_chat (RuntimeError); see {log}.\n" == shown.err
    assert "tui_chat/cli/reading.py" in log.read_text()
    assert CANARY not in shown.err + shown.out + log.read_text()


def test_a_fault_is_one_line_even_where_no_log_can_be_written(sh: Shell, home: Path) -> None:
    async def fail(self: LibraryService, name: str) -> None:
        raise RuntimeError(CANARY)

    sh.ok("new", "x")
    sh.monkeypatch.setattr(LibraryService, "find", fail)
    (home / "state").touch()

    shown = sh("show", "@last")

    assert 1 == shown.code
    assert "A fault in tui_chat (RuntimeError); the log could not be written.\n" == shown.err


@dataclass
class Alone:
    """Starts ``tui-chat`` without arguments on a terminal; the app ends with ``error``."""

    capture: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    error: BaseException | None = None

    def __call__(self) -> tuple[int, list[str]]:
        for stream in (sys.stdin, sys.stdout):
            self.monkeypatch.setattr(stream, "isatty", lambda: True)
        with pytest.raises(SystemExit) as end:
            __main__.main()
        return end.value.code, self.capture.readouterr().err.splitlines()  # type: ignore[return-value]

    def open_app(self, program: Program, conversation: str | None) -> int:
        if self.error is not None:
            raise self.error
        return 0


@pytest.fixture
def alone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Alone:
    alone = Alone(capsys, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["tui-chat"])
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)
    monkeypatch.setattr(__main__, "_open_app", alone.open_app)
    return alone


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (RuntimeError(CANARY), 1, "A fault in tui_chat (RuntimeError); see {log}."),
        (StoreFailed("The disk is full."), 1, "The disk is full."),
        (KeyboardInterrupt(), 130, None),
    ],
)
def test_the_app_alone_ends_as_every_command_does(
    error: BaseException, code: int, line: str | None, alone: Alone, home: Path
) -> None:
    alone.error = error

    ended = alone()

    assert (code, [line.format(log=home / "state" / "tui-chat.log")] if line else []) == ended


def test_the_app_alone_needs_no_home_to_say_what_is_wrong(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUI_CHAT_HOME", "~no-such-user-here/x")

    code, lines = alone()

    assert 1 == code
    assert "TUI_CHAT_HOME" in lines[0]


def test_the_app_alone_says_that_the_settings_are_beyond_measure(alone: Alone, home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "settings.toml").write_text("a = " + "[" * 5000)

    code, lines = alone()

    assert 1 == code
    assert "settings.toml" in lines[0]
    assert len(lines) <= 2


def test_a_start_without_a_stdin_is_wrong_usage_and_no_fault() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -m tui_chat <&-', sys.executable], capture_output=True, text=True, check=False
    )

    assert 2 == done.returncode
    assert "Traceback" not in done.stderr


def test_settings_are_shown_set_and_reported(sh: Shell) -> None:
    path = Path(sh.ok("config", "path").out.strip())
    sh.ok("config", "set", "endpoints.local.base_url", "http://localhost:8080/v1")
    sh.ok("config", "set", "theme", "nord")

    assert '[endpoints."local"]\nbase_url = "http://localhost:8080/v1"' in sh.ok("config").out
    assert 'theme = "nord"' in sh.ok("config", "show").out
    assert 1 == sh("config", "set", "endpoints.local.api_key", "x").code
    assert 1 == sh("config", "set", "colour", "red").code

    path.write_text('theme = "nord"\ncolour = "red"\n')
    listed = sh.ok("list", "--json")
    assert "settings.toml line 2: colour is not a setting." in listed.err
    assert [] == listed.json

    path.write_text("theme = nord")
    assert 1 == sh("list").code


def test_the_model_of_a_run_is_no_setting(sh: Shell, server: Loopback) -> None:
    sh.monkeypatch.setenv("TUI_CHAT_MODEL", "openai/tiny")
    sh.ok("ask", "Hi")

    assert "tiny" == server.last.json["model"]
    assert not Path(sh.ok("config", "path").out.strip()).exists()


def test_models_are_listed_with_the_endpoints_that_fail(sh: Shell) -> None:
    with served() as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        sh.ok("config", "set", "endpoints.gone.base_url", "http://127.0.0.1:9/v1")
        found = {each["endpoint"]: each for each in sh.ok("models", "--json").json}
        text = sh.ok("models").out

    assert ["endpoint", "url", "reachable", "error", "models"] == list(found["openai"])
    assert [{"name": "tiny", "context_window": None}] == found["openai"]["models"]
    assert (False, []) == (found["gone"]["reachable"], found["gone"]["models"])
    assert found["gone"]["error"]
    assert "openai/tiny" in text


def test_an_odd_address_in_the_environment_is_said_and_stops_nothing(sh: Shell) -> None:
    sh.ok("new", "x")
    sh.monkeypatch.setenv("OLLAMA_HOST", "foo:bar")
    sh.monkeypatch.setenv("OPENAI_BASE_URL", "https://me:hunter2@models.example/v1")

    listed = sh.ok("list", "--json")

    assert 1 == len(listed.json)
    assert 2 == listed.err.count(" is ignored. ")
    assert "hunter2" not in listed.err + sh.ok("doctor").out + sh.ok("models").out


def test_an_address_with_a_password_is_refused_and_not_repeated(sh: Shell) -> None:
    refused = sh("config", "set", "endpoints.a.base_url", "https://me:hunter2@models.example/v1")

    assert 1 == refused.code
    assert "hunter2" not in refused.err
    assert "hunter2" not in sh.ok("config").out


def test_the_doctor_checks_and_tells_no_secret(sh: Shell, server: Loopback) -> None:
    sh.ok("ask", CANARY, "--model", "openai/tiny")

    examined = sh.ok("doctor", "--json")

    checks = {each["name"]: each["ok"] for each in examined.json["checks"]}
    assert checks["history"]
    assert checks["file modes"]
    assert "endpoint openai" in checks
    assert not [secret for secret in (CANARY, "sk-canary", "correct horse") if secret in examined.out + examined.err]
    assert len(checks) == len(sh.ok("doctor").out.splitlines())


def test_the_doctor_does_not_call_a_history_fine_that_is_not_there(sh: Shell) -> None:
    assert "ok    history: none yet\n" in sh.ok("doctor").out

    sh.ok("new", "x")

    assert "ok    history: ok\n" in sh.ok("doctor").out


def test_the_doctor_says_that_a_history_is_locked(sh: Shell, tmp_path: Path) -> None:
    sh.ok("new", "x")
    secret_file(tmp_path / "passphrase", "wrong")

    checks = {each["name"]: each for each in sh.ok("doctor", "--json").json["checks"]}

    assert not checks["history"]["ok"]


def test_the_guide_is_read_by_topic(sh: Shell) -> None:
    assert list(topics()) == [line.split()[0] for line in sh.ok("guide").out.splitlines()]
    assert topics()["export"] == sh.ok("guide", "export").out
    assert 4 == sh("guide", "nonsense").code


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_a_completion_script(shell: str, sh: Shell) -> None:
    assert "_TUI_CHAT_COMPLETE" in sh.ok("completion", shell).out


def test_completion_answers_the_shell() -> None:
    environment = os.environ | {"_TUI_CHAT_COMPLETE": "bash_complete", "COMP_WORDS": "tui-chat exp", "COMP_CWORD": "1"}

    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=True)

    assert "plain,export\n" == done.stdout


def test_a_reader_that_has_seen_enough_is_no_failure(sh: Shell) -> None:
    for number in range(3):
        sh.ok("new", f"{number}" * 100_000)  # more than a pipe holds

    with subprocess.Popen([*COMMAND, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(10)
        running.stdout.close()
        errors = running.stderr.read()

    assert (0, b"") == (running.returncode, errors)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_a_signal_keeps_the_half_reply_as_stopped(number: signal.Signals, code: int, sh: Shell) -> None:
    half = streamed("half an ").body.split(b"data: [DONE]")[0].split(b"data:")[1]
    reply = Reply(b"data:" + half, cut=1000, gate=asyncio.Event())
    with served(reply) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        sh.ok("new", "Talk")
        running = subprocess.Popen(
            [*COMMAND, "ask", "-c", "Talk", "Hi", "--model", "openai/tiny"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert running.stdout is not None
        assert b"half an " == running.stdout.read(8)
        running.send_signal(number)
        _, errors = running.communicate(timeout=10)

    message = sh.ok("show", "Talk", "--json").json["conversations"][0]["messages"][1]
    assert code == running.returncode
    assert ("half an ", "stopped") == (message["text"], message["status"])
    assert b"Traceback" not in errors


def test_a_reply_whose_reader_left_is_kept_as_stopped(sh: Shell) -> None:
    with served(streamed(*["word " * 200] * 300)) as server:
        sh.monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        sh.ok("new", "Talk")
        command = [*COMMAND, "ask", "-c", "Talk", "Hi", "--model", "openai/tiny"]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.read(10)
            running.stdout.close()
            errors = running.stderr.read()

    message = sh.ok("show", "Talk", "--json").json["conversations"][0]["messages"][1]
    assert (0, b"") == (running.returncode, errors)
    assert "stopped" == message["status"]
    assert message["text"].startswith("word ")
