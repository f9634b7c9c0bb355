"""A model file run by the real llama.cpp server as our child: a turn, a crash, and every way to end.

The server is the wheel's; ``TUI_CHAT_LLAMA_SERVER=PATH`` names a ``llama-server`` to run instead.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.contracts.provider import collect, plan_of, text_of
from tests.local.gguf_bytes import gguf
from tests.local.killed_app import chosen
from tests.local.processes import family, still_alive
from tests.servers.llama import REPLY, require_llama, write_model
from tui_chat.core.errors import BadInput, NotReached, ServerFailed, Unauthorized
from tui_chat.core.local import Running
from tui_chat.core.ports import ModelCard, Provider
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint
from tui_chat.local import LlamaCpp
from tui_chat.local.child import Child
from tui_chat.providers.connect import HttpProviders

REPOSITORY = Path(__file__).parents[2]
FAKE = REPOSITORY / "tests/local/fake_server.py"

CTX = 512


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_llama()
    path = tmp_path_factory.mktemp("models") / "Tiny-Q4.gguf"
    write_model(path, "chat", ctx=CTX)
    return path


@pytest.fixture
async def llama() -> AsyncIterator[LlamaCpp]:
    models = LlamaCpp(os.environ, choose=chosen)
    yield models
    await models.stop()


def provider(running: Running, *, key: Secret | None = None) -> Provider:
    return HttpProviders().open(Endpoint("local", running.base_url), running.key if key is None else key)


async def answer(running: Running, prompt: str = "zzz") -> str:
    """One turn, as the app makes it."""
    service = provider(running)
    try:
        return text_of(await collect(service, plan_of(prompt), model=running.model))
    finally:
        await service.close()


async def ended(child: Child) -> None:
    """Wait until it has ended, and what waits for that was told."""
    await asyncio.wait((child.ended,))
    await asyncio.sleep(0)


async def test_a_file_of_the_users_answers_a_prompt(llama: LlamaCpp, model: Path) -> None:
    running = await llama.start(await llama.read(model))

    assert REPLY == await answer(running)


async def test_it_is_known_by_its_name_and_window(llama: LlamaCpp, model: Path) -> None:
    running = await llama.start(await llama.read(model), context_window=256)
    service = provider(running)

    assert [ModelCard("Tiny-Q4", 256, takes_images=False)] == list(await service.models())
    assert ("Tiny-Q4", 256, CTX) == (running.model, running.context_window, running.file.trained_window)
    await service.close()


@pytest.mark.parametrize("key", [Secret("wrong"), Secret("")])
async def test_nobody_is_answered_without_the_key(llama: LlamaCpp, model: Path, key: Secret) -> None:
    running = await llama.start(await llama.read(model))
    service = provider(running, key=key)

    with pytest.raises(Unauthorized):
        await collect(service, plan_of("zzz"), model=running.model)
    await service.close()


async def test_other_users_see_neither_key_nor_file_in_the_list_of_processes(llama: LlamaCpp, model: Path) -> None:
    running = await llama.start(await llama.read(model))
    assert llama._child is not None

    arguments = " ".join(process.arguments for process in family(llama._child.pid))

    assert "guard.py" in arguments
    assert running.key.reveal_text() not in arguments
    assert model.name not in arguments


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_its_crash_leaves_no_core_dump_of_the_chat(llama: LlamaCpp, model: Path) -> None:
    await llama.start(await llama.read(model))
    assert llama._child is not None

    for process in family(llama._child.pid):
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        assert ["0", "0"] == next(line.split()[4:6] for line in limits if line.startswith("Max core file size"))


async def test_the_terminals_signals_do_not_reach_it(llama: LlamaCpp, model: Path) -> None:
    await llama.start(await llama.read(model))
    assert llama._child is not None
    guard, *engine = family(llama._child.pid)

    assert engine
    assert {guard.pid} == {os.getsid(process.pid) for process in (guard, *engine)}
    assert os.getsid(0) != guard.pid


async def test_stopping_leaves_no_process(llama: LlamaCpp, model: Path) -> None:
    running = await llama.start(await llama.read(model))
    assert llama._child is not None
    pids = [process.pid for process in family(llama._child.pid)]
    await llama.stop()

    assert 2 == len(pids)
    assert [] == still_alive(pids)
    assert (None, None) == (llama.running, llama.failure)
    with pytest.raises(NotReached):
        await answer(running)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (signal.SIGKILL, "The local model Tiny-Q4 was ended: most likely there was not enough memory."),
        (signal.SIGSEGV, "The local model Tiny-Q4 ended: llama.cpp crashed (SIGSEGV)."),
    ],
)
async def test_a_crash_is_noticed_told_and_followed_by_a_new_start(
    llama: LlamaCpp, model: Path, number: signal.Signals, sentence: str
) -> None:
    file = await llama.read(model)
    first = await llama.start(file)
    child = llama._child
    assert child is not None
    (_, engine) = family(child.pid)
    os.kill(engine.pid, number)
    await ended(child)

    assert None is llama.running
    assert sentence == str(llama.failure)
    with pytest.raises(NotReached):
        await answer(first)

    second = await llama.start(file)

    assert None is llama.failure
    assert REPLY == await answer(second)


async def test_a_crash_in_mid_reply_is_a_sentence(llama: LlamaCpp, tmp_path: Path) -> None:
    require_llama()
    write_model(tmp_path / "loop.gguf", "loop", ctx=32768)
    running = await llama.start(await llama.read(tmp_path / "loop.gguf"))
    assert llama._child is not None
    (_, engine) = family(llama._child.pid)
    service = provider(running)

    async def killed_midway() -> None:
        async with aclosing(service.stream(plan_of("zzz"), model=running.model)) as reply:
            await anext(reply)
            os.kill(engine.pid, signal.SIGKILL)
            async for _ in reply:
                pass

    with pytest.raises(NotReached, match="closed the connection in the middle of its reply"):
        await killed_midway()
    await service.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
async def test_the_server_does_not_outlive_its_guard(llama: LlamaCpp, model: Path) -> None:
    await llama.start(await llama.read(model))
    child = llama._child
    assert child is not None
    pids = [process.pid for process in family(child.pid)]
    os.kill(child.pid, signal.SIGKILL)
    await ended(child)

    assert [] == still_alive(pids)
    assert None is llama.running


def killed(*arguments: str, number: signal.Signals = signal.SIGKILL) -> tuple[list[int], str]:
    """Run an app, kill it, and give the processes that its model had and everything it wrote to the terminal."""
    argv = [sys.executable, "-m", "tests.local.killed_app", *arguments]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        assert app.stderr is not None
        guard = app.stdout.readline()
        pids = [process.pid for process in family(int(guard))]
        app.send_signal(number)
        # Read to its end: nobody who may still write to our terminal is left.
        written = app.stdout.read() + app.stderr.read()
    return pids, written


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_an_app_that_is_killed_leaves_no_process(model: Path, number: signal.Signals) -> None:
    pids, written = killed(str(model), number=number)

    assert 2 == len(pids)
    assert [] == still_alive(pids)
    assert "" == written


@pytest.mark.parametrize("mode", ["mute", "deaf"])
def test_an_app_that_is_killed_while_a_model_loads_leaves_no_process(model: Path, mode: str) -> None:
    pids, _ = killed(str(model), str(FAKE), mode)

    assert 2 == len(pids)
    assert [] == still_alive(pids)


@pytest.mark.parametrize("size", [3_000, 100_000, 250_000])
async def test_a_download_that_was_cut_is_told(llama: LlamaCpp, model: Path, tmp_path: Path, size: int) -> None:
    cut = tmp_path / "Cut.gguf"
    cut.write_bytes(model.read_bytes()[:size])

    with pytest.raises(BadInput, match=r"^Cut is damaged or incomplete\.$"):
        await llama.start(await llama.read(cut))

    assert None is llama.running


async def test_a_header_without_a_model_is_told(llama: LlamaCpp, tmp_path: Path) -> None:
    require_llama()
    (tmp_path / "Empty.gguf").write_bytes(gguf())

    with pytest.raises(BadInput, match=r"^Empty is damaged or incomplete\.$"):
        await llama.start(await llama.read(tmp_path / "Empty.gguf"))


async def test_an_architecture_that_nobody_knows_is_told(llama: LlamaCpp, model: Path, tmp_path: Path) -> None:
    later = tmp_path / "Later.gguf"
    later.write_bytes(model.read_bytes().replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0later", 1))

    with pytest.raises(ServerFailed, match="does not know models of the kind 'later'"):
        await llama.start(await llama.read(later))


async def test_after_a_failure_the_next_file_starts(llama: LlamaCpp, model: Path, tmp_path: Path) -> None:
    cut = tmp_path / "Cut.gguf"
    cut.write_bytes(model.read_bytes()[:100_000])
    with pytest.raises(BadInput):
        await llama.start(await llama.read(cut))

    assert REPLY == await answer(await llama.start(await llama.read(model)))


async def test_a_models_odd_name_is_one_name(llama: LlamaCpp, model: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'a,b \x1b[31m漢字\'s "x".gguf'
    odd.write_bytes(model.read_bytes())
    running = await llama.start(await llama.read(odd))
    service = provider(running)

    assert ['a_b �[31m漢字\'s "x"'] == [card.name for card in await service.models()] == [running.model]
    assert REPLY == await answer(running)
    await service.close()
