"""Jobs, shares, and the lines that carry them."""

from dataclasses import dataclass, field
from math import inf
from typing import ClassVar

from proxy.observe.events.stream import DEBUG, WARNING, Event, event
from proxy.types import Chain, ConnectionId, DecidedBy, PoolKey, Reason, SessionId, SwitchReason, Verdict, WorkerName


@event("pool_switched")
class PoolSwitched(Event):
    """A miner was moved to another pool. ``old``: the pool it worked on last; None for its first."""

    session: SessionId
    worker: WorkerName
    old: PoolKey | None
    new: PoolKey
    reason: SwitchReason


@event("failover_emergency_switch", WARNING)
class EmergencySwitch(Event):
    """A miner had to leave a pool at once."""

    session: SessionId
    worker: WorkerName
    old: PoolKey
    new: PoolKey | None
    """None: no other pool has work for it."""
    why: str


@event("switch_skipped_no_cached_job", DEBUG)
class SwitchSkipped(Event):
    """A switch was due, but the new pool has no current job for this miner yet."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey


@event("job_forwarded", DEBUG)
class JobForwarded(Event):
    """A job was sent to a miner."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey
    job: str
    pool_job: str
    difficulty: float
    """The one sent to the miner."""
    pool_difficulty: float
    clean: bool
    age_s: float
    """Seconds since the pool sent it."""
    new_block: bool
    """Whether its prevhash is new to this miner on this pool."""


@dataclass(slots=True, kw_only=True)
class JobsForwarded(Event):
    """Jobs of one pool that were sent to miners, for those who only count them. Not in the registry: no part of the
    log."""

    name: ClassVar[str] = "jobs_forwarded"
    pool: PoolKey
    number: int = 0
    waits_s: list[float] = field(default_factory=list)
    """How long miners that work there waited for it, since the pool sent it. Not of a job that was kept for a switch,
    or issued a second time: that is old by intention."""
    new_block_waits_s: list[float] = field(default_factory=list)
    """The same, where it was the first job of a block."""


@event("downstream_send_diff", DEBUG)
class DifficultySent(Event):
    """A difficulty was sent to a miner. ``pool_difficulty`` differs where a floor or a temporary difficulty applies."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey | None
    difficulty: float
    pool_difficulty: float


@event("submit_route", DEBUG)
class SubmitRouted(Event):
    """A share passed the check and was forwarded to the pool that issued its job."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey
    connection: ConnectionId
    job: str
    pool_job: str


@event("share_result", DEBUG)
class ShareResult(Event):
    """The end of a share: exactly one for each submit of a miner.

    ``difficulty`` is the one sent to the miner for the job, ``pool_difficulty`` what the pool credits,
    ``true_difficulty`` that of the hash (0 where none could be made). ``pool`` is None when the job is unknown.
    """

    session: SessionId
    worker: WorkerName
    pool: PoolKey | None
    job: str
    difficulty: float
    pool_difficulty: float
    true_difficulty: float
    verdict: Verdict
    reason: Reason
    decided_by: DecidedBy
    message: str
    """The pool's error message."""
    latency_s: float
    """Seconds from forwarding to the pool's answer; 0 if it was not forwarded."""
    header_hash: bytes
    """32 bytes, most significant first; empty where no hash could be made."""


@dataclass(slots=True, kw_only=True)
class AcceptedShares(Event):
    """Accepted shares of one job within one second, in place of their ``ShareResult``s for those who only count.

    Each of them was decided by the pool (but for ``work_only``), and none is a block or a record. Not in the registry:
    no part of the log.
    """

    name: ClassVar[str] = "accepted_shares"
    session: SessionId
    worker: WorkerName
    pool: PoolKey
    difficulty: float
    pool_difficulty: float
    number: int = 0
    work_only: int = 0
    """Shares on a shared connection that only proved work: not part of ``number``, no pool was asked."""
    proven: int = 0
    """How many reached ``difficulty``: a block below it is accepted as well, and proves nothing."""
    best: float = 0.0
    """Their largest true difficulty."""
    last_at: float = 0.0
    """Monotonic seconds of the last one."""
    proven_at: float = 0.0
    """The same of the last one that reached ``difficulty``."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from forwarding to the pool's answer, of each."""
    least_remarkable: float = inf
    """Shares above this true difficulty are told by themselves."""


@event("block_candidate", WARNING)
class BlockCandidate(Event):
    """A share's hash meets the network target. Emitted before it is forwarded; its ``ShareResult`` follows."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey
    chain: Chain
    job: str
    header: bytes
    """80 bytes."""
    header_hash: bytes
    coinbase: bytes
    merkle_branches: tuple[bytes, ...]
    nbits: int
    true_difficulty: float
    network_difficulty: float
    endpoint: str = ""
    """The server whose job it solves."""
    pool_session: str = ""
    """The id by which the pool may resume the session; empty where it names none."""
    extranonce1: bytes = b""
    """The pool's."""
    submit: tuple[str | int, ...] = ()
    """Parameters of `mining.submit`, the user name first."""


@event("block_candidates_left_out", WARNING)
class BlockCandidatesLeftOut(Event):
    """A pool had more block candidates than are written down; these went up as ordinary shares."""

    pool: PoolKey
    count: int
    """In the last minute."""


@event("submit_dropped_unknown_jid", limited=True)
class SubmitUnknownJob(Event):
    """A share names a job that this session does not know, or no longer."""

    session: SessionId
    worker: WorkerName
    job: str


@event("submit_dropped_no_job_yet", limited=True)
class SubmitNoJobYet(Event):
    """A share came before the session's first job."""

    session: SessionId
    worker: WorkerName


@event("submit_dropped_duplicate_fp", limited=True)
class SubmitDuplicate(Event):
    """A share was sent twice by the miner."""

    session: SessionId
    worker: WorkerName
    job: str


@event("submit_dropped_pool_dead", limited=True)
class SubmitPoolDead(Event):
    """A share's upstream session has ended, so no pool can check it."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey
    job: str


@event("late_verdict", DEBUG)
class LateVerdict(Event):
    """A pool answered a share after its time-out. It stays counted as ``unanswered``."""

    pool: PoolKey
    connection: ConnectionId
    accepted: bool


@event("downstream_tx", DEBUG)
class DownstreamTraffic(Event):
    """Raw bytes to or from a traced miner; emitted only while tracing is on."""

    session: SessionId
    worker: WorkerName
    direction: str
    """``rx`` or ``tx``."""
    line: str


@event("upstream_tx", DEBUG)
class UpstreamTraffic(Event):
    """Raw bytes to or from a pool on a traced miner's connection."""

    session: SessionId
    pool: PoolKey
    direction: str
    line: str
