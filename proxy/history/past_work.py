"""Reads the last day of earlier runs, so that the rates of the hour and the day outlive a restart.

Read in a thread, in many short queries over the index of ``start``; given to the accounting in parts, so that the loop
never waits long.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.db.models import Max, Min, Sum

from proxy.history.accounting import MINUTE_S, Accounting
from proxy.history.rates import WINDOWS_S, Work, slot_start
from proxy.history.tallies import NO_POOL, PastPresence, PastWork
from proxy.models.history import ShareBucket, Step
from proxy.ports import Clock
from proxy.types import PoolKey, WorkerName

WORKERS_AT_ONCE = 10
"""How many workers are handed over before the loop goes on: about a millisecond each."""
_HOUR_S, _DAY_S = WINDOWS_S[1], WINDOWS_S[2]
_FINE_S, _COARSE_S = 120.0, 1800.0
"""Width of a slot of the hour's and of the day's window."""


@dataclass(frozen=True, slots=True)
class Times:
    """One moment on both clocks."""

    now: float
    wall: float

    def to_monotonic(self, wall: float) -> float:
        """A moment in unix seconds as monotonic time."""
        return wall - self.wall + self.now

    def to_wall(self, monotonic: float) -> float:
        """A monotonic time in unix seconds."""
        return monotonic - self.now + self.wall


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier runs did in the last day."""

    workers: tuple[PastWork, ...]
    fleet: PastPresence | None = None


async def resume_rates(accounting: Accounting, clock: Clock) -> float | None:
    """Give the accounting the last day of earlier runs; since when there was work (unix seconds), if there was any.

    Raises:
        DjangoError: the database cannot be read; nothing was given.
    """
    times = Times(clock.now(), clock.wall())
    past = await sync_to_async(read_afresh, thread_sensitive=False)(times)
    if past.fleet is None:
        return None
    accounting.resume_fleet(past.fleet)  # first: a rate that has not all of its work yet is low, never a spike
    for first in range(0, len(past.workers), WORKERS_AT_ONCE):
        for worker in past.workers[first : first + WORKERS_AT_ONCE]:
            accounting.resume(worker)
        await asyncio.sleep(0)  # the loop's other work goes first
    return times.to_wall(past.fleet.day)


def read_afresh(times: Times, names: Sequence[WorkerName] | None = None) -> Past:
    """``read_past`` in a thread whose connection may be an old one."""
    close_old_connections()
    return read_past(times, names)


def read_past(times: Times, names: Sequence[WorkerName] | None = None) -> Past:
    """The last day, of all workers or of some, up to the minute that holds ``times``, whose rows this run writes too.

    Blocks on the database.
    """
    slots: dict[WorkerName, list[tuple[PoolKey, float, Work]]] = defaultdict(list)
    seen: dict[WorkerName, list[float]] = defaultdict(list)
    for begin, end in _slots(times):
        at = (begin + end) / 2
        for worker, pool, work, minutes in _rows(times, begin, end, names):
            seen[worker] += map(times.to_monotonic, minutes)
            if pool != NO_POOL:
                slots[worker].append((pool, at, work))
    day = times.now - _DAY_S
    before = _seen_before(times, seen)
    presences = {
        worker: PastPresence(
            hour=_since(moments, times.now - _HOUR_S, before=min(moments) < times.now - _HOUR_S),
            day=_since(moments, day, before=worker in before),
            last=max(moments),
        )
        for worker, moments in seen.items()
    }
    workers = tuple(
        PastWork(worker=worker, slots=slots[worker], presence=presence) for worker, presence in presences.items()
    )
    return Past(workers, _fleet(presences))


def _fleet(presences: Mapping[WorkerName, PastPresence]) -> PastPresence | None:
    if not presences:
        return None
    of_all = presences.values()
    return PastPresence(
        hour=min(one.hour for one in of_all), day=min(one.day for one in of_all), last=max(one.last for one in of_all)
    )


def _since(moments: list[float], begin: float, *, before: bool) -> float:
    """The window's beginning for somebody who was there before it; else the first minute with a share in it."""
    return begin if before else max(begin, min(moments))


def _slots(times: Times) -> Iterator[tuple[float, float]]:
    """The slots of the windows, oldest first (monotonic): those of the day, then those that the hour needs."""
    begin = slot_start(times.now - _DAY_S, 2) + _COARSE_S
    fine = slot_start(times.now - _HOUR_S, 2)
    while begin < times.now:
        width = _COARSE_S if begin < fine else _FINE_S
        yield begin, begin + width
        begin += width


def _rows(
    times: Times, begin: float, end: float, names: Sequence[WorkerName] | None
) -> Iterator[tuple[WorkerName, PoolKey, Work, tuple[float, float]]]:
    """Work of each worker on each pool in the minutes whose middle lies in the slot; the first and the last of them."""
    width, half = end - begin, MINUTE_S / 2
    this_minute = times.wall // MINUTE_S * MINUTE_S
    buckets = ShareBucket.objects.all() if names is None else ShareBucket.objects.filter(worker__in=names)
    rows = (
        buckets.filter(
            start__gte=times.to_wall(begin) - half,
            start__lt=min(times.to_wall(end) - half, this_minute),
            step__lte=Step.TEN_MINUTES if width > _FINE_S else Step.MINUTE,
        )
        .order_by()
        .values_list("worker", "pool")
        .annotate(Sum("work"), Sum("work_squares"), Sum("work_shares"), Min("start"), Max("start"))
    )
    for worker, pool, total, squares, shares, first, last in rows:
        yield WorkerName(worker), PoolKey(pool), Work(total, squares, shares), (first, last)


def _seen_before(times: Times, workers: Mapping[WorkerName, object]) -> set[WorkerName]:
    """Who of ``workers`` was there in the day before the last: one look into the index for each."""
    begin = times.wall - _DAY_S
    return {
        worker
        for worker in workers
        if ShareBucket.objects.filter(worker=worker, start__gte=begin - _DAY_S, start__lt=begin).exists()
    }
