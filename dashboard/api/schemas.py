"""What the API says and takes. Names are a contract: fields are added, never renamed; units are in the names.

Rates are hashes a second, times unix seconds. A text that a miner, a pool or a person wrote is a ``Text``: wallets in
it are hidden from callers that may not see them. Of every other text the program knows all values.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated

from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from dashboard.api.shown import shown
from proxy.balance.balance_view import BalanceState
from proxy.config.snapshot import Mode, Policy
from proxy.types import AdminStatus, Chain, PoolStatus

LARGEST = 1e300


def _finite(number: object) -> object:
    """JSON has neither infinity nor NaN."""
    if isinstance(number, float) and not isfinite(number):
        return LARGEST if number > 0 else 0.0
    return number


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("there are characters in it that cannot be shown")
    return text


Text = Annotated[str, AfterValidator(shown)]
Number = Annotated[float, BeforeValidator(_finite)]
PoolKeyText = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{0,7}$")]
"""A pool's key, such as A."""
Input = Annotated[str, AfterValidator(_printable)]


class Strict(Schema):
    """What a caller sends: an unknown field is an error, so that a typing mistake is not taken for a default."""

    model_config = ConfigDict(extra="forbid")


# --- Now --------------------------------------------------------------------------------------------------------------


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
    """Miners for whom there is no place: all shared connections are full."""


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


# --- Auto-balance -----------------------------------------------------------------------------------------------------


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


# --- Steering ---------------------------------------------------------------------------------------------------------


class Override(Schema):
    """What is set by hand: weights, auto-balance, or nothing, which leaves it to the schedules."""

    kind: str
    """``weights``, ``auto-balance`` or ``none``."""
    weights: dict[str, Number]
    set_by: Text
    set_unix_s: Number | None
    until_unix_s: Number | None


class WeightsWanted(Strict):
    """How much each pool gets, relative to the others; those left out get nothing."""

    weights: Annotated[
        dict[PoolKeyText, Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]],
        Field(min_length=1, max_length=64, examples=[{"A": 70, "B": 30}]),
    ]
    hours: Annotated[int | None, Field(ge=1, le=8760)] = None
    """Until then; left out: until something else is set."""


class Switch(Strict):
    """On or off."""

    on: bool


class Pin(Schema):
    """A worker that works for one pool, whatever else is set."""

    worker: Text
    pool: PoolKeyText
    note: Text


class PinWanted(Strict):
    """The pool that the worker is pinned to."""

    pool: PoolKeyText


class NoteWanted(Strict):
    """A note on a worker; empty: none."""

    text: Annotated[Input, Field(max_length=500)]


class CheckLine(Schema):
    """One step of a connection test; ``ok`` is null for information."""

    step: Text
    text: Text
    ok: bool | None


class Check(Schema):
    """The result of a connection test."""

    lines: list[CheckLine]
    problem: Text


# --- Schedules --------------------------------------------------------------------------------------------------------


class PoolWeight(Strict):
    """A pool's weight in a schedule, relative to the others."""

    pool: PoolKeyText
    weight: Annotated[float, Field(ge=0, lt=1e9, allow_inf_nan=False)]


class Window(Strict):
    """Some hours of some days; where ``end`` is not after ``start``, it is on the next day."""

    days: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(min_length=1, max_length=7)]
    """On which it begins; 0 is Monday."""
    start: Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    end: Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class ScheduleWanted(Strict):
    """A whole schedule; what is left out takes its default."""

    name: Annotated[Input, Field(min_length=1, max_length=80)]
    enabled: bool = True
    is_default: bool = False
    mode: Mode = Mode.RATIO
    policy: Policy = Policy.AUTOMATIC
    min_switch_s: Annotated[float, Field(ge=5, le=86400)] = 30.0
    slice_s: Annotated[float, Field(gt=0, le=86400)] = 12.0
    time_zone: Annotated[Input, Field(max_length=64)] = "UTC"
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    workers: Annotated[Input, Field(min_length=1, max_length=500)] = "*"
    allocations: Annotated[list[PoolWeight], Field(max_length=64)]
    fallbacks: Annotated[list[PoolKeyText], Field(max_length=64)] = []
    windows: Annotated[list[Window], Field(max_length=100)] = []


class Schedule(Schema):
    """Weights for pools, always or in windows of the week, for all workers or some."""

    id: int
    name: Text
    enabled: bool
    is_default: bool
    mode: Mode
    policy: Policy
    min_switch_s: Number
    slice_s: Number
    time_zone: str
    priority: int
    workers: Text
    allocations: list[PoolWeight]
    fallbacks: list[PoolKeyText]
    windows: list[Window]


class Coming(Schema):
    """The schedule that is in force for a worker, or from a moment on; null: none."""

    schedule_id: int | None
    from_unix_s: Number | None


class SchedulesNow(Schema):
    """What the schedules say now, and what follows within a week."""

    now: Coming
    following: Coming | None


# --- History ----------------------------------------------------------------------------------------------------------


class RateHistory(Schema):
    """Hash rate by pool; null where nothing was recorded."""

    span: str
    step_s: int
    times_unix_s: list[int]
    hashes_per_s_by_pool: dict[str, list[Number | None]]


class ShareHistory(Schema):
    """Accepted shares by pool; null where nothing was recorded."""

    span: str
    step_s: int
    times_unix_s: list[int]
    shares_per_min_by_pool: dict[str, list[Number | None]]


class Block(Schema):
    """A share that solved a block."""

    id: int
    at_unix_s: Number
    worker: Text
    pool: str
    chain: str
    height: int | None
    hash_hex: str
    true_difficulty: Number
    network_difficulty: Number
    verdict: str
    """``accepted``, ``rejected``, ``unanswered``, or ``pending``: no answer known."""
    message: Text
    fate: str
    """What became of it if the connection broke before the answer; else empty."""
    confirmations: int | None
    """As a node or explorer server in the settings of auto-balance said last; -1: orphaned; null: not known."""


class Blocks(Schema):
    """A page of blocks, newest first."""

    items: list[Block]
    next_cursor: str | None


class BestShare(Schema):
    """One of the best shares of a chain or worker."""

    id: int
    at_unix_s: Number
    worker: Text
    pool: str
    chain: str
    true_difficulty: Number


class BestShares(Schema):
    """A page of best shares, the best first."""

    items: list[BestShare]
    next_cursor: str | None


class Odds(Schema):
    """What is to be expected on a pool's chain at the hash rate that it is meant to get; null until one is measured."""

    pool: PoolKeyText
    hashes_per_s: Number | None
    time_per_block_s: Number | None
    block_a_day_probability: Number | None
    block_a_year_probability: Number | None
    expected_best_share_difficulty: Number


class CoinPrice(Schema):
    """The price of a chain's coin, as far as one counts."""

    chain: str
    state: str
    """``known``, ``old``, ``other-currency`` (known in another one only) or ``unknown``."""
    amount: Number | None
    """Of one coin, in the currency of the settings; null unless known."""
    source: str
    """A source of auto-balance, or ``by hand``."""
    at_unix_s: Number | None


class PoolMoney(Schema):
    """What to expect of a pool on average; null where something that it takes is not known."""

    pool: PoolKeyText
    chain: str
    solo: bool
    """Pays for own blocks alone; else it pays for shares."""
    fee_percent: Number
    hashes_per_s: Number
    """The pool's part of the fleet's rate of the last 24 hours."""
    network_difficulty: Number | None
    reward_coins: Number | None
    reward_has_fees: bool
    coins_per_day: Number | None
    low_coins_per_day: Number | None
    high_coins_per_day: Number | None
    """95 of 100 days lie between these."""
    amount_per_day: Number | None
    low_amount_per_day: Number | None
    high_amount_per_day: Number | None
    blocks_per_day: Number | None
    block_a_day_probability: Number | None
    block_a_month_probability: Number | None
    """In 30 days."""
    block_a_year_probability: Number | None
    time_per_block_s: Number | None


class Money(Schema):
    """What to expect of a day, in the currency of the settings. No promise: luck decides what comes."""

    taken_unix_s: Number
    currency: str
    amount_per_day: Number | None
    """Of all pools that get work; null while one of them is not known."""
    cost_per_day: Number | None
    balance_per_day: Number | None
    power_w: Number | None
    power_is_measured: bool
    """By the miners; else it is the number in the settings."""
    prices: list[CoinPrice]
    pools: list[PoolMoney]


class MoneyDay(Schema):
    """What the shares of a day on one pool earned on average."""

    id: int
    day_utc: str
    pool: str
    chain: str
    work_difficulty: Number
    expected_blocks: Number
    expected_coins: Number
    """After the pool's fee."""
    network_difficulty: Number
    price_amount: Number | None
    expected_amount: Number | None
    currency: str


class MoneyDays(Schema):
    """A page of days, newest first."""

    items: list[MoneyDay]
    next_cursor: str | None


class AuditLine(Schema):
    """One change by a person."""

    id: int
    at_unix_s: Number
    who: Text
    action: Text
    subject: Text
    old: Text
    new: Text


class Audit(Schema):
    """A page of the audit log, newest first."""

    items: list[AuditLine]
    next_cursor: str | None


class LogLine(Schema):
    """One line of the log; ``fields`` as in the file."""

    id: int
    at_unix_s: Number
    level: str
    event: str
    session: int | None
    worker: Text | None
    pool: str | None
    fields: Mapping[str, object]


class LogLines(Schema):
    """The newest lines that match, newest first. Ask again with ``after`` = the largest ``id``."""

    items: list[LogLine]


class Setting(Schema):
    """A setting in force and where it comes from; secrets are not shown."""

    group: str
    name: str
    value: Text
    origin: str


class Me(Schema):
    """The token that asks."""

    person: str
    label: Text
    role: str
    may: list[str]
    expires_unix_s: Number


class Problem(Schema):
    """An error, as RFC 9457 has it."""

    title: str
    status: int
    detail: str
    errors: list[dict[str, object]] | None = None
