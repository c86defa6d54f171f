"""A fleet summed up at one instant: rates, the surplus on each pool, and their standard errors."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.policies.policy import Role
from proxy.scheduling.surplus import Ledger
from proxy.types import PoolKey


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTotals:
    """A fleet at one instant: work and surplus in hashes, rates in hashes a second."""

    rate: float
    """Sum over all working miners."""
    work: Mapping[PoolKey, float]
    surplus: Mapping[PoolKey, float]
    """Work above target with carried surplus and corrections, but without miners that are sliced by themselves."""
    sigma: Mapping[PoolKey, float]
    """Standard error of ``surplus``."""
    rate_sigma: float
    """The largest standard error of any pool's part of the rates."""
    correction: Mapping[PoolKey, float]


def total(miners: Iterable[FleetMiner], ledger: Ledger, now: float) -> FleetTotals:
    """Settle all ``miners`` at ``now`` and sum them up."""
    weights, miners = ledger.weights, list(miners)
    for miner in miners:
        # First of all, because this may value seconds for good.
        miner.settle(now, ledger)
    total, own = ledger.closed_surplus(), dict.fromkeys(weights, 0.0)
    variance, work = dict(ledger.closed_variance), dict(ledger.closed)
    rate, rate_variance = 0.0, 0.0
    for miner in miners:
        hashes = miner.estimate.rate
        seconds = sum([miner.open_seconds.get(pool, 0.0) for pool in weights])
        shares = max(miner.estimate.shares, 1.0)
        is_own = miner.assignment.role is Role.SLICED
        for pool, weight in weights.items():
            spent = miner.open_seconds.get(pool, 0.0)
            over = hashes * (spent - weight * seconds)
            work[pool] += hashes * spent
            total[pool] += over
            variance[pool] += over * over / shares
            if is_own:
                own[pool] += over
        if not miner.is_quiet and miner.current is not None:
            rate += hashes
            rate_variance += 0.0 if is_own else hashes * hashes / shares
    correction = ledger.correction(total)
    surplus = {pool: total[pool] - own[pool] + ledger.carried_surplus[pool] + correction[pool] for pool in weights}
    _cap_surplus(surplus, ledger, rate)
    spread = max((weight * (1 - weight) for weight in weights.values()), default=0.0)
    return FleetTotals(
        rate=rate,
        work=work,
        surplus=surplus,
        correction=correction,
        sigma={pool: math.sqrt(amount) for pool, amount in variance.items()},
        rate_sigma=math.sqrt(rate_variance * spread),
    )


def _cap_surplus(surplus: dict[PoolKey, float], ledger: Ledger, rate: float) -> None:
    """Drop surplus that gathered while it could not be worked off, from ``surplus`` and for good from the ledger."""
    largest = max((abs(amount) for amount in surplus.values()), default=0.0)
    most = ledger.tuning.surplus_most_s * rate
    if not rate or largest <= most:
        return
    for pool, amount in surplus.items():
        ledger.carried_surplus[pool] -= amount * (1 - most / largest)
        surplus[pool] = amount * most / largest
