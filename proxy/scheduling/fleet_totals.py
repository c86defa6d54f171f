"""A fleet summed up at one instant: rates, the surplus on each pool, and their standard errors."""

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass

from proxy.in_parts import in_parts
from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.policies.policy import Role
from proxy.scheduling.surplus import Ledger
from proxy.types import PoolKey, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTotals:
    """A fleet at one instant: work and surplus in hashes, rates in hashes a second."""

    rate: float
    """Sum over all working miners."""
    placed: int
    """How many miners are on a pool, quiet ones included."""
    work: Mapping[PoolKey, float]
    surplus: Mapping[PoolKey, float]
    """Work above target with carried surplus and corrections, but without miners that are sliced by themselves."""
    sigma: Mapping[PoolKey, float]
    """Standard error of ``surplus``."""
    rate_sigma: float
    """The largest standard error of any pool's part of the rates."""
    correction: Mapping[PoolKey, float]


def total(miners: Mapping[SessionId, FleetMiner], ledger: Ledger, now: float) -> FleetTotals:
    """Settle all ``miners`` at ``now`` and sum them up."""
    # Settled first of all, because this may value seconds for good.
    for miner in miners.values():
        miner.settle(now, ledger)
    sums = _Sums(ledger)
    sums.add(miners.values())
    return sums.totals()


def total_in_parts(
    miners: Mapping[SessionId, FleetMiner], ledger: Ledger, now: Callable[[], float], part: int
) -> Generator[None, None, FleetTotals]:
    """The same of many, ``part`` of them at a time: whoever goes on may do something else in between.

    Each is settled when its turn comes. Seconds that are valued meanwhile would be missing or count twice: then all is
    summed up once more, at once.
    """
    for sessions in in_parts(list(miners), part):
        moment = now()
        for session in sessions:
            miner = miners.get(session)
            if miner is not None:
                miner.settle(moment, ledger)
        yield
    sums, closings = _Sums(ledger), ledger.closings
    for together in in_parts(list(miners.values()), part):
        if ledger.closings != closings:
            break
        sums.add(together)
        yield
    if ledger.closings != closings:
        sums = _Sums(ledger)
        sums.add(miners.values())
    return sums.totals()


class _Sums:
    """Sums over settled miners, on top of what their ledger has closed."""

    __slots__ = ("_ledger", "_own", "_placed", "_rate", "_rate_variance", "_total", "_variance", "_work")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._total, self._own = ledger.closed_surplus(), dict.fromkeys(ledger.weights, 0.0)
        self._variance, self._work = dict(ledger.closed_variance), dict(ledger.closed)
        self._rate = self._rate_variance = 0.0
        self._placed = 0

    def add(self, miners: Iterable[FleetMiner]) -> None:
        """Add what these have open, and their rates."""
        weights, total, own, variance, work = self._ledger.weights, self._total, self._own, self._variance, self._work
        for miner in miners:
            estimate, open_seconds = miner.estimate, miner.open_seconds
            hashes, shares = estimate.rate, estimate.shares if estimate.shares > 1.0 else 1.0
            is_own = miner.assignment.role is Role.SLICED
            if hashes and open_seconds:
                seconds = sum([open_seconds.get(pool, 0.0) for pool in weights])
                for pool, weight in weights.items():
                    spent = open_seconds.get(pool, 0.0)
                    over = hashes * (spent - weight * seconds)
                    work[pool] += hashes * spent
                    total[pool] += over
                    variance[pool] += over * over / shares
                    if is_own:
                        own[pool] += over
            if miner.current is None:
                continue
            self._placed += 1
            if not miner.is_quiet:
                self._rate += hashes
                self._rate_variance += 0.0 if is_own else hashes * hashes / shares

    def totals(self) -> FleetTotals:
        """All of it; drops from the ledger what is too much to be worked off."""
        ledger, weights, total = self._ledger, self._ledger.weights, self._total
        correction = ledger.correction(total)
        surplus = {
            pool: total[pool] - self._own[pool] + ledger.carried_surplus[pool] + correction[pool] for pool in weights
        }
        _cap_surplus(surplus, ledger, self._rate)
        spread = max((weight * (1 - weight) for weight in weights.values()), default=0.0)
        return FleetTotals(
            rate=self._rate,
            placed=self._placed,
            work=self._work,
            surplus=surplus,
            correction=correction,
            sigma={pool: math.sqrt(amount) for pool, amount in self._variance.items()},
            rate_sigma=math.sqrt(self._rate_variance * spread),
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
