"""What is counted, and the frozen values that readers get of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.history.latency import Percentiles
from proxy.history.rates import NO_RATE, Rate
from proxy.observe.events import ShareResult
from proxy.types import DecidedBy, PoolKey, Reason, Verdict, WorkerName

RejectKey = tuple[Reason, DecidedBy]

NO_POOL = PoolKey("")
"""Shares that named no job of ours belong to no pool."""

OTHERS = WorkerName("(others)")
"""Who is counted together once the largest number of names is reached."""

STALE_REASONS = frozenset({Reason.STALE, Reason.UNKNOWN_JOB})
"""Both are Stratum's code 21: the job is not (or no longer) good."""

_NO_PROOF = frozenset(
    {
        Reason.DUPLICATE,
        Reason.UNKNOWN_JOB,
        Reason.LOW_DIFFICULTY,
        Reason.BAD_PARAMS,
        Reason.VERSION,
        Reason.NTIME,
        Reason.EXTRANONCE,
    }
)
"""Refusals of shares that prove no work for the pool's job, whatever their hash."""


class Counts:
    """A running sum of shares; mutable, because it is touched with each of them."""

    __slots__ = (
        "accepted",
        "best",
        "credited",
        "latency_n",
        "latency_s",
        "rejects",
        "unanswered",
        "work",
        "work_shares",
        "work_squares",
    )

    def __init__(self) -> None:
        self.accepted = 0
        self.unanswered = 0
        self.rejects: dict[RejectKey, int] | None = None
        self.credited = 0.0
        """Sum of the pool's difficulty over accepted shares."""
        self.work = 0.0
        """Sum of the told difficulty over shares that proved work."""
        self.work_squares = 0.0
        self.work_shares = 0
        self.best = 0.0
        """Largest true difficulty of an accepted share."""
        self.latency_s = 0.0
        self.latency_n = 0

    def accept(self, share: ShareResult) -> None:
        """Add one accepted share, and its work if it proves any."""
        difficulty, latency_s = share.difficulty, share.latency_s
        self.accepted += 1
        self.credited += share.pool_difficulty
        if share.true_difficulty > self.best:
            self.best = share.true_difficulty
        if latency_s > 0.0:
            self.latency_s += latency_s
            self.latency_n += 1
        if difficulty <= share.true_difficulty:
            self.work += difficulty
            self.work_squares += difficulty * difficulty
            self.work_shares += 1

    def count(self, share: ShareResult) -> None:
        """Add one share that was not accepted, and its work if it proves any."""
        if share.verdict is Verdict.UNANSWERED:
            self.unanswered += 1
        else:
            rejects = self.rejects
            if rejects is None:
                rejects = self.rejects = {}
            key = (share.reason, share.decided_by)
            rejects[key] = rejects.get(key, 0) + 1
        if share.latency_s > 0.0:
            self.latency_s += share.latency_s
            self.latency_n += 1
        if proves_work(share):
            self.work += share.difficulty
            self.work_squares += share.difficulty * share.difficulty
            self.work_shares += 1

    def add(self, other: "Counts") -> None:
        """Add all of ``other``."""
        self.accepted += other.accepted
        self.unanswered += other.unanswered
        if other.rejects:
            if self.rejects is None:
                self.rejects = {}
            for key, number in other.rejects.items():
                self.rejects[key] = self.rejects.get(key, 0) + number
        self.credited += other.credited
        self.work += other.work
        self.work_squares += other.work_squares
        self.work_shares += other.work_shares
        if other.best > self.best:
            self.best = other.best
        self.latency_s += other.latency_s
        self.latency_n += other.latency_n

    @property
    def rejected(self) -> int:
        """Refused by anybody for any reason."""
        return sum(self.rejects.values()) if self.rejects else 0

    @property
    def stale(self) -> int:
        """Refused because the job was not good any more (or never was)."""
        return sum(n for (reason, _), n in (self.rejects or {}).items() if reason in STALE_REASONS)

    @property
    def duplicate(self) -> int:
        """Sent twice."""
        return sum(n for (reason, _), n in (self.rejects or {}).items() if reason is Reason.DUPLICATE)


def proves_work(share: ShareResult) -> bool:
    """Whether the share is proof of ``share.difficulty`` of work done for its pool, also if no credit came of it.

    A block below what its miner was told is none, accepted or not: all work is in the shares that reach it.
    """
    if share.difficulty > share.true_difficulty:
        return False
    return share.verdict is Verdict.ACCEPTED or (
        share.pool is not None and share.difficulty > 0.0 and share.reason not in _NO_PROOF
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of shares as readers see them; they go on over a restart."""

    accepted: int = 0
    rejected: int = 0
    rejects: Mapping[RejectKey, int] = field(default_factory=dict)
    """By reason and by whom."""
    stale: int = 0
    """Part of ``rejected``: job no longer good, whoever said so."""
    duplicate: int = 0
    """Part of ``rejected``."""
    unanswered: int = 0
    credited: float = 0.0
    """Sum of the pool's difficulty over accepted shares."""
    work: float = 0.0
    """Sum of the told difficulty over shares that proved work."""
    best: float = 0.0
    """Largest true difficulty of an accepted share."""

    @property
    def submitted(self) -> int:
        """All shares."""
        return self.accepted + self.rejected + self.unanswered


_NO_REJECTS: dict[RejectKey, int] = {}


def tally_of(*counts: Counts) -> Tally:
    """Freeze the sum of ``counts``."""
    if len(counts) == 1:
        total = counts[0]
    else:
        total = Counts()
        for part in counts:
            total.add(part)
    if not total.rejects:
        return Tally(
            accepted=total.accepted,
            unanswered=total.unanswered,
            rejects=_NO_REJECTS,
            credited=total.credited,
            work=total.work,
            best=total.best,
        )
    return Tally(
        accepted=total.accepted,
        rejected=total.rejected,
        rejects=dict(total.rejects),
        stale=total.stale,
        duplicate=total.duplicate,
        unanswered=total.unanswered,
        credited=total.credited,
        work=total.work,
        best=total.best,
    )


class Rates(NamedTuple):
    """Hash rates over the three windows."""

    m5: Rate = NO_RATE
    h1: Rate = NO_RATE
    h24: Rate = NO_RATE


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What one worker did on one pool since the slice before: the unit in which history is written."""

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
