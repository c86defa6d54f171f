"""The mutable books behind the tallies: one for each worker on each pool, one for each pool."""

from collections.abc import Iterable

from proxy.history.latency import Recent
from proxy.history.rates import WINDOWS_S, Rate, RateWindow, estimate_sums, starts
from proxy.history.tallies import Counts, Rates
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
                now if gone is None or now - gone >= length else before
                for length, before in zip(WINDOWS_S, self.since, strict=True)
            ]
        )

    def leave(self, now: float) -> None:
        """One connection less."""
        self.connections = max(0, self.connections - 1)
        if not self.connections:
            self.gone = now

    def spans(self, now: float) -> list[float]:
        """Seconds of each window in which there was somebody to watch."""
        return [
            0.0 if since is None else max(0.0, now - (since if since > begin else begin))
            for since, begin in zip(self.since, starts(now), strict=True)
        ]


class Book:
    """One worker on one pool, or all workers on one pool."""

    __slots__ = ("fresh", "last", "reference", "total", "window")

    def __init__(self, now: float) -> None:
        self.total = Counts()
        self.fresh: Counts | None = None
        """What has not been handed to the ledger; not part of ``total`` yet."""
        self.window = RateWindow(now)
        self.last: float | None = None
        """Monotonic time of the last share."""
        self.reference = 0.0
        """Difficulty of the last share that proved work."""

    def counts(self) -> tuple[Counts, ...]:
        """Everything, in parts."""
        return (self.total,) if self.fresh is None else (self.total, self.fresh)

    def close(self) -> Counts | None:
        """Take what is fresh into the total and give it away."""
        fresh, self.fresh = self.fresh, None
        if fresh is not None:
            self.total.add(fresh)
        return fresh


class PoolBook(Book):
    """All workers on one pool; everything goes to ``total`` at once."""

    __slots__ = ("round_trip",)

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self.round_trip = Recent()


class WorkerBook:
    """One worker: its books and when it was there."""

    __slots__ = ("books", "name", "presence", "stamp")

    def __init__(self, name: WorkerName) -> None:
        self.name = name
        self.books: dict[PoolKey, Book] = {}
        self.presence = Presence()
        self.stamp = 0
        """Grows with each share and connection."""

    def last(self) -> float | None:
        """Monotonic time of the last share on any pool."""
        last = None
        for book in self.books.values():
            if book.last is not None and (last is None or book.last > last):
                last = book.last
        return last


def rate_5m_of(books: Iterable[Book], presence: Presence, now: float, hashes: float) -> Rate:
    """The first of ``rates_of``: the one that moves while nothing happens."""
    total, squares, shares, reference = 0.0, 0.0, 0, 0.0
    for book in books:
        part = book.window.work(now, 0)
        total, squares, shares = total + part.sum, squares + part.squares, shares + part.shares
        if book.reference > reference:
            reference = book.reference
    return estimate_sums(total, squares, shares, presence.spans(now)[0], WINDOWS_S[0], hashes, reference)


def rates_of(books: list[Book], presence: Presence, now: float, hashes: float) -> Rates:
    """Rates of the sum of ``books``, watched for as long as ``presence`` says."""
    if not books:
        return Rates()
    sums, reference = [0.0] * 9, 0.0
    for book in books:
        book.window.add_to(sums, now)
        if book.reference > reference:
            reference = book.reference
    m5, h1, h24 = presence.spans(now)
    return Rates(
        estimate_sums(sums[0], sums[1], int(sums[2]), m5, WINDOWS_S[0], hashes, reference),
        estimate_sums(sums[3], sums[4], int(sums[5]), h1, WINDOWS_S[1], hashes, reference),
        estimate_sums(sums[6], sums[7], int(sums[8]), h24, WINDOWS_S[2], hashes, reference),
    )
