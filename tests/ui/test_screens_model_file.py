"""The dialog that opens a model file, and the model files in the list of models, through their keys."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from tests.local.shelf import Shelf
from tests.ui.reading import seen
from tests.ui.screen_fakes import SMALL, USUAL, Host, World, burst, words
from tui_chat.core.errors import NoModel, ServerFailed
from tui_chat.core.local import GgufFile, Progress, Running
from tui_chat.core.models import ModelRef
from tui_chat.core.settings import Settings
from tui_chat.services.local_models import LocalModelService
from tui_chat.ui.forms import Field
from tui_chat.ui.screens.model_file import ModelFileScreen
from tui_chat.ui.screens.model_file_rows import at_home, path_of, size_of
from tui_chat.ui.screens.models import ModelScreen
from tui_chat.ui.welcome import welcome


def file(name: str, source: str = "Ollama", *, size: int = 2_019_000_000) -> GgufFile:
    return GgufFile(Path(f"/models/{name}.gguf"), name, size, source, "llama", 131_072, 32_768)


LLAMA, QWEN = file("llama3.2:3b"), file("Qwen3", "LM Studio", size=700_000_000)


@asynccontextmanager
async def showing(make: Callable[[], Screen[Any]], *, size: tuple[int, int]) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host(make)
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        await until(pilot, lambda: app.screen is not app.screen_stack[0])
        yield app, pilot


def dialog(shelf: Shelf, *, size: tuple[int, int] = USUAL) -> Any:
    local = World(llama=shelf).endpoints.local
    assert local is not None
    return showing(lambda: ModelFileScreen(local), size=size)


def listed(world: World, current: ModelRef | None = None) -> Any:
    return showing(lambda: ModelScreen(world.endpoints, current), size=USUAL)


async def until(pilot: Pilot[Any], so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not so():
            await pilot.pause(0.01)


async def until_said(app: Host, pilot: Pilot[Any], *texts: str) -> None:
    """Until these words are on the screen."""
    try:
        await until(pilot, lambda: all(text in words(app) for text in texts))
    except TimeoutError:
        raise AssertionError(f"never seen: {texts}; the screen is\n{seen(app)}") from None


# -- what is offered -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, USUAL])
async def test_the_files_of_other_programs_are_offered_with_what_they_are(size: tuple[int, int]) -> None:
    async with dialog(Shelf(LLAMA, QWEN), size=size) as (app, pilot):
        await until_said(
            app,
            pilot,
            "llama3.2:3b 2.0 GB Ollama 32,768 tokens Qwen3 700 MB LM Studio 32,768 tokens",
            "Only these folders of other programs are looked into:",
            "Ollama /home/alice/.ollama/models",
            "/models/llama3.2:3b.gguf",
        )


async def test_while_it_looks_it_says_so_and_a_path_can_be_typed() -> None:
    shelf = Shelf(LLAMA)
    shelf.looked.clear()
    async with dialog(shelf) as (app, pilot):
        await until_said(app, pilot, "looking for model files on this computer…")
        await burst(pilot, *"/disk/own.gguf")
        await until_said(app, pilot, "Nothing is read but what you typed; of a folder, its names.")
        await burst(pilot, "enter")
        await until(pilot, lambda: bool(app.results))

        assert [ModelRef("gguf", "own")] == app.results


async def test_typing_narrows_and_enter_loads_what_is_highlighted() -> None:
    shelf = Shelf(LLAMA, QWEN)
    async with dialog(shelf) as (app, pilot):
        await until_said(app, pilot, "Qwen3")
        await burst(pilot, *"studio")
        assert "llama3.2:3b" not in seen(app)
        await burst(pilot, "enter")
        await until(pilot, lambda: bool(app.results))

        assert [ModelRef("gguf", "Qwen3")] == app.results
        assert ["Qwen3"] == shelf.starts


async def test_words_that_match_nothing_say_that_a_path_may_be_typed() -> None:
    async with dialog(Shelf(LLAMA)) as (app, pilot):
        await until_said(app, pilot, "llama3.2:3b")
        await burst(pilot, *"gemma", "enter")

        assert "No file that was found has that in its name. A path may be typed too" in words(app)
        assert [] == app.results


async def test_without_any_file_it_says_how_to_get_one() -> None:
    shelf = Shelf()
    async with dialog(shelf) as (app, pilot):
        await until_said(app, pilot, "No model file was found.", "type its path above", "ollama pull llama3.2")
        assert "http" not in seen(app)
        shelf.found = (QWEN,)
        await burst(pilot, "f5")
        await until_said(app, pilot, "Qwen3 700 MB")


async def test_without_llama_cpp_it_says_how_to_get_it_before_anything_is_chosen() -> None:
    shelf = Shelf(LLAMA)
    shelf.missing = NoModel("llama.cpp is not installed here.", hint="Install it with: pip install 'tui-chat[local]'.")
    async with dialog(shelf) as (app, pilot):
        await until_said(app, pilot, "llama.cpp is not installed here. Install it with: pip install 'tui-chat[local]'.")
        shelf.missing = None
        await burst(pilot, "f5")
        await until(pilot, lambda: "not installed" not in words(app))


async def test_names_of_files_are_shown_literally_and_harmless() -> None:
    async with dialog(Shelf(file("[red]x[/]\x1b]0;owned\x07"))) as (app, pilot):
        await until_said(app, pilot, "[red]x[/]\ufffd]0;owned\ufffd 2.0 GB")


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("~/models/a.gguf", "~/models/a.gguf"),
        ("a.GGUF", "a.GGUF"),
        ("  '/my models/a.gguf' ", "/my models/a.gguf"),
        ('"/my models/a"', "/my models/a"),
        ("/my\\ models/a\\(1\\).gguf", "/my models/a(1).gguf"),
        ("file:///my%20models/a.gguf", "/my models/a.gguf"),
        ("qwen q4", None),
        ("/a\0b", None),
        ("", None),
    ],
)
def test_a_path_is_known_from_words_however_it_was_dropped(typed: str, path: str | None) -> None:
    assert (None if path is None else Path(path)) == path_of(typed)


def test_a_path_below_home_is_short_and_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")

    assert ("~/m/a\ufffd", "/home/bob/a") == (at_home(Path("/home/alice/m/a\x1b")), at_home(Path("/home/bob/a")))


def test_sizes_are_as_people_say_them() -> None:
    assert ["1 MB", "700 MB", "1.0 GB", "41.2 GB"] == [
        size_of(n) for n in (5, 700_000_000, 960_000_000, 41_200_000_000)
    ]


async def test_a_file_that_is_too_large_for_this_computer_says_so() -> None:
    async with dialog(Shelf(replace(LLAMA, size=80_000_000_000, fits=False))) as (app, pilot):
        await until_said(app, pilot, "llama3.2:3b 80.0 GB Ollama 32,768 tokens larger than the memory here")


# -- loading -----------------------------------------------------------------------------------


def seconds(app: Host) -> int:
    """How long it says that it has been loading."""
    found = re.search(r"loading the model · (\d+) s", words(app))
    return int(found[1]) if found else -1


async def test_loading_is_shown_with_its_seconds_and_escape_stops_it() -> None:
    shelf = Shelf(LLAMA)
    shelf.gate.clear()
    async with dialog(shelf) as (app, pilot):
        await until_said(app, pilot, "llama3.2:3b")
        await burst(pilot, "enter")
        await until_said(app, pilot, "llama3.2:3b: loading the model ·", "s · esc stops it")
        begun = seconds(app)
        await until(pilot, lambda: seconds(app) > begun)
        await burst(pilot, "enter", "escape")  # the second enter starts nothing
        await until_said(app, pilot, "was not loaded; nothing of it runs.")
        assert [] == app.results
        shelf.gate.set()
        await burst(pilot, "enter")
        await until(pilot, lambda: bool(app.results))

        assert ([ModelRef("gguf", "llama3.2:3b")], ["llama3.2:3b"]) == (app.results, shelf.starts)


class SlowToEnd(Shelf):
    """What is cancelled while it loads takes until ``ended``."""

    def __init__(self, *found: GgufFile) -> None:
        super().__init__(*found)
        self.ended = asyncio.Event()

    async def start(
        self, file: GgufFile, *, context_window: int | None = None, progress: Progress | None = None
    ) -> Running:
        try:
            return await super().start(file, context_window=context_window, progress=progress)
        finally:
            await self.ended.wait()


async def test_a_second_escape_is_not_asked_for_while_it_is_being_stopped() -> None:
    shelf = SlowToEnd(LLAMA)
    shelf.gate.clear()
    async with dialog(shelf) as (app, pilot):
        await until_said(app, pilot, "llama3.2:3b")
        await burst(pilot, "enter")
        await until_said(app, pilot, "s · esc stops it")
        await burst(pilot, "escape")
        await until_said(app, pilot, "stopping ·")
        stopping = words(app)
        shelf.ended.set()
        await until_said(app, pilot, "was not loaded; nothing of it runs.")

        assert "esc stops it" not in stopping


async def test_a_failure_keeps_the_dialog_with_its_sentence() -> None:
    shelf = Shelf(LLAMA)
    shelf.refusal = ServerFailed("There is not enough memory for llama3.2:3b.", hint="Choose a smaller file.")
    shelf.gone.add(Path("/no/such.gguf"))
    async with dialog(shelf) as (app, pilot):
        await until_said(app, pilot, "llama3.2:3b")
        await burst(pilot, "enter")
        await until_said(app, pilot, "✗ There is not enough memory for llama3.2:3b. Choose a smaller file.")
        await burst(pilot, *"/no/such.gguf", "enter")
        await until_said(app, pilot, "✗ There is no file /no/such.gguf. Check the path.")
        await burst(pilot, "escape")

        assert [None] == app.results


# -- in the list of models ------------------------------------------------------------------------


async def remembering(shelf: Shelf, *names: str) -> World:
    world = World(Settings(), llama=shelf)
    local = world.endpoints.local
    assert isinstance(local, LocalModelService)
    for name in names:
        await local.choose(await local.read(Path(f"/models/{name}.gguf")))
    return world


async def test_the_list_reads_no_file_until_it_is_asked_and_then_chooses_what_is_loaded() -> None:
    shelf = Shelf(LLAMA)
    world = await remembering(shelf)
    async with listed(world) as (app, pilot):
        await until_said(app, pilot, "Model files on this computer local + open a model file… + add an endpoint…")
        await until_said(app, pilot, "Lists those of Ollama, llama.cpp, LM Studio and Hugging Face")
        assert 0 == shelf.looks
        await burst(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, ModelFileScreen))
        await until_said(app, pilot, "llama3.2:3b 2.0 GB")
        await burst(pilot, "enter")
        await until(pilot, lambda: bool(app.results))

        assert [ModelRef("gguf", "llama3.2:3b")] == app.results


async def test_ctrl_o_in_the_list_opens_the_dialog_and_escape_comes_back() -> None:
    async with listed(await remembering(Shelf(LLAMA))) as (app, pilot):
        await burst(pilot, "ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, ModelFileScreen))
        await burst(pilot, "escape")
        await until(pilot, lambda: isinstance(app.screen, ModelScreen))

        assert [] == app.results


async def test_files_that_were_opened_are_models_with_their_window_and_nothing_is_run() -> None:
    shelf = Shelf()
    world = await remembering(shelf, "gone", "tiny")
    shelf.gone.add(Path("/models/gone.gguf"))
    async with listed(world, ModelRef("gguf", "tiny")) as (app, pilot):
        await until_said(app, pilot, "● tiny 4,096 tokens gone its file cannot be read + open a model file…")
        assert "Texts stay on this computer; llama.cpp loads the file when it is first asked." in words(app)
        assert "f2 Edit" not in words(app)
        await burst(pilot, *"gguf tin")
        assert "as it is typed" not in words(app)
        await burst(pilot, "enter")

        assert ([ModelRef("gguf", "tiny")], []) == (app.results, shelf.starts)


async def test_a_list_without_model_files_does_not_offer_them() -> None:
    async with listed(World()) as (app, pilot):
        await until_said(app, pilot, "add an endpoint")
        await burst(pilot, "ctrl+o")

        assert "model file" not in words(app)
        assert isinstance(app.screen.focused, Field)


# -- the first run --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (None, "Do you have a model file (GGUF)? ctrl+o, then “open a model file”, runs it here"),
        (0, "Do you have a model file (GGUF)? ctrl+o"),
        (1, "Other programs have a model file on this computer: ctrl+o, then “open a model file”"),
        (3, "Other programs have 3 model files on this computer: ctrl+o"),
    ],
)
def test_a_newcomer_with_a_model_file_is_told_the_way(number: int | None, said: str) -> None:
    assert said in welcome(None, (), number).plain
    assert "model file (GGUF)" not in welcome(ModelRef("home", "m"), (), number).plain
