"""The model services a user may talk to: which there are, their keys, their models and windows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from tui_chat.core.address import is_address, is_ipv6, read_address
from tui_chat.core.clean import clean_line
from tui_chat.core.errors import BadInput, NoModel, Refused, TuiChatError
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import ConversationStore, FoundServer, ModelCard, Provider, Providers
from tui_chat.core.secret import Secret
from tui_chat.core.settings import Endpoint, Settings, is_context_window

GUIDE = Endpoint("guide", "", dialect="guide")
GUIDE_MODEL = ModelRef("guide", "guide")
"""The built-in offline guide: not an AI, needs nothing, contacts nobody."""

ASSUMED_CONTEXT_WINDOW = 8192
"""Tokens to go by where neither the user nor the server says how many a model takes."""

OLLAMA_CONTEXT_WINDOW = 4096
"""The same for Ollama, which is asked for so many with every request: its own default on most computers."""

ASK_SECONDS = 3.0
"""How long a prompt may wait for the server to say its model's window."""

_UNSAID = "unsaid"


class Reach(StrEnum):
    """Where a text goes that is sent to an endpoint."""

    BUILT_IN = "built-in"
    LOCAL = "local"
    LAN = "LAN"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """How many tokens a model takes, and whether that is only assumed."""

    tokens: int
    assumed: bool


def reach(endpoint: Endpoint) -> Reach:
    """Judged by the address as it is written; a name that does not say is the cloud."""
    if endpoint.dialect == "guide":
        return Reach.BUILT_IN
    if not is_address(endpoint.base_url):
        return Reach.CLOUD
    address = read_address(endpoint.base_url)
    if address.loopback:
        return Reach.LOCAL
    return Reach.LAN if address.private or address.host.endswith(_NEAR) else Reach.CLOUD


_NEAR = (".local", ".lan", ".home.arpa", ".internal")
"""Ends of names that no public server can have."""


class FromEnvironment(NamedTuple):
    """The endpoints that environment variables name, and a sentence for each variable that was ignored."""

    endpoints: tuple[Endpoint, ...]
    problems: tuple[str, ...]


def endpoints_from(environment: Mapping[str, str]) -> FromEnvironment:
    """The endpoints that environment variables name, each for this run only.

    A key from the environment goes only to the address of the same environment.
    """
    endpoints, problems = [], []
    for variable, read in (("OPENAI_BASE_URL", _openai), ("OLLAMA_HOST", _ollama)):
        try:
            if endpoint := read(environment):
                endpoints.append(endpoint)
        except BadInput as error:
            problems.append(f"{variable} is ignored. {error.sentence}")
    return FromEnvironment(tuple(endpoints), tuple(problems))


def _openai(environment: Mapping[str, str]) -> Endpoint | None:
    if not (environment.get("OPENAI_API_KEY") or environment.get("OPENAI_BASE_URL")):
        return None
    address = read_address(environment.get("OPENAI_BASE_URL") or "https://api.openai.com/v1")
    return Endpoint("openai", address.url, key_env="OPENAI_API_KEY", from_environment=True)


