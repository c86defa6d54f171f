"""Which price of a coin counts: one that is known, new enough and in the right currency. Else there is none."""

from dataclasses import dataclass
from enum import StrEnum

from proxy.chains.luck import DAY_S

SOURCE_CURRENCY = "USD"
"""The sources that give prices (mempool) are asked for US dollars."""
FUTURE_S = 300.0
"""A price that claims to be from later than this ahead of the clock has no age that could be told."""


class PriceState(StrEnum):
    """Whether a price can be used."""

    KNOWN = "known"
    OLD = "old"
    """The newest one is older than what the operator lets count."""
    OTHER_CURRENCY = "other-currency"
    """There is only one in another currency."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A price as somebody gave it."""

    amount: float
    source: str
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What counts of a coin's quotes."""

    state: PriceState
    amount: float | None = None
    """Of one coin in the operator's currency; None unless it is known."""
    source: str = ""
    at: float | None = None
    """Unix seconds; of an old price too."""


BY_HAND = "by hand"


def choose_price(by_hand: Quote | None, sourced: Quote | None, *, now: float, currency: str, most_days: float) -> Price:
    """The price by hand while it is new enough, else a source's where the currency is the source's."""
    if by_hand is not None and _is_new(by_hand, now, most_days):
        return _known(by_hand)
    if sourced is not None and currency == SOURCE_CURRENCY and _is_new(sourced, now, most_days):
        return _known(sourced)
    if by_hand is not None:
        return Price(state=PriceState.OLD, source=by_hand.source, at=by_hand.at)
    if sourced is None:
        return Price(state=PriceState.UNKNOWN)
    state = PriceState.OLD if currency == SOURCE_CURRENCY else PriceState.OTHER_CURRENCY
    return Price(state=state, source=sourced.source, at=sourced.at)


def _known(quote: Quote) -> Price:
    return Price(state=PriceState.KNOWN, amount=quote.amount, source=quote.source, at=quote.at)


def _is_new(quote: Quote, now: float, most_days: float) -> bool:
    return -FUTURE_S <= now - quote.at <= most_days * DAY_S
