"""Events of the scheduler."""

from proxy.observe.events.stream import DEBUG, WARNING, Event, event
from proxy.types import PoolKey


@event("scheduler_tick", DEBUG)
class SchedulerTick(Event):
    """The scheduler made decisions."""

    decisions: int
    weights: dict[PoolKey, float]


@event("split_target_changed", DEBUG)
class SplitTargetChanged(Event):
    """Most of the fleet is to split its work in another way: other weights, or a pool went down or came back."""

    weights: dict[PoolKey, float]
    """Pools that are down left out, normalised to 1; empty while no pool can be used."""


@event("control_changed")
class ControlChanged(Event):
    """Another source controls the weights of most of the fleet."""

    source: str
    """``override``, ``auto-balance``, ``schedule``, ``default``, ``none``."""
    detail: str
    weights: dict[PoolKey, float]
    mode: str = "ratio"
    """``ratio``, ``priority`` or ``auto-balance``: a schedule may leave its weights to auto-balance."""


@event("weights_override_changed")
class OverrideChanged(Event):
    """The operator moved the slider, switched auto-balance on by hand, or reset (empty weights)."""

    kind: str
    weights: dict[PoolKey, float]
    set_by: str


@event("weights_normalized")
class WeightsNormalized(Event):
    """The configured weights do not sum to 100; they are scaled to percent."""

    source: str
    """Whose weights: a schedule's name, ``override``."""
    given: dict[PoolKey, float]
    weights: dict[PoolKey, float]
    """In percent."""


@event("failover_weight_override", WARNING)
class FailoverWeights(Event):
    """Targets were computed without the pools that are down."""

    weights: dict[PoolKey, float]
    down: tuple[PoolKey, ...]
