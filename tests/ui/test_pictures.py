"""The pictures in screenshots/ are what the app looks like: made here, compared here.

``pytest tests/ui/test_pictures.py --update-screenshots`` writes them anew; look at each that changed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attached import attached
from tests.attached import picture as photograph
from tests.fakes import FixedClock, ScriptedProvider, answer
from tests.local.shelf import Shelf
from tests.ui.chat_app import Chat, World
from tui_chat.core.clock import MINUTE, from_rfc3339, to_rfc3339
from tui_chat.core.local import GgufFile
from tui_chat.core.secret import Secret
from tui_chat.services.local_models import LocalModelService
from tui_chat.ui.app import TuiChatApp

FOLDER = Path(__file__).parent.parent.parent / "screenshots"
NOW = from_rfc3339("2026-11-20T12:45:00.000Z")

ANSWER = """\
Three days are enough for the old town and one fjord.

## A plan

| day | where | how |
|---|---|---|
| Friday | Akershus, the opera's roof | on foot |
| Saturday | Oslofjord islands | ferry **B1** |
| Sunday | Vigeland park, Munch | tram 12 |

1. Buy the *24-hour ticket* in the app.
2. Take a jacket: `12 °C` and wind.

```python
def budget(days: int, per_day: float = 95.0) -> float:
    \"\"\"Euros, museums included.\"\"\"
    return days * per_day  # 285 for three
```

> The ferries run until midnight.

