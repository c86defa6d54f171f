"""The read model: what pages, metrics and the API may know of the running proxy, as frozen values.

One ``LiveSnapshot`` is built at most twice a second by ``proxy.observe.live.snapshot`` and handed to everybody. Rates
are H/s, difficulties plain numbers, times unix seconds unless the name says ``_s`` (seconds) or ``_ms``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.history.counters import NO_SHARES, Tally
from proxy.history.switch_cost import SwitchCost
from proxy.observe.live.moves import Moves, ShareSum
from proxy.types import AdminStatus, Chain, ListenerId, PoolKey, PoolStatus, SessionId, Waste, WorkerName


class RateView(NamedTuple):
    """A hash rate with its 95 % interval; ``known`` is False before the first share."""

    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    known: bool = False
    span_s: float = 0.0
    """Seconds that it covers; less than its window while nobody has watched for as long."""


UNKNOWN_RATE = RateView()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something a person should know now."""

    level: str
    """``warn`` or ``bad``."""
    text: str
    subject: str = ""
    """Pool key or worker name, for a link."""
    kind: str = ""
    """``pool``, ``worker``, ``config``, ``database``, ``payout``, ``chain``, ``clock``, ``limit``, ``node``."""
    since: float = 0.0
    nodes: tuple[str, ...] = ()
    """Nodes that it holds for, by name; empty: for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedView:
    """A pool's connections that many miners have together."""

    connections: int = 0
    miners: int = 0
    """With a place on one of them, whether they work there now or elsewhere."""
    waiting: int = 0
    """For whom there is no place; they work on other pools, if at all."""
    apart: int = 0
    """That keep connections of their own until they connect anew: they did before connections were shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOnNode:
    """What one of several nodes has of a pool."""

    node: str
    status: PoolStatus
    reason: str = ""
    miners: int = 0
    connections: int = 0
    rate: RateView = UNKNOWN_RATE
    """Of its miners that work there now."""
    latency_ms: float | None = None
    """The median of its answers to this node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """One pool as it is now."""

    key: PoolKey
    name: str
    chain: Chain
    status: PoolStatus
    admin: AdminStatus
    colour: int
    """Index into the palette, the same everywhere."""
    reason: str = ""
    """Why it is down, in plain words."""
    since: float = 0.0
    """Since when it has had this status."""
    endpoint: str = ""
    weight: float = 0.0
    """Configured part of the whole, 0..1, of what is in control."""
    target: float = 0.0
    """Part it should get now, pools that are down left out."""
    miners: int = 0
    connections: int = 0
    rate: RateView = UNKNOWN_RATE
    """Of the miners that work on it now."""
    delivered_5m: RateView = UNKNOWN_RATE
    """What its shares of the last five minutes prove, of whichever miners."""
    difficulty: float = 0.0
    """Last set by the pool on any connection."""
    latency_ms: float | None = None
    latency_p90_ms: float | None = None
    latency_p99_ms: float | None = None
    counts: Tally = NO_SHARES
    """Shares of all time."""
    jobs: int = 0
    last_share_at: float | None = None
    last_job_at: float | None = None
    job_gap_s: float | None = None
    """The usual time between two jobs on one connection; None until two were heard."""
    height: int | None = None
    network_difficulty: float | None = None
    last_block_at: float | None = None
    block_delay_ms: float | None = None
    """Behind the first pool of its chain at the last block; 0: it was first; None: alone."""
    effort: float | None = None
    """Work since the last block found here / network difficulty."""
    payout_percent: float | None = None
    payout_ok: bool | None = None
    extranonce2_size: int | None = None
    version_mask: int | None = None
    time_share: float = 0.0
    """Part of all miner-seconds, 0..1."""
    time_sum_s: float = 0.0
    """Miner-seconds spent on it."""
    waiting_miners: int = 0
    """Excluded from this pool, each with a reason on its own page."""
    shared: SharedView | None = None
    """None where each miner has a connection of its own, and none is shared any more."""
    nodes: tuple[PoolOnNode, ...] = ()
    """By node, where there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """One connection of a miner."""

    session: SessionId
    peer: str = ""
    """Address without port."""
    agent: str = ""
    firmware: str = ""
    """The profile's plain name, for example ``Bitaxe``."""
    connected_at: float | None = None
    pool: PoolKey | None = None
    difficulty: float = 0.0
    """The miner's assigned difficulty; 0 before the first."""
    extranonce1: str = ""
    extranonce2_size: int | None = None
    version_mask: int | None = None
    """Version bits that it may roll; None where none were negotiated."""
    suggested_difficulty: float | None = None
    waiting: str = ""
    """Why it has no work; empty while it works."""
    listener: str = ""
    """The port that it came through, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """One worker, by name; it may have several connections or none."""

    name: WorkerName
    connections: int
    agent: str = ""
    firmware: str = ""
    """The profile's plain name, for example ``Bitaxe``."""
    peer: str = ""
    """Address without port."""
    pool: PoolKey | None = None
    pinned: PoolKey | None = None
    rate_5m: RateView = UNKNOWN_RATE
    rate_1h: RateView = UNKNOWN_RATE
    rate_24h: RateView = UNKNOWN_RATE
    day_line: bytes = b""
    """Work of the last day in half hours, oldest first, as parts of the best of them (255); empty without any."""
    shares_per_s: float = 0.0
    shares_aim: float | None = None
    """Shares a minute that the proxy's difficulty aims at, over all its connections; None while pools decide."""
    difficulty: float = 0.0
    counts: Tally = NO_SHARES
    """Shares of all time."""
    by_pool: Mapping[PoolKey, float] = field(default_factory=dict)
    """Accepted difficulty by pool."""
    best: float = 0.0
    connected_at: float | None = None
    last_share_at: float | None = None
    last_seen_at: float | None = None
    """Of one that is away; one that is connected is seen at the snapshot's own time (this: when its row was made)."""
    waiting: str = ""
    """Why it has no work, and what to do; empty while it works."""
    excluded: Mapping[PoolKey, str] = field(default_factory=dict)
    extranonce1: str = ""
    extranonce2_size: int | None = None
    version_mask: int | None = None
    suggested_difficulty: float | None = None
    control: str = ""
    """What controls where the worker mines, in words."""
    listener: str = ""
    """The port that its newest connection came through, by name."""
    sessions: tuple[SessionView, ...] = ()
    """Its newest connections, oldest of them first; ``connections`` counts them all."""
    node: str = ""
    """The node that it is connected to, several with a comma between; empty where there is one process."""


