"""What planning and estimating cost, in CPU milliseconds; run by hand: ``python -m tests.benchmarks.planning``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tests.memory.branches import Branch, chat
from tui_chat.core.recall import Hit
from tui_chat.core.summary import Source, Summary
from tui_chat.core.tokens import measure
from tui_chat.memory import Request, strategy

SENTENCE = "The quick brown fox, who is 3 years old, jumps over the lazy dog's `fence()`.\n"
TEXTS = {
    "English": SENTENCE,
    "code": "    def plan(self, branch: Branch, *, room: int = 20) -> Plan:\n        return self.table[branch]\n",
    "Chinese": "轻敲键盘，对话就会继续；没有任何内容会丢失。\n",
    "base64": "aGVsbG8gd29ybGQsIHRoaXMgaXMgYmFzZTY0IDEyMzQ1Njc4OTAK",
    "path": "src/lib/",
}


TARGET = 20
"""Milliseconds for a plan on ten thousand messages: it is made while somebody types."""

HITS, SOURCES = 200, 5_000


def cpu_milliseconds(*works: Callable[[], object], rounds: int = 9) -> list[float]:
    """The best of some rounds for each, in turns: what they cost without their neighbours, by the same clock speed."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for place, work in enumerate(works):
            began = time.process_time()
            work()
            best[place] = min(best[place], time.process_time() - began)
    return [seconds * 1000 for seconds in best]


def found_in(branch: Branch) -> tuple[Hit, ...]:
    """Hits all over the branch, the older the better, as many as an index tells of."""
    every = branch[:: max(1, len(branch) // HITS)][:HITS]
    return tuple(
        Hit(each.id, 1 - place / (2 * HITS), each.role, each.created_at, each.tokens, each.lines)
        for place, each in enumerate(every)
    )


def summary_of(branch: Branch) -> Summary:
    """A summary of the older half."""
    sources = tuple(map(Source.of, branch[: min(SOURCES, len(branch) // 2)]))
    return Summary("s", "What was said.", sources, "a model", 0, 300)


def print_plans(size: int) -> None:
    """A row for each kind of plan, and how often the plainest one fits into it."""
    branch = chat("ua" * (size // 2), tokens=120)
    marked = chat("ua" * (size // 2), tokens=120, pinned=range(0, size, 25), excluded=range(7, size, 40))
    plain = Request(context_window=10_000_000, draft=SENTENCE, system_prompt=SENTENCE)
    everything = replace(
        plain, max_messages=size, low=0.5, anchor_id=f"m{size // 4}", factor=1.15, calibrated=True, residual=90
    )
    rows: list[tuple[str, str, Branch, Request]] = [
        ("window", "plain", branch, plain),
        ("window", "blocks, marks, corrected", marked, everything),
        ("full", "plain", branch, plain),
        ("full", "marks, corrected", marked, everything),
        ("summary", "none yet", branch, plain),
        ("summary", "half of it summarised", branch, replace(plain, summary=summary_of(branch))),
        ("retrieval", "nothing found", branch, plain),
        ("retrieval", f"{HITS} hits", branch, replace(plain, ranked=found_in(branch))),
        ("retrieval", f"{HITS} hits, marks, corrected", marked, replace(everything, ranked=found_in(branch))),
    ]
    for name, what, messages, asked in rows:
        known, least = strategy(name), strategy("window")
        spent, baseline = cpu_milliseconds(
            lambda: known.plan(messages, asked),  # noqa: B023 - run within the round
            lambda: least.plan(branch, plain),  # noqa: B023
        )
        over = f"  over {TARGET} ms" if spent > TARGET else ""
        print(f"plan {name:9} {what:29} {size:6,} messages {spent:7.2f} ms {spent / baseline:5.2f} x plain{over}")


def main() -> None:
    for size in (50, 1_000, 10_000):
        print_plans(size)
    for name, piece in TEXTS.items():
        text = piece * (1_000_000 // len(piece))
        (spent,) = cpu_milliseconds(lambda: measure(text), rounds=3)  # noqa: B023 - run within the round
        print(f"measure {name:8} {len(text):9,} characters {spent:8.2f} ms")


if __name__ == "__main__":
    main()
