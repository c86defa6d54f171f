"""What pages and metrics may know about the scheduler: frozen values, made on request."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.scheduling.control import Control
from proxy.types import PoolKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolAllocation:
    """What one pool is to get of the fleet, and what it has now."""

    weight: float = 0.0
    """As whoever is in control wants it, 0..1."""
    target: float = 0.0
    """Aimed at now, without pools that are down, 0..1."""
    seconds: float = 0.0
    """Miner-seconds spent on it since the scheduler was made (or the dump it was restored from)."""
    miners: int = 0
    rate: float = 0.0
    """Hashes a second of the miners on it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSnapshot:
    """The scheduler at one instant."""

    control: Control
    """Who is in control of the fleet, or of most of it."""
    policy: str
    follows_in_s: float
    """How long until the split is within a point of the target after the last change; 0 when it is."""
    pools: Mapping[PoolKey, PoolAllocation] = field(default_factory=dict)
