"""Asking for the rest of a reply that was cut off: a prompt like any other, beside what is being typed."""

from __future__ import annotations

from tests.fakes import ScriptedProvider, answer
from tests.ui.chat_app import World
from tui_chat.core.context import PayloadMessage
from tui_chat.core.errors import ServerFailed, TuiChatError
from tui_chat.core.events import Delta, Finished, TextDelta
from tui_chat.core.models import Role
from tui_chat.ui.screens.turns import GO_ON


def hung_up() -> list[Delta | TuiChatError]:
    return [TextDelta("Half an"), ServerFailed("The connection was cut.")]


async def test_the_rest_of_a_reply_that_was_cut_is_asked_for_behind_what_arrived_of_it() -> None:
    provider = ScriptedProvider(hung_up(), answer(" answer."))
    async with World(provider).app(size=(130, 30)) as chat:
        await chat.send("question")
        await chat.until_seen("esc, then r tries again, m asks for the rest")
        chat.screen.prompt.insert("a draft")
        store, home = chat.services.chat._store, chat.screen.shown.id
        chat.screen.keep_draft_now()
        while await store.draft(home) != "a draft":
            await chat.pilot.pause(0.01)
        await chat.press("escape", "m")
        await chat.until(lambda: len(chat.screen.shown.branch) == 4)
        await chat.until_quiet()

        assert (
            PayloadMessage(Role.USER, "question"),
            PayloadMessage(Role.ASSISTANT, "Half an"),
            PayloadMessage(Role.USER, GO_ON),
        ) == provider.sent[-1].payload
        assert "a draft" == chat.screen.prompt.text
        await chat.until_seen(GO_ON)
        while await store.draft(home) != "a draft":  # the prompt that was saved had emptied it
            await chat.pilot.pause(0.01)


async def test_one_that_the_model_s_limit_ended_says_that_there_is_more() -> None:
    provider = ScriptedProvider([TextDelta("Half"), Finished("length")])
    async with World(provider).app(size=(130, 30)) as chat:
        await chat.send("question")
        await chat.until_seen("! The reply was cut off at the model's length limit. · esc, then m asks for the rest")


async def test_where_there_is_no_rest_it_says_why_and_sends_nothing() -> None:
    provider = ScriptedProvider([ServerFailed("The connection was cut.")])
    async with World(provider).app(size=(130, 30)) as chat:
        await chat.screen.run_action("go_on")
        await chat.until_seen("There is no reply to go on with.")
        await chat.send("question")
        await chat.until_seen("The connection was cut.")
        await chat.press("escape", "m")
        await chat.until_seen("Nothing of the last reply arrived: r asks for it again.")

        assert 1 == len(provider.sent)
