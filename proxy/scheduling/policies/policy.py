"""What a policy is: from the miners and the weights to what each miner does."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

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
    """Where a fixed miner stays."""
    time_shares: Mapping[PoolKey, float] = field(default_factory=dict)
    """The part of its time that a sliced or residual miner spends on each pool."""


class MinerLoad(NamedTuple):
    """One working miner, as a policy sees it."""

    session: SessionId
    rate: float
    """Hashes a second."""
    is_known: bool
    """Whether the estimate is good enough to be relied on."""
    pools: frozenset[PoolKey]
    """Where it can work now, the pool it is on included."""
    current: PoolKey | None
    assignment: Assignment


class SplitPolicy(Protocol):
    """Turns weights into assignments. Pure: the same inputs give the same answer."""

    name: str

    def assign(
        self,
        loads: Sequence[MinerLoad],
        weights: Mapping[PoolKey, float],
        *,
        surplus: Mapping[PoolKey, float],
        sigma: float,
        horizon_s: float,
        strict: bool,
    ) -> Generator[None, None, dict[SessionId, Assignment]]:
        """Return an assignment for every load; pauses where they are many.

        ``surplus`` (hashes) is to be worked off within ``horizon_s``; ``sigma`` (hashes a second) is the standard error
        of the sum of the rates. ``strict``: miners leave their places where those are full; otherwise only where they
        are fuller than by ``sigma``.
        """

    def is_due(
        self,
        loads: Sequence[MinerLoad],
        weights: Mapping[PoolKey, float],
        *,
        surplus: Mapping[PoolKey, float],
        sigma: Mapping[PoolKey, float],
        horizon_s: float,
    ) -> Generator[None, None, bool]:
        """Whether the present assignments are wrong; ``sigma`` (hashes) is the error of ``surplus``."""
