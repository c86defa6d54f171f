"""The one registry of what can happen: metrics, logs, accounting and pages are made from these and nothing else.

An event is a frozen dataclass whose class carries its ``name`` (what users grep for) and ``level``. ``DEBUG`` events
come once a line, share or job. Emit through ``EventStream``; where making the event costs something, ask ``wants``.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar, dataclass_transform

from proxy.core.types import (
    Chain,
    DecidedBy,
    LaneId,
    PoolKey,
    PoolStatus,
    Reason,
    SessionId,
    SwitchReason,
    Verdict,
    WorkerName,
)

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40

REGISTRY: dict[str, type["Event"]] = {}
"""Event name -> class, in the order of this file."""


class Event:
    """Base of all events. Subclasses give ``name`` and, where not INFO, ``level``."""

    __slots__ = ()
    name: ClassVar[str] = ""
    level: ClassVar[int] = INFO


E = TypeVar("E", bound=Event)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(name: str, level: int = INFO) -> Callable[[type[E]], type[E]]:
    """Make a class an event: frozen, slotted, keyword-only, and known to the registry by ``name``."""

    def register(plain: type[E]) -> type[E]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(plain)
        made.name, made.level = name, level
        REGISTRY[name] = made
        return made

    return register


class EventStream:
    """Hands each event to those who asked for its class, in the order they asked, in the same turn of the loop."""

    def __init__(self, on_error: Callable[[Exception, Event], None] | None = None) -> None:
        self._handlers: dict[type[Event], list[Callable[[Event], None]]] = defaultdict(list)
        self._on_error = on_error

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> None:
        """Call ``handler`` for each event of exactly the class ``kind``."""
        self._handlers[kind].append(handler)  # type: ignore[arg-type]

    def unsubscribe(self, kind: type[E], handler: Callable[[E], None]) -> None:
        """Take a subscription back."""
        self._handlers[kind].remove(handler)  # type: ignore[arg-type]

    def wants(self, kind: type[Event]) -> bool:
        """Whether anybody listens to ``kind``."""
        return bool(self._handlers.get(kind))

    def emit(self, event: Event) -> None:
        """Tell everybody. A handler that raises is reported and does not stop the others, nor the sender."""
        for handler in self._handlers.get(type(event), ()):
            try:
                handler(event)
            except Exception as error:
                if self._on_error is None:
                    raise
                self._on_error(error, event)


# --- Miners -------------------------------------------------------------------------------------------------------


@event("miner_connected")
class MinerConnected(Event):
    """A miner opened a connection."""

    session: SessionId
    peer: str


@event("miner_refused", WARNING)
class MinerRefused(Event):
    """A connection was closed at once because a limit is reached."""

    peer: str
    limit: str


@event("miner_disconnected")
class MinerDisconnected(Event):
    """A miner's connection ended."""

    session: SessionId
    worker: WorkerName
    peer: str
    reason: str
    duration_s: float


@event("miner_method", DEBUG)
class MinerMethod(Event):
    """A miner called a method other than submit."""

    session: SessionId
    worker: WorkerName
    method: str


@event("miner_bad_json")
class MinerBadMessage(Event):
    """A miner sent what is no message, or one with wrong types."""

    session: SessionId
    worker: WorkerName
    problem: str


@event("miner_subscribed")
class MinerSubscribed(Event):
    """A miner subscribed and got its extranonce for the life of its connection."""

    session: SessionId
    agent: str
    profile: str
    extranonce1: str
    extranonce2_size: int


@event("miner_configured", DEBUG)
class MinerConfigured(Event):
    """A miner negotiated extensions (BIP 310)."""

    session: SessionId
    extensions: tuple[str, ...]
    version_mask: int


@event("miner_authorized")
class MinerAuthorized(Event):
    """A miner named its worker. ``first`` for the one that the session is known by."""

    session: SessionId
    worker: WorkerName
    user: str
    peer: str
    agent: str
    profile: str
    first: bool


@event("authorize_rewrite", DEBUG)
class AuthorizeRewrite(Event):
    """A miner's user name became a pool's."""

    session: SessionId
    pool: PoolKey
    user: str
    upstream_user: str


