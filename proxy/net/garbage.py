"""Keeps the garbage collector from stopping the miners.

Nearly everything is freed by reference counts. What the collector is needed for are cycles, and those are left by
connections that ended. By itself CPython looks through all objects each time their number has grown by a quarter: with
some thousand miners that takes tenths of a second, in the middle of a new block or of a farm's reconnection. So only
young objects are looked through by themselves; those that have come since the last time where connections ended since
then, some minutes later; and all of them once so many connections have ended that what they left counts.
"""

import gc
from collections.abc import Callable

from proxy.observe.events import EventStream, MinerDisconnected, PoolDisconnected
from proxy.ports import Clock

YOUNG = 4_000
"""New objects, less those freed, per collection of the youngest; several times as many where they replace old ones.
A millisecond or a few each. With CPython's 700 what miners make when they connect, and what stays, would be looked
through ten times."""
MIDDLE = 3
"""Collections of the youngest per collection of those that survived one. With 20,000 and 5 that took 70 ms beside ten
thousand miners."""
NEVER = 1_000_000_000
LOOK_S = 30.0
LEAST_S = 300.0
"""Between two collections of what has come since the last one."""
ENDED_MOST = 2_000
"""Ended connections after which everything is looked through; up to 30 KB of each may wait until then."""
ALL_S = 86_400.0
"""And in any case so often: other parts leave cycles, too."""


class GarbageCollection:
    """Decides when which objects are looked through."""

    def __init__(self, *, clock: Clock, events: EventStream, collect: Callable[[], object] | None = None) -> None:
        self._clock = clock
        self._collect = collect or gc.collect
        self._ended = 0
        """Since everything was looked through."""
        self._fresh = False
        """Whether a connection has ended since the last collection."""
        self._last = self._last_all = clock.now()
        events.subscribe(MinerDisconnected, self._on_end)
        events.subscribe(PoolDisconnected, self._on_end)

    def start(self) -> None:
        """Leave aside what was made so far (modules, models), and begin; the start went without any collection."""
        self._collect()
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, NEVER)
        gc.enable()
        self._arm()

    def _on_end(self, _: object) -> None:
        self._ended += 1
        self._fresh = True

    def _arm(self) -> None:
        self._clock.call_at(self._clock.now() + LOOK_S, self._look)

    def _look(self) -> None:
        now = self._clock.now()
        if self._ended >= ENDED_MOST or now - self._last_all >= ALL_S:
            gc.unfreeze()
            self._ended, self._last_all = 0, now
            self._finish(now)
        elif self._fresh and now - self._last >= LEAST_S:
            self._finish(now)
        self._arm()

    def _finish(self, now: float) -> None:
        """Collect, and leave aside what is still in use: the next time costs only what has come since."""
        self._fresh, self._last = False, now
        self._collect()
        gc.freeze()
