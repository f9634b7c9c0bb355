"""Files attached by people who are quick, clumsy, or have strange names for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from tests.fakes import ScriptedProvider
from tests.ui.chat_app import Chat, World
from tests.ui.test_attaching import NOTES, file_at, hold, names, paste
from tui_chat.core.attachments import expanded
from tui_chat.ui.screens.attach import AttachScreen
from tui_chat.ui.widgets.chips import Chips


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


async def dialog(chat: Chat) -> AttachScreen:
    """The dialog, opened by its key."""
    await chat.press("f6")
    await chat.until(lambda: isinstance(chat.app.screen, AttachScreen))
    await chat.pilot.pause()
    assert isinstance(chat.app.screen, AttachScreen)
    return chat.app.screen


# -- in the dialog -----------------------------------------------------------------------------------


async def test_a_second_enter_in_one_burst_closes_the_dialog_and_nothing_else(provider: ScriptedProvider) -> None:
    async with World(provider).app() as chat:
        screen = await dialog(chat)
        for _ in range(3):
            screen.field.post_message(events.Key("enter", None))
        await chat.until(lambda: chat.app.screen is chat.screen)
        await chat.press("a")

        assert "a" == chat.screen.prompt.draft


async def test_what_is_wrong_with_a_path_is_said_once_and_what_is_typed_on_removes_nothing(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    async with World(provider).app() as chat:
        await hold(chat, *[await chat.services.files.read(str(file_at(tmp_path, "kept.txt", "kept\n")))])
        screen = await dialog(chat)
        screen.field.value = f"{tmp_path}/gone"
        await chat.press("enter")
        await chat.until_seen("There is no file gone there.")
        said = chat.seen()
        await chat.press("tab", "d", "d")
        await chat.until_seen("There is no such name.")

        assert 1 == said.count("Check the path")
        assert f"{tmp_path}/gonedd" == screen.field.value
        assert ["kept.txt"] == names(chat)


async def test_a_name_that_cannot_be_shown_as_it_is_is_attached_all_the_same(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    file_at(tmp_path, "invoice\u202etxt.exe", "some text\n")
    async with World(provider).app() as chat:
        screen = await dialog(chat)
        screen.field.value = f"{tmp_path}/inv"
        await chat.press("tab")
        await chat.until(lambda: screen.field.value.endswith("exe"))
        await chat.press("enter")
        await chat.until_seen("goes with your next message.")

        assert ["invoicetxt.exe"] == names(chat)


# -- dropped -----------------------------------------------------------------------------------------


async def test_the_name_of_a_file_that_cannot_be_attached_stays_a_text(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    binary = file_at(tmp_path, "program", b"\x7fELF\0\0")
    async with World(provider).app() as chat:
        chat.screen.prompt.insert("Why is ")
        await paste(chat, str(binary))
        await chat.until_seen("program is neither a text")

        assert f"Why is {binary}" == chat.screen.prompt.draft
        assert [] == names(chat)


async def test_enter_in_one_burst_with_a_drop_sends_the_file_and_not_its_path(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    path = file_at(tmp_path, "notes.txt", "some text\n")
    async with World(provider).app() as chat:
        prompt = chat.screen.prompt
        prompt.insert("Read this: ")
        prompt.post_message(events.Paste(str(path)))
        prompt.post_message(events.Key("enter", None))
        await chat.until_seen("reply 1")

        assert expanded("Read this: ", (NOTES,)) == provider.sent[0].payload[0].content


def test_chips_that_are_drawn_before_they_are_hidden_draw_nothing() -> None:
    assert "" == Chips().render().plain


# -- written out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Read @notes.txt, not @notes or @gone.txt", "Not @no. or @gone.txt, @notes.txt"])
async def test_a_whole_name_behind_an_at_attaches_its_file_however_fast_it_is_written_and_sent(
    text: str, provider: ScriptedProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file_at(tmp_path, "notes.txt", "some text\n")
    file_at(tmp_path, "notes.txt.old", "old text\n")
    async with World(provider).app() as chat:
        chat.screen.prompt.focus()
        for letter in text:
            chat.screen.prompt.post_message(events.Key(letter, letter))
        chat.screen.prompt.post_message(events.Key("enter", None))
        await chat.until_seen("reply 1")

        assert expanded(text, (NOTES,)) == provider.sent[0].payload[0].content


# -- sent ------------------------------------------------------------------------------------------------


async def test_files_of_which_nothing_is_sent_are_not_sent_alone(provider: ScriptedProvider, tmp_path: Path) -> None:
    path = file_at(tmp_path, "doc.pdf", b"%PDF-1.4\n")
    async with World(provider).app() as chat:
        await paste(chat, str(path))
        await chat.press("enter")
        await chat.until_seen("Not sent: this model takes none")
        assert ["doc.pdf"] == names(chat)
        assert [] == provider.sent
        await chat.press("a", "enter")
        await chat.until_seen("reply 1")
