"""Starting, watching and ending a server, with servers that behave badly."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.local.gguf_bytes import gguf, llama, write
from tests.local.processes import family, still_alive
from tui_chat.core.errors import BadInput, NoModel, NotFound, ServerFailed
from tui_chat.core.local import GgufFile, Stage
from tui_chat.local.child import KEPT_LINES, LONGEST_LINE
from tui_chat.local.folders import Enough, Limits
from tui_chat.local.llama import LlamaCpp

FAKE = Path(__file__).with_name("fake_server.py")


@asynccontextmanager
async def serving(
    mode: str, environment: Mapping[str, str] = os.environ, *, load_seconds: float = 60
) -> AsyncIterator[LlamaCpp]:
    """A LlamaCpp with that server; nothing of it is left at the end."""
    models = LlamaCpp(environment, choose=lambda _: (sys.executable, str(FAKE), mode), load_seconds=load_seconds)
    try:
        yield models
    finally:
        await models.stop()


@pytest.fixture
def tiny(tmp_path: Path) -> GgufFile:
    path = write(tmp_path / "Tiny.gguf")
    return GgufFile(path, "Tiny", path.stat().st_size, "LM Studio", "llama", 131072, 32768)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def child_begun(models: LlamaCpp) -> int:
    """The guard's process id, once there is one."""
    while models._child is None:
        await asyncio.sleep(0)
    return models._child.pid


async def test_a_server_that_listens_before_it_has_loaded_is_waited_for(tiny: GgufFile) -> None:
    stages: list[Stage] = []
    async with serving("old") as models:
        running = await models.start(tiny, progress=stages.append)

        assert running == models.running
        assert ("Tiny", 32768, "LM Studio") == (running.model, running.context_window, running.file.source)
        assert running.base_url.startswith("http://127.0.0.1:")
        assert [Stage.READING, Stage.LOADING, Stage.READY] == stages


@pytest.mark.parametrize("mode", ["open", "shut"])
async def test_a_server_that_does_not_heed_the_key_is_ended(tiny: GgufFile, mode: str) -> None:
    async with serving(mode) as models:
        with pytest.raises(ServerFailed, match="would serve everybody"):
            await models.start(tiny)

        assert None is models.running


async def test_each_start_has_a_key_of_its_own(tiny: GgufFile) -> None:
    async with serving("old") as models:
        first = await models.start(tiny)
        second = await models.start(tiny, context_window=2048)

        assert first.key != second.key
        assert len(second.key.reveal()) >= 43
        assert second.key.reveal_text() not in repr(second)


async def test_a_server_that_never_serves_is_given_up(tiny: GgufFile) -> None:
    async with serving("mute", load_seconds=0.5) as models:
        with pytest.raises(ServerFailed, match="was not loaded after"):
            await models.start(tiny)

        assert (None, None) == (models.running, models._child)


async def test_a_servers_last_words_are_told(tmp_path: Path, tiny: GgufFile) -> None:
    last = GgufFile(tiny.path, "std::bad_allocation", 1, "", "llama", 512, 512)
    async with serving("dead") as models:
        with pytest.raises(ServerFailed, match=r"^llama\.cpp gave up: Tiny\.$"):
            await models.start(tiny)
        with pytest.raises(ServerFailed, match=r"^llama\.cpp gave up: std::bad_allocation\.$"):
            await models.start(last)


