"""A real server with a window of 512 tokens, walked through from the first prompt to what no longer fits.

The tiny model's tokens can be counted beforehand (``tests.servers.llama``): each prompt here is 20 and
its message 28, each reply 30 and its message 43, and 11 more begin the reply. ``-s`` prints what was
estimated and what the server counted.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from tests.fakes import FakeProviders, ScriptedProvider
from tests.servers.llama import REPLY, llama_server, require_llama
from tests.services.conftest import Watcher
from tests.test_journey import payload_of, typed
from tests.ui.chat_app import Chat, World
from tui_chat.core.context import ContextPlan, Kind, Reason
from tui_chat.core.errors import ContextTooLong, OverBudget, TuiChatError
from tui_chat.core.events import PlanReady, TurnEnded
from tui_chat.core.models import Message, ModelRef, Status
from tui_chat.core.sentences import warning_sentence
from tui_chat.core.settings import Endpoint, Settings
from tui_chat.core.summary import Summary
from tui_chat.memory.summary import due
from tui_chat.providers.connect import HttpProviders
from tui_chat.services.options import Options
from tui_chat.services.program import Services

CTX = 512
MODEL = ModelRef("llama", "tiny-chat")
EXCHANGE, ASKING = 28 + 43, 28 + 11
"""What a finished exchange and a new prompt cost, in the server's own tokens."""


def prompt(number: int) -> str:
    """One of 20 tokens, below the tenth."""
    return f"from a tiny model every word is scripted none was learned a tiny model word {number}"


# -- a server that is listened in on ------------------------------------------------------------


class Relay:
    """Stands before a real server and keeps what it was asked; it may leave out what the server says of windows."""

    def __init__(self, upstream: str, *, tells_window: bool) -> None:
        self.upstream = upstream
        self.tells_window = tells_window
        self.requests: list[dict[str, Any]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._connection())

    @property
    def url(self) -> str:
        """Its OpenAI base URL."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    @property
    def received(self) -> list[dict[str, str]]:
        """The messages of the last request for a completion."""
        messages: list[dict[str, str]] = self.requests[-1]["messages"]
        return messages

    def _connection(self) -> type[BaseHTTPRequestHandler]:
        relay = self

        class Connection(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                if relay.tells_window:
                    self._pass_on(None)
                else:
                    self._answer(200, "application/json", json.dumps({"data": [{"id": MODEL.name}]}).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                relay.requests.append(json.loads(body))
                self._pass_on(body)

            def _pass_on(self, body: bytes | None) -> None:
                address = relay.upstream.removesuffix("/v1") + self.path
                request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=30) as answer:
                        self._answer(answer.status, answer.headers["Content-Type"], answer.read())
                except urllib.error.HTTPError as refusal:
                    self._answer(refusal.code, refusal.headers["Content-Type"], refusal.read())

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Connection


@contextmanager
def relay_to(url: str, *, tells_window: bool = True) -> Iterator[Relay]:
    """A running relay."""
    relay = Relay(url, tells_window=tells_window)
    thread = threading.Thread(target=relay.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield relay
    finally:
        relay.server.shutdown()
        thread.join(10)
        relay.server.server_close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    require_llama()
    with llama_server("chat", ctx=CTX) as url:
        yield url


def world_before(relay: Relay, *, context_window: int | None = None) -> World:
    """A computer whose only endpoint is that server, over real HTTP; ``context_window`` is the user's own figure."""
    world = World(ScriptedProvider())
    world.providers = cast(FakeProviders, HttpProviders(ports=()))
    world.model = str(MODEL)
    endpoint = Endpoint(MODEL.endpoint, relay.url, context_window=context_window)
    world.program().save_settings(Settings(endpoints=(endpoint,)))
    return world


# -- a talk by the services ------------------------------------------------------------------------


@dataclass
class Turn:
    """What was planned before a prompt was sent, what was sent, and what came of it."""

    looked: ContextPlan
    plan: ContextPlan
    reply: Message
    error: TuiChatError | None

    @property
    def counted(self) -> int:
        """The server's own count of the request."""
        assert self.reply.usage is not None
        return self.reply.usage.input_tokens


