"""A conversation that is to stay on this computer, favourites, and a change of model in its middle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.fakes import FakeProviders, ScriptedProvider
from tests.services.conftest import Bench, MakeBench, Watcher
from tests.services.test_endpoints import Desk
from tui_chat.core.errors import NoModel, NotReached, Refused
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, ModelCard
from tui_chat.core.settings import GUIDE_MODEL, Endpoint
from tui_chat.services.endpoints import ContextWindow

LOCAL = Endpoint("local", "http://127.0.0.1:8080/v1")
NETWORK = Endpoint("network", "http://192.168.1.4:8080/v1")
CLOUD = Endpoint("cloud", "https://api.example.com/v1")
OLLAMA = Endpoint("ollama", "http://127.0.0.1:11434", "ollama")
STAYS = "conversation-that-stays"


@pytest.fixture
async def desk(store: ConversationStore) -> Desk:
    made = Desk(store, LOCAL, NETWORK, CLOUD, OLLAMA)
    made.provider.cards = (ModelCard("here:latest"), ModelCard("mine:latest", 9000, runs_at="ollama.com"))
    await made.service.keep_here(STAYS, here=True)
    return made


@pytest.mark.parametrize(
    "model",
    [
        ModelRef("cloud", "gpt"),
        ModelRef("network", "m"),
        ModelRef("local", "gpt-oss:120b-cloud"),
        ModelRef("ollama", "gpt-oss:120b-cloud"),
        ModelRef("ollama", "mine"),
        ModelRef("ollama", "mine:latest"),
    ],
)
async def test_what_is_elsewhere_is_told_nothing_of_a_conversation_that_stays(model: ModelRef, desk: Desk) -> None:
    with pytest.raises(Refused, match="not to leave it; nothing was sent") as caught:
        await desk.service.provider(model, conversation_id=STAYS)

    assert caught.value.hint
    assert not await desk.service.may_receive(model, STAYS)
    assert [] == desk.provider.sent
    assert {"ollama"} >= {endpoint.name for endpoint, _ in desk.providers.opened}  # asked what it hands on


@pytest.mark.parametrize("model", [ModelRef("local", "m"), ModelRef("ollama", "here"), GUIDE_MODEL])
async def test_what_is_here_may_be_told(model: ModelRef, desk: Desk) -> None:
    assert await desk.service.provider(model, conversation_id=STAYS) is desk.provider


async def test_another_conversation_may_leave_and_so_may_this_one_when_it_is_allowed_to(desk: Desk) -> None:
    model = ModelRef("cloud", "gpt")

    await desk.service.provider(model, conversation_id="another")
    await desk.service.keep_here(STAYS, here=False)
    await desk.service.provider(model, conversation_id=STAYS)

    assert not await desk.service.stays_here(STAYS)


async def test_it_stays_in_the_next_run_too(desk: Desk, store: ConversationStore) -> None:
    next_run = Desk(store, CLOUD)

    assert await next_run.service.stays_here(STAYS)
    with pytest.raises(Refused):
        await next_run.service.provider(ModelRef("cloud", "gpt"), conversation_id=STAYS)


async def test_an_ollama_that_does_not_say_what_it_hands_on_is_told_nothing(store: ConversationStore) -> None:
    class Silent(ScriptedProvider):
        async def models(self) -> Sequence[ModelCard]:
            raise NotReached("Nothing listens.")

    desk = Desk(store, OLLAMA, providers=FakeProviders(Silent()))
    await desk.service.keep_here(STAYS, here=True)

    with pytest.raises(NotReached):
        await desk.service.provider(ModelRef("ollama", "here"), conversation_id=STAYS)


async def test_a_model_of_no_endpoint_is_not_taken_for_one_that_is_here(desk: Desk) -> None:
    with pytest.raises(NoModel):
        await desk.service.provider(ModelRef("gone", "m"), conversation_id=STAYS)


async def test_an_ollama_that_was_changed_is_asked_anew_what_it_hands_on(desk: Desk) -> None:
    model = ModelRef("ollama", "here")
    await desk.service.provider(model, conversation_id=STAYS)
    desk.provider.cards = (ModelCard("here:latest", runs_at="ollama.com"),)

    await desk.service.save(Endpoint("ollama", "http://127.0.0.1:11435", "ollama"))

    with pytest.raises(Refused):
        await desk.service.provider(model, conversation_id=STAYS)


async def test_no_server_elsewhere_is_even_asked_for_its_window(desk: Desk) -> None:
    for name in ("cloud", "network", "local"):
        await desk.service.window(ModelRef(name, "m"), ask=True, conversation_id=STAYS)

    assert ["local"] == [endpoint.name for endpoint, _ in desk.providers.opened]
    await desk.service.window(ModelRef("cloud", "m"), ask=True, conversation_id="another")
    assert ["local", "cloud"] == [endpoint.name for endpoint, _ in desk.providers.opened]


# -- favourites ---------------------------------------------------------------------------------


async def test_favourites_are_kept_in_the_history_in_their_order(desk: Desk, store: ConversationStore) -> None:
    odd = ModelRef("cloud", 'meta/llama "3": 漢字')
    for model in (odd, ModelRef("local", "b"), ModelRef("local", "a"), odd):
        await desk.service.mark_favourite(model, marked=True)
    await desk.service.mark_favourite(ModelRef("local", "b"), marked=False)
    await desk.service.mark_favourite(ModelRef("local", "c"), marked=False)

    assert (ModelRef("local", "a"), odd) == await Desk(store).service.favourites()


async def test_without_favourites_there_are_none(desk: Desk) -> None:
    assert () == await desk.service.favourites()


# -- windows and changes of model ------------------------------------------------------------------


async def test_the_windows_of_a_list_say_which_are_assumed(desk: Desk) -> None:
    cards = await desk.service.models(OLLAMA)

    assert {
        "here:latest": ContextWindow(4096, assumed=True),
        "mine:latest": ContextWindow(9000, assumed=False),
    } == await desk.service.windows(OLLAMA, cards)


async def test_a_smaller_model_in_the_middle_of_a_conversation_is_sent_less_and_a_larger_one_more(
    scripted: Callable[..., Bench],
) -> None:
    bench = scripted()
    here = await bench.library.new("x")
    small, large = ModelRef("test", "small"), ModelRef("test", "large")
    await bench.endpoints.learn_window(small, 1_000)
    await bench.endpoints.learn_window(large, 200_000)
    for number in range(6):
        await bench.chat.send(here.id, f"prompt {number} " + "word " * 150, Watcher())

    sent = {}
    for model in (large, small, large):
        await bench.library.set_model(here.id, model)
        plan = await bench.planning.plan(here.id, "and now?")
        sent[model] = plan.totals.sent
        assert plan.totals.tokens <= plan.budget.input
        await bench.chat.send(here.id, "and now?", watcher := Watcher())
        assert model == watcher.reply.model
        assert plan.budget.context_window == (1_000 if model == small else 200_000)

    assert 16 == sent[large]
    assert 0 < sent[small] < 12


async def test_a_turn_says_which_model_gave_it_when_models_change(bench: MakeBench) -> None:
    made = bench(ScriptedProvider())
    here = await made.library.new("x")
    await made.chat.send(here.id, "one", first := Watcher())
    await made.library.set_model(here.id, ModelRef("test", "other"))
    await made.chat.send(here.id, "two", second := Watcher())

    assert ["test-model", "other"] == [each.reply.model.name for each in (first, second) if each.reply.model]


async def test_a_conversation_that_stays_is_not_quoted_in_one_that_may_leave(bench: MakeBench) -> None:
    b = bench(ScriptedProvider())
    ids = [(await b.library.new()).id for _ in range(3)]
    for conversation_id in ids:
        await b.chat.send(conversation_id, "The bowline holds the harbour boat.", Watcher())
    staying, asking, other = ids
    await b.endpoints.keep_here(staying, here=True)

    async def quoted(conversation_id: str) -> set[str | None]:
        opened = await b.library.open(conversation_id)
        found = await b.recall.find(opened.conversation, opened.tree.branch, "Which bowline?", scope="all", wait=True)
        return {hit.id for hit in found.hits if hit.conversation is not None}

    def prompts_of(conversation_id: str) -> set[str]:
        return {header.id for header in branches[conversation_id]}

    branches = {each: (await b.library.open(each)).tree.branch for each in ids}
    await b.endpoints.keep_here(staying, here=True)

    assert prompts_of(other) & await quoted(asking)
    assert not prompts_of(staying) & await quoted(asking)
    assert prompts_of(other) & await quoted(staying)


async def test_nothing_is_sent_from_a_conversation_that_stays(bench: MakeBench) -> None:
    provider, watch = ScriptedProvider(), Watcher()
    b = bench(provider)
    b.settings = replace(b.settings, endpoints=(CLOUD,), model=ModelRef("cloud", "gpt"))
    conversation_id = (await b.library.new()).id
    await b.endpoints.keep_here(conversation_id, here=True)

    await b.chat.send(conversation_id, "Hello?", watch)

    assert [] == provider.sent
    assert "nothing was sent" in (watch.reply.error or "")
