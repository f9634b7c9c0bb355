"""The apps that ``streaming`` compares: the whole program, our transcript over an input, and stock widgets over one.

Each is told how many tokens come and how fast, and prints into a file when they began and were all drawn.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Input, Markdown

from tests.benchmarks.texts import answer, conversation
from tests.fakes import ScriptedProvider
from tests.ui.chat_app import World
from tui_chat.core.context import ContextPlan
from tui_chat.core.events import Delta, Finished, TextDelta
from tui_chat.core.headers import header_of
from tui_chat.core.models import Message, Status
from tui_chat.core.ports import Body
from tui_chat.ui.app import TuiChatApp
from tui_chat.ui.widgets.prompt import PromptInput
from tui_chat.ui.widgets.transcript import Transcript

HISTORY = 4
CHARACTERS_PER_TOKEN = 4
Feed = Callable[[str], Awaitable[None]]


class StreamingApp(App[None]):
    """Streams one answer below some messages, over an input that has the focus."""

    CSS = "VerticalScroll { height: 1fr; }"

    def __init__(self, tokens: int, rate: float, log: Path) -> None:
        super().__init__()
        self.messages = list(conversation(HISTORY))
        self.text = answer(tokens, seed=3)
        self.rate = rate
        self.report = log

    async def on_ready(self) -> None:
        self.query_one(Input).focus()
        self.run_worker(self.stream())

    async def stream(self) -> None:
        """Deliver the answer token by token: ``rate`` a second, or as fast as the app takes them (0)."""
        await self.begin()
        await asyncio.sleep(1)
        began, cpu = time.perf_counter(), time.process_time()
        self.say(event="began", wall=began, cpu=cpu)
        async for piece in self.pieces(began):
            await self.feed(piece)
        await self.finish()
        self.say(event="ended", wall=time.perf_counter(), cpu=time.process_time())

    async def pieces(self, began: float) -> AsyncIterator[str]:
        size = CHARACTERS_PER_TOKEN
        for number, start in enumerate(range(0, len(self.text), size)):
            due = began + number / self.rate if self.rate else 0
            await asyncio.sleep(max(0, due - time.perf_counter()))
            yield self.text[start : start + size]

    def say(self, **fields: object) -> None:
        with self.report.open("a") as file:
            file.write(json.dumps(fields) + "\n")

    async def begin(self) -> None:
        raise NotImplementedError

    async def feed(self, piece: str) -> None:
        raise NotImplementedError

    async def finish(self) -> None:
        """Return when all is drawn."""
        raise NotImplementedError


class Ours(StreamingApp):
    """With the transcript."""

    def compose(self) -> ComposeResult:
        yield Transcript()
        yield Input()

    async def begin(self) -> None:
        async def fetch(_: Sequence[str]) -> Mapping[str, Body]:
            return {}

        transcript = self.query_one(Transcript)
        bodies = {each.id: Body(each.text) for each in self.messages}
        transcript.show([header_of(each) for each in self.messages], fetch, bodies=bodies)
        last = self.messages[-1]
        self.reply = replace(last, id="reply", parent_id=last.id, text="", status=Status.STREAMING)
        transcript.begin(self.reply)

    async def feed(self, piece: str) -> None:
        self.query_one(Transcript).feed("reply", piece)

    async def finish(self) -> None:
        done: Message = replace(self.reply, text=self.text, status=Status.COMPLETE)
        self.query_one(Transcript).settle(done)
        painted = asyncio.Event()
        self.call_after_refresh(painted.set)
        await painted.wait()


class Stock(StreamingApp):
    """With a Markdown widget a message and Textual's own stream."""

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            for each in self.messages:
                yield Markdown(each.text)
        yield Input()

    async def begin(self) -> None:
        container = self.query_one(VerticalScroll)
        container.anchor()
        markdown = Markdown()
        await container.mount(markdown)
        self.markdown_stream = Markdown.get_stream(markdown)

    async def feed(self, piece: str) -> None:
        await self.markdown_stream.write(piece)

    async def finish(self) -> None:
        await self.markdown_stream.stop()
        painted = asyncio.Event()
        self.call_after_refresh(painted.set)
        await painted.wait()


class Whole(TuiChatApp):
    """The program itself: an encrypted history, checkpoints, the plan and the list; only the model is ours."""

    def __init__(self, tokens: int, rate: float, log: Path) -> None:
        self.script = Ours(tokens, rate, log)
        world = World(Paced(self.script))
        world.add_endpoint()
        super().__init__(world.program())

    def on_mount(self) -> None:
        # Textual calls this beside the program's own.
        self.run_worker(self.talk())

    async def talk(self) -> None:
        await self.opened.wait()
        while len(self.screen_stack) < 2:  # a first start shows the recovery code
            await asyncio.sleep(0.01)
        self.pop_screen()
        chat = self._chat
        chat.prompt.focus()
        chat.post_message(PromptInput.Submitted("Tell me everything."))
        while [header.status for header in chat.shown.branch] != [Status.COMPLETE, Status.COMPLETE]:
            await asyncio.sleep(0.01)
        painted = asyncio.Event()
        self.call_after_refresh(painted.set)
        await painted.wait()
        self.script.say(event="ended", wall=time.perf_counter(), cpu=time.process_time())


class Paced(ScriptedProvider):
    """A model that answers with the script's text at the script's pace."""

    def __init__(self, script: StreamingApp) -> None:
        super().__init__()
        self.script = script

    async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        await asyncio.sleep(1)
        began = time.perf_counter()
        self.script.say(event="began", wall=began, cpu=time.process_time())
        async for piece in self.script.pieces(began):
            yield TextDelta(piece)
        yield Finished("stop")


if __name__ == "__main__":
    name, tokens, rate, log = sys.argv[1:]
    with tempfile.TemporaryDirectory() as home:
        os.environ["TUI_CHAT_HOME"] = home
        apps: dict[str, type[App[None]]] = {"program": Whole, "transcript": Ours, "stock": Stock}
        apps[name](int(tokens), float(rate), Path(log)).run()  # type: ignore[arg-type]
