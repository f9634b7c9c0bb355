"""The lines of the settings, as values: what each says, what it means, and what left, right and enter make of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tui_chat.core.prices import money
from tui_chat.core.sampling import PARAMETERS, Sampling
from tui_chat.core.settings import Caps, Endpoint, Settings
from tui_chat.ui.screens.reach import whereto
from tui_chat.ui.screens.sampling import LABELS, typed
from tui_chat.ui.strategies import STRATEGIES

FEWEST, MOST = 2, 1_000
"""Earlier messages that can be chosen here; the settings file takes more."""


class Does(StrEnum):
    """What enter does on a line."""

    NOTHING = "nothing"
    STEP = "step"
    MODEL = "model"
    ENDPOINT = "endpoint"
    NUMBER = "number"
    CAP = "cap"
    PARAMETER = "parameter"
    THEME = "theme"
    KEYRING = "keyring"
    PASSPHRASE = "passphrase"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Line:
    """One line. ``name`` is empty for a section's heading, whose words are in ``label``."""

    label: str
    name: str = ""
    value: str = ""
    hint: str = ""
    does: Does = Does.NOTHING
    endpoint: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Security:
    """The slots that open this history, and this computer's keyring; None while they are asked for."""

    slots: frozenset[str]
    keyring: str | None


def lines(
    settings: Settings, endpoints: Sequence[Endpoint], security: Security | None, *, user: str, path: Path
) -> list[Line]:
    """Every line of the screen, in order."""
    return [
        *_models(settings, endpoints),
        *_memory(settings),
        *_sampling(settings.sampling),
        *_caps(settings.caps),
        *_looks(settings),
        *_security(security, settings),
        Line("Files"),
        Line("User", "user", user, "Each user has a history and a key of their own: tui-chat --user NAME."),
        Line("Settings file", "path", str(path), "Yours to edit; it holds no secret. Chats are elsewhere, encrypted."),
    ]


def stepped(settings: Settings, name: str, step: int, *, themes: Sequence[str]) -> Settings:
    """The settings after going ``step`` values on in that line; the same where it has no values to go through."""
    memory = settings.memory
    match name:
        case "strategy":
            names = list(STRATEGIES)
            place = names.index(memory.strategy) if memory.strategy in names else 0
            return replace(settings, memory=replace(memory, strategy=names[(place + step) % len(names)]))
        case "max_messages":
            number = min(max(memory.max_messages + 2 * step, FEWEST), MOST)
            return replace(settings, memory=replace(memory, max_messages=number))
        case "trim":
            return replace(settings, memory=replace(memory, trim="exact" if memory.trim == "blocks" else "blocks"))
        case "scope":
            scope = "conversation" if memory.scope == "all" else "all"
            return replace(settings, memory=replace(memory, scope=scope))
        case "theme":
            place = themes.index(settings.theme) if settings.theme in themes else 0
            return replace(settings, theme=themes[(place + step) % len(themes)])
        case "show_thinking":
            return replace(settings, show_thinking=not settings.show_thinking)
        case "guard_secrets":
            return replace(settings, guard_secrets=not settings.guard_secrets)
        case "enter_sends":
            return replace(settings, enter_sends=not settings.enter_sends)
    return settings


def _models(settings: Settings, endpoints: Sequence[Endpoint]) -> list[Line]:
    model = str(settings.model) if settings.model else "none yet"
    return [
        Line("Models"),
        Line(
            "Default model",
            "model",
            model,
            "Answers in new conversations. ctrl+o chooses for the one on show, and for new ones.",
            Does.MODEL,
        ),
        *(_endpoint(endpoint) for endpoint in endpoints),
        Line(
            "Add an endpoint…",
            "add",
            "",
            "Any service that speaks as OpenAI, Anthropic, Gemini or Ollama do, here or elsewhere.",
            Does.ENDPOINT,
        ),
    ]


def _endpoint(endpoint: Endpoint) -> Line:
    name, value = f"endpoint:{endpoint.name}", whereto(endpoint).short
    if endpoint.from_environment:
        return Line(endpoint.name, name, value, "From this run's environment variables; changed there.")
    hint = f"{whereto(endpoint).sentence} Enter changes or deletes it."
    return Line(endpoint.name, name, value, hint, Does.ENDPOINT, endpoint)


_TRIMS = {
    "exact": ("exact", "With every prompt the oldest exchange makes room for the newest."),
    "blocks": (
        "in blocks",
        "Half goes at once, then nothing for a while: with prompt caching about 4.5 times cheaper, and a local "
        "model reads 5.8 times less again.",
    ),
}
"""The figures: chats of 200 turns with a window of 20 messages, simulated."""


_SCOPES = {
    "conversation": ("this conversation", "Only the conversation in which you ask is searched."),
    "all": ("all conversations", "What you said and were told elsewhere is quoted too, with the title it comes from."),
}