@event("miner_ready_for_jobs")
class MinerReady(Event):
    """A miner got its first job."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey


@event("miner_waiting")
class MinerWaiting(Event):
    """A miner is kept connected although there is no work for it; ``reason`` says what to do."""

    session: SessionId
    worker: WorkerName
    reason: str


@event("pool_excluded", WARNING)
class PoolExcluded(Event):
    """A pool can not be used by this miner until it reconnects or something changes."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey
    reason: str


# --- Pools --------------------------------------------------------------------------------------------------------


@event("pool_connecting", DEBUG)
class PoolConnecting(Event):
    """A connection to a pool was started; ``probe`` for one that belongs to no miner."""

    pool: PoolKey
    lane: LaneId
    endpoint: str
    probe: bool
    session: SessionId | None = None


@event("pool_connected")
class PoolConnected(Event):
    """A connection to a pool is open."""

    pool: PoolKey
    lane: LaneId
    endpoint: str
    probe: bool
    latency_ms: float
    session: SessionId | None = None


@event("pool_disconnected")
class PoolDisconnected(Event):
    """An open connection to a pool ended. Every ``PoolConnected`` is followed by exactly one."""

    pool: PoolKey
    lane: LaneId
    reason: str
    wanted: bool
    """Whether we closed it."""
    session: SessionId | None = None


@event("pool_reconnect_wait", DEBUG)
class PoolReconnectWait(Event):
    """The next dial waits for its backoff."""

    pool: PoolKey
    delay_s: float
    session: SessionId | None = None


@event("pool_reconnect_failed")
class PoolReconnectFailed(Event):
    """A dial, or the handshake after it, failed."""

    pool: PoolKey
    endpoint: str
    reason: str
    session: SessionId | None = None


@event("pool_down", WARNING)
class PoolDown(Event):
    """A pool counts as down: its miners work elsewhere."""

    pool: PoolKey
    reason: str


@event("pool_reconnected")
class PoolUp(Event):
    """A pool counts as up. ``down_s`` is 0 for the first time."""

    pool: PoolKey
    down_s: float


@event("pool_state", DEBUG)
class PoolStateChanged(Event):
    """Any change of a pool's operational state."""

    pool: PoolKey
    old: PoolStatus
    new: PoolStatus


@event("subscribe_result", DEBUG)
class SubscribeResult(Event):
    """A pool answered subscribe (or changed the extranonce by itself later)."""

    pool: PoolKey
    lane: LaneId
    extranonce1: str
    extranonce2_size: int
    session: SessionId | None = None


@event("auth_result")
class AuthResult(Event):
    """A pool answered authorize."""

    pool: PoolKey
    lane: LaneId
    user: str
    ok: bool
    message: str
    session: SessionId | None = None


@event("pool_notify", DEBUG)
class PoolNotify(Event):
    """A pool sent a job on one of its connections."""

    pool: PoolKey
    lane: LaneId
    chain: Chain
    job: str
    prevhash: bytes
    """As a header holds it, 32 bytes."""
    version: int
    nbits: int
    ntime: int
    clean: bool
    coinbase1: bytes
    extranonce1: bytes
    extranonce2_size: int
    coinbase2: bytes
    session: SessionId | None = None


@event("pool_diff", DEBUG)
class PoolDifficulty(Event):
    """A pool set the difficulty of a connection, from its next job on."""

    pool: PoolKey
    lane: LaneId
    difficulty: float
    session: SessionId | None = None


@event("pool_version_mask", DEBUG)
class PoolVersionMask(Event):
    """A pool allowed version bits on a connection (0: none)."""

    pool: PoolKey
    lane: LaneId
    mask: int
    session: SessionId | None = None


@event("pool_message")
class PoolMessage(Event):
    """``client.show_message``: a pool's words to its client."""

    pool: PoolKey
    text: str


@event("pool_redirect")
class PoolRedirect(Event):
    """``client.reconnect``; honoured only to the same host or a configured endpoint."""

    pool: PoolKey
    target: str
    honoured: bool


@event("pool_bad_message")
class PoolProtocolError(Event):
    """A pool sent what the protocol does not allow."""

    pool: PoolKey
    lane: LaneId
    problem: str
    session: SessionId | None = None


