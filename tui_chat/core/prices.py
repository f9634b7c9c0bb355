"""What requests cost at list prices, and the sentences about it and about limits; of unknown prices it says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui_chat.core.catalogue import ModelFacts

CAP_HINT = "The reply would come on top. The limits are in the settings (f2)."
"""What to say behind the sentence of a cap."""

_MILLION = 1_000_000
_NOISE = 1e-10
"""US dollars that adding prices may be off by: a tenth of the cheapest token in the table."""


class Span(StrEnum):
    """What a limit holds for."""

    CONVERSATION = "conversation"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars at list prices; ``at_least`` where more is charged for so long a prompt, but not known how much."""

    usd: float
    at_least: bool = False


def price_of(
    facts: ModelFacts | None, input_tokens: int, output_tokens: int = 0, cached_tokens: int = 0
) -> Price | None:
    """The list price of so many tokens; None where it is not known, which is not free.

    ``input_tokens`` include the ``cached_tokens``; where no price of those is listed they cost as much
    as any. Above ``prices_up_to`` the table only says that more is charged: then the price is a lower
    bound, which stops at a limit later than it should, but sooner than no price at all would.
    """
    if facts is None or facts.input_price is None or (output_tokens and facts.output_price is None):
        return None
    cached = min(cached_tokens, input_tokens)
    cached_price = facts.input_price if facts.cached_price is None else facts.cached_price
    millionths = (
        (input_tokens - cached) * facts.input_price
        + cached * cached_price
        + output_tokens * (facts.output_price or 0.0)
    )
    return Price(millionths / _MILLION, at_least=facts.prices_up_to is not None and input_tokens > facts.prices_up_to)


def money(usd: float) -> str:
    """``$0.002``, ``$0.50``, ``$1.24``; ``<$0.001`` for what is less and not nothing."""
    if 0 < usd < 0.001:
        return "<$0.001"
    text = f"{usd:,.3f}"
    return f"${usd:,.2f}" if text.endswith("0") or usd >= 1 else f"${text}"


def price_sentence(price: Price) -> str:
    """``~$0.021 + reply``: what the next request costs before its reply, whose length nobody knows."""
    amount = money(price.usd)
    if price.at_least:
        return f"over {amount} + reply"
    return f"{amount if amount.startswith('<') else f'~{amount}'} + reply"


def price_details(facts: ModelFacts, price: Price) -> str:
    """Where ``price_sentence`` comes from: the prices, of which day, by whom, and what they leave out."""
    # Imported here: only who asks for details needs to know the table's day.
    from tui_chat.core.catalogue import DATE, SOURCE

    prices = (
        (facts.input_price, "sent"),
        (facts.cached_price, "from the service's cache"),
        (facts.output_price, "of reply"),
    )
    known = ", ".join(f"{money(each)} {which}" for each, which in prices if each is not None)
    what = f"List prices of {DATE} ({SOURCE}) for a million tokens: {known}."
    if price.at_least:
        what = (
            f"{what} For more than {facts.prices_up_to:,} tokens the service charges more; how much is not known here."
        )
    return f"{what} The service's own bill counts."


def tokens_over(span: Span, tokens: int, allowed: int) -> str | None:
    """``Not sent: this would be ~101,900 of the 100,000 tokens a day that you allowed.``; None where it is allowed."""
    if tokens <= allowed:
        return None
    return f"Not sent: this would be ~{tokens:,} of the {allowed:,} tokens a {span} that you allowed."


def money_over(span: Span, usd: float, allowed: float, *, unpriced: int = 0) -> str | None:
    """``Not sent: this would be ~$1.26 of the $1.00 a day that you allowed.``; None where it is allowed.

    Of ``unpriced`` requests, which were counted as nothing, it says how many there were.
    """
    if usd <= allowed + _NOISE:
        return None
    shown, cap = money(usd), money(allowed)
    much = f"a little over the {cap}" if shown == cap else f"~{shown} of the {cap}"
    sentence = f"Not sent: this would be {much} a {span} that you allowed"
    if unpriced:
        requests = "1 request" if unpriced == 1 else f"{unpriced:,} requests"
        sentence = f"{sentence}, without {requests} of unknown price"
    return f"{sentence}."
