"""Counts every share by worker and pool, and gives frozen tallies to readers."""

from collections.abc import Iterable, Mapping
from itertools import islice
from math import inf

from proxy.config.snapshot import ConfigSnapshot, Limits
from proxy.history.accumulators import (
    PoolAccumulator,
    Presence,
    WorkerAccumulator,
    WorkerState,
    rate_5m_of,
    rates_of,
)
from proxy.history.counters import Counts, proves_work, sum_of, tally_of
from proxy.history.new_names import HOUR_S, NewNames
from proxy.history.rates import NO_RATE, Rate, Work
from proxy.history.tallies import (
    NO_POOL,
    OTHERS,
    FleetTally,
    PastPresence,
    PastWork,
    PoolTally,
    Rates,
    ShareDelta,
    Stored,
    WorkerTally,
)
from proxy.observe.events import (
    AcceptedShares,
    EventStream,
    MinerDisconnected,
    MinerReady,
    NamesStoredTogether,
    ShareResult,
)
from proxy.ports import Clock
from proxy.types import HASHES_PER_DIFFICULTY, DecidedBy, PoolKey, SessionId, Verdict, WorkerName

MINUTE_S = 60
_FEW = 4
_ACCEPTED, _POOL = Verdict.ACCEPTED, DecidedBy.POOL
_EVICTION_LOOKS = 64
"""How many of the oldest names are looked at for one that has left, before a newcomer is counted with the others."""
_LOOK_AGAIN_S = 10.0
"""After all names were looked at in vain: each share of one that is counted with the others would look again."""


