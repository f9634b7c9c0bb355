"""Model files as models: chosen once, remembered by name, run when they are asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.contracts.provider import collect, plan_of
from tests.fakes import FakeProviders, ScriptedProvider
from tests.local.shelf import Shelf
from tests.services.conftest import MakeBench
from tui_chat.core.errors import NoModel, NotFound, NotReached, ServerFailed
from tui_chat.core.local import Stage
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, ModelCard
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Settings
from tui_chat.services.endpoints import GGUF, ContextWindow, EndpointService, Reach, reach
from tui_chat.services.local_models import LocalModelService


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def local(shelf: Shelf, store: ConversationStore) -> LocalModelService:
    return LocalModelService(lambda: shelf, store)


def endpoints(
    local: LocalModelService, store: ConversationStore, provider: ScriptedProvider | None = None
) -> EndpointService:
    """The endpoints that these model files are a part of."""
    providers = FakeProviders(provider or ScriptedProvider())
    return EndpointService(providers, store, Settings, lambda _: None, {}, asks_consent=True, local=local)


async def test_a_chosen_file_is_remembered_and_runs_when_it_is_first_needed(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    model = await local.choose(await local.read(Path("/models/tiny.gguf")))
    assert [] == shelf.starts

    again = LocalModelService(lambda: shelf, store)
    running = await again.ready(model.name)

    assert ModelRef("gguf", "tiny") == model
    assert running is await again.ready("tiny")
    assert ["tiny"] == shelf.starts


async def test_a_name_that_nobody_chose_is_no_model(local: LocalModelService) -> None:
    with pytest.raises(NoModel, match="not known here"):
        await local.ready("tiny")


async def test_the_newest_choice_comes_first_and_none_is_there_twice(local: LocalModelService) -> None:
    for name in ("one", "two", "one"):
        await local.choose(await local.read(Path(f"/models/{name}.gguf")))

    assert ("one", "two") == tuple(await local.remembered())


async def test_an_endpoint_goes_where_the_file_runs_now_with_its_key(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    providers = FakeProviders(ScriptedProvider())
    service = EndpointService(providers, store, Settings, lambda _: None, {}, asks_consent=True, local=local)
    model = await local.choose(await local.read(Path("/models/tiny.gguf")))

    await service.provider(model)
    await service.provider(model)
    shelf.running = None  # it crashed
    await service.provider(model)

    assert ["http://127.0.0.1:9001/v1", "http://127.0.0.1:9002/v1"] == [each.base_url for each, _ in providers.opened]
    assert [Secret("key 9001"), Secret("key 9002")] == [key for _, key in providers.opened]
    assert Reach.LOCAL is reach(service.endpoint("gguf"))


async def test_its_window_is_known_and_nothing_is_run_for_that(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    service = endpoints(local, store)
    model = await local.choose(await local.read(Path("/models/tiny.gguf")))

    for ask in (False, True):
        assert ContextWindow(4096, assumed=False) == await service.window(model, ask=ask)
    assert [ModelCard("tiny", 4096)] == list(await service.models(GGUF))
    shelf.window = 2048
    await service.provider(model)
    assert 2048 == (await service.window(model)).tokens
    assert ["tiny"] == shelf.starts


async def test_to_look_at_a_conversation_of_one_model_does_not_end_another(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    service = endpoints(local, store)
    one, two = [await local.choose(await local.read(Path(f"/models/{name}.gguf"))) for name in ("one", "two")]
    await service.provider(one)

    await service.window(two, ask=True)

    assert ["one"] == shelf.starts


async def test_a_file_that_is_gone_is_listed_without_a_window_and_the_prompt_says_it(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    service = endpoints(local, store)
    model = await local.choose(await local.read(Path("/models/tiny.gguf")))
    shelf.gone.add(Path("/models/tiny.gguf"))

    assert [ModelCard("tiny")] == list(await service.models(GGUF))
    assert (await service.window(model, ask=True)).assumed
    with pytest.raises(NotFound, match=r"no file /models/tiny\.gguf") as caught:
        await service.provider(model)
    assert "ctrl+o" in caught.value.hint


async def test_a_start_that_fails_is_said_by_the_prompt_that_needs_it(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    model = await local.choose(await local.read(Path("/models/tiny.gguf")))
    shelf.refusal = ServerFailed("There is not enough memory.")

    with pytest.raises(ServerFailed, match="memory"):
        await endpoints(local, store).provider(model)


async def test_a_file_that_is_opened_runs_and_is_remembered(shelf: Shelf, local: LocalModelService) -> None:
    stages: list[Stage] = []

    model = await local.open(await local.read(Path("/models/tiny.gguf")), progress=stages.append)

    assert (ModelRef("gguf", "tiny"), ("tiny",)) == (model, await local.remembered())
    assert [Stage.READING, Stage.LOADING, Stage.READY] == stages
    assert shelf.running is await local.ready("tiny")


async def test_a_file_that_does_not_run_is_not_remembered(shelf: Shelf, local: LocalModelService) -> None:
    file = await local.read(Path("/models/tiny.gguf"))
    shelf.refusal = ServerFailed("There is not enough memory.")
    with pytest.raises(ServerFailed):
        await local.open(file)
    shelf.refusal = None
    shelf.gate.clear()
    opening = asyncio.create_task(local.open(file))
    await shelf.begun.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    assert ((), None) == (await local.remembered(), local.running)


async def test_while_a_model_is_loaded_its_endpoint_says_so(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    service = endpoints(local, store)
    model = await local.choose(await local.read(Path("/models/tiny.gguf")))
    shelf.gate.clear()
    asked = asyncio.create_task(service.provider(model))
    await shelf.begun.wait()

    assert "loading the model" == service.preparing(model)
    assert "" == service.preparing(ModelRef("gguf", "other")) == service.preparing(ModelRef("home", "tiny"))
    shelf.gate.set()
    await asked
    assert "" == service.preparing(model)


async def test_a_reply_says_why_its_model_ended_instead_of_how_its_connection_did(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    lost = NotReached("The connection was closed.")
    service = endpoints(local, store, ScriptedProvider([lost], [lost]))
    provider = await service.provider(await local.choose(await local.read(Path("/models/tiny.gguf"))))

    with pytest.raises(NotReached, match="closed"):  # it runs on
        await collect(provider, plan_of("a"), model="tiny")
    shelf.crash(ServerFailed("The local model tiny ended."))
    with pytest.raises(ServerFailed, match="The local model tiny ended"):
        await collect(provider, plan_of("a"), model="tiny")


async def test_a_model_file_is_named_like_any_model(local: LocalModelService, store: ConversationStore) -> None:
    assert ModelRef("gguf", "hf.co/tiny:1b") == endpoints(local, store).parse("gguf/hf.co/tiny:1b")


async def test_without_model_files_there_is_no_such_endpoint(bench: MakeBench) -> None:
    with pytest.raises(NoModel):
        bench(ScriptedProvider()).endpoints.endpoint("gguf")


async def test_closing_ends_what_runs(shelf: Shelf, local: LocalModelService) -> None:
    await local.choose(await local.read(Path("/models/tiny.gguf")))
    await local.ready("tiny")

    await local.close()

    assert shelf.running is None


async def test_two_files_of_one_name_are_two_models(shelf: Shelf, local: LocalModelService) -> None:
    first = await local.choose(await local.read(Path("/models/tiny.gguf")))
    second = await local.choose(await local.read(Path("/other/tiny.gguf")))

    third = await local.choose(await local.read(Path("/third/other/tiny.gguf")))

    assert ("tiny", "tiny (other)", "tiny (/third/other)") == (first.name, second.name, third.name)
    assert Path("/other/tiny.gguf") == (await local.ready(second.name)).file.path


async def test_a_file_takes_over_the_name_of_one_that_is_gone(shelf: Shelf, local: LocalModelService) -> None:
    await local.choose(await local.read(Path("/blobs/old/tiny.gguf")))
    shelf.gone.add(Path("/blobs/old/tiny.gguf"))

    assert "tiny" == (await local.choose(await local.read(Path("/blobs/new/tiny.gguf")))).name
    assert Path("/blobs/new/tiny.gguf") == (await local.ready("tiny")).file.path
