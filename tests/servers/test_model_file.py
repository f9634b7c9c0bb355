"""Opening a model file in the app, with the real llama.cpp as its child: chosen, loaded, stopped, crashed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.fakes import ScriptedProvider
from tests.local.processes import family, still_alive
from tests.servers.llama import REPLY, require_llama, write_model
from tests.ui.chat_app import Chat, World
from tui_chat.bootstrap import LocalProgram
from tui_chat.core.models import Message, Role, Status
from tui_chat.local import LlamaCpp
from tui_chat.providers.connect import HttpProviders
from tui_chat.services.endpoints import ContextWindow
from tui_chat.ui.screens.model_file import ModelFileScreen

FAKE = Path(__file__).parents[1] / "local/fake_server.py"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A computer where other programs have their models below its own home."""
    require_llama()
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    made = World(ScriptedProvider())
    made.providers = HttpProviders()  # type: ignore[assignment]
    made.model = None
    return made


def add_model(name: str, mode: str, *, ctx: int = 512) -> Path:
    """A model file in llama.cpp's own folder."""
    path = Path(os.environ["HOME"]) / ".cache/llama.cpp" / f"{name}.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_model(path, mode, ctx=ctx)  # type: ignore[arg-type]
    return path


async def choose(chat: Chat, name: str) -> None:
    """Open that file by the keys."""
    await chat.press("ctrl+o")
    await chat.until_seen("open a model file…")
    await chat.press("ctrl+o")
    await chat.until_seen(name)
    await chat.press("enter")


def pids(chat: Chat) -> list[int]:
    """The processes of the model that runs or is being started: its guard, and llama.cpp."""
    made = chat.services.local._made
    assert isinstance(made, LlamaCpp)
    return [process.pid for process in family(made._child.pid)] if made._child is not None else []


async def replies(chat: Chat) -> list[Message]:
    branch = await chat.services.library.branch(chat.screen.shown.id)
    return [message for message in branch if message.role is Role.ASSISTANT]


def has_words(chat: Chat) -> bool:
    """Whether something of a reply has arrived."""
    arriving = chat.services.chat.arriving(chat.screen.shown.id)
    return arriving is not None and bool(arriving.pieces)


async def test_a_file_is_chosen_loaded_and_answers_and_ends_with_the_app(world: World) -> None:
    add_model("tiny-Q4", "chat")
    async with world.app() as chat:
        await choose(chat, "tiny-Q4")
        await chat.until(lambda: chat.screen.top_bar.model == "tiny-Q4")
        running = pids(chat)
        assert ("local", 2) == (chat.screen.top_bar.reach, len(running))
        await chat.until(lambda: chat.screen.shown.basis.window == ContextWindow(512, assumed=False))
        await chat.send("Hello?")
        await chat.until_seen("a tiny bigram model")
        await chat.until_quiet()

        assert [REPLY] == [reply.text for reply in await replies(chat)]
        assert running == pids(chat)
    assert [] == still_alive(running)

    async with world.app() as chat:  # in the next run it is a model like any other
        assert "tiny-Q4" == chat.screen.top_bar.model
        await chat.press("ctrl+o")
        await chat.until_seen("tiny-Q4  512 tokens")
        assert None is chat.services.local.running


async def test_escape_stops_the_loading_and_leaves_no_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add_model("tiny-Q4", "chat")
    mute = LlamaCpp(os.environ, choose=lambda _: (sys.executable, str(FAKE), "mute"))
    monkeypatch.setattr(LocalProgram, "_local_models", lambda _: mute)
    async with world.app() as chat:
        await choose(chat, "tiny-Q4")
        await chat.until_seen("tiny-Q4: loading the model")
        await chat.until(lambda: len(pids(chat)) == 2)
        begun = pids(chat)
        await chat.press("escape")
        await chat.until_seen("tiny-Q4 was not loaded; nothing of it runs.")

        assert [] == still_alive(begun)
        assert isinstance(chat.app.screen, ModelFileScreen)
        assert () == await chat.services.local.remembered()
        await chat.press("enter")
        await chat.until_seen("tiny-Q4: loading the model")
        await chat.until(lambda: len(pids(chat)) == 2)
        begun = pids(chat)
    assert [] == still_alive(begun), "who leaves while it loads leaves nothing behind"


async def test_a_crash_in_mid_reply_keeps_the_text_is_named_and_the_next_prompt_starts_it_again(world: World) -> None:
    add_model("endless", "loop", ctx=32_768)
    async with world.app() as chat:
        await choose(chat, "endless")
        await chat.until(lambda: chat.screen.top_bar.model == "endless")
        first = pids(chat)
        await chat.send("Go on.")
        await chat.until(lambda: has_words(chat))
        os.kill(first[-1], signal.SIGSEGV)
        await chat.until_quiet()
        await chat.until_seen("The local model endless ended: llama.cpp crashed (SIGSEGV).")
        (cut,) = await replies(chat)
        assert Status.FAILED is cut.status
        assert cut.text
        assert "The local model endless ended: llama.cpp crashed (SIGSEGV). The next prompt" in (cut.error or "")
        assert [] == still_alive(first)

        await chat.send("And now?")
        await chat.until(lambda: has_words(chat))
        assert not set(first) & set(pids(chat))
        await chat.press("escape")
        await chat.until_quiet()
        assert [Status.FAILED, Status.STOPPED] == [reply.status for reply in await replies(chat)]
