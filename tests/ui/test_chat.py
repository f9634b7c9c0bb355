"""The chat as a person has it: typing, streaming, stopping, going on, coming back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence

import pytest
from textual import events

from tests.fakes import GatedProvider, ScriptedProvider, answer
from tests.ui.chat_app import Chat, World
from tui_chat.core.clock import now
from tui_chat.core.errors import NotReached, RateLimited, StoreFailed, TuiChatError
from tui_chat.core.events import Delta, Finished, TextDelta, ThinkingDelta
from tui_chat.core.models import Message, ModelRef, Role, Status
from tui_chat.core.ports import Body


async def test_a_prompt_is_answered_on_the_screen() -> None:
    async with World(ScriptedProvider(answer("Hello from **the model**."))).app() as chat:
        await chat.send("Hi there")

        await chat.until_seen("Hello from the model.")
        assert "Hi there" in chat.seen()
        assert chat.screen.prompt.text == ""


async def test_escape_keeps_the_partial_reply_and_r_asks_again() -> None:
    gated = GatedProvider()
    async with World(gated).app() as chat:
        await chat.send("Hi")
        await chat.until_seen("half an")

        await chat.press("escape")
        await chat.until_quiet()
        await chat.until_seen("stopped")
        gated.gate.set()
        await chat.press("escape", "r")

        await chat.until_seen("half an answer")
        assert "‹2/2›" in chat.seen()


async def test_quitting_in_the_middle_of_a_reply_and_coming_back_finds_everything() -> None:
    world = World(GatedProvider())
    async with world.app() as chat:
        await chat.send("Trip to Oslo")
        await chat.until_seen("half an")
        chat.screen.prompt.insert("an unsent thought")
        await chat.press("ctrl+q")

    async with world.app() as chat:
        await chat.until_seen("half an")
        assert "Trip to Oslo" in chat.seen()
        assert "stopped" in chat.seen()
        assert chat.screen.prompt.text == "an unsent thought"


async def test_what_is_typed_before_the_history_is_open_is_kept() -> None:
    world = World(ScriptedProvider())
    async with world.app() as chat:
        await chat.send("first")
        await chat.until_seen("reply 1")
        chat.screen.prompt.insert("draft")
        await chat.press("ctrl+q")

    program = world.program()
    from tui_chat.ui.app import TuiChatApp

    app = TuiChatApp(program)
    async with app.run_test(size=(100, 30)) as pilot:
        app._chat.prompt.insert("typed early")
        async with asyncio.timeout(20):
            await app.opened.wait()
        await pilot.pause()

        assert app._chat.prompt.text == "draft\ntyped early"
        await app.leave()


async def test_a_failure_stands_beside_the_reply_with_what_to_do() -> None:
    failing = ScriptedProvider([RateLimited("Too many requests.", hint="Wait a moment.")], answer("Now it works."))
    async with World(failing).app() as chat:
        await chat.send("Hi")
        await chat.until_seen("Too many requests. Wait a moment.")

        await chat.press("escape", "r")

        await chat.until_seen("Now it works.")
        assert "Too many requests" not in chat.seen()


async def test_a_cut_connection_keeps_what_arrived() -> None:
    cut = ScriptedProvider([TextDelta("Only half of "), NotReached("The connection was cut.")])
    async with World(cut).app() as chat:
        await chat.send("Hi")

        await chat.until_seen("The connection was cut.")
        assert "Only half of" in chat.seen()


async def test_a_prompt_typed_during_a_reply_is_shown_as_queued_and_sent_after_it() -> None:
    gated = GatedProvider()
    async with World(gated).app() as chat:
        await chat.send("one")
        await chat.until_seen("half an")
        await chat.send("two")
        await chat.until_seen("queued")

        gated.gate.set()
        await chat.until(lambda: len(gated.sent) == 2)
        await chat.until_quiet()

        text = chat.seen()
        assert "queued" not in text
        assert text.count("half an answer") == 2
        assert text.index("one") < text.index("half an answer") < text.index("two")


async def test_editing_makes_a_branch_and_the_brackets_switch() -> None:
    async with World(ScriptedProvider(answer("first answer"), answer("second answer"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("first answer")

        await chat.press("escape", "g", "e")
        await chat.until_seen("Editing an earlier message")
        chat.screen.prompt.draft = "better question"
        await chat.press("enter")
        await chat.until_seen("second answer")
        assert "better question" in chat.seen()
        assert "first answer" not in chat.seen()

        await chat.press("escape", "g", "left_square_bracket")
        await chat.until_seen("first answer")
        assert "second answer" not in chat.seen()


async def test_an_edit_can_be_undone() -> None:
    async with World(ScriptedProvider(answer("first answer"), answer("second answer"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("first answer")
        await chat.press("escape", "g", "e")
        await chat.until_seen("Editing")
        chat.screen.prompt.draft = "better question"
        await chat.press("enter")
        await chat.until_seen("second answer")

        await chat.press("f8")

        await chat.until_seen("first answer")


async def test_escape_leaves_an_edit_and_brings_the_draft_back() -> None:
    async with World(ScriptedProvider(answer("ok"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("ok")
        chat.screen.prompt.insert("my draft")
        await chat.press("escape", "g", "e")
        await chat.until_seen("Editing")
        during = chat.screen.prompt.text

        await chat.press("escape")

        assert (during, chat.screen.prompt.text) == ("question", "my draft")


async def test_a_deleted_message_comes_back_with_undo() -> None:
    async with World(ScriptedProvider(answer("the answer"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("the answer")

        await chat.press("escape", "G", "d")
        await chat.until(lambda: "the answer" not in chat.seen())
        await chat.press("f8")

        await chat.until_seen("the answer")


async def test_clear_empties_and_undo_refills() -> None:
    async with World(ScriptedProvider(answer("the answer"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("the answer")

        await chat.screen.run_action("clear")
        await chat.until(lambda: "the answer" not in chat.seen())
        await chat.press("f8")

        await chat.until_seen("the answer")


async def test_a_deleted_conversation_comes_back_with_undo() -> None:
    async with World(ScriptedProvider(answer("the answer"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("the answer")

        await chat.screen.run_action("delete_conversation")
        await chat.until(lambda: "question" not in chat.seen())
        await chat.press("f8")

        await chat.until_seen("the answer")


async def test_each_conversation_keeps_its_draft() -> None:
    async with World(ScriptedProvider(answer("one"), answer("two"))).app() as chat:
        await chat.send("first topic")
        await chat.until_seen("one")
        chat.screen.prompt.insert("first draft")
        await chat.press("ctrl+n")
        await chat.send("second topic")
        await chat.until_seen("two")
        chat.screen.prompt.insert("second draft")

        await chat.press("alt+down")
        await chat.until(lambda: chat.screen.prompt.text == "first draft")
        await chat.press("alt+up")
        await chat.until(lambda: chat.screen.prompt.text == "second draft")


async def test_a_reply_goes_on_while_another_conversation_is_on_show() -> None:
    gated = GatedProvider()
    async with World(gated).app() as chat:
        await chat.send("first topic")
        await chat.until_seen("half an")
        first = chat.screen.shown.id
        await chat.press("ctrl+n")
        await chat.until(lambda: "half an" not in chat.seen())
        await chat.screen.show_conversation(first)
        await chat.until_seen("half an")

        gated.gate.set()

        await chat.until_seen("half an answer")
        await chat.until_quiet()
        assert "stopped" not in chat.seen()


async def test_the_filter_narrows_the_list() -> None:
    async with World(ScriptedProvider()).app() as chat:
        await chat.send("Rust lifetimes")
        await chat.until_seen("reply 1")
        await chat.press("ctrl+n")
        await chat.send("Trip to Oslo")
        await chat.until_seen("reply 2")

        chat.screen.filter.focus()
        await chat.press("r", "u", "s")

        await chat.until(lambda: len(chat.screen.list._index.keys) == 1)
        assert "Rust lifetimes" in chat.seen()


async def test_thinking_is_folded_and_ctrl_t_shows_it() -> None:
    script: list[Delta | TuiChatError] = [ThinkingDelta("let me see, carefully"), TextDelta("Four."), Finished("stop")]
    async with World(ScriptedProvider(script)).app() as chat:
        await chat.send("2+2")
        await chat.until_seen("Four.")
        folded = chat.seen()

        await chat.press("ctrl+t")

        await chat.until_seen("let me see, carefully")
        assert "let me see, carefully" not in folded
        assert "thinking" in folded


async def test_an_unknown_conversation_ends_the_app_with_exit_code_4() -> None:
    world = World(ScriptedProvider())
    await (await world.services()).close()
    from tui_chat.ui.app import TuiChatApp

    app = TuiChatApp(world.program(), conversation="nothing like it")
    async with app.run_test():
        async with asyncio.timeout(20):
            while app.ended_by is None or app.return_code is None:
                await asyncio.sleep(0.01)

    assert app.return_code == 4


async def test_a_fault_prints_no_locals_and_saves_the_reply(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(GatedProvider())
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with world.app() as chat:
            await chat.send("canary prompt")
            await chat.until_seen("half an")

            def fail() -> None:
                secret = "canary local"
                assert secret
                raise ZeroDivisionError("canary message")

            chat.screen.call_later(fail)
            await chat.until(lambda: chat.app._exit_renderables != [])
            said = "".join(str(each) for each in chat.app._exit_renderables)
            assert "canary" not in said
            assert "What had arrived was kept" in said

    services = await world.services()
    newest = await services.library.newest()
    assert newest is not None
    last = (await services.library.branch(newest.id))[-1]
    await services.close()
    assert (last.text, last.status) == ("half an ", "stopped")
    assert "canary" not in capsys.readouterr().err


async def test_keys_typed_while_another_conversation_opens_stay_with_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with World(ScriptedProvider(answer("one"), answer("two"))).app() as chat:
        await chat.send("first topic")
        await chat.until_seen("one")
        first = chat.screen.shown.id
        await chat.press("ctrl+n")
        await chat.send("second topic")
        await chat.until_seen("two")
        second = chat.screen.shown.id
        gate, library = asyncio.Event(), chat.services.library
        read = library.bodies

        async def slow(ids: Sequence[str]) -> dict[str, Body]:
            await gate.wait()
            return await read(ids)

        monkeypatch.setattr(library, "bodies", slow)
        opening = asyncio.create_task(chat.screen.show_conversation(first))
        await chat.pilot.pause()
        await chat.press("a", "b")
        gate.set()
        await opening

        assert chat.screen.prompt.text == ""
        await chat.screen.show_conversation(second)
        assert chat.screen.prompt.text == "ab"


async def test_a_new_conversation_that_never_was_anything_is_forgotten() -> None:
    async with World(ScriptedProvider()).app() as chat:
        await chat.send("topic")
        await chat.until_seen("reply 1")
        await chat.press("ctrl+n", "x")
        await chat.until(lambda: chat.screen.shown.stored)
        await chat.press("backspace")
        await chat.press("alt+down")
        await chat.until_seen("reply 1")

        assert len((await chat.services.library.index()).keys) == 1


@pytest.mark.parametrize("stored", [True, False])
async def test_enter_followed_at_once_by_quit_keeps_the_prompt(stored: bool) -> None:
    world = World(GatedProvider())
    async with world.app() as chat:
        if stored:
            await chat.send("first")
            await chat.until_seen("half an")
            await chat.press("escape")
            await chat.until_quiet()
        chat.screen.prompt.focus()
        chat.screen.prompt.insert("sent in the last moment")
        chat.screen.prompt.action_send()
        await chat.app.action_quit()

    services = await world.services()
    newest = await services.library.newest()
    assert newest is not None
    texts = [message.text for message in await services.library.branch(newest.id)]
    draft = (await services.library.open(newest.id)).draft
    await services.close()
    assert ("sent in the last moment" in texts) != ("sent in the last moment" in draft)


async def test_an_edit_survives_going_elsewhere_and_quitting() -> None:
    world = World(ScriptedProvider(answer("one"), answer("two")))
    async with world.app() as chat:
        await chat.send("question")
        await chat.until_seen("one")
        chat.screen.prompt.insert("a draft")
        await chat.press("escape", "g", "e")
        await chat.until_seen("Editing an earlier message")
        chat.screen.prompt.draft = "a much better question"
        await chat.press("ctrl+n")
        assert chat.screen.prompt.text == ""
        await chat.press("alt+down")
        await chat.until(lambda: chat.screen.prompt.text == "a much better question")
        await chat.press("ctrl+q")

    async with world.app() as chat:
        await chat.until(lambda: chat.screen.prompt.text == "a much better question")
        assert "Editing an earlier message" in chat.seen()
        await chat.press("escape")
        assert chat.screen.prompt.text == "a draft"


async def test_an_edit_that_cannot_be_saved_stays_in_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World(ScriptedProvider(answer("one"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("one")
        await chat.press("escape", "g", "e")
        await chat.until_seen("Editing an earlier message")
        chat.screen.prompt.draft = "a much better question"

        async def full(*_: object, **__: object) -> None:
            raise StoreFailed("The disk is full.")

        monkeypatch.setattr(chat.services.chat._store, "add_message", full)
        await chat.press("enter")

        await chat.until_seen("The disk is full.")
        assert chat.screen.prompt.text == "a much better question"
        assert "Editing an earlier message" in chat.seen()


async def test_a_failure_a_person_can_act_on_is_shown_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World(ScriptedProvider(answer("one"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("one")

        async def busy(*_: object, **__: object) -> None:
            raise StoreFailed("Another program is using the history.")

        monkeypatch.setattr(chat.services.library._store, "update_conversation", busy)
        await chat.screen.run_action("toggle_pin")
        await chat.until_seen("Another program is using the history.")
        chat.screen.list.focus()
        await chat.press("p")

        assert chat.app.is_running


async def test_a_conversation_deleted_by_another_program_is_not_a_fault() -> None:
    async with World(ScriptedProvider(answer("one"), answer("two"))).app() as chat:
        await chat.send("first topic")
        await chat.until_seen("one")
        gone = chat.screen.shown.id
        await chat.press("ctrl+n")
        await chat.send("second topic")
        await chat.until_seen("two")
        await chat.services.library.delete([gone])

        await chat.press("alt+down")
        await chat.until(lambda: len(chat.screen.list._index.keys) == 1)

        assert "two" in chat.seen()


async def test_while_a_reply_is_written_the_plan_it_was_asked_with_stays_on_show() -> None:
    gated = GatedProvider()
    async with World(gated).app(size=(120, 30)) as chat:
        gated.gate.set()
        for number in range(11):
            await chat.send(f"prompt {number}")
            await chat.until_quiet()
        gated.gate.clear()

        await chat.send("the twelfth")
        await chat.until_seen("2 of 22 earlier messages are not sent")
        shown = [line for line in chat.seen().splitlines() if "earlier messages are not sent" in line]
        gated.gate.set()
        await chat.until_seen("4 of 24 earlier messages are not sent")

        assert len(shown) == 1


async def type_at_once(chat: Chat, *keys: str) -> None:
    """Keys as they come over a slow line: all in one read."""
    for key in keys:
        character = key if len(key) == 1 else None
        chat.app.post_message(events.Key(key, character))
    await chat.pilot.pause()


async def test_what_is_typed_right_behind_a_new_conversation_goes_into_it() -> None:
    async with World(ScriptedProvider(answer("one"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("one")
        first = chat.screen.shown.id

        await type_at_once(chat, *"old", "ctrl+n", *"new")
        await chat.until(lambda: chat.screen.prompt.text == "new")
        await chat.screen.show_conversation(first)

        assert chat.screen.prompt.text == "old"


async def test_prompts_sent_in_one_burst_into_new_conversations_all_arrive() -> None:
    async with World(ScriptedProvider()).app() as chat:
        await type_at_once(chat, *"one", "enter", "ctrl+n", *"two", "enter", "ctrl+n", *"three", "enter")

        await chat.until(lambda: len(chat.screen.list._index.keys) == 3)
        found = {hit.snippet for word in ("one", "two", "three") for hit in await chat.services.library.search(word)}
        assert {"one", "two", "three"} <= found


async def test_keys_behind_escape_reach_the_transcript() -> None:
    async with World(ScriptedProvider(answer("one"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("one")

        await type_at_once(chat, "escape", "g", "e")

        await chat.until_seen("Editing an earlier message")
        assert chat.screen.prompt.text == "question"


async def test_an_editor_that_fails_leaves_the_app_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World(ScriptedProvider(answer("one"))).app() as chat:
        monkeypatch.setattr(chat.app, "suspend", contextlib.nullcontext)
        monkeypatch.setenv("EDITOR", "false")
        chat.screen.prompt.insert("my text")

        await chat.press("ctrl+g")

        await chat.until_seen("The editor ended with an error.")
        assert chat.screen.prompt.text == "my text"


async def test_a_conversation_stays_with_the_model_it_began_with() -> None:
    world = World(ScriptedProvider(answer("one"), answer("two")))
    async with world.app() as chat:
        await chat.send("question")
        await chat.until_seen("one")
        first = chat.screen.shown.id
        await chat.press("ctrl+n")
        await chat.screen._use_model(ModelRef("test", "another"))
        await chat.screen.show_conversation(first)

        assert chat.screen.top_bar.model == "test-model"


async def test_deleting_twice_deletes_neighbours() -> None:
    async with World(ScriptedProvider()).app(size=(100, 40)) as chat:
        for number in (1, 2, 3):
            await chat.send(f"question {number}")
            await chat.until_seen(f"reply {number}")
        await chat.press("escape", "g", "j", "j", "d")
        await chat.until(lambda: "question 2" not in chat.seen())
        await chat.press("d")
        await chat.until(lambda: "reply 2" not in chat.seen())

        assert "question 3" in chat.seen()
        assert "reply 3" in chat.seen()


async def test_an_archived_conversation_comes_back_with_undo() -> None:
    async with World(ScriptedProvider(answer("one"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("one")
        await chat.screen.run_action("archive")
        await chat.until(lambda: len(chat.screen.list._index.keys) == 0)

        await chat.press("f8")

        await chat.until(lambda: len(chat.screen.list._index.keys) == 1)


async def test_an_abandoned_edit_comes_back_with_undo() -> None:
    async with World(ScriptedProvider(answer("one"))).app() as chat:
        await chat.send("question")
        await chat.until_seen("one")
        await chat.press("escape", "g", "e")
        await chat.until_seen("Editing an earlier message")
        chat.screen.prompt.draft = "a long rewording"
        await chat.press("escape")
        assert chat.screen.prompt.text == ""

        await chat.press("f8")

        await chat.until(lambda: chat.screen.prompt.text == "a long rewording")


async def test_a_new_conversation_is_where_one_was_as_soon_as_its_draft_is_kept() -> None:
    async with World(ScriptedProvider()).app() as chat, asyncio.timeout(10):
        chat.screen.prompt.insert("half a thought")
        await chat.until(lambda: chat.screen.shown.stored)
        place = ""
        while chat.screen.shown.id not in place:
            place = await chat.services.library.value("place") or ""
            await chat.pilot.pause(0.01)

        assert chat.screen.shown.id == json.loads(place)["conversation"]


async def test_a_reply_whose_writer_was_killed_a_moment_ago_becomes_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(GatedProvider())
    services = await world.services()
    cid = (await services.library.new("killed")).id
    prompt = Message("prompt", None, Role.USER, "Hi", now())
    await services.chat._store.add_prompt(cid, prompt, title="killed")
    await services.chat._store.add_message(
        cid, Message("reply", "prompt", Role.ASSISTANT, "", now(), status=Status.STREAMING)
    )
    await services.chat._store.checkpoint("reply", Body("what had arrived"), now())
    await services.close()
    async with world.app(conversation="killed") as chat:
        await chat.until_seen("writing…")
        monkeypatch.setattr(chat.services.library, "_now", lambda: now() + 11_000)

        chat.app._tidy_again()

        await chat.until_seen("stopped")
        assert "what had arrived" in chat.seen()


async def test_a_pinned_exchange_is_always_sent_and_an_excluded_one_never() -> None:
    provider = ScriptedProvider()
    async with World(provider).app(size=(120, 40)) as chat:
        for number in range(12):
            await chat.send(f"prompt {number}")
            await chat.until_seen(f"reply {number + 1}")
        await chat.press("escape", "g", "p")
        await chat.until(lambda: marks(chat) == (True, False))
        await chat.press("G", "x")
        await chat.until(lambda: chat.screen.shown.branch[-1].excluded)
        chat.screen.prompt.focus()
        await chat.send("what do you see?")
        await chat.until_quiet()

        sent = [message.content for message in provider.sent[-1].payload]
        assert sent[:2] == ["prompt 0", "reply 1"]
        assert "prompt 11" not in sent
        assert "prompt 10" in sent


async def test_a_mark_can_be_undone_and_pinning_takes_back_excluding() -> None:
    provider = ScriptedProvider()
    async with World(provider).app(size=(120, 40)) as chat:
        await chat.send("question")
        await chat.until_seen("reply 1")
        await chat.press("escape", "g", "x")
        await chat.until(lambda: marks(chat) == (False, True))
        await chat.press("p")
        await chat.until(lambda: marks(chat) == (True, False))

        await chat.press("f8")

        await chat.until(lambda: marks(chat) == (False, True))


def marks(chat: Chat) -> tuple[bool, bool]:
    """Whether the first message on show is pinned, and whether it is excluded."""
    first = chat.screen.shown.branch[0]
    return first.pinned, first.excluded


async def test_the_inspector_shows_byte_for_byte_what_is_then_sent() -> None:
    provider = ScriptedProvider()
    async with World(provider).app(size=(120, 40)) as chat:
        for number in range(12):
            await chat.send(f"prompt {number}")
            await chat.until_quiet()
        chat.screen.prompt.insert("and now?")

        shown = await chat.screen._next()
        await chat.press("f3")
        await chat.until_seen("and now?")
        await chat.press("2")
        await chat.until_seen('"messages"')
        await chat.press("escape")
        await chat.press("enter")
        await chat.until_quiet()

        assert shown.raw == provider.render(provider.sent[-1], model="test-model")


async def test_the_inspector_tells_what_the_model_saw_for_an_old_reply() -> None:
    provider = ScriptedProvider()
    async with World(provider).app(size=(120, 40)) as chat:
        for number in range(12):
            await chat.send(f"prompt {number}")
            await chat.until_quiet()
        await chat.press("escape", "G", "i")

        await chat.until_seen("prompt 11")
        assert provider.sent[-1].payload[0].content == "prompt 1"
        past = await chat.screen._past(chat.screen.shown.branch[-1].id)
        assert past is not None
        assert [entry.sent for entry in past.plan.entries].count(False) == 2


async def test_the_inspector_counts_a_reply_that_is_arriving_with_what_has_arrived() -> None:
    gated = GatedProvider()
    async with World(gated).app() as chat:
        await chat.send("question")
        await chat.until_seen("half an")

        shown = await chat.screen._next()

        assert [(entry.sent, entry.reason) for entry in shown.plan.entries] == [(True, "window"), (True, "window")]
        gated.gate.set()
        await chat.until_quiet()
