"""How crowded each pool is, for miners that look for a place: a thousand may start, or flee from a pool, at once."""

import math
from collections.abc import Collection, Mapping

from proxy.scheduling.miner import Member
from proxy.types import PoolKey

_KEPT_S = 1.0
"""A count is good for this long; the moves that are made by it are counted in."""


class PoolLoad:
    """Hash rate by pool. Miners of unknown rate count as the average of the others."""

    __slots__ = ("_at", "_load", "_usual", "_whole")

    def __init__(self) -> None:
        self._at = -math.inf
        self._load: dict[PoolKey, float] = {}
        self._usual = 1.0
        self._whole = 0.0

    def count(self, members: Collection[Member], now: float) -> None:
        """Count anew, if the last count is old."""
        if 0 <= now - self._at < _KEPT_S:
            return
        self._at = now
        known = [member.estimate.rate for member in members if member.estimate.rate]
        self._usual = sum(known) / len(known) if known else 1.0
        self._load, self._whole = {}, 0.0
        for member in members:
            if member.current is not None:
                self._add(member.current, self.size(member))

    def size(self, member: Member) -> float:
        """Return the hash rate that ``member`` counts as."""
        return member.estimate.rate or self._usual

    def excess(self, member: Member, weights: Mapping[PoolKey, float], pool: PoolKey) -> float:
        """Return the hash rate above its part that ``pool`` has from the others, were ``member`` at work anywhere."""
        size = self.size(member)
        here = size if member.current == pool else 0.0
        whole = self._whole + (size if member.current is None else 0.0)
        return self._load.get(pool, 0.0) - here - weights.get(pool, 0.0) * whole

    def entered(self, member: Member, pool: PoolKey) -> None:
        """Count a miner in."""
        self._add(pool, self.size(member))

    def left(self, member: Member, pool: PoolKey | None) -> None:
        """Count a miner out, if it was anywhere."""
        if pool is not None:
            self._add(pool, -self.size(member))

    def _add(self, pool: PoolKey, rate: float) -> None:
        self._load[pool] = self._load.get(pool, 0.0) + rate
        self._whole += rate
