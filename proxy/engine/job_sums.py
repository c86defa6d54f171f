"""Sums of jobs that were sent to miners: what is only counted costs no event for each miner."""

from proxy.observe.events import EventStream, JobsForwarded
from proxy.types import PoolKey

MOST = 256
"""From so many jobs on a sum is told."""


class JobSums:
    """The engine's one: open sums, one for each pool."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._open: dict[PoolKey, JobsForwarded] = {}
        events.settle_by(self.fold)

    def add(self, pool: PoolKey, wait_s: float | None, *, new_block: bool, miners: int = 1) -> None:
        """So many miners were sent a job of ``pool``, after ``wait_s``; None where they were not waiting for it."""
        total = self._open.get(pool)
        if total is None:
            total = self._open[pool] = JobsForwarded(pool=pool)
        total.number += miners
        if wait_s is not None:
            waits_s = [wait_s] * miners
            total.waits_s += waits_s
            if new_block:
                total.new_block_waits_s += waits_s
        if total.number >= MOST:
            self.fold()

    def fold(self) -> None:
        """Tell all sums."""
        sums, self._open = self._open, {}
        for total in sums.values():
            self._events.emit_later(total)
