"""What the API says of now: fleet, pools, workers, split, control, alarms, nodes, auto-balance."""

from ninja import Schema

from dashboard.api.values import Number, PoolKeyText, Text
from proxy.balance.balance_view import BalanceState
from proxy.types import AdminStatus, Chain, PoolStatus


class HashRate(Schema):
    """A hash rate and its 95 % interval, proved by the shares of ``span_s`` seconds."""

    hashes_per_s: Number
    low_hashes_per_s: Number
    high_hashes_per_s: Number
    span_s: Number


class Shares(Schema):
    """Shares of all time, and the work that they stand for."""

    accepted: int
    rejected: int
    stale: int
    duplicate: int
    unanswered: int
    work_only: int
    credited_difficulty: Number
    work_difficulty: Number
    best_share_difficulty: Number
    rejected_by_reason: dict[str, int]


class Fleet(Schema):
    """All miners together."""

    revision: int
    taken_unix_s: Number
    started_unix_s: Number
    version: str
    connections: int
    workers: int
    hashrate_5m: HashRate | None
    hashrate_1h: HashRate | None
    hashrate_24h: HashRate | None
    shares: Shares
    miner_address: Text
    config_problems: list[Text]


class Pool(Schema):
    """One pool as it is now."""

    key: PoolKeyText
    name: Text
    chain: Chain
    status: PoolStatus
    admin_status: AdminStatus
    down_reason: Text
    since_unix_s: Number
    endpoint: Text
    weight_percent: Number
    target_percent: Number
    miners: int
    connections: int
    excluded_miners: int
    hashrate_of_miners_now: HashRate | None
    delivered_5m: HashRate | None
    difficulty: Number
    latency_p50_ms: Number | None
    latency_p90_ms: Number | None
    latency_p99_ms: Number | None
    shares: Shares
    jobs: int
    job_interval_s: Number | None
    last_share_unix_s: Number | None
    last_job_unix_s: Number | None
    last_block_unix_s: Number | None
    block_delay_ms: Number | None
    height: int | None
    network_difficulty: Number | None
    effort_percent: Number | None
    payout_percent: Number | None
    payout_ok: bool | None
    extranonce2_size_bytes: int | None
    time_share_percent: Number
    time_sum_s: Number
    shared_connections: int | None
    """Connections that many miners have together; null where each miner has its own."""
    shared_miners: int | None
    """Miners with a place on them."""
    waiting_for_place: int | None
    """Miners for whom none of the shared connections has a place: they work on other pools, or wait."""


class HealthReason(Schema):
    """Why a worker is not healthy."""

    level: str
    """``attention`` or ``bad``."""
    cause: str
    """``away``, ``no_work``, ``silent``, ``no_share_yet``, ``rejects``, ``firmware``, ``slow`` or ``excluded``."""
    text: Text


class Worker(Schema):
    """One worker as it is now."""

    name: Text
    connections: int
    user_agent: Text
    firmware: Text
    address: Text
    pool: PoolKeyText | None
    pinned_pool: PoolKeyText | None
    controlled_by: Text
    hashrate_5m: HashRate | None
    hashrate_1h: HashRate | None
    hashrate_24h: HashRate | None
    shares_per_s: Number
    difficulty: Number
    shares: Shares
    accepted_difficulty_by_pool: dict[str, Number]
    best_share_difficulty: Number
    connected_unix_s: Number | None
    last_share_unix_s: Number | None
    last_seen_unix_s: Number | None
    waiting_reason: Text
    excluded_reason_by_pool: dict[str, Text]
    health: str
    """``healthy``, ``attention`` or ``bad``."""
    health_reasons: list[HealthReason]
    switches: int
    """Between pools, since the process started."""
    time_by_pool_s: dict[str, Number]
    """Connected on each pool, since the process started."""
    fleet_work_percent: Number | None
    """Of the fleet's work of the last hour."""
    shares_aim_per_min: Number | None
    """What its difficulty on shared connections aims at, over all its connections; null while pools decide it."""
    listener: Text
    """The port that its newest connection came through, by name."""
    node: str
    """The node that it is connected to, several with a comma between; empty where there is one process."""
    own_facts: "OwnFacts | None"
    """Null where its miners are not asked."""


