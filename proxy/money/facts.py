"""What income is worked out from, read from the tables: the chains' newest blocks, prices by hand. Blocking."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.balance.balance_view import BalanceView, SourcedPrice
from proxy.balance.observed import FEE_BLOCKS, SPACING_S, ObservedBlock, typical_fees
from proxy.models.balance import ChainBlock, ChainPrice
from proxy.models.money import MoneySettings
from proxy.money.income import reward_coins
from proxy.money.prices import BY_HAND, Price, Quote, choose_price
from proxy.types import Chain

OLD_BLOCK_S = 86_400.0
"""A chain whose newest block is older is not known any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """A chain as the pools' jobs last showed it."""

    network_difficulty: float
    height: int
    """Of the block that is being looked for."""
    fee_coins: float | None
    """Typical fees of a block; None where no coinbase was seen."""
    reward_coins: float
    """Of a block, with the fees as far as they are known."""
    seen_at: float
    """Unix seconds."""


def chain_facts(now: float) -> dict[Chain, ChainFacts]:
    """The chains of which a block was seen in the last day."""
    found = {chain: _facts_of(chain, now) for chain in SPACING_S}
    return {chain: facts for chain, facts in found.items() if facts is not None}


def _facts_of(chain: Chain, now: float) -> ChainFacts | None:
    rows = list(ChainBlock.objects.filter(chain=chain.value).order_by("-height")[:FEE_BLOCKS])
    if not rows or now - rows[0].announced_at > OLD_BLOCK_S:
        return None
    newest = rows[0]
    fee_coins, _error = typical_fees(chain, [_observed(chain, row) for row in reversed(rows)])
    reward = reward_coins(chain, newest.height, fee_coins or 0.0)
    if reward is None:
        return None
    return ChainFacts(
        network_difficulty=newest.difficulty,
        height=newest.height,
        fee_coins=fee_coins,
        reward_coins=reward,
        seen_at=newest.announced_at,
    )


def _observed(chain: Chain, row: ChainBlock) -> ObservedBlock:
    return ObservedBlock(
        chain=chain,
        height=row.height,
        announced_at=row.announced_at,
        difficulty=row.difficulty,
        prevhash=b"",
        reward=row.reward,
    )


def prices_now(settings: MoneySettings, balance: object, now: float) -> dict[Chain, Price]:
    """The price of each chain's coin. ``balance``: auto-balance's view, or nothing where no proxy runs here."""
    sourced = balance.prices if isinstance(balance, BalanceView) else {}
    by_hand = {
        row.chain: Quote(amount=row.price, source=BY_HAND, at=row.set_at.timestamp())
        for row in ChainPrice.objects.all()
    }
    return {
        chain: choose_price(
            by_hand.get(chain.value),
            _quote(sourced, chain),
            now=now,
            currency=settings.currency,
            most_days=settings.price_days,
        )
        for chain in SPACING_S
    }


def _quote(sourced: Mapping[Chain, SourcedPrice], chain: Chain) -> Quote | None:
    price = sourced.get(chain)
    return None if price is None else Quote(amount=price.amount, source=price.source, at=price.at)
