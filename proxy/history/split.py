"""Delivered against wanted: how the validated work was split among the pools, and how sure that is.

Work is a compound Poisson process, so with A and B the sums of difficulty on a pool and on all others, the part
p = A / (A + B) has the variance (B^2 sum d_A^2 + A^2 sum d_B^2) / (A + B)^4.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Any

from proxy.history import WINDOWS_S, Accounting, Work
from proxy.history.rates import Z_95
from proxy.observe.events import EventStream, SplitTargetChanged
from proxy.ports import Clock
from proxy.types import PoolKey

CHANGES_KEPT = 2000
"""Changes of weights kept for the average that was wanted; older ones count as the oldest that is kept."""
CHANGES_SAVED = 200
"""How many of them outlive a restart."""
RESUMED_WITHIN_S = 60.0
"""If the weights are the last run's again by then, the span since their change goes on."""


class Span(StrEnum):
    """What a split is measured over."""

    CHANGE = "change"
    """Since the last change of weights."""
    HOUR = "hour"
    DAY = "day"


_WINDOW = {Span.HOUR: 1, Span.DAY: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One pool's part of the work."""

    pool: PoolKey
    delivered: float
    """0..1."""
    error: float
    """Half-width of the 95 % interval."""
    wanted: float
    """0..1, averaged over the span."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """All pools' parts in a span; ``parts`` is empty while no share came."""

    span: Span
    since: float
    """Unix seconds; later than the span's beginning where nobody watched before."""
    parts: tuple[Part, ...] = ()
    work: float = 0.0
    """Difficulty of all parts together."""


def variance(mine: Work, others: Work) -> float:
    """Variance of the part of ``mine`` in the whole.

    A side without any share is not known to be exactly nothing: its uncertainty is taken as one share of the other's
    size.
    """
    total = mine.sum + others.sum
    if total <= 0.0:
        return 1.0
    mine_sq = mine.squares or others.squares / max(others.shares, 1)
    others_sq = others.squares or mine.squares / max(mine.shares, 1)
    return (others.sum**2 * mine_sq + mine.sum**2 * others_sq) / total**4


def parts_of(work: Mapping[PoolKey, Work], wanted: Mapping[PoolKey, float]) -> tuple[Part, ...]:
    """Each pool's part; pools without work appear if any was wanted of them."""
    total = sum(work.values(), Work())
    if total.sum <= 0.0:
        return ()
    keys = [
        key for key in dict.fromkeys([*wanted, *work]) if work.get(key, Work()).shares or wanted.get(key, 0.0) > 0.0
    ]
    parts = []
    for key in keys:
        mine = work.get(key, Work())
        others = sum((other for pool, other in work.items() if pool != key), Work())
        error = Z_95 * sqrt(variance(mine, others)) if len(keys) > 1 else 0.0
        parts.append(
            Part(
                pool=key,
                delivered=mine.sum / total.sum,
                error=min(error, 1.0),
                wanted=wanted.get(key, 0.0),
            )
        )
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class _Change:
    """When the weights changed (monotonic), to which, and the work until then."""

    changed_at: float
    wanted: Mapping[PoolKey, float]
    base: dict[PoolKey, Work]


class SplitMeter:
    """Splits of the fleet; follows the wanted weights through ``SplitTargetChanged``."""

    def __init__(self, *, clock: Clock, events: EventStream, accounting: Accounting) -> None:
        self._clock = clock
        self._accounting = accounting
        self._changes: deque[tuple[float, dict[PoolKey, float]]] = deque(maxlen=CHANGES_KEPT)
        self._changed_at = self._watched_since = self._started_at = clock.now()
        self._base: dict[PoolKey, Work] = {}
        self._said = False
        """Whether anybody has said what is wanted in this run."""
        self._resumed: _Change | None = None
        """Of the last run."""
        self._rebase()
        events.subscribe(SplitTargetChanged, self._on_target)

    def _on_target(self, event: SplitTargetChanged) -> None:
        self.set_wanted(event.weights)

    def set_wanted(self, weights: Mapping[PoolKey, float]) -> None:
        """The fleet's wanted weights (any scale); a change starts the span ``CHANGE`` anew."""
        total = sum(weight for weight in weights.values() if weight > 0)
        if total <= 0:
            return
        wanted = {key: weight / total for key, weight in weights.items() if weight > 0}
        if self._said and _same(self._changes[-1][1], wanted):
            return
        self._said, now, before = True, self._clock.now(), self._resumed
        self._changes.append((now, wanted))
        if before is not None and now - self._started_at <= RESUMED_WITHIN_S and _same(before.wanted, wanted):
            self._changed_at, self._base, self._resumed = before.changed_at, before.base, None
        else:
            self._rebase()

    def dump(self) -> dict[str, object]:
        """What the next run needs, in unix seconds, as JSON takes it."""
        offset = self._clock.wall() - self._clock.now()
        return {
            "changed_at": self._changed_at + offset,
            "base": {key: [work.sum, work.squares, work.shares] for key, work in self._base.items()},
            "changes": [[at + offset, weights] for at, weights in list(self._changes)[-CHANGES_SAVED:]],
        }

    def restore(self, state: Mapping[str, Any], *, same_books: bool = True) -> None:
        """Go on from the ``dump`` of the last run; call after ``Accounting.restore``, before the first weights.

        What is not as ``dump`` writes it is not used. Without ``same_books`` others have counted in between, so that
        the work since the last change is not known: its span begins anew.
        """
        now = self._clock.now()
        offset = self._clock.wall() - now
        try:
            changes = [(min(at - offset, now), weights) for at, weights in _changes_of(state)]
            base = {
                PoolKey(key): Work(float(sums[0]), float(sums[1]), int(sums[2])) for key, sums in state["base"].items()
            }
            changed_at = min(float(state["changed_at"]) - offset, now)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return
        if changes:
            self._changes.extendleft(reversed(changes))
            self._resumed = _Change(changed_at, changes[-1][1], base) if same_books else None

    def watched_since(self, wall: float) -> None:
        """Earlier runs' work is counted too, from ``wall`` (unix seconds) on."""
        self._watched_since = min(self._watched_since, wall - self._clock.wall() + self._clock.now())

    def _rebase(self) -> None:
        self._changed_at = self._clock.now()
        self._base = self._accounting.pool_work_total()

    def fleet(self, span: Span) -> Split:
        """The whole fleet's split."""
        if span is Span.CHANGE and not self._said:
            work = {}  # nobody has said yet what is wanted in this run
        elif span is Span.CHANGE:
            work = {key: _less(now, self._base.get(key)) for key, now in self._accounting.pool_work_total().items()}
        else:
            work = self._accounting.pool_work(_WINDOW[span])
        return self._split(span, work)

    def splits(self) -> Sequence[Split]:
        """The fleet's split over all three spans."""
        return tuple(self.fleet(span) for span in Span)

    def _split(self, span: Span, work: Mapping[PoolKey, Work]) -> Split:
        now = self._clock.now()
        length = now - self._changed_at
        if span is not Span.CHANGE:
            length = min(WINDOWS_S[_WINDOW[span]], now - self._watched_since)
        return Split(
            span=span,
            since=self._clock.wall() - length,
            parts=parts_of(work, self._wanted(now - length, now)),
            work=sum(work.values(), Work()).sum,
        )

    def _wanted(self, begin: float, end: float) -> dict[PoolKey, float]:
        """Time-weighted average of what was wanted from ``begin`` to ``end``."""
        if not self._changes:
            return {}
        begin = max(begin, self._changes[0][0])
        if end <= begin:
            return dict(self._changes[-1][1])
        average: dict[PoolKey, float] = {}
        until = end
        for at, weights in reversed(self._changes):
            span = until - max(at, begin)
            if span > 0:
                for key, weight in weights.items():
                    average[key] = average.get(key, 0.0) + weight * span / (end - begin)
            until = max(at, begin)
            if at <= begin:
                break
        return average


def _changes_of(state: Mapping[str, Any]) -> list[tuple[float, dict[PoolKey, float]]]:
    return [
        (float(at), {PoolKey(key): float(weight) for key, weight in weights.items()})
        for at, weights in state["changes"]
    ]


def saved_changes(state: Mapping[str, Any]) -> list[tuple[float, dict[PoolKey, float]]]:
    """When the weights changed (unix seconds) and to which, from a ``dump``; nothing from what is no dump."""
    try:
        return _changes_of(state)
    except (AttributeError, KeyError, TypeError, ValueError):
        return []


def _same(one: Mapping[PoolKey, float], other: Mapping[PoolKey, float]) -> bool:
    return one.keys() == other.keys() and all(abs(one[key] - other[key]) < 1e-6 for key in one)


def _less(now: Work, before: Work | None) -> Work:
    if before is None or before.shares > now.shares:  # forgotten and met again since
        return now
    return Work(max(now.sum - before.sum, 0.0), max(now.squares - before.squares, 0.0), now.shares - before.shares)
