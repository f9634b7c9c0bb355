"""The model services a user may talk to: which there are, their keys, their models and windows."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tui_chat.core.clean import clean_line
from tui_chat.core.errors import NoModel, Refused, TuiChatError
from tui_chat.core.local import Running
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, FoundServer, ModelCard, Provider, Providers
from tui_chat.core.secret import Secret
from tui_chat.core.settings import GUIDE, Endpoint, Settings, is_context_window
from tui_chat.services import seeing
from tui_chat.services.consent import consent_key, unconfirmed
from tui_chat.services.endpoint_keys import EndpointKeys
from tui_chat.services.environment import endpoints_from
from tui_chat.services.favourites import favourites, mark_favourite
from tui_chat.services.local_models import ENDPOINT as LOCAL_FILES
from tui_chat.services.local_models import LocalModelService
from tui_chat.services.meant import Tried, what_answers
from tui_chat.services.reaching import HERE
from tui_chat.services.reaching import Reach as Reach
from tui_chat.services.reaching import reach as reach
from tui_chat.services.served import Served
from tui_chat.services.staying import keep_here, staying_here
from tui_chat.services.windows import ASSUMED, unsaid_window
from tui_chat.services.windows import ContextWindow as ContextWindow

GGUF = Endpoint(LOCAL_FILES, "http://127.0.0.1")
"""Model files of this computer; the port is their server's, another at each start."""

ASK_SECONDS = 3.0
"""How long a prompt may wait for the server to say its model's window."""

_UNSAID = "unsaid"


