"""The frozen values that readers get of what was counted, and the unit in which history is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proxy.history.counters import Counts, Tally
from proxy.history.latency import Percentiles
from proxy.history.rates import NO_RATE, Rate, Work
from proxy.types import PoolKey, WorkerName

NO_POOL = PoolKey("")
"""Shares that named no job of ours belong to no pool."""

OTHERS = WorkerName("(others)")
"""Who is counted together once the largest number of names is reached."""


class Rates(NamedTuple):
    """Hash rates over the three windows."""

    m5: Rate = NO_RATE
    h1: Rate = NO_RATE
    h24: Rate = NO_RATE


class PastPresence(NamedTuple):
    """Since when somebody was seen in earlier runs (monotonic seconds), for the hour and the day; and last."""

    hour: float
    day: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWork:
    """What one worker proved in the last day of earlier runs."""

    worker: WorkerName
    slots: Sequence[tuple[PoolKey, float, Work]]
    """Pool, a monotonic time in the slot of the windows in which the work was done, and the work."""
    presence: PastPresence


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTally:
    """One worker, over all its connections."""

    worker: WorkerName
    total: Tally
    pools: Mapping[PoolKey, Tally]
    """``NO_POOL`` for shares that named no job."""
    rates: Rates
    connections: int
    last_share_at: float | None
    """Unix seconds of the last share of any verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTally:
    """One pool, over all workers."""

    pool: PoolKey
    total: Tally
    round_trip: Percentiles
    """From asking the pool about a share to its answer, over the last 512 shares."""
    last_share_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTally:
    """All workers on all pools."""

    total: Tally
    rates: Rates
    connections: int


class ShareDelta(NamedTuple):
    """What one worker did on one pool since the last one: the unit in which history is written."""

    minute: int
    """Unix seconds of the start of the minute."""
    worker: WorkerName
    pool: PoolKey
    counts: Counts
    """Owned by the receiver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Totals of one worker on one pool as the database has them."""

    worker: WorkerName
    pool: PoolKey
    counts: Counts
    last_share_at: float | None = None
    """Unix seconds."""
