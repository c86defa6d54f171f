"""Jobs as miners know them: our ids, each with the context it was issued under (docs/dev/decisions, 0001, 0002)."""

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from proxy.engine.plain_share import PlainWork, plain_work_of
from proxy.engine.pool_link import PoolLink
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.shared_link import SharedLink
from proxy.engine.shared_work import MAX_NTIME_ROLL_S, SMALL_PADDING, CommonTerms, ContentIssue, LineIssue, SharedWork
from proxy.engine.upstream_connection import UpstreamConnection
from proxy.stratum.extranonce import MinerExtranonce
from proxy.stratum.pool_job import JobContent, PoolJob
from proxy.types import JobId, SessionId

if TYPE_CHECKING:
    from hashlib import _Hash

KEEP_S = 60.0
"""How long a job stays known after a clean job or a switch; its pool decides what comes for it."""
MAX_JOBS = 256
FEW_SHARES = 16
MAX_SHARES_REMEMBERED = 8_192
"""Per job, for the duplicate check."""
SPARE_SHARES = MAX_SHARES_REMEMBERED // 8
"""With room for no more than these a miner gets another job, before shares of it have to be refused."""
MAX_SHARES_OF_SESSION = 16_384
"""Over all jobs with more than ``FEW_SHARES``, looked at with each new one: two hours at two shares a second, and 2 MB.
The oldest jobs' go first."""
FORGOTTEN = frozenset({b""})
"""In place of a job's shares that were forgotten; its element, which is no share, stays among those that follow."""
_three_words = struct.Struct(">LLL").pack
MOST_PREPARED = 2
"""Jobs for which it is kept what their plain shares are checked with, half a kilobyte each: a dozen are known of a
miner at work, and hardly any share is late by more than one."""
MAX_CONTENTS = 16
Issue = TypeVar("Issue", bound=ContentIssue | LineIssue)
MinerLink: TypeAlias = PoolLink | SharedLink
"""A miner's way to a pool."""


@dataclass(slots=True, kw_only=True, eq=False)
class IssuedJob:
    """A pool's job as one miner got it; as a key it stands for itself."""

    id: JobId
    connection: UpstreamConnection
    """It issued the job, so it carries the job's shares."""
    productive: ProductiveDifficulty
    """The miner's on that pool."""
    job: PoolJob
    padding: bytes
    ntime: int
    difficulty: float
    """As assigned to the miner."""
    version_mask: int
    """Version bits that the miner may roll on it."""
    extranonce1: bytes
    """The miner's."""
    block_target: int
    """A hash up to it solves a block."""
    shares: bytes | set[bytes] | frozenset[bytes] = b""
    """``key`` of what went up for it. A few stand one behind the other: 16 bytes each, in place of 64 and more. What
    ``in`` finds there may be made of parts of two, so ``has_gone_up`` looks where each begins."""
    shared: SharedLink | None = None
    """Through which a miner on a shared connection got it; it takes what proves the miner's rate."""
    lines: dict[bool, bytes] | None = None
    """``SharedWork.lines`` where the miner got it as all do."""
    _head: "_Hash | None" = None
    plain: PlainWork | None = None
    """What its plain shares are checked with, prepared with the first of them; None where it has none."""
    _is_looked_at: bool = False
    """Whether it is known if its shares can be checked on the short way."""

    def key(self, extranonce2: bytes, ntime: int, nonce: int, version: int) -> bytes:
        """What tells two of its shares apart; ``version`` as hashed. In one piece, for thousands are remembered."""
        return extranonce2 + _three_words(ntime, nonce, version ^ self.job.template.version)

    def has_gone_up(self, key: bytes) -> bool:
        """Whether this share was given to the pool before."""
        shares = self.shares
        if isinstance(shares, bytes) and key in shares:
            return any(shares[at : at + len(key)] == key for at in range(0, len(shares), len(key)))
        return key in shares

    def went_up(self, key: bytes) -> None:
        """Remember a share; what was refused here is not remembered, it would be refused again."""
        shares = self.shares
        if isinstance(shares, bytes):
            size, shares = len(key), shares + key
            few = len(shares) <= FEW_SHARES * size
            self.shares = shares if few else {shares[at : at + size] for at in range(0, len(shares), size)}
            return
        if isinstance(shares, frozenset):
            shares = self.shares = set(shares)
        if len(shares) >= MAX_SHARES_REMEMBERED:
            shares.pop()
        shares.add(key)

    @property
    def room(self) -> int:
        """How many more of its shares can be remembered; 0 where some were forgotten."""
        shares = self.shares
        if isinstance(shares, bytes):
            return MAX_SHARES_REMEMBERED
        return 0 if b"" in shares else MAX_SHARES_REMEMBERED - len(shares)

    def prepare(self) -> PlainWork | None:
        """``plain``, from the first share on."""
        if not self._is_looked_at:
            self.plain, self._is_looked_at = plain_work_of(self), True
        return self.plain

    def unprepare(self) -> None:
        """Give back what was prepared; a share that comes all the same has it prepared again."""
        self.plain = self._head = None
        self._is_looked_at = False

    @property
    def coinbase_head(self) -> "_Hash":
        """SHA-256 so far of the coinbase up to the miner's extranonce2: to be copied."""
        head = self._head
        if head is None:
            head = self._head = sha256(
                self.job.template.coinb1 + self.job.extranonce1 + self.padding + self.extranonce1
            )
        return head

    def coinbase_hash(self, extranonce2: bytes) -> bytes:
        """SHA-256 of the coinbase with the miner's ``extranonce2``, once; what comes before it is hashed only once."""
        whole = self.coinbase_head.copy()
        whole.update(extranonce2 + self.job.template.coinb2)
        return whole.digest()


