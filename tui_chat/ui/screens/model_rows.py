"""The lines of the model list, as values: which models there are, what can be added, what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from textual.content import Content

from tui_chat.core.errors import TuiChatError
from tui_chat.core.models import ModelRef
from tui_chat.core.ports import FoundServer, ModelCard
from tui_chat.core.settings import GUIDE, Endpoint
from tui_chat.services.endpoints import GGUF, ContextWindow
from tui_chat.services.environment import variable_of
from tui_chat.ui.screens.reach import host_of, whereto
from tui_chat.ui.text import clean_line


@dataclass(frozen=True, slots=True)
class Offer:
    """An endpoint and what is known of its models; ``cards`` is None while they are asked for.

    ``windows`` are the models' context windows, by name.
    """

    endpoint: Endpoint
    cards: tuple[ModelCard, ...] | None = None
    windows: Mapping[str, ContextWindow] = field(default_factory=dict)
    error: TuiChatError | None = None
    needs_consent: bool = False

    @property
    def is_asking(self) -> bool:
        """Whether it has not answered yet."""
        return self.cards is None and self.error is None and not self.needs_consent


@dataclass(frozen=True, slots=True)
class Use:
    """Choose this model; ``runs_at`` is where its server hands it on to, if it does."""

    model: ModelRef
    endpoint: Endpoint
    runs_at: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """Confirm an address that came from the environment, or a command that came from the settings file."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Mend:
    """Change an endpoint that does not answer."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Adopt:
    """Add a server that was found on this computer."""

    server: FoundServer


@dataclass(frozen=True, slots=True)
class Add:
    """Add an endpoint by hand."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """Open a model file of this computer."""


Choice = Use | Consent | Mend | Adopt | Add | OpenFile

OWN = (GUIDE, GGUF)
"""Endpoints that nobody can change."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list; without a choice it is only read."""

    text: Content
    choice: Choice | None = None


def rows(
    offers: Sequence[Offer],
    found: Sequence[FoundServer] | None,
    *,
    current: ModelRef | None,
    filter: str,
    favourites: Sequence[ModelRef] = (),
) -> list[Row]:
    """Every line, narrowed to the models in whose ``endpoint/name`` all words of ``filter`` occur.

    Favourites stand first, and only there.
    """
    words = filter.casefold().split()
    lines = list(_favourites(offers, words, favourites, current))
    every = (ModelRef(offer.endpoint.name, card.name) for offer in offers for card in offer.cards or ())
    listed = any(_matches(model, words) for model in every)
    for offer in offers:
        if offer.endpoint == GGUF:
            continue  # below, with the way to another
        below = list(_below(offer, words, current, set(favourites)))
        below += _typed(offer, filter.strip(), listed=listed)
        if below:
            lines += [Row(_heading(offer.endpoint)), *below]
    if not words:
        lines += _found(offers, found)
    lines += _files(offers, words, current, set(favourites))
    if not words:
        lines.append(Row(Content("+ add an endpoint…"), Add()))
    return lines


def sentence(choice: Choice | None) -> str:
    """What choosing it means."""
    match choice:
        case Use(_, endpoint) if endpoint == GGUF:
            return "Texts stay on this computer; llama.cpp loads the file when it is first asked."
        case OpenFile():
            return "Lists those of Ollama, llama.cpp, LM Studio and Hugging Face; any other can be typed."
        case Use(model, endpoint, runs_at):
            return whereto(endpoint, model.name, runs_at).sentence
        case Consent(endpoint) if endpoint.key_command:
            return f"Its command was not run, and nothing was sent to {host_of(endpoint)} yet."
        case Consent(endpoint):
            return f"Enter asks before it is used; nothing was sent to {host_of(endpoint)} yet."
        case Mend(endpoint) if endpoint.from_environment:
            return "This endpoint comes from environment variables; f5 asks again."
        case Mend():
            return "Enter changes the endpoint; f5 asks again."
        case Adopt():
            return "Enter asks before it is used."
        case Add():
            return "Any service that speaks as OpenAI, Anthropic, Gemini or Ollama do."
    return ""


def _heading(endpoint: Endpoint) -> Content:
    return Content.assemble((clean_line(endpoint.name), "bold"), (f"  {whereto(endpoint).short}", "dim"))


def _favourites(
    offers: Sequence[Offer], words: Sequence[str], favourites: Sequence[ModelRef], current: ModelRef | None
) -> Iterator[Row]:
    """The favourites, as far as their endpoints are there: also while those are asked, or do not answer."""
    by_name = {offer.endpoint.name: offer for offer in offers if not offer.needs_consent}
    lines = []
    for model in favourites:
        offer = by_name.get(model.endpoint)
        if offer is not None and _matches(model, words):
            card = next((each for each in offer.cards or () if each.name == model.name), ModelCard(model.name))
            use = Use(model, offer.endpoint, card.runs_at)
            text = _model(str(model), card, offer, is_current=model == current, is_alone=True)
            lines.append(Row(text, use))
    if lines:
        yield Row(Content.styled("★ Favourites", "bold"))
        yield from lines


