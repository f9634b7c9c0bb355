"""Model files as models: chosen once, remembered by name, run when they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes import FakeProviders, ScriptedProvider
from tests.services.conftest import MakeBench
from tui_chat.core.errors import NoModel, ServerFailed, TuiChatError
from tui_chat.core.local import GgufFile, Progress, Running
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Settings
from tui_chat.services.endpoints import EndpointService, Reach, reach
from tui_chat.services.local_models import LocalModelService


class Shelf:
    """Stands in for llama.cpp: every path is a model of its stem, and each start another port."""

    def __init__(self) -> None:
        self.running: Running | None = None
        self.failure: TuiChatError | None = None
        self.starts: list[str] = []
        self.refusal: TuiChatError | None = None

    async def find(self) -> Sequence[GgufFile]:
        return (await self.read(Path("/models/found.gguf")),)

    async def read(self, path: Path) -> GgufFile:
        return GgufFile(path, path.stem, 1, "", "llama", 8192, 4096)

    async def start(
        self, file: GgufFile, *, context_window: int | None = None, progress: Progress | None = None
    ) -> Running:
        if self.refusal is not None:
            raise self.refusal
        self.starts.append(file.name)
        port = 9000 + len(self.starts)
        self.running = Running(file, f"http://127.0.0.1:{port}/v1", file.name, Secret(f"key {port}"), 4096)
        return self.running

    async def stop(self) -> None:
        self.running = None


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def local(shelf: Shelf, store: ConversationStore) -> LocalModelService:
    return LocalModelService(lambda: shelf, store)


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
    endpoints = EndpointService(providers, store, Settings, lambda _: None, {}, asks_consent=True, local=local)
    model = await local.choose(await local.read(Path("/models/tiny.gguf")))

    await endpoints.provider(model)
    await endpoints.provider(model)
    shelf.running = None  # it crashed
    await endpoints.provider(model)

    assert ["http://127.0.0.1:9001/v1", "http://127.0.0.1:9002/v1"] == [each.base_url for each, _ in providers.opened]
    assert [Secret("key 9001"), Secret("key 9002")] == [key for _, key in providers.opened]
    assert Reach.LOCAL is reach(endpoints.endpoint("gguf"))


async def test_its_window_is_what_it_runs_with(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    endpoints = EndpointService(
        FakeProviders(ScriptedProvider()), store, Settings, lambda _: None, {}, asks_consent=True, local=local
    )
    model = await local.choose(await local.read(Path("/models/tiny.gguf")))

    before = await endpoints.window(model)
    asked = await endpoints.window(model, ask=True)

    assert (True, (4096, False)) == (before.assumed, (asked.tokens, asked.assumed))


async def test_a_start_that_fails_is_said_by_the_prompt_that_needs_it(
    shelf: Shelf, local: LocalModelService, store: ConversationStore
) -> None:
    endpoints = EndpointService(
        FakeProviders(ScriptedProvider()), store, Settings, lambda _: None, {}, asks_consent=True, local=local
    )
    model = await local.choose(await local.read(Path("/models/tiny.gguf")))
    shelf.refusal = ServerFailed("There is not enough memory.")

    assert (await endpoints.window(model, ask=True)).assumed
    with pytest.raises(ServerFailed, match="memory"):
        await endpoints.provider(model)


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

    assert ("tiny", "tiny (other)") == (first.name, second.name)
    assert "tiny (other)" == (await local.ready(second.name)).model
