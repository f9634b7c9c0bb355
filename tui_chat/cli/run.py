"""One run of a command: who asks, the way into the history, and how the body is run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from tui_chat.cli import output
from tui_chat.cli.asking import ENDING
from tui_chat.cli.unlock import Unlocking
from tui_chat.core.errors import NotFound
from tui_chat.services.program import Program, Services

Result = TypeVar("Result")

DEFAULT_USER = "default"


class MakeProgram(Protocol):
    """Makes the program of a run; called only by commands that need one."""

    def __call__(
        self, *, user: str | None, model: str | None, gguf: Path | None = None, interactive: bool
    ) -> Program: ...


@dataclass
class Run:
    """What the global options and the surroundings say; click hands it to every command."""

    make_program: MakeProgram
    open_app: Callable[[Program, str | None], int]
    environment: Mapping[str, str]
    user: str | None = None
    model: str | None = None
    gguf: Path | None = None
    programs: list[Program] = field(default_factory=list)

    def program(self, *, interactive: bool = False) -> Program:
        """The program, made once; what in the settings file was not understood goes to stderr."""
        if not self.programs:
            program = self.make_program(user=self.user, model=self.model, gguf=self.gguf, interactive=interactive)
            self.programs.append(program)
            for problem in program.settings_problems:
                output.note(problem)
        return self.programs[0]

    def do(self, body: Callable[[Program], Coroutine[Any, Any, Result]]) -> Result:
        """Run a body that needs no open history."""
        return run_until_done(body(self.program()))

    def with_history(
        self, body: Callable[[Services], Awaitable[Result]], *, create: bool = False, writes: bool = True
    ) -> Result:
        """Unlock the user's history, run the body with it, close it.

        A missing history is made with ``create``. Else it is exit 4, except that the missing
        ``default`` reads as empty for a body that writes nothing.
        """

        async def opened() -> Result:
            async with self.history(create=create, writes=writes) as services:
                return await body(services)

        return run_until_done(opened())

    @asynccontextmanager
    async def history(self, *, create: bool, writes: bool) -> AsyncIterator[Services]:
        """The open history, closed afterwards."""
        program = self.program()
        services = await self._opened(program, create=create, writes=writes)
        for problem in services.endpoints.problems:
            output.note(problem)
        try:
            yield services
        finally:
            await services.close()

    async def _opened(self, program: Program, *, create: bool, writes: bool) -> Services:
        access, unlocking = program.access(), Unlocking(self.environment)
        if await access.exists():
            services = await unlocking.open(access)
            if writes:
                # Who never opens the app has this done too: what is past undo is erased for good.
                await services.library.tidy()
            return services
        if create:
            services = await unlocking.create(access)
            output.note(f"Made the user “{program.user}” with a key and a history of its own.")
            output.note("No recovery code was shown: `tui-chat keys recovery` makes one.")
            return services
        if program.user == DEFAULT_USER and not writes:
            return access.open_empty()
        raise no_history_of(program.user)


def no_history_of(user: str) -> NotFound:
    """Why there is nothing to open."""
    if user == DEFAULT_USER:
        return NotFound("There is no history yet.", hint="`tui-chat`, `ask`, `new` and `import` make one.")
    return NotFound(f"There is no history of a user “{user}”.", hint="`tui-chat users` lists the users.")


def run_until_done(body: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end. Ctrl-C, SIGTERM and SIGHUP cancel it, so that what arrived is saved."""

    async def main() -> Result:
        task = asyncio.ensure_future(body)
        loop = asyncio.get_running_loop()
        received: list[int] = []

        def cancel(number: int) -> None:
            received.append(number)
            task.cancel()

        for number in ENDING:
            loop.add_signal_handler(number, cancel, number)
        try:
            return await task  # asyncio.run cancels this at Ctrl-C, and with it the task
        except asyncio.CancelledError:
            if received:
                raise click.exceptions.Exit(128 + received[0]) from None
            raise
        finally:
            for number in ENDING:
                loop.remove_signal_handler(number)

    return asyncio.run(main())


pass_run = click.make_pass_decorator(Run)
"""Gives a command its ``Run``."""
