"""One request of any dialect: asked again while the server is busy, then read to its end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Protocol

from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import ProviderError
from tui_chat.core.events import Delta, ParameterDropped, RetryScheduled
from tui_chat.providers.http import Answer, Refused
from tui_chat.providers.refusals import Speaker
from tui_chat.providers.refused_parameters import refused_parameter
from tui_chat.providers.waits import LONGEST_WAIT, RETRIES, backoff

Sleep = Callable[[float], Awaitable[None]]
Chance = Callable[[], float]


class Reader(Protocol):
    """A dialect's reading of one answer's body."""

    @property
    def complete(self) -> bool:
        """Whether all is said and nothing more is to be fed."""

    @property
    def ending(self) -> bool:
        """Whether the model or the server said that it is done; something may still follow."""

    @property
    def patience(self) -> float:
        """Seconds worth waiting for what still follows."""

    def feed(self, piece: bytes) -> Iterator[Delta]:
        """The deltas in this piece; an empty piece is the end of the body. Raises ProviderError."""


async def exchange(
    ask: Callable[[ContextPlan], Awaitable[Answer | Refused]],
    plan: ContextPlan,
    reader: Callable[[Speaker], Reader],
    *,
    sleep: Sleep,
    chance: Chance = random.random,
) -> AsyncGenerator[Delta, None]:
    """Ask, again at most twice while nothing has come back, and yield what comes.

    Where a sampling parameter is refused, it is asked at once without that one, of which each goes once.
    ``reader`` is made for who answers.
    """
    retry = 0
    while isinstance(outcome := await ask(plan), Refused):
        if name := refused_parameter(outcome, plan.sampling):
            plan = plan.without_parameter(name)
            yield ParameterDropped(name)
            continue
        wait = _wait(outcome, retry, chance)
        scheduled = RetryScheduled(wait, str(outcome.error))
        yield scheduled
        await _rest(sleep(wait), scheduled.now)
        retry += 1
    try:
        read = reader(outcome.speaker)
        while not read.complete:
            for delta in read.feed(await _next(outcome, read)):
                yield delta
    finally:
        await outcome.close()


async def _rest(sleep: Awaitable[None], now: asyncio.Event) -> None:
    """Until the wait is over, or somebody will not wait."""
    tasks = {asyncio.ensure_future(sleep), asyncio.ensure_future(now.wait())}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _wait(refused: Refused, retry: int, chance: Chance) -> float:
    """Seconds until the next try. Raises the refusal where there is none."""
    wait = backoff(retry, chance()) if refused.wait is None else refused.wait
    if not refused.again or retry >= RETRIES or wait > LONGEST_WAIT:
        raise refused.error
    return wait


async def _next(answer: Answer, read: Reader) -> bytes:
    """The next piece. Once the model has finished, an end that is late or rough is an end all the same."""
    if not read.ending:
        return await answer.next()
    try:
        return await answer.next(within=read.patience)
    except ProviderError:
        return b""
