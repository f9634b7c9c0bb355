"""From process start to the first typed letter, and to the last of 50 messages.

By hand: ``python -m tests.benchmarks.startup [ROUNDS]``.

Both apps run in a pseudo-terminal, one after the other in each round, so that they share the weather.
The installed app has a real Secret Service, and resumes a conversation of 50 messages.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.servers.terminal import Computer, Terminal, computer_with_keyring
from tui_chat.core.ids import make_id
from tui_chat.core.models import Conversation, Message, Role
from tui_chat.core.ports import ExportedConversation
from tui_chat.transfer.json_format import JsonFormat

BARE = """
from textual.app import App
from textual.widgets import Input, Static

class Bare(App):
    def compose(self):
        yield Input()
        yield Static("READY")

Bare().run()
"""

LETTER = "ζ"
"""One that no screen has before it is typed."""

LAST_WORDS = "the very last words"
TITLE = "Fifty messages"
PROMPT_READY = "essage (enter sends"  # the cursor stands on its M

PROSE = (
    "The **short** answer is that it depends on what you measure, and the longer one takes a paragraph. "
    "A process that starts has to read its modules, build its widgets and paint them once; everything that "
    "can wait until then should wait. See [the notes](https://example.org/notes) for `importtime` and others.\n\n"
    "- first, measure what a bare program costs\n- second, look at what is imported\n- third, move what can wait\n"
)
CODE = "```python\ndef ratio(paint: float, bare: float = 0.2) -> float:\n    return paint / bare  # of two\n```\n"


@dataclass(frozen=True)
class Sample:
    """Seconds since the start of the process, and its processor time."""

    letter: float
    letter_cpu: float
    last_message: float = 0.0
    last_message_cpu: float = 0.0


def fifty_messages() -> bytes:
    """An export of one conversation of 50 messages, a code block in every fourth reply."""
    messages: list[Message] = []
    for number in range(50):
        role = Role.ASSISTANT if number % 2 else Role.USER
        text = f"Question {number}: why does it start slowly?" if role is Role.USER else PROSE
        if number % 8 == 7:
            text += CODE
        if number == 49:
            text += f"\n{LAST_WORDS}"
        parent = messages[-1].id if messages else None
        messages.append(Message(make_id(), parent, role, text, 1_795_000_000_000 + number * 60_000))
    instant = messages[-1].created_at
    conversation = Conversation(make_id(), TITLE, messages[0].created_at, instant, head=messages[-1].id)
    return JsonFormat().dump([ExportedConversation(conversation, tuple(messages))], exported_at=instant, generator="")


def prepare(computer: Computer) -> None:
    """Give the computer a history in which the app resumes that conversation."""
    file = computer.root / "fifty.json"
    file.write_bytes(fifty_messages())
    counts = json.loads(computer.run("import", str(file), "--json"))
    assert counts["messages"] == 50
    with computer.start(TITLE, columns=120, rows=40) as app:
        app.wait_for(LAST_WORDS)
        app.type("\x11")
        app.wait_for_exit()


def start_bare(computer: Computer) -> Terminal:
    return Terminal([sys.executable, "-c", BARE], computer.environment, columns=120, rows=40)


def sample_bare(computer: Computer) -> Sample:
    with start_bare(computer) as app:
        app.seconds_until_written("READY")
        app.type(LETTER)
        return Sample(app.seconds_until_written(LETTER), app.cpu_seconds())


def sample_ours(computer: Computer) -> Sample:
    with computer.start(columns=120, rows=40) as app:
        app.seconds_until_written(PROMPT_READY)
        app.type(LETTER)
        letter, cpu = app.seconds_until_written(LETTER), app.cpu_seconds()
        sample = Sample(letter, cpu, app.seconds_until_written(LAST_WORDS), app.cpu_seconds())
        app.type("\x7f")  # no draft for the next round
        app.wait_for(PROMPT_READY)
        app.type("\x11")
        app.wait_for_exit()
        return sample


def report(name: str, samples: Sequence[Sample], bare: Sequence[Sample], measure: Callable[[Sample], float]) -> None:
    ours, theirs = [measure(each) * 1000 for each in samples], [each.letter * 1000 for each in bare]
    print(
        f"{name:34} min {min(ours):6.0f} ms   median {statistics.median(ours):6.0f} ms   x bare's letter: "
        f"min {min(ours) / min(theirs):4.2f}   median {statistics.median(ours) / statistics.median(theirs):4.2f}"
    )


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    bare, ours = [], []
    with computer_with_keyring() as computer:
        prepare(computer)
        sample_bare(computer)
        sample_ours(computer)
        for _ in range(rounds):
            bare.append(sample_bare(computer))
            ours.append(sample_ours(computer))
    report("bare Textual: first letter", bare, bare, lambda each: each.letter)
    report("tui-chat: first letter (1.5)", ours, bare, lambda each: each.letter)
    report("tui-chat: last message (2.2)", ours, bare, lambda each: each.last_message)
    for name, of in (
        ("bare, letter", [each.letter_cpu for each in bare]),
        ("tui-chat, letter", [each.letter_cpu for each in ours]),
        ("tui-chat, last message", [each.last_message_cpu for each in ours]),
    ):
        print(f"CPU {name:30} min {min(of) * 1000:6.0f} ms   median {statistics.median(of) * 1000:6.0f} ms")


if __name__ == "__main__":
    main()