More at [visitoslo.com](https://www.visitoslo.com/en/).
"""

Picture = Callable[[str, TuiChatApp], Coroutine[None, None, None]]

PATIENCE_SECONDS = 5


@pytest.fixture(autouse=True)
def one_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pictures show local times."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Picture:
    """Waits until the screen looks like its picture, or writes it with ``--update-screenshots``."""

    async def compare(name: str, app: TuiChatApp) -> None:
        path = FOLDER / f"{name}.svg"
        if request.config.getoption("--update-screenshots"):
            await asyncio.sleep(0.3)
            path.write_text(app.export_screenshot(title="tui_chat"))
        wanted, end = path.read_text(), time.monotonic() + PATIENCE_SECONDS
        # On a busy machine the last thing may be drawn late.
        while (made := app.export_screenshot(title="tui_chat")) != wanted and time.monotonic() < end:
            await asyncio.sleep(0.05)
        assert wanted == made, f"the app no longer looks like {path.name}"

    return compare


def a_world(provider: ScriptedProvider | None = None) -> World:
    """A computer on a certain day, with four conversations."""
    world = World(provider or ScriptedProvider())
    world.now = FixedClock(NOW)
    return world


async def fill(world: World) -> None:
    """Import conversations with fixed ids and times."""
    oslo = [("user", "Plan a long weekend in Oslo, with a table and a budget."), ("assistant", ANSWER)]
    thesis = [turn for n in range(1, 15) for turn in (("user", f"Question {n}?"), ("assistant", f"Answer {n}."))]
    conversations = [
        conversation(1, "Thesis notes", thesis, minutes_ago=40, pinned=True),
        conversation(2, "Trip to Oslo", oslo, minutes_ago=5),
        conversation(3, "Rust lifetimes", thesis[:6], minutes_ago=90),
        conversation(4, "Sourdough, second try", thesis[:12], minutes_ago=60 * 26),
        conversation(5, "漢字 and 🙂 in file names", thesis[:2], minutes_ago=60 * 24 * 30),
    ]
    envelope = {
        "format": "tui-chat",
        "version": 1,
        "exported_at": to_rfc3339(NOW),
        "generator": "tests",
        "conversations": conversations,
    }
    services = await world.services()
    await services.transfer.load(json.dumps(envelope).encode())
    await services.close()


def conversation(
    number: int, title: str, turns: list[tuple[str, str]], *, minutes_ago: int, pinned: bool = False
) -> dict[str, Any]:
    """One conversation in the export's form, its last message so many minutes before now."""
    end = NOW - minutes_ago * MINUTE
    ids = [f"00000000-0000-7000-8000-{number:04d}{place:08d}" for place in range(len(turns))]
    messages: list[dict[str, Any]] = [
        {
            "id": ids[place],
            "parent_id": ids[place - 1] if place else None,
            "role": role,
            "text": text,
            "parts": [],
            "status": "complete",
            "error": None,
            "created_at": to_rfc3339(end - (len(turns) - 1 - place) * MINUTE),
            "model": {"endpoint": "test", "name": "llama3.2"} if role == "assistant" else None,
            "usage": None,
            "pinned": False,
            "excluded": False,
        }
        for place, (role, text) in enumerate(turns)
    ]
    return {
        "id": f"00000000-0000-7000-8000-9999{number:08d}",
        "title": title,
        "created_at": messages[0]["created_at"],
        "updated_at": to_rfc3339(end),
        "system_prompt": None,
        "model": {"endpoint": "test", "name": "llama3.2"},
        "memory": None,
        "tags": [],
        "pinned": pinned,
        "archived": False,
        "head": ids[-1],
        "messages": messages,
    }


async def show(chat: Chat, text: str) -> None:
    """Wait until everything that is fetched is on the screen."""
    await chat.until_seen(text)
    await chat.until(lambda: "…" not in "".join(line[:30] for line in chat.seen().splitlines()[2:8]))
    await chat.pilot.pause(0.3)


async def test_the_first_run(picture: Picture) -> None:
    world = a_world()
    world.model, world.has_endpoint = None, False
    async with world.app(size=(110, 30)) as chat:
        await show(chat, "Do you have a model file")

        await picture("first-run", chat.app)


async def test_files_that_go_with_a_prompt(picture: Picture) -> None:
    pdf = attached(b"%PDF-1.7", "application/pdf", "tickets.pdf")
    files = (attached("- a jacket\n" * 900, name="packing list.md"), photograph(1200, 800, "harbour.png"), pdf)
    world = a_world()
    await fill(world)
    async with world.app(conversation="Trip to Oslo", size=(110, 34)) as chat:
        await show(chat, "The ferries run until midnight.")
        chat.screen.prompt.insert("What of this do I need there?")
        chat.screen.hold_files(files)
        await show(chat, "harbour.png")
        await chat.until_seen("Files of a message are not sent.")

        await picture("files", chat.app)


async def test_opening_a_model_file(picture: Picture) -> None:
    from tui_chat.ui.screens.model_file import ModelFileScreen

    found = [
        GgufFile(Path(f"/models/{name}"), name, size, source, "llama", 131_072, 32_768)
        for name, size, source in (
            ("llama3.2:3b", 2_019_000_000, "Ollama"),
            ("Qwen3-8B-Q4_K_M", 5_030_000_000, "LM Studio"),
            ("gemma-3-1b-it", 806_000_000, "Hugging Face"),
        )
    ]
    world = a_world()
    async with world.app(size=(110, 30)) as chat:
        local = LocalModelService(lambda: Shelf(*found), chat.services.chat._store)
        await chat.app.push_screen(ModelFileScreen(local))
        await chat.until_seen("gemma-3-1b-it")
        await chat.until_seen("Look again")

        await picture("model-file", chat.app)


async def test_the_recovery_code(picture: Picture) -> None:
    from tui_chat.ui.screens.recovery_code import RecoveryCodeScreen

    world = a_world()
    async with world.app(size=(110, 30)) as chat:
        await chat.app.push_screen(RecoveryCodeScreen("-".join(["ABCDEFG"] * 8)))
        await chat.until_seen("ABCDEFG")

        await picture("recovery-code", chat.app)


async def test_the_unlock_screen(picture: Picture) -> None:
    world = a_world()
    world.backend_missing = True
    world.add_endpoint()
    services = await world.program().access().create_with_passphrase(Secret("correct horse"))
    await services.close()
    app = TuiChatApp(world.program(), now=world.now)
    async with app.run_test(size=(110, 30)) as pilot:
        chat = Chat(app, pilot)
        await chat.until_seen("Passphrase")
        await pilot.pause(0.3)

        await picture("unlock", app)


async def test_a_chat(picture: Picture) -> None:
    world = a_world()
    await fill(world)
    async with world.app(size=(120, 44), conversation="Trip to Oslo") as chat:
        chat.screen.prompt.insert("And what if it rains on Saturday?")
        await show(chat, "visitoslo")
        await chat.until_seen("Sourdough")

        await picture("chat", chat.app)


async def test_the_truncation_warning(picture: Picture) -> None:
    world = a_world()
    await fill(world)
    async with world.app(size=(110, 34), conversation="Thesis notes") as chat:
        chat.screen.prompt.insert("Sum up what we found.")
        await show(chat, "8 of 28 earlier messages are not sent")
        chat.screen.transcript.jump_to(chat.screen.shown.branch[5].id)
        await chat.until_seen("messages above are not sent")
        await chat.pilot.pause(0.3)

        await picture("truncation-warning", chat.app)


async def test_a_narrow_terminal(picture: Picture) -> None:
    world = a_world()
    await fill(world)
    async with world.app(size=(60, 20), conversation="Trip to Oslo") as chat:
        await show(chat, "visitoslo")

        await picture("narrow", chat.app)


async def test_without_colours(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    world = a_world()
    await fill(world)
    async with world.app(size=(110, 34), conversation="Thesis notes") as chat:
        await show(chat, "8 of 28 earlier messages are not sent")

        await picture("no-color", chat.app)


async def test_the_inspector(picture: Picture) -> None:
    world = a_world()
    await fill(world)
    async with world.app(size=(110, 34), conversation="Thesis notes") as chat:
        chat.screen.prompt.insert("Sum up what we found.")
        await show(chat, "8 of 28 earlier messages are not sent")
        await chat.press("f3")
        await chat.until_seen("Raw request")
        await chat.pilot.pause(0.3)

        await picture("inspector", chat.app)


async def test_what_the_model_remembers(picture: Picture) -> None:
    world = a_world()
    await fill(world)
    async with world.app(size=(110, 34), conversation="Thesis notes") as chat:
        chat.screen.prompt.insert("What was the answer to question 3?")
        await show(chat, "8 of 28 earlier messages are not sent")
        await chat.screen.run_action("memory")
        await chat.until_seen("older messages found relevant")
        await chat.pilot.pause(0.3)

        await picture("memory", chat.app)


SUMMARY = """\
Goal: find out which questions the thesis answers.
Facts: question 1 to question 4 were asked and answered in order; the third one matters most.
Open: whether question 5 belongs to the second chapter."""


async def test_a_summary(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(ScriptedProvider(answer(SUMMARY)))
    await fill(world)
    async with world.app(size=(110, 34), conversation="Thesis notes") as chat:
        monkeypatch.setattr(chat.services.summaries, "_now", world.now)
        await chat.screen.run_action("memory")
        await chat.until_seen("would be offered first")
        await chat.press("down", "down", "enter")
        await chat.until_seen("not summarised yet")
        await chat.send("Sum up what we found.")
        await chat.until_seen("Summary of older messages")
        await chat.pilot.pause(0.4)  # the prompt is back, and its plan is made behind the window
        await chat.press("ctrl+r")
        await chat.until_seen("ctrl+s uses it as it stands")
        await chat.pilot.pause(0.3)

        await picture("summary", chat.app)
