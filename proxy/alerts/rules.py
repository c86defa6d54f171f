"""What can be told, by which rules; and the message that comes of it. Durations are seconds, times of day local."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EVERYBODY = "*"


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
    """A part of each day in which messages wait. ``start > end`` runs over midnight; equal: no such part."""

    start: time
    end: time

    def over_at(self, wall: float, zone: ZoneInfo) -> float:
        """Unix time at which the quiet hours that ``wall`` lies in end; ``wall`` itself outside of them."""
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
    """Minutes for NO_SHARES and WORKER_SILENT, percent for HASHRATE_DROP and REJECT_RATE, difficulty for BEST_SHARE."""
    delay_s: float = 0.0
    """How long something must be wrong before it is told."""
    quiet: QuietHours | None = None
    targets: tuple[int, ...] = ()
    """Who is told; empty: everybody."""
    recovery: bool = True
    """Whether the end of it is told too."""
    workers: str = EVERYBODY
    """Name pattern (``*`` and ``?``), several separated by commas: which workers the rule is about."""

    def concerns(self, worker: str) -> bool:
        """Whether ``worker`` matches one of the patterns."""
        if self.workers == EVERYBODY:
            return True
        return any(fnmatchcase(worker, pattern.strip()) for pattern in self.workers.split(","))


DEFAULT_RULES: tuple[AlertRuleConfig, ...] = (
    AlertRuleConfig(kind=AlertKind.POOL_DOWN, delay_s=60.0),
    AlertRuleConfig(kind=AlertKind.WORKER_OFFLINE, delay_s=300.0),
    AlertRuleConfig(kind=AlertKind.NO_SHARES, threshold=15.0),
    AlertRuleConfig(kind=AlertKind.WORKER_SILENT, threshold=30.0),
    AlertRuleConfig(kind=AlertKind.HASHRATE_DROP, threshold=30.0, delay_s=600.0),
    AlertRuleConfig(kind=AlertKind.REJECT_RATE, threshold=5.0, delay_s=60.0),
    AlertRuleConfig(kind=AlertKind.PAYOUT),
    AlertRuleConfig(kind=AlertKind.CHAIN, delay_s=120.0),
    AlertRuleConfig(kind=AlertKind.BEST_SHARE),
    AlertRuleConfig(kind=AlertKind.BLOCK_FOUND),
    AlertRuleConfig(kind=AlertKind.DATABASE, delay_s=60.0),
    AlertRuleConfig(kind=AlertKind.DAILY),
    AlertRuleConfig(kind=AlertKind.WEEKLY),
)
"""What holds until somebody changes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertConfig:
    """All rules in force, and how much may be sent."""

    rules: tuple[AlertRuleConfig, ...] = ()
    targets: tuple[int, ...] = ()
    """Everybody who can be told."""
    time_zone: str = "UTC"
    """Of quiet hours, summaries and the times in messages."""
    group_s: float = 20.0
    """Messages for the same target within this time become one."""
    max_per_hour: int = 20
    """Messages a target gets in any hour; more wait, and come as one. Found blocks and summaries always go out."""
    flaps: int = 5
    """So many times wrong within ``flap_window_s`` count as flapping: told once, then silent until it is stable."""
    flap_window_s: float = 3600.0
    calm_s: float = 900.0
    """Without a change for this long, something that flapped counts as stable."""
    summary_at: time = time(8, 0)

    def rule(self, kind: AlertKind) -> AlertRuleConfig | None:
        """The rule for ``kind``; None: not to be told."""
        return next((rule for rule in self.rules if rule.kind is kind), None)

    def zone(self) -> ZoneInfo:
        """The time zone; UTC where the name is none."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """What one target is to be sent."""

    target: int
    title: str
    body: str
    level: AlertLevel
    kinds: tuple[AlertKind, ...]
    """Of what it tells, each once."""
    at: float
    """Unix seconds."""
    period: tuple[float, float] | None = None
    """Of a summary, unix seconds: begin, and end (not included)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAddress:
    """Where one target is reached. The URL is a secret: it is in no ``repr``."""

    label: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSetup:
    """The rules, and the addresses of those who are told."""

    config: AlertConfig = AlertConfig(rules=DEFAULT_RULES)
    addresses: Mapping[int, AlertAddress] = field(default_factory=dict)
