"""Hash rates from shares, with their uncertainty.

A share of difficulty d is proof of d times ``hashes_per_difficulty`` hashes on average, and shares come as a Poisson
process. Of the sum S of difficulties over a span T only the work per second S/T is an estimate; with Q the sum of the
squares, n = S^2 / Q is the number of equal shares that would carry the same uncertainty. The interval is the 95 %
credible interval of a Gamma distribution with shape n + 1/2 (Jeffreys), which covers the truth in 93 to 97 % of windows
for all n that matter; quantiles by Wilson and Hilferty's cube (error below 2 % of the width from n = 1 on).
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from struct import Struct
from typing import NamedTuple

WINDOWS_S = (300.0, 3600.0, 86400.0)
_TICK_S = 15.0
_RINGS = ((1, 20), (8, 30), (120, 48))
"""Slot width in ticks, number of slots: 5 minutes of 15 s, an hour of 2 min, a day of 30 min."""
_CELL = Struct("=ffI")
"""A full slot: sum of difficulties, of their squares, shares."""
_MOST = 3e38
"""What single precision holds."""
_MOST_SHARES = 2**32 - 1
_OPEN = 9
"""Where the sums of open slots begin, behind three numbers for each ring."""
_NOTHING = array("d", bytes(8 * 2 * _OPEN))
Z_95 = 1.959964
MIN_SPAN_S = 30.0
"""A rate is never computed over less: the first share would be a spike."""
LEAN = 2.0
"""Shares' worth of caution while a window has not filled yet."""
_LARGEST = 1e15
"""A pool may say any difficulty; squares of larger ones leave single precision."""
NO_SHARE_UPPER = 2.5119
"""97.5 % quantile of a Gamma distribution of shape 1/2: what may have happened although no share came."""


class Rate(NamedTuple):
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


def estimate(
    total: float, squares: float, shares: int, span_s: float, window_s: float, hashes: float, reference: float = 0.0
) -> Rate:
    """The rate that shares show over ``span_s`` of a window of ``window_s`` seconds, from the sums of a ``Work``.

    ``hashes``: per difficulty 1. ``reference``: difficulty a share would have had, for the upper bound without any.
    """
    if span_s <= 0.0 and not shares:
        return NO_RATE
    calm = span_s if span_s > MIN_SPAN_S else MIN_SPAN_S
    if not shares or total <= 0.0 or squares <= 0.0:
        return Rate(0.0, 0.0, NO_SHARE_UPPER * reference * hashes / calm, 0, span_s)
    count = total * total / squares
    unit = squares / total * hashes
    shape = count + 0.5  # from here on the cube of Wilson and Hilferty (1931), for both ends at once
    middle, wing = 1.0 - 1.0 / (9.0 * shape), Z_95 / (3.0 * sqrt(shape))
    low = shape * (middle - wing) ** 3 * unit / calm if middle > wing else 0.0
    high = shape * (middle + wing) ** 3 * unit / (span_s if span_s > 1.0 else 1.0)
    empty = 1.0 - calm / window_s * 1.06
    value = total * hashes / calm
    if empty > 0.0:
        value *= count / (count + LEAN * empty)
    return Rate(value if value > low else low, low, high, shares, span_s)


