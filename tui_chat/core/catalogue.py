"""Context windows and list prices of well-known models, from a table that ships with the program.

The table is a last resort: the user's figure and the server's own come before it. It answers only
where it knows, never by likeness: see ``find``. ``tests/make_catalogue.py`` rebuilds it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tui_chat.core.address import Address

# Beside the table, which says the same, so that showing them reads no file; a test compares.
DATE = "2026-11-10"
"""The day of these prices: show them as list prices of that day."""
SOURCE = "litellm 1.109.1 and genai-prices 0.2.3"

_DATED = re.compile(r"(?s)(.+)-(?:latest|20[0-9]{2}-[01][0-9]-[0-3][0-9]|20[0-9]{2}[01][0-9][0-3][0-9])")
_MAKERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "gemini": "google",
    "models": "google",  # Google's own list of models writes it so
    "xai": "xai",
    "x-ai": "xai",
}
"""What may stand before a name and a slash, to the maker it stands for."""

_Rows = Mapping[str, list[Any]]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model; None is unknown. Windows and lengths in tokens, prices in USD per million tokens.

    ``context_window`` is the longest prompt where a host limits that more tightly. The prices hold for
    prompts of up to ``prices_up_to`` tokens and are higher above; where that is None, for every prompt.
    ``cached_price`` is for input that the host had in its cache.
    """

    context_window: int | None = None
    max_output: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    prices_up_to: int | None = None


def find(model_name: str, *, endpoint_host: str = "") -> ModelFacts | None:
    """What the table knows of a model at a host (``api.openai.com``); None where it knows nothing. Never fails.

    On a host of the table a name is looked up among that host's models: as it is written, then without
    its maker (``openai/gpt-5``), then without a date or ``-latest`` if the model and all its dated
    versions agree. On any other host there are no prices, and a window only for models that their maker
    alone gives out, where every service known gives the same. Nothing is said of models on this
    computer or the user's own network: there a name says neither what runs nor with what window.
    """
    table = _table()
    host = endpoint_host.lower().rstrip(".")
    service = table["hosts"].get(host)
    if service is None and _is_own(host):
        return None
    groups: Mapping[str, _Rows] = table["anywhere"] if service is None else {service: table["models"][service]}
    maker, slash, rest = model_name.partition("/")
    own = groups.get(_MAKERS.get(maker, "")) if slash else None
    places = [(rows, model_name) for rows in groups.values()] + ([(own, rest)] if own is not None else [])
    found = (look(rows, name) for look in (_exact, _undated) for rows, name in places)
    return next((facts for facts in found if facts is not None), None)


def _exact(rows: _Rows, name: str) -> ModelFacts | None:
    return ModelFacts(*rows[name]) if name in rows else None


def _undated(rows: _Rows, name: str) -> ModelFacts | None:
    """The model without its date, as far as all its versions are alike."""
    stem = _stem(name)
    if stem not in rows:
        return None
    return _common([ModelFacts(*row) for each, row in rows.items() if stem in (each, _stem(each))])


def _stem(name: str) -> str | None:
    dated = _DATED.fullmatch(name)
    return dated[1] if dated else None


def _common(versions: Sequence[ModelFacts]) -> ModelFacts | None:
    """What all of them say; prices only all together, since each tells how to read the others."""
    first = versions[0]
    windows = {each.context_window for each in versions}
    outputs = {each.max_output for each in versions}
    # Equal but for the window and the length of output: equal in every price.
    prices = {replace(each, context_window=None, max_output=None) for each in versions}
    facts = replace(
        prices.pop() if len(prices) == 1 else ModelFacts(),
        context_window=first.context_window if len(windows) == 1 else None,
        max_output=first.max_output if len(outputs) == 1 else None,
    )
    return None if facts == ModelFacts() else facts


def _is_own(host: str) -> bool:
    """Whether a host is this computer or in the user's own network, as far as its name tells."""
    return bool(host) and ("." not in host or host.endswith(".local") or Address("http", host, None, "").private)


@cache
def _table() -> dict[str, Any]:
    # Not at the top: only the first question needs it, the first paint does not.
    from importlib.resources import files

    table: dict[str, Any] = json.loads(files("tui_chat.core").joinpath("catalogue.json").read_bytes())
    return table