@dataclass
class Talk:
    """A conversation with the small model."""

    services: Services
    relay: Relay
    id: str

    async def plan(self, text: str, options: Options | None = None) -> ContextPlan:
        """What would be sent; asks nobody."""
        return await self.services.planning.plan(self.id, text, options)

    async def say(self, text: str, options: Options | None = None) -> Turn:
        """A turn; where something was sent, it was what the plan says."""
        looked, before, watch = await self.plan(text, options), len(self.relay.requests), Watcher()
        await self.services.chat.send(self.id, text, watch, options)
        return self._turn(looked, before, watch)

    async def again(self, reply: Message) -> Turn:
        """The same prompt once more, as after a yes."""
        asked = await self.services.library.message(reply.parent_id or "")
        tree = (await self.services.library.open(self.id)).tree
        conversation = await self.services.library.conversation(self.id)
        branch = tree.path_to(asked.id)[:-1]
        looked = await self.services.planning.request(conversation, branch, asked.text, Options())
        before, watch = len(self.relay.requests), Watcher()
        await self.services.chat.regenerate(self.id, reply.id, watch)
        return self._turn(looked, before, watch)

    def _turn(self, looked: ContextPlan, before: int, watch: Watcher) -> Turn:
        (ready,), (ended,) = watch.all(PlanReady), watch.all(TurnEnded)
        assert isinstance(ready, PlanReady)
        assert isinstance(ended, TurnEnded)
        sent = self.relay.requests[before:]
        assert [messages_of(ready.plan)] * bool(ready.plan.payload) == [each["messages"] for each in sent]
        return Turn(looked, ready.plan, ended.reply, ended.error)


def messages_of(plan: ContextPlan) -> Sequence[dict[str, str]]:
    return [{"role": each.role, "content": each.content} for each in plan.payload]


def talk_with(relay: Relay, *, context_window: int | None = None) -> AbstractAsyncContextManager[Talk]:
    """A new conversation there."""
    return talk_on(world_before(relay, context_window=context_window), relay)


@asynccontextmanager
async def talk_on(world: World, relay: Relay) -> AsyncIterator[Talk]:
    """A new conversation on that computer."""
    services = await world.services()
    try:
        yield Talk(services, relay, (await services.library.new("A talk")).id)
    finally:
        await services.close()


async def test_a_talk_grows_past_the_window_and_is_planned_counted_and_warned_about_to_the_message(url: str) -> None:
    with relay_to(url) as relay:
        async with talk_with(relay) as talk:
            turns = [await talk.say(prompt(number)) for number in range(1, 10)]

    first, *later = turns
    print(f"\n{'turn':>4} {'margin':>6} {'room':>5} {'estimate':>8} {'counted':>7} {'error':>7} {'sent':>4} {'not':>3}")
    for number, turn in enumerate(turns, 1):
        off = turn.plan.totals.tokens / turn.counted - 1
        totals, budget = turn.plan.totals, turn.plan.budget
        print(
            f"{number:>4} {budget.margin:>6.0%} {budget.input:>5} {totals.tokens:>8} {turn.counted:>7} {off:>+7.1%}"
            f" {totals.sent:>4} {totals.not_sent:>3}"
        )

    # The window is learned from the server with the first prompt, and holds for what is only looked at from then on.
    assert (8192, True) == (first.looked.budget.context_window, first.looked.budget.assumed)
    assert {(CTX, False)} == {(turn.plan.budget.context_window, turn.plan.budget.assumed) for turn in turns}
    # What was planned before sending is what was sent, warnings and all.
    for turn in later:
        assert (turn.looked.payload, turn.looked.warnings) == (turn.plan.payload, turn.plan.warnings)
    # The server counted exactly the messages that the plan says it got.
    for number, turn in enumerate(turns, 1):
        assert ASKING + EXCHANGE * turn.plan.totals.sent // 2 == turn.counted
        earlier, dropped = 2 * (number - 1), turn.plan.totals.not_sent
        assert earlier == turn.plan.totals.sent + dropped
        assert [dropped] * bool(dropped) == [warning.count for warning in turn.plan.warnings]
        assert (REPLY, Status.COMPLETE, None) == (turn.reply.text, turn.reply.status, turn.error)
    assert turns[-1].plan.totals.not_sent
    # Two counts calibrate; from then on the estimate is on the safe side, and nearer with each count.
    assert [0.4, 0.4, *[0.05] * 7] == [turn.plan.budget.margin for turn in turns]
    errors = [turn.plan.totals.tokens / turn.counted - 1 for turn in turns[2:]]
    assert sorted(errors, reverse=True) == errors
    assert errors[0] <= 0.1
    assert 0 <= errors[-1] <= 0.05


async def test_a_message_is_dropped_when_it_does_not_fit_and_not_before(url: str) -> None:
    with relay_to(url) as relay:
        async with talk_with(relay) as talk:
            turns = [await talk.say(prompt(number)) for number in range(1, 9)]

    assert [False] * 5 + [True] * 3 == [bool(turn.looked.warnings) for turn in turns]
    for turn in turns[5:]:
        dropped = [entry for entry in turn.plan.entries if entry.reason is Reason.BEFORE_WINDOW]
        newest = sum(entry.tokens for entry in dropped[-2:])
        assert turn.plan.totals.tokens <= turn.plan.budget.input < turn.plan.totals.tokens + newest
        # By the server's own count it would have taken room that is kept for the reply.
        assert turn.counted <= CTX - turn.plan.budget.reserved_for_reply < turn.counted + EXCHANGE


