"""What retrieval finds and what it costs; run by hand: ``python -m tests.benchmarks.retrieval``."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tests.recall.asking import share_held
from tests.recall.parts import put
from tests.recall.planted import FACTS, conversation, long_conversation
from tui_chat.core.ports import Passage
from tui_chat.memory import strategy
from tui_chat.memory.query import terms_of
from tui_chat.recall import BranchIndex

SEEDS = (1, 2, 3)
TERMS = 5
STOP_WORDS = 150


async def print_quality() -> None:
    branches = [conversation(seed=seed) for seed in SEEDS]
    tokens = sum(each.tokens for each in branches[0])
    print(f"{len(FACTS)} facts in {len(branches[0])} messages (~{tokens:,} tokens), mean of {len(SEEDS)} conversations")
    for room in (1024, 2048, 4096, 8192):
        shares = []
        for name in ("window", "retrieval"):
            shares.append(sum([await _share(name, branch, room) for branch in branches]) / len(branches))
        print(f"  in {room:5,} tokens   window {shares[0]:6.1%}   retrieval {shares[1]:6.1%}")


async def _share(name: str, branch: Sequence[Passage], room: int) -> float:
    index = BranchIndex()
    await put(index, branch)
    share = await share_held(strategy(name), branch, index, room)
    await index.close()
    return share


async def print_speed(messages: int) -> None:
    branch = long_conversation(messages)
    characters = sum(len(each.text) for each in branch)
    index = BranchIndex()
    heart = _Heart()
    began, cpu = time.perf_counter(), time.process_time()
    async with heart:
        await put(index, branch)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    print(f"{messages:6,} messages, {characters / 1e6:.1f} MB")
    print(f"  build {cpu:.2f} s of processor, {wall:.2f} s in all; the loop was late by {heart.late} at most")
    print(f"  question of {TERMS} words  {await _times(index, _questions(branch, 300))}")
    text = " ".join(each.text for each in branch)[:100_000]
    began = time.process_time()
    terms = terms_of(text)
    print(f"  words of 100 kB  {(time.process_time() - began) * 1000:.1f} ms for {len(terms):,}")
    print(f"  question of them  {await _times(index, [terms] * 5)}")
    began = time.process_time()
    await put(index, [*branch, replace(branch[0], id="new"), replace(branch[1], id="newer")])
    print(f"  a turn more  {(time.process_time() - began) * 1000:.1f} ms")
    await index.close()


def _questions(branch: Sequence[Passage], number: int) -> Sequence[Sequence[str]]:
    """Words of one message each, without the commonest of all, which stand for the stop words."""
    choose = random.Random(1)
    counts = Counter(word for each in branch for word in each.text.split())
    common = {word for word, _ in counts.most_common(STOP_WORDS)}
    content = [sorted({*each.text.split()} - common) for each in branch]
    return [choose.sample(words, TERMS) for words in choose.choices(content, k=2 * number) if len(words) >= TERMS][
        :number
    ]


async def _times(index: BranchIndex, asked: Sequence[Sequence[str]]) -> str:
    spent = []
    for terms in asked:
        began = time.process_time()
        await index.rank(terms)
        spent.append((time.process_time() - began) * 1000)
    spent.sort()
    return f"p50 {spent[len(spent) // 2]:.1f} ms, p95 {spent[len(spent) * 95 // 100]:.1f} ms of processor"


class _Heart:
    """Beats each millisecond on the loop, as drawing would, and keeps how late it was at most."""

    def __init__(self) -> None:
        self._lates: list[float] = []

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._beat())
        await asyncio.sleep(0.05)
        self._lates.clear()

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    @property
    def late(self) -> str:
        lates = sorted(self._lates)
        return f"{lates[-1] * 1000:.1f} ms (p99 {lates[len(lates) * 99 // 100] * 1000:.1f})"

    async def _beat(self) -> None:
        while True:
            due = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            self._lates.append(max(0.0, time.perf_counter() - due))


def main() -> None:
    asyncio.run(print_quality())
    for messages in (1_000, 10_000):
        asyncio.run(print_speed(messages))


if __name__ == "__main__":
    main()
