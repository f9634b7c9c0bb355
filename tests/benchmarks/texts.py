"""Synthetic conversations: answers as models write them, about four characters a token."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tui_chat.core.models import Message, ModelRef, Role

_SENTENCE = (
    "the model returns a list of items which can be cached between calls so that memory use stays small and every "
    "request keeps its own context window while the server streams tokens over one connection with backoff"
)
_WORDS = _SENTENCE.split()


def answer(tokens: int, seed: int = 0) -> str:
    """Headings, paragraphs, lists, code and tables in turn."""
    choose = random.Random(seed)
    blocks: list[str] = []
    size = 0
    while size < tokens * 4:
        make = (_heading, _paragraph, _list, _paragraph, _code, _paragraph, _table)[len(blocks) % 7]
        blocks.append(make(choose))
        size += len(blocks[-1]) + 2
    return "\n\n".join(blocks)[: tokens * 4]


def conversation(messages: int, seed: int = 0) -> Iterator[Message]:
    """Short prompts, answers of 30 to 400 tokens."""
    choose = random.Random(seed)
    for number in range(messages):
        is_answer = number % 2 == 1
        text = answer(choose.choice([30, 80, 150, 250, 400]), seed=number) if is_answer else _paragraph(choose)
        yield Message(
            id=f"m{number}",
            parent_id=f"m{number - 1}" if number else None,
            role=Role.ASSISTANT if is_answer else Role.USER,
            text=text,
            created_at=1_770_000_000_000 + number * 60_000,
            model=ModelRef("local", "llama3.2") if is_answer else None,
        )


def _sentence(choose: random.Random, words: int) -> str:
    return " ".join(choose.choices(_WORDS, k=words))


def _heading(choose: random.Random) -> str:
    return "## " + _sentence(choose, 4).title()


def _paragraph(choose: random.Random) -> str:
    words = choose.choices(_WORDS, k=choose.randint(15, 60))
    for place in range(0, len(words), 11):
        words[place] = choose.choice(["**%s**", "*%s*", "`%s`", "[%s](https://example.org/x)"]) % words[place]
    return " ".join(words).capitalize() + "."


def _list(choose: random.Random) -> str:
    return "\n".join(
        f"{'  ' if n % 3 == 2 else ''}- {_sentence(choose, 12)} `{choose.choice(_WORDS)}`" for n in range(6)
    )


def _code(choose: random.Random) -> str:
    lines = [f'    value_{n} = self.{choose.choice(_WORDS)}(x, "{choose.choice(_WORDS)}")  # note' for n in range(12)]
    return "\n".join(["```python", "def work(self, x: int = 1) -> str:", *lines, "```"])


def _table(choose: random.Random) -> str:
    rows = [f"| {choose.choice(_WORDS)} | {n} | {_sentence(choose, 5)} |" for n in range(5)]
    return "\n".join(["| name | value | note |", "|---|---:|---|", *rows])
