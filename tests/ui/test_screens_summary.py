"""The summary of older messages: offered when the window moves, made on request, read, edited, and only then sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from textual.binding import Binding

from tests.fakes import GatedProvider, ScriptedProvider, answer
from tests.ui.asking import TITLE, a_world, exchanges, fill
from tests.ui.chat_app import Chat, World
from tests.ui.reading import lines_of
from tests.ui.screen_fakes import words
from tui_chat.core.context import ContextPlan
from tui_chat.core.errors import RateLimited
from tui_chat.core.events import Delta, Finished, TextDelta
from tui_chat.core.guide import topics
from tui_chat.core.models import MemorySettings
from tui_chat.core.ports import Provider
from tui_chat.core.settings import Caps
from tui_chat.ui.screens.summary import SummaryScreen

SUMMARY = MemorySettings("summary")
OFFERED = "Summary of older messages"
HOSTILE = "[bold]Goal[/foo] \x1b]52;c;aGk=\x07 [@click=app.quit]x[/] \u202etxt.exe"


@asynccontextmanager
async def chat_with(
    provider: Provider, *, turns: int = 14, caps: Caps | None = None, name: str = "test-model"
) -> AsyncIterator[Chat]:
    """A chat whose window has dropped 18 of its 28 messages."""
    world = a_world(provider, window=2_000, memory=SUMMARY, caps=caps, name=name)
    await fill(world, exchanges(turns), name=name)
    async with world.app(conversation=TITLE, size=(140, 44)) as chat:
        await chat.until(lambda: chat.screen.plan is not None)
        yield chat


async def offered(chat: Chat, text: str = "And what then?") -> None:
    """Send a prompt and wait for the question."""
    await chat.send(text)
    await chat.until_seen(OFFERED)
    await chat.pilot.pause()


def screen(chat: Chat) -> SummaryScreen:
    """The summary in front of the person."""
    assert isinstance(chat.app.screen, SummaryScreen)
    return chat.app.screen


async def made(chat: Chat) -> None:
    """Let the model make one, and wait for it."""
    await chat.press("ctrl+r")
    await chat.until_seen("ctrl+s uses it as it stands")


def dialog(chat: Chat) -> str:
    """What the person reads in it, as one line of words."""
    lines = lines_of(screen(chat).query_one("SummaryScreen > Vertical"))
    return " ".join(" ".join(lines).translate(dict.fromkeys(map(ord, "│╭╮╰╯─▌"), " ")).split())


def texts(plan: ContextPlan) -> Sequence[str]:
    return [message.content for message in plan.payload]


def kept_draft(chat: Chat) -> str:
    return chat.screen.prompt.draft


# -- being offered, made and used -------------------------------------------------------------


async def test_a_prompt_that_drops_messages_is_asked_about_before_anything_is_sent() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider) as chat:
        assert "18 of 28 earlier messages are not sent and not summarised yet." in words(chat.app)
        await offered(chat)
        text = dialog(chat)

        assert [] == provider.sent
        assert "18 older messages no longer fit. test-model can make a summary" in text
        assert re.search(r"it then gets in their place: ~\d+ tokens\.", text)
        assert "Made from 18 messages: you: question 1 and so on" in text
        assert "model: answer 1 and so on" in text
        assert "And what then?" == kept_draft(chat)


async def test_it_arrives_as_it_is_written_is_edited_and_goes_out_exactly_as_shown() -> None:
    gated = GatedProvider()
    async with chat_with(gated) as chat:
        await offered(chat)
        await chat.press("ctrl+r")
        await chat.until_seen("half an")
        streaming = dialog(chat)
        gated.gate.set()
        await chat.until_seen("half an answer")
        await chat.until_seen("ctrl+s uses it as it stands")
        await chat.press("end", *" to all")
        shown = screen(chat).editor.text
        await chat.press("ctrl+s")
        await chat.until(lambda: len(gated.sent) == 2)
        await chat.until_quiet()

        assert "The summary is being written." in streaming
        assert "half an answer to all" == shown
        head, body = texts(gated.sent[1])[0].split("\n\n", 1)
        assert shown == body
        assert "18 earlier messages" in head
        assert "edited by the user" in head
        assert "And what then?" == texts(gated.sent[1])[-1]
        assert 12 == len(gated.sent[1].payload)
        assert "" == kept_draft(chat)
        assert "18 messages are sent only as a summary" in words(chat.app)


async def test_the_next_prompt_does_not_ask_again() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider) as chat:
        await offered(chat)
        await made(chat)
        await chat.press("ctrl+s")
        await chat.until_seen("reply 2")
        await chat.until_quiet()
        await chat.send("And after that?")
        await chat.until_seen("reply 3")

        assert OFFERED not in chat.seen()
        assert "reply 1" in texts(provider.sent[2])[0]


async def test_without_it_the_prompt_goes_out_the_banner_says_so_and_no_further_prompt_asks() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider) as chat:
        await offered(chat)
        await chat.press("ctrl+w")
        await chat.until_seen("reply 1")
        await chat.until_quiet()
        banner = words(chat.app)
        await chat.send("And after that?")
        await chat.until_seen("reply 2")

        assert "18 of 30 earlier messages are not sent and not summarised yet." in banner
        assert "And what then?" == texts(provider.sent[0])[-1]
        assert 11 == len(provider.sent[0].payload)


async def test_what_was_declined_is_asked_about_again_when_more_is_dropped() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider) as chat:
        await offered(chat)
        await chat.press("ctrl+n")
        await chat.until_seen("reply 1")
        for number in range(2, 12):
            await chat.until_quiet()
            await chat.send(f"prompt {number}")
            await chat.until(lambda: len(provider.sent) > number - 1 or OFFERED in chat.seen())  # noqa: B023
            if OFFERED in chat.seen():
                break

        assert 7 == number
        assert "30 older messages no longer fit" in dialog(chat)


async def test_escape_leaves_the_prompt_where_it_was() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider) as chat:
        await offered(chat)
        await chat.press("escape")
        await chat.until(lambda: OFFERED not in chat.seen())
        await chat.pilot.pause()

        assert "And what then?" == kept_draft(chat)
        assert [] == provider.sent
        assert 28 == len(chat.screen.shown.branch)


async def test_over_thirty_turns_it_is_asked_about_five_times() -> None:
    provider = ScriptedProvider()
    asked = 0
    async with chat_with(provider) as chat:
        for number in range(30):
            sent = len(provider.sent)
            await chat.send(f"prompt {number} " + "and so on " * 10)
            await chat.until(lambda: len(provider.sent) > sent or OFFERED in chat.seen())  # noqa: B023
            if OFFERED in chat.seen():
                asked += 1
                await made(chat)
                await chat.press("ctrl+s")
                await chat.until(lambda: len(provider.sent) == sent + 2)  # noqa: B023
            await chat.until_quiet()

    # At the first prompt, and then each time ten messages have gone: a window of 20, in blocks down to half.
    assert 5 == asked


# -- being made ------------------------------------------------------------------------------------


async def test_a_request_that_fails_is_said_and_can_be_made_again() -> None:
    failing = ScriptedProvider([RateLimited("Too many requests.", hint="Wait a moment.")], answer("A good summary."))
    async with chat_with(failing) as chat:
        await offered(chat)
        await chat.press("ctrl+r")
        await chat.until_seen("✗ Too many requests. Wait a moment.")
        await made(chat)

        assert "A good summary." == screen(chat).editor.text
        assert "Too many requests" not in chat.seen()


async def test_after_a_failure_without_it_the_banner_says_why() -> None:
    failing = ScriptedProvider([RateLimited("Too many requests.", hint="Wait a moment.")])
    async with chat_with(failing) as chat:
        await offered(chat)
        await chat.press("ctrl+r")
        await chat.until_seen("✗ Too many requests.")
        await chat.press("ctrl+w")
        await chat.until_seen("reply 2")

        await chat.until_seen("not summarised (Too many requests)")


async def test_escape_stops_the_making_and_the_text_before_is_back() -> None:
    gated = GatedProvider()
    async with chat_with(gated) as chat:
        await offered(chat)
        gated.gate.set()
        await made(chat)
        gated.gate.clear()
        gated.spoke.clear()
        await chat.press("ctrl+r")
        await gated.spoke.wait()
        await chat.until(lambda: screen(chat).editor.text == "half an ")
        await chat.press("escape")
        await chat.until_seen("Stopped; nothing was kept of it.")
        after = screen(chat).editor.text
        await chat.press("ctrl+s")
        gated.gate.set()
        await chat.until(lambda: len(gated.sent) == 3)
        await chat.until_quiet()

        assert "half an answer" == after
        assert texts(gated.sent[2])[0].endswith(", made by test-model; details may be missing:\n\nhalf an answer")
        assert gated.connections_closed == 3


async def test_going_on_without_it_while_it_is_made_stops_it() -> None:
    gated = GatedProvider()
    async with chat_with(gated) as chat:
        await offered(chat)
        await chat.press("ctrl+r")
        await gated.spoke.wait()
        await chat.press("ctrl+n")
        gated.gate.set()
        await chat.until(lambda: len(gated.sent) == 2)
        await chat.until_quiet()

        assert "And what then?" == texts(gated.sent[1])[-1]
        await chat.until_seen("not summarised (the summary request was stopped)")


async def test_over_a_limit_of_spending_it_asks_first_and_no_asks_nothing_of_the_model() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider, caps=Caps(day_tokens=500)) as chat:
        await offered(chat)
        await chat.press("ctrl+r")
        await chat.until_seen("Ask for the summary all the same?")
        question = words(chat.app)
        await chat.press("n")
        await chat.until_seen("✗ Not sent: this would be")
        declined = len(provider.sent)
        await chat.press("ctrl+r")
        await chat.until_seen("Ask for the summary all the same?")
        await chat.press("y")
        await chat.until_seen("ctrl+s uses it as it stands")

        assert "of the 500 tokens a day that you allowed" in question
        assert 0 == declined
        assert 1 == len(provider.sent)


async def test_after_a_summary_over_the_limit_the_prompt_itself_is_asked_about_too() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider, caps=Caps(day_tokens=500)) as chat:
        await offered(chat)
        await chat.press("ctrl+r")
        await chat.until_seen("Ask for the summary all the same?")
        await chat.press("y")
        await chat.until_seen("ctrl+s uses it as it stands")
        await chat.press("ctrl+s")
        await chat.until_seen("Send it all the same?")
        assert 1 == len(provider.sent)
        await chat.press("y")
        await chat.until_seen("reply 2")

        assert "reply 1" in texts(provider.sent[1])[0]


async def test_many_messages_are_folded_in_piece_by_piece_and_the_last_answer_stands() -> None:
    scripts = [answer(f"after piece {number}") for number in range(1, 9)]
    provider = ScriptedProvider(*scripts)
    async with chat_with(provider, turns=40) as chat:
        await offered(chat)
        await made(chat)
        pieces = len(provider.sent)
        state = dialog(chat)

        assert pieces > 1
        assert f"after piece {pieces}" == screen(chat).editor.text
        assert f"in {pieces} pieces" in state


# -- being edited -----------------------------------------------------------------------------------


async def test_ctrl_w_deletes_a_word_where_there_is_a_text_and_sends_nothing() -> None:
    provider = ScriptedProvider(answer("Goal: fish and chips"))
    async with chat_with(provider) as chat:
        await offered(chat)
        await made(chat)
        await chat.press("end", "ctrl+w")

        assert "Goal: fish and " == screen(chat).editor.text
        assert 1 == len(provider.sent)


@pytest.mark.parametrize(("key", "said"), [("escape", "esc again leaves"), ("ctrl+r", "ctrl+r again asks")])
async def test_what_was_changed_by_hand_is_not_thrown_away_by_one_key(key: str, said: str) -> None:
    provider = ScriptedProvider(answer("Goal: fish"), answer("another one"))
    async with chat_with(provider) as chat:
        await offered(chat)
        await made(chat)
        await chat.press("end", *" and chips", key)
        await chat.until_seen(said)
        after = screen(chat).editor.text
        await chat.press(key)
        await chat.until(lambda: OFFERED not in chat.seen() or "another one" in chat.seen())

        assert "Goal: fish and chips" == after


async def test_one_that_is_too_long_or_empty_is_refused_and_the_screen_stays() -> None:
    provider = ScriptedProvider(answer("Goal: fish"))
    async with chat_with(provider) as chat:
        await offered(chat)
        await made(chat)
        screen(chat).editor.text = "word " * 300
        await chat.press("ctrl+s")
        await chat.until_seen("✗ The summary is too long: ~300 of")
        screen(chat).editor.text = ""
        await chat.press("ctrl+s")
        await chat.until_seen("✗ The summary is empty.")

        assert 1 == len(provider.sent)


async def test_without_one_ctrl_s_says_how_to_get_it() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider) as chat:
        await offered(chat)
        await chat.press("ctrl+s")

        await chat.until_seen("There is no summary yet: ctrl+r asks for one.")
        assert [] == provider.sent


async def test_hostile_texts_and_names_are_shown_cleaned_and_the_model_gets_what_was_shown() -> None:
    provider = ScriptedProvider(answer(HOSTILE))
    name = "[bold]x[/foo]"
    world = a_world(provider, window=2_000, memory=SUMMARY, name=name)
    await fill(world, [("user", HOSTILE), ("assistant", HOSTILE), *exchanges(14)], name=name)
    async with world.app(conversation=TITLE, size=(110, 40)) as chat:
        await offered(chat)
        before = dialog(chat)
        await made(chat)
        shown, text = screen(chat).editor.text, chat.seen()
        await chat.press("ctrl+s")
        await chat.until(lambda: len(provider.sent) == 2)
        await chat.until_quiet()

        assert "[bold]x[/foo] can make a summary" in before
        assert "you: [bold]Goal[/foo]" in before
        assert not {"\x1b", "\x07", "\u202e"} & set(text + shown)
        assert texts(provider.sent[1])[0].endswith(f"\n\n{shown}")
        assert "[@click=app.quit]x[/]" in shown


# -- later ------------------------------------------------------------------------------------------


async def with_summary(chat: Chat) -> None:
    """Make one, use it, and see the reply."""
    await offered(chat)
    await made(chat)
    await chat.press("ctrl+s")
    await chat.until_seen("reply 2")
    await chat.until_quiet()


async def test_the_palette_shows_it_and_what_is_changed_there_goes_with_the_next_prompt() -> None:
    provider = ScriptedProvider(answer("Goal: fish"), answer("reply 2"))
    async with chat_with(provider) as chat:
        await with_summary(chat)
        await chat.press("ctrl+p", *"summary of this", "enter")
        await chat.until_seen(OFFERED)
        shown = dialog(chat)
        await chat.press("end", *" and chips", "ctrl+s")
        await chat.until(lambda: OFFERED not in chat.seen())
        await chat.send("And after that?")
        await chat.until_seen("reply 3")

        assert "This stands for 18 messages" in shown
        assert "Goal: fish" in shown
        assert "Without" not in shown  # no prompt waits
        assert texts(provider.sent[2])[0].endswith("\n\nGoal: fish and chips")


async def test_the_palette_makes_one_ahead_and_then_no_prompt_asks() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider) as chat:
        await chat.screen.run_action("summary")
        await chat.until_seen(OFFERED)
        await chat.press("ctrl+r")
        await chat.until_seen("This stands for 18 messages")
        await chat.press("escape")
        await chat.until(lambda: OFFERED not in chat.seen())
        await chat.send("And what then?")
        await chat.until_seen("reply 2")

        assert "reply 1" in texts(provider.sent[1])[0]


async def test_where_nothing_is_dropped_the_palette_says_so() -> None:
    async with World(ScriptedProvider()).app() as chat:
        await chat.send("Hi")
        await chat.until_seen("reply 1")
        await chat.screen.run_action("summary")

        await chat.until_seen("There is nothing to summarise")


async def test_deleting_one_of_its_sources_asks_again_and_its_words_are_not_sent() -> None:
    provider = ScriptedProvider(answer("Goal: fish"), answer("reply 2"), answer("Goal: another"))
    async with chat_with(provider) as chat:
        await with_summary(chat)
        await chat.press("escape", "g", "j", "d")
        await chat.until_seen("Deleted.")
        await chat.until_seen("17 of 29 earlier messages are not sent and not summarised yet")
        await offered(chat, "And after that?")
        await made(chat)
        await chat.press("ctrl+s")
        await chat.until(lambda: len(provider.sent) == 4)
        await chat.until_quiet()

        assert "answer 1 " not in "".join(texts(provider.sent[2]))
        assert texts(provider.sent[3])[0].endswith("\n\nGoal: another")
        assert "Goal: fish" not in "".join(texts(provider.sent[3]))


async def test_when_more_is_dropped_the_one_before_is_shown_and_built_on() -> None:
    provider = ScriptedProvider(answer("Goal: fish"), answer("reply 2"))
    async with chat_with(provider) as chat:
        await with_summary(chat)
        for number in range(3, 9):
            sent = len(provider.sent)
            await chat.send(f"prompt {number}")
            await chat.until(lambda: len(provider.sent) > sent or OFFERED in chat.seen())  # noqa: B023
            if OFFERED in chat.seen():
                break
            await chat.until_quiet()
        text, shown = dialog(chat), screen(chat).editor.text
        await chat.press("ctrl+s")
        await chat.until(lambda: len(provider.sent) == sent + 1)
        await chat.until_quiet()
        await chat.send("prompt 9")
        await chat.until(lambda: len(provider.sent) == sent + 2)

        assert "more messages no longer fit. Below is the summary of the 18 before" in text
        assert "Goal: fish" == shown
        # As it stands: with it, without the messages that are in none, and not asked about again.
        assert texts(provider.sent[-1])[0].endswith("\n\nGoal: fish")
        assert "not summarised yet" in words(chat.app)


async def test_another_branch_is_asked_about_only_where_its_own_messages_are_dropped() -> None:
    provider = ScriptedProvider()
    async with chat_with(provider) as chat:
        await with_summary(chat)
        await chat.press("escape", "G", "r")
        await chat.until_seen("reply 3")
        await chat.until_quiet()

        assert OFFERED not in chat.seen()
        assert "reply 1" in texts(provider.sent[2])[0]


async def test_the_inspector_shows_it_in_its_place_now_and_afterwards() -> None:
    provider = ScriptedProvider(answer("Goal: fish"), answer("reply 2"))
    async with chat_with(provider) as chat:
        await with_summary(chat)
        await chat.press("f3")
        await chat.until_seen("Raw request")
        await chat.press("k", "k", "k", "enter")
        now = words(chat.app)
        await chat.press("escape", "escape", "G", "i")
        await chat.until_seen("saw when it said this")
        then = words(chat.app)

        assert "1 summary ~" in now
        assert "Summary of 18 earlier messages, made by test-model" in now
        assert "18 summarised" in now
        assert "1 summary ~" in then
        assert "18 summarised" in then


async def test_a_stream_of_odd_pieces_is_shown_as_it_is() -> None:
    script: list[Delta] = [*map(TextDelta, ("Goal\n\n", "- a", "\n- b\r\n")), Finished("stop")]
    async with chat_with(ScriptedProvider(script)) as chat:
        await offered(chat)
        await made(chat)

        assert "Goal\n\n- a\n- b" == screen(chat).editor.text


def test_the_guide_names_its_keys() -> None:
    told = re.findall(r"^\| (ctrl\+\w|esc) ", topics()["memory"], re.MULTILINE)
    bound = {binding.key: binding.action for binding in Binding.make_bindings(SummaryScreen.BINDINGS)}

    actions = [bound[key.replace("esc", "escape")] for key in told]
    assert ["make", "use", "without", "back"] == actions
