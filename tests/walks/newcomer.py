"""A newcomer at a terminal: presses keys, reads the screen, and is counted."""

from __future__ import annotations

import asyncio
import select
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from pathlib import Path
from time import monotonic, perf_counter
from typing import Self

from tests.servers.terminal import DEADLINE, TUI_CHAT, Computer, Terminal

ENTER, UP, DOWN, F2 = "\r", "\x1b[A", "\x1b[B", "\x1bOQ"
ADD, MODELS, QUIT, SAVE, TEST = "\x0e", "\x0f", "\x11", "\x13", "\x14"

GUIDE_ANSWERS = "offline guide, not an AI"
PROMPT = "Message (enter sends"


class Newcomer(Terminal):
    """``tui-chat`` as somebody starts it; ``keys`` and ``letters`` are what they pressed and typed so far."""

    def __init__(self, computer: Computer, *arguments: str) -> None:
        self.keys = self.letters = 0
        super().__init__([TUI_CHAT, *arguments], computer.environment)

    # -- what they do -------------------------------------------------------------------------

    def press(self, *keys: str) -> Self:
        """Press one key after the other."""
        for key in keys:
            self.keys += 1
            self.type(key)
        return self

    def write(self, text: str) -> Self:
        """Type it, a letter a key."""
        self.letters += len(text)
        self.type(text)
        return self

    def paste(self, text: str) -> Self:
        """Paste it: one key."""
        return self.press(f"\x1b[200~{text}\x1b[201~")

    def ask(self, text: str) -> Self:
        """Write a prompt and send it."""
        return self.write(text).press(ENTER)

    def stand_on(self, text: str) -> Self:
        """Move to the line of the list in front that has that in it, the short way."""
        self.until(lambda: bool(self._row_of(text)) and bool(self.highlighted), what=f"a list with {text!r}")
        for _ in range(20):
            if text in (here := self.highlighted):
                return self
            self.press(DOWN if self._row_of(text) > self.text.splitlines().index(here) else UP)
            self.until(lambda before=here: self.highlighted not in ("", before), what="a step in the list")  # type: ignore[misc]
        raise AssertionError(f"no way to {text!r} in\n{self.text}")

    def _row_of(self, text: str) -> int:
        """Where it stands in a list; 0 where it does not."""
        return next((row for row, line in enumerate(self.text.splitlines()) if text in line.partition("│")[2]), 0)

    def choose(self, text: str) -> Self:
        """Stand there and press enter."""
        return self.stand_on(text).press(ENTER)

    def is_answered_by(self, badge: str) -> None:
        """Wait until the badge says so, and the prompt is in front again."""
        self.until(lambda: badge in self.text and PROMPT in self.text, what=f"a prompt to {badge!r}")

    @property
    def highlighted(self) -> str:
        """The line of the list in front that has another ground than its neighbours; empty where none has."""
        lines = self.text.splitlines()
        for row in range(len(lines) - 1):
            line = lines[row]
            left = line.find("│") + 2
            grounds = {self._screen.buffer[row][column].bg for column in range(left, left + 40)}
            above = {self._screen.buffer[row - 1][column].bg for column in range(left, left + 40)}
            if left > 1 and len(grounds) == 1 and grounds.isdisjoint(above) and line[left : left + 40].strip():
                return line
        return ""

    # -- what they did ------------------------------------------------------------------------

    def told(self, who: str) -> str:
        """What it took until now, in a sentence; printed too."""
        seconds = perf_counter() - self.began
        sentence = f"{who}: {self.keys} keys and {self.letters} letters, {seconds:.1f} s"
        print(sentence)
        return sentence

    def leave(self) -> None:
        """Quit with the key, and see the program gone with all it had started."""
        family = descendants(self.pid)
        self.press(QUIT)
        assert 0 == self.wait_for_exit()
        end = monotonic() + DEADLINE
        while left := [pid for pid in family if is_alive(pid)]:
            assert monotonic() < end, f"{len(left)} of its processes still run"
            select.select([], [], [], 0.01)


def past_the_recovery_code(newcomer: Newcomer) -> Newcomer:
    """Write the code down, and confirm it; the first screen behind it."""
    newcomer.wait_for("Your recovery code")
    newcomer.press(ENTER)
    newcomer.wait_for("y confirms")
    newcomer.press("y")
    newcomer.until(lambda: "recovery code" not in newcomer.text and PROMPT in newcomer.text, what="the chat")
    return newcomer


def with_a_new_passphrase(newcomer: Newcomer, passphrase: str) -> Newcomer:
    """Choose it where no keyring is there, twice the same."""
    newcomer.wait_for("Choose a passphrase")
    newcomer.write(passphrase).press(ENTER)
    newcomer.wait_for("The same again")
    newcomer.write(passphrase).press(ENTER)
    return newcomer


def descendants(pid: int) -> list[int]:
    """The processes below this one (Linux)."""
    parents = dict(_parents())
    family = [pid]
    for each in family:
        family += [child for child, parent in parents.items() if parent == each]
    return family[1:]


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it ended meanwhile
            continue


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def files_with(folder: Path, *texts: str) -> list[str]:
    """The files below a folder in which one of these stands in clear."""
    clear = [text.encode() for text in texts]
    return [
        str(file) for file in folder.rglob("*") if file.is_file() and any(text in file.read_bytes() for text in clear)
    ]


@contextmanager
def in_a_thread(*servers: AbstractAsyncContextManager[object]) -> Iterator[None]:
    """The servers, entered one after the other and serving on a loop of their own."""
    ready, loop, done = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            for server in servers:
                await stack.enter_async_context(server)
            ready.set()
            await done.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