class RateWindow:
    """Work of the last 5 minutes, hour and day in 98 slots; adding is three additions, reading does not loop.

    What is not needed yet is not there: the minutes' slots come after the first 15 s with a share, the hour's after
    2 minutes, the day's after half an hour (1.4 KB in all), and they go again a day after the last share.
    """

    __slots__ = ("_count", "_end", "_last", "_rings", "_square", "_sum", "_sums")

    def __init__(self, now: float) -> None:
        self._sum = self._square = 0.0
        self._count = 0
        """Of the tick that is still filling, as are the two above."""
        self._last = int(now // _TICK_S)
        self._end = (self._last + 1) * _TICK_S
        self._sums: array[float] | None = None
        """Sum, squares and number: for each ring of all its full slots, then of the hour's slot that is still filling,
        of the day's, and three zeros. A share stands in one open slot: the tick's, then the hour's, then the day's."""
        self._rings: list[bytearray | None] | None = None
        """Sum, squares and number of each slot that is full."""

    def add(self, now: float, difficulty: float) -> None:
        """Count one share."""
        if now >= self._end:
            self._roll(now)
        if difficulty > _LARGEST:
            difficulty = _LARGEST
        self._sum += difficulty
        self._square += difficulty * difficulty
        self._count += 1

    def add_all(self, now: float, difficulty: float, number: int) -> None:
        """Count several shares alike."""
        if now >= self._end:
            self._roll(now)
        if difficulty > _LARGEST:
            difficulty = _LARGEST
        self._sum += difficulty * number
        self._square += difficulty * difficulty * number
        self._count += number

    def work(self, now: float, window: int) -> Work:
        """Work within window 0, 1 or 2 (see ``start``)."""
        if now >= self._end:
            self._roll(now)
        sums, at = self._sums, 3 * window
        if sums is None:
            return Work(self._sum, self._square, self._count)
        total, squares, shares = sums[at] + self._sum, sums[at + 1] + self._square, int(sums[at + 2]) + self._count
        for part in range(_OPEN, _OPEN + at, 3):
            total, squares, shares = total + sums[part], squares + sums[part + 1], shares + int(sums[part + 2])
        return Work(max(total, 0.0), max(squares, 0.0), shares)

    def add_to(self, sums: list[float], now: float) -> None:
        """Add the work of all windows: sum, sum of squares and number of shares of each, in a row."""
        if now >= self._end:
            self._roll(now)
        mine, total, squares, shares = self._sums or _NOTHING, self._sum, self._square, float(self._count)
        for at in (0, 3, 6):
            sums[at] += mine[at] + total
            sums[at + 1] += mine[at + 1] + squares
            sums[at + 2] += mine[at + 2] + shares
            total += mine[_OPEN + at]
            squares += mine[_OPEN + at + 1]
            shares += mine[_OPEN + at + 2]

    def add_past(self, at: float, work: Work, now: float) -> None:
        """Add what earlier runs proved around ``at`` to the hour and the day; the minutes begin with the run."""
        if now >= self._end:
            self._roll(now)
        if self._sums is None or self._rings is None:
            self._sums, self._rings = array("d", _NOTHING), [None] * len(_RINGS)
        tick, is_open = int(at // _TICK_S), False
        for ring in range(1, len(_RINGS)):
            width, slots = _RINGS[ring]
            slot, current = tick // width, self._last // width
            if current - slots < slot < current:
                cells = self._rings[ring] = self._rings[ring] or bytearray(slots * _CELL.size)
                _add_to_cell(cells, slot % slots, work, self._sums, 3 * ring)
            elif slot == current and not is_open:
                is_open = True
                _add_sums(self._sums, _OPEN + 3 * (ring - 1), (work.sum, work.squares, work.shares))

    def replace_past(self, past: Iterable[tuple[float, Work]], now: float) -> None:
        """Have ``past`` (a time in a slot, and all work in it) in place of what stands in the hour and the day.

        What stands in the hour's slot that is still filling stays, and what ``past`` has of it is left out.
        """
        if now >= self._end:
            self._roll(now)
        if self._sums is not None and self._rings is not None:
            self._rings[1] = self._rings[2] = None
            for place in (*range(3, _OPEN), *range(_OPEN + 3, _OPEN + 6)):
                self._sums[place] = 0.0
        begin = slot_start(now, 1)
        for at, work in past:
            if at < begin:
                self.add_past(at, work, now)

    def hour(self, now: float) -> tuple[float, ...]:
        """Sums of difficulty of the last hour in 30 slots of two minutes, oldest first; the last is still filling."""
        return self._line(now, 1)

    def day(self, now: float) -> tuple[float, ...]:
        """The same of the last day in 48 slots of half an hour."""
        return self._line(now, 2)

    def _line(self, now: float, ring: int) -> tuple[float, ...]:
        if now >= self._end:
            self._roll(now)
        width, slots = _RINGS[ring]
        newest = self._last // width
        cells = self._rings[ring] if self._rings is not None else None
        full = (
            [0.0] * (slots - 1)
            if cells is None
            else [_CELL.unpack_from(cells, (newest - back) % slots * _CELL.size)[0] for back in range(slots - 1, 0, -1)]
        )
        return (*full, sum((self._sums or _NOTHING)[_OPEN : _OPEN + 3 * ring : 3]) + self._sum)

    def _roll(self, now: float) -> None:
        tick = int(now // _TICK_S)
        if self._count and self._sums is None:
            self._sums, self._rings = array("d", _NOTHING), [None] * len(_RINGS)
        sums, rings, last = self._sums, self._rings, self._last
        if sums is not None and rings is not None:
            if self._count:
                filled = (self._sum, self._square, self._count)
                _close(rings, 0, last, filled, sums)
                _add_sums(sums, _OPEN, filled)
            _expire(rings, 0, last, tick, sums)
            for ring in range(1, len(_RINGS)):
                width, at = _RINGS[ring][0], _OPEN + 3 * (ring - 1)
                old, current = last // width, tick // width
                if old == current:
                    break
                total, squares, shares = sums[at : at + 3]
                if shares:
                    _close(rings, ring, old, (total, squares, int(shares)), sums)
                    if ring == 1:
                        _add_sums(sums, at + 3, (total, squares, shares))
                    sums[at] = sums[at + 1] = sums[at + 2] = 0.0
                _expire(rings, ring, old, current, sums)
            if not (sums[_OPEN + 2] or sums[_OPEN + 5] or sums[8]):  # nothing in a day
                self._sums = self._rings = None
        self._sum = self._square = 0.0
        self._count = 0
        self._last = tick
        self._end = (tick + 1) * _TICK_S


def _add_sums(sums: "array[float]", place: int, filled: tuple[float, float, float]) -> None:
    sums[place] += filled[0]
    sums[place + 1] += filled[1]
    sums[place + 2] += filled[2]


def _add_to_cell(cells: bytearray, slot: int, work: Work, sums: "array[float]", at: int) -> None:
    """Add to a full slot, and to the ring's sums what the cell holds more than before."""
    before = _CELL.unpack_from(cells, slot * _CELL.size)
    total, squares, shares = before[0] + work.sum, before[1] + work.squares, before[2] + work.shares
    _CELL.pack_into(cells, slot * _CELL.size, min(total, _MOST), min(squares, _MOST), min(shares, _MOST_SHARES))
    kept = _CELL.unpack_from(cells, slot * _CELL.size)
    for place in range(3):
        sums[at + place] += kept[place] - before[place]


def _close(
    rings: list[bytearray | None], ring: int, slot: int, filled: tuple[float, float, int], sums: "array[float]"
) -> None:
    """Put what a slot of a ring was filled with into its cell, and into the ring's sums as it stands there, rounded."""
    slots = _RINGS[ring][1]
    cells = rings[ring]
    if cells is None:
        cells = rings[ring] = bytearray(slots * _CELL.size)
    offset, (total, squares, shares) = slot % slots * _CELL.size, filled
    _CELL.pack_into(cells, offset, min(total, _MOST), min(squares, _MOST), shares)
    _add_sums(sums, 3 * ring, _CELL.unpack_from(cells, offset))


def _expire(rings: list[bytearray | None], ring: int, last: int, current: int, sums: "array[float]") -> None:
    """Forget the cells of a ring's slots behind ``last`` up to ``current``, which are used anew."""
    cells, slots, at = rings[ring], _RINGS[ring][1], 3 * ring
    if cells is None:
        return
    for slot in range(last + 1, last + 1 + min(current - last, slots)):
        offset = slot % slots * _CELL.size
        total, squares, shares = _CELL.unpack_from(cells, offset)
        if shares:
            sums[at] -= total
            sums[at + 1] -= squares
            sums[at + 2] -= shares
            _CELL.pack_into(cells, offset, 0.0, 0.0, 0)
    if not sums[at + 2]:
        sums[at] = sums[at + 1] = 0.0  # what is left of sums that were taken back is rounding


def starts(now: float) -> tuple[float, ...]:
    """``start`` of each window."""
    return _starts(int(now // _TICK_S))


@lru_cache(maxsize=4)
def _starts(tick: int) -> tuple[float, ...]:
    return tuple(start(tick * _TICK_S, window) for window in range(len(_RINGS)))


def slot_start(now: float, window: int) -> float:
    """The monotonic time at which the slot of window 1 or 2 that ``now`` lies in began."""
    width_s = _RINGS[window][0] * _TICK_S
    return now // width_s * width_s


def start(now: float, window: int) -> float:
    """The monotonic time from which ``RateWindow.work`` counts: whole slots, so up to one slot less than the window."""
    width, slots = _RINGS[window]
    return (int(now // _TICK_S) // width - slots + 1) * width * _TICK_S
