"""Events of auto-balance."""

from proxy.observe.events.stream import DEBUG, WARNING, Event, event
from proxy.types import PoolKey


@event("oracle_poll_start", DEBUG)
class OraclePollStart(Event):
    """A poll of a source of network data begins."""

    source: str


@event("oracle_calc_result")
class OracleResult(Event):
    """Weights were computed from network data; they are used only while auto-balance is in control."""

    source: str
    hashrates: dict[str, float]
    """``BTC.short`` -> H/s."""
    ratios: dict[str, float]
    """Chain -> short / long."""
    weights: dict[PoolKey, float]
    reason: str


@event("oracle_weights_applied")
class OracleApplied(Event):
    """Auto-balance changed the weights in force."""

    weights: dict[PoolKey, float]
    reason: str


@event("oracle_poll_error", WARNING)
class OracleError(Event):
    """A poll of a source failed; ``failures`` counts them in a row."""

    source: str
    problem: str
    failures: int


@event("oracle_fallback_50_50", WARNING)
class OracleFallback(Event):
    """Three polls in a row failed: the fallback weights are used until one succeeds."""

    weights: dict[PoolKey, float]