class Accounting:
    """Tallies per worker and pool from the event stream. All calls come from the loop's thread."""

    def __init__(
        self, *, clock: Clock, events: EventStream, hashes_per_difficulty: float = HASHES_PER_DIFFICULTY
    ) -> None:
        self.hashes_per_difficulty = hashes_per_difficulty
        self._clock = clock
        self._events = events
        self._workers: dict[WorkerName, WorkerState] = {}
        self._pools: dict[PoolKey, PoolAccumulator] = {}
        self._present: dict[SessionId, tuple[WorkerName, ...] | set[WorkerName]] = {}
        """Whom each session was counted for: nearly always one, so a set only where there are more than a few."""
        self._fleet = Presence()
        self._fresh: list[tuple[WorkerName, PoolKey, WorkerAccumulator]] = []
        self._deltas: list[ShareDelta] = []
        self._heard_by: list[dict[WorkerName, None]] = []
        self._minute = 0
        self._minute_end = 0.0
        self._limit = Limits().max_workers
        self._new_names = NewNames(self._limit)
        self._look_at = {True: -inf, False: -inf}
        """From when on a name is looked for that may be forgotten for another one, by whether that one works."""
        self._looked = {True: 0, False: 0}
        """How many were looked at in vain since then."""
        self._reported_at = -inf
        """When the log said last that names are stored together."""
        self._begin_minute(clock.now())
        events.subscribe_counting(ShareResult, self._on_share)
        events.subscribe(AcceptedShares, self._on_sum)
        events.subscribe(MinerReady, self._on_ready)
        events.subscribe(MinerDisconnected, self._on_gone)

    def apply(self, config: ConfigSnapshot) -> None:
        """Take the limit of names and the pools from a configuration; pools that went keep their tallies."""
        if config.limits.max_workers != self._limit:
            self._limit = config.limits.max_workers
            self._new_names.apply(self._limit)
        for key in config.pools:
            self._pool(key)

    def restore(self, stored: Iterable[Stored]) -> None:
        """Go on from the totals of earlier runs; call once, before the first share."""
        now, wall = self._clock.now(), self._clock.wall()
        for row in stored:
            self._pool(row.pool).total.add(row.counts)
            self._new_names.knows(row.worker)
            worker = self._worker(row.worker, now)
            mine = self._accumulator(worker, row.pool, now)
            mine.total.add(row.counts)
            if row.last_share_at is not None:
                mine.last = min(now, now - (wall - row.last_share_at))
            self._changed(worker)

    def refresh(
        self,
        stored: Iterable[Stored],
        pools: Mapping[PoolKey, Counts],
        unwritten: Mapping[tuple[WorkerName, PoolKey], Counts],
    ) -> list[WorkerName]:
        """Take over what several nodes have counted together: totals of some workers, and of all pools.

        ``unwritten`` is what ``take`` has given of this run that was not in the database when it was read. Returns
        the workers of which others have counted shares that were not known here.
        """
        self._events.settle()
        now, wall = self._clock.now(), self._clock.wall()
        self._cut(now)
        waiting, news = dict(unwritten), dict[WorkerName, None]()
        for delta in self._deltas:
            key = delta.worker, delta.pool
            waiting[key] = sum_of(waiting.get(key), delta.counts)
        for row in stored:
            worker = self._workers.get(row.worker)
            if worker is not None:
                mine = self._accumulator(worker, row.pool, now)
                known, mine.total = mine.total, sum_of(row.counts, waiting.get((row.worker, row.pool)))
                if mine.total.submitted > known.submitted:
                    news[row.worker] = None
                if row.last_share_at is not None:
                    last = min(now, now - (wall - row.last_share_at))
                    mine.last = last if mine.last is None else max(mine.last, last)
                self._changed(worker)
        for pool_key, counts in pools.items():
            pool = self._pool(pool_key)
            pool.others = sum_of(counts, *(each for (_, key), each in waiting.items() if key == pool_key))
            for part in pool.own():
                pool.others.less(part)
        return list(news)

    def resume(self, past: PastWork) -> None:
        """Add one worker's last day of earlier runs to the rates of the hour and the day; once for each worker.

        A worker that is not in memory counts for its pools alone.
        """
        now = self._clock.now()
        worker = self._workers.get(past.worker)
        for key, at, work in past.slots:
            self._pool(key).window.add_past(at, work, now)
            if worker is not None:
                self._accumulator(worker, key, now).window.add_past(at, work, now)
        if worker is not None:
            worker.resume(past.presence)
            self._changed(worker)

    def replace_day(self, past: PastWork) -> None:
        """Have one worker's last hour and day as ``past`` tells them: what it did on all nodes, up to the slot of the
        hour that is still filling. Pools have what their own node's miners did, so nothing of it is added to them."""
        worker = self._workers.get(past.worker)
        if worker is None:
            return
        now = self._clock.now()
        of_pools: dict[PoolKey, list[tuple[float, Work]]] = {}
        for key, at, work in past.slots:
            of_pools.setdefault(key, []).append((at, work))
        for key, slots in of_pools.items():
            self._accumulator(worker, key, now).window.replace_past(slots, now)
        worker.resume(past.presence)
        self._changed(worker)

    def day_was_read(self, name: WorkerName) -> None:
        """What the database has of a worker's last day is known here."""
        worker = self._workers.get(name)
        if worker is not None:
            worker.has_day = True

    def has_day(self, name: WorkerName) -> bool:
        """Whether ``day_was_read`` since the worker is in memory; True of one that is not."""
        worker = self._workers.get(name)
        return worker is None or worker.has_day

    def resume_fleet(self, seen: PastPresence) -> None:
        """The fleet was there in earlier runs too."""
        self._fleet.resume(seen)

    # --- What happened ---------------------------------------------------------------------------------------------

    def _on_share(self, share: ShareResult) -> None:
        now = self._clock.now()
        if now >= self._minute_end:
            self._cut(now)
        key = NO_POOL if share.pool is None else share.pool
        worker = self._workers.get(share.worker)
        mine = worker.pools.get(key) if worker is not None else None
        if worker is None or mine is None or not worker.connections:
            works = share.verdict is _ACCEPTED or share.verdict is Verdict.WORK
            worker, mine = self._first_share(share.session, share.worker, key, now, works=works)
        fresh = mine.fresh
        if fresh is None:
            fresh = mine.fresh = Counts()
            self._fresh.append((worker.name, key, mine))
        self._changed(worker)
        pool = self._pools[key]
        mine.last = pool.last = now
        if share.latency_s > 0.0 and share.decided_by is _POOL:
            pool.round_trip.add(share.latency_s)
        if share.verdict is _ACCEPTED:
            fresh.accept(share)
            pool.run.accept(share)
        else:
            fresh.count(share)
            pool.run.count(share)
        if not proves_work(share):
            return
        difficulty = share.difficulty
        mine.window.add(now, difficulty)
        pool.window.add(now, difficulty)
        mine.reference = pool.reference = difficulty
        mine.proved_at = pool.proved_at = now

    def _on_sum(self, shares: AcceptedShares) -> None:
        now, key = shares.last_at, shares.pool  # within one minute, which may be over by now
        if now >= self._minute_end:
            self._cut(now)
        worker = self._workers.get(shares.worker)
        mine = worker.pools.get(key) if worker is not None else None
        if worker is None or mine is None or not worker.connections:
            worker, mine = self._first_share(shares.session, shares.worker, key, now, works=True)
        fresh = mine.fresh
        if fresh is None:
            fresh = mine.fresh = Counts()
            self._fresh.append((worker.name, key, mine))
        self._changed(worker)
        pool = self._pools[key]
        for latency_s in shares.latencies:
            if latency_s > 0.0:
                pool.round_trip.add(latency_s)
        fresh.accept_all(shares)
        pool.run.accept_all(shares)
        mine.add_all(shares)
        pool.add_all(shares)

    def _on_ready(self, event: MinerReady) -> None:
        now = self._clock.now()
        self._arrive(event.session, self._worker(event.worker, now), now)

    def _on_gone(self, event: MinerDisconnected) -> None:
        self._events.settle()
        now = self._clock.now()
        for name in self._present.pop(event.session, ()):
            self._fleet.leave(now)
            worker = self._workers.get(name)
            if worker is not None:
                worker.leave(now)
                self._changed(worker)

    # --- Accumulators -----------------------------------------------------------------------------------------------

    def _first_share(
        self, session: SessionId, name: WorkerName, key: PoolKey, now: float, *, works: bool
    ) -> tuple[WorkerState, WorkerAccumulator]:
        worker = self._worker(name, now, works=works)
        if not worker.connections and session in self._present:  # a late verdict brings nobody back
            self._arrive(session, worker, now)
        self._pool(key)
        return worker, self._accumulator(worker, key, now)

    def _arrive(self, session: SessionId, worker: WorkerState, now: float) -> None:
        names = self._present.get(session, ())
        if worker.name in names:
            return
        if isinstance(names, set):
            names.add(worker.name)
        else:
            self._present[session] = {*names, worker.name} if len(names) >= _FEW else (*names, worker.name)
        worker.arrive(now)
        self._changed(worker)
        self._fleet.arrive(now)

    def _worker(self, name: WorkerName, now: float, *, works: bool = False) -> WorkerState:
        worker = self._workers.get(name)
        if worker is not None:
            return worker
        if len(self._workers) >= self._limit and not self._evict(now, for_work=works):
            return self._workers.setdefault(OTHERS, WorkerState(OTHERS))
        worker = self._workers[name] = WorkerState(name)
        return worker

    def _evict(self, now: float, *, for_work: bool) -> bool:
        """Forget a name that has left, or one without any accepted share in favour of one that works."""
        if now < self._look_at[for_work]:
            return False
        for name in list(islice(self._workers, _EVICTION_LOOKS)):
            worker = self._workers.pop(name)
            waits = any(each.fresh is not None for each in worker.pools.values())
            gone = not worker.connections or (for_work and not worker.works())
            if name != OTHERS and gone and not waits:
                self._tell(name)
                self._looked[for_work] = 0
                return True
            self._workers[name] = worker  # the next look is at others
        self._looked[for_work] += _EVICTION_LOOKS
        if self._looked[for_work] >= len(self._workers):
            self._look_at[for_work], self._looked[for_work] = now + _LOOK_AGAIN_S, 0
        return False

    def _changed(self, worker: WorkerState) -> None:
        worker.stamp += 1
        self._tell(worker.name)

    def _tell(self, name: WorkerName) -> None:
        for changed in self._heard_by:
            changed[name] = None

    def _pool(self, key: PoolKey) -> PoolAccumulator:
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = PoolAccumulator(self._clock.now())
        return pool

    @staticmethod
    def _accumulator(worker: WorkerState, key: PoolKey, now: float) -> WorkerAccumulator:
        mine = worker.pools.get(key)
        if mine is None:
            mine = worker.pools[key] = WorkerAccumulator(now)
        return mine

    # --- For the writer ---------------------------------------------------------------------------------------------

    def take(self) -> list[ShareDelta]:
        """Everything counted since the last call, each share once, in the minute in which it came."""
        self._events.settle()
        self._cut(self._clock.now())
        deltas, self._deltas = self._deltas, []
        return deltas

    def _cut(self, now: float) -> None:
        for name, key, each in self._fresh:
            counts = each.close()
            if counts is not None:
                worker = self._stored_as(name, now, counts)
                self._deltas.append(ShareDelta(minute=self._minute, worker=worker, pool=key, counts=counts))
        self._fresh.clear()
        self._begin_minute(now)

    def _stored_as(self, name: WorkerName, now: float, counts: Counts) -> WorkerName:
        stored = self._new_names.stored_as(name, now, proven=counts.accepted + counts.work_only > 0)
        if stored != name and now - self._reported_at >= HOUR_S:
            self._reported_at = now
            self._events.emit(NamesStoredTogether(worker=name, stored_as=stored))
        return stored

    def _begin_minute(self, now: float) -> None:
        wall = self._clock.wall() - (self._clock.now() - now)
        self._minute = int(wall // MINUTE_S) * MINUTE_S
        self._minute_end = now + self._minute + MINUTE_S - wall

    # --- Reading ---------------------------------------------------------------------------------------------------

    def stamp(self, name: WorkerName) -> int:
        """Grows as more is counted of a worker, so that readers know when to look again; -1: unknown.

        For many at once, so it does not settle.
        """
        worker = self._workers.get(name)
        return -1 if worker is None else worker.stamp

    def answered(self, name: WorkerName) -> tuple[int, float | None, int, int]:
        """The stamp of a worker, when it sent the last share (unix seconds), how many were good and refused.

        For many at once, so it does not settle.
        """
        worker = self._workers.get(name)
        if worker is None:
            return -1, None, 0, 0
        good = rejected = 0
        for each in worker.pools.values():
            for part in each.counts():
                good += part.good
                if part.rejects:
                    rejected += part.rejected
        return worker.stamp, self._wall(worker.last(), self._clock.now()), good, rejected

    def watch(self, changed: dict[WorkerName, None]) -> None:
        """Put into ``changed`` all workers in memory, and from now on those of whom something is counted or forgotten.

        What stands in open sums counts once they are told: settle before you read.
        """
        changed.update(dict.fromkeys(self._workers))
        self._heard_by.append(changed)

    def last_share(self, name: WorkerName) -> float | None:
        """Monotonic time of a worker's last share, minus infinity before the first; None: it is not in memory."""
        worker = self._workers.get(name)
        if worker is None:
            return None
        last = worker.last()
        return -inf if last is None else last

    def rates(self, name: WorkerName) -> Rates:
        """One worker's rates; all unknown if it is not in memory."""
        self._events.settle()
        worker = self._workers.get(name)
        return (
            Rates()
            if worker is None
            else rates_of(list(worker.pools.values()), worker, self._clock.now(), self.hashes_per_difficulty)
        )

    def rate_5m(self, name: WorkerName) -> Rate:
        """The first of ``rates``, for less: without what stands in open sums."""
        worker = self._workers.get(name)
        return (
            NO_RATE
            if worker is None
            else rate_5m_of(worker.pools.values(), worker, self._clock.now(), self.hashes_per_difficulty)
        )

    def day_line(self, name: WorkerName) -> bytes:
        """One worker's last day in half hours, oldest first, as parts of the best of them (255); empty without work."""
        worker, now = self._workers.get(name), self._clock.now()
        days = [part.window.day(now) for part in worker.pools.values()] if worker is not None else []
        sums = [sum(slots) for slots in zip(*days, strict=True)]
        most = max(sums, default=0.0)
        return bytes([round(255 * each / most) for each in sums]) if most > 0.0 else b""

    def worker(self, name: WorkerName) -> WorkerTally | None:
        """One worker, if it is in memory."""
        self._events.settle()
        worker = self._workers.get(name)
        return None if worker is None else self._worker_tally(worker, self._clock.now())

    def pool(self, key: PoolKey) -> PoolTally | None:
        """One pool, if it has ever been configured."""
        self._events.settle()
        pool = self._pools.get(key)
        return None if pool is None else self._pool_tally(key, pool, self._clock.now())

    def fleet(self) -> FleetTally:
        """Everybody together."""
        self._events.settle()
        now = self._clock.now()
        pools = list(self._pools.values())
        return FleetTally(
            total=tally_of(*(part for pool in pools for part in pool.counts())),
            rates=rates_of(pools, self._fleet, now, self.hashes_per_difficulty),
            connections=self._fleet.connections,
        )

    def counts_of_run(self) -> list[tuple[PoolKey, Counts]]:
        """What this run has counted on each pool, ``NO_POOL`` included; not copies: any thread may read them now.

        Without what stands in open sums: whoever can, settles before, on the loop's thread.
        """
        return [(key, pool.run) for key, pool in list(self._pools.items())]

    def pool_rate_5m(self, key: PoolKey) -> Rate:
        """What the miners have delivered to one pool in the last five minutes, a second."""
        self._events.settle()
        pool = self._pools.get(key)
        if pool is None:
            return NO_RATE
        return rate_5m_of((pool,), self._fleet, self._clock.now(), self.hashes_per_difficulty)

    def pool_work_sum(self, key: PoolKey) -> float:
        """Sum of difficulties on one pool, of all time."""
        self._events.settle()
        pool = self._pools.get(key)
        return sum(part.work for part in pool.counts()) if pool is not None else 0.0

    def pool_work_total(self) -> dict[PoolKey, Work]:
        """Work on each pool of all time, also of workers that are not in memory any more."""
        self._events.settle()
        return {key: _work(each) for key, each in self._pools.items() if key != NO_POOL}

    def pool_work(self, window: int) -> dict[PoolKey, Work]:
        """Work on each pool in a window."""
        self._events.settle()
        now = self._clock.now()
        return {key: each.window.work(now, window) for key, each in self._pools.items() if key != NO_POOL}

    def spark(self) -> tuple[tuple[float, dict[PoolKey, float]], ...]:
        """The last hour in 30 slots: unix seconds of its start, pool -> H/s; the last is still filling."""
        self._events.settle()
        now = self._clock.now()
        newest = now // 120.0 * 120.0
        pools = {key: each.window.hour(now) for key, each in self._pools.items() if key != NO_POOL}
        starts = [newest - 120.0 * back for back in reversed(range(30))]
        offset = self._clock.wall() - now
        return tuple(
            (
                begin + offset,
                {
                    key: sums[at] * self.hashes_per_difficulty / min(120.0, max(now - begin, 15.0))
                    for key, sums in pools.items()
                },
            )
            for at, begin in enumerate(starts)
        )

    def _worker_tally(self, worker: WorkerState, now: float) -> WorkerTally:
        pools = {key: tally_of(*each.counts()) for key, each in worker.pools.items()}
        parts = [part for each in worker.pools.values() for part in each.counts()]
        return WorkerTally(
            worker=worker.name,
            total=next(iter(pools.values())) if len(pools) == 1 else tally_of(*parts),
            pools=pools,
            rates=rates_of(list(worker.pools.values()), worker, now, self.hashes_per_difficulty),
            connections=worker.connections,
            last_share_at=self._wall(worker.last(), now),
        )

    def _pool_tally(self, key: PoolKey, pool: PoolAccumulator, now: float) -> PoolTally:
        return PoolTally(
            pool=key,
            total=tally_of(*pool.counts()),
            round_trip=pool.round_trip.percentiles(),
            last_share_at=self._wall(pool.last, now),
        )

    def _wall(self, then: float | None, now: float) -> float | None:
        return None if then is None else self._clock.wall() - (now - then)


def _work(pool: PoolAccumulator) -> Work:
    parts = pool.own()
    return Work(
        sum(part.work for part in parts),
        sum(part.work_squares for part in parts),
        sum(part.work_shares for part in parts),
    )
