"""Computes each chain's share of the work, in percent, from the readings.

Both strategies move work between chains; neither creates any. *Hash rate ratio* bets that a chain whose hash rate fell
is worth more until its difficulty follows: true for a chain that adjusts slowly (BTC, two weeks), hardly for one that
adjusts with each block (BCH, DGB). For a solo miner the chance of a block per hash depends on the difficulty alone,
which does not move with the hash rate of the last hour. *Value per hash* compares what a hash earns on average now:
exact as far as difficulty, subsidy and price are; it knows nothing of a pool's fee, luck or payout rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from proxy.balance.readings import NetworkReading, hash_rate
from proxy.chains.subsidy import COIN, subsidy
from proxy.sentence import Sentence, sentence
from proxy.types import HASHES_PER_DIFFICULTY, Chain

Parts = dict[Chain, float]

_LEAST = 1e-6  # a part of 0 must be able to grow when the others cannot


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The wanted weights, and why."""

    parts: Parts
    """Percent, sum 100."""
    reasons: Mapping[Chain, str]
    noise: float = 0.0
    """Standard error of a part in points; 0: unknown."""


def window_ratio(reading: NetworkReading) -> float:
    """Hash rate of the short by the long window, as in DPMP v2; 1 where a window is not full."""
    short, long = reading.short, reading.long
    return hash_rate(short) / hash_rate(long) if short and long else 1.0


def inverse_parts(ratios: Mapping[Chain, float]) -> Parts:
    """More to the chain whose hash rate fell: ``part ~ 1 / ratio``."""
    return normalised({chain: 1.0 / ratio if ratio > 0 else 1.0 for chain, ratio in ratios.items()})


def value_per_hash(reading: NetworkReading, price: float | None) -> float | None:
    """Coins (or their price) that 2**32 hashes earn on average: ``(subsidy + fees) * price / difficulty``.

    None where the height, and so the subsidy, is unknown.
    """
    created = subsidy(reading.chain, reading.height) if reading.height is not None else None
    if created is None:
        return None
    return (created / COIN + (reading.fee or 0.0)) * (1.0 if price is None else price) / reading.difficulty


def value_target(readings: Mapping[Chain, NetworkReading], prices: Mapping[Chain, float]) -> Target | None:
    """Parts by value per hash; with prices only if each chain has one. None where a value is unknown."""
    priced = all(prices.get(chain, 0.0) > 0 for chain in readings)
    values = {chain: value_per_hash(reading, prices[chain] if priced else None) for chain, reading in readings.items()}
    known = {chain: value for chain, value in values.items() if value}
    if len(known) < len(values):
        return None
    parts = normalised(known)
    noise = max(_fee_noise(readings[chain], part) for chain, part in parts.items())
    reasons = {
        chain: _value_reason(readings[chain], prices[chain] if priced else None, value)
        for chain, value in known.items()
    }
    if prices and not priced:
        reasons = {
            chain: sentence("{why}; prices are left out, as not every chain has one", why=why)
            for chain, why in reasons.items()
        }
    return Target(parts=parts, reasons=reasons, noise=noise)


def _fee_noise(reading: NetworkReading, part: float) -> float:
    created = (subsidy(reading.chain, reading.height or 0) or 0) / COIN
    reward = created + (reading.fee or 0.0)
    relative = reading.fee_error / reward if reward else 0.0
    return relative * part * (100.0 - part) / 100.0


def _value_reason(reading: NetworkReading, price: float | None, value: float) -> Sentence:
    created = (subsidy(reading.chain, reading.height or 0) or 0) / COIN
    if reading.fee is None:
        coins = sentence("{created:g} coins, fees not seen", created=created)
    else:
        coins = sentence("{created:g} coins + {fees:.4g} fees", created=created, fees=reading.fee)
    if price is not None:
        coins = sentence("{coins} at {price:g} a coin", coins=coins, price=price)
    return sentence(
        "{coins}, difficulty {difficulty:.4g}: {earned:.4g} per PH/s and day",
        coins=coins,
        difficulty=reading.difficulty,
        earned=value * 1e15 * 86_400 / HASHES_PER_DIFFICULTY,
    )


def normalised(amounts: Mapping[Chain, float]) -> Parts:
    """Scale to a sum of 100; even where all are 0."""
    total = sum(amounts.values())
    if total <= 0:
        return even(amounts)
    return {chain: amount / total * 100.0 for chain, amount in amounts.items()}


def even(chains: Mapping[Chain, object]) -> Parts:
    """The same part for each chain."""
    return {chain: 100.0 / len(chains) for chain in chains}


def bounded(parts: Parts, low: float, high: float) -> Parts:
    """Keep every part within the bounds and the sum at 100; the parts within them keep their proportions.

    Bounds that leave no solution are widened to an even split.
    """
    share = 100.0 / len(parts)
    low, high = min(low, share), max(high, share)
    if all(low <= part <= high for part in parts.values()):
        return parts

    def clamped(scale: float) -> Parts:
        return {chain: max(low, min(high, max(part, _LEAST) * scale)) for chain, part in parts.items()}

    small, large = 0.0, 100.0 / _LEAST
    for _ in range(200):
        middle = sqrt(small * large) if small > 0 else large / 2.0
        small, large = (middle, large) if sum(clamped(middle).values()) < 100.0 else (small, middle)
    return clamped(large)


def rounded(parts: Parts) -> Parts:
    """Whole percents with the sum 100: all but the last rounded, the last gets the rest, as in DPMP v2."""
    chains = list(parts)
    whole: Parts = {chain: float(round(parts[chain])) for chain in chains[:-1]}
    whole[chains[-1]] = 100.0 - sum(whole.values())
    return whole
