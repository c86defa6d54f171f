"""The configuration as the engine sees it: one immutable snapshot.

``proxy.config.loader`` makes it from the database's rows, ``validate`` checks it and ``diff`` compares two. All
durations are seconds, all difficulties plain numbers, all weights are relative (they need not sum to 100).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network

from proxy.alerts.rules import AlertSetup
from proxy.types import MAIN_LISTENER, AdminStatus, Chain, ListenerId, PoolKey, WorkerName

MIN_SWITCH_S_FLOOR = 5.0
DEFAULT_MIN_SWITCH_S = 30.0
DEFAULT_SLICE_S = 15.0
Network = IPv4Network | IPv6Network
POOL_KEY = re.compile(r"[A-Z][A-Z0-9]{0,7}")
ALL_WORKERS = "*"
DIFFICULTY_PLACEHOLDER = "{difficulty}"
"""In a pool's password: stands for the difficulty that suits the miner (MiningCore keeps one given as ``d=``)."""
_MOVING = ("endpoints", "wallet", "password", "user_format")
"""Fields of a pool whose change needs new upstream connections."""
_WORKER_PART = re.compile(r"[.\-_/+:]*\{worker\}")
_PASSWORD_PART = re.compile(r"(?:^|[;,])[^;,]*")


class Tls(StrEnum):
    """How a connection to a pool is encrypted."""

    OFF = "off"
    VERIFY = "verify"
    INSECURE = "insecure"
    """TLS without a check of the certificate."""


class Mode(StrEnum):
    """How the weights of a schedule are decided."""

    RATIO = "ratio"
    PRIORITY = "priority"
    """All to the first allocation's pool that is up; back to it when it is back."""
    AUTO_BALANCE = "auto-balance"


class Policy(StrEnum):
    """How weights are turned into assignments of miners."""

    AUTOMATIC = "automatic"
    """Slicing for one or two miners, packing from three."""
    SLICING = "slicing"
    PACKING = "packing"


class OverrideKind(StrEnum):
    """Kind of a manual override."""

    WEIGHTS = "weights"
    AUTO_BALANCE = "auto-balance"


class Connections(StrEnum):
    """How miners are connected to a pool."""

    OWN = "own"
    """Each miner has a connection of its own."""
    SHARED = "shared"
    """Many miners have one together."""
    AUTOMATIC = "automatic"
    """Own ones up to a number of miners, then shared."""


USUAL_SHARED = 40
"""Shared connections to a pool at most."""


class GroupBy(StrEnum):
    """Which miners may share a connection: those that have the same user name at the pool."""

    NOTHING = "nothing"
    """All: the user name is without the worker."""
    ACCOUNT = "account"
    """Those with the same first part of their user name, up to the dot."""
    WORKER = "worker"
    """Those with the same worker name."""


