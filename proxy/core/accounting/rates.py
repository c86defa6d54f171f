"""Hash rates from shares, with their uncertainty.

A share of difficulty d is proof of d times ``hashes_per_difficulty`` hashes on average, and shares come as a Poisson
process. Of the sum S of difficulties over a span T only the work per second S/T is an estimate; with Q the sum of the
squares, n = S^2 / Q is the number of equal shares that would carry the same uncertainty. The interval is the 95 %
credible interval of a Gamma distribution with shape n + 1/2 (Jeffreys), which covers the truth in 93 to 97 % of windows
for all n that matter; quantiles by Wilson and Hilferty's cube (error below 2 % of the width from n = 1 on).
"""

from array import array
from dataclasses import dataclass
from math import sqrt

WINDOWS_S = (300.0, 3600.0, 86400.0)
_TICK_S = 15.0
_RINGS = ((1, 20), (8, 30), (120, 48))
"""Slot width in ticks, number of slots: 5 minutes of 15 s, an hour of 2 min, a day of 30 min."""
_OFFSETS = (0, 20, 50)
_SLOTS = 98
Z_95 = 1.959964
MIN_SPAN_S = 30.0
"""A rate is never computed over less: the first share would be a spike."""
LEAN = 2.0
"""Shares' worth of caution while a window has not filled yet."""
_LARGEST = 1e15
"""A pool may say any difficulty; squares of larger ones leave single precision."""
NO_SHARE_UPPER = 2.5119
"""97.5 % quantile of a Gamma distribution of shape 1/2: what may have happened although no share came."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Hashes per second over the last ``span_s`` seconds, silence included."""

    value: float
    """The estimate. While the window fills it leans low (at one share to about a third, at 20 by a tenth at most)."""
    low: float
    high: float
    """95 % interval of the true average; 0 to 0 while nothing at all is known."""
    shares: int
    span_s: float

    @property
    def shares_per_s(self) -> float:
        """Shares that proved work, per second."""
        return self.shares / max(self.span_s, MIN_SPAN_S)


NO_RATE = Rate(0.0, 0.0, 0.0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Work:
    """What shares proved: sum of difficulties, sum of their squares, and how many they were."""

    sum: float = 0.0
    squares: float = 0.0
    shares: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.sum + other.sum, self.squares + other.squares, self.shares + other.shares)


def gamma_quantile(shape: float, z: float) -> float:
    """Quantile at normal score ``z`` of a Gamma distribution with scale 1 (Wilson and Hilferty 1931)."""
    cube = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * sqrt(shape))
    return float(shape * max(cube, 0.0) ** 3)


def estimate(work: Work, span_s: float, window_s: float, hashes: float, reference: float = 0.0) -> Rate:
    """The rate that ``work`` shows over ``span_s`` of a window of ``window_s`` seconds.

    ``hashes``: per difficulty 1. ``reference``: difficulty a share would have had, for the upper bound without any.
    """
    return estimate_sums(work.sum, work.squares, work.shares, span_s, window_s, hashes, reference)


def estimate_sums(total: float, squares: float, shares: int, span_s: float, window_s: float, hashes: float,
                  reference: float = 0.0) -> Rate:
    """``estimate`` without a ``Work`` around its sums."""
    if span_s <= 0.0 and not shares:
        return NO_RATE
    calm = span_s if span_s > MIN_SPAN_S else MIN_SPAN_S
    if not shares or total <= 0.0 or squares <= 0.0:
        return Rate(0.0, 0.0, NO_SHARE_UPPER * reference * hashes / calm, 0, span_s)
    count = total * total / squares
    unit = squares / total * hashes
    low = gamma_quantile(count + 0.5, -Z_95) * unit / calm
    high = gamma_quantile(count + 0.5, Z_95) * unit / max(span_s, 1.0)
    lean = count / (count + LEAN * max(0.0, 1.0 - calm / window_s * 1.06))
    return Rate(max(total * hashes / calm * lean, low), low, high, shares, span_s)