# -- refused for its length ----------------------------------------------------------------------


async def test_a_refusal_is_told_with_its_numbers_learned_from_and_asked_again_only_on_request(url: str) -> None:
    with relay_to(url, tells_window=False) as relay:
        async with talk_with(relay) as talk:
            answered = [await talk.say(prompt(number)) for number in range(1, 8)]
            before = len(relay.requests)
            refused = await talk.say(prompt(8))
            asked = len(relay.requests) - before
            window = await talk.services.endpoints.window(MODEL)
            again = await talk.again(refused.reply)

    assert {(8192, True)} == {(each.plan.budget.context_window, each.plan.budget.assumed) for each in answered}
    assert isinstance(refused.error, ContextTooLong)
    assert (CTX, 7 * EXCHANGE + ASKING) == (refused.error.limit, refused.error.needed)
    assert (Status.FAILED, "") == (refused.reply.status, refused.reply.text)
    assert 1 == asked
    assert (CTX, False) == (window.tokens, window.assumed)
    assert again.looked.payload == again.plan.payload
    assert again.plan.warnings
    assert (None, REPLY) == (again.error, again.reply.text)
    assert again.counted < CTX


async def test_a_figure_of_the_user_s_that_the_server_refuses_does_not_hold_any_longer(url: str) -> None:
    with relay_to(url) as relay:
        async with talk_with(relay, context_window=8192) as talk:
            turns = [await talk.say(prompt(number)) for number in range(1, 9)]
            again = await talk.again(turns[-1].reply)

    assert isinstance(turns[-1].error, ContextTooLong)
    assert {8192} == {turn.plan.budget.context_window for turn in turns}
    assert CTX == again.plan.budget.context_window
    assert (None, REPLY) == (again.error, again.reply.text)


# -- every strategy ---------------------------------------------------------------------------------


async def test_the_whole_history_is_sent_while_it_fits_and_refused_before_it_is_sent_when_not(url: str) -> None:
    full = Options(strategy="full")
    with relay_to(url) as relay:
        async with talk_with(relay) as talk:
            turns = [await talk.say(prompt(number), full) for number in range(1, 7)]
            requests = len(relay.requests)
            looked = await talk.plan(prompt(7), full)
            refused = await talk.say(prompt(7), full)
            asked = len(relay.requests) - requests
            windowed = await talk.say(prompt(8), Options(strategy="window"))

    *answered, last = [turn for turn in turns if turn.error is None]
    assert [2 * number for number in range(len(answered) + 1)] == [turn.plan.totals.sent for turn in (*answered, last)]
    assert looked.error is not None
    assert ("over_budget", looked.error) == (looked.error.code, refused.plan.error)
    assert looked.error.needed > looked.error.room == looked.budget.input
    assert isinstance(refused.error, OverBudget)
    assert (0, REPLY) == (asked, windowed.reply.text)


async def test_what_was_found_is_quoted_within_the_small_window(url: str) -> None:
    options = Options(strategy="retrieval", max_messages=2)
    with relay_to(url) as relay:
        async with talk_with(relay) as talk:
            for text in ("harbour pier: seven", *map(prompt, range(2, 8))):
                await talk.say(text)
            turn = await talk.say("which harbour pier", options)

    assert (None, REPLY) == (turn.error, turn.reply.text)
    assert turn.looked.payload == turn.plan.payload
    assert "\n> harbour pier: seven\n" in relay.received[-1]["content"]
    assert [prompt(7), REPLY] == [each["content"] for each in relay.received[:-1]]
    (found,) = [entry for entry in turn.plan.entries if entry.reason is Reason.RETRIEVED and entry.id is not None]
    assert [("not_found", 1)] == [(warning.code, warning.found) for warning in turn.plan.warnings]
    assert turn.plan.entries[-1].id == found.inside
    print(f"\nretrieval: estimate {turn.plan.totals.tokens}, counted {turn.counted} of {CTX}")


async def test_a_window_too_small_for_a_summary_says_so_and_the_prompt_goes_without(url: str) -> None:
    options = Options(strategy="summary", max_messages=4)
    with relay_to(url) as relay:
        async with talk_with(relay) as talk:
            for number in range(1, 8):
                await talk.say(prompt(number))
            requests = len(relay.requests)
            with pytest.raises(OverBudget, match="too small to make a summary"):
                await summarise(talk, prompt(8), options)
            made = len(relay.requests) - requests
            turn = await talk.say(prompt(8), options)

    assert 0 == made
    assert (None, REPLY) == (turn.error, turn.reply.text)
    (warning,) = turn.plan.warnings
    assert ("not_summarised", turn.plan.totals.not_sent) == (warning.code, warning.count)
    assert "too small to make a summary" in warning_sentence(warning)