class PayoutAction(StrEnum):
    """What a failed payout check does."""

    ALARM = "alarm"
    EXCLUDE = "take-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Address of a pool."""

    host: str
    port: int
    tls: Tls = Tls.OFF

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """One pool: its addresses, its wallet and the limits of its miners' difficulty."""

    key: PoolKey
    name: str = ""
    chain: Chain = Chain.OTHER
    wallet: str
    """The address or account name that stands before the worker in the pool's user name."""
    password: str = ""
    """Empty: the miner's own password is passed on. ``DIFFICULTY_PLACEHOLDER`` is filled in, see ``password_for``."""
    endpoints: tuple[Endpoint, ...]
    """In order of preference."""
    user_format: str = "{wallet}.{worker}"
    min_difficulty: float | None = None
    """Floor of miners' difficulty; shares between the pool's own difficulty and this floor are not found."""
    max_difficulty: float | None = None
    """Cap for the floor and for temporary difficulties; never applied below the pool's own difficulty."""
    status: AdminStatus = AdminStatus.ENABLED
    solo: bool = False
    """Whether the coinbase must pay the wallet (payout check)."""
    payout_min_percent: float = 95.0
    payout_action: PayoutAction = PayoutAction.ALARM
    extranonce2_size: int | None = None
    """Bytes, as last seen on this pool; None while not known."""
    connections: Connections = Connections.OWN
    own_up_to: int = 50
    """Automatic: miners share connections while more than so many are connected to the proxy."""
    most_miners: int = 250
    """On one shared connection."""
    most_connections: int = USUAL_SHARED
    """Shared connections to this pool."""
    group_by: GroupBy = GroupBy.NOTHING
    shares_per_minute: float = 15.0
    """The aim of each miner's difficulty on shared connections."""

    @property
    def label(self) -> str:
        """Name to show."""
        return self.name or self.key

    def moved_from(self, old: "PoolConfig") -> bool:
        """Whether connections made with ``old`` must be replaced."""
        return any(getattr(self, name) != getattr(old, name) for name in _MOVING)

    @property
    def may_share(self) -> bool:
        """Whether miners may come to share connections."""
        return self.connections is not Connections.OWN

    def shared_user(self, group: str) -> str:
        """The user name of a shared connection for the miners of ``group``; "" for all: without ``{worker}`` and what
        stands between it and the rest."""
        if group:
            return self.user_for(WorkerName(group))
        return _WORKER_PART.sub("", self.user_format).replace("{wallet}", self.wallet)

    def password_for(self, difficulty: float | None) -> str:
        """The password to log in with for a miner that suits ``difficulty`` (None: unknown).

        ``DIFFICULTY_PLACEHOLDER`` becomes a plain number, whole from 1 on. Where the difficulty is unknown, the part
        with the placeholder is left out with its separator (``;`` as MiningCore reads passwords, ``,`` as yiimp does):
        ``x;d={difficulty}`` becomes ``x``, and so does a password that is only the placeholder. Empty only if the
        password is empty.
        """
        if DIFFICULTY_PLACEHOLDER not in self.password:
            return self.password
        if difficulty is not None:
            return self.password.replace(DIFFICULTY_PLACEHOLDER, _plain_number(difficulty))
        parts = _PASSWORD_PART.findall(self.password)
        kept = "".join(part for part in parts if DIFFICULTY_PLACEHOLDER not in part)
        return (kept if DIFFICULTY_PLACEHOLDER not in parts[0] else kept[1:]) or "x"

    def user_for(self, worker: WorkerName) -> str:
        """The user name to log in with for ``worker``."""
        return self.user_format.replace("{wallet}", self.wallet).replace("{worker}", worker)


def _plain_number(value: float) -> str:
    """Without exponent, sign or needless zeros."""
    return str(int(value)) if value >= 1 else f"{value:.10f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the week in the schedule's time zone; ``start >= end`` runs over midnight, equal is a whole day."""

    weekdays: frozenset[int]
    """0 is Monday; the day on which the window starts."""
    start: time
    end: time


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """Which workers mine on which pools, and when. Without windows: always."""

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
    listener: ListenerId | None = None
    """A route: only miners that came through this listener follow it, and it comes before schedules without one."""

    @property
    def pools(self) -> tuple[PoolKey, ...]:
        """All pools that it names: those with a weight, then fallbacks."""
        return (*(pool for pool, _ in self.allocations), *self.fallbacks)

    def applies_to(self, worker: WorkerName, listener: ListenerId = MAIN_LISTENER) -> bool:
        """Whether ``worker`` matches one of the patterns, and came through the listener if there is one."""
        if self.listener is not None and self.listener != listener:
            return False
        if self.workers == ALL_WORKERS:
            return True
        return any(fnmatchcase(worker, pattern.strip()) for pattern in self.workers.split(","))

    def weights(self) -> dict[PoolKey, float]:
        """Pool -> weight as configured."""
        return dict(self.allocations)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideConfig:
    """Weights or auto-balance set by hand: wins over every schedule; a pin wins over it."""

    kind: OverrideKind = OverrideKind.WEIGHTS
    weights: Mapping[PoolKey, float] = field(default_factory=dict)
    """Empty for auto-balance."""
    set_by: str = ""
    set_at: float = 0.0
    """Unix seconds."""
    until: float | None = None
    """Unix seconds; None: until cleared."""


class BalanceStrategy(StrEnum):
    """What auto-balance compares chains by."""

    HASHRATE_RATIO = "hashrate-ratio"
    VALUE_PER_HASH = "value-per-hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSourceConfig:
    """A source of auto-balance's data; they are asked in the order of ``BalanceConfig.sources``."""

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
    """Settings of auto-balance; weights and steps are percent of the whole."""

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
    wants_prices: bool = False
    """Whether sources are asked for prices although the strategy needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareRule:
    """An operator's rule: miners whose user agent matches get this firmware profile."""

    agent: str
    """Part of the agent; with ``*`` (anything) or ``?`` (one character) a pattern for all of it. Capitals do not
    matter."""
    profile: str
    """Name of a profile of ``proxy.stratum.firmware``."""

    def matches(self, agent: str) -> bool:
        """Whether the rule applies to ``agent``. Costs at most the product of the two lengths, whatever the pattern."""
        pattern, text = self.agent.casefold(), agent.casefold()
        if "*" in pattern or "?" in pattern:
            return _matches(pattern, text)
        return pattern in text


