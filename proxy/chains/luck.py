"""How lucky: what to expect of the work done, effort since the last block, odds of one.

The true difficulty D of a hash is Pareto distributed: one share's worth of work (difficulty 1) reaches D with
probability 1/D. So the best of work W (a sum of difficulties) stays below D with probability exp(-W/D).
"""

from math import expm1, log

from proxy.types import HASHES_PER_DIFFICULTY

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S


def expected_best(work: float) -> float:
    """The best share that ``work`` (a sum of difficulties) reaches with even odds; the mean does not exist."""
    return work / log(2.0) if work > 0 else 0.0


def effort(work_since_block: float, network_difficulty: float) -> float | None:
    """Work since the last block over the work a block takes on average; 1.0 is 100 %."""
    return work_since_block / network_difficulty if network_difficulty > 0 else None


def block_odds(
    rate: float, network_difficulty: float, seconds: float, hashes_per_difficulty: float = HASHES_PER_DIFFICULTY
) -> float:
    """Probability of at least one block in ``seconds`` at ``rate`` hashes per second."""
    if rate <= 0 or network_difficulty <= 0:
        return 0.0
    return -expm1(-rate * seconds / (network_difficulty * hashes_per_difficulty))


def seconds_per_block(
    rate: float, network_difficulty: float, hashes_per_difficulty: float = HASHES_PER_DIFFICULTY
) -> float | None:
    """Average time from block to block at ``rate``; None without any rate."""
    return network_difficulty * hashes_per_difficulty / rate if rate > 0 else None
