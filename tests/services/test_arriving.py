"""A reply when it ends: its thinking told apart from its answer, whoever marked it."""

from __future__ import annotations

import pytest

from tests.fakes import ScriptedProvider
from tests.services.conftest import MakeBench, Watcher
from tui_chat.core.events import Delta, Finished, TextDelta, ThinkingDelta


@pytest.mark.parametrize(
    ("pieces", "thinking", "text"),
    [
        (["Let me see.\n</th", "ink>\n\nFour."], "Let me see.", "Four."),
        (["One.\n</think>\nTwo.\n</think>\nThree."], "One.", "Two.\n</think>\nThree."),
        (["The tag `</think>` ends it."], "", "The tag `</think>` ends it."),
        (["```\n<x>\n</think>\n```\nis how."], "", "```\n<x>\n</think>\n```\nis how."),
        (["First <think>\n</think>\nthen."], "", "First <think>\n</think>\nthen."),
    ],
)
async def test_thinking_of_which_only_the_end_is_marked_is_no_answer(
    bench: MakeBench, pieces: list[str], thinking: str, text: str
) -> None:
    said: list[Delta] = [TextDelta(piece) for piece in pieces]
    said.append(Finished("stop"))
    made = bench(ScriptedProvider(said))
    home, watcher = await made.library.new(), Watcher()

    await made.chat.send(home.id, "2 + 2?", watcher)

    assert (thinking, text) == (watcher.reply.thinking, watcher.reply.text)
    assert watcher.reply == await made.store.message(watcher.reply.id)


async def test_what_the_server_told_apart_is_left_as_it_is(bench: MakeBench) -> None:
    said: list[Delta] = [ThinkingDelta("Hm."), TextDelta("A line\n</think>\nand another."), Finished("stop")]
    made = bench(ScriptedProvider(said))
    home, watcher = await made.library.new(), Watcher()

    await made.chat.send(home.id, "Say it.", watcher)

    assert ("Hm.", "A line\n</think>\nand another.") == (watcher.reply.thinking, watcher.reply.text)


async def test_only_thinking_is_no_answer(bench: MakeBench) -> None:
    made = bench(ScriptedProvider([TextDelta("Let me see.\n</think>\n"), Finished("stop")]))
    home, watcher = await made.library.new(), Watcher()

    await made.chat.send(home.id, "2 + 2?", watcher)

    assert ("Let me see.", "") == (watcher.reply.thinking, watcher.reply.text)
    assert "The model thought, but gave no answer." in (watcher.reply.error or "")
