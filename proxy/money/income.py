"""What a hash rate earns on average, and how far chance takes it from there.

* A hash meets the target of difficulty D with the probability 1 / (D * 2**32), whatever came before (Bitcoin wiki,
  *Difficulty*; M. Rosenfeld, "Analysis of Bitcoin Pooled Mining Reward Systems", 2011, section 2.1). So work W, a sum
  of difficulties, finds W / D blocks on average, and their number is Poisson distributed.
* A block creates its chain's subsidy (``proxy.chains.subsidy``) and pays its transactions' fees.
* A pool that pays for shares pays what a share is worth on average, ``reward / D`` for each difficulty 1, less its fee
  (Rosenfeld, sections 2.2 and 3: exactly so for PPS and FPPS; the same on average, with chance of the pool's own, for
  PPLNS and other methods that divide the pool's blocks).
"""

from dataclasses import dataclass
from math import exp, floor, sqrt
from statistics import NormalDist

from proxy.chains.luck import DAY_S, YEAR_S, block_odds, seconds_per_block
from proxy.chains.subsidy import COIN, subsidy
from proxy.types import HASHES_PER_DIFFICULTY, Chain

MONTH_S = 30 * DAY_S
CONFIDENCE = 0.95
MANY_BLOCKS = 500.0
"""From this mean on, quantiles are those of the normal distribution with the correction for skewness (Cornish and
Fisher, 1937): at most one block from the exact ones."""
_KWH_J = 3_600_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HashRate:
    """A hash rate in hashes per second, and the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTerms:
    """What decides a pool's income."""

    chain: Chain
    solo: bool
    """Pays the reward of own blocks; else it pays for shares."""
    fee_percent: float
    network_difficulty: float
    reward_coins: float
    """Of a block: subsidy and fees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Income:
    """What to expect; chance decides what comes."""

    coins_per_day: float
    low_coins_per_day: float
    high_coins_per_day: float
    """95 of 100 days lie between these: by the number of blocks on a solo pool, else by what is known of the rate."""
    blocks_per_day: float
    """Found on average; on a pool that pays for shares most of them are others' too."""
    block_a_day: float
    """Probability of at least one own block."""
    block_a_month: float
    """In 30 days."""
    block_a_year: float
    seconds_per_block: float | None
    """On average; None without any hash rate."""


def reward_coins(chain: Chain, height: int, fee_coins: float) -> float | None:
    """Coins that the block at ``height`` pays in all; None where the chain's subsidy is not known."""
    created = subsidy(chain, height)
    return None if created is None else created / COIN + fee_coins


def blocks_of(work_difficulty: float, network_difficulty: float) -> float:
    """Blocks that ``work_difficulty``, a sum of difficulties, finds on average."""
    return work_difficulty / network_difficulty


def coins_of(blocks: float, terms: PoolTerms) -> float:
    """Coins that ``blocks`` pay after the pool's fee."""
    return blocks * terms.reward_coins * (1.0 - terms.fee_percent / 100.0)


def income(rate: HashRate, terms: PoolTerms, hashes_per_difficulty: float = HASHES_PER_DIFFICULTY) -> Income:
    """What ``rate`` earns on a pool with ``terms``."""

    def blocks_a_day(hashes_per_s: float) -> float:
        return blocks_of(hashes_per_s * DAY_S / hashes_per_difficulty, terms.network_difficulty)

    mean = blocks_a_day(rate.mean)
    if terms.solo:
        least, most = block_range(mean)
        low, high = float(least), float(most)
    else:
        low, high = blocks_a_day(rate.low), blocks_a_day(rate.high)
    odds = [block_odds(rate.mean, terms.network_difficulty, span, hashes_per_difficulty) for span in _SPANS_S]
    return Income(
        coins_per_day=coins_of(mean, terms),
        low_coins_per_day=coins_of(low, terms),
        high_coins_per_day=coins_of(high, terms),
        blocks_per_day=mean,
        block_a_day=odds[0],
        block_a_month=odds[1],
        block_a_year=odds[2],
        seconds_per_block=seconds_per_block(rate.mean, terms.network_difficulty, hashes_per_difficulty),
    )


_SPANS_S = (DAY_S, MONTH_S, YEAR_S)


def block_range(mean: float) -> tuple[int, int]:
    """The least and the most blocks that come where ``mean`` are expected, but for (1 - ``CONFIDENCE``) / 2 each."""
    tail = (1.0 - CONFIDENCE) / 2.0
    return poisson_quantile(mean, tail), poisson_quantile(mean, 1.0 - tail)


def poisson_quantile(mean: float, probability: float) -> int:
    """The least number that a Poisson variable with ``mean`` does not exceed with at least ``probability``.

    By its sum from the definition; for large means as ``MANY_BLOCKS`` says. ``probability`` is below 1.
    """
    if mean >= MANY_BLOCKS:
        z = NormalDist().inv_cdf(probability)
        return max(0, floor(mean + z * sqrt(mean) + (z * z - 1.0) / 6.0 + 0.5))
    number, term = 0, exp(-mean)
    total = term
    while total < probability and term > 0.0:
        number += 1
        term *= mean / number
        total += term
    return number


def energy_kwh(power_w: float, seconds: float) -> float:
    """Kilowatt-hours that ``power_w`` watts take in ``seconds``: a joule is a watt for a second."""
    return power_w * seconds / _KWH_J