async def test_however_much_it_writes_little_is_kept_and_nothing_is_shown(
    tiny: GgufFile, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving("loud") as models:
        starting = asyncio.create_task(models.start(tiny))
        await child_begun(models)
        assert models._child is not None
        kept = models._child.lines
        tracemalloc.start()
        while not starting.done():
            await asyncio.sleep(0)
            assert len(kept) <= KEPT_LINES
            assert all(len(line) <= LONGEST_LINE for line in kept)
        await starting
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 1_000_000, "a line without an end was kept"
    assert ("", "") == capfd.readouterr()


async def test_once_it_serves_none_of_its_words_are_kept(tiny: GgufFile) -> None:
    async with serving("leaky") as models:
        running = await models.start(tiny)
        child = models._child
        assert child is not None
        assert [] == list(child.lines)

        host, port = running.base_url.removeprefix("http://").removesuffix("/v1").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /the-prompt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        await models.stop()

        assert [] == list(child.lines)


async def test_a_start_that_is_cancelled_leaves_nothing(tiny: GgufFile) -> None:
    async with serving("mute") as models:
        starting = asyncio.create_task(models.start(tiny))
        pid = await child_begun(models)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

        assert not is_alive(pid)
        assert (None, None, None) == (models.running, models._child, models.failure)


async def test_stop_ends_a_start(tiny: GgufFile) -> None:
    async with serving("mute") as models:
        starting = asyncio.create_task(models.start(tiny))
        pid = await child_begun(models)
        await models.stop()

        assert not is_alive(pid)
        with pytest.raises(ServerFailed, match="was stopped before it was loaded"):
            await starting


async def test_stop_ends_the_starts_that_wait_for_their_turn(tiny: GgufFile) -> None:
    async with serving("mute") as models:
        starts = [asyncio.create_task(models.start(tiny)) for _ in range(3)]
        await child_begun(models)
        await models.stop()

        told = await asyncio.gather(*starts, return_exceptions=True)
        assert 3 * ["Tiny was stopped before it was loaded."] == [str(error) for error in told]
        assert (None, None) == (models.running, models._child)


@pytest.mark.parametrize("turns", range(1, 60, 3))
async def test_stop_at_any_moment_of_a_start_leaves_nothing(tiny: GgufFile, turns: int) -> None:
    async with serving("mute") as models:
        starting = asyncio.create_task(models.start(tiny))
        for _ in range(turns):
            await asyncio.sleep(0.001 if turns > 30 else 0)
        await models.stop()
        with pytest.raises(ServerFailed, match="was stopped before it was loaded"):
            await starting

        assert (None, None, None) == (models.running, models._child, models.failure)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
async def test_a_server_that_watches_nothing_does_not_outlive_its_guard(tiny: GgufFile) -> None:
    async with serving("old") as models:
        await models.start(tiny)
        child = models._child
        assert child is not None
        pids = [process.pid for process in family(child.pid)]
        os.kill(child.pid, signal.SIGKILL)
        await asyncio.wait((child.ended,))

        assert 2 == len(pids)
        assert [] == still_alive(pids)


async def test_a_server_that_does_not_want_to_end_is_killed(tiny: GgufFile) -> None:
    async with serving("deaf") as models:
        await models.start(tiny)
        assert models._child is not None
        pids = [process.pid for process in family(models._child.pid)]
        await models.stop()

        assert 2 == len(pids)
        assert [] == still_alive(pids)


async def test_a_guard_that_does_not_answer_is_killed_with_its_server(
    tiny: GgufFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui_chat.local.child.END_SECONDS", 0.1)
    async with serving("old") as models:
        await models.start(tiny)
        assert models._child is not None
        guard, *_ = pids = [process.pid for process in family(models._child.pid)]
        os.kill(guard, signal.SIGSTOP)
        await models.stop()

        assert [] == still_alive(pids)


async def test_a_program_that_cannot_be_run_is_told(tiny: GgufFile, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = LlamaCpp(os.environ, choose=lambda _: ("/nowhere/llama-server",))
    with pytest.raises(ServerFailed, match=r"^llama\.cpp gave up: FileNotFoundError.*/nowhere/llama-server"):
        await missing.start(tiny)

    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ServerFailed, match=r"^llama\.cpp could not be started \(No such file or directory\)"):
        await missing.start(tiny)
    assert (None, None) == (missing.running, missing._child)


async def test_what_runs_already_goes_on(tiny: GgufFile) -> None:
    async with serving("old") as models:
        first = await models.start(tiny)

        assert first is await models.start(tiny)
        assert first is not await models.start(tiny, context_window=1024)


async def test_another_model_takes_its_place(tmp_path: Path, tiny: GgufFile) -> None:
    other = write(tmp_path / "Other.gguf", gguf(llama({"llama.context_length": 1024})))
    async with serving("old") as models:
        await models.start(tiny)
        pid = await child_begun(models)
        running = await models.start(await models.read(other))

        assert not is_alive(pid)
        assert ("Other", 1024) == (running.model, running.context_window)


async def test_why_a_model_is_gone_waits_for_its_end(tiny: GgufFile) -> None:
    async with serving("old") as models:
        first = await models.start(tiny)
        assert models._child is not None
        _, engine = family(models._child.pid)
        os.kill(engine.pid, signal.SIGSEGV)
        why = await models.why_gone(first)
        second = await models.start(tiny)

        assert "The local model Tiny ended: llama.cpp crashed (SIGSEGV)." == str(why)
        assert None is await models.why_gone(first), "what it died of is forgotten with the next start"
        await models.stop()
        assert None is await models.why_gone(second)


async def test_a_model_that_had_to_make_room_is_told_so(tmp_path: Path, tiny: GgufFile) -> None:
    other = write(tmp_path / "Other.gguf")
    async with serving("old") as models:
        first = await models.start(tiny)
        await models.start(await models.read(other))

        gone = await models.why_gone(first)
        assert gone is not None
        assert (
            "The local model Tiny was ended: another model file was opened. A prompt to it starts it again."
            == gone.sentence
        )


async def test_a_model_that_runs_on_is_not_gone(tiny: GgufFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_chat.local.llama.NOTICE_SECONDS", 0.01)
    async with serving("old") as models:
        assert None is await models.why_gone(await models.start(tiny))


async def test_without_llama_cpp_it_is_said_before_anything_is_chosen() -> None:
    def nothing(environment: Mapping[str, str]) -> Sequence[str]:
        raise NoModel("llama.cpp is not installed here.")

    with pytest.raises(NoModel, match="not installed"):
        await LlamaCpp({}, choose=nothing).require()


def test_the_folders_that_are_named_are_those_that_are_looked_into(tmp_path: Path) -> None:
    places = LlamaCpp({"HOME": str(tmp_path), "OLLAMA_MODELS": "/disk/models"}).folders

    assert Path("/disk/models") == next(each.path for each in places if each.source == "Ollama")
    assert {"Ollama", "llama.cpp", "LM Studio", "Hugging Face"} == {each.source for each in places}


async def test_a_file_that_cannot_be_read_ends_nothing(tmp_path: Path, tiny: GgufFile) -> None:
    gone = GgufFile(tmp_path / "gone.gguf", "gone", 1, "", "llama", 512, 512)
    async with serving("old") as models:
        running = await models.start(tiny)
        with pytest.raises(NotFound):
            await models.start(gone)
        with pytest.raises(BadInput, match="cannot have 3 tokens"):
            await models.start(tiny, context_window=3)

        assert running is models.running


async def test_two_starts_at_once_leave_one_model(tmp_path: Path, tiny: GgufFile) -> None:
    other = write(tmp_path / "Other.gguf")
    async with serving("old") as models:
        first, second = await asyncio.gather(models.start(tiny), models.start(await models.read(other)))

        assert second is models.running
        assert first.base_url != second.base_url


async def test_stop_may_come_twice_and_before_anything() -> None:
    async with serving("old") as models:
        await models.stop()
        await asyncio.gather(models.stop(), models.stop())

        assert None is models.running


# -- finding and reading ------------------------------------------------------------------------


async def test_what_is_found_can_be_started_under_its_name(tmp_path: Path) -> None:
    blob = f"sha256-{'ab' * 32}"
    layer = f'{{"mediaType": "application/vnd.ollama.image.model", "digest": "{blob}"}}'
    write(tmp_path / "manifests/registry.ollama.ai/library/tiny/1b", f'{{"layers": [{layer}]}}'.encode())
    write(tmp_path / "blobs" / blob)
    async with serving("old", {**os.environ, "HOME": str(tmp_path), "OLLAMA_MODELS": str(tmp_path)}) as models:
        (found,) = await models.find()
        running = await models.start(found)

        assert ("tiny:1b", found) == (running.model, running.file)


async def test_a_search_that_is_cancelled_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, left = threading.Event(), threading.Event(), threading.Event()

    def slow(places: object, limits: Limits) -> list[GgufFile]:
        begun.set()
        go_on.wait(10)
        try:
            limits.spend()
        except Enough:
            left.set()
        return []

    monkeypatch.setattr("tui_chat.local.llama.find_models", slow)
    searching = asyncio.create_task(LlamaCpp({}).find())
    await asyncio.to_thread(begun.wait)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    go_on.set()

    assert await asyncio.to_thread(left.wait, 10)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: write(path, b"hello"), "m is not a GGUF file."),
        (lambda path: write(path, gguf()[:50]), "m is damaged or incomplete."),
        (lambda path: write(path, gguf(llama({"general.architecture": "clip"}))), "m is no model to chat with (clip)."),
        (lambda path: path.mkdir(), "is not a file."),
    ],
)
async def test_a_wrong_file_is_told_before_anything_starts(
    tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    make(tmp_path / "m.gguf")

    with pytest.raises(BadInput) as caught:
        await LlamaCpp({}).read(tmp_path / "m.gguf")

    assert str(caught.value).endswith(sentence)


async def test_a_file_that_is_larger_than_the_memory_is_known_before_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "m.gguf")
    assert (await LlamaCpp({}).read(path)).fits
    monkeypatch.setattr("tui_chat.local.model.total_memory", lambda: path.stat().st_size)

    assert not (await LlamaCpp({}).read(path)).fits


async def test_a_missing_part_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "m-00001-of-00003.gguf")
    write(tmp_path / "m-00003-of-00003.gguf")

    with pytest.raises(BadInput, match="Part 2 of 3 of m is missing"):
        await LlamaCpp({}).read(path)


async def test_any_part_stands_for_the_model(tmp_path: Path) -> None:
    first = write(tmp_path / "m-00001-of-00002.gguf")
    second = write(tmp_path / "m-00002-of-00002.gguf", b"GGUF and more")

    assert (first, "m") == ((model := await LlamaCpp({}).read(second)).path, model.name)


async def test_a_name_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / os.fsdecode(b"caf\xe9.gguf"))

    with pytest.raises(BadInput, match="is not UTF-8"):
        await LlamaCpp({}).read(path)


async def test_a_path_is_understood_as_a_person_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.gguf")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert path == (await LlamaCpp({}).read(Path("m.gguf"))).path
    assert path == (await LlamaCpp({}).read(Path("~/m.gguf"))).path
    with pytest.raises(NotFound):
        await LlamaCpp({}).read(Path("~nobody-of-that-name/m.gguf"))
