"""Time slices: how long a miner stays on a pool and where it goes next, from its surplus on each.

A round visits each pool once; half a round's surplus on either side of the target is allowed, so a ledger that starts
at zero starts in the middle of a slice, and surplus is at most ``w (1 - w) x period / 2``.
"""

import math
from collections.abc import Generator, Iterable, Mapping, Sequence

from proxy.scheduling.policies.policy import Assignment, MinerLoad, Role
from proxy.types import PoolKey, SessionId


class Slicing:
    """Each miner is time-sliced to the ratio."""

    name = "slicing"

    def assign(
        self,
        loads: Sequence[MinerLoad],
        weights: Mapping[PoolKey, float],
        *,
        surplus: Mapping[PoolKey, float],
        sigma: float,
        horizon_s: float,
        strict: bool,
    ) -> Generator[None, None, dict[SessionId, Assignment]]:
        """Slice every miner over the pools that it can go to."""
        yield
        return sliced(loads, weights)

    def is_due(
        self,
        loads: Sequence[MinerLoad],
        weights: Mapping[PoolKey, float],
        *,
        surplus: Mapping[PoolKey, float],
        sigma: Mapping[PoolKey, float],
        horizon_s: float,
    ) -> Generator[None, None, bool]:
        """Whether a miner joined."""
        yield
        return any(load.assignment.role is Role.NEW for load in loads)


def sliced(loads: Iterable[MinerLoad], weights: Mapping[PoolKey, float]) -> dict[SessionId, Assignment]:
    """Return the assignments of miners that are sliced to ``weights``, each by itself; equal ones are one object."""
    shared: dict[frozenset[PoolKey], Assignment] = {}
    made = {}
    for load in loads:
        assignment = shared.get(load.pools)
        if assignment is None:
            time_shares = reachable(weights, load.pools)
            assignment = shared[load.pools] = Assignment(role=Role.SLICED, time_shares=time_shares)
        made[load.session] = assignment
    return made


def reachable(weights: Mapping[PoolKey, float], pools: frozenset[PoolKey]) -> dict[PoolKey, float]:
    """Return ``weights`` of the given pools only, normalised."""
    kept = {pool: weight for pool, weight in weights.items() if pool in pools}
    total = sum(kept.values())
    return {pool: weight / total for pool, weight in kept.items()} if total else {}


def amplitude(time_shares: Mapping[PoolKey, float], pool: PoolKey, period: float) -> float:
    """Return the most surplus, in seconds, that a slice on ``pool`` ends with."""
    part = time_shares.get(pool, 0.0)
    return part * (1 - part) * period / 2


def remaining_s(
    time_shares: Mapping[PoolKey, float], surplus: Mapping[PoolKey, float], current: PoolKey, period: float
) -> float:
    """Return the seconds until leaving ``current`` is due; 0 or less: it is."""
    part = time_shares.get(current, 0.0)
    if part >= 1:
        return math.inf
    return (amplitude(time_shares, current, period) - surplus.get(current, 0.0)) / (1 - part)


def next_pool(
    time_shares: Mapping[PoolKey, float],
    surplus: Mapping[PoolKey, float],
    current: PoolKey | None,
    ready: frozenset[PoolKey],
) -> PoolKey | None:
    """Return the pool whose slice is most overdue, measured in its own slices; None if there is none to go to."""
    waiting = [pool for pool, part in time_shares.items() if part > 0 and pool != current and pool in ready]
    return min(waiting, key=lambda pool: surplus.get(pool, 0.0) / time_shares[pool], default=None)
