"""The last day of each worker that is connected here, whichever nodes it was spent on.

Each of several nodes has the whole day of its own workers, as it has their totals, and nothing of others. So a worker
keeps its rates of the hour and the day where nodes restart and where it moves, and whoever shows all nodes takes the
fullest day and adds nothing up. It is read from the database when a worker comes, and again, seldom, while others count
shares of it too. Then it replaces what was counted here, which is part of it.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from asgiref.sync import sync_to_async
from django.db import Error as DjangoError

from proxy.history.accounting import Accounting
from proxy.history.past_work import WORKERS_AT_ONCE, Times, read_afresh
from proxy.history.rates import slot_start
from proxy.observe.events import EventStream, MinerReady
from proxy.ports import Clock
from proxy.types import WorkerName

LOOK_S = 5.0
AFTER_S = 15.0
"""After a worker came: what the other node counted last is written by then."""
AGAIN_S = 300.0
"""Between two readings of one worker's day: a day's rows are many."""
MOST_NAMES = 500
"""Workers read at a time."""
MOST_WAITING = 100_000


class SharedRates:
    """For a node among others; ``run`` until cancelled."""

    def __init__(
        self, *, clock: Clock, events: EventStream, accounting: Accounting, is_written: Callable[[], bool]
    ) -> None:
        """``is_written``: whether the database has what was counted here, but for the last seconds."""
        self._clock, self._accounting, self._is_written = clock, accounting, is_written
        self._due: dict[WorkerName, float] = {}
        events.subscribe(MinerReady, self._on_ready)

    def _on_ready(self, event: MinerReady) -> None:
        if not self._accounting.has_day(event.worker):
            self._want(event.worker, AFTER_S)

    def found(self, names: Iterable[WorkerName]) -> None:
        """Other nodes have counted shares of workers: read their days again, of those whose first reading is over."""
        for name in names:
            self._want(name, AGAIN_S if self._accounting.has_day(name) else AFTER_S)

    def _want(self, name: WorkerName, after_s: float) -> None:
        if name not in self._due and len(self._due) < MOST_WAITING:
            self._due[name] = self._clock.now() + after_s

    async def run(self) -> None:
        """Read the days that are due, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(DjangoError):  # the writer says so if the database cannot be used
                while await self.look():
                    pass

    async def look(self) -> bool:
        """Read some of the days that are due; whether there may be more.

        Raises:
            DjangoError: the database cannot be read; they stay due.
        """
        now = self._clock.now()
        names = [name for name, due in self._due.items() if due <= now][:MOST_NAMES]
        if not names or not self._is_written():
            return False
        times = Times(now, self._clock.wall())
        past = await sync_to_async(read_afresh, thread_sensitive=False)(times, names)
        for first in range(0, len(past.workers), WORKERS_AT_ONCE):
            if slot_start(self._clock.now(), 1) != slot_start(times.now, 1):
                return False  # what was counted since is in a slot that would be replaced: the next look comes soon
            for worker in past.workers[first : first + WORKERS_AT_ONCE]:
                self._accounting.replace_day(worker)
            await asyncio.sleep(0)  # the loop's other work goes first
        for name in names:
            del self._due[name]
            self._accounting.day_was_read(name)
        return True
