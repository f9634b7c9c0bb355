"""A reply that streams while somebody types: how late the letters are, and what it costs.

By hand: ``python -m tests.benchmarks.streaming [ROUNDS]``.

1. 2,000 tokens at 100 a second, 10 keys a second: how long until a letter is on the screen, and the
   share of a core. The whole program, our transcript over an input, and stock Textual (``Markdown.get_stream``)
   over an input, one after the other in each round.
2. 10,000 tokens as fast as they come: processor time until all is drawn.
3. 5,000 tokens at 1,000 a second: every app has time for frames.

Another app is compared by another ``Candidate``: a program that writes ``began`` and ``ended`` lines.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.terminal import Terminal

KEYS_PER_SECOND = 10
# Letters that are in no text and are typed once each.
LETTERS = [chr(code) for code in (*range(0x2801, 0x2900), *range(0x2460, 0x2500))]


@dataclass(frozen=True)
class Candidate:
    """An app: its name, and the command that streams so many tokens at a rate and reports into a file."""

    name: str
    command: Callable[[int, float, Path], Sequence[str]]


def in_repository(name: str) -> Candidate:
    """One of ``streaming_apps``."""

    def command(tokens: int, rate: float, log: Path) -> Sequence[str]:
        return [sys.executable, "-m", "tests.benchmarks.streaming_apps", name, str(tokens), str(rate), str(log)]

    return Candidate(name, command)


CANDIDATES = (in_repository("program"), in_repository("transcript"), in_repository("stock"))


@dataclass
class Result:
    """Seconds throughout."""

    wall: float = 0.0
    cpu: float = 0.0
    echoes: list[float] = field(default_factory=list)
    unseen: int = 0
    written: int = 0
    resident_mib: float = 0.0

    def percentile(self, share: float) -> float:
        echoes = sorted(self.echoes)
        return echoes[min(len(echoes) - 1, int(share * len(echoes)))] if echoes else float("nan")


def measure(candidate: Candidate, *, tokens: int, rate: float, typing: bool) -> Result:
    """One run in a pseudo-terminal of 120 x 40."""
    result = Result()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        environment = dict(os.environ, TERM="xterm-256color", COLORTERM="truecolor")
        with Terminal(candidate.command(tokens, rate, log), environment, columns=120, rows=40) as terminal:
            terminal.until(lambda: bool(_events(log)), what="the stream", seconds=60)
            waiting: list[tuple[bytes, float, int]] = []
            letters = iter(LETTERS)
            next_key = time.perf_counter()
            end = time.monotonic() + 600
            while len(_events(log)) < 2:
                assert time.monotonic() < end, "the stream does not end"
                now = time.perf_counter()
                if typing and now >= next_key and (letter := next(letters, None)) is not None:
                    waiting.append((letter.encode(), now, len(terminal.raw)))
                    terminal.type(letter)
                    next_key += 1 / KEYS_PER_SECOND
                terminal.read(0.002)
                waiting = _seen(terminal, waiting, result)
            result.resident_mib = terminal.resident_mib()
            stop = time.monotonic() + 2
            while waiting and time.monotonic() < stop:
                terminal.read(0.01)
                waiting = _seen(terminal, waiting, result)
            result.unseen = len(waiting)
            result.written = len(terminal.raw)
            began, ended = _events(log)[:2]
            result.wall, result.cpu = ended["wall"] - began["wall"], ended["cpu"] - began["cpu"]
    return result


def _seen(
    terminal: Terminal, waiting: list[tuple[bytes, float, int]], result: Result
) -> list[tuple[bytes, float, int]]:
    """Note the letters that are on the screen by now; those that are not."""
    now = time.perf_counter()
    rest = []
    for letter, typed, place in waiting:
        if terminal.raw.find(letter, place) >= 0:
            result.echoes.append(now - typed)
        else:
            rest.append((letter, typed, max(place, len(terminal.raw) - 8)))
    return rest


def _events(log: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def main(rounds: int) -> None:
    """Print both tables."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {rounds} rounds, medians\n")
    print("2,000 tokens at 100/s, 10 keys/s   echo p50    p99    max   CPU share   late   RSS   written")
    runs = [[measure(each, tokens=2000, rate=100, typing=True) for each in CANDIDATES] for _ in range(rounds)]
    for place, candidate in enumerate(CANDIDATES):
        results = [run[place] for run in runs]
        middle = _medians(results)
        print(
            f"{candidate.name:32} {middle(lambda r: r.percentile(0.5)) * 1e3:8.0f} ms"
            f" {middle(lambda r: r.percentile(0.99)) * 1e3:4.0f} ms {middle(lambda r: max(r.echoes)) * 1e3:4.0f} ms"
            f" {middle(lambda r: r.cpu / r.wall):8.0%} {middle(lambda r: r.wall - 20):8.1f} s"
            f" {middle(lambda r: r.resident_mib):4.0f} MiB {middle(lambda r: r.written) / 1e6:5.1f} MB"
            + (f"  ({sum(r.unseen for r in results)} letters never seen)" if any(r.unseen for r in results) else "")
        )
    in_a_hurry("10,000 tokens as fast as they come", 10_000, 0, rounds)
    in_a_hurry("5,000 tokens at 1,000/s", 5_000, 1_000, rounds)


def in_a_hurry(title: str, tokens: int, rate: float, rounds: int) -> None:
    """Print the processor time of a stream that nobody types into."""
    print(f"\n{title:36}   CPU     wall   written")
    runs = [[measure(each, tokens=tokens, rate=rate, typing=False) for each in CANDIDATES] for _ in range(rounds)]
    for place, candidate in enumerate(CANDIDATES):
        middle = _medians([run[place] for run in runs])
        print(
            f"{candidate.name:32} {middle(lambda r: r.cpu):8.2f} s {middle(lambda r: r.wall):6.2f} s"
            f" {middle(lambda r: r.written) / 1e6:5.1f} MB"
        )
    ratio = statistics.median(run[0].cpu / run[-1].cpu for run in runs)
    print(f"program / stock: {ratio:.2f}")


def _medians(results: Sequence[Result]) -> Callable[[Callable[[Result], float]], float]:
    return lambda value: statistics.median(value(result) for result in results)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
