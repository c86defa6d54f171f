"""What has been worked and where, against what was wanted: one ledger from one change of weights to the next.

A miner's recent working time is kept as seconds and valued with its present estimate, so that a first wrong guess does
no lasting harm; when the estimate ages or jumps, the seconds are converted to work.
"""

import math
from collections.abc import Mapping

from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import PoolKey


class Ledger:
    """What miners that share one set of weights have worked. Work in hashes, surplus is work above target."""

    __slots__ = (
        "accepted",
        "carried_surplus",
        "closed",
        "closed_variance",
        "closings",
        "corrected",
        "since",
        "squares",
        "started",
        "tuning",
        "weights",
    )

    def __init__(
        self,
        weights: Mapping[PoolKey, float],
        *,
        now: float,
        wall: float,
        tuning: SchedulerTuning,
        carried_surplus: Mapping[PoolKey, float] | None = None,
    ) -> None:
        self.weights = dict(weights)
        self.tuning = tuning
        self.started = now
        """When it began, in monotonic seconds."""
        self.since = wall
        """When it began, in unix seconds."""
        self.carried_surplus = {pool: (carried_surplus or {}).get(pool, 0.0) for pool in weights}
        self.closed = dict.fromkeys(weights, 0.0)
        self.closed_variance = dict.fromkeys(weights, 0.0)
        self.closings = 0
        """How often miners' seconds were converted to work."""
        self.corrected: dict[PoolKey, float] | None = dict.fromkeys(weights, 0.0)
        """What of the correction miners that are sliced by themselves were told to work off; None: not known."""
        self.accepted = dict.fromkeys(weights, 0.0)
        self.squares = dict.fromkeys(weights, 0.0)

    def accept(self, pool: PoolKey, work: float) -> None:
        """Count what a pool credited."""
        if pool in self.accepted:
            self.accepted[pool] += work
            self.squares[pool] += work * work

    def close(self, seconds: Mapping[PoolKey, float], rate: float, shares: float) -> None:
        """Convert a miner's ``seconds`` on each pool to work."""
        self.closings += 1
        total = sum(seconds.get(pool, 0.0) for pool in self.weights)
        for pool, weight in self.weights.items():
            spent = seconds.get(pool, 0.0)
            self.closed[pool] += rate * spent
            self.closed_variance[pool] += (rate * (spent - weight * total)) ** 2 / max(shares, 1.0)

    def closed_surplus(self) -> dict[PoolKey, float]:
        """Return closed work on each pool above its target."""
        total = sum(self.closed.values())
        return {pool: self.closed[pool] - weight * total for pool, weight in self.weights.items()}

    def correction(self, surplus: Mapping[PoolKey, float]) -> dict[PoolKey, float]:
        """Return the part of accepted work minus ``surplus`` that luck does not explain.

        The band holds at all times together with 95 % probability (a normal-mixture confidence sequence), so that luck,
        however long one watches, is corrected in one ledger of twenty at most.
        """
        accepted, squares = sum(self.accepted.values()), sum(self.squares.values())
        if not accepted:
            return dict.fromkeys(self.weights, 0.0)
        part = {}
        for pool, weight in self.weights.items():
            variance = (1 - weight) ** 2 * self.squares[pool] + weight**2 * (squares - self.squares[pool])
            tuned = (
                self.tuning.correction_tuned_shares * weight * (1 - weight) * squares / accepted * (squares / accepted)
            )
            band = _band(variance, tuned, self.tuning.correction_alpha)
            excess = self.accepted[pool] - weight * accepted - surplus.get(pool, 0.0)
            beyond = math.copysign(max(0.0, abs(excess) - band), excess)
            most = self.tuning.correction_most_part * weight * accepted
            part[pool] = min(max(beyond, -most), most)
        return _zero_sum(part)


def _band(variance: float, tuned: float, alpha: float) -> float:
    if tuned <= 0:
        return math.inf
    both = variance + tuned
    return math.sqrt(both * math.log(both / (tuned * alpha**2)))


def _zero_sum(part: dict[PoolKey, float]) -> dict[PoolKey, float]:
    surplus = sum(part.values()) / len(part)
    return {pool: amount - surplus for pool, amount in part.items()}


def clamped(surplus: Mapping[PoolKey, float], pools: Mapping[PoolKey, float], limit: float) -> dict[PoolKey, float]:
    """Return ``surplus`` for ``pools`` only, summing to 0, scaled down until none is more than ``limit``."""
    kept = {pool: surplus.get(pool, 0.0) for pool in pools}
    if not kept:
        return {}
    kept = _zero_sum(kept)
    largest = max(abs(amount) for amount in kept.values())
    scale = min(1.0, limit / largest) if largest else 1.0
    return {pool: amount * scale for pool, amount in kept.items()}
