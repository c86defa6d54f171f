"""What pages and metrics may know about the scheduler: frozen values, made on request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.scheduling.control import Control, Weights
from proxy.scheduling.fleet_totals import FleetTotals
from proxy.scheduling.miner import Member
from proxy.scheduling.policies.policy import Role
from proxy.types import PoolKey, SessionId, WorkerName

_ROLES = {role: str(role.value) for role in Role}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPart:
    """One pool's part of the fleet."""

    pool: PoolKey
    weight: float = 0.0
    """What is in control wants, 0..1."""
    target: float = 0.0
    """What is aimed at now, pools that are down left out, 0..1."""
    work: float = 0.0
    """Hashes in the present ledger of the fleet."""
    in_hand: float = 0.0
    """Hashes above target in the present ledger."""
    seconds: float = 0.0
    """Miner-seconds spent on it since the scheduler was made (or the dump it was restored from)."""
    miners: int = 0
    rate: float = 0.0
    """Hashes a second of the miners on it now."""


class MinerPart(NamedTuple):
    """One session."""

    session: SessionId
    worker: WorkerName
    pool: PoolKey | None
    role: str
    """``new``, ``sliced``, ``fixed`` or ``residual``."""
    assigned: PoolKey | None
    """Of a fixed miner."""
    rate: float
    rate_error: float
    """Relative standard error, 1 while nothing is known."""
    since: float
    """Seconds since its last switch."""
    switches: int
    is_quiet: bool
    """No share for so long that its time earns no credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerView:
    """The scheduler at one instant."""

    control: Control
    """Of (most of) the fleet."""
    policy: str
    ledger_since: float
    """Unix seconds of the last change of weights."""
    follows_in_s: float
    """How long until the split is within a point of the target after the last change; 0 when it is."""
    switches: int
    """Since the scheduler was made, starts left out."""
    pools: Mapping[PoolKey, PoolPart] = field(default_factory=dict)
    miners: tuple[MinerPart, ...] = ()


def miner_part(member: Member, now: float) -> MinerPart:
    """Return a settled member as others see it."""
    assignment, estimate = member.assignment, member.estimate
    return MinerPart(
        member.session,
        member.worker,
        member.current,
        _ROLES[assignment.role],
        assignment.pool,
        estimate.rate,
        estimate.error,
        now - member.since,
        member.switches,
        member.is_quiet,
    )


def pool_part(
    pool: PoolKey,
    control: Control,
    target: Weights,
    books: FleetTotals | None,
    members: Sequence[Member],
    seconds_before: float,
) -> PoolPart:
    """Return a pool's part; ``seconds_before`` are those of miners that left."""
    miners, seconds, rate = 0, 0.0, 0.0
    for member in members:
        seconds += member.pool_time.get(pool, 0.0)
        if member.current == pool:
            miners += 1
            if not member.is_quiet:
                rate += member.estimate.rate
    return PoolPart(
        pool=pool,
        weight=control.weights.get(pool, 0.0),
        target=target.get(pool, 0.0),
        miners=miners,
        rate=rate,
        seconds=seconds_before + seconds,
        work=books.work.get(pool, 0.0) if books else 0.0,
        in_hand=books.in_hand.get(pool, 0.0) if books else 0.0,
    )
