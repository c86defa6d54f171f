"""Sums of accepted shares: what is only counted goes to those who count once a second, not with each share.

Rejected and unanswered shares, blocks, those that may be a record and the first after a switch are told at once, as a
``ShareResult``. The others are added up by job, and told together (``AcceptedShares``) before anything else about
shares is told, when somebody asks (``EventStream.settle``), when there are many sums, and after a second at most once
the next share comes. A sum lies within one second and one minute of the clock, so that whoever counts by time counts it
where its shares were. Most sums of a large farm are of one share: told one after the other they find the processor's
caches full of what counts them.
"""

from math import floor, inf

from proxy.engine.jobs import IssuedJob
from proxy.observe.events import AcceptedShares, EventStream, ShareResult
from proxy.ports import TimeSource
from proxy.types import SessionId, WorkerName

MINUTE_S = 60.0
MOST = 256
"""Open sums; telling so many takes two milliseconds, in which no share is answered."""


class ShareSums:
    """All miners' open sums; one for each job with several accepted shares since the last fold."""

    def __init__(self, clock: TimeSource, events: EventStream) -> None:
        self._clock = clock
        self._events = events
        self._open: dict[IssuedJob, AcceptedShares] = {}
        self._until = -inf
        """Until when shares may be added to the open sums."""
        events.settle_by(self.fold)

    def add(self, session: SessionId, worker: WorkerName, issued: IssuedJob, reached: float, latency_s: float) -> bool:
        """Add an accepted share to its job's sum; False: it is to be told at once."""
        total = self._open_sum(session, worker, issued, reached)
        if total is None:
            return False
        total.number += 1
        total.latencies.append(latency_s)
        return True

    def add_work(self, session: SessionId, worker: WorkerName, issued: IssuedJob, reached: float) -> bool:
        """As ``add``, for a share that only proved work."""
        total = self._open_sum(session, worker, issued, reached)
        if total is None:
            return False
        total.work_only += 1
        return True

    def _open_sum(
        self, session: SessionId, worker: WorkerName, issued: IssuedJob, reached: float
    ) -> AcceptedShares | None:
        """The sum that a share belongs to, with what is the same for all kinds added; None: it is told by itself."""
        now = self._clock.now()
        if now >= self._until:
            self._begin(now)
        total = self._open.get(issued) or self._sum_of(session, worker, issued)
        if reached > total.least_remarkable or total.worker != worker:
            return None
        total.last_at = now
        if reached >= total.difficulty:
            total.proven += 1
            total.proven_at = now
        if reached > total.best:
            total.best = reached
        return total

    def fold(self) -> None:
        """Tell all sums."""
        self._until = -inf
        sums, self._open = self._open, {}
        for total in sums.values():
            if total.number or total.work_only:
                self._events.emit(total)

    def _begin(self, now: float) -> None:
        self.fold()
        self._until = min(floor(now) + 1.0, now + MINUTE_S - self._clock.wall() % MINUTE_S)

    def _sum_of(self, session: SessionId, worker: WorkerName, issued: IssuedJob) -> AcceptedShares:
        """Begin the sum of a job."""
        if len(self._open) >= MOST:
            self._begin(self._clock.now())
        total = self._open[issued] = AcceptedShares(
            session=session,
            worker=worker,
            pool=issued.connection.pool,
            difficulty=issued.difficulty,
            pool_difficulty=issued.job.difficulty,
        )
        for bar in self._events.bars(ShareResult):
            total.least_remarkable = min(bar(total), total.least_remarkable)
        return total
