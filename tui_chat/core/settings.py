"""The user's settings as one frozen value with defaults. No secret is ever among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tui_chat.core.models import MemorySettings, ModelRef
from tui_chat.core.sampling import Sampling as Sampling

STRATEGIES = ("window", "full", "summary", "retrieval")
"""What a model may get to remember; each is a module of ``memory``."""

DIALECTS = ("openai", "anthropic", "gemini", "ollama")
"""What an endpoint of the user's may speak; the built-in guide has a dialect of its own."""

_ENDPOINT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")


def is_endpoint_name(name: str) -> bool:
    """Whether an endpoint may be called so; ``guide`` is the built-in one, ``gguf`` stands for model files."""
    return _ENDPOINT_NAME.fullmatch(name) is not None and name not in ("guide", "gguf")


def is_context_window(tokens: int) -> bool:
    """Whether a model's context window may have so many tokens; any other number is somebody's mistake."""
    return 256 <= tokens <= 100_000_000


def command_words(line: str) -> tuple[str, ...]:
    """A command line as the program and its arguments, quoted as in a shell; empty where it is none."""
    import shlex  # here: only endpoints with a command need it

    try:
        words = tuple(shlex.split(line)) if line.isprintable() and len(line) <= LONGEST_COMMAND else ()
    except ValueError:  # a quotation mark that is never closed
        return ()
    return words if words and words[0] else ()


LONGEST_COMMAND = 500


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model service: where it is and what it speaks.

    ``key_env`` names an environment variable that holds its key, ``key_command`` is a line like
    ``pass show openai`` that prints it; without either the key comes from the encrypted history.
    ``context_window`` in tokens, where the user knows it better. ``from_environment`` marks one that
    this run's environment variables made.
    """

    name: str
    base_url: str
    dialect: str = "openai"
    key_env: str | None = None
    context_window: int | None = None
    from_environment: bool = False
    key_command: str | None = None


GUIDE = Endpoint("guide", "", dialect="guide")
GUIDE_MODEL = ModelRef("guide", "guide")
"""The built-in offline guide: not an AI, needs nothing, contacts nobody."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits on spending, in tokens (asked and answered) and in US dollars at list prices; None is no limit.

    Days and months are those of this computer's clock.
    """

    conversation_tokens: int | None = None
    day_tokens: int | None = None
    month_tokens: int | None = None
    conversation_usd: float | None = None
    day_usd: float | None = None
    month_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Looks, keys, endpoints without secrets, defaults."""

    user: str = "default"
    theme: str = "textual-dark"
    model: ModelRef | None = None
    memory: MemorySettings = field(default_factory=MemorySettings)
    caps: Caps = field(default_factory=Caps)
    sampling: Sampling = field(default_factory=Sampling)
    endpoints: tuple[Endpoint, ...] = ()
    keymap: Mapping[str, str] = field(default_factory=dict)
    enter_sends: bool = True
    guard_secrets: bool = True
    """Whether to ask before what looks like a key or a password goes to a cloud endpoint."""
    show_thinking: bool = False
    first_byte_timeout: float = 300.0
    """Seconds until a model's first byte; a local model may think for minutes."""

    def endpoint(self, name: str) -> Endpoint | None:
        """The endpoint of that name, if there is one."""
        return next((endpoint for endpoint in self.endpoints if endpoint.name == name), None)
