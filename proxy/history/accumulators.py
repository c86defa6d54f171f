"""What is counted in memory: an accumulator for each worker on each pool, and one for each pool."""

from collections.abc import Iterable, Sequence
from math import inf

from proxy.history.counters import Counts
from proxy.history.latency import Recent
from proxy.history.rates import WINDOWS_S, Rate, RateWindow, estimate, starts
from proxy.history.tallies import PastPresence, Rates
from proxy.observe.events import AcceptedShares
from proxy.types import PoolKey, WorkerName

_NEVER: tuple[float | None, ...] = (None,) * len(WINDOWS_S)


class Presence:
    """Since when somebody has been watched, for each window.

    An absence longer than a window starts it afresh; a shorter one counts as silence, because the rate is what was
    done in the window and not what could have been.
    """

    __slots__ = ("connections", "gone", "since")

    def __init__(self) -> None:
        self.connections = 0
        self.gone: float | None = None
        self.since: tuple[float | None, ...] = _NEVER

    def arrive(self, now: float) -> None:
        """One connection more."""
        self.connections += 1
        if self.connections > 1:
            return
        gone = self.gone
        self.since = tuple(
            [
                now if before is None or gone is None or now - gone >= length else before
                for length, before in zip(WINDOWS_S, self.since, strict=True)
            ]
        )

    def leave(self, now: float) -> None:
        """One connection less."""
        self.connections = max(0, self.connections - 1)
        if not self.connections:
            self.gone = now

    def resume(self, seen: PastPresence) -> None:
        """Somebody was there in an earlier run too: the time between the runs counts as silence."""
        minutes, hour, day = self.since
        self.since = (minutes, _earlier(hour, seen.hour), _earlier(day, seen.day))
        if not self.connections:
            self.gone = seen.last if self.gone is None else max(self.gone, seen.last)

    def spans(self, now: float) -> list[float]:
        """Seconds of each window in which there was somebody to watch."""
        return [
            0.0 if since is None else max(0.0, now - (since if since > begin else begin))
            for since, begin in zip(self.since, starts(now), strict=True)
        ]


def _earlier(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)


class Accumulator:
    """Shares of one worker or of all workers, on one pool."""

    __slots__ = ("last", "proved_at", "reference", "total", "window")

    def __init__(self, now: float) -> None:
        self.total = Counts()
        self.window = RateWindow(now)
        self.last: float | None = None
        """Monotonic time of the last share."""
        self.reference = 0.0
        """Difficulty of the last share that proved work."""
        self.proved_at = -inf
        """Monotonic time of that share."""

    def add_all(self, shares: AcceptedShares) -> None:
        """Count when the shares of a sum came, and what they proved."""
        self.last = shares.last_at if self.last is None else max(self.last, shares.last_at)
        if shares.proven:
            self.window.add_all(shares.proven_at, shares.difficulty, shares.proven)
            if shares.proven_at >= self.proved_at:
                self.reference, self.proved_at = shares.difficulty, shares.proven_at


class WorkerAccumulator(Accumulator):
    """One worker on one pool."""

    __slots__ = ("fresh",)

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self.fresh: Counts | None = None
        """What has not been handed to the writer; not part of ``total`` yet."""

    def counts(self) -> tuple[Counts, ...]:
        """Everything, in parts."""
        return (self.total,) if self.fresh is None else (self.total, self.fresh)

    def close(self) -> Counts | None:
        """Move what is fresh into the total and return it."""
        fresh, self.fresh = self.fresh, None
        if fresh is not None:
            self.total.add(fresh)
        return fresh


class PoolAccumulator(Accumulator):
    """All workers on one pool; ``total`` is what earlier runs counted."""

    __slots__ = ("others", "round_trip", "run")

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self.run = Counts()
        """What this run has counted; the metrics begin at 0 with each run."""
        self.others: Counts | None = None
        """What other nodes have counted since this run began, as far as it is known; no part of rates and splits."""
        self.round_trip = Recent()

    def counts(self) -> tuple[Counts, ...]:
        """Everything, in parts."""
        return (*self.own(), self.others) if self.others is not None else self.own()

    def own(self) -> tuple[Counts, ...]:
        """Everything but what other nodes have counted meanwhile."""
        return (self.total, self.run)


class WorkerState(Presence):
    """One worker: when it was there, and its accumulator for each pool."""

    __slots__ = ("has_day", "name", "pools", "stamp")

    def __init__(self, name: WorkerName) -> None:
        super().__init__()
        self.name = name
        self.pools: dict[PoolKey, WorkerAccumulator] = {}
        self.stamp = 0
        """Grows with each share and connection."""
        self.has_day = False
        """Whether its last day, as several nodes have written it, was read."""

    def works(self) -> bool:
        """Whether any pool has ever accepted a share of it."""
        return any(part.accepted or part.work_only for each in self.pools.values() for part in each.counts())

    def last(self) -> float | None:
        """Monotonic time of the last share on any pool."""
        last = None
        for each in self.pools.values():
            if each.last is not None and (last is None or each.last > last):
                last = each.last
        return last


def rate_5m_of(parts: Iterable[Accumulator], presence: Presence, now: float, hashes: float) -> Rate:
    """The first of ``rates_of``: the one that moves while nothing happens."""
    total, squares, shares, reference = 0.0, 0.0, 0, 0.0
    for part in parts:
        work = part.window.work(now, 0)
        total, squares, shares = total + work.sum, squares + work.squares, shares + work.shares
        if part.reference > reference:
            reference = part.reference
    return estimate(total, squares, shares, presence.spans(now)[0], WINDOWS_S[0], hashes, reference)


def rates_of(parts: Sequence[Accumulator], presence: Presence, now: float, hashes: float) -> Rates:
    """Rates of the sum of ``parts``, watched for as long as ``presence`` says."""
    if not parts:
        return Rates()
    sums, reference = [0.0] * 9, 0.0
    for part in parts:
        part.window.add_to(sums, now)
        if part.reference > reference:
            reference = part.reference
    m5, h1, h24 = presence.spans(now)
    return Rates(
        estimate(sums[0], sums[1], int(sums[2]), m5, WINDOWS_S[0], hashes, reference),
        estimate(sums[3], sums[4], int(sums[5]), h1, WINDOWS_S[1], hashes, reference),
        estimate(sums[6], sums[7], int(sums[8]), h24, WINDOWS_S[2], hashes, reference),
    )