@dataclass(frozen=True, slots=True, kw_only=True)
class VardiffRule:
    """What holds for some miners of shared connections in place of the pool's aim. Of the rules that apply to a miner,
    the one for its listener and firmware wins, then that for its listener, then that for its firmware."""

    listener: ListenerId | None = None
    """None: miners of all listeners."""
    profile: str = ""
    """Name of a profile of ``proxy.stratum.firmware``; empty: miners of any firmware."""
    shares_per_minute: float | None = None
    """None: the pool's aim."""
    least_difficulty: float | None = None
    most_difficulty: float | None = None


NO_VARDIFF_RULE = VardiffRule()


def _matches(pattern: str, text: str) -> bool:
    """Match ``*`` and ``?``. Only the last star is tried again, so backtracking is bounded."""
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
    """Upper limits on sessions and workers."""

    max_sessions: int = 0
    """0: as many as the machine has room for."""
    max_sessions_per_address: int = 0
    """A farm behind one NAT shares its address. 0: half of those in all."""
    connects_per_minute: int = 2000
    """New connections of one address; so many at once: a farm of 1,000 after a power cut, bfgminer connects twice."""
    subscribe_timeout_s: float = 10.0
    """A connection that has made no call at all by then is closed."""
    handshake_timeout_s: float = 30.0
    """A connection that has not subscribed and authorised by then is closed."""
    max_workers: int = 5000
    """Names whose estimate and tallies are kept in memory; as many as miners may connect at least."""
    dials_per_s: float = 20.0
    """New connections to one pool for miners of one address that have not had an accepted share; others are dialled at
    once."""
    input_bytes_per_s: int = 32_768
    """How fast a miner's connection is read; what an accepted share took is not counted."""
    input_burst_bytes: int = 65_536
    """So much of it at once."""
    input_lines_per_s: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerAccess:
    """Who may mine."""

    networks: tuple[Network, ...] = ()
    """Where miners may connect from, beside this machine; empty: from anywhere."""
    password: str = field(default="", repr=False)
    """What a miner's password has to be or to contain; empty: anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerDirectives:
    """What a miner may ask for in its password; nothing unless its listener allows it."""

    difficulty: bool = False
    """``d=1000``: the difficulty to begin with, between the two limits below."""
    most_difficulty: float | None = None
    """The least is the listener's own."""
    pin: bool = False
    """``p=B``: to mine on one pool."""
    split: bool = False
    """``s=70:30``: weights of its own for the pools of the schedule that it follows, in their order."""
    pools: tuple[PoolKey, ...] = ()
    """Pools that ``p=`` may name; empty: those of the schedule that the miner follows."""
    split_least: float = 0.0
    """Percent that each of the pools gets at least."""

    @property
    def letters(self) -> tuple[str, ...]:
        """Those that are allowed: ``d``, ``p``, ``s``."""
        allowed = (("d", self.difficulty), ("p", self.pin), ("s", self.split))
        return tuple(letter for letter, is_allowed in allowed if is_allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerConfig:
    """A port that miners connect to, and what holds for those who come through it."""

    id: ListenerId
    """``MAIN_LISTENER``, ``TLS_LISTENER`` or a row's number: of a miner it stays the same for its connection."""
    name: str
    host: str
    port: int
    enabled: bool = True
    row: int | None = None
    """The row in the table of listeners; None: the proxy settings alone."""
    tls: bool = False
    certificate: str = ""
    key: str = ""
    proxy_networks: tuple[Network, ...] = ()
    """Peers of these networks begin with a header of the PROXY protocol, version 2; empty: nobody does."""
    default_difficulty: float | None = None
    """Suggested to pools for a miner that suggests none itself."""
    least_difficulty: float | None = None
    """No miner gets less, unless less is the highest that makes sense for a job."""
    access: MinerAccess = MinerAccess()
    """Its own; what is empty in it is as in the proxy settings."""
    directives: MinerDirectives = MinerDirectives()


NO_LISTENER = ListenerConfig(id=MAIN_LISTENER, name="", host="", port=0)
"""What holds for miners of a listener that is not configured (any more): nothing special."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """A broker that states are published to and commands come from."""

    host: str
    port: int = 1883
    tls: bool = False
    ca: str = ""
    """Path of a PEM file with the authority that signed the broker's certificate; empty: those of the system."""
    username: str = ""
    password: str = field(default="", repr=False)
    base_topic: str = "dpmp"
    discovery: bool = True
    """Whether Home Assistant is told what there is."""
    discovery_prefix: str = "homeassistant"
    commands: bool = True
    """Whether the split, auto-balance and pins can be set by messages."""
    max_workers: int = 100
    """How many workers are published."""
    interval_s: float = 5.0
    """Each topic is sent at most once in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesConfig:
    """The miners' own facts."""

    networks: str = ""
    """Where miners may be looked for, as ``proxy.devices.networks`` reads it."""
    mdns: bool = True
    """Whether announcements of miners are heard."""
    interval_s: float = 30.0
    """Between two questions to the same miner."""
    price_per_kwh: float = 0.0
    """As the settings of money have it; 0: no cost is shown."""
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """When a pool counts as down, and when as up again."""

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
    """After so long without any pool, miners are disconnected, so that they use their own fallback; 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Addresses that the process listens on; the only settings that need a restart."""

    stratum_host: str = "0.0.0.0"
    stratum_port: int = 3351
    tls_port: int = 0
    """For miners with TLS, on the address of ``stratum_host``; 0: none."""
    tls_certificate: str = ""
    """Path of a PEM file; it and the key are read again when they change, and may be changed without a restart."""
    tls_key: str = ""
    """Path of a PEM file; empty: the key is in the certificate's file."""
    web_host: str = "0.0.0.0"
    web_port: int = 8855
    metrics_host: str = "127.0.0.1"
    """Metrics need no login, so other machines can read them only where the operator allows it."""
    metrics_port: int = 9210
    metrics_enabled: bool = True
    metrics_allow: str = ""
    """Networks that may read the metrics, as ``networks_of`` reads them; empty: all that reach the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Which events are logged; the environment wins over it."""

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
    """The whole configuration, consistent at one revision."""

    revision: int = 0
    pools: Mapping[PoolKey, PoolConfig] = field(default_factory=dict)
    schedules: tuple[ScheduleConfig, ...] = ()
    override: OverrideConfig | None = None
    pins: Mapping[WorkerName, PoolKey] = field(default_factory=dict)
    balance: BalanceConfig = BalanceConfig()
    limits: Limits = Limits()
    access: MinerAccess = MinerAccess()
    health: HealthConfig = HealthConfig()
    listeners: Listeners = Listeners()
    miner_listeners: tuple[ListenerConfig, ...] = (
        ListenerConfig(id=MAIN_LISTENER, name="miners", host="0.0.0.0", port=3351),
    )
    """Each port for miners, those of the proxy settings first."""
    log: LogConfig = LogConfig()
    alerts: AlertSetup = field(default_factory=AlertSetup)
    trace_workers: Mapping[WorkerName, float] = field(default_factory=dict)
    """Workers whose raw traffic is logged, until when (unix seconds)."""
    firmware: tuple[FirmwareRule, ...] = ()
    """Profiles chosen by hand, tried in this order before the known agents."""
    vardiff: Mapping[tuple[ListenerId | None, str], VardiffRule] = field(default_factory=dict)
    """By the listener and the profile that they are for."""
    mqtt: MqttConfig | None = None
    """None: off."""
    devices: DevicesConfig | None = None
    """The miners' own facts; None: off."""
    update_feed: str = ""
    """Who is asked for newer versions; empty: nobody."""
    worker_series: int = 0
    """How many workers get metrics of their own, the strongest first; 0: none."""

    def listener(self, ident: ListenerId) -> ListenerConfig:
        """The listener with this id, ``NO_LISTENER`` without one."""
        for one in self.miner_listeners:
            if one.id == ident:
                return one
        return NO_LISTENER

    def access_of(self, ident: ListenerId) -> MinerAccess:
        """Who may mine through a listener: as it says itself, else as the proxy settings say."""
        own = self.listener(ident).access
        if not own.networks and not own.password:
            return self.access
        return MinerAccess(networks=own.networks or self.access.networks, password=own.password or self.access.password)

    def firmware_profile_of(self, agent: str) -> str | None:
        """Name of the firmware profile that the operator chose for ``agent``; None where no rule matches."""
        return next((rule.profile for rule in self.firmware if rule.matches(agent)), None)

    def vardiff_rule(self, listener: ListenerId, profile: str) -> VardiffRule:
        """The rule for a miner of ``listener`` with the firmware ``profile``; ``NO_VARDIFF_RULE`` without one."""
        rules = self.vardiff
        if not rules:
            return NO_VARDIFF_RULE
        return (
            rules.get((listener, profile)) or rules.get((listener, "")) or rules.get((None, profile), NO_VARDIFF_RULE)
        )