class EndpointService:
    """Endpoints, their providers (one each, kept open), keys and models."""

    def __init__(
        self,
        providers: Providers,
        store: ConversationStore,
        settings: Callable[[], Settings],
        save_settings: Callable[[Settings], None],
        environment: Mapping[str, str],
        *,
        asks_consent: bool,
        local: LocalModelService | None = None,
    ) -> None:
        self._local = local
        self._file: Running | None = None
        self._providers = providers
        self._store = store
        self._settings = settings
        self._save_settings = save_settings
        self._keys = EndpointKeys(store, environment)
        self._passing = endpoints_from(environment)
        self._asks_consent = asks_consent
        self._changing = asyncio.Lock()
        self._changes: defaultdict[str, int] = defaultdict(int)
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._open: dict[str, tuple[Endpoint, Provider]] = {}
        self._elsewhere: dict[str, Mapping[str, str]] = {}
        self._retired: list[Provider] = []
        self._asked: set[ModelRef] = set()

    # -- which there are --------------------------------------------------------------

    def all(self) -> tuple[Endpoint, ...]:
        """The settings' and the environment's, which replaces one of the same name; the guide last."""
        named = {endpoint.name: endpoint for endpoint in self._settings().endpoints}
        named.update((endpoint.name, endpoint) for endpoint in self._passing.endpoints)
        return (*named.values(), GUIDE)

    @property
    def local(self) -> LocalModelService | None:
        """The model files of this computer, which are the models of ``GGUF``; None where none can be run."""
        return self._local

    @property
    def problems(self) -> tuple[str, ...]:
        """What in the environment was not understood, a sentence each."""
        return self._passing.problems

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name. Raises NoModel."""
        for endpoint in self.all():
            if endpoint.name == name:
                return endpoint
        if name == GGUF.name and self._local is not None:
            return GGUF
        raise NoModel(
            f"There is no endpoint {name!r}.", hint="Choose a model (ctrl+o), or add the endpoint again (f2)."
        )

    def parse(self, text: str) -> ModelRef:
        """``ENDPOINT/NAME``; a first part that is no endpoint belongs to the model of the default endpoint.

        What a terminal would obey is no part of a name. Raises NoModel.
        """
        text = clean_line(text)
        first, slash, rest = text.partition("/")
        names = {GGUF.name if self._local is not None else "", *(endpoint.name for endpoint in self.all())}
        if slash and rest and first in names:
            return ModelRef(first, rest)
        default = self._settings().model
        real = [endpoint.name for endpoint in self.all() if endpoint != GUIDE]
        if default is not None and default.endpoint in real:
            return ModelRef(default.endpoint, text)
        if len(real) == 1:
            return ModelRef(real[0], text)
        raise NoModel(
            f"{text!r} does not say which endpoint.",
            hint=f"Write ENDPOINT/NAME; endpoints: {', '.join(real) or 'none yet'}.",
        )

    # -- talking to them ----------------------------------------------------------------

    async def provider(self, model: ModelRef, *, conversation_id: str | None = None) -> Provider:
        """The provider of that model's endpoint, for what that conversation sends.

        Raises NoModel, Unauthorized where a command does not print the key, Refused before consent and
        where the conversation is to stay on this computer and the model is not there.
        """
        if conversation_id is not None and not await self.may_receive(model, conversation_id):
            raise Refused(
                f"{model} is not on this computer, and this conversation is not to leave it; nothing was sent.",
                hint="Choose a local model (ctrl+o), or let it leave (ctrl+p).",
            )
        if self._local is not None and model.endpoint == GGUF.name:
            return await self._provider_of_file(self._local, model.name)
        while True:
            endpoint = self.endpoint(model.endpoint)
            if await self.needs_consent(endpoint):
                raise unconfirmed(endpoint)
            async with self._opening[endpoint.name]:
                held = self._open.get(endpoint.name)
                if held is not None and held[0] == endpoint:
                    return held[1]
                changes = self._changes[endpoint.name]
                key = await self._keys.of(endpoint)
                provider = self._providers.open(endpoint, key)
                self._retire(endpoint.name)
                self._open[endpoint.name] = (endpoint, provider)
                if changes == self._changes[endpoint.name]:
                    return provider
                self._retire(endpoint.name)  # saved meanwhile, perhaps with another key

    async def _provider_of_file(self, local: LocalModelService, name: str) -> Provider:
        """The provider of a model file, which runs when this returns."""
        running = await local.ready(name)
        held = self._open.get(GGUF.name)
        if held is not None and self._file is running:
            return held[1]
        self._retire(GGUF.name)  # a port may come again, with another key
        provider = self._providers.open(replace(GGUF, base_url=running.base_url), running.key)
        served = Served(provider, lambda: local.why_gone(running))
        self._file, self._open[GGUF.name] = running, (GGUF, served)
        return served

    def preparing(self, model: ModelRef) -> str:
        """What is being done before this model can be asked, in words; empty for nothing."""
        stage = self._local.loading(model.name) if self._local is not None and model.endpoint == GGUF.name else None
        return stage or ""

    async def models(self, endpoint: Endpoint) -> Sequence[ModelCard]:
        """What it offers; what it says of context windows, and of models that run elsewhere, is remembered."""
        if self._local is not None and endpoint == GGUF:
            return await self._local.cards()
        provider = await self.provider(ModelRef(endpoint.name, ""))
        cards = await provider.models()
        self._elsewhere[endpoint.name] = {_tagged(card.name): card.runs_at for card in cards}
        for card in cards:
            if card.context_window:
                await self.learn_window(ModelRef(endpoint.name, card.name), card.context_window)
        await seeing.learn(self._store, endpoint.name, cards)
        return cards

    async def test(self, endpoint: Endpoint, key: Secret | None) -> Tried:
        """Ask an endpoint for its models before it is saved, or what else answers there.

        Raises ProviderError with a precise sentence, BadInput for an address or key that cannot be used.
        """
        known = key or await self._keys.of(endpoint)

        async def ask(candidate: Endpoint) -> Sequence[ModelCard]:
            provider = self._providers.open(candidate, known)
            try:
                return await provider.models()
            finally:
                await provider.close()

        return await what_answers(endpoint, ask)

    def unset(self, endpoint: Endpoint) -> str:
        """The variable that should hold its key and is not set here; empty where none is missing."""
        return self._keys.unset(endpoint)

    async def discover(self) -> Sequence[FoundServer]:
        """Servers on this computer's own ports; offered, not used."""
        return await self._providers.discover()

    # -- changing them --------------------------------------------------------------------

    async def save(self, endpoint: Endpoint, key: Secret | None = None) -> None:
        """Add or replace an endpoint; its key, where one is given, goes into the encrypted history.

        A key stays with the address it was given for. Raises BadInput, changing nothing.
        """
        async with self._changing:
            settings = self._settings()
            before = settings.endpoint(endpoint.name)
            others = tuple(each for each in settings.endpoints if each.name != endpoint.name)
            await asyncio.to_thread(self._save_settings, replace(settings, endpoints=(*others, endpoint)))
            if before is not None and before.base_url != endpoint.base_url:
                await self._keys.keep(before, None)
            if key is not None:
                await self._keys.keep(endpoint, key)
            if endpoint.key_command is not None:
                await self.give_consent(endpoint)  # whoever saves it has read it
            self._changes[endpoint.name] += 1
            self._retire(endpoint.name)

    async def has_stored_key(self, endpoint: Endpoint) -> bool:
        """Whether the history keeps a key for it at this address."""
        return bool(await self._keys.stored(endpoint))

    async def remove(self, name: str) -> None:
        """Forget an endpoint and its key."""
        async with self._changing:
            settings = self._settings()
            if endpoint := settings.endpoint(name):
                await self._keys.keep(endpoint, None)
            others = tuple(each for each in settings.endpoints if each.name != name)
            await asyncio.to_thread(self._save_settings, replace(settings, endpoints=others))
            self._changes[name] += 1
            self._retire(name)

    def chosen(self, endpoint: Endpoint) -> str:
        """The model of this endpoint that new conversations begin with; empty where they begin elsewhere."""
        model = self._settings().model
        return model.name if model is not None and model.endpoint == endpoint.name else ""

    async def choose(self, model: ModelRef) -> None:
        """Make it the default for new conversations."""
        await asyncio.to_thread(self._save_settings, replace(self._settings(), model=model))

    async def needs_consent(self, endpoint: Endpoint) -> bool:
        """Whether the person must confirm it once.

        So it is where it came from the environment and is not this computer, and where its key comes
        from a command that was not entered here: the settings file may have been changed by anyone.
        """
        name = consent_key(endpoint) if self._asks_consent else ""
        return bool(name) and await self._store.value(name) is None

    async def give_consent(self, endpoint: Endpoint) -> None:
        """The person confirmed this address, or this command for this address."""
        if name := consent_key(endpoint):
            await self._store.set_value(name, "true")

    # -- how far texts go ---------------------------------------------------------------------

    def reach(self, model: ModelRef) -> Reach:
        """How far a text travels that is sent to this model, as far as is known now. Raises NoModel."""
        endpoint = self.endpoint(model.endpoint)
        return Reach.CLOUD if self.runs_at(model) else reach(endpoint, model.name)

    def runs_at(self, model: ModelRef) -> str:
        """The host that its server hands it on to, as it said when it was last asked; empty for none."""
        return self._elsewhere.get(model.endpoint, {}).get(_tagged(model.name), "")

    async def stays_here(self, conversation_id: str) -> bool:
        """Whether this conversation is not to leave this computer."""
        return conversation_id in await staying_here(self._store)

    async def keep_here(self, conversation_id: str, *, here: bool) -> None:
        """From now on it does not leave this computer, or it may."""
        await keep_here(self._store, conversation_id, here=here)

    async def may_receive(self, model: ModelRef, conversation_id: str) -> bool:
        """Whether that model may be told anything of this conversation.

        Only what runs on this computer may where the conversation stays here: a model of the own network
        may not, nor one that a server here hands on. To know that, Ollama is asked. Raises as ``models``.
        """
        if not await self.stays_here(conversation_id):
            return True
        endpoint = self.endpoint(model.endpoint)
        if reach(endpoint) not in HERE:
            return False
        if endpoint.dialect == "ollama" and _tagged(model.name) not in self._elsewhere.get(endpoint.name, {}):
            await self.models(endpoint)
        return self.reach(model) in HERE

    # -- favourites -----------------------------------------------------------------------------

    async def favourites(self) -> tuple[ModelRef, ...]:
        """The models that the person marked, in the order in which they did."""
        return await favourites(self._store)

    async def mark_favourite(self, model: ModelRef, *, marked: bool) -> None:
        """Make it a favourite, or no longer one."""
        async with self._changing:
            await mark_favourite(self._store, model, marked=marked)

    # -- context windows ----------------------------------------------------------------------

    async def window(self, model: ModelRef, *, ask: bool = False, conversation_id: str | None = None) -> ContextWindow:
        """The user's figure, else the server's own, else the shipped table's, else assumed.

        The server's is remembered. With ``ask`` it is asked for once in a run where it is unknown or
        the server is near: those are started anew with other windows, and answer at once. For a
        conversation that is to stay on this computer no other is asked.
        """
        endpoint = next((each for each in self.all() if each.name == model.endpoint), None)
        if endpoint is None and model.endpoint == GGUF.name and self._local is not None:
            tokens = await self._local.window(model.name)
            return ASSUMED if tokens is None else ContextWindow(tokens, assumed=False)
        if endpoint is not None and endpoint.context_window:
            return ContextWindow(await self._unrefused(model, endpoint.context_window), assumed=False)
        known = await self._store.value(f"window:{model}")
        if ask and endpoint is not None and conversation_id is not None and await self.stays_here(conversation_id):
            ask = reach(endpoint, model.name) in HERE
        if ask and endpoint is not None and model not in self._asked and (known is None or _is_near(endpoint)):
            await self._ask_window(endpoint, model)
            known = await self._store.value(f"window:{model}")
        if known is not None and known != _UNSAID:
            return ContextWindow(int(known), assumed=False)
        return await asyncio.to_thread(unsaid_window, endpoint, model.name)

    async def _ask_window(self, endpoint: Endpoint, model: ModelRef) -> None:
        self._asked.add(model)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                cards = await self.models(endpoint)
        except (TuiChatError, TimeoutError):
            return  # not knowing is a proper answer here: the request itself will say what is wrong
        said = any(card.name == model.name and is_context_window(card.context_window or 0) for card in cards)
        if not said and await self._store.value(f"window:{model}") is None:  # else a refusal told it
            await self._store.set_value(f"window:{model}", _UNSAID)

    async def windows(self, endpoint: Endpoint, cards: Sequence[ModelCard]) -> Mapping[str, ContextWindow]:
        """The same for each of its models, by name."""
        return {card.name: await self.window(ModelRef(endpoint.name, card.name)) for card in cards}

    async def learn_window(self, model: ModelRef, tokens: int) -> None:
        """The server said how many tokens this model takes; a number that no model has is not believed."""
        if is_context_window(tokens) and await self._store.value(f"window:{model}") != str(tokens):
            await self._store.set_value(f"window:{model}", str(tokens))

    async def learn_limit(self, model: ModelRef, tokens: int) -> None:
        """The server refused a prompt and said what it takes: that holds against a larger figure of the user's.

        Until the user changes it: they may have started the server anew.
        """
        await self.learn_window(model, tokens)
        endpoint = next((each for each in self.all() if each.name == model.endpoint), None)
        figure = endpoint.context_window if endpoint else None
        if figure and is_context_window(tokens) and tokens < figure:
            await self._store.set_value(f"refused:{model}", json.dumps([figure, tokens]))

    async def _unrefused(self, model: ModelRef, figure: int) -> int:
        """The user's figure, or what the server said when it refused that one."""
        refused, limit = json.loads(await self._store.value(f"refused:{model}") or "[0, 0]")
        return int(limit) if refused == figure else figure

    # -- inside -------------------------------------------------------------------------------

    def _retire(self, name: str) -> None:
        """Open it anew the next time. What is open stays so until the end: a reply may be running there."""
        self._elsewhere.pop(name, None)
        if held := self._open.pop(name, None):
            self._retired.append(held[1])

    async def close(self) -> None:
        """Close every provider."""
        async with self._changing:
            for name in tuple(self._open):
                self._retire(name)
            while self._retired:
                await self._retired.pop().close()


def _is_near(endpoint: Endpoint) -> bool:
    return reach(endpoint) in (Reach.LOCAL, Reach.LAN)


def _tagged(name: str) -> str:
    """The name in full: Ollama takes one without a tag for the latest."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
