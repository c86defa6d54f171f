"""The settings of who decides where miners work: schedules, an override by hand, auto-balance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from fnmatch import fnmatchcase

from proxy.types import MAIN_LISTENER, Chain, ListenerId, PoolKey, WorkerName

MIN_SWITCH_S_FLOOR = 5.0
DEFAULT_MIN_SWITCH_S = 30.0
DEFAULT_SLICE_S = 15.0
ALL_WORKERS = "*"


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
