"""A program that talks, types and tells on its stdout what was acknowledged to it, until it is killed.

``python -m tests.servers.killed HISTORY URL CHECKPOINT_SECONDS``. Three conversations at once: one
with brief replies, one whose reply never ends, one where a draft is typed. Each line of stdout is
one thing that the program was told, as JSON, with the time of the monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

from tui_chat.core.errors import NotFound
from tui_chat.core.events import PromptSaved, ReplyStarted, TextDelta, TurnEnded, TurnEvent
from tui_chat.core.models import ModelRef
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, Settings
from tui_chat.providers.connect import HttpProviders
from tui_chat.services.chat import ChatService
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.library import LibraryService
from tui_chat.services.planning import PlanningService
from tui_chat.services.spending import SpendingService
from tui_chat.store import SqliteStore, open_store

KEY = Secret(bytes(range(32)))
"""A raw key: no round pays for a key derivation."""

BRIEF, ENDLESS, TYPED = (f"0197a2b4-0000-7000-8000-00000000000{number}" for number in (1, 2, 3))


def tell(what: str, **fields: Any) -> None:
    """One line to whoever watches; written at once, so that a kill cannot take it back."""
    line = json.dumps({"what": what, "at": time.monotonic(), **fields}) + "\n"
    os.write(sys.stdout.fileno(), line.encode())


def telling() -> Callable[[TurnEvent], Awaitable[None]]:
    """An ``emit`` for one turn."""
    reply_id = ""

    async def emit(event: TurnEvent) -> None:
        nonlocal reply_id
        match event:
            case PromptSaved(prompt):
                tell("prompt", id=prompt.id, text=prompt.text)
            case ReplyStarted(reply):
                reply_id = reply.id
                tell("reply", id=reply.id)
            case TextDelta(text):
                tell("piece", id=reply_id, text=text)
            case TurnEnded(reply, error):
                assert error is None, error.sentence
                tell("ended", id=reply.id, text=reply.text, status=reply.status)

    return emit


def tell_checkpoints(store: SqliteStore) -> None:
    """Let each checkpoint be told when it is done, and how long it took."""
    write = store.checkpoint

    async def checkpoint(message_id: str, body: Any, at: int) -> None:
        begun = time.monotonic()
        await write(message_id, body, at)
        tell("checkpoint", id=message_id, length=len(body.text), seconds=time.monotonic() - begun)

    store.checkpoint = checkpoint  # type: ignore[method-assign]


async def main(history: Path, url: str, checkpoint_seconds: float, *, create: bool) -> None:
    settings = Settings(model=ModelRef("slow", "slow"), endpoints=(Endpoint("slow", url, context_window=100_000),))
    store = await open_store(history, KEY, create=create)
    tell_checkpoints(store)
    endpoints = EndpointService(
        HttpProviders(first_byte_timeout=30), store, lambda: settings, lambda _: None, {}, asks_consent=False
    )
    planning = PlanningService(store, endpoints, lambda: settings)
    spending = SpendingService(store, lambda: settings, endpoints)
    chat = ChatService(store, endpoints, planning, spending, checkpoint_seconds=checkpoint_seconds)
    library = LibraryService(store)
    for conversation_id in (BRIEF, ENDLESS, TYPED):
        try:
            await store.conversation(conversation_id)
        except NotFound:
            await library.new(conversation_id=conversation_id)

    async def talk(conversation_id: str) -> None:
        for number in count():
            await chat.send(conversation_id, prompt_text(conversation_id, number), telling())

    async def type_a_draft() -> None:
        for number in count():
            draft = f"draft {os.getpid()} " + "x" * number
            await library.save_draft(TYPED, draft)
            tell("draft", text=draft)
            await asyncio.sleep(0.02)

    await asyncio.gather(talk(BRIEF), talk(ENDLESS), type_a_draft())


def prompt_text(conversation_id: str, number: int) -> str:
    """A prompt with a word that no other prompt has; its first word says how long the reply is to be."""
    kind = "brief" if conversation_id == BRIEF else "endless"
    return f"{kind} question q{os.getpid()}x{number}{kind} naïve 漢字 \U0001f642"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    asyncio.run(main(place, sys.argv[2], float(sys.argv[3]), create=not place.exists()))
