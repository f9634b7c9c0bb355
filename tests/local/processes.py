"""What runs on this computer, as ``ps`` tells it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection
from typing import NamedTuple

SECONDS = 20
"""A bound for what should happen within the guard's grace."""


class Process(NamedTuple):
    pid: int
    parent: int
    state: str
    arguments: str


def processes() -> list[Process]:
    """Those that live; what only waits to be reaped does not."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    )
    split = (line.split(maxsplit=3) for line in listed.stdout.splitlines())
    every = [Process(int(each[0]), int(each[1]), each[2], each[3] if len(each) > 3 else "") for each in split]
    return [process for process in every if not process.state.startswith("Z")]


def family(pid: int) -> list[Process]:
    """A process and all that descend from it, parents first."""
    every = processes()
    found = [process for process in every if process.pid == pid]
    for member in found:
        found += [process for process in every if process.parent == member.pid]
    return found


def still_alive(pids: Collection[int]) -> list[Process]:
    """Those that live on after ``SECONDS``: asked until none is, for there is nothing to wait for."""
    deadline = time.monotonic() + SECONDS
    while (alive := [process for process in processes() if process.pid in pids]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive
