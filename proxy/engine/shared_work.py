"""A job of a shared connection as all its miners get it: one id, one search space apart from the prefixes, one line."""

from proxy.stratum.extranonce import ExtranoncePadding
from proxy.stratum.pool_job import PoolJob
from proxy.types import JobId

SMALL_PADDING = 1
"""Bytes of padding that come round too soon to tell search spaces apart."""
MAX_NTIME_ROLL_S = 600


class SharedWork:
    """One job of one connection; made when it comes."""

    __slots__ = ("id", "job", "lines", "ntime", "padding")

    def __init__(self, ident: JobId, job: PoolJob, padding: bytes, ntime: int) -> None:
        self.id = ident
        self.job = job
        self.padding = padding
        self.ntime = ntime
        self.lines: dict[bool, bytes] = {}
        """``mining.notify``, by whether it is clean; encoded with the first miner that gets it."""


class SearchSpaces:
    """What one shared connection has handed out of the jobs of the newest block: by content, the latest ntime.

    Where the padding is too small to tell two issues of a job apart, their ntime does (docs/dev/decisions, 0002).
    """

    __slots__ = ("_ntimes", "_tip")

    def __init__(self) -> None:
        self._tip = b""
        self._ntimes: dict[tuple[bytes, bytes], int] = {}

    def first(self, ident: JobId, job: PoolJob, padding: ExtranoncePadding, size: int) -> SharedWork:
        """The job as all miners get it that have not had it; ``size``: bytes of padding."""
        if job.template.prevhash != self._tip:
            self._tip, self._ntimes = job.template.prevhash, {}
        ntime, last = job.template.ntime, self._ntimes.get(job.content)
        if size <= SMALL_PADDING and last is not None:
            ntime = max(ntime, min(last + 1, ntime + MAX_NTIME_ROLL_S))
        self.issued(job, ntime)
        return SharedWork(ident, job, padding.take(size), ntime)

    def issued(self, job: PoolJob, ntime: int) -> None:
        """A miner got the job with ``ntime``."""
        if job.template.prevhash == self._tip:
            self._ntimes[job.content] = max(ntime, self._ntimes.pop(job.content, 0))
            while len(self._ntimes) > 64:
                del self._ntimes[next(iter(self._ntimes))]
