"""The configuration as the engine sees it: one immutable snapshot, its validation, and the difference of two.

Rows become a snapshot in ``proxy.config.loader``; nothing else builds one outside tests. All durations are seconds, all
difficulties plain numbers, all weights are relative (they need not sum to 100).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proxy.alerts.rules import AlertSetup
from proxy.errors import ConfigError
from proxy.types import AdminStatus, Chain, PoolKey, WorkerName

MIN_SWITCH_S_FLOOR = 5.0
DEFAULT_MIN_SWITCH_S = 30.0
DEFAULT_SLICE_S = 15.0
POOL_KEY = re.compile(r"[A-Z][A-Z0-9]{0,7}")
ALL_WORKERS = "*"
DIFFICULTY_PLACE = "{difficulty}"
"""In a pool's password: stands for the difficulty that suits the miner (MiningCore keeps one given as ``d=``)."""
_PASSWORD_PART = re.compile(r"(?:^|[;,])[^;,]*")


class Tls(StrEnum):
    """How a connection to a pool is encrypted."""

    OFF = "off"
    VERIFY = "verify"
    INSECURE = "insecure"
    """TLS without a check of the certificate."""


class Mode(StrEnum):
    """What decides the weights of a schedule."""

    RATIO = "ratio"
    PRIORITY = "priority"
    """All to the first allocation's pool that is up; back to it when it is back."""
    AUTO_BALANCE = "auto-balance"


class Policy(StrEnum):
    """How weights become assignments."""

    AUTOMATIC = "automatic"
    """Slicing for one or two miners, packing from three."""
    SLICING = "slicing"
    PACKING = "packing"


class OverrideKind(StrEnum):
    """What the operator set by hand."""

    WEIGHTS = "weights"
    AUTO_BALANCE = "auto-balance"