# --- Work ---------------------------------------------------------------------------------------------------------


@event("pool_switched")
class PoolSwitched(Event):
    """A miner was moved. ``old`` is None for its first pool."""

    session: SessionId
    worker: WorkerName
    old: PoolKey | None
    new: PoolKey
    reason: SwitchReason


@event("failover_emergency_switch", WARNING)
class EmergencySwitch(Event):
    """A miner left a pool because it could not stay."""

    session: SessionId
    worker: WorkerName
    old: PoolKey
    new: PoolKey | None
    """None: no pool has work for it."""
    why: str


@event("switch_skipped_no_cached_job", DEBUG)
class SwitchSkipped(Event):
    """A switch was due, but the pool has no fresh job for this miner yet."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey


@event("job_forwarded", DEBUG)
class JobForwarded(Event):
    """A miner was given a job."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey
    job: str
    pool_job: str
    difficulty: float
    """What the miner was told."""
    pool_difficulty: float
    clean: bool
    age_s: float
    """Seconds since the pool sent it."""
    new_block: bool
    """Whether its prevhash is new to this miner on this pool."""


@event("downstream_send_diff", DEBUG)
class DifficultySent(Event):
    """A miner was told a difficulty. ``pool_difficulty`` differs where a floor or a temporary difficulty holds."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey | None
    difficulty: float
    pool_difficulty: float


@event("submit_route", DEBUG)
class SubmitRouted(Event):
    """A share passed our check and went to the pool that issued its job."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey
    lane: LaneId
    job: str
    pool_job: str


@event("share_result", DEBUG)
class ShareResult(Event):
    """The end of a share: exactly one for each submit of a miner.

    ``difficulty`` is what the miner was told for the job, ``pool_difficulty`` what the pool credits,
    ``true_difficulty`` that of the hash (0 where none could be made). ``pool`` is None when no job of ours was named.
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
    """The pool's own words for a refusal."""
    latency_s: float
    """From the pool's being asked to its answer; 0 if it was not asked."""
    header_hash: bytes
    """32 bytes, most significant first; empty where no hash could be made."""


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


@event("submit_dropped_unknown_jid")
class SubmitUnknownJob(Event):
    """A share named a job that this session does not know (any more)."""

    session: SessionId
    worker: WorkerName
    job: str


@event("submit_dropped_no_job_yet")
class SubmitNoJobYet(Event):
    """A share came before the session's first job."""

    session: SessionId
    worker: WorkerName


@event("submit_dropped_duplicate_fp")
class SubmitDuplicate(Event):
    """A share was sent twice by the miner."""

    session: SessionId
    worker: WorkerName
    job: str


@event("submit_dropped_pool_dead")
class SubmitPoolDead(Event):
    """A share's upstream session has ended, so there is nobody to judge it."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey
    job: str


@event("late_verdict", DEBUG)
class LateVerdict(Event):
    """A pool judged a share after the miner had been told that no answer came; the tallies keep ``unanswered``."""

    pool: PoolKey
    lane: LaneId
    accepted: bool


@event("lines_rx", DEBUG)
class LinesReceived(Event):
    """Lines came in one read. ``pool`` None: from a miner."""

    pool: PoolKey | None
    count: int


@event("lines_tx", DEBUG)
class LinesSent(Event):
    """Lines went out in one write. ``pool`` None: to a miner."""

    pool: PoolKey | None
    count: int


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
    """Raw bytes to or from a pool on a traced miner's lane."""

    session: SessionId
    pool: PoolKey
    direction: str
    line: str


# --- Scheduling ---------------------------------------------------------------------------------------------------


@event("scheduler_tick", DEBUG)
class SchedulerTick(Event):
    """The scheduler decided something."""

    decisions: int
    weights: dict[PoolKey, float]


@event("control_changed")
class ControlChanged(Event):
    """Another source is in control of the weights of (most of) the fleet."""

    source: str
    """``override``, ``auto-balance``, ``schedule``, ``default``, ``none``."""
    detail: str
    weights: dict[PoolKey, float]


@event("weights_override_changed")
class OverrideChanged(Event):
    """The operator moved the slider, switched auto-balance on by hand, or reset (empty weights)."""

    kind: str
    weights: dict[PoolKey, float]
    set_by: str


