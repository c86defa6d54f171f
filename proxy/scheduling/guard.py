"""What keeps switching calm: the dwell on a pool, the period it makes, the fleet's switch budget, spread phases."""

import math
from collections.abc import Mapping

from proxy.types import PoolKey

SPREAD_FROM = 8
"""Miners from which on a start off centre averages out; fewer are put out of phase by ``phases``."""
MINORITY = 0.5
MINORITY_S = 30.0
STAY_SHARES = 5.0
MOST_STAY_S = 600.0
_SPREAD = 0.5
"""Largest part of half an amplitude by which a miner's start is off centre, in fleets where that averages out."""


def dwell(weight: float, *, min_switch_s: float, slice_s: float) -> float:
    """Return the seconds a miner stays at least on a pool of normalised ``weight``.

    As DPMP v2 has it, but a stay on a minority pool is not shorter than ``MINORITY_S``, unless the operator lets miners
    switch more often than that.
    """
    usual = min(max(2 * weight * min_switch_s, slice_s), min_switch_s)
    return max(usual, MINORITY_S) if weight <= MINORITY and min_switch_s >= MINORITY_S else usual


def stay(dwell_s: float, share_s: float, *, min_switch_s: float) -> float:
    """Return the seconds that one miner, who needs ``share_s`` for a share, stays at least on a minority pool.

    Five shares: a pool whose vardiff sees fewer learns nothing of the miner and decays (public-pool looks at five). At
    most ten times the least time between switches and ``MOST_STAY_S``: half a stay is the error of the split.
    """
    return max(dwell_s, min(STAY_SHARES * share_s, 10 * min_switch_s, MOST_STAY_S))


def period(row: Mapping[PoolKey, float], dwells: Mapping[PoolKey, float]) -> float:
    """Return the seconds of a round in which each pool of ``row`` gets its part and none less than its dwell."""
    return max((dwells[pool] / part for pool, part in row.items() if part > 0), default=0.0)


def phase(index: int, fleet: int) -> float:
    """Return -0.5..0.5: where in its round the ``index``-th miner starts. Neighbours cancel; small fleets get 0."""
    if fleet < SPREAD_FROM or index == 0:
        return 0.0
    pair, sign = (index + 1) // 2, 1 - 2 * (index % 2)
    return sign * _SPREAD * ((pair * 0.6180339887498949) % 1.0)


class Budget:
    """Switches that the fleet may make: ``rate`` a second on average, ``burst`` at once.

    Who is refused is told its turn, so that a thousand that wait do not all ask again for each switch that comes free.
    """

    __slots__ = ("_left", "_turn", "_when", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._left = burst
        self._when = 0.0
        self._turn = -math.inf
        """When the last of those that wait may ask again."""

    def resize(self, rate: float, burst: float) -> None:
        """Set another rate; what is left is kept."""
        self.rate, self.burst = rate, burst
        self._left = min(self._left, burst)

    def forget(self) -> None:
        """Give turns anew: those that wait are all asked again."""
        self._turn = -math.inf

    def take(self, now: float) -> bool:
        """Take one switch at monotonic time ``now``; False: none is left, ask again at your ``turn``."""
        self._left = min(self.burst, self._left + (now - self._when) * self.rate)
        self._when = now
        if self._left < 1 - 1e-9:
            return False
        self._left -= 1
        return True

    def turn(self, now: float) -> float:
        """Return when to ask again, after a refusal: those that ask later have to wait longer."""
        free = now + max(0.0, 1 - self._left) / self.rate
        self._turn = max(free, self._turn + 1 / self.rate)
        return self._turn
