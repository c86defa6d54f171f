"""The difficulty assigned to a miner: the pool's, within the operator's limits and what its firmware can read."""

from math import floor, inf

from proxy.config.snapshot import NO_VARDIFF_RULE, PoolConfig, VardiffRule
from proxy.stratum.firmware import Profile
from proxy.types import HASHES_PER_DIFFICULTY

MOST_SHARES_PER_S = 2.0
"""A miner that comes to a connection whose difficulty fell while it was idle (public-pool divides it by 6 a minute) is
held to this rate by a temporary local difficulty until the pool has adjusted (``productive``). Only then: a pool that
keeps a low difficulty on purpose credits that difficulty for each share, and anything above it would be work for
nothing."""
USUAL_SHARE_S = 5.0
"""A share this often is asked for where nothing but the hash rate is known."""
RAREST_SHARE_S = 20.0
"""No pool is asked for a difficulty that gives fewer shares: what a miner worked at before may be too much today."""

TOO_RARE_SHARE_S = 3 * RAREST_SHARE_S
"""A pool whose difficulty gives fewer shares is asked for less, if it was asked for that difficulty."""


def assigned_difficulty_for(
    pool_difficulty: float,
    pool: PoolConfig,
    profile: Profile,
    *,
    hashrate: float,
    held: float,
    hashes_per_difficulty: float,
    network_difficulty: float,
    miner_minimum: float,
) -> float:
    """The difficulty that a miner of ``profile`` gets for a pool's job.

    ``held``: what the miner last worked at where the pool's difficulty fell far below it, 0 where it did not: up to it
    the miner (``hashrate`` H/s) is held to ``MOST_SHARES_PER_S``. ``miner_minimum``: what it asked for by BIP 310's
    minimum-difficulty, 0 for nothing.

    Never below the pool's, but for integer-only firmware, which gets it rounded down (never below 1). Never above the
    larger of the pool's and the network's for this job (as far as that is to be believed): beyond it a miner keeps
    blocks to itself. The miner's minimum is above the operator's cap: it was answered true, firmware that asks for one
    leaves or stalls below it, and a cap is only about how often shares come.
    """
    local = min(hashrate / (hashes_per_difficulty * MOST_SHARES_PER_S), held)
    wanted = max(pool_difficulty, pool.min_difficulty or 0.0, local)
    if profile.min_difficulty and hashes_per_difficulty == HASHES_PER_DIFFICULTY:
        wanted = max(wanted, profile.min_difficulty)
    if pool.max_difficulty:
        wanted = max(pool_difficulty, min(wanted, pool.max_difficulty))
    wanted = min(max(wanted, miner_minimum), max(pool_difficulty, network_difficulty))
    return max(1.0, float(floor(wanted))) if profile.integer_difficulty else wanted


def shared_difficulty_for(
    suitable: float,
    pool_difficulty: float,
    pool: PoolConfig,
    profile: Profile,
    *,
    rule: VardiffRule = NO_VARDIFF_RULE,
    hashes_per_difficulty: float,
    network_difficulty: float,
    miner_minimum: float,
) -> float:
    """The difficulty that a miner of ``profile`` gets for a job of a shared connection, where ``suitable`` suits it.

    Never above the pool's, which is for all miners of the connection, and never above the network's: beyond them it
    would keep credit and blocks to itself. But for the least that the operator (for the pool, or by ``rule``), the
    firmware or the miner itself wants: that is bounded as in ``assigned_difficulty_for``. Where the operator's limits
    contradict each other, the highest is kept.
    """
    most = min(pool.max_difficulty or inf, rule.most_difficulty or inf)
    wanted = min(suitable, pool_difficulty, network_difficulty, most)
    least = max(pool.min_difficulty or 0.0, rule.least_difficulty or 0.0)
    if profile.min_difficulty and hashes_per_difficulty == HASHES_PER_DIFFICULTY:
        least = max(least, profile.min_difficulty)
    least = min(least, most)
    wanted = max(wanted, min(max(least, miner_minimum), max(pool_difficulty, network_difficulty)))
    return max(1.0, float(floor(wanted))) if profile.integer_difficulty else wanted


def difficulty_to_suggest(miner_suggests: float | None, pool: PoolConfig, pool_difficulty: float) -> float | None:
    """The difficulty to suggest to the pool: the miner's own suggestion within the operator's limits; None for none."""
    if miner_suggests is not None:
        raised = max(miner_suggests, pool.min_difficulty or 0.0)
        return min(raised, pool.max_difficulty) if pool.max_difficulty else raised
    if pool.min_difficulty and pool_difficulty < pool.min_difficulty:
        return pool.min_difficulty
    if pool.max_difficulty and pool_difficulty > pool.max_difficulty:
        return pool.max_difficulty
    return None


def suitable_difficulty(
    productive: float,
    suggested: float,
    pool: PoolConfig,
    *,
    hashrate: float,
    hashes_per_difficulty: float,
    estimated: bool,
) -> float | None:
    """The difficulty to ask a pool for on behalf of a miner, whole from 1 on (ckpool reads integers); None for none.

    ``productive``: what it last worked at there; ``suggested``: its own; 0 where they are not known. Without both, and
    with ``estimated``, its ``hashrate`` (H/s) says it. Where the hash rate is known the answer gives between
    ``MOST_SHARES_PER_S`` and a share in ``RAREST_SHARE_S``: public-pool hears one suggestion for each connection, which
    is not to be wasted on a value that is far too low. Within the operator's limits.
    """
    shares_a_second = hashrate / hashes_per_difficulty
    suitable = productive or suggested or (shares_a_second * USUAL_SHARE_S if estimated else 0.0)
    if suitable and shares_a_second:
        suitable = min(max(suitable, shares_a_second / MOST_SHARES_PER_S), shares_a_second * RAREST_SHARE_S)
    if not suitable:
        return None
    suitable = max(suitable, pool.min_difficulty or 0.0)
    if pool.max_difficulty:
        suitable = min(suitable, pool.max_difficulty)
    return float(floor(suitable)) if suitable >= 1 else suitable


def as_number(difficulty: float) -> int | float:
    """An integer where it is one: integer-only firmware reads "1.0" as it likes."""
    return int(difficulty) if difficulty == int(difficulty) else difficulty