class OwnFacts(Schema):
    """What a worker's miners say of themselves, together; null where they say nothing that can be believed."""

    miners: int
    power_w: Number | None
    temperature_celsius: Number | None
    """Of the hottest."""
    own_hashes_per_s: Number | None
    joules_per_th: Number | None
    joules_per_accepted_th: Number | None
    """By the work of it that pools accepted in the last hour."""
    cost_per_day: Number | None
    currency: Text
    fan_stopped: bool


class Connection(Schema):
    """One connection of a miner."""

    session: int
    address: Text
    user_agent: Text
    firmware: Text
    pool: PoolKeyText | None
    connected_unix_s: Number | None
    difficulty: Number
    suggested_difficulty: Number | None
    extranonce1_hex: str
    extranonce2_size_bytes: int | None
    version_mask_hex: str | None
    waiting_reason: Text
    listener: Text


class WorkerDetail(Worker):
    """A worker with its note and its newest connections."""

    note: Text
    sessions: list[Connection]


class Workers(Schema):
    """A page of workers, by name."""

    items: list[Worker]
    next_cursor: str | None


class SplitPart(Schema):
    """One pool's part of the work: ``delivered_percent`` plus and minus ``error_percent`` holds it 19 times in 20."""

    pool: PoolKeyText
    delivered_percent: Number
    error_percent: Number
    target_percent: Number


class Split(Schema):
    """Delivered against wanted since a moment."""

    span: str
    """``change`` (since the last change of weights), ``hour`` or ``day``."""
    since_unix_s: Number
    parts: list[SplitPart]


class Control(Schema):
    """Who decides the weights now, and what they are."""

    source: str
    """``override``, ``auto-balance``, ``schedule``, ``default`` or ``none``."""
    detail: Text
    mode: str
    weights_percent: dict[str, Number]
    schedule_id: int | None
    set_by: Text
    since_unix_s: Number | None
    until_unix_s: Number | None
    policy: str
    min_switch_s: Number
    follows_in_s: Number


class Node(Schema):
    """One of several proxies that mine together, as it was last heard."""

    name: str
    host: Text
    version: str
    state: str
    """``working``, ``draining``, ``silent`` (not heard for 10 s) or ``unreadable`` (of another version)."""
    leads: bool
    """Whether it does what is done once for all nodes."""
    started_unix_s: Number
    heard_unix_s: Number
    connections: int
    workers: int
    """With a connection."""
    hashrate_5m: HashRate | None
    hashrate_1h: HashRate | None
    work_percent: Number | None
    """Of the work of the last hour of all nodes."""
    config_revision: int
    trouble: Text


class Alarm(Schema):
    """Something a person should know now."""

    level: str
    """``warn`` or ``bad``."""
    kind: str
    subject: Text
    text: Text
    since_unix_s: Number
    nodes: list[str] = []
    """Nodes that it holds for; empty: all."""


class Snapshot(Schema):
    """One event of the stream: everything about now but the workers."""

    fleet: Fleet
    pools: list[Pool]
    split: list[Split]
    control: Control
    alarms: list[Alarm]


class SwitchCost(Schema):
    """What a switch costs a miner with this firmware: ``cost_s`` plus and minus ``error_s``."""

    firmware: Text
    switches: int
    cost_s: Number
    error_s: Number


class NetworkRate(Schema):
    """The hash rate of a network as its blocks of a window show it."""

    hashes_per_s: Number
    low_hashes_per_s: Number
    high_hashes_per_s: Number
    blocks: Number


class BalanceChain(Schema):
    """One chain as auto-balance sees it."""

    chain: Chain
    pools: list[PoolKeyText]
    source: Text
    taken_unix_s: Number | None
    network_difficulty: Number | None
    short_window: NetworkRate | None
    long_window: NetworkRate | None
    weight_percent: Number | None
    wanted_percent: Number | None
    reason: Text


class BalancePoint(Schema):
    """One poll of the sources."""

    at_unix_s: Number
    short_hashes_per_s: dict[str, Number]
    long_hashes_per_s: dict[str, Number]
    network_difficulty: dict[str, Number]
    weights_percent: dict[str, Number]


class Balance(Schema):
    """Auto-balance: whether it is in control, what it sees, what it makes of it."""

    at_unix_s: Number
    state: BalanceState
    in_control: bool
    strategy: str
    decision: Text
    would_do: Text
    next_poll_unix_s: Number | None
    chains: list[BalanceChain]
    history: list[BalancePoint]


class Me(Schema):
    """The token that asks."""

    person: str
    label: Text
    role: str
    may: list[str]
    expires_unix_s: Number
