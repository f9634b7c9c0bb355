"""Steps that take a while, one after the other: what a person did first counts first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

Step = Callable[[], Awaitable[object]]


class InOrder:
    """``run`` starts a worker. A step says itself what went wrong; one that raises ends none behind it."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._run = run
        self._steps: deque[Step] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether a step is under way."""
        return not self._idle.is_set()

    def add(self, step: Step) -> None:
        """Take it behind those that are there."""
        self._steps.append(step)
        if self._idle.is_set():
            self._idle.clear()
            self._run(self._go())

    async def settled(self, seconds: float) -> None:
        """Wait until all are done, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def _go(self) -> None:
        try:
            while self._steps:
                await self._steps.popleft()()
        finally:
            self._idle.set()
