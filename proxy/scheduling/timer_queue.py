"""What is due when in the whole fleet: one queue, and one timer for the first of it."""

import heapq
import math
from collections.abc import Callable

from proxy.ports import Clock, Timer
from proxy.scheduling.fleet import Fleet
from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.tuning import SchedulerTuning


class TimerQueue:
    """Next steps of miners and next checks of fleets. A later ``due`` supersedes what was planned before."""

    def __init__(self, clock: Clock, run: Callable[[], None], tuning: SchedulerTuning) -> None:
        """``run`` is called when something is due, or at the time that ``arm`` was given."""
        self._clock = clock
        self._run = run
        self._tuning = tuning
        self._queue: list[tuple[float, int, FleetMiner | Fleet]] = []
        self._count = 0
        self._live = 0
        self._timer: Timer | None = None
        self._timer_due = math.inf

    def __len__(self) -> int:
        return len(self._queue)

    def plan(self, miner: FleetMiner) -> None:
        """Plan the next step of a miner, if it is not planned yet."""
        if miner.due < math.inf and miner.due != miner.armed:
            miner.armed = miner.due
            self._push(miner.due, miner)

    def plan_check(self, fleet: Fleet) -> None:
        """Plan the next check of a fleet, if it is not planned yet."""
        if fleet.due < math.inf and fleet.due != fleet.armed:
            fleet.armed = fleet.due
            self._push(fleet.due, fleet)

    def plan_all(self, fleet: Fleet) -> None:
        """Plan the next check of a fleet and the next steps of its miners."""
        for miner in fleet.miners.values():
            self.plan(miner)
        self.plan_check(fleet)

    def take(self, now: float) -> FleetMiner | Fleet | None:
        """Take the earliest that is due at monotonic time ``now``; None: nothing is due."""
        while self._queue and self._queue[0][0] <= now:
            due, _, target = heapq.heappop(self._queue)
            if target.armed == due:
                target.armed = math.inf
            if target.due == due:
                return target
        return None

    def arm(self, latest: float) -> None:
        """Have ``run`` called when the first is due, at ``latest`` (monotonic) in any case."""
        due = min(self._queue[0][0] if self._queue else math.inf, latest)
        if due == self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = due
        if due < math.inf:
            self._timer = self._clock.call_at(due, self._called)

    def _called(self) -> None:
        self._timer, self._timer_due = None, math.inf
        self._run()

    def _push(self, due: float, target: FleetMiner | Fleet) -> None:
        self._count += 1
        heapq.heappush(self._queue, (due, self._count, target))
        if len(self._queue) > self._tuning.queue_least + self._tuning.queue_superseded * self._live:
            self._prune()

    def _prune(self) -> None:
        """Drop what no longer holds; who is due when, and in which order, stays as it was."""
        kept: dict[tuple[float, int], tuple[float, int, FleetMiner | Fleet]] = {}
        for entry in self._queue:
            due, count, target = entry
            if target.due == due:
                key = due, id(target)
                if key not in kept or count < kept[key][1]:
                    kept[key] = entry
            elif target.armed == due:
                target.armed = math.inf
        self._queue = list(kept.values())
        heapq.heapify(self._queue)
        self._live = len(self._queue)
