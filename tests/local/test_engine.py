"""Which llama.cpp is run, and what it is told."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tui_chat.core.errors import NoModel
from tui_chat.core.local import GgufFile
from tui_chat.core.secret import Secret
from tui_chat.local.engine import command, variables

MODEL = GgufFile(Path("/models/Tiny.gguf"), "Tiny", 1, "", "llama", 512, 512)
KEY = Secret("the-key")


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xllamacpp" else real(name))


def llama_server(folder: Path) -> Path:
    program = folder / "llama-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_the_wheel_is_run_by_this_python_and_not_by_a_module_of_the_current_folder() -> None:
    pytest.importorskip("xllamacpp")

    python, option, script = command({"PATH": ""})

    assert (sys.executable, "-P") == (python, option)
    assert Path(script).is_file()


@pytest.mark.usefixtures("no_wheel")
def test_without_the_wheel_a_llama_server_on_the_path_is_run(tmp_path: Path) -> None:
    program = llama_server(tmp_path)

    assert (str(program), "--host", "127.0.0.1", "--port", "0") == command({"PATH": f"/nowhere:{tmp_path}"})


@pytest.mark.usefixtures("no_wheel")
def test_without_either_a_person_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(NoModel) as caught:
        command({"PATH": str(tmp_path)})

    assert "llama.cpp is not installed here." == str(caught.value)
    assert "tui-chat[local]" in caught.value.hint


def test_the_child_is_told_everything_in_its_environment() -> None:
    told = variables({}, MODEL, context_window=4096, key=KEY)

    assert ("/models/Tiny.gguf", "Tiny", "4096", "1", "the-key") == (
        told["LLAMA_ARG_MODEL"],
        told["LLAMA_ARG_ALIAS"],
        told["LLAMA_ARG_CTX_SIZE"],
        told["LLAMA_ARG_N_PARALLEL"],
        told["LLAMA_API_KEY"],
    )


def test_of_ours_it_gets_only_what_finds_libraries_and_gpus() -> None:
    ours = {"PATH": "/bin", "HOME": "/home/me", "LD_LIBRARY_PATH": "/lib", "CUDA_VISIBLE_DEVICES": "0", "LC_ALL": "C"}
    secret = {
        "OPENAI_API_KEY": "sk-1",
        "HF_TOKEN": "hf-1",
        "TUI_CHAT_PASSPHRASE_FILE": "/dev/fd/3",
        "SSH_AUTH_SOCK": "/tmp/agent",
        "DBUS_SESSION_BUS_ADDRESS": "unix:",
        "MY_PATH": "x",
    }
    theirs = {"LLAMA_ARG_HOST": "0.0.0.0", "LLAMA_ARG_LOG_FILE": "/tmp/log", "LLAMA_ARG_HF_REPO": "a/b", "LLAMA_X": "1"}

    told = variables({**ours, **secret, **theirs}, MODEL, context_window=4096, key=KEY)

    assert ours == {name: value for name, value in told.items() if not name.startswith("LLAMA_")}
    assert {"LLAMA_ARG_HOST", "LLAMA_ARG_LOG_FILE", "LLAMA_ARG_HF_REPO", "LLAMA_X"} & told.keys() == set()
