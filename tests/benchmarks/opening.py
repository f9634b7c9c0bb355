"""What it costs to open a conversation, to scroll in it and to jump, by its length.

By hand: ``python -m tests.benchmarks.opening``. In one process, without a terminal, 120 x 40; processor time.
The texts are handed out from memory: the store's part is measured with the whole app.
"""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from textual.app import App, ComposeResult

from tests.benchmarks.texts import conversation
from tui_chat.core.headers import header_of
from tui_chat.core.models import Message
from tui_chat.core.ports import Body
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


async def main() -> None:
    """Print the table."""
    load_colours()
    print("messages       open       3 lines up      jump        resize    memory")
    for length in (50, 1_000, 10_000):
        await measure(length)


if __name__ == "__main__":
    asyncio.run(main())
