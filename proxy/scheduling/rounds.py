"""How long a miner stays on a pool at least, and how long a round over all its pools is.

Half a dwell is the error of the split, and each switch costs work: these two are weighed against each other.
"""

from collections.abc import Mapping

from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.policies.policy import Role
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import PoolKey


def dwell(weight: float, *, min_switch_s: float, slice_s: float, tuning: SchedulerTuning) -> float:
    """Return the seconds a miner stays at least on a pool of normalised ``weight``.

    As DPMP v2 has it, but longer on a minority pool, unless the operator lets miners switch more often than that.
    """
    usual = min(max(tuning.dwell_factor * weight * min_switch_s, slice_s), min_switch_s)
    if weight <= tuning.minority_weight and min_switch_s >= tuning.minority_dwell_s:
        return max(usual, tuning.minority_dwell_s)
    return usual


def miner_dwell(dwell_s: float, share_s: float, *, min_switch_s: float, tuning: SchedulerTuning) -> float:
    """Return the seconds that one miner, which needs ``share_s`` for a share, stays at least on a minority pool."""
    longest = min(tuning.dwell_shares * share_s, tuning.dwell_most_switch_times * min_switch_s, tuning.dwell_most_s)
    return max(dwell_s, longest)


def round_period(time_shares: Mapping[PoolKey, float], dwells: Mapping[PoolKey, float]) -> float:
    """Return the seconds of a round in which each pool gets its share of the time and none less than its dwell."""
    return max((dwells[pool] / part for pool, part in time_shares.items() if part > 0), default=0.0)


class Rounds:
    """Dwells and rounds under one set of weights and one timing. All in seconds."""

    def __init__(
        self, weights: Mapping[PoolKey, float], *, min_switch_s: float, slice_s: float, tuning: SchedulerTuning
    ) -> None:
        self.dwells = {
            pool: dwell(weight, min_switch_s=min_switch_s, slice_s=slice_s, tuning=tuning)
            for pool, weight in weights.items()
        }
        self.period = round_period(weights, self.dwells)
        """Length of a round of slices by the weights."""
        self._weights = weights
        self._min_switch_s = min_switch_s
        self._tuning = tuning
        whole = sum(weights.values())
        self._usual = {pool: weight / whole for pool, weight in weights.items()} if whole else {}
        """The time shares of a sliced miner that can work on all pools."""
        self._usual_period = max(self.period, round_period(self._usual, self.dwells))
        """Its round, unless its shares are rare."""
        self._may_be_longer = [
            (pool, part, self.dwells[pool])
            for pool, part in self._usual.items()
            if part > 0 and weights[pool] <= tuning.minority_weight
        ]
        self._longest = min(tuning.dwell_most_switch_times * min_switch_s, tuning.dwell_most_s)

    def dwell(self, miner: FleetMiner, pool: PoolKey, *, first: bool = False) -> float:
        """Return how long a miner stays on ``pool`` at least; ``first``: in the first slice of a ledger.

        By the pool's weight and not by the miner's own time share: it is the pool that has to see enough of the miner,
        and a residual miner's time shares are a guess that moves. In the first slice a slow miner follows new weights
        as soon as a quick one.
        """
        least = self.dwells.get(pool, 0.0)
        is_minority = self._weights.get(pool, 1.0) <= self._tuning.minority_weight
        if first or miner.assignment.role is Role.FIXED or not is_minority:
            return least
        return miner_dwell(least, miner.share_s(pool), min_switch_s=self._min_switch_s, tuning=self._tuning)

    def of_slices(self, miner: FleetMiner, *, first: bool = False) -> float:
        """Return the round of a miner that is sliced by itself."""
        if miner.assignment.time_shares == self._usual and miner.assignment.role is not Role.FIXED:
            return self._usual_period if first else self._of_usual(miner)
        return max(self.period, self._natural(miner, first=first))

    def _of_usual(self, miner: FleetMiner) -> float:
        """The same, with few calls: it is asked of thousands in one turn of the loop."""
        estimate, tuning, longest = miner.estimate, self._tuning, self._usual_period
        rate = estimate.rate
        if not rate or estimate.shares < tuning.dwell_from_shares:
            return longest
        for pool, part, least in self._may_be_longer:
            exposure = estimate.exposure if pool == miner.current else miner.paused.get(pool)
            if exposure is not None:
                stay = min(tuning.dwell_shares * (exposure.size / rate), self._longest)
                if stay > least and stay / part > longest:
                    longest = stay / part
        return longest

    def of_residual(self, miner: FleetMiner, *, working: int, age_s: float, switches: int) -> float:
        """Return the round of a residual miner: what its dwells make, and long enough to switch as rarely as wanted.

        ``working`` is the number of working miners, ``age_s`` and ``switches`` are those of the ledger. A young ledger
        puts exactness first: half a round of surplus weighs more the less has been worked.
        """
        time_shares, tuning = miner.assignment.time_shares, self._tuning
        natural = self._natural(miner, first=miner.in_first_slice)
        if len(time_shares) > 2:
            # A pool with a small part does not need its turn in every round.
            natural = min(natural, self.period)
        if working < tuning.calm_from or len(time_shares) < 2:  # with one pool it has nowhere to switch to
            return natural
        sliced = len(self._weights) - 1
        calm = max(tuning.calm_part, tuning.calm_per_residual * sliced / working)
        maturity = min(1.0, age_s / tuning.calm_after_s)
        calm_s = 2 * self.period * sliced / (calm * working * len(self._weights))
        swing = max(part * (1 - part) for part in time_shares.values())
        planned = max(natural, maturity * calm_s * min(0.25 / swing, tuning.most_uneven_stretch))
        return planned * self._restless_stretch(working, age_s, switches) if maturity == 1 else planned

    def _natural(self, miner: FleetMiner, *, first: bool) -> float:
        time_shares = miner.assignment.time_shares
        return round_period(time_shares, {pool: self.dwell(miner, pool, first=first) for pool in time_shares})

    def _restless_stretch(self, working: int, age_s: float, switches: int) -> float:
        """Return by how much rounds are longer because the ledger has seen more switches than are allowed."""
        pools, tuning = len(self._weights), self._tuning
        each = pools * age_s / self.period if self.period else 0.0
        budget = max(tuning.allowed_part * working, tuning.allowed_per_residual * (pools - 1))
        allowed = tuning.allowed_before_stretch * budget * each
        return min(max(switches / allowed, 1.0) ** 2, tuning.most_restless_stretch) if allowed else 1.0
