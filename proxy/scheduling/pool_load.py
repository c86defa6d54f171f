"""How much hash rate each pool has, for placing miners: a thousand may start, or lose their pool, at once."""

import math
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import PoolKey


class PoolLoad:
    """Hash rate by pool. Miners of unknown rate count as the average of the others."""

    __slots__ = ("_at", "_load", "_tuning", "_usual", "_whole")

    def __init__(self, tuning: SchedulerTuning) -> None:
        self._tuning = tuning
        self._at = -math.inf
        self._load: dict[PoolKey, float] = {}
        self._usual = 1.0
        self._whole = 0.0

    def count(self, miners: Collection[FleetMiner], now: float) -> None:
        """Count again if the last count is old; in between, moves update it."""
        if 0 <= now - self._at < max(self._tuning.load_count_s, len(miners) * self._tuning.load_count_each_s):
            return
        self._at = now
        rates = [miner.estimate.rate for miner in miners]
        known = [rate for rate in rates if rate]
        usual = self._usual = sum(known) / len(known) if known else 1.0
        load: dict[PoolKey, float] = {}
        for miner, rate in zip(miners, rates, strict=True):
            pool = miner.current
            if pool is not None:
                load[pool] = load.get(pool, 0.0) + (rate or (0.0 if miner.is_quiet else usual))
        self._load, self._whole = load, sum(load.values())

    def size(self, miner: FleetMiner) -> float:
        """Return the hash rate that ``miner`` counts as: none where its first share is overdue."""
        return miner.estimate.rate or (0.0 if miner.is_quiet else self._usual)

    def excess(self, miner: FleetMiner, weights: Mapping[PoolKey, float], pool: PoolKey) -> float:
        """Return the hash rate above its part that ``pool`` has from the others, were ``miner`` at work anywhere."""
        size = self.size(miner)
        here = size if miner.current == pool else 0.0
        whole = self._whole + (size if miner.current is None else 0.0)
        return self._load.get(pool, 0.0) - here - weights.get(pool, 0.0) * whole

    def is_small(self, miner: FleetMiner) -> bool:
        """Whether ``miner`` is surely a small part of the whole, ``hold_part`` of it at most."""
        doubt = 1 + self._tuning.hold_doubt * miner.estimate.error
        return self.size(miner) * doubt <= self._tuning.hold_part * self._whole

    def is_worth_a_move(
        self,
        miner: FleetMiner,
        weights: Mapping[PoolKey, float],
        old: PoolKey,
        new: PoolKey,
        over: Mapping[PoolKey, float] = MappingProxyType({}),
    ) -> bool:
        """Whether the loads of two pools are so wrong that ``miner`` should leave ``old`` for ``new``.

        ``over``: hash rate by which a pool should have less than its part now, for it has had too much.
        """
        gain = self.excess(miner, weights, old) - self.excess(miner, weights, new)
        gain += over.get(old, 0.0) - over.get(new, 0.0)
        return gain > self.size(miner) * self._tuning.rebalance_gain

    def by_need(self, miner: FleetMiner, weights: Mapping[PoolKey, float], pools: Iterable[PoolKey]) -> list[PoolKey]:
        """Return ``pools`` by need: a fixed miner's own pool, what the miner owes, what the fleet lacks."""
        own_pool = miner.assignment.pool
        return sorted(
            pools,
            key=lambda pool: (pool != own_pool, miner.surplus.get(pool, 0.0), self.excess(miner, weights, pool)),
        )

    def add(self, miner: FleetMiner, pool: PoolKey) -> None:
        """Count a miner in."""
        self._add(pool, self.size(miner))

    def remove(self, miner: FleetMiner, pool: PoolKey | None) -> None:
        """Count a miner out, if it was on any pool."""
        if pool is not None:
            self._add(pool, -self.size(miner))

    def _add(self, pool: PoolKey, rate: float) -> None:
        self._load[pool] = self._load.get(pool, 0.0) + rate
        self._whole += rate
