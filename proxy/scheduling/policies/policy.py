"""What a policy is: from the miners and the weights to what each miner does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from proxy.types import PoolKey, SessionId


class Role(StrEnum):
    """A miner's part in its fleet."""

    NEW = "new"
    """Not assigned yet."""
    SLICED = "sliced"
    """Time-sliced to the ratio by itself."""
    FIXED = "fixed"
    """Stays on one pool."""
    RESIDUAL = "residual"
    """Time-sliced so that the fleet as a whole meets the ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What one miner does."""

    role: Role = Role.NEW
    pool: PoolKey | None = None
    """Of a fixed miner."""
    row: Mapping[PoolKey, float] = field(default_factory=dict)
    """Part of its time for each pool, of a sliced or residual miner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One working miner, as a policy sees it."""

    session: SessionId
    rate: float
    """Hashes a second."""
    is_known: bool
    """Whether the estimate is good enough to be relied on."""
    pools: frozenset[PoolKey]
    """Where it can work now, the pool it is on included."""
    current: PoolKey | None
    standing: Assignment


class SplitPolicy(Protocol):
    """Turns weights into assignments. Pure: the same inputs give the same answer."""

    name: str

    def assign(
        self,
        loads: Sequence[Load],
        weights: Mapping[PoolKey, float],
        *,
        in_hand: Mapping[PoolKey, float],
        sigma: float,
        horizon_s: float,
        strict: bool,
    ) -> dict[SessionId, Assignment]:
        """Return an assignment for every load.

        ``in_hand`` (hashes) is to be worked off within ``horizon_s``; ``sigma`` (hashes a second) is how badly the sum
        of the rates may be known. ``strict``: miners leave their places where those are full; otherwise only where
        they are fuller than by ``sigma``.
        """

    def is_due(
        self,
        loads: Sequence[Load],
        weights: Mapping[PoolKey, float],
        *,
        in_hand: Mapping[PoolKey, float],
        sigma: Mapping[PoolKey, float],
        horizon_s: float,
    ) -> bool:
        """Whether the standing assignments are wrong; ``sigma`` (hashes) is the error of ``in_hand``."""