async def test_a_summary_is_made_by_the_server_and_goes_where_its_messages_do_not() -> None:
    require_llama()
    options = Options(strategy="summary", max_messages=4)
    with llama_server("chat", ctx=4 * CTX) as url, relay_to(url) as relay:
        async with talk_with(relay) as talk:
            for number in range(1, 8):
                await talk.say(prompt(number))
            looked = await talk.plan(prompt(8), options)
            summary = await summarise(talk, prompt(8), options)
            request = relay.received
            turn = await talk.say(prompt(8), options)

    dropped = [entry.id for entry in looked.entries if entry.kind is Kind.MESSAGE and not entry.sent]
    assert dropped == [source.id for source in summary.sources]
    assert f"| {prompt(1)}" in request[-1]["content"]
    assert REPLY == summary.text
    assert relay.received[0]["content"].endswith(f"details may be missing:\n\n{REPLY}")
    assert ["summarised"] == [warning.code for warning in turn.plan.warnings]
    assert (None, REPLY) == (turn.error, turn.reply.text)


async def summarise(talk: Talk, text: str, options: Options) -> Summary:
    """What a front end does where a summary is due."""
    services = talk.services
    opened = await services.library.open(talk.id)
    branch = opened.tree.branch
    basis = await services.planning.basis(opened.conversation, options)
    plan = await services.planning.look(opened.conversation, branch, text, basis, options)
    assert due(branch, plan, None).messages

    async def emit(_: str) -> None:
        """Nobody reads along."""

    return await services.summaries.make(opened.conversation, branch, plan, MODEL, emit)


# -- the whole app ----------------------------------------------------------------------------------


async def sent_by_hand(chat: Chat, relay: Relay, number: int) -> ContextPlan:
    """Type a prompt, read its plan on the screen, and send it; that plan."""
    planning, shown = chat.services.planning, chat.screen.shown
    basis = await planning.basis(shown.conversation, ask=True)
    await chat.until(lambda: chat.screen.shown.basis == basis)
    before, plan = len(relay.requests), await typed(chat, prompt(number))
    told = [warning_sentence(warning) for warning in plan.warnings]
    assert all(sentence in " ".join(chat.seen().split()) for sentence in told)
    assert bool(told) == ("not sent" in chat.seen())
    expected = await payload_of(chat, plan)

    await chat.press("enter")
    await chat.until(lambda: len(relay.requests) == before + 1)
    await chat.until_quiet()

    assert expected == relay.received
    return plan


async def test_in_the_app_the_warning_stands_before_the_prompt_is_sent_and_the_server_s_count_behind_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui_chat.ui.screens.chat_shell.PLAN_SECONDS", 0.01)
    with relay_to(url) as relay:
        async with world_before(relay).app(size=(140, 40)) as chat:
            await chat.until_seen("of 274 tokens")
            plans = []
            for number in range(1, 9):
                plans.append(await sent_by_hand(chat, relay, number))
                counted = ASKING + EXCHANGE * plans[-1].totals.sent // 2
                await chat.until_seen(f"last {counted}")

    assert [False] * 5 + [True] * 3 == [bool(plan.warnings) for plan in plans]
    assert [0.4, 0.4, *[0.05] * 6] == [plan.budget.margin for plan in plans]


@pytest.mark.parametrize(("answer", "asked"), [("y", 9), ("n", 8)])
async def test_in_the_app_a_prompt_that_was_refused_is_asked_again_only_after_a_yes(
    answer: str, asked: int, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui_chat.ui.screens.chat_shell.PLAN_SECONDS", 0.01)
    with relay_to(url, tells_window=False) as relay:
        world = world_before(relay)
        async with talk_on(world, relay) as talk:
            for number in range(1, 8):
                await talk.say(prompt(number))
        async with world.app(size=(140, 40), conversation=talk.id) as chat:
            await sent_by_hand(chat, relay, 8)
            await chat.until_seen("Too long for this model")
            await chat.until_seen("The server refused the request: it takes 512 tokens.")
            question, requests = chat.seen(), len(relay.requests)
            await chat.press(answer)
            await chat.until(lambda: chat.app.screen is chat.screen)
            await chat.until(lambda: len(relay.requests) >= asked)
            await chat.until_quiet()
            texts = [message.text for message in await chat.services.library.branch(chat.screen.shown.id)]

    assert 8 == requests
    assert asked == len(relay.requests)
    assert "messages would be sent, " in question
    assert ([REPLY] if answer == "y" else [""]) == texts[-1:]