class WorkerOutline(NamedTuple):
    """What alert rules need of a worker, as one object, for it is made of thousands every few seconds.

    All of it means what it does in ``WorkerView``.
    """

    name: WorkerName
    connections: int
    good: int
    """Shares of all time, as are the refused ones."""
    rejected: int
    connected_at: float | None
    last_share_at: float | None
    waiting: str
    difficulty: float
    rate_1h: RateView
    rate_24h: RateView
    """Both at most a minute old."""
    stamp: int
    """The accounting's, when it was made."""
    rates_at: float
    """When the rates were made, in monotonic seconds."""

    @property
    def counts(self) -> "WorkerOutline":
        """Itself: ``good`` and ``rejected``."""
        return self

    @property
    def last_seen_at(self) -> float | None:
        """Of one that is away."""
        return self.last_share_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlView:
    """Who is in control of the fleet's weights."""

    source: str = "none"
    """``override``, ``auto-balance``, ``schedule``, ``default`` or ``none``."""
    detail: str = ""
    mode: str = ""
    weights: Mapping[PoolKey, float] = field(default_factory=dict)
    """Normalised to 1."""
    schedule_id: int | None = None
    set_by: str = ""
    since: float | None = None
    until: float | None = None
    policy: str = ""
    min_switch_s: float = 0.0
    follows_in_s: float = 0.0
    """How long until the split has followed the last change; 0 when it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPart:
    """One pool's part of the validated work in a span, with the half-width of its 95 % interval."""

    pool: PoolKey
    delivered: float
    error: float
    wanted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitView:
    """Delivered against wanted in a span."""

    label: str
    """``change`` (since the last change of weights), ``hour``, ``day``."""
    since: float
    parts: tuple[SplitPart, ...] = ()
    work: float = 0.0
    """Difficulty that all parts stand for together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostlyView:
    """An address that is slowed down or refused, for sending too much that earns nothing."""

    address: str
    until: float | None
    """Unix seconds until which it is refused; None: it is not."""
    slowed: int
    """Connections that are read slowly."""
    what: Waste
    """What it sent most of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerView:
    """A port for miners as it is now."""

    id: ListenerId
    name: str
    address: str
    """``host:port``: where it is open, else as configured."""
    is_open: bool
    enabled: bool = True
    tls: bool = False
    behind_balancer: bool = False
    """Whether connections of load balancers begin with a header of the PROXY protocol."""
    problem: str = ""
    """Why it is not open, in plain words."""
    miners: int = 0
    """Connections."""
    row: int | None = None
    """In the table of listeners; None: of the proxy settings alone."""
    port: int = 0
    """As configured."""
    needs_password: bool = False
    """Whether miners need the access password."""
    directives: tuple[str, ...] = ()
    """What a miner may ask for in its password: ``d``, ``p``, ``s``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One of several processes that mine together, as it was last heard."""

    name: str
    host: str = ""
    version: str = ""
    state: str = ""
    """``working``, ``draining``, ``silent`` (not heard for long), ``unreadable`` (of another version)."""
    leads: bool = False
    """Whether it does what is done once for all nodes."""
    started_at: float = 0.0
    heard_at: float = 0.0
    """By the clock of whoever heard it."""
    connections: int = 0
    workers: int = 0
    """With a connection."""
    rate_5m: RateView = UNKNOWN_RATE
    rate_1h: RateView = UNKNOWN_RATE
    part: float | None = None
    """Of the work of the last hour, 0..1; None while there is none."""
    miner_address: str = ""
    config_revision: int = 0
    """The configuration that is in force there."""
    trouble: str = ""
    """With the database, in plain words."""

    @property
    def is_heard(self) -> bool:
        """Whether its miners are shown."""
        return self.state in ("working", "draining")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSnapshot:
    """Everything about now."""

    revision: int
    at: float
    started_at: float
    version: str = ""
    pools: tuple[PoolView, ...] = ()
    workers: tuple[WorkerView, ...] = ()
    outlines: tuple[WorkerOutline, ...] | None = None
    """Where nobody looks at the rows of ``workers``. Those are of an earlier snapshot then, as is what else takes a
    look at all miners: pools' targets and miners, control, alarms, moves, marks. None: all is of this moment."""
    control: ControlView = ControlView()
    splits: tuple[SplitView, ...] = ()
    rate_5m: RateView = UNKNOWN_RATE
    rate_1h: RateView = UNKNOWN_RATE
    rate_24h: RateView = UNKNOWN_RATE
    spark: tuple[tuple[float, Mapping[PoolKey, float]], ...] = ()
    """The last hour by minute: (start, pool -> H/s)."""
    sessions: int = 0
    last_difficulty: float = 0.0
    """Last sent to any miner."""
    counts: Tally = NO_SHARES
    """Shares of all time."""
    alarms: tuple[Alarm, ...] = ()
    miner_address: str = ""
    """``host:port`` where miners connect, as far as the process knows."""
    listeners: tuple[ListenerView, ...] = ()
    """All ports for miners, those of the proxy settings first."""
    hashes_per_difficulty: float = float(2**32)
    demo: bool = False
    config_problems: tuple[str, ...] = ()
    config_revision: int = 0
    """The configuration that is in force."""
    command_line: Mapping[str, str | int] = field(default_factory=dict)
    """Settings that the command line replaced, by their columns' names."""
    switch_costs: tuple[SwitchCost, ...] = ()
    """By firmware, since the process started."""
    costly: tuple[CostlyView, ...] = ()
    monotonic: float = 0.0
    """``at`` on the loop's clock, which ``moves`` are in."""
    moves: Mapping[WorkerName, Moves] = field(default_factory=dict)
    marks: Mapping[WorkerName, ShareSum] = field(default_factory=dict)
    """Each worker's shares half an hour to an hour ago."""
    nodes: tuple[NodeView, ...] = ()
    """By name; empty where there is one process that knows of no others."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Read models of other parts: ``balance`` (BalanceView), ``chain``, ``records``."""

    @property
    def watched(self) -> Sequence[WorkerView] | Sequence[WorkerOutline]:
        """All workers of this moment, as far as alert rules need them."""
        return self.workers if self.outlines is None else self.outlines

    def pool(self, key: str) -> PoolView | None:
        """The pool with ``key``, if it is configured."""
        return next((pool for pool in self.pools if pool.key == key), None)

    def worker(self, name: str) -> WorkerView | None:
        """The worker called ``name``, if it is known."""
        return next((worker for worker in self.workers if worker.name == name), None)


class LiveStore:
    """Where the newest snapshot stands."""

    def __init__(self) -> None:
        self._current: LiveSnapshot | None = None

    def put(self, snapshot: LiveSnapshot) -> None:
        """Replace the snapshot; readers keep the frozen one they hold."""
        self._current = snapshot

    def current(self) -> LiveSnapshot | None:
        """The newest snapshot; None where no proxy runs in this process."""
        return self._current


store = LiveStore()
"""What the pages of this process show: of several nodes that are known to it, all as one."""
own = LiveStore()
"""What the proxy in this process sees by itself; the same where it knows of no other."""
