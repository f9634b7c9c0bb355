"""First runs as newcomers have them: with a key, with Ollama, with a model file, with nothing; each to a first answer.

Each prints what it took (``pytest -rP tests/walks``). The history is a real encrypted file throughout.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from tests.cli.conftest import streamed
from tests.providers.certificates import Authority
from tests.providers.loopback import Loopback, Reply
from tests.providers.proxy import Proxy
from tests.providers.test_ollama import done, said
from tests.providers.test_ollama_models import Ollama, facts, tag
from tests.servers.llama import require_llama, write_model
from tests.servers.slow_model import MODEL, SlowModel, slow_model
from tests.servers.terminal import Computer, computer_with_keyring, require_keyring
from tests.walks.newcomer import (
    ADD,
    ENTER,
    F2,
    GUIDE_ANSWERS,
    MODELS,
    SAVE,
    TEST,
    Newcomer,
    descendants,
    files_with,
    in_a_thread,
    past_the_recovery_code,
    with_a_new_passphrase,
)
from tui_chat.providers.discovery import PORTS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="on a Mac it would use the person's own keyring")

KEY = "sk-walk-7c1f09aa52e84d6b"
PASSPHRASE = "correct horse battery"
QUESTION = "Where do I begin?"
ANSWER = ("You have ", "begun ", "already.")
WHOLE = "".join(ANSWER)
OFFERED = Reply.json({"object": "list", "data": [{"id": "gpt-walk", "object": "model"}]})


@pytest.fixture
def computer() -> Iterator[Computer]:
    """A computer with a keyring, on which ``tui-chat`` was never started."""
    require_keyring()
    with computer_with_keyring() as computer:
        yield computer


@pytest.fixture
def service() -> Iterator[SlowModel]:
    """A model service on the loopback."""
    with slow_model(lambda prompt: ANSWER, pause=0.001) as model:
        yield model


class OllamaAtHome(Ollama):
    """Ollama where it is looked for: at the first free port of those."""

    def __init__(self, *names: str) -> None:
        listed = [{"id": name, "object": "model", "owned_by": "library"} for name in names]
        answer = b"".join(said({"content": text}) for text in ANSWER) + done()
        more = {
            "/v1/models": Reply.json({"object": "list", "data": listed}),
            "/api/version": Reply.json({"version": "0.31.0"}),
            "/api/chat": Reply(answer, content_type="application/x-ndjson"),
        }
        super().__init__([tag(name) for name in names], {name: facts() for name in names}, more=more)

    async def __aenter__(self) -> Self:
        for port in PORTS:
            try:
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
            except OSError:
                continue
            self.port = port
            return self
        raise AssertionError("something listens at every port where model servers are looked for")


def is_there_again(computer: Computer, *texts: str) -> None:
    """Started once more, the conversation is on the screen; on disk, it is nowhere in clear."""
    with Newcomer(computer) as newcomer:
        if not computer.bus:
            newcomer.wait_for("Unlock your history")
            newcomer.write(PASSPHRASE).press(ENTER)
        newcomer.wait_for(f"▸ {texts[0]}")
        for text in texts:
            newcomer.wait_for(text)
        newcomer.leave()
    assert [] == files_with(computer.root / "tui-chat", KEY, PASSPHRASE, *texts)
    assert not computer.log


# -- with an API key ------------------------------------------------------------------------


def test_with_a_key_in_the_environment(computer: Computer, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    vendor = Loopback(streamed(*ANSWER), routes={"/v1/models": OFFERED}, tls=authority.server("api.openai.com"))
    with in_a_thread(vendor), in_a_thread(proxy := Proxy(vendor.port)):
        extra = {"OPENAI_API_KEY": KEY, "HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(authority.file)}
        with past_the_recovery_code(Newcomer(replace(computer, extra=extra))) as newcomer:
            newcomer.press(MODELS).choose("Confirm it first")
            newcomer.wait_for("Send to api.openai.com?")
            asked_before = list(proxy.asked)
            newcomer.press("y").choose("gpt-walk")
            newcomer.is_answered_by("cloud  gpt-walk · api.openai.com")
            newcomer.ask(QUESTION).wait_for(WHOLE)
            newcomer.told("a key in the environment")
            newcomer.leave()

    assert [] == asked_before
    assert {"CONNECT api.openai.com:443 HTTP/1.1"} == set(proxy.asked)
    assert f"Bearer {KEY}" == vendor.last.headers["authorization"]
    assert KEY[3:].encode() not in newcomer.raw
    is_there_again(computer, QUESTION, WHOLE)


def test_with_a_key_pasted_into_the_form(computer: Computer, service: SlowModel) -> None:
    with past_the_recovery_code(Newcomer(computer)) as newcomer:
        newcomer.press(MODELS).stand_on("+ add an endpoint").press(ADD).wait_for("Where texts will go")
        newcomer.write("mine").press(ENTER)
        newcomer.write(service.url.removeprefix("http://").removesuffix("/v1")).press(ENTER)
        newcomer.wait_for("f3 Show")  # the field for the key has the focus
        newcomer.paste(KEY).wait_for("•" * len(KEY))
        newcomer.press(TEST).wait_for(f"It answers and offers {MODEL}")
        newcomer.press(SAVE).choose(f"  {MODEL} ")
        newcomer.is_answered_by(f"local  {MODEL}")
        newcomer.ask(QUESTION).wait_for(WHOLE)
        newcomer.told("a key pasted into the form")
        newcomer.leave()

    assert f"Bearer {KEY}" == service.headers[-1]["Authorization"]
    assert KEY[3:].encode() not in newcomer.raw
    is_there_again(computer, QUESTION, WHOLE)


# -- with Ollama ----------------------------------------------------------------------------


def test_with_ollama_running(computer: Computer) -> None:
    ollama = OllamaAtHome("llama3.2:latest")
    with in_a_thread(ollama), past_the_recovery_code(Newcomer(computer)) as newcomer:
        place = f"Ollama at 127.0.0.1:{ollama.port}"
        newcomer.wait_for("Found on this computer")
        assert place in " ".join(newcomer.text.replace("▕", " ").split())
        newcomer.press(MODELS).choose(place)
        newcomer.wait_for(f"Use {place}?")
        asked = [request.path for request in ollama.requests]
        newcomer.press("y").is_answered_by("local  llama3.2:latest")
        newcomer.ask(QUESTION).wait_for(WHOLE)
        newcomer.told("Ollama running")
        newcomer.leave()

    assert {"/v1/models", "/api/version", "/api/tags"} == set(asked)  # before the yes, only who is there
    is_there_again(computer, QUESTION, WHOLE)


# -- with a model file ----------------------------------------------------------------------


def test_with_a_model_file(computer: Computer) -> None:
    require_llama()
    model = computer.root / "home/tiny.gguf"
    write_model(model, "chat")
    with past_the_recovery_code(Newcomer(computer, "--gguf", str(model))) as newcomer:
        newcomer.is_answered_by("local  tiny")
        newcomer.ask(QUESTION).wait_for("every word is scripted")
        newcomer.told("a model file")
        assert 0 < len(descendants(newcomer.pid))
        newcomer.leave()

    is_there_again(computer, QUESTION, "every word is scripted")


def test_with_a_model_file_opened_inside(computer: Computer) -> None:
    require_llama()
    model = computer.root / "home/tiny.gguf"
    write_model(model, "chat")
    with past_the_recovery_code(Newcomer(computer)) as newcomer:
        newcomer.press(MODELS).choose("open a model file")
        newcomer.wait_for("Open a model file")
        newcomer.write(str(model)).wait_for(f"open “{model}”")
        newcomer.press(ENTER).is_answered_by("local  tiny")
        newcomer.ask(QUESTION).wait_for("every word is scripted")
        newcomer.told("a model file, opened inside")
        assert 0 < len(descendants(newcomer.pid))
        newcomer.leave()

    is_there_again(computer, QUESTION, "every word is scripted")


# -- with nothing ---------------------------------------------------------------------------


def test_with_nothing_and_no_keyring_either(tmp_path: Path, service: SlowModel) -> None:
    computer = Computer(tmp_path)
    with past_the_recovery_code(with_a_new_passphrase(Newcomer(computer), PASSPHRASE)) as newcomer:
        assert GUIDE_ANSWERS in newcomer.text
        newcomer.ask("Hello?").wait_for("To talk to a model")
        answered = newcomer.text
        newcomer.told("nothing: the guide's answer")
        newcomer.press(F2).choose("Add an endpoint")
        newcomer.wait_for("Where texts will go")
        newcomer.write("mine").press(ENTER).write(service.url).press(SAVE)
        newcomer.until(lambda: "Where texts will go" not in newcomer.text and "Settings" in newcomer.text)
        newcomer.press("\x1b")
        newcomer.wait_for("To talk to a model")
        newcomer.press(MODELS).choose(f"  {MODEL} ")
        newcomer.is_answered_by(f"local  {MODEL}")
        newcomer.ask("And now?").wait_for(WHOLE)
        newcomer.told("nothing: a model's answer")
        newcomer.leave()

    assert "Offline guide · not an AI" in answered
    assert "ctrl+o" in answered
    is_there_again(computer, "Hello?", "And now?", WHOLE)
