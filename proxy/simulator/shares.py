"""The test pool's books: each share with its verdict, tallies per worker, blocks found."""

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum

KEPT_SHARES = 200_000


class Refusal(StrEnum):
    """Why the pool did not accept a share."""

    BAD_PARAMS = "bad_params"
    NOT_SUBSCRIBED = "not_subscribed"
    UNAUTHORIZED = "unauthorized"
    UNKNOWN_JOB = "unknown_job"
    STALE = "stale"
    EXTRANONCE = "extranonce"
    NTIME = "ntime"
    VERSION = "version"
    DUPLICATE = "duplicate"
    LOW_DIFFICULTY = "low_difficulty"
    RAISED = "raised"
    """It met its job's difficulty, and the pool judges by the session's, which it has raised since (public-pool)."""


SPOKEN: dict[Refusal, tuple[int, str]] = {
    Refusal.BAD_PARAMS: (20, "Invalid params"),
    Refusal.NOT_SUBSCRIBED: (25, "Not subscribed"),
    Refusal.UNAUTHORIZED: (24, "Unauthorized worker"),
    Refusal.UNKNOWN_JOB: (21, "Job not found"),
    Refusal.STALE: (21, "Stale"),
    Refusal.EXTRANONCE: (20, "Invalid nonce2 length"),
    Refusal.NTIME: (20, "Ntime out of range"),
    Refusal.VERSION: (20, "Invalid version mask"),
    Refusal.DUPLICATE: (22, "Duplicate"),
    Refusal.LOW_DIFFICULTY: (23, "Above target"),
    Refusal.RAISED: (23, "Difficulty too low"),
}
"""Code and text as ckpool and its kin say them; the last as public-pool does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolShare:
    """One submit and the pool's answer. ``true_difficulty`` None: it never came to hashing."""

    at: float
    session: int
    worker: str
    job_id: str
    difficulty: float
    true_difficulty: float | None = None
    refusal: Refusal | None = None
    hash: str = ""
    block: bool = False

    @property
    def accepted(self) -> bool:
        return self.refusal is None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBlock:
    """A share that met the network's target; ``header`` is 80 bytes, ``coinbase`` without witness."""

    at: float
    worker: str
    height: int
    hash: str
    header: bytes
    coinbase: bytes


@dataclass(slots=True)
class WorkerTally:
    """Counts for one user name. ``work`` is the sum of accepted shares' difficulties."""

    accepted: int = 0
    work: float = 0.0
    best: float = 0.0
    rejected: Counter[Refusal] = field(default_factory=Counter)


@dataclass(slots=True)
class ShareBook:
    """Everything a pool writes down, the last ``KEPT_SHARES`` shares in full."""

    shares: deque[PoolShare] = field(default_factory=lambda: deque(maxlen=KEPT_SHARES))
    workers: dict[str, WorkerTally] = field(default_factory=dict)
    blocks: list[FoundBlock] = field(default_factory=list)

    def record(self, share: PoolShare) -> None:
        self.shares.append(share)
        tally = self.workers.setdefault(share.worker, WorkerTally())
        if share.refusal is not None:
            tally.rejected[share.refusal] += 1
            return
        tally.accepted += 1
        tally.work += share.difficulty
        tally.best = max(tally.best, share.true_difficulty or 0.0)

    @property
    def accepted(self) -> int:
        return sum(tally.accepted for tally in self.workers.values())

    @property
    def rejected(self) -> Counter[Refusal]:
        """Refusals of all workers by reason."""
        return sum((tally.rejected for tally in self.workers.values()), Counter())
