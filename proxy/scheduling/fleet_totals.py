"""The sum of a fleet's books at one instant: rates, work in hand on each pool, and how badly they may be known."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from proxy.scheduling.miner import Member
from proxy.scheduling.policies.policy import Role
from proxy.scheduling.surplus import Ledger
from proxy.types import PoolKey

_MOST_IN_HAND_S = 120.0
"""Fleet seconds beyond which work in hand is forgiven: it gathered while it could not be worked off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTotals:
    """Hashes, and hashes a second."""

    rate: float
    """Of all working miners."""
    work: Mapping[PoolKey, float]
    in_hand: Mapping[PoolKey, float]
    """Above target, what the ledger carried over and corrections included, self-sliced miners' own left out."""
    sigma: Mapping[PoolKey, float]
    """Standard error of ``in_hand``."""
    rate_sigma: float
    """Standard error of a pool's part of the rates, the worst one."""
    correction: Mapping[PoolKey, float]


def total(members: Iterable[Member], ledger: Ledger, now: float) -> FleetTotals:
    """Settle all ``members`` at ``now`` and sum them up."""
    weights, members = ledger.weights, list(members)
    for member in members:
        # First of all, because this may close accounts.
        member.settle(now, ledger)
    total, own = ledger.closed_in_hand(), dict.fromkeys(weights, 0.0)
    variance, work = dict(ledger.closed_variance), dict(ledger.closed)
    rate, rate_variance = 0.0, 0.0
    for member in members:
        hashes = member.estimate.rate
        seconds = sum([member.open.get(pool, 0.0) for pool in weights])
        shares = max(member.estimate.shares, 1.0)
        is_own = member.assignment.role is Role.SLICED
        for pool, weight in weights.items():
            spent = member.open.get(pool, 0.0)
            over = hashes * (spent - weight * seconds)
            work[pool] += hashes * spent
            total[pool] += over
            variance[pool] += over * over / shares
            if is_own:
                own[pool] += over
        if not member.is_quiet and member.current is not None:
            rate += hashes
            rate_variance += 0.0 if is_own else hashes * hashes / shares
    correction = ledger.correction(total)
    in_hand = {pool: total[pool] - own[pool] + ledger.carry[pool] + correction[pool] for pool in weights}
    _forgive(in_hand, ledger, rate)
    spread = max((weight * (1 - weight) for weight in weights.values()), default=0.0)
    return FleetTotals(
        rate=rate,
        work=work,
        in_hand=in_hand,
        correction=correction,
        sigma={pool: math.sqrt(amount) for pool, amount in variance.items()},
        rate_sigma=math.sqrt(rate_variance * spread),
    )


def _forgive(in_hand: dict[PoolKey, float], ledger: Ledger, rate: float) -> None:
    largest = max((abs(amount) for amount in in_hand.values()), default=0.0)
    most = _MOST_IN_HAND_S * rate
    if not rate or largest <= most:
        return
    for pool, amount in in_hand.items():
        ledger.carry[pool] -= amount * (1 - most / largest)
        in_hand[pool] = amount * most / largest
