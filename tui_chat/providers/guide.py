"""The built-in offline guide: answers from the program's own texts. It is not an AI and says so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from typing import ClassVar

from tui_chat.core.context import ContextPlan
from tui_chat.core.events import Delta, Finished, TextDelta
from tui_chat.core.guide import flowing, topics
from tui_chat.core.models import Role
from tui_chat.core.ports import ModelCard

LABEL = "*Offline guide · not an AI*\n\n"

WORDS = {
    "start": "start begin connect connection model models endpoint endpoints key keys api url address server servers "
    "ollama llama lmstudio vllm openai anthropic claude gemini settings setup install ai gguf file files attach "
    "attachment image",
    "keys": "shortcut shortcuts keyboard binding bindings press keymap hotkey hotkeys",
    "memory": "memory context window token tokens remember remembers forget forgets forgot truncated truncation "
    "warning dimmed sent budget full limit summary retrieval temperature sampling",
    "branches": "branch branches edit regenerate version versions undo resend retry delete clear",
    "export": "export import backup markdown json command commands cli script ask copy",
    "privacy": "privacy private encrypted encryption keyring passphrase password recovery secret secure security lock "
    "plaintext telemetry",
}
"""Words that ask for a topic; the topic's own name always does."""

GREETINGS = frozenset(("help", "hi", "hello", "hey"))

DEFAULT = """\
I answer from this program's guide only; I did not understand that, and nothing you typed left this computer.

To talk to a model:

1. Start a model server on this computer (Ollama, llama.cpp, LM Studio …), or have an address and a key of a service.
2. Press **ctrl+o**: what runs on this computer is listed, **ctrl+n** adds an address and a key, and tests them.
3. Choose a model. A model file (GGUF) on this computer is one too: *open a model file*.

Ask me about: {topics}. `/sample` shows how a formatted answer looks.
"""

SAMPLE = """\
# A sample answer

Nothing here was computed: it is a fixed text with **bold**, *italic*, ~~struck~~ and `code` words, so that you can \
see how answers look, search them, copy them and export them.

## A list

1. Type a question.
2. Read the answer.
   - Copy it with `y`.
   - Ask again with `r`.

## A table

| Strategy | What the model sees | Good for |
|:---------|:--------------------|---------:|
| window   | the last 20 messages | long talks |
| full     | everything, or an error | short ones |

## Code

```python
def greet(name: str) -> str:
    \"\"\"Say hello.\"\"\"
    return f"Hello, {name}! naïve café 漢字 🙂"
```

> A quotation stands apart,
> over several lines.

Links show where they lead: [the Markdown guide](https://commonmark.org/help/).
"""


class GuideProvider:
    """Answers at once, from texts that ship with the program; opens no connection."""

    dialect: ClassVar[str] = "guide"

    def render(self, plan: ContextPlan, *, model: str) -> bytes:
        """Nothing: nothing is sent."""
        return b""

    async def stream(self, plan: ContextPlan, *, model: str) -> AsyncGenerator[Delta, None]:
        """The guide's answer to the last thing the user said, paragraph by paragraph."""
        asked = next((message.content for message in reversed(plan.payload) if message.role is Role.USER), "")
        text = await asyncio.to_thread(answer, asked)
        for paragraph in re.findall(r".+?(?:\n{2,}|\Z)", LABEL + text, re.DOTALL):
            yield TextDelta(paragraph)
            await asyncio.sleep(0)  # so that a long text does not hold up the screen
        yield Finished("stop")

    async def models(self) -> Sequence[ModelCard]:
        return (ModelCard("guide"),)

    async def close(self) -> None:
        """Nothing is open."""


def answer(asked: str) -> str:
    """The text for a question: a command, the topic most of whose words occur, or how to go on."""
    words = re.findall(r"[a-z]+", asked.lower())
    if asked.strip().lower().startswith("/sample"):
        return SAMPLE
    named = next((word for word in words if word in topics()), None)
    if named is not None and len(words) <= 2:  # "memory", "/help memory"
        return flowing(topics()[named])
    if not words or (len(words) <= 2 and words[0] in GREETINGS):
        return overview()
    hits = {name: sum(word in known or word == name for word in words) for name, known in _known().items()}
    best = max(hits, key=lambda name: hits[name])
    return flowing(topics()[best]) if hits[best] else DEFAULT.format(topics=_named())


def overview() -> str:
    """What there is to ask for."""
    lines = (f"- **{name}**: {_title(text)}" for name, text in topics().items())
    return (
        "Ask for a topic by its name:\n\n"
        + "\n".join(lines)
        + "\n- **/sample**: how a formatted answer looks\n\n"
        + "To talk to a model: **ctrl+o**.\n"
    )


def _known() -> dict[str, frozenset[str]]:
    return {name: frozenset(WORDS.get(name, "").split()) for name in topics()}


def _named() -> str:
    return ", ".join(f"**{name}**" for name in topics())


def _title(text: str) -> str:
    return text.partition("\n")[0].lstrip("# ").strip()
