"""Alert kinds, rules and messages. Durations are seconds, times of day local."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proxy.errors import DPMPError

ANY_WORKER = "*"


class AlertKind(StrEnum):
    """What an alert is about; one rule each."""

    POOL_DOWN = "pool_down"
    WORKER_OFFLINE = "worker_offline"
    NO_SHARES = "no_shares"
    """Nobody sends shares."""
    WORKER_SILENT = "worker_silent"
    """One worker is connected and sends none."""
    HASHRATE_DROP = "hashrate_drop"
    REJECT_RATE = "reject_rate"
    DEVICE_HOT = "device_hot"
    """A miner says that it is too hot."""
    FAN_STOPPED = "fan_stopped"
    POWER_NO_HASH = "power_no_hash"
    """A miner takes power and hashes nothing, as it says."""
    PAYOUT = "payout"
    CHAIN = "chain"
    """A pool is behind the others of its chain, or on another tip."""
    BEST_SHARE = "best_share"
    BLOCK_FOUND = "block_found"
    DATABASE = "database"
    DAILY = "daily"
    WEEKLY = "weekly"


class AlertLevel(StrEnum):
    """How a message should look."""

    BAD = "bad"
    GOOD = "good"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Daily hours in which messages are held back. ``start > end`` runs over midnight; equal: none."""

    start: time
    end: time

    def over_at(self, wall: float, zone: ZoneInfo) -> float:
        """Unix time at which the quiet hours around ``wall`` end; ``wall`` itself outside of them."""
        local = datetime.fromtimestamp(wall, zone)
        clock = local.time()
        over_midnight = self.start > self.end
        inside = (clock >= self.start or clock < self.end) if over_midnight else self.start <= clock < self.end
        if not inside:
            return wall
        day = local.date() + timedelta(days=1 if over_midnight and clock >= self.start else 0)
        return datetime.combine(day, self.end, zone).timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRuleConfig:
    """One rule."""

    kind: AlertKind
    threshold: float = 0.0
    """Minutes for NO_SHARES and WORKER_SILENT, percent for HASHRATE_DROP and REJECT_RATE, difficulty for BEST_SHARE,
    degrees Celsius for DEVICE_HOT."""
    delay_s: float = 0.0
    """How long something must be wrong before it is reported."""
    quiet: QuietHours | None = None
    targets: tuple[int, ...] = ()
    """Who gets it; empty: all targets."""
    recovery: bool = True
    """Whether its end is reported too."""
    workers: str = ANY_WORKER
    """Name pattern (``*`` and ``?``), several separated by commas: which workers the rule is about."""

    def concerns(self, worker: str) -> bool:
        """Whether ``worker`` matches one of the patterns."""
        if self.workers == ANY_WORKER:
            return True
        return any(fnmatchcase(worker, pattern.strip()) for pattern in self.workers.split(","))


DEFAULT_RULES: tuple[AlertRuleConfig, ...] = (
    AlertRuleConfig(kind=AlertKind.POOL_DOWN, delay_s=60.0),
    AlertRuleConfig(kind=AlertKind.WORKER_OFFLINE, delay_s=300.0),
    AlertRuleConfig(kind=AlertKind.NO_SHARES, threshold=15.0),
    AlertRuleConfig(kind=AlertKind.WORKER_SILENT, threshold=30.0),
    AlertRuleConfig(kind=AlertKind.HASHRATE_DROP, threshold=30.0, delay_s=600.0),
    AlertRuleConfig(kind=AlertKind.REJECT_RATE, threshold=5.0, delay_s=60.0),
    AlertRuleConfig(kind=AlertKind.DEVICE_HOT, threshold=100.0, delay_s=60.0),
    AlertRuleConfig(kind=AlertKind.FAN_STOPPED, delay_s=120.0),
    AlertRuleConfig(kind=AlertKind.POWER_NO_HASH, delay_s=600.0),
    AlertRuleConfig(kind=AlertKind.PAYOUT),
    AlertRuleConfig(kind=AlertKind.CHAIN, delay_s=120.0),
    AlertRuleConfig(kind=AlertKind.BEST_SHARE),
    AlertRuleConfig(kind=AlertKind.BLOCK_FOUND),
    AlertRuleConfig(kind=AlertKind.DATABASE, delay_s=60.0),
    AlertRuleConfig(kind=AlertKind.DAILY),
    AlertRuleConfig(kind=AlertKind.WEEKLY),
)
"""The rules of a new installation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertConfig:
    """All rules in force, and how much may be sent."""

    rules: tuple[AlertRuleConfig, ...] = ()
    targets: tuple[int, ...] = ()
    """All targets."""
    time_zone: str = "UTC"
    """Of quiet hours, summaries and the times in messages."""
    group_s: float = 20.0
    """Messages for the same target within this time become one."""
    max_per_hour: int = 20
    """Messages a target gets in any hour; more wait, and come as one. Found blocks and summaries always go out."""
    flaps: int = 5
    """So many times wrong within ``flap_window_s`` count as flapping: reported once, then silent until it is stable."""
    flap_window_s: float = 3600.0
    calm_s: float = 900.0
    """Without a change for this long, something that flapped counts as stable."""
    summary_at: time = time(8, 0)

    def rule(self, kind: AlertKind) -> AlertRuleConfig | None:
        """The rule for ``kind``; None: not reported."""
        return next((rule for rule in self.rules if rule.kind is kind), None)

    def zone(self) -> ZoneInfo:
        """The time zone; UTC where the name is unknown."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """A message to one target."""

    target: int
    title: str
    body: str
    level: AlertLevel
    kinds: tuple[AlertKind, ...]
    """Kinds of what it reports, each once."""
    at: float
    """Unix seconds."""
    period: tuple[float, float] | None = None
    """Of a summary, unix seconds: begin, and end (not included)."""


class TargetGone(DPMPError):
    """The target takes no message any more and was removed; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAddress:
    """Address of one target. The URL is a secret: it is in no ``repr``."""

    label: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSetup:
    """The rules, and the addresses of the targets."""

    config: AlertConfig = AlertConfig(rules=DEFAULT_RULES)
    addresses: Mapping[int, AlertAddress] = field(default_factory=dict)
