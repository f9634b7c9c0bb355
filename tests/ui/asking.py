"""Worlds with a small window, limits or a strategy, and a conversation to fill it; for tests of what is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.ui.chat_app import World
from tui_chat.core.clock import MINUTE, now, to_rfc3339
from tui_chat.core.models import MemorySettings
from tui_chat.core.ports import Provider
from tui_chat.core.settings import Caps, Endpoint, Settings

TITLE = "Trip to Oslo"
URL = "http://127.0.0.1:1/v1"


def a_world(
    provider: Provider,
    *,
    window: int | None = None,
    memory: MemorySettings | None = None,
    caps: Caps | None = None,
    url: str = URL,
    name: str = "test-model",
) -> World:
    """A computer with these settings; ``window`` in tokens is the user's own figure for the endpoint."""
    world = World(provider)
    world.model = f"test/{name}"
    endpoint = Endpoint("test", url, context_window=window)
    settings = Settings(memory=memory or MemorySettings(), caps=caps or Caps(), endpoints=(endpoint,))
    world.program().save_settings(settings)
    return world


def exchanges(number: int, *, words: int = 30) -> list[tuple[str, str]]:
    """So many questions with their answers, each of about so many words, each with a number of its own."""
    filler = "and so on " * (words // 3)
    return [
        turn
        for n in range(1, number + 1)
        for turn in (("user", f"question {n} {filler}"), ("assistant", f"answer {n} {filler}"))
    ]


async def fill(
    world: World, turns: Sequence[tuple[str, str]], *, number: int = 1, title: str = TITLE, name: str = "test-model"
) -> None:
    """Import a conversation that said this; its last message is so many minutes old as its number is."""
    envelope = {
        "format": "tui-chat",
        "version": 1,
        "exported_at": to_rfc3339(now()),
        "generator": "tests",
        "conversations": [conversation(number, title, turns, name=name)],
    }
    services = await world.services()
    await services.transfer.load(json.dumps(envelope).encode())
    await services.close()


def conversation(number: int, title: str, turns: Sequence[tuple[str, str]], *, name: str) -> dict[str, Any]:
    """One conversation in the export's form."""
    end = now() - number * MINUTE
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
            "model": {"endpoint": "test", "name": name} if role == "assistant" else None,
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
        "model": {"endpoint": "test", "name": name},
        "memory": None,
        "tags": [],
        "pinned": False,
        "archived": False,
        "head": ids[-1],
        "messages": messages,
    }
