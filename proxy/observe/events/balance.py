"""What auto-balance asks, computes and does."""

from proxy.observe.events.stream import DEBUG, WARNING, Event, event
from proxy.types import PoolKey


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