@dataclass(slots=True, kw_only=True)
class IssueTerms:
    """What a miner on a shared connection had its last job by, and has the next ones while nothing changes."""

    link: SharedLink
    common: CommonTerms
    suitable: float
    """What suited it."""
    difficulty: float
    """What it was assigned."""


class JobTable:
    """The jobs that one miner may submit for; bounded in number and age.

    A share for a job that was forgotten (``KEEP_S`` after a clean job or a switch, or ``MAX_JOBS`` newer ones) cannot
    be checked: what its header was made of is gone. So it is refused as unknown even if it should solve the network.
    That costs no block that was to be had: after a clean job for a new block, what is found for the old one is an
    orphan within seconds; after any other, firmware drops old work at once or within its own queue, far below
    ``KEEP_S``. The oldest go first, so a pool that floods the table with jobs takes away its own, or those of a pool
    that the miner has left.
    """

    __slots__ = (
        "_by_id",
        "_extranonce",
        "_issued",
        "_next",
        "_ntimes",
        "_prepared",
        "_retired",
        "_session",
        "_shared",
        "last",
        "terms",
    )

    def __init__(self, extranonce: MinerExtranonce, session: SessionId) -> None:
        """Ids begin with part of ``session``: another for each connection, for cgminer sends old shares again on a new
        one."""
        self.last: PoolJob | None = None
        """The job that the miner was sent last, as its pool sent it."""
        self.terms: IssueTerms | None = None
        """How it was issued, where the next one may be issued alike."""
        self._next: SharedWork | None = None
        """That job, where it was issued on ``terms`` and is still to be entered: whatever looks at the jobs enters it
        first. A miner in a fleet waits for less that way."""
        self._extranonce = extranonce
        self._session = session
        self._by_id: dict[str, IssuedJob | tuple[SharedWork, IssueTerms]] = {}
        """By the id that the miner knows, the oldest first. One that was sent on the terms of the job before is made
        with its first share: most never see any."""
        self._issued = 0
        """How many the miner ever got."""
        self._retired: tuple[float, ...] = ()
        """When jobs were retired, and how many the miner had got by then, in turn; the oldest first."""
        self._ntimes: tuple[ContentIssue, ...] = ()
        """The last ntime of each content that it had."""
        self._prepared: tuple[IssuedJob, ...] = ()
        """For which ``plain`` is kept, the oldest first."""
        self._shared: tuple[LineIssue, ...] = ()
        """The last job that it got as all miners of a shared connection did, of each connection."""

    def __len__(self) -> int:
        self.enter()
        return len(self._by_id)

    def find(self, job_id: str) -> IssuedJob | None:
        """The job that the miner knows as ``job_id``."""
        if self._next is not None:
            self.enter()
        issued = self._by_id.get(job_id)
        if isinstance(issued, tuple):
            issued = self._by_id[job_id] = self._made(*issued)
            self._forget_shares()
        return issued

    def prepare(self, issued: IssuedJob) -> PlainWork | None:
        """``issued.plain``, prepared where it was not."""
        work = issued.prepare()
        if work is not None:
            prepared = (*self._prepared, issued)
            if len(prepared) > MOST_PREPARED:
                prepared[0].unprepare()
            self._prepared = prepared[-MOST_PREPARED:]
        return work

    @property
    def lowest_difficulty(self) -> float:
        """The lowest one that a job still known was issued at: what a miner may work at that has not heard of more.

        Some firmware (Avalon) takes a new difficulty over only after many seconds.
        """
        self.enter()
        return min(
            (each[1].difficulty if isinstance(each, tuple) else each.difficulty for each in self._by_id.values()),
            default=0.0,
        )

    def is_newest(self, issued: IssuedJob) -> bool:
        """Whether the miner has got no job after ``issued``."""
        self.enter()
        return next(reversed(self._by_id)) == issued.id

    @property
    def any_issued(self) -> bool:
        """Whether this miner ever got a job."""
        return self._issued > 0

    def issue(
        self, link: MinerLink, job: PoolJob, *, difficulty: float, version_mask: int, block_target: int, now: float
    ) -> IssuedJob:
        """Make ``job`` a job of ours whose search space was never handed out before: another padding, else ntime.

        On a shared connection it is the one that all get, the first time; the miner's prefix tells them apart.
        """
        connection = link.connection
        assert connection is not None, "a link with a job has a connection"
        self.enter()
        work = link.work
        if work is not None and work.job is job and self._may_have(work):
            ident, padding, ntime = work.id, work.padding, work.ntime
        else:
            work, ident = None, JobId(f"{((self._session & 0xFFFF) << 16) + self._issued + 1:x}")
            padding = connection.padding.take(job.extranonce2_size - self._extranonce.room)
            tells_apart = len(padding) > (SMALL_PADDING if link.is_shared else 0)
            ntime = job.template.ntime if tells_apart else self._fresh_ntime(job, now)
            if isinstance(link, SharedLink):
                link.had(job, ntime)
        issued = IssuedJob(
            id=ident,
            connection=connection,
            productive=link.productive,
            job=job,
            padding=padding,
            ntime=ntime,
            difficulty=difficulty,
            version_mask=version_mask,
            extranonce1=self._extranonce.extranonce1,
            block_target=block_target,
            shared=link if isinstance(link, SharedLink) else None,
            lines=work.lines if work is not None else None,
        )
        self._forget_shares()
        self._add(issued.id, issued, now)
        return issued

    def issue_next(self, work: SharedWork) -> bool:
        """Issue the job that all get on ``terms``; False where the miner had its search space."""
        if self._next is not None:
            self.enter()
        if work.of_content is not None and not self._is_later(work):
            return False
        self.last, self._next = work.job, work
        return True

    def enter(self) -> None:
        """Enter the job that was issued last, if that is still to be done."""
        work, terms = self._next, self.terms
        if work is None:
            return
        assert terms is not None, "they are changed by ``change_terms``"
        self._next = None
        self._note_shared(work)
        if work.is_clean:
            self._retire(work.handed_out_at)
        self._add(work.id, (work, terms), work.handed_out_at)

    def change_terms(self, terms: IssueTerms | None) -> None:
        """The next job may be issued on ``terms``; None: it is to be looked at what the miner gets it by."""
        self.enter()
        self.terms = terms

    def suits(self, difficulty: float) -> None:
        """That suits the miner: where it is something else than before, the next job is issued by it."""
        if self.terms is not None and self.terms.suitable != difficulty:
            self.change_terms(None)

    def retire(self, now: float) -> None:
        """A clean job or a switch: what is there stays known for ``KEEP_S``."""
        self.enter()
        self._retire(now)

    def _retire(self, now: float) -> None:
        if self._issued > (self._retired[-1] if self._retired else 0):
            self._retired += (now, self._issued)

    def _may_have(self, work: SharedWork) -> bool:
        """Whether the miner never had the search space that all get; remembers that it has now."""
        if work.of_line in self._shared or not self._is_later(work):
            return False
        self._note_shared(work)
        return True

    def _is_later(self, work: SharedWork) -> bool:
        """Whether the ntime of a job tells it apart from all that the miner had, where that has to."""
        last = self._last_ntime(work.of_content[0]) if work.of_content is not None else None
        return last is None or last < work.ntime

    def _note_shared(self, work: SharedWork) -> None:
        """The miner has the search space that all get."""
        if work.of_content is not None:
            self._ntimes = _with(self._ntimes, work.of_content)
        self._shared = _with(self._shared, work.of_line)

    def _fresh_ntime(self, job: PoolJob, now: float) -> int:
        content = job.content
        ntime = job.template.ntime + int(now - job.received_at)
        last = self._last_ntime(content)
        if last is not None:
            ntime = max(ntime, last + 1)
        ntime = min(ntime, job.template.ntime + MAX_NTIME_ROLL_S)
        self._ntimes = _with(self._ntimes, (content, ntime))
        return ntime

    def _last_ntime(self, content: JobContent) -> int | None:
        return next((ntime for each, ntime in self._ntimes if each == content), None)

    def _add(self, ident: JobId, job: IssuedJob | tuple[SharedWork, IssueTerms], now: float) -> None:
        """Take in a job; what is too old, or too much, goes."""
        jobs, retired = self._by_id, self._retired
        first, old = self._issued - len(jobs), 0
        while retired and (retired[1] <= first or now - retired[0] > KEEP_S):
            old, retired = int(retired[1]), retired[2:]
        self._retired = retired
        for _ in range(max(old - first, len(jobs) - MAX_JOBS + 1)):
            del jobs[next(iter(jobs))]
        jobs[ident] = job
        self._issued += 1

    def _made(self, work: SharedWork, terms: IssueTerms) -> IssuedJob:
        link = terms.link
        return IssuedJob(
            id=work.id,
            connection=work.connection,
            productive=link.productive,
            job=work.job,
            padding=work.padding,
            ntime=work.ntime,
            difficulty=terms.difficulty,
            version_mask=terms.common.version_mask,
            extranonce1=self._extranonce.extranonce1,
            block_target=terms.common.bounds.block_target,
            shared=link,
            lines=work.lines,
        )

    def _forget_shares(self) -> None:
        """Give the memory back of what is too much; such a share would go up again, and its pool refuses it.

        What no pool sees is refused here: a job that has forgotten shares takes no more that only prove work.
        """
        left = MAX_SHARES_OF_SESSION
        for issued in reversed(self._by_id.values()):
            if isinstance(issued, IssuedJob) and isinstance(issued.shares, set):  # few have so many
                left -= len(issued.shares)
                if left < 0:
                    issued.shares = FORGOTTEN


def _with(issues: tuple[Issue, ...], latest: Issue) -> tuple[Issue, ...]:
    """``issues`` with ``latest`` as the last one, in place of another one of its key; bounded, the oldest go."""
    return (*[each for each in issues if each[0] != latest[0]][1 - MAX_CONTENTS :], latest)
