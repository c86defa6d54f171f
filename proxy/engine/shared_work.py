"""A job of a shared connection as all its miners get it: one id, one search space apart from the prefixes, one line."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from proxy.config.snapshot import ConfigSnapshot
from proxy.engine.eligibility import MinerKind
from proxy.engine.upstream_connection import UpstreamConnection
from proxy.stratum.pool_job import JobContent, PoolJob
from proxy.types import JobId, PoolKey, SessionId

if TYPE_CHECKING:
    from proxy.engine.jobs import IssuedJob

SMALL_PADDING = 1
"""Bytes of padding that come round too soon to tell search spaces apart."""
MAX_NTIME_ROLL_S = 600
LineIssue: TypeAlias = tuple[SessionId, JobId]
ContentIssue: TypeAlias = tuple[JobContent, int]
"""A content, and the ntime it was issued with."""


class Bounds(NamedTuple):
    """What bounds the difficulty of all miners for a job."""

    pool_difficulty: float
    network_difficulty: float
    """As far as it is to be believed."""
    block_target: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommonTerms:
    """What miners of a kind have a job by, and the next ones while nothing changes; one object for all of them."""

    bounds: Bounds
    version_mask: int
    """Version bits that they may roll."""
    kind: MinerKind
    """Which pools' jobs they can use depends on."""
    config: ConfigSnapshot


class SharedWork:
    """One job of one connection; made when it comes."""

    __slots__ = (
        "before",
        "connection",
        "handed_out_at",
        "id",
        "is_clean",
        "is_new_block",
        "job",
        "lines",
        "ntime",
        "of_content",
        "of_line",
        "padding",
    )

    def __init__(
        self,
        ident: JobId,
        line_id: SessionId,
        connection: UpstreamConnection,
        job: PoolJob,
        padding: bytes,
        ntime: int,
    ) -> None:
        self.id = ident
        self.of_line: LineIssue = line_id, ident
        """The connection, by whose it is known as; and the job."""
        self.connection = connection
        """It issued the job, so it carries the job's shares."""
        self.job = job
        self.padding = padding
        self.ntime = ntime
        self.of_content: ContentIssue | None = (job.content, ntime) if len(padding) <= SMALL_PADDING else None
        """Where ``ntime`` has to tell it apart from others: from those."""
        self.before: PoolJob | None = None
        """The job before it on this connection, where the two differ in nothing but the work; else None."""
        self.is_new_block = True
        """Whether it is for another block than ``before``."""
        self.is_clean = True
        """Whether it replaces ``before``."""
        self.handed_out_at = 0.0
        """When the first miners got it in their turn (monotonic seconds)."""
        self.lines: dict[bool, bytes] = {}
        """``mining.notify``, by whether it is clean; encoded for the first miner that gets it."""

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


class Turn:
    """What the miners have in common that are given a job in one turn of the loop, on the terms of the last one."""

    __slots__ = ("_bounds", "_config", "held", "is_heard", "job", "key", "line", "now", "work")

    def __init__(
        self,
        work: SharedWork,
        *,
        key: PoolKey,
        bounds: Bounds,
        config: ConfigSnapshot,
        now: float,
        is_heard: bool,
    ) -> None:
        self.work = work
        self.job = work.job
        self.line = notify_line(work, clean=work.is_clean)
        self.key = key
        """Whose job it is."""
        self.now = now
        self.is_heard = is_heard
        """Whether each of them is told (``JobForwarded``)."""
        self._bounds = bounds
        self._config = config
        self.held: CommonTerms | None = None
        """The last ones that were found to hold."""

    def hold(self, terms: CommonTerms) -> bool:
        """Whether nothing that ``terms`` depend on has changed."""
        if (
            terms.config is not self._config
            or terms.bounds != self._bounds
            or self.job.template.verdicts.get(terms.kind) != ""
        ):
            return False
        self.held = terms
        return True


class SearchSpaces:
    """What one shared connection has handed out of the jobs of the newest block: by content, the latest ntime.

    Where the padding is too small to tell two issues of a job apart, their ntime does (docs/dev/decisions, 0002).
    """

    __slots__ = ("_line_id", "_ntimes", "_tip")

    def __init__(self, line_id: SessionId) -> None:
        """``line_id``: as whose the connection is known."""
        self._line_id = line_id
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
        return SharedWork(ident, self._line_id, connection, job, connection.padding.take(size), ntime)

    def issued(self, job: PoolJob, ntime: int) -> None:
        """A miner got the job with ``ntime``."""
        if job.template.prevhash == self._tip:
            self._ntimes[job.content] = max(ntime, self._ntimes.pop(job.content, 0))
            while len(self._ntimes) > 64:
                del self._ntimes[next(iter(self._ntimes))]


def notify_line(issued: "IssuedJob | SharedWork", *, clean: bool) -> bytes:
    """``mining.notify`` for the miner: the pool's job with its extranonce1 and our padding moved into coinb1.

    The text comes ready made from the template; all of it was checked to be hex when the line was read.
    """
    lines = issued.lines
    if lines is not None and clean in lines:
        return lines[clean]
    job = issued.job
    template = job.template
    line = (
        f'{{"id":null,"method":"mining.notify","params":["{issued.id}",{template.opening}'
        f'{job.extranonce1.hex()}{issued.padding.hex()}{template.ending}{issued.ntime:08x}",'
        f"{'true' if clean else 'false'}]}}\n"
    ).encode()
    if lines is not None:
        lines[clean] = line
    return line
