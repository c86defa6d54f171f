"""Keeps the garbage collector from stopping the miners (docs/dev/decisions, 0081).

Nearly everything is freed by reference counts, also what belonged to a miner, to a connection to a pool or to a page
that ended. What the collector is needed for are circles: of requests, failed tasks, database connections, settings that
were replaced. By itself CPython looks through all objects each time their number has grown by a quarter: with some
thousand miners that takes tenths of a second, in the middle of a new block or of a farm's reconnection. Here an object
is looked at twice, when it is up to a second old and some seconds later, and then left aside, as is what was made at
the start. Everything is looked through only while no miner is connected, who would have to wait; and once a week, for
what became garbage after it had been left aside.
"""

import gc
from collections.abc import Callable

from proxy.observe.events import EventStream, MinerConnected, MinerDisconnected
from proxy.ports import Clock

YOUNG = 4_000
"""New objects, less those freed, per collection of the youngest, where they come faster than once in ``LOOK_S``. With
CPython's 700 what miners make when they connect, and what stays, would be looked through ten times."""
MIDDLE = 3
"""Collections of the youngest per collection of those that survived one. With 20,000 and 5 that took 70 ms beside ten
thousand miners."""
NEVER = 1_000_000_000
LOOK_S = 1.0
"""Jobs that replace older ones make their number no larger, so that they alone begin no collection: one after some
minutes had fifty thousand to look at."""
ASIDE_AFTER = 5
"""Looks until what is still in use is looked at once more, and left aside."""
ALONE_S = 300.0
"""Between two collections of everything while nobody is connected."""
ALL_S = 7 * 86_400.0
"""The longest time between two. Until then what a request left that took longer than some seconds is garbage that
nobody finds; some 40 KB each."""


class GarbageCollection:
    """Decides when which objects are looked through."""

    def __init__(self, *, clock: Clock, events: EventStream, collect: Callable[[int], object] | None = None) -> None:
        self._clock = clock
        self._collect = collect or gc.collect
        self._miners = self._looks = 0
        self._is_all_found = True
        """Whether nobody has been connected since everything was looked through."""
        self._last_all = clock.now()
        events.subscribe(MinerConnected, self._on_connected)
        events.subscribe(MinerDisconnected, self._on_disconnected)

    def start(self) -> None:
        """Leave aside what was made so far (modules, models), and begin; the start went without any collection."""
        self._collect(2)
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, NEVER)
        gc.enable()
        self._arm()

    def _on_connected(self, _: object) -> None:
        self._miners += 1
        self._is_all_found = False

    def _on_disconnected(self, _: object) -> None:
        self._miners -= 1

    def _arm(self) -> None:
        self._clock.call_at(self._clock.now() + LOOK_S, self._look)

    def _look(self) -> None:
        since = self._clock.now() - self._last_all
        self._looks += 1
        if since >= ALL_S or (since >= ALONE_S and not self._miners and not self._is_all_found):
            gc.unfreeze()
            self._is_all_found, self._last_all = not self._miners, self._clock.now()
            self._collect(2)
            gc.freeze()
        elif self._looks % ASIDE_AFTER:
            self._collect(0)
        else:
            self._collect(1)
            gc.freeze()
        self._arm()
