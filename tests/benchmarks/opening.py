"""What it costs to open a conversation, to scroll in it and to jump, by its length.

By hand: ``python -m tests.benchmarks.opening``. In one process, without a terminal, 120 x 40; processor time.
First the transcript alone, its texts handed out from memory; then the whole app on an encrypted history, which
opens each conversation for the first time (list, title, plan, warning and draft included).
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from textual.app import App, ComposeResult

from tests.benchmarks.texts import conversation
from tests.fakes import ScriptedProvider
from tests.ui.chat_app import World
from tui_chat.core.headers import header_of
from tui_chat.core.ids import make_id
from tui_chat.core.models import Conversation, Message
from tui_chat.core.ports import Body, ExportedConversation
from tui_chat.transfer.json_format import JsonFormat
from tui_chat.ui.markdown.fences import load_colours
from tui_chat.ui.widgets.transcript import Transcript

AT_HAND = 20
SCROLLS = 100
JUMPS = 20


class Viewer(App[None]):
    """A transcript and nothing else."""

    def compose(self) -> ComposeResult:
        yield Transcript()


async def settled() -> None:
    """Until the process has nothing to do."""
    last = time.process_time()
    while True:
        await asyncio.sleep(0.05)
        if time.process_time() - last < 0.005:
            return
        last = time.process_time()


async def cost(work: Callable[[], Awaitable[None]]) -> float:
    """Milliseconds of processor time until all that follows from it is done."""
    before = time.process_time()
    await work()
    await settled()
    return (time.process_time() - before) * 1e3


async def measure(length: int) -> None:
    """Print one line of the table."""
    messages: list[Message] = list(conversation(length))
    headers = [header_of(each) for each in messages]
    bodies = {each.id: Body(each.text) for each in messages}

    async def fetch(ids: Sequence[str]) -> Mapping[str, Body]:
        return {each: bodies[each] for each in ids}

    app = Viewer()
    async with app.run_test(size=(120, 40)) as pilot:
        transcript = app.query_one(Transcript)
        # The parser and the lexers are there: the app loads them before it has read its history.
        transcript.show(headers[:2], fetch, bodies=bodies)
        await settled()
        memory = _resident()
        last = {each: bodies[each] for each in list(bodies)[-AT_HAND:]}

        async def open_it() -> None:
            transcript.show(headers, fetch, bodies=last)

        async def scroll() -> None:
            for _ in range(SCROLLS):
                transcript.move(-3)
                await pilot.pause()

        async def jump() -> None:
            choose = random.Random(1)
            for _ in range(JUMPS):
                transcript.jump_to(choose.choice(headers).id)
                await pilot.pause()

        async def resize() -> None:
            await pilot.resize_terminal(100, 38)

        opened = await cost(open_it)
        scrolled, jumped, resized = await cost(scroll) / SCROLLS, await cost(jump) / JUMPS, await cost(resize)
        print(
            f"{length:8,} {opened:9.1f} ms {scrolled:9.2f} ms {jumped:9.2f} ms {resized:9.1f} ms"
            f" {_resident() - memory:7.1f} MiB",
            flush=True,
        )


def _resident() -> float:
    """Memory held, in MiB; the highest so far where the system does not say (not Linux)."""
    file = Path("/proc/self/statm")
    if file.exists():
        return int(file.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measure_app() -> None:
    """Print what opening costs in the whole app, and its baseline: opening ten messages."""
    world = World(ScriptedProvider())
    services = await world.services()
    sizes = (50, 10, 1_000, 10_000)
    for size in sizes:
        messages = [
            replace(each, id=f"{size}-{each.id}", parent_id=each.parent_id and f"{size}-{each.parent_id}")
            for each in conversation(size)
        ]
        named = Conversation(make_id(), f"{size} messages", 0, 0, head=messages[-1].id)
        exported = [ExportedConversation(named, tuple(messages))]
        await services.transfer.load(JsonFormat().dump(exported, exported_at=0, generator="benchmark"))
    await services.close()
    async with world.app(size=(120, 40), conversation="50 messages") as chat:
        await settled()
        for size in sizes[1:]:
            found = await chat.services.library.find(f"{size} messages")
            spent = await cost(partial(chat.screen.show_conversation, found.id))
            print(f"{size:8,} {spent:9.1f} ms   opened in the whole app", flush=True)


async def main() -> None:
    """Print the table."""
    load_colours()
    print("messages       open       3 lines up      jump        resize    memory")
    for length in (50, 1_000, 10_000):
        await measure(length)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUI_CHAT_HOME"] = folder
        await measure_app()


if __name__ == "__main__":
    asyncio.run(main())