def _ollama(environment: Mapping[str, str]) -> Endpoint | None:
    """Where Ollama's own client goes: each part of its variable may be missing."""
    text = environment.get("OLLAMA_HOST", "").strip("\"' \t\r\n")
    if not text:
        return None
    scheme, _, rest = text.rpartition("://")
    place, slash, path = rest.partition("/")
    if is_ipv6(place):
        place = f"[{place}]"
    if not place or place.startswith(":"):
        place = f"127.0.0.1{place}"
    address = read_address(f"{scheme or 'http'}://{place}{slash}{path}")
    if address.host in ("0.0.0.0", "::"):  # what a server listens on is not where a client goes
        address = replace(address, host="127.0.0.1")
    if address.port is None and not scheme:
        address = replace(address, port=11434)
    return Endpoint("ollama", address.url, "ollama", from_environment=True)


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
    ) -> None:
        self._providers = providers
        self._store = store
        self._settings = settings
        self._save_settings = save_settings
        self._environment = environment
        self._passing = endpoints_from(environment)
        self._asks_consent = asks_consent
        self._changing = asyncio.Lock()
        self._open: dict[str, tuple[Endpoint, Provider]] = {}
        self._retired: list[Provider] = []
        self._asked: set[ModelRef] = set()

    # -- which there are --------------------------------------------------------------

    def all(self) -> tuple[Endpoint, ...]:
        """The settings' and the environment's, which replaces one of the same name; the guide last."""
        named = {endpoint.name: endpoint for endpoint in self._settings().endpoints}
        named.update((endpoint.name, endpoint) for endpoint in self._passing.endpoints)
        return (*named.values(), GUIDE)

    @property
    def problems(self) -> tuple[str, ...]:
        """What in the environment was not understood, a sentence each."""
        return self._passing.problems

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name. Raises NoModel."""
        for endpoint in self.all():
            if endpoint.name == name:
                return endpoint
        raise NoModel(f"There is no endpoint {name!r}.", hint="Choose a model, or add the endpoint in the settings.")

    def parse(self, text: str) -> ModelRef:
        """``ENDPOINT/NAME``; a first part that is no endpoint belongs to the model of the default endpoint.

        What a terminal would obey is no part of a name. Raises NoModel.
        """
        text = clean_line(text)
        first, slash, rest = text.partition("/")
        if slash and rest and any(endpoint.name == first for endpoint in self.all()):
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

    async def provider(self, model: ModelRef) -> Provider:
        """The provider of that model's endpoint. Raises NoModel, or Refused before consent."""
        async with self._changing:
            endpoint = self.endpoint(model.endpoint)
            if await self.needs_consent(endpoint):
                raise Refused(
                    f"{endpoint.base_url} came from an environment variable and was not confirmed.",
                    hint="Choose the model once with ctrl+o to confirm it.",
                )
            held = self._open.get(endpoint.name)
            if held is not None and held[0] == endpoint:
                return held[1]
            provider = self._providers.open(endpoint, await self._key(endpoint))
            self._retire(endpoint.name)
            self._open[endpoint.name] = (endpoint, provider)
            return provider

    async def models(self, endpoint: Endpoint) -> Sequence[ModelCard]:
        """What it offers; the context windows it names are remembered."""
        provider = await self.provider(ModelRef(endpoint.name, ""))
        cards = await provider.models()
        for card in cards:
            if card.context_window:
                await self.learn_window(ModelRef(endpoint.name, card.name), card.context_window)
        return cards

    async def test(self, endpoint: Endpoint, key: Secret | None) -> Sequence[ModelCard]:
        """Ask an endpoint for its models before it is saved. Raises ProviderError with a precise sentence."""
        provider = self._providers.open(endpoint, key or await self._key(endpoint))
        try:
            return await provider.models()
        finally:
            await provider.close()

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
                await self._store.set_secret(_secret_name(before), None)
            if key is not None:
                await self._store.set_secret(_secret_name(endpoint), key if key else None)
            self._retire(endpoint.name)

    async def remove(self, name: str) -> None:
        """Forget an endpoint and its key."""
        async with self._changing:
            settings = self._settings()
            if endpoint := settings.endpoint(name):
                await self._store.set_secret(_secret_name(endpoint), None)
            others = tuple(each for each in settings.endpoints if each.name != name)
            await asyncio.to_thread(self._save_settings, replace(settings, endpoints=others))
            self._retire(name)

    async def choose(self, model: ModelRef) -> None:
        """Make it the default for new conversations."""
        await asyncio.to_thread(self._save_settings, replace(self._settings(), model=model))

    async def needs_consent(self, endpoint: Endpoint) -> bool:
        """Whether the person must confirm it once: it came from the environment and is not this computer."""
        if not self._asks_consent or not endpoint.from_environment or reach(endpoint) is Reach.LOCAL:
            return False
        return await self._store.value(f"consent:{endpoint.base_url}") is None

    async def give_consent(self, endpoint: Endpoint) -> None:
        """The person confirmed this address."""
        await self._store.set_value(f"consent:{endpoint.base_url}", "true")

    # -- context windows ----------------------------------------------------------------------

    async def window(self, model: ModelRef, *, ask: bool = False) -> ContextWindow:
        """The user's figure, else the server's own, else the shipped table's, else assumed.

        The server's is remembered. With ``ask`` it is asked for once in a run where it is unknown or
        the server is near: those are started anew with other windows, and answer at once.
        """
        endpoint = next((each for each in self.all() if each.name == model.endpoint), None)
        if endpoint is not None and endpoint.context_window:
            return ContextWindow(endpoint.context_window, assumed=False)
        known = await self._store.value(f"window:{model}")
        if ask and endpoint is not None and model not in self._asked and (known is None or _is_near(endpoint)):
            await self._ask_window(endpoint, model)
            known = await self._store.value(f"window:{model}")
        if known is not None and known != _UNSAID:
            return ContextWindow(int(known), assumed=False)
        if endpoint is not None and endpoint.dialect == "ollama":
            # Not the table's: what a model can take is no reason to have a server take memory for it.
            return ContextWindow(OLLAMA_CONTEXT_WINDOW, assumed=True)
        listed = None if endpoint is None else await asyncio.to_thread(_listed_window, endpoint, model.name)
        return ContextWindow(listed or ASSUMED_CONTEXT_WINDOW, assumed=listed is None)

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

    async def learn_window(self, model: ModelRef, tokens: int) -> None:
        """The server said how many tokens this model takes; a number that no model has is not believed."""
        if is_context_window(tokens) and await self._store.value(f"window:{model}") != str(tokens):
            await self._store.set_value(f"window:{model}", str(tokens))

    # -- inside -------------------------------------------------------------------------------

    async def _key(self, endpoint: Endpoint) -> Secret | None:
        if endpoint.key_env is not None:
            value = self._environment.get(endpoint.key_env, "")
            return Secret(value) if value else None
        return await self._store.secret(_secret_name(endpoint))

    def _retire(self, name: str) -> None:
        """Open it anew the next time. What is open stays so until the end: a reply may be running there."""
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


def _listed_window(endpoint: Endpoint, name: str) -> int | None:
    """What the shipped table says of a model at that address; nothing of local ones, which name models freely."""
    # Imported here: only a model whose server does not say needs the table.
    from tui_chat.core import catalogue

    if endpoint.dialect == GUIDE.dialect or not is_address(endpoint.base_url):
        return None
    facts = catalogue.find(name, endpoint_host=read_address(endpoint.base_url).host)
    window = facts.context_window if facts else None
    return window if window and is_context_window(window) else None


def _secret_name(endpoint: Endpoint) -> str:
    # With the address: whoever edits the (readable) settings file must not get a key sent elsewhere.
    return f"endpoint:{endpoint.name}|{endpoint.base_url}"
