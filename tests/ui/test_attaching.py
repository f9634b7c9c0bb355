"""Files on the chat screen: pasted, dropped, named or chosen; kept, shown, sent to the byte, and given back."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual import events

from tests.attached import attached, picture, png
from tests.fakes import GatedProvider, ScriptedProvider
from tests.ui.asking import a_world
from tests.ui.chat_app import Chat, World
from tests.ui.screen_fakes import words
from tui_chat.core import tokens
from tui_chat.core.attachments import expanded
from tui_chat.core.errors import StoreFailed
from tui_chat.core.models import Attachment
from tui_chat.core.ports import ModelCard
from tui_chat.core.settings import Endpoint
from tui_chat.services.options import Options
from tui_chat.ui.screens.attach import AttachScreen
from tui_chat.ui.widgets.chips import Chips

BIG = "\n".join(f"line {number} of a long log" for number in range(1_200))
TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2"
NOTES = attached("some text\n")


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


def names(chat: Chat) -> list[str]:
    """The files that go with the prompt."""
    return [file.name for file in chat.screen.going]


async def paste(chat: Chat, text: str) -> None:
    """Paste into the prompt, as a terminal does."""
    chat.screen.prompt.focus()
    await chat.pilot.pause()
    chat.screen.prompt.post_message(events.Paste(text))
    await chat.pilot.pause()
    await chat.until(lambda: not chat.screen.in_order.busy)


async def hold(chat: Chat, *files: Attachment) -> None:
    """Attach these, however they came."""
    chat.screen.hold_files((*chat.screen.files, *files))
    await chat.screen.save_draft()
    await chat.pilot.pause()


async def kept(chat: Chat) -> list[str]:
    """What kill -9 would leave of them."""
    return [each.name for each in await chat.services.library.draft_attachments(chat.screen.shown.id)]


async def until_kept(chat: Chat, *names: str) -> None:
    """Let the app go on until kill -9 would leave these."""
    async with asyncio.timeout(20):
        while await kept(chat) != [*names]:
            await chat.pilot.pause(0.01)


def file_at(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


# -- a paste -------------------------------------------------------------------------------------


async def test_a_large_paste_is_a_file_that_survives_quitting_and_is_sent_to_the_byte(
    provider: ScriptedProvider,
) -> None:
    world = a_world(provider, window=100_000)
    async with world.app() as chat:
        chat.screen.prompt.insert("What failed?")
        await paste(chat, BIG)
        assert ["pasted.txt"] == names(chat)
        assert "What failed?" == chat.screen.prompt.draft
        assert f"📎 pasted.txt · {len(BIG) / 1000:.1f} kB" in chat.seen()
        assert ["pasted.txt"] == await kept(chat)

    async with world.app() as chat:
        assert ["pasted.txt"] == names(chat)
        await chat.press("f3", "2")
        await chat.until_seen("as they are sent")
        raw = chat.app.screen._inspection.raw  # type: ignore[attr-defined]
        await chat.press("escape")
        await chat.press("enter")
        await chat.until_seen("reply 1")
        await chat.until_quiet()

        file = attached(BIG, name="pasted.txt")
        assert expanded("What failed?", (file,)) == provider.sent[0].payload[0].content
        assert provider.render(provider.sent[0], model="test-model") == raw
        assert [] == names(chat)
        assert [] == await kept(chat)
        assert "📎 pasted.txt" in chat.seen()


async def test_enter_right_behind_a_paste_waits_for_the_file(provider: ScriptedProvider) -> None:
    async with a_world(provider, window=100_000).app() as chat:
        prompt = chat.screen.prompt
        prompt.post_message(events.Paste(BIG))
        prompt.post_message(events.Key("enter", None))
        prompt.post_message(events.Key("x", "x"))
        prompt.post_message(events.Key("enter", None))
        await chat.until_seen("reply 2")

        assert [expanded("", (attached(BIG, name="pasted.txt"),)), "x"] == [
            plan.payload[-1].content for plan in provider.sent
        ]
        assert "pasted.txt" == chat.screen.shown.conversation.title


async def test_nothing_of_a_large_file_is_measured_on_the_event_loop(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = BIG * 4
    async with a_world(provider, window=400_000).app() as chat:
        measure, threads = tokens.measure, set[int]()

        def seen_in(measured: str) -> tokens.Measure:
            if len(measured) > 50_000:
                threads.add(threading.get_ident())
            return measure(measured)

        monkeypatch.setattr(tokens, "measure", seen_in)
        prompt = chat.screen.prompt
        prompt.insert("What failed?")
        prompt.post_message(events.Paste(text))
        prompt.post_message(events.Key("enter", None))  # before anything of it was planned
        await chat.until_seen("reply 1")
        await chat.until_quiet()
        other = Options(attachments=(attached(f"{text} and more"),))
        assert chat.screen.must_ask(chat.screen.shown, (), "And this?", other)

        assert expanded("What failed?", (attached(text, name="pasted.txt"),)) == provider.sent[0].payload[0].content
        assert threads
        assert threading.get_ident() not in threads
        assert ("", []) == (prompt.draft, names(chat))


# -- what is dropped or named ------------------------------------------------------------------------


async def test_dropped_files_become_chips_and_their_paths_leave_the_prompt(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    paths = [file_at(tmp_path, "notes.txt", "some text\n"), file_at(tmp_path, "a photo.png", png())]
    async with World(provider).app() as chat:
        chat.screen.prompt.insert("Look: ")
        await paste(chat, f"{paths[0]} '{paths[1]}'")
        assert ["notes.txt", "a photo.png"] == names(chat)
        assert "Look: " == chat.screen.prompt.draft
        await paste(chat, str(tmp_path / "missing.txt"))

        assert f"Look: {tmp_path / 'missing.txt'}" == chat.screen.prompt.draft
        assert 2 == len(names(chat))
        assert "📎 a photo.png · 37×21 · " in chat.seen()


async def test_a_named_file_goes_with_the_text_that_names_it(provider: ScriptedProvider, tmp_path: Path) -> None:
    path = file_at(tmp_path, "notes.txt", "some text\n")
    async with World(provider).app() as chat:
        prompt = chat.screen.prompt
        prompt.insert("Read @notes.txt")
        prompt.post_message(prompt.FileNamed(str(path)))
        prompt.post_message(events.Key("enter", None))
        await chat.until_seen("reply 1")

        assert expanded("Read @notes.txt", (NOTES,)) == provider.sent[0].payload[0].content


async def test_what_names_a_file_that_cannot_be_read_is_not_sent_without_it(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    async with World(provider).app() as chat:
        prompt = chat.screen.prompt
        prompt.insert("Read @gone.txt")
        prompt.post_message(prompt.FileNamed(str(tmp_path / "gone.txt")))
        prompt.post_message(events.Key("enter", None))
        await chat.until_seen("Not sent: a file of it")

        assert "Read @gone.txt" == prompt.draft
        assert [] == provider.sent
        await chat.press("enter")
        await chat.until_seen("reply 1")


async def test_a_name_begun_behind_an_at_is_completed_and_attached(provider: ScriptedProvider, tmp_path: Path) -> None:
    file_at(tmp_path, "notes.txt", "some text\n")
    async with World(provider).app() as chat:
        chat.screen.prompt.focus()
        await paste(chat, f"@{tmp_path}/no")
        await chat.press("t")
        await chat.until_seen("notes.txt")
        await chat.press("enter")
        await chat.until(lambda: names(chat) == ["notes.txt"])

        assert chat.screen.prompt.draft.startswith("@")
        assert [] == provider.sent


# -- taking away, keeping -----------------------------------------------------------------------------


async def test_backspace_takes_the_last_file_away_in_the_order_of_the_keys_and_undo_brings_it_back(
    provider: ScriptedProvider,
) -> None:
    async with World(provider).app() as chat:
        await hold(chat, NOTES, picture())
        chat.screen.prompt.focus()
        for second, key in enumerate(("a", "backspace", "backspace")):
            event = events.Key(key, key if key == "a" else None)
            event.time += second  # pressed each time, not held down
            chat.screen.prompt.post_message(event)
        await chat.until(lambda: len(names(chat)) == 1)
        await chat.until(lambda: not chat.screen.in_order.busy)
        assert ["notes.txt"] == names(chat) == await kept(chat)
        await chat.press("f8")
        await chat.until_seen("Undone: removing a file.")

        assert ["notes.txt", "photo.png"] == names(chat) == await kept(chat)


async def test_each_conversation_keeps_its_own_files_and_one_with_files_alone_is_kept(
    provider: ScriptedProvider,
) -> None:
    world = World(provider)
    async with world.app() as chat:
        await hold(chat, NOTES)
        first = chat.screen.shown.id
        await chat.press("ctrl+n")
        assert [] == names(chat)
        await hold(chat, picture())
        second = chat.screen.shown.id
        await chat.screen.show_conversation(first)
        assert ["notes.txt"] == names(chat)
        await chat.screen.show_conversation(second)
        await chat.screen.run_action("app.lock")
        await chat.until_seen("Unlock")
        assert [] == names(chat)
        assert "notes.txt" not in chat.seen()

    async with world.app() as chat:
        assert ["photo.png"] == names(chat)
        await chat.press("alt+down")
        await chat.until(lambda: names(chat) == ["notes.txt"])


async def test_a_prompt_that_cannot_be_saved_comes_back_with_its_files(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(provider).app() as chat:
        await hold(chat, NOTES, picture())

        async def full(*_: object, **__: object) -> None:
            raise StoreFailed("The disk is full.")

        monkeypatch.setattr(chat.services.chat._store, "add_prompt", full)
        await chat.send("Look.")
        await chat.until_seen("The disk is full.")

        assert ("Look.", ["notes.txt", "photo.png"]) == (chat.screen.prompt.draft, names(chat))
        assert ["notes.txt", "photo.png"] == await kept(chat)
        assert [] == provider.sent


@pytest.mark.parametrize("files", [(), (NOTES,)])
async def test_what_is_attached_while_a_prompt_is_saved_is_kept_beside_it_and_after_it(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, files: tuple[Attachment, ...]
) -> None:
    async with World(provider).app() as chat:
        store, gate = chat.services.chat._store, asyncio.Event()
        add_prompt = store.add_prompt

        async def held(*given: Any, **more: Any) -> None:
            await gate.wait()
            await add_prompt(*given, **more)

        monkeypatch.setattr(store, "add_prompt", held)
        await hold(chat, *files)
        await chat.send("Look.")
        await hold(chat, picture())
        meanwhile = await kept(chat)
        gate.set()
        await chat.until_seen("reply 1")
        await chat.until_quiet()

        assert [*(each.name for each in files), "photo.png"] == meanwhile
        assert ["photo.png"] == names(chat)
        await until_kept(chat, "photo.png")


async def test_prompts_in_the_queue_carry_their_files_and_what_comes_later_stays() -> None:
    gated = GatedProvider()
    async with World(gated).app() as chat:
        await chat.send("one")
        await chat.until_seen("half an")
        await hold(chat, NOTES)
        await chat.send("two")
        await chat.until_seen("queued")
        await hold(chat, picture())
        await chat.until(lambda: not chat.screen.unsent)
        assert "📎 notes.txt · 10 bytes" in chat.seen()
        gated.gate.set()
        await chat.until(lambda: len(gated.sent) == 2)
        await chat.until_quiet()

        assert expanded("two", (NOTES,)) == gated.sent[1].payload[-1].content
        assert ["photo.png"] == names(chat)
        await until_kept(chat, "photo.png")


async def test_an_edit_shows_the_files_that_go_with_it_and_leaves_the_drafts_alone(
    provider: ScriptedProvider,
) -> None:
    async with World(provider).app() as chat:
        await hold(chat, NOTES)
        await chat.press("enter")
        await chat.until_seen("reply 1")
        await chat.until_quiet()
        await hold(chat, picture())
        await chat.press("escape", "g", "e")
        await chat.until_seen("Editing an earlier message")
        assert ["notes.txt"] == names(chat)
        assert "×" not in chat.seen().split("Editing")[1]
        await chat.press("backspace", "f6")
        await chat.until_seen("goes with the files of its message")
        await chat.press("ctrl+n", "alt+down")
        await chat.until_seen("Editing an earlier message")
        assert ["notes.txt"] == names(chat)
        await chat.press("enter")
        await chat.until_seen("reply 2")
        await chat.until_quiet()

        assert [expanded("", (NOTES,))] * 2 == [plan.payload[-1].content for plan in provider.sent]
        assert ["photo.png"] == names(chat)


# -- what is not sent, and what is asked ---------------------------------------------------------------


async def test_what_would_not_be_sent_is_said_by_chip_and_warning_before_it_is(provider: ScriptedProvider) -> None:
    provider.cards = (ModelCard("test-model", 8192, takes_images=False),)
    async with World(provider).app(size=(110, 30)) as chat:
        await hold(chat, picture(), attached(b"%PDF-1.7 x", "application/pdf", "paper.pdf"), NOTES)
        await chat.until_seen("paper.pdf · 10 bytes · not sent")
        await chat.until_seen("photo.png · 37×21 · 73 bytes · not sent")

        assert "Files of a message are not sent." in chat.seen()
        assert "notes.txt · 10 bytes ×" in chat.seen()
        assert [] == provider.sent
        await chat.press("f6")
        await chat.until_seen("image · not sent")
        assert "· text · ~" in chat.seen()


async def test_a_secret_in_a_file_is_asked_about_by_the_files_name(provider: ScriptedProvider) -> None:
    async with World(provider).app() as chat:
        program = chat.screen.program
        program.save_settings(replace(program.settings, endpoints=(Endpoint("test", "https://api.example.com/v1"),)))
        await hold(chat, NOTES, attached(f"token = {TOKEN}\n", name="my.env"))
        await chat.send("Why?")
        await chat.until_seen("what looks like")
        assert "in my.env: a GitHub token: ghp_… (40 characters)" in words(chat.app)
        await chat.press("n")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert ("Why?", ["notes.txt", "my.env"]) == (chat.screen.prompt.draft, names(chat))
        assert ["notes.txt", "my.env"] == await kept(chat)
        assert [] == provider.sent

        await chat.press("enter")
        await chat.until_seen("what looks like")
        await chat.press("y")
        await chat.until_seen("reply 1")
        assert TOKEN in provider.sent[0].payload[0].content
        assert [] == names(chat)


async def test_the_plan_and_the_memory_screen_count_the_files(provider: ScriptedProvider) -> None:
    async with World(provider).app() as chat:
        await hold(chat, attached("many words " * 300, name="long.txt"))
        await chat.until(lambda: chat.screen.plan is not None and chat.screen.plan.entries[-1].tokens > 600)
        plan = chat.screen.plan
        assert plan is not None
        await chat.screen.run_action("memory")
        await chat.until_seen("Window")

        assert f"{plan.totals.tokens:,}" in words(chat.app)


# -- how it looks ----------------------------------------------------------------------------------------


async def test_on_a_small_screen_chips_take_two_lines_and_say_what_they_leave_out(provider: ScriptedProvider) -> None:
    files = [attached(f"{number}", name=f"a rather long file name, number {number}.txt") for number in range(6)]
    async with World(provider).app(size=(60, 20)) as chat:
        chips = chat.screen.query_one(Chips)
        await hold(chat, files[0], picture())
        assert ".txt · 1 byte ×" in chat.seen()
        assert "📎 photo.png · 37×21 · 73 bytes ×" in chat.seen()
        await hold(chat, *files[1:], attached(b"%PDF-1.7 x", "application/pdf", "paper.pdf"))
        text = chat.seen()

        assert 2 == chips.size.height
        assert "📎 a rather long file….txt ×  📎 photo.png ×" in text
        assert "+5 more, 1 not sent" in text
        assert chat.screen.prompt.region.bottom <= 20


async def test_a_click_on_the_cross_removes_and_one_beside_it_lists(provider: ScriptedProvider) -> None:
    async with World(provider).app() as chat:
        await hold(chat, NOTES, picture())
        line = chat.seen().splitlines()[chat.screen.query_one(Chips).region.y]
        # The paper clip is two cells wide.
        column = line.index("×") + 1 - chat.screen.query_one(Chips).region.x
        await chat.pilot.click(Chips, offset=(column, 0))
        await chat.until(lambda: names(chat) == ["photo.png"])
        await chat.pilot.click(Chips, offset=(3, 0))
        await chat.until(lambda: isinstance(chat.app.screen, AttachScreen))


async def test_a_hostile_name_does_nothing_wherever_it_is_shown(provider: ScriptedProvider) -> None:
    name = "[bold]a\x1b]52;c;aGk=\x07[@click=app.quit]b[] \u202etxt.exe"
    async with World(provider).app(size=(120, 30)) as chat:
        await hold(chat, attached("some text", name=name))
        chip = chat.seen()
        await chat.press("f6")
        await chat.until_seen("Files of this message")
        dialog = chat.seen()
        await chat.press("escape")
        await chat.send("Look.")
        await chat.until_seen("reply 1")

        for shown in (chip, dialog, chat.seen()):
            assert "[bold]a" in shown
            assert "\x1b" not in shown
            assert "\u202e" not in shown
        assert chat.app.is_running


# -- the dialog --------------------------------------------------------------------------------------------


async def test_the_dialog_attaches_by_path_says_what_is_wrong_and_removes(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    file_at(tmp_path, "notes.txt", "some text\n")
    file_at(tmp_path, "empty.txt", "")
    async with World(provider).app() as chat:
        await chat.press("f6")
        await chat.until_seen("None yet")
        screen = chat.app.screen
        assert isinstance(screen, AttachScreen)
        screen.field.value = f"{tmp_path}/empty.txt"
        await chat.press("enter")
        await chat.until_seen("empty.txt is empty.")
        assert f"{tmp_path}/empty.txt" == screen.field.value

        screen.field.value = f"{tmp_path}/no"
        await chat.press("tab")
        await chat.until(lambda: screen.field.value.endswith("notes.txt"))
        await chat.press("enter")
        await chat.until_seen("notes.txt goes with your next message.")
        await chat.until_seen("text · ~")
        assert ["notes.txt"] == names(chat) == await kept(chat)

        await chat.press("shift+tab", "delete")
        await chat.until_seen("None yet")
        assert [] == names(chat)
        await chat.press("escape", "f8")
        await chat.until(lambda: names(chat) == ["notes.txt"])


# -- what has no file, or no text ----------------------------------------------------------------------------


async def test_a_message_of_files_alone_has_no_text_to_copy_and_a_large_paste_into_an_edit_is_its_text(
    provider: ScriptedProvider,
) -> None:
    async with a_world(provider, window=100_000).app() as chat:
        await hold(chat, NOTES)
        await chat.press("enter")
        await chat.until_seen("reply 1")
        await chat.until_quiet()
        await chat.press("escape", "g", "y")
        await chat.until_seen("There is no text in this message.")
        await chat.press("e")
        await chat.until_seen("Editing an earlier message")
        await paste(chat, BIG)
        assert ["notes.txt"] == names(chat)
        await chat.press("enter")
        await chat.until_seen("reply 2")

        assert expanded(BIG, (NOTES,)) == provider.sent[1].payload[0].content


async def test_what_is_pasted_before_the_history_is_open_is_kept_with_the_draft_that_it_meets(
    provider: ScriptedProvider,
) -> None:
    world = World(provider)
    async with world.app() as chat:
        await hold(chat, NOTES)
        services = chat.services
        await chat.screen.close_history()
        assert [] == names(chat)
        await paste(chat, BIG)
        assert ["pasted.txt"] == names(chat)
        await chat.screen.open_history(services, None)

        assert ["notes.txt", "pasted.txt"] == names(chat)
        await until_kept(chat, "notes.txt", "pasted.txt")
