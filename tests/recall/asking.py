"""How many of the planted facts a plan's payload holds when their questions are asked at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.recall.planted import FACTS
from tui_chat.core.headers import header_of
from tui_chat.core.models import Message, MessageHeader, Role
from tui_chat.core.ports import Body, Passage, Recall
from tui_chat.core.tokens import MESSAGE_TOKENS, REQUEST_TOKENS, measure
from tui_chat.memory import Request, Strategy, sent_ids, with_payload
from tui_chat.memory.query import terms_of


def headers_of(passages: Sequence[Passage]) -> list[MessageHeader]:
    return [header_of(Message(each.id, None, each.role, each.text, each.created_at)) for each in passages]


def room_for(tokens: int, draft: str, **fields: object) -> Request:
    """A request with room for so many tokens of earlier messages, however many they are."""
    fixed = REQUEST_TOKENS + measure(draft).tokens + MESSAGE_TOKENS
    given: Mapping[str, object] = {"max_messages": 10_000, **fields}
    return Request(context_window=tokens + fixed, draft=draft, reserved_for_reply=0, margin=0.0, **given)  # type: ignore[arg-type]


async def share_held(strategy: Strategy, passages: Sequence[Passage], index: Recall, room: int) -> float:
    """The share of the facts that are in what goes out with their questions, in so many tokens of earlier messages."""
    headers = headers_of(passages)
    texts = {each.id: each.text for each in passages}
    previous = next(each.text for each in reversed(passages) if each.role is Role.USER)
    held = 0
    for fact in FACTS:
        ranked = tuple(await index.rank(terms_of(fact.question, previous)))
        plan = strategy.plan(headers, room_for(room, fact.question, ranked=ranked))
        bodies = {id: Body(texts[id]) for id in sent_ids(plan)}
        payload = with_payload(plan, system_prompt=None, bodies=bodies, draft=fact.question).payload
        held += any(fact.key in message.content for message in payload)
    return held / len(FACTS)
