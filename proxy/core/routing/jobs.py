"""Jobs as miners know them: our ids, each with the context it was issued under (architecture, decisions 2 to 4)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from proxy.core.routing.lanes import Lane
from proxy.core.stratum.difficulty import target_of_nbits
from proxy.core.stratum.extranonce import MinerExtranonce
from proxy.core.stratum.pooljob import PoolJob
from proxy.core.types import JobId

KEEP_S = 60.0
"""How long a job stays known after a clean job or a switch; its pool judges what comes for it."""
MAX_JOBS = 256
MAX_SHARES_REMEMBERED = 65_536
"""Per job, for the duplicate check."""
MAX_NTIME_ROLL_S = 600
MAX_CONTENTS = 16


@dataclass(slots=True, kw_only=True)
class IssuedJob:
    """A pool's job as one miner got it."""

    id: JobId
    lane: Lane
    job: PoolJob
    filler: bytes
    ntime: int
    difficulty: float
    """What the miner was told."""
    mask: int
    """Version bits that the miner may roll on it."""
    network_target: int
    coinbase_head: Any
    """SHA-256 over the coinbase up to the miner's extranonce, to be copied."""
    prevhash: bytes
    retired_at: float | None = None
    shares: set[tuple[bytes, int, int, int]] = field(default_factory=set)
    """What was submitted for it: extranonce2, ntime, nonce, version bits."""

    def is_new_share(self, key: tuple[bytes, int, int, int]) -> bool:
        """Remember ``key``; False if it had been seen."""
        if key in self.shares:
            return False
        if len(self.shares) >= MAX_SHARES_REMEMBERED:
            self.shares.pop()
        self.shares.add(key)
        return True


class JobTable:
    """The jobs that one miner may submit for; bounded in number and age."""

    def __init__(self, extranonce: MinerExtranonce) -> None:
        self._extranonce = extranonce
        self._jobs: dict[str, IssuedJob] = {}
        self._issued = 0
        self._ntimes: dict[tuple[object, ...], int] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[IssuedJob]:
        return iter(self._jobs.values())

    def find(self, job_id: str) -> IssuedJob | None:
        """The job that the miner knows as ``job_id``."""
        return self._jobs.get(job_id)

    @property
    def any_issued(self) -> bool:
        """Whether this miner ever got a job."""
        return self._issued > 0

    def issue(self, lane: Lane, job: PoolJob, *, difficulty: float, mask: int, now: float) -> IssuedJob:
        """Make ``job`` a job of ours whose search space was never handed out before: another filler, else ntime."""
        filler = lane.filler.take(job.extranonce2_size - self._extranonce.room)
        ntime = job.ntime if filler else self._fresh_ntime(job, now)
        self._issued += 1
        issued = IssuedJob(
            id=JobId(f"{self._issued:x}"), lane=lane, job=job, filler=filler, ntime=ntime, difficulty=difficulty,
            mask=mask, network_target=target_of_nbits(job.nbits), prevhash=job.prevhash,
            coinbase_head=sha256(job.coinb1 + job.extranonce1 + filler + self._extranonce.extranonce1))
        self._forget(now)
        self._jobs[issued.id] = issued
        return issued

    def retire(self, now: float) -> None:
        """A clean job or a switch: what is there stays known for ``KEEP_S``."""
        for issued in reversed(self._jobs.values()):
            if issued.retired_at is not None:
                break
            issued.retired_at = now

    def _fresh_ntime(self, job: PoolJob, now: float) -> int:
        content = job.content
        ntime = job.ntime + int(now - job.received_at)
        last = self._ntimes.pop(content, None)
        if last is not None:
            ntime = max(ntime, last + 1)
        ntime = min(ntime, job.ntime + MAX_NTIME_ROLL_S)
        while len(self._ntimes) >= MAX_CONTENTS:
            del self._ntimes[next(iter(self._ntimes))]
        self._ntimes[content] = ntime
        return ntime

    def _forget(self, now: float) -> None:
        while self._jobs:
            job_id, oldest = next(iter(self._jobs.items()))
            old = oldest.retired_at is not None and now - oldest.retired_at > KEEP_S
            if not old and len(self._jobs) < MAX_JOBS:
                return
            del self._jobs[job_id]


def notify_params(issued: IssuedJob, *, clean: bool) -> list[Any]:
    """``mining.notify`` for the miner: the pool's job with its extranonce1 and our filler moved into coinb1."""
    job = issued.job
    return [
        issued.id,
        job.prevhash_hex,
        (job.coinb1 + job.extranonce1 + issued.filler).hex(),
        job.coinb2.hex(),
        [branch.hex() for branch in job.branches],
        f"{job.version:08x}",
        f"{job.nbits:08x}",
        f"{issued.ntime:08x}",
        clean,
    ]
