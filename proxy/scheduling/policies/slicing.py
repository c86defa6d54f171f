"""Time slices: how long a miner stays on a pool and where it goes next, from what it has in hand on each.

A round visits each pool once; half a round's surplus on either side of the target is allowed, so a ledger that starts
at zero starts in the middle of a slice, and work in hand is at most ``w (1 - w) x period / 2``.
"""

import math
from collections.abc import Mapping, Sequence

from proxy.scheduling.policies.policy import Assignment, Load, Role
from proxy.types import PoolKey, SessionId


class Slicing:
    """Each miner is time-sliced to the ratio."""

    name = "slicing"

    def assign(
        self,
        loads: Sequence[Load],
        weights: Mapping[PoolKey, float],
        *,
        in_hand: Mapping[PoolKey, float],
        sigma: float,
        horizon_s: float,
        strict: bool,
    ) -> dict[SessionId, Assignment]:
        """Slice every miner over the pools that it can go to."""
        return {load.session: sliced(load, weights) for load in loads}

    def is_due(
        self,
        loads: Sequence[Load],
        weights: Mapping[PoolKey, float],
        *,
        in_hand: Mapping[PoolKey, float],
        sigma: Mapping[PoolKey, float],
        horizon_s: float,
    ) -> bool:
        """Whether a miner joined."""
        return any(load.standing.role is Role.NEW for load in loads)


def sliced(load: Load, weights: Mapping[PoolKey, float]) -> Assignment:
    """Return the assignment of a miner that is sliced to ``weights`` by itself."""
    return Assignment(role=Role.SLICED, row=reachable(weights, load.pools))


def reachable(weights: Mapping[PoolKey, float], pools: frozenset[PoolKey]) -> dict[PoolKey, float]:
    """Return ``weights`` of the given pools only, normalised."""
    kept = {pool: weight for pool, weight in weights.items() if pool in pools}
    total = sum(kept.values())
    return {pool: weight / total for pool, weight in kept.items()} if total else {}


def amplitude(row: Mapping[PoolKey, float], pool: PoolKey, period: float) -> float:
    """Return the most seconds in hand that a slice on ``pool`` ends with."""
    part = row.get(pool, 0.0)
    return part * (1 - part) * period / 2


def stay(row: Mapping[PoolKey, float], in_hand: Mapping[PoolKey, float], current: PoolKey, period: float) -> float:
    """Return the seconds until leaving ``current`` is due; 0 or less: it is."""
    part = row.get(current, 0.0)
    if part >= 1:
        return math.inf
    return (amplitude(row, current, period) - in_hand.get(current, 0.0)) / (1 - part)


def following(
    row: Mapping[PoolKey, float], in_hand: Mapping[PoolKey, float], current: PoolKey | None, ready: frozenset[PoolKey]
) -> PoolKey | None:
    """Return the pool that waits most for its slice, in slices of its own; None if there is none to go to."""
    waiting = [pool for pool, part in row.items() if part > 0 and pool != current and pool in ready]
    return min(waiting, key=lambda pool: in_hand.get(pool, 0.0) / row[pool], default=None)