def _below(offer: Offer, words: Sequence[str], current: ModelRef | None, elsewhere: set[ModelRef]) -> Iterator[Row]:
    """The lines below an endpoint's heading; what stands ``elsewhere`` is left out."""
    endpoint = offer.endpoint
    if offer.needs_consent:
        if not words:
            yield Row(Content(f"  {_unconfirmed(endpoint)}"), Consent(endpoint))
        return
    if offer.error is not None and not words:
        yield Row(Content.styled(f"  ✗ {clean_line(_failure(offer.error, endpoint))}", "$text-error"), _mend(endpoint))
    if offer.is_asking:
        yield Row(Content.styled("  asking…", "dim"))
    for card in offer.cards or ():
        model = ModelRef(endpoint.name, card.name)
        if model not in elsewhere and _matches(model, words):
            text = _model(card.name, card, offer, is_current=model == current)
            yield Row(text, Use(model, endpoint, card.runs_at))


def _typed(offer: Offer, typed: str, *, listed: bool) -> Iterator[Row]:
    """The model that is typed, of an endpoint that names none, or where none that is ``listed`` anywhere is meant."""
    endpoint = offer.endpoint
    name = typed.removeprefix(f"{endpoint.name}/")
    if not name or offer.is_asking or offer.needs_consent or endpoint in OWN:
        return
    use = Use(ModelRef(endpoint.name, name), endpoint)
    if not offer.cards:
        yield Row(Content(f"  use “{clean_line(name)}” as it is typed"), use)
    elif not listed and len(name.split()) == 1:
        yield Row(Content(f"  use “{clean_line(name)}”, which is not in its list"), use)


def _files(
    offers: Sequence[Offer], words: Sequence[str], current: ModelRef | None, elsewhere: set[ModelRef]
) -> list[Row]:
    """The model files that were opened before, and the way to another."""
    offer = next((each for each in offers if each.endpoint == GGUF), None)
    if offer is None:
        return []
    lines = [] if offer.is_asking else list(_below(offer, words, current, elsewhere))
    if not words:
        lines.append(Row(Content("+ open a model file…"), OpenFile()))
    heading = Row(Content.assemble(("Model files on this computer", "bold"), ("  local", "dim")))
    return [heading, *lines] if lines else []


def _matches(model: ModelRef, words: Sequence[str]) -> bool:
    return all(word in str(model).casefold() for word in words)


def _failure(error: TuiChatError, endpoint: Endpoint) -> str:
    """What went wrong, and where it can be mended: what the environment set is not in the settings."""
    here = "in your environment" if endpoint.from_environment else "(f2)"
    return error.sentence.replace("in the settings (f2)", here)


def _unconfirmed(endpoint: Endpoint) -> str:
    if endpoint.key_command:
        return f"Confirm it first: its key comes from a command, {clean_line(endpoint.key_command)}"
    return f"Confirm it first: {variable_of(endpoint)[0]} is set in your environment"


def _mend(endpoint: Endpoint) -> Choice | None:
    return Mend(endpoint) if endpoint not in OWN else None


def _model(name: str, card: ModelCard, offer: Offer, *, is_current: bool, is_alone: bool = False) -> Content:
    """A model's line; one that stands ``alone``, without its endpoint's heading, says itself where texts go."""
    window = offer.windows.get(card.name)
    assumed = " assumed" if window is not None and window.assumed else ""
    tokens = f"  {window.tokens:,} tokens{assumed}" if window is not None else ""
    if offer.endpoint == GGUF and offer.cards and card.context_window is None:
        tokens = "  its file cannot be read"
    there = whereto(offer.endpoint, card.name, card.runs_at)
    differs = there.reach is not whereto(offer.endpoint).reach
    place = f"  {there.short if differs else there.reach}" if is_alone or differs else ""
    mark = "● " if is_current else "  "
    return Content.assemble(
        (f"{mark}{clean_line(name)}", "bold" if is_current else ""),
        (tokens, "dim"),
        (place, "$text-warning" if differs else "dim"),
    )


def _found(offers: Sequence[Offer], found: Sequence[FoundServer] | None) -> list[Row]:
    """The servers of this computer that are no endpoint yet."""
    if found is None:
        return [Row(Content.styled("looking for servers on this computer…", "dim"))]
    known = {_local_key(offer.endpoint.base_url) for offer in offers}
    lines = []
    for server in found:
        if _local_key(server.base_url) in known:
            continue
        number = len(server.models)
        models = f"  {number} model{'' if number == 1 else 's'}"
        name = f"  {clean_line(server.kind)} at {host_of(Endpoint('', server.base_url))}"
        lines.append(Row(Content.assemble(name, (models, "dim")), Adopt(server)))
    heading = Row(Content.styled("Found on this computer", "bold"))
    return [heading, *lines] if lines else []


def _local_key(base_url: str) -> str:
    """The same for every way to write this computer's address."""
    host = host_of(Endpoint("", base_url)) or base_url
    return host.replace("localhost", "127.0.0.1").replace("[::1]", "127.0.0.1")
