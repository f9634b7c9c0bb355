"""Settings as a table of TOML values and back: every name, its kind and its rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any, NamedTuple

from tui_chat.core.address import is_address
from tui_chat.core.errors import BadInput
from tui_chat.core.models import MemorySettings, ModelRef
from tui_chat.core.sampling import PARAMETERS, sampling_of
from tui_chat.core.settings import (
    DIALECTS,
    STRATEGIES,
    Caps,
    Endpoint,
    Settings,
    command_words,
    is_context_window,
    is_endpoint_name,
)

Path = tuple[str, ...]


class Problem(NamedTuple):
    """A value that was not used: where it stands and what is wrong with it (never its text)."""

    path: Path
    what: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value has to be: a TOML type, and perhaps a rule with the words for breaking it."""

    type: type
    words: str
    holds: Callable[[Any], bool] = lambda value: True

    def accepts(self, value: object) -> bool:
        # bool is an int in Python, and an int is a fine float in TOML for people.
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            return self.holds(value)
        return type(value) is self.type and self.holds(value)

    def parsed(self, key: str, text: str) -> object:
        """The value that a text from the command line means. Raises BadInput."""
        try:
            value: object = _FROM_TEXT[self.type](text)
        except (ValueError, KeyError):
            value = None
        if value is None or not self.accepts(value):
            raise BadInput(f"{key} must be {self.words}.", hint="Nothing was changed.")
        return value


_FROM_TEXT: Mapping[type, Callable[[str], object]] = {
    str: str,
    int: int,
    float: float,
    bool: {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}.__getitem__,
}


def _is_line(value: str) -> bool:
    return 0 < len(value) <= 200 and value.isprintable()


def _one_of(*words: str) -> Kind:
    return Kind(str, " or ".join(f'"{word}"' for word in words), words.__contains__)


_LINE = Kind(str, "a short text", _is_line)
_YES_NO = Kind(bool, "true or false")
_CAPS = tuple(each.name for each in fields_of(Caps))
_TOKENS = Kind(int, "a whole number of tokens from 1 to 1000000000000", lambda value: 1 <= value <= 10**12)
_DOLLARS = Kind(float, "a number of US dollars above 0, up to 1000000000", lambda value: 0 < value <= 10**9)

KINDS: Mapping[Path, Kind] = {
    ("user",): _LINE,
    ("theme",): _LINE,
    ("model",): Kind(
        str, 'a text such as "endpoint/name"', lambda text: _is_line(text) and _model_from(text) is not None
    ),
    ("enter_sends",): _YES_NO,
    ("guard_secrets",): _YES_NO,
    ("show_thinking",): _YES_NO,
    ("first_byte_timeout",): Kind(float, "a number of seconds from 1 to 86400", lambda value: 1 <= value <= 86_400),
    ("memory", "strategy"): _one_of(*STRATEGIES),
    ("memory", "max_messages"): Kind(int, "a whole number from 1 to 100000", lambda value: 1 <= value <= 100_000),
    ("memory", "trim"): _one_of("exact", "blocks"),
    ("memory", "scope"): _one_of("conversation", "all"),
    **{("sampling", name): Kind(each.type, each.words, each.hold) for name, each in PARAMETERS.items()},
    **{("caps", name): _DOLLARS if name.endswith("_usd") else _TOKENS for name in _CAPS},
    ("endpoints", "*", "base_url"): Kind(
        str,
        "an http:// or https:// address without user name, key or query",
        is_address,
    ),
    ("endpoints", "*", "dialect"): _one_of(*DIALECTS),
    ("endpoints", "*", "key_env"): Kind(
        str,
        "the name of an environment variable",
        lambda value: bool(re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,80}", value)),
    ),
    ("endpoints", "*", "key_command"): Kind(
        str, "a command on one line, without a shell's signs", lambda value: bool(command_words(value))
    ),
    ("endpoints", "*", "context_window"): Kind(int, "a number of tokens from 256 to 100000000", is_context_window),
    ("keymap", "*"): Kind(str, "keys separated by commas", _is_line),
}


def kind_of(path: Path) -> Kind | None:
    """What the value at that place has to be; None where there is no such setting."""
    return KINDS.get(path) or KINDS.get((path[0], "*", *path[2:]))


def known_keys() -> Sequence[str]:
    """The names of all settings, for people."""
    return [
        ".".join(path).replace("endpoints.*", "endpoints.NAME").replace("keymap.*", "keymap.ACTION") for path in KINDS
    ]