@event("weights_normalized")
class WeightsNormalized(Event):
    """Weights of a configuration did not sum to 100: they count as parts of their sum."""

    source: str
    """Whose weights: a schedule's name, ``override``."""
    given: dict[PoolKey, float]
    weights: dict[PoolKey, float]
    """In percent."""


@event("failover_weight_override", WARNING)
class FailoverWeights(Event):
    """Targets were recomputed without the pools that are down."""

    weights: dict[PoolKey, float]
    down: tuple[PoolKey, ...]


# --- Auto-balance -------------------------------------------------------------------------------------------------


@event("oracle_poll_start", DEBUG)
class OraclePollStart(Event):
    """A source of network data is asked."""

    source: str


@event("oracle_calc_result")
class OracleResult(Event):
    """Network data became weights (not necessarily acted on)."""

    source: str
    hashrates: dict[str, float]
    """``BTC.short`` -> H/s."""
    ratios: dict[str, float]
    """Chain -> short / long."""
    weights: dict[PoolKey, float]
    reason: str


@event("oracle_weights_applied")
class OracleApplied(Event):
    """Auto-balance moved the weights."""

    weights: dict[PoolKey, float]
    reason: str


@event("oracle_poll_error", WARNING)
class OracleError(Event):
    """A source failed."""

    source: str
    problem: str
    failures: int


@event("oracle_fallback_50_50", WARNING)
class OracleFallback(Event):
    """Three failures: the agreed weights hold until a source answers."""

    weights: dict[PoolKey, float]


# --- Records and payouts ------------------------------------------------------------------------------------------


@event("best_share")
class BestShare(Event):
    """A worker beat its own best share of all time on a chain."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    true_difficulty: float
    previous: float


@event("block_found", WARNING)
class BlockFound(Event):
    """A block candidate's verdict is known."""

    worker: WorkerName
    pool: PoolKey
    chain: Chain
    header_hash: bytes
    accepted: bool


@event("new_block_seen", DEBUG)
class NewBlockSeen(Event):
    """A chain's tip moved, as a pool told it. ``behind_s`` 0 for the first pool that did."""

    pool: PoolKey
    chain: Chain
    height: int
    prevhash: bytes
    nbits: int
    """Of the job on top of it."""
    behind_s: float


@event("pool_behind", WARNING)
class PoolBehind(Event):
    """A pool is late with, or on another tip than, the other pools of its chain."""

    pool: PoolKey
    chain: Chain
    detail: str
    cleared: bool


@event("payout_checked")
class PayoutChecked(Event):
    """A new set of coinbase outputs was decoded."""

    pool: PoolKey
    percent: float
    ok: bool
    outputs: tuple[tuple[str, int], ...]
    """Address or script type, and satoshis."""


# --- The process --------------------------------------------------------------------------------------------------


@event("config_loaded")
class ConfigLoaded(Event):
    """A configuration is in force."""

    revision: int
    pools: tuple[PoolKey, ...]
    changed: tuple[str, ...]


@event("config_refused", ERROR)
class ConfigRefused(Event):
    """A configuration can not be used; the one before goes on."""

    problems: tuple[str, ...]


@event("database_trouble", ERROR)
class DatabaseTrouble(Event):
    """The database can not be read or written; ``recovered`` when it can again."""

    problem: str
    recovered: bool


@event("metrics_started")
class MetricsStarted(Event):
    """The metrics port is open."""

    address: str


@event("dpmp_listening")
class Listening(Event):
    """Miners can connect."""

    address: str


@event("dashboard_started")
class WebStarted(Event):
    """The dashboard can be opened."""

    address: str


@event("session_error", ERROR)
class InternalError(Event):
    """A fault of ours, with where and a traceback; the session it hit is closed, the others go on."""

    where: str
    traceback: str
    session: SessionId | None = None


@event("shutdown_signal")
class ShutdownSignal(Event):
    """The process was asked to end."""

    signal: str


@event("shutdown_begin")
class ShutdownBegin(Event):
    """No new miners; open submits are waited for."""

    sessions: int
    open_submits: int


@event("shutdown_done")
class ShutdownDone(Event):
    """All is written; the process ends."""

    duration_s: float
