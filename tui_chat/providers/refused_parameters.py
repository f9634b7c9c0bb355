"""Which sampling parameter a refusal is about, as the services known say it."""

from __future__ import annotations

import re

from tui_chat.core.errors import ContextTooLong
from tui_chat.core.sampling import Sampling
from tui_chat.providers.http import Refused

_SPELLINGS = {"temperature": "temperature", "top_p": "top[_-]?p", "top_k": "top[_-]?k", "seed": "seed"}
_NAMED = {name: re.compile(rf"(?<![a-z0-9]){each}(?![a-z0-9])", re.IGNORECASE) for name, each in _SPELLINGS.items()}

_REFUSES = re.compile(
    r"n[o']t (?:be |currently )?(?:support|permit|allow|accept|valid|available)"
    r"|unsupported|deprecated|removed|unknown|unrecogni[sz]ed|invalid|unexpected|extra (?:inputs|fields)"
    r"|cannot|can't|(?:must|should|may only|has to) be|\brange\b|cannot find field",
    re.IGNORECASE,
)
"""A sampling parameter is refused by its name, for its value, or beside another, in the words of those known."""

_ONE_OF_THEM = re.compile(r"\bboth\b|\bonly one\b|\beither\b|\btogether\b", re.IGNORECASE)


def refused_parameter(refused: Refused, sampling: Sampling) -> str:
    """The parameter that was sent, and that is refused by name; empty where it is anything else.

    Of several that are refused it is the first one named, of two that exclude each other the second.
    """
    sent = sampling.values
    if refused.status not in (400, 422) or not sent or isinstance(refused.error, ContextTooLong):
        return ""
    if refused.param:  # the words may then name others
        return next((name for name in sent if _NAMED[name].search(refused.param)), "")
    if not _REFUSES.search(refused.about):
        return ""
    places = {name: found.start() for name in sent if (found := _NAMED[name].search(refused.about))}
    named = sorted(places, key=places.__getitem__)
    if not named:
        return ""
    return named[1] if len(named) > 1 and _ONE_OF_THEM.search(refused.about) else named[0]