class RateWindow:
    """Work of the last 5 minutes, hour and day in 98 slots; adding is three additions, reading does not loop."""

    __slots__ = ("_count", "_counts", "_end", "_last", "_square", "_squares", "_sum", "_sums", "_totals")

    def __init__(self, now: float) -> None:
        self._sums = array("f", bytes(4 * _SLOTS))
        self._squares = array("f", bytes(4 * _SLOTS))
        self._counts = array("L", bytes(array("L").itemsize * _SLOTS))
        self._totals = [[0.0, 0.0, 0] for _ in _RINGS]
        self._sum = self._square = 0.0
        self._count = 0
        self._last = int(now // _TICK_S)
        self._end = (self._last + 1) * _TICK_S

    def add(self, now: float, difficulty: float) -> None:
        """Count one share."""
        if now >= self._end:
            self._roll(now)
        if difficulty > _LARGEST:
            difficulty = _LARGEST
        self._sum += difficulty
        self._square += difficulty * difficulty
        self._count += 1

    def work(self, now: float, window: int) -> Work:
        """Work within window 0, 1 or 2 (see ``start``)."""
        if now >= self._end:
            self._roll(now)
        total = self._totals[window]
        return Work(max(total[0] + self._sum, 0.0), max(total[1] + self._square, 0.0), int(total[2]) + self._count)

    def add_to(self, sums: list[float], now: float) -> None:
        """Add the work of all windows: sum, sum of squares and number of shares of each, in a row."""
        if now >= self._end:
            self._roll(now)
        place = 0
        for total in self._totals:
            sums[place] += total[0] + self._sum
            sums[place + 1] += total[1] + self._square
            sums[place + 2] += total[2] + self._count
            place += 3

    def hour(self, now: float) -> tuple[float, ...]:
        """Sums of difficulty of the last hour in 30 slots of two minutes, oldest first; the last is still filling."""
        if now >= self._end:
            self._roll(now)
        width, slots = _RINGS[1]
        newest = self._last // width
        sums = [self._sums[_OFFSETS[1] + (newest - back) % slots] for back in reversed(range(slots))]
        sums[-1] += self._sum
        return tuple(sums)

    def _roll(self, now: float) -> None:
        tick = int(now // _TICK_S)
        for ring, (width, slots) in enumerate(_RINGS):
            self._store(ring, self._last // width % slots)
            self._expire(ring, self._last // width, tick // width)
        self._sum = self._square = 0.0
        self._count = 0
        self._last = tick
        self._end = (tick + 1) * _TICK_S

    def _store(self, ring: int, slot: int) -> None:
        if not self._count:
            return
        at, total = _OFFSETS[ring] + slot, self._totals[ring]
        for column, fresh, place in ((self._sums, self._sum, 0), (self._squares, self._square, 1)):
            before = column[at]
            column[at] = before + fresh
            total[place] += column[at] - before
        self._counts[at] += self._count
        total[2] += self._count

    def _expire(self, ring: int, last: int, current: int) -> None:
        slots, total = _RINGS[ring][1], self._totals[ring]
        for step in range(min(current - last, slots)):
            at = _OFFSETS[ring] + (last + 1 + step) % slots
            if self._counts[at]:
                total[0] -= self._sums[at]
                total[1] -= self._squares[at]
                total[2] -= self._counts[at]
                self._sums[at] = self._squares[at] = 0.0
                self._counts[at] = 0
        if not total[2]:
            total[0] = total[1] = 0.0  # what is left of sums that were taken back is rounding


def start(now: float, window: int) -> float:
    """The monotonic time from which ``RateWindow.work`` counts: whole slots, so up to one slot less than the window."""
    width, slots = _RINGS[window]
    return (int(now // _TICK_S) // width - slots + 1) * width * _TICK_S