def _memory(settings: Settings) -> list[Line]:
    memory = settings.memory
    title, meaning = STRATEGIES.get(memory.strategy, (memory.strategy, ""))
    chosen = [
        Line("What the model sees"),
        Line(
            "Memory",
            "strategy",
            title.lower(),
            f"In new conversations: {meaning}. The palette changes it for one.",
            Does.STEP,
        ),
    ]
    if memory.strategy != "full":
        hint = "So many earlier messages, yours and the model's alike, as far as they fit the model."
        chosen.append(Line("At most", "max_messages", f"{memory.max_messages:,} messages", hint, Does.NUMBER))
    if memory.strategy in ("window", "retrieval"):
        chosen.append(Line("Trimming", "trim", *_TRIMS[memory.trim], Does.STEP))
    if memory.strategy == "retrieval":
        chosen.append(Line("Looks in", "scope", *_SCOPES[memory.scope], Does.STEP))
    return chosen


def _sampling(sampling: Sampling) -> list[Line]:
    hint = "With each prompt of conversations that have none of their own (palette). Unset, the service decides."
    values = sampling.values
    return [
        Line("Sampling"),
        *(Line(LABELS[name], name, str(values.get(name, "not sent")), hint, Does.PARAMETER) for name in PARAMETERS),
    ]


def with_parameter(sampling: Sampling, name: str, text: str) -> Sampling | None:
    """The parameters with this one as it was typed, empty for not sent; None where it cannot be that."""
    try:
        changes: dict[str, Any] = {name: typed(name, text)}
    except ValueError:
        return None
    return replace(sampling, **changes)


CAPS = {
    "conversation_tokens": "Tokens a conversation",
    "day_tokens": "Tokens a day",
    "month_tokens": "Tokens a month",
    "conversation_usd": "Dollars a conversation",
    "day_usd": "Dollars a day",
    "month_usd": "Dollars a month",
}


def _caps(caps: Caps) -> list[Line]:
    tokens = "Sent and answered, as the services count them. Over it you are asked before anything is sent."
    dollars = "At list prices, where they are known; the service's own bill counts. Over it you are asked."
    return [
        Line("Limits of spending"),
        *(
            Line(label, name, _cap(getattr(caps, name)), dollars if name.endswith("usd") else tokens, Does.CAP)
            for name, label in CAPS.items()
        ),
    ]


def _cap(value: float | None) -> str:
    if value is None:
        return "no limit"
    return f"{value:,}" if isinstance(value, int) else money(value)


def with_cap(caps: Caps, name: str, text: str) -> Caps | None:
    """The limits with this one as it was typed, empty for none; None where that is no limit."""
    plain = text.strip().removeprefix("$").strip()
    # 0,50 is half a dollar where people write it so: never fifty.
    plain = plain.replace(",", "" if _THOUSANDS.fullmatch(plain) else ".")
    if not plain:
        return replace(caps, **{name: None})
    try:
        value: Any = float(plain) if name.endswith("usd") else int(plain)
    except ValueError:
        return None
    return replace(caps, **{name: value}) if 0 < value < LARGEST_CAP else None


_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d*)?")

LARGEST_CAP = 10**12
"""A limit above it is a slip of the finger, or none."""


def _looks(settings: Settings) -> list[Line]:
    enter = "sends" if settings.enter_sends else "starts a new line"
    keys = "ctrl+j starts a new line." if settings.enter_sends else "ctrl+enter or f5 sends."
    return [
        Line("Looks and keys"),
        Line(
            "Theme",
            "theme",
            settings.theme,
            "Left and right try one after the other; enter shows the list.",
            Does.THEME,
        ),
        Line(
            "Thinking",
            "show_thinking",
            "shown" if settings.show_thinking else "folded",
            "What a model thinks before it answers; ctrl+t folds or shows it anywhere.",
            Does.STEP,
        ),
        Line("Enter", "enter_sends", enter, keys, Does.STEP),
    ]


def _security(security: Security | None, settings: Settings) -> list[Line]:
    heading = Line("Security")
    guard = Line(
        "Secrets",
        "guard_secrets",
        "asked about" if settings.guard_secrets else "sent as they are",
        "What looks like a key, a token or a password, before it goes to a cloud endpoint.",
        Does.STEP,
    )
    if security is None:
        return [heading, Line("…"), guard]
    slots = security.slots
    last = "It is the only way in: if you lose it, the history is lost. Add another." if len(slots) == 1 else ""
    return [
        heading,
        _keyring(security, last),
        Line(
            "Passphrase",
            "passphrase",
            "set" if "passphrase" in slots else "not set",
            (last if "passphrase" in slots else "")
            or "Opens the history where the keyring does not. Enter sets a new one.",
            Does.PASSPHRASE,
        ),
        Line(
            "Recovery code",
            "recovery",
            "made" if "recovery" in slots else "none",
            "On paper, for when everything else fails. Enter makes a new one; the one before becomes invalid.",
            Does.RECOVERY,
        ),
        guard,
    ]


def _keyring(security: Security, last: str) -> Line:
    if "keyring" in security.slots:
        where = f"in use ({security.keyring})" if security.keyring else "in use, but not here now"
        return Line("Keyring", "keyring", where, last or "Opens the history by itself when you are logged in.")
    if security.keyring is None:
        return Line("Keyring", "keyring", "none on this computer", "A passphrase and a recovery code open the history.")
    hint = f"Enter keeps the key in {security.keyring}, which then opens the history by itself."
    return Line("Keyring", "keyring", "not used", hint, Does.KEYRING)
