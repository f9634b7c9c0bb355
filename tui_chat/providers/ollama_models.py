"""Ollama's lists of models, and with how large a window each runs; what of them may be trusted.

Ollama runs a model with the ``num_ctx`` of the request, and never with more than it was trained for.
As every request of ours names one, a model's window is what we ask for: what its own parameters
say, else what it is loaded with already, else Ollama's default. Never what it was trained for: that
may be a hundred times as much, and the memory for it is taken when the model is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tui_chat.core.address import is_address, read_address
from tui_chat.core.ports import ModelCard
from tui_chat.providers.models import LONGEST_NAME, MOST_MODELS
from tui_chat.providers.refusals import clean

DEFAULT_WINDOW = 4096
"""Tokens that Ollama runs a model with below 24 GiB of video memory, where nobody says anything else."""

_NUM_CTX = re.compile(r"^\s*num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Listed:
    """A model of ``/api/tags``; ``digest`` changes whenever the model does, ``runs_at`` is the host of its cloud.

    ``takes_images`` is None where an older server does not say.
    """

    name: str
    digest: str = ""
    runs_at: str = ""
    can_chat: bool = True
    takes_images: bool | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What ``/api/show`` says of a model: the window of its parameters, the one it was trained with."""

    num_ctx: int | None = None
    trained: int | None = None
    can_chat: bool = True
    takes_images: bool | None = None


def listed(value: Any) -> tuple[Listed, ...] | None:
    """The models in an answer to ``GET /api/tags``; None where it is no such answer."""
    models = _models(value)
    if models is None or "data" in value:  # llama.cpp answered there too, in both forms, but does not chat so
        return None
    found = tuple(each for each in map(_listed, models) if each is not None)
    return found if found or not models else None


def loaded(value: Any) -> dict[str, int]:
    """Tokens that models now in memory run with, by name, from an answer to ``GET /api/ps``."""
    found = {}
    for each in _models(value) or []:
        name, tokens = _name(each), _tokens(each.get("context_length")) if isinstance(each, dict) else None
        if name and tokens:
            found[name] = tokens
    return found


def shown(value: Any) -> Shown:
    """An answer to ``POST /api/show``."""
    facts = value if isinstance(value, dict) else {}
    parameters = facts.get("parameters")
    said = _NUM_CTX.findall(parameters) if isinstance(parameters, str) else []
    return Shown(
        _tokens(int(said[-1])) if said else None, _trained(facts.get("model_info")), _can_chat(facts), _sees(facts)
    )


def cards(models: Iterable[tuple[Listed, Shown | None, int | None]]) -> tuple[ModelCard, ...]:
    """A card for each; without a window where the server could not be asked in time."""
    found: dict[str, ModelCard] = {}
    for model, shown, loaded in models:
        name = clean(model.name, limit=LONGEST_NAME)
        if name:
            said = (each.takes_images for each in (shown, model) if each is not None and each.takes_images is not None)
            card = ModelCard(name, window(model, shown, loaded), model.runs_at, next(said, None))
            found.setdefault(name, card)
    return tuple(found.values())


def window(model: Listed, shown: Shown | None, loaded: int | None) -> int | None:
    """Tokens to ask for; a model that runs elsewhere runs there with all it can."""
    if shown is None:
        return None
    wanted = shown.trained if model.runs_at else shown.num_ctx or max(loaded or 0, DEFAULT_WINDOW)
    return min(wanted, shown.trained or wanted) if wanted else None


# -- inside ------------------------------------------------------------------------------------


def _models(value: Any) -> list[Any] | None:
    models = value.get("models", 0) if isinstance(value, dict) else 0
    if models is None:  # Go's word for an empty list
        return []
    return models[:MOST_MODELS] if isinstance(models, list) else None


def _listed(entry: Any) -> Listed | None:
    name = _name(entry)
    if not name:
        return None
    digest = entry.get("digest")
    known = digest if isinstance(digest, str) else ""
    return Listed(name, known, _runs_at(entry), can_chat=_can_chat(entry), takes_images=_sees(entry))


def _runs_at(entry: Mapping[str, Any]) -> str:
    """The host of its cloud; empty for a model that this server runs itself."""
    host = str(entry.get("remote_host") or "")
    if not host and not entry.get("remote_model"):
        return ""
    return clean(read_address(host).host if is_address(host) else host, limit=LONGEST_NAME) or "another computer"


def _name(entry: Any) -> str:
    name = (entry.get("name") or entry.get("model")) if isinstance(entry, dict) else None
    return name if isinstance(name, str) else ""


def _can_chat(entry: Mapping[str, Any]) -> bool:
    """Not so for a model that only makes embeddings or pictures; an older server does not say."""
    said = entry.get("capabilities")
    return not isinstance(said, list) or not said or "completion" in said


def _sees(entry: Mapping[str, Any]) -> bool | None:
    said = entry.get("capabilities")
    return "vision" in said if isinstance(said, list) and said else None


def _trained(info: Any) -> int | None:
    """``ARCHITECTURE.context_length``; the name of the architecture stands beside it."""
    if not isinstance(info, dict):
        return None
    return _tokens(info.get(f"{info.get('general.architecture')}.context_length"))


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**10 else None
