"""Sampling parameters on their way out: which of the user's are sent, and which a model refused before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui_chat.core.address import read_address
from tui_chat.core.errors import BadInput
from tui_chat.core.models import ModelRef
from tui_chat.core.sampling import PARAMETERS, LeftOut, Sampling, taken_at
from tui_chat.core.settings import Endpoint

if TYPE_CHECKING:
    from tui_chat.core.ports import ConversationStore

MOST_REFUSED = 8
"""Values of one parameter that are remembered as refused; one forgotten costs one refusal more."""

Values = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Takes:
    """What a model takes of them: those with a name at its endpoint, but for the values that it refused."""

    names: Sequence[str] = tuple(PARAMETERS)
    refused: Values = field(default_factory=dict)

    @property
    def missing(self) -> Sequence[str]:
        """Those without a name there."""
        return [name for name in PARAMETERS if name not in self.names]

    def of(self, wanted: Sampling) -> tuple[Sampling, tuple[LeftOut, ...]]:
        """What is sent of what the user set, and what is not."""
        left_out = [
            LeftOut(name, value, refused=name in self.names)
            for name, value in wanted.values.items()
            if name not in self.names or value in self.refused.get(name, ())
        ]
        sent = wanted
        for each in left_out:
            sent = sent.without(each.name)
        return sent, tuple(left_out)


async def takes(store: ConversationStore, endpoint: Endpoint | None, model: ModelRef) -> Takes:
    """As far as is known; of an unknown endpoint nothing is."""
    names = tuple(PARAMETERS) if endpoint is None else taken_at(endpoint.dialect, _host(endpoint))
    return Takes(names, await refused(store, model))


async def refused(store: ConversationStore, model: ModelRef) -> Values:
    """The values that this model refused, newest first. Another version's, or damaged, are learned again."""
    try:
        kept = json.loads(await store.value(_key(model)) or "{}")
        return {name: tuple(each for each in kept[name] if PARAMETERS[name].hold(each)) for name in kept}
    except (ValueError, TypeError, LookupError):
        return {}


async def remember_refused(store: ConversationStore, model: ModelRef, dropped: LeftOut) -> None:
    """From now on this value is left out for this model; another one is tried."""
    before = await refused(store, model)
    others = [value for value in before.get(dropped.name, ()) if value != dropped.value]
    after = {**before, dropped.name: (dropped.value, *others)[:MOST_REFUSED]}
    await store.set_value(_key(model), json.dumps(after))


async def forget_refused(store: ConversationStore, model: ModelRef) -> None:
    """The user changed something: all of it is tried again."""
    if await refused(store, model):
        await store.set_value(_key(model), "{}")


def _key(model: ModelRef) -> str:
    return f"refused-parameters:{model}"


def _host(endpoint: Endpoint) -> str:
    try:
        return read_address(endpoint.base_url).host
    except BadInput:  # the guide has none
        return ""
