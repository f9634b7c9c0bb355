"""What planning and estimating cost, in CPU milliseconds; run by hand: ``python -m tests.benchmarks.planning``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tests.memory.branches import chat
from tui_chat.core.tokens import measure
from tui_chat.memory import STRATEGIES, Request

SENTENCE = "The quick brown fox, who is 3 years old, jumps over the lazy dog's `fence()`.\n"
TEXTS = {
    "English": SENTENCE,
    "code": "    def plan(self, branch: Branch, *, room: int = 20) -> Plan:\n        return self.table[branch]\n",
    "Chinese": "轻敲键盘，对话就会继续；没有任何内容会丢失。\n",
    "base64": "aGVsbG8gd29ybGQsIHRoaXMgaXMgYmFzZTY0IDEyMzQ1Njc4OTAK",
    "path": "src/lib/",
}


def cpu_milliseconds(work: Callable[[], object], *, rounds: int = 7) -> float:
    """The best of some rounds: what the work costs without its neighbours."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best * 1000


def main() -> None:
    request = Request(context_window=10_000_000, draft=SENTENCE, system_prompt=SENTENCE)
    for size in (50, 1_000, 10_000):
        branch = chat("ua" * (size // 2), tokens=120)
        marked = chat("ua" * (size // 2), tokens=120, pinned=range(0, size, 25), excluded=range(7, size, 40))
        everything = replace(
            request, max_messages=size, low=0.5, anchor_id=f"m{size // 4}", factor=1.15, calibrated=True
        )
        for known in STRATEGIES:
            for what, messages, asked in (("", branch, request), ("all of it", marked, everything)):
                spent = cpu_milliseconds(lambda: known.plan(messages, asked))  # noqa: B023 - run within the round
                print(f"plan {known.name:8} {what:10} {size:7,} messages {spent:8.2f} ms")
    for name, piece in TEXTS.items():
        text = piece * (1_000_000 // len(piece))
        spent = cpu_milliseconds(lambda: measure(text), rounds=3)  # noqa: B023 - run within the round
        print(f"measure {name:8} {len(text):9,} characters {spent:8.2f} ms")


if __name__ == "__main__":
    main()
