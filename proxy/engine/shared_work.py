"""A job of a shared connection as all its miners get it: one id, one search space apart from the prefixes, one line."""

from typing import NamedTuple

from proxy.engine.upstream_connection import UpstreamConnection
from proxy.stratum.pool_job import PoolJob
from proxy.types import JobId

SMALL_PADDING = 1
"""Bytes of padding that come round too soon to tell search spaces apart."""
MAX_NTIME_ROLL_S = 600


class Bounds(NamedTuple):
    """What bounds the difficulty of all miners for a job."""

    pool_difficulty: float
    network_difficulty: float
    """As far as it is to be believed."""
    block_target: int


class SharedWork:
    """One job of one connection; made when it comes."""

    __slots__ = ("before", "bounds", "connection", "id", "is_clean", "is_new_block", "job", "lines", "ntime", "padding")

    def __init__(self, ident: JobId, connection: UpstreamConnection, job: PoolJob, padding: bytes, ntime: int) -> None:
        self.id = ident
        self.connection = connection
        """It issued the job, so it carries the job's shares."""
        self.job = job
        self.padding = padding
        self.ntime = ntime
        self.before: PoolJob | None = None
        """The job before it on this connection, where the two differ in nothing but the work; else None."""
        self.is_new_block = True
        """Whether it is for another block than ``before``."""
        self.is_clean = True
        """Whether it replaces ``before``."""
        self.bounds: Bounds | None = None
        """As of the turn in which it is handed out."""
        self.lines: dict[bool, bytes] = {}
        """``mining.notify``, by whether it is clean; encoded with the first miner that gets it."""

    def follow(self, before: PoolJob) -> None:
        """``before`` was the job before it, on the same connection.

        What a miner is sent beside the job itself (version bits, difficulty) follows from these parts of it, and from
        the miner. A pool that has not said which version bits it takes may say so at any time.
        """
        job = self.job
        if (
            job.version_mask is not None
            and job.version_mask == before.version_mask
            and job.extranonce1 == before.extranonce1
            and job.extranonce2_size == before.extranonce2_size
            and job.template.version == before.template.version
        ):
            self.before = before
            self.is_new_block = job.template.prevhash != before.template.prevhash
            self.is_clean = job.clean or self.is_new_block


class SearchSpaces:
    """What one shared connection has handed out of the jobs of the newest block: by content, the latest ntime.

    Where the padding is too small to tell two issues of a job apart, their ntime does (docs/dev/decisions, 0002).
    """

    __slots__ = ("_ntimes", "_tip")

    def __init__(self) -> None:
        self._tip = b""
        self._ntimes: dict[tuple[bytes, bytes], int] = {}

    def first(self, ident: JobId, connection: UpstreamConnection, job: PoolJob, size: int) -> SharedWork:
        """The job as all miners get it that have not had it; ``size``: bytes of padding."""
        if job.template.prevhash != self._tip:
            self._tip, self._ntimes = job.template.prevhash, {}
        ntime, last = job.template.ntime, self._ntimes.get(job.content)
        if size <= SMALL_PADDING and last is not None:
            ntime = max(ntime, min(last + 1, ntime + MAX_NTIME_ROLL_S))
        self.issued(job, ntime)
        return SharedWork(ident, connection, job, connection.padding.take(size), ntime)

    def issued(self, job: PoolJob, ntime: int) -> None:
        """A miner got the job with ``ntime``."""
        if job.template.prevhash == self._tip:
            self._ntimes[job.content] = max(ntime, self._ntimes.pop(job.content, 0))
            while len(self._ntimes) > 64:
                del self._ntimes[next(iter(self._ntimes))]