class PayoutAction(StrEnum):
    """What a failed payout check does."""

    ALARM = "alarm"
    TAKE_OUT = "take-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a pool listens."""

    host: str
    port: int
    tls: Tls = Tls.OFF

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """One pool: where it is, who is paid there, and what its miners are given."""

    key: PoolKey
    name: str = ""
    chain: Chain = Chain.OTHER
    wallet: str
    """The address or account name that stands before the worker in the pool's user name."""
    password: str = ""
    """Empty: the miner's own password is passed on. ``DIFFICULTY_PLACE`` is filled in, see ``password_for``."""
    endpoints: tuple[Endpoint, ...]
    """In order of preference."""
    user_format: str = "{wallet}.{worker}"
    min_difficulty: float | None = None
    """Floor for what miners are given; work between the pool's difficulty and it earns no credit."""
    max_difficulty: float | None = None
    """Cap for the floor and for temporary difficulties; never applied below the pool's own difficulty."""
    status: AdminStatus = AdminStatus.ENABLED
    solo: bool = False
    """Whether the coinbase must pay the wallet (payout check)."""
    payout_min_percent: float = 95.0
    payout_action: PayoutAction = PayoutAction.ALARM
    extranonce2_size: int | None = None
    """Bytes, as last seen on this pool; None while not known."""

    @property
    def label(self) -> str:
        """The name people read."""
        return self.name or self.key

    def moved_from(self, old: "PoolConfig") -> bool:
        """Whether connections made under ``old`` have to be made anew."""
        return any(getattr(self, name) != getattr(old, name) for name in MOVING)

    def password_for(self, difficulty: float | None) -> str:
        """The password this pool is given for a miner that suits ``difficulty``; None: not known.

        ``DIFFICULTY_PLACE`` becomes a plain number, whole from 1 on. Where it is not known the part with the place is
        left out with its separator (``;`` as MiningCore reads passwords, ``,`` as yiimp does): ``x;d={difficulty}`` is
        ``x`` then, and a password that was nothing else is ``x``, too. Empty only where the password is.
        """
        if DIFFICULTY_PLACE not in self.password:
            return self.password
        if difficulty is not None:
            return self.password.replace(DIFFICULTY_PLACE, _plain_number(difficulty))
        parts = _PASSWORD_PART.findall(self.password)
        kept = "".join(part for part in parts if DIFFICULTY_PLACE not in part)
        return (kept if DIFFICULTY_PLACE not in parts[0] else kept[1:]) or "x"

    def user_for(self, worker: WorkerName) -> str:
        """The user name this pool is given for ``worker``."""
        return self.user_format.replace("{wallet}", self.wallet).replace("{worker}", worker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the week in the schedule's time zone; ``start >= end`` runs over midnight, equal is a whole day."""

    weekdays: frozenset[int]
    """0 is Monday; the day on which the window starts."""
    start: time
    end: time


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """Who mines where, and when. No windows: always."""

    id: int
    name: str
    mode: Mode = Mode.RATIO
    allocations: tuple[tuple[PoolKey, float], ...]
    """Pool and weight, in order (the order matters in priority mode)."""
    fallbacks: tuple[PoolKey, ...] = ()
    """Used in this order while all allocated pools are down."""
    min_switch_s: float = DEFAULT_MIN_SWITCH_S
    slice_s: float = DEFAULT_SLICE_S
    policy: Policy = Policy.AUTOMATIC
    windows: tuple[Window, ...] = ()
    time_zone: str = "UTC"
    priority: int = 0
    """The largest wins where windows overlap; then the smallest id."""
    workers: str = ALL_WORKERS
    """Name pattern (``*`` and ``?``), or several separated by commas."""
    is_default: bool = False
    """In force where no other schedule is."""

    def applies_to(self, worker: WorkerName) -> bool:
        """Whether ``worker`` matches one of the patterns."""
        return any(fnmatchcase(worker, pattern.strip()) for pattern in self.workers.split(","))

    def weights(self) -> dict[PoolKey, float]:
        """Pool -> weight as configured."""
        return dict(self.allocations)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideConfig:
    """The slider, or auto-balance switched on by hand: above every schedule, below a pin."""

    kind: OverrideKind = OverrideKind.WEIGHTS
    weights: Mapping[PoolKey, float] = field(default_factory=dict)
    """Empty for auto-balance."""
    set_by: str = ""
    set_at: float = 0.0
    """Unix seconds."""
    until: float | None = None
    """Unix seconds; None: until cleared."""


class BalanceStrategy(StrEnum):
    """What auto-balance weighs chains by."""

    HASHRATE_RATIO = "hashrate-ratio"
    VALUE_PER_HASH = "value-per-hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSourceConfig:
    """Where auto-balance asks, in order of ``BalanceConfig.sources``."""

    kind: str
    """``observed``, ``oracle``, ``node``, ``mempool``."""
    url: str = ""
    chain: Chain = Chain.OTHER
    """For a node: which chain it is on."""
    user: str = ""
    password: str = ""
    poll_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceConfig:
    """Auto-balance as the owner set it; weights and steps are percent of the whole."""

    strategy: BalanceStrategy = BalanceStrategy.HASHRATE_RATIO
    sources: tuple[BalanceSourceConfig, ...] = (BalanceSourceConfig(kind="observed"),)
    short_window: int = 6
    long_window: int = 72
    max_deviation: float = 20.0
    min_weight: float = 5.0
    max_weight: float = 95.0
    max_step_per_hour: float = 100.0
    dead_band: float = 1.0
    significance: float = 0.95
    """Confidence that a change is more than noise before weights move; 0 switches the test off."""
    on_failure: str = "even"
    """After three failures: ``even`` (50/50) or ``schedule`` (the schedule's own weights)."""
    prices: Mapping[Chain, float] = field(default_factory=dict)
    """Typed in by hand, any one currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareRule:
    """The operator's choice: which firmware profile miners with such a user agent get."""

    agent: str
    """Part of the agent; with ``*`` (anything) or ``?`` (one character) a pattern for all of it. Capitals do not
    matter."""
    profile: str
    """Name of a profile of ``proxy.stratum.firmware``."""

    def matches(self, agent: str) -> bool:
        """Whether ``agent`` is meant. Takes at most the product of the two lengths, whatever the pattern."""
        pattern, text = self.agent.casefold(), agent.casefold()
        if "*" in pattern or "?" in pattern:
            return _matches(pattern, text)
        return pattern in text


def _matches(pattern: str, text: str) -> bool:
    """Match ``*`` and ``?``: of all stars only the last one is ever tried again, so nothing backtracks for long."""
    at, place, star, resume = 0, 0, -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, resume = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return not pattern[place:].strip("*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of everything the proxy takes on."""

    max_sessions: int = 2000
    max_sessions_per_address: int = 500
    """A farm behind one NAT shares its address."""
    handshake_timeout_s: float = 60.0
    """A connection that has not authorised by then is closed."""
    max_workers: int = 5000
    """Names whose estimate and tallies are kept in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """When a pool counts as down and up again."""

    rise: int = 2
    fall: int = 3
    dial_timeout_s: float = 5.0
    backoff_min_s: float = 1.0
    backoff_max_s: float = 60.0
    request_stall_s: float = 10.0
    job_stall_min_s: float = 120.0
    returns_per_s: float = 5.0
    """Miners that go back to a pool each second after its recovery."""
    no_pool_minutes: float = 10.0
    """Without any pool for so long, miners are let go, for their own fallback pools; 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Addresses the process binds; the only settings that need a restart."""

    stratum_host: str = "0.0.0.0"
    stratum_port: int = 3351
    web_host: str = "0.0.0.0"
    web_port: int = 8855
    metrics_host: str = "127.0.0.1"
    """The metrics ask for no login, so other machines read them only where somebody has said so."""
    metrics_port: int = 9210
    metrics_enabled: bool = True
    metrics_allow: str = ""
    """Networks that may read the metrics, as ``networks_of`` reads them; empty: all that reach the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Which events are written; the environment wins over it."""

    level: str = "INFO"
    allow: frozenset[str] = frozenset()
    """Event names written whatever their level."""
    deny: frozenset[str] = frozenset()
    """Event names never written."""
    file_bytes: int = 10_000_000
    """The log file is rotated before it grows beyond this."""
    file_count: int = 5
    """How many files are kept, the current one included."""
    redact_wallets: bool = False
    """Write ``[wallet]`` in place of addresses and account names. Passwords are never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSnapshot:
    """All that the engine needs to know, consistent at one revision."""

    revision: int = 0
    pools: Mapping[PoolKey, PoolConfig] = field(default_factory=dict)
    schedules: tuple[ScheduleConfig, ...] = ()
    override: OverrideConfig | None = None
    pins: Mapping[WorkerName, PoolKey] = field(default_factory=dict)
    balance: BalanceConfig = BalanceConfig()
    limits: Limits = Limits()
    health: HealthConfig = HealthConfig()
    listeners: Listeners = Listeners()
    log: LogConfig = LogConfig()
    alerts: AlertSetup = field(default_factory=AlertSetup)
    trace_workers: Mapping[WorkerName, float] = field(default_factory=dict)
    """Workers whose raw traffic is logged, until when (unix seconds)."""
    firmware: tuple[FirmwareRule, ...] = ()
    """Profiles chosen by hand, tried in this order before what is known of agents."""
    worker_series: int = 0
    """How many workers get metrics of their own, the strongest first; 0: none."""

    def validate(self) -> "ConfigSnapshot":
        """Return self.

        Raises:
            ConfigError: with every problem, each a sentence for the operator.
        """
        problems = [*_pool_problems(self.pools.values()), *_schedule_problems(self)]
        problems += [
            f'Worker "{worker}" is pinned to pool {key}, which does not exist.'
            for worker, key in self.pins.items()
            if key not in self.pools
        ]
        if self.override is not None:
            problems += _weight_problems(
                "The override",
                self.override.weights.items(),
                self.pools,
                needed=self.override.kind is OverrideKind.WEIGHTS,
            )
        if problems:
            raise ConfigError(*problems)
        return self


def _plain_number(value: float) -> str:
    """Without exponent, sign or needless zeros."""
    return str(int(value)) if value >= 1 else f"{value:.10f}".rstrip("0").rstrip(".")


def _pool_problems(pools: Iterable[PoolConfig]) -> list[str]:
    problems = []
    for pool in pools:
        if not POOL_KEY.fullmatch(pool.key):
            problems.append(f'"{pool.key}" is no pool key: use A, B, ... or up to 8 capital letters and digits.')
        if not pool.wallet:
            problems.append(f"Pool {pool.key} has no wallet.")
        if not pool.endpoints:
            problems.append(f"Pool {pool.key} has no address to connect to.")
        problems += [
            f"Pool {pool.key}: {endpoint.port} is no port (1 to 65535)."
            for endpoint in pool.endpoints
            if not 0 < endpoint.port < 65536
        ]
        for limit in (pool.min_difficulty, pool.max_difficulty):
            if limit is not None and not 0 < limit < 1e18:
                problems.append(f"Pool {pool.key}: a difficulty must be a number above 0.")
        if pool.min_difficulty and pool.max_difficulty and pool.min_difficulty > pool.max_difficulty:
            problems.append(f"Pool {pool.key}: the minimum difficulty is above the maximum.")
    return problems


def _schedule_problems(config: ConfigSnapshot) -> list[str]:
    problems = []
    for schedule in config.schedules:
        who = f'Schedule "{schedule.name}"'
        problems += _weight_problems(who, schedule.allocations, config.pools, needed=True)
        problems += [
            f"{who}: fallback pool {key} does not exist." for key in schedule.fallbacks if key not in config.pools
        ]
        if schedule.min_switch_s < MIN_SWITCH_S_FLOOR:
            problems.append(f"{who}: the minimum time between switches is {MIN_SWITCH_S_FLOOR:.0f} seconds or more.")
        if not 0 < schedule.slice_s <= schedule.min_switch_s:
            problems.append(f"{who}: the slice must be above 0 and not above the minimum time between switches.")
        try:
            ZoneInfo(schedule.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            problems.append(f'{who}: "{schedule.time_zone}" is no time zone.')
    if sum(schedule.is_default for schedule in config.schedules) > 1:
        problems.append("Only one schedule can be the default.")
    return problems


def _weight_problems(
    who: str, weights: Iterable[tuple[PoolKey, float]], pools: Mapping[PoolKey, PoolConfig], *, needed: bool
) -> list[str]:
    weights = list(weights)
    problems = [f"{who}: pool {key} does not exist." for key, _ in weights if key not in pools]
    if any(not 0 <= weight < 1e9 for _, weight in weights):
        problems.append(f"{who}: a weight must be 0 or more.")
    elif needed and not any(weight > 0 for _, weight in weights):
        problems.append(f"{who}: at least one pool needs a weight above 0.")
    return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDiff:
    """What moved between two snapshots."""

    pools_added: frozenset[PoolKey] = frozenset()
    pools_removed: frozenset[PoolKey] = frozenset()
    pools_moved: frozenset[PoolKey] = frozenset()
    """New endpoints, wallet, password or user format: new upstream connections first, then the old ones drain."""
    pools_tuned: frozenset[PoolKey] = frozenset()
    """Anything else of a pool."""
    weights_changed: bool = False
    """Schedules, override, pins or a pool's admin state: a matter for the scheduler."""
    listeners_changed: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing that the engine acts on changed."""
        return self == ConfigDiff()


MOVING = ("endpoints", "wallet", "password", "user_format")
"""Fields of a pool whose change needs new upstream connections."""


def diff(old: ConfigSnapshot, new: ConfigSnapshot) -> ConfigDiff:
    """Say what must move to get from ``old`` to ``new``; what is not named must not be touched."""
    both = old.pools.keys() & new.pools.keys()
    changed = {key for key in both if old.pools[key] != new.pools[key]}
    moved = {key for key in changed if new.pools[key].moved_from(old.pools[key])}
    status = any(old.pools[key].status != new.pools[key].status for key in both)
    return ConfigDiff(
        pools_added=frozenset(new.pools.keys() - old.pools.keys()),
        pools_removed=frozenset(old.pools.keys() - new.pools.keys()),
        pools_moved=frozenset(moved),
        pools_tuned=frozenset(changed - moved),
        weights_changed=status or (old.schedules, old.override, old.pins) != (new.schedules, new.override, new.pins),
        listeners_changed=old.listeners != new.listeners,
    )