def settings_from(table: Mapping[str, Any]) -> tuple[Settings, Sequence[Problem]]:
    """The settings that a parsed file means, and what in it was not used."""
    values: dict[Path, Any] = {}
    problems: list[Problem] = []
    for path, value in flattened(table).items():
        problem = problem_of(path, value)
        if problem is None:
            values[path] = value
        else:
            problems.append(problem)
    endpoints, more = _endpoints(values)
    default = Settings()
    settings = Settings(
        user=values.get(("user",), default.user),
        theme=values.get(("theme",), default.theme),
        model=_model_from(values.get(("model",), "")),
        memory=MemorySettings(**{path[1]: value for path, value in values.items() if path[0] == "memory"}),
        caps=Caps(**{path[1]: value for path, value in values.items() if path[0] == "caps"}),
        sampling=sampling_of({path[1]: value for path, value in values.items() if path[0] == "sampling"}),
        endpoints=endpoints,
        keymap={path[1]: value for path, value in values.items() if path[0] == "keymap"},
        enter_sends=values.get(("enter_sends",), default.enter_sends),
        guard_secrets=values.get(("guard_secrets",), default.guard_secrets),
        show_thinking=values.get(("show_thinking",), default.show_thinking),
        first_byte_timeout=float(values.get(("first_byte_timeout",), default.first_byte_timeout)),
    )
    return settings, (*problems, *more)


def table_from(settings: Settings, *, instead: Settings | None = None) -> dict[Path, Any]:
    """The settings as TOML values by path. Endpoints of the environment are replaced by those of ``instead``."""
    table: dict[Path, Any] = {
        ("user",): settings.user,
        ("theme",): settings.theme,
        ("enter_sends",): settings.enter_sends,
        ("guard_secrets",): settings.guard_secrets,
        ("show_thinking",): settings.show_thinking,
        ("first_byte_timeout",): settings.first_byte_timeout,
        ("memory", "strategy"): settings.memory.strategy,
        ("memory", "max_messages"): settings.memory.max_messages,
        ("memory", "trim"): settings.memory.trim,
        ("memory", "scope"): settings.memory.scope,
    }
    if settings.model is not None:
        table["model",] = str(settings.model)
    for endpoint in _lasting(settings, instead):
        fields = {
            "base_url": endpoint.base_url,
            "dialect": endpoint.dialect,
            "key_env": endpoint.key_env,
            "key_command": endpoint.key_command,
            "context_window": endpoint.context_window,
        }
        table |= {("endpoints", endpoint.name, name): value for name, value in fields.items() if value is not None}
    limits = {name: getattr(settings.caps, name) for name in _CAPS}
    table |= {("caps", name): value for name, value in limits.items() if value is not None}
    table |= {("sampling", name): value for name, value in settings.sampling.values.items()}
    table |= {("keymap", action): keys for action, keys in settings.keymap.items()}
    return table


def flattened(table: Mapping[str, Any]) -> dict[Path, Any]:
    """Nested tables as values by path; below ``keymap`` dotted names are one name."""
    values: dict[Path, Any] = {}
    for path, value in _leaves(table, ()):
        values[("keymap", ".".join(path[1:])) if path[0] == "keymap" and len(path) > 1 else path] = value
    return values


_DEEPEST = 8
"""Tables in tables that are looked into; no setting is half as deep."""


def _leaves(table: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and (value or not path) and len(path) < _DEEPEST:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _lasting(settings: Settings, instead: Settings | None) -> Iterator[Endpoint]:
    for endpoint in settings.endpoints:
        if not endpoint.from_environment:
            yield endpoint
        elif instead is not None and (own := instead.endpoint(endpoint.name)):
            yield own


def problem_of(path: Path, value: object) -> Problem | None:
    """What is wrong with a value at that place, or None."""
    if path[0] == "endpoints" and len(path) == 2 and isinstance(value, dict):
        return Problem(path, "has no base_url")
    if path[0] == "endpoints" and len(path) > 1 and not is_endpoint_name(path[1]):
        return Problem(path, "is below a name that no endpoint can have (a-z, 0-9, dot, dash; not “guide”)")
    kind = kind_of(path)
    if kind is None:
        return Problem(path, "is not a setting")
    return None if kind.accepts(value) else Problem(path, f"must be {kind.words}")


def _endpoints(values: Mapping[Path, Any]) -> tuple[tuple[Endpoint, ...], Sequence[Problem]]:
    fields: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        if path[0] == "endpoints" and len(path) == 3:
            fields.setdefault(path[1], {})[path[2]] = value
    problems = [Problem(("endpoints", name), "has no base_url") for name in fields if "base_url" not in fields[name]]
    return tuple(Endpoint(name, **each) for name, each in fields.items() if "base_url" in each), problems


def _model_from(text: str) -> ModelRef | None:
    endpoint, slash, name = text.partition("/")
    return ModelRef(endpoint, name) if slash and endpoint and name else None
