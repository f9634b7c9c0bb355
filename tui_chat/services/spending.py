"""What requests cost and have cost, and the limits that the user set on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from tui_chat.core.address import is_address, read_address
from tui_chat.core.clock import Clock, Millis, local
from tui_chat.core.clock import now as clock_now
from tui_chat.core.context import ContextPlan
from tui_chat.core.models import ModelRef, Usage
from tui_chat.core.ports import ConversationStore, Spending
from tui_chat.core.prices import Price, Span, money_over, price_of, tokens_over
from tui_chat.core.settings import GUIDE, Settings
from tui_chat.core.tokens import measure
from tui_chat.services.endpoints import EndpointService

if TYPE_CHECKING:
    from tui_chat.core.catalogue import ModelFacts


class SpendingService:
    """Prices the next request, holds it against the user's limits, and keeps a ledger of those that were sent."""

    def __init__(
        self,
        store: ConversationStore,
        settings: Callable[[], Settings],
        endpoints: EndpointService,
        *,
        now: Clock = clock_now,
    ) -> None:
        self._store = store
        self._settings = settings
        self._endpoints = endpoints
        self._now = now

    async def facts(self, model: ModelRef) -> ModelFacts | None:
        """What the shipped table knows of that model at its endpoint's address.

        Hold it while the person types: with it ``core.prices.price_of`` prices every draft at once.
        """
        endpoint = next((each for each in self._endpoints.all() if each.name == model.endpoint), None)
        if endpoint is None or not is_address(endpoint.base_url):
            return None
        # In a thread: the first question reads the table.
        return await asyncio.to_thread(_find, model.name, read_address(endpoint.base_url).host)

    async def price(self, model: ModelRef, plan: ContextPlan) -> Price | None:
        """The list price of sending this plan, without its reply, and as if nothing of it were in a cache.

        None where it is not known, for the guide and for servers near by, and for a plan that is not sent.
        """
        return None if plan.error else price_of(await self.facts(model), plan.totals.tokens)

    async def over(self, conversation_id: str, model: ModelRef, plan: ContextPlan) -> str | None:
        """The sentence of the first cap that sending this plan would exceed; None where there is none.

        What was spent so far and this request's estimated input count; its reply does not, since nobody
        knows its length, nor do requests that are still running. Requests without a known price cost
        nothing here: they are never held against a cap of money, and the sentence says how many it has
        left out. The guide never counts. Raises StoreFailed.
        """
        if plan.error or model.endpoint == GUIDE.name:
            return None
        caps, now = self._settings().caps, local(self._now())
        price = await self.price(model, plan)
        for span, since, conversation, tokens, usd in (
            (Span.CONVERSATION, 0, conversation_id, caps.conversation_tokens, caps.conversation_usd),
            (Span.DAY, _began(now), None, caps.day_tokens, caps.day_usd),
            (Span.MONTH, _began(now.replace(day=1)), None, caps.month_tokens, caps.month_usd),
        ):
            if tokens is None and usd is None:
                continue
            spent = await self._store.spent(conversation_id=conversation, since=since)
            sentence = None if tokens is None else tokens_over(span, spent.tokens + plan.totals.tokens, tokens)
            if sentence is None and usd is not None and price is not None:
                sentence = money_over(span, spent.usd + price.usd, usd, unpriced=spent.unpriced)
            if sentence is not None:
                return sentence
        return None

    async def record(
        self, conversation_id: str, model: ModelRef, plan: ContextPlan, usage: Usage | None, answered: str
    ) -> None:
        """Enter a request that went out, whatever became of it, in the ledger; the guide's cost nothing.

        ``answered`` is all that came back, thinking too. What the server did not count is estimated; a
        count of 0 for what is there is none. Raises StoreFailed only.
        """
        if model.endpoint == GUIDE.name:
            return
        said = usage or Usage(0, 0)
        input_tokens = said.input_tokens or plan.totals.tokens
        output_tokens = said.output_tokens or measure(answered).tokens
        price = price_of(await self.facts(model), input_tokens, output_tokens, said.cached_tokens)
        await self._store.add_spending(
            Spending(
                at=self._now(),
                conversation_id=conversation_id,
                model=str(model),
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cached_tokens=min(said.cached_tokens, input_tokens),
                usd=None if price is None else price.usd,
                estimated=(input_tokens, output_tokens) != (said.input_tokens, said.output_tokens),
            )
        )


def _began(moment: datetime) -> Millis:
    """When that day began by this computer's clock, also where midnight was skipped or came twice."""
    # fold=0: of two midnights, the first.
    return round(moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()) * 1000


def _find(name: str, host: str) -> ModelFacts | None:
    # Imported here: only a priced request needs the table.
    from tui_chat.core import catalogue

    return catalogue.find(name, endpoint_host=host)
