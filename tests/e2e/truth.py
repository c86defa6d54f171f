"""What test miners really did: hashes by pool and over time, which no proxy can see."""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from proxy.simulator.miner import SimMiner
from tests.e2e.fleet import MARKS, works_on

LOOK_S = 0.05
KEPT = 12_000


class Truth:
    """Looks at the miners twenty times a second; ``run`` until cancelled.

    A look credits one pool with the hashes since the one before, so a switch puts at most one look's hashes on the
    wrong side.
    """

    def __init__(self, miners: Sequence[SimMiner]) -> None:
        self.miners = miners
        self.by_pool: dict[SimMiner, Counter[str]] = {}
        """Hashes since ``begin``."""
        self.began = 0.0
        self._last = {miner: 0 for miner in miners}
        self._past: deque[tuple[float, tuple[int, ...]]] = deque(maxlen=KEPT)
        self._shares: dict[SimMiner, int] = {}
        self.begin()

    async def run(self) -> None:
        """Look."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._look()

    def begin(self) -> None:
        """Count from now."""
        self._look()
        self.began = time.monotonic()
        self.by_pool = {miner: Counter() for miner in self.miners}
        self._shares = {miner: miner.tally.accepted for miner in self.miners}

    def _look(self) -> None:
        for miner in self.miners:
            fresh, self._last[miner] = miner.tally.hashes - self._last[miner], miner.tally.hashes
            pool = next((key for key in MARKS if works_on(miner, key)), "")
            if fresh and miner in self.by_pool:
                self.by_pool[miner][pool] += fresh
        self._past.append((time.monotonic(), tuple(miner.tally.hashes for miner in self.miners)))

    # --- What it says ---------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Since ``begin``."""
        return time.monotonic() - self.began

    def part(self, pool: str) -> float:
        """Of all hashes since ``begin``, 0..1."""
        done: Counter[str] = sum(self.by_pool.values(), Counter())
        return done[pool] / max(1, done.total())

    def slicing_bound(self, sliced: Sequence[SimMiner], dwell_s: float) -> float:
        """Half a dwell of what is sliced, as a part of all work since ``begin``: ``simulate``'s first term."""
        whole = sum(counts.total() for counts in self.by_pool.values())
        rate = sum(self.by_pool[miner].total() for miner in sliced) / self.seconds
        return dwell_s / 2 * rate / max(1, whole)

    def estimate_bound(self, weights: Mapping[str, float]) -> float:
        """Two standard errors of what the estimates cannot know: ``simulate``'s second term."""
        whole, worst = sum(counts.total() for counts in self.by_pool.values()), 0.0
        for pool, weight in weights.items():
            over = [
                (counts[pool] - weight * counts.total()) ** 2 / max(1, miner.tally.accepted - self._shares[miner])
                for miner, counts in self.by_pool.items()
            ]
            worst = max(worst, 2 * math.sqrt(sum(over)) / max(1, whole))
        return worst

    def rate(self, number: int, span_s: float) -> float:
        """Hashes a second of a miner over the last ``span_s``."""
        now, hashes = self._past[-1]
        then, before = next((look for look in self._past if look[0] >= now - span_s), self._past[0])
        return (hashes[number] - before[number]) / max(now - then, LOOK_S)
