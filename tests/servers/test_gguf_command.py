"""``tui-chat --gguf FILE``: from a file on disk to an answer, by a real llama.cpp that is gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers.llama import REPLY, require_llama, write_model


def run(tmp_path: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The real command, with a home and a passphrase of its own."""
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    surroundings = {
        **os.environ,
        "TUI_CHAT_HOME": str(tmp_path / "home"),
        "TUI_CHAT_PASSPHRASE_FILE": str(secret),
    }
    command = [sys.executable, "-m", "tui_chat", *arguments]
    return subprocess.run(command, input=stdin, env=surroundings, capture_output=True, text=True, timeout=120)


def test_a_model_file_answers_a_question(tmp_path: Path) -> None:
    require_llama()
    model = tmp_path / "tiny.gguf"
    write_model(model, "chat")

    asked = run(tmp_path, "--gguf", str(model), "ask", "Hello?")

    assert 0 == asked.returncode, asked.stderr
    assert REPLY.strip() == asked.stdout.strip()
    assert not running_with(model)


def test_a_file_that_is_no_model_is_said_and_nothing_is_asked(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"not a model")

    asked = run(tmp_path, "--gguf", str(wrong), "ask", "Hello?")

    assert 1 == asked.returncode
    assert "GGUF" in asked.stderr
    assert "Traceback" not in asked.stderr
    assert "" == asked.stdout


def test_model_and_file_exclude_each_other(tmp_path: Path) -> None:
    assert 2 == run(tmp_path, "--gguf", "x.gguf", "--model", "a/b", "ask", "Hello?").returncode


def running_with(model: Path) -> list[str]:
    """The processes whose command line names this file."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes()
        except OSError:
            continue
        if str(model).encode() in line:
            found.append(line.decode(errors="replace"))
    return found
