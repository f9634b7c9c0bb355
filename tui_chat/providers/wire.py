"""What a connection and its error messages must know of the dialect spoken over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wire:
    """By default that of the OpenAI-compatible.

    ``service`` names what the server should be, ``address`` is a sentence on how its address looks.
    The key goes into the header ``key_header``, behind ``key_prefix``; ``headers`` into every request.
    """

    service: str = "an OpenAI-compatible service"
    address: str = "Most end in /v1."
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    headers: Mapping[str, str] = field(default_factory=dict)
