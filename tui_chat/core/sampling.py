"""The sampling parameters a user may set: what each may be, and what the dialects call it.

None of them goes out that the user did not set: newer models refuse even their default values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn from what the model finds likely; what is None is not sent, and the service decides."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None

    @property
    def values(self) -> Mapping[str, float]:
        """What is set, by name, in the order of the fields."""
        named = {name: getattr(self, name) for name in PARAMETERS}
        return {name: value for name, value in named.items() if value is not None}

    def without(self, name: str) -> Sampling:
        """The same with that parameter not set."""
        changes: dict[str, None] = {name: None}
        return replace(self, **changes)


class Bounds(NamedTuple):
    """What a parameter may be: of which type, from where to where, and these in words."""

    type: type[int] | type[float]
    least: float
    most: float
    words: str

    def hold(self, value: object) -> bool:
        """Whether it may be that; a whole number is a fine float."""
        if isinstance(value, bool) or not isinstance(value, int if self.type is int else int | float):
            return False
        return self.least <= value <= self.most


PARAMETERS: Mapping[str, Bounds] = MappingProxyType(
    {
        "temperature": Bounds(float, 0, 2, "a number from 0 to 2"),
        "top_p": Bounds(float, math.ulp(0), 1, "a number above 0, up to 1"),
        "top_k": Bounds(int, 1, 1000, "a whole number from 1 to 1000"),
        "seed": Bounds(int, 0, 2**31 - 1, "a whole number from 0 to 2147483647"),
    }
)
"""The widest that any service known takes; a seed is what Gemini takes (32 bits)."""


def parameter(name: str, text: str) -> float | None:
    """The value that a text means; None for an empty one. Raises ValueError where the parameter cannot be that."""
    if not text.strip():
        return None
    bounds = PARAMETERS[name]
    value = bounds.type(text.strip())
    if not bounds.hold(value):
        raise ValueError(bounds.words)
    return value


def sampling_of(values: Mapping[str, object]) -> Sampling:
    """The parameters of a table. Raises ValueError for one that nobody knows, or that cannot be so."""
    for name, value in values.items():
        if name not in PARAMETERS or not PARAMETERS[name].hold(value):
            raise ValueError(name)
    return Sampling(**{name: PARAMETERS[name].type(value) for name, value in values.items()})  # type: ignore[arg-type, call-overload]


# -- what the dialects call them -------------------------------------------------------------

_PLAIN = {name: name for name in PARAMETERS}

WIRE_NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "openai": _PLAIN,
        "anthropic": {name: name for name in ("temperature", "top_p", "top_k")},
        "gemini": {"temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed"},
        "ollama": _PLAIN,
    }
)
"""For each dialect the parameters that it has a name for, and the name."""

_NO_TOP_K = (".openai.com", ".openai.azure.com")
"""Where OpenAI's own models are, which have no ``top_k``; the servers compatible with it mostly do."""


def taken_at(dialect: str, host: str) -> Sequence[str]:
    """The parameters that can be said to a server there."""
    names = tuple(WIRE_NAMES.get(dialect, ()))
    if dialect == "openai" and f".{host}".endswith(_NO_TOP_K):
        return tuple(name for name in names if name != "top_k")
    return names


def on_the_wire(sampling: Sampling, dialect: str) -> dict[str, float]:
    """What is set, as the dialect calls it."""
    names = WIRE_NAMES[dialect]
    return {names[name]: value for name, value in sampling.values.items() if name in names}


# -- what is left out ------------------------------------------------------------------------


class LeftOut(NamedTuple):
    """A parameter that the user set and that is not sent: the model ``refused`` it, or it has no name there."""

    name: str
    value: float
    refused: bool
