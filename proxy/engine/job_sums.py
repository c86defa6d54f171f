"""Sums of jobs that were sent to miners: what is only counted costs no event for each miner."""

from proxy.observe.events import EventStream, JobsForwarded
from proxy.types import PoolKey

MOST = 256
"""Jobs in a sum; then it is told."""


class JobSums:
    """The engine's one: open sums, one for each pool."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._open: dict[PoolKey, JobsForwarded] = {}
        events.settle_by(self.fold)

    def add(self, pool: PoolKey, wait_s: float | None, *, new_block: bool) -> None:
        """A miner was sent a job of ``pool``, after ``wait_s``; None where it was not waiting for it."""
        total = self._open.get(pool)
        if total is None:
            total = self._open[pool] = JobsForwarded(pool=pool)
        total.number += 1
        if wait_s is not None:
            total.waits_s.append(wait_s)
            if new_block:
                total.new_block_waits_s.append(wait_s)
        if total.number >= MOST:
            self.fold()

    def fold(self) -> None:
        """Tell all sums."""
        sums, self._open = self._open, {}
        for total in sums.values():
            self._events.emit(total)
