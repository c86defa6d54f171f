"""State of auto-balance for the Balance page and the metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proxy.balance.readings import Measured
from proxy.types import Chain, PoolKey

HISTORY_POINTS = 1_008
"""A week at a poll every ten minutes."""


class BalanceState(StrEnum):
    """State of auto-balance."""

    OFF = "off"
    """Fewer than two chains: nothing to balance."""
    WAITING = "waiting"
    """No poll has succeeded yet."""
    HEALTHY = "healthy"
    HOLDING = "holding"
    """The last poll failed; the weights are kept."""
    FALLBACK = "fallback"
    """Three polls failed: even, or the schedule's own weights, until one succeeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """One chain: its newest reading, where it comes from, and its share of the work."""

    chain: Chain
    pools: tuple[PoolKey, ...]
    source: str = ""
    taken_at: float | None = None
    """Unix seconds; None: no reading."""
    difficulty: float | None = None
    short: Measured | None = None
    long: Measured | None = None
    ratio: float | None = None
    """Hash rate of the short window divided by that of the long one."""
    weight: float | None = None
    """Percent of the work that the chain has now."""
    wanted: float | None = None
    """Percent that the strategy wants, before dead band, noise and step limit."""
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPoint:
    """One poll, for the charts."""

    at: float
    """Unix seconds."""
    short: Mapping[Chain, float]
    """H/s."""
    long: Mapping[Chain, float]
    difficulty: Mapping[Chain, float]
    weights: Mapping[Chain, float]
    """Percent."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source and its last poll."""

    name: str
    answered_at: float | None = None
    """Unix seconds."""
    failures: int = 0
    """In a row."""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedPrice:
    """The price of a coin as a source gave it, in the source's currency."""

    amount: float
    source: str
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceView:
    """Auto-balance at one moment."""

    at: float
    state: BalanceState
    in_control: bool
    strategy: str
    significance: float
    short_window: int
    long_window: int
    failures: int
    """Polls in a row without complete data."""
    chains: tuple[ChainView, ...] = ()
    sources: tuple[SourceView, ...] = ()
    weights: Mapping[PoolKey, float] | None = None
    """Weights that hold while auto-balance is in control; None: the schedule's own."""
    decision: str = ""
    """Result of the last poll, a sentence."""
    would_do: str = ""
    """What happens next, a sentence."""
    next_poll_at: float | None = None
    history: tuple[HistoryPoint, ...] = field(default=())
    prices: Mapping[Chain, SourcedPrice] = field(default_factory=dict)
    """Of the sources that gave fresh ones; those set by hand are configuration."""

    @property
    def age_s(self) -> float | None:
        """Age of the oldest reading in use, seconds; None where a chain has none."""
        times = [chain.taken_at for chain in self.chains]
        known = [time for time in times if time is not None]
        return max(0.0, self.at - min(known)) if known and len(known) == len(times) else None
