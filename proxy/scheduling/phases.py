"""Keeps miners that are sliced alike out of phase: in phase, each pool sees all of their work or none.

Whatever moves them together (an outage, a change of weights, a pool that closes all its connections) leaves them with
equal surpluses, and equal surpluses make them switch at the same instants for ever. A shift of each one's own surplus
puts their switches apart; the shifts cancel by hash rate, so the fleet's split is as exact as before.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.policies import slicing
from proxy.scheduling.policies.policy import Role
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import PoolKey

_GOLDEN_RATIO = 0.6180339887498949
"""Its multiples, modulo 1, are as evenly spread as those of any number, however many there are."""


def start_phase(index: int, count: int, tuning: SchedulerTuning) -> float:
    """Return where in its round, -0.5..0.5, the ``index``-th of ``count`` miners starts.

    Neighbours cancel. Small fleets get 0: they are put out of phase by ``shifts``.
    """
    if count < tuning.phase_spread_from or index == 0:
        return 0.0
    pair, sign = (index + 1) // 2, 1 - 2 * (index % 2)
    return sign * tuning.phase_spread * ((pair * _GOLDEN_RATIO) % 1.0)


class Shift(NamedTuple):
    """A change of one miner's surplus that puts it out of phase with others."""

    miner: FleetMiner
    pool: PoolKey
    seconds: float
    """Added to the surplus on ``pool`` and taken from that on its other pools."""
    round_s: float


def shifts(
    miners: Iterable[FleetMiner], round_of: Callable[[FleetMiner], float], tuning: SchedulerTuning
) -> Iterator[Shift]:
    """Yield a shift for each miner that is in phase with another one; ``round_of`` says how long its rounds are."""
    alike: dict[tuple[PoolKey, frozenset[PoolKey]], list[FleetMiner]] = {}
    counts: Counter[frozenset[PoolKey]] = Counter()
    for miner in miners:
        time_shares, pool = miner.assignment.time_shares, miner.current
        if pool is None or miner.is_quiet or miner.assignment.role is not Role.SLICED:
            continue
        if 0 < time_shares.get(pool, 0.0) < 1:
            alike.setdefault((pool, frozenset(time_shares)), []).append(miner)
            counts[frozenset(time_shares)] += 1
    for (pool, pools), together in alike.items():
        time_shares = together[0].assignment.time_shares
        surplus = [miner.surplus.get(pool, 0.0) for miner in together]
        period = min(round_of(miner) for miner in together)
        even = (1 - time_shares[pool]) * period / counts[pools]
        if not are_close(surplus, even=even, tuning=tuning):
            continue
        rates = [miner.estimate.rate for miner in together]
        limit = slicing.amplitude(time_shares, pool, period)
        moved = apart(surplus, rates, even=even, limit=limit, tuning=tuning)
        for miner, before, after in zip(together, surplus, moved, strict=True):
            yield Shift(miner, pool, after - before, period)


def apart(
    surplus: Sequence[float], rates: Sequence[float], *, even: float, limit: float, tuning: SchedulerTuning
) -> list[float]:
    """Return the surplus (seconds) on their pool that miners in phase should have instead; the same where none are.

    All work on one pool and leave it when their surplus reaches ``limit``; ``even`` is the distance between their
    surpluses at which switches of all miners sliced alike, on whichever pool, would be evenly spread. The sum of
    surplus x rate is kept, and nobody's surplus is moved out of ``-limit..limit``.
    """
    order = sorted(range(len(surplus)), key=lambda index: surplus[index])
    nearest = _nearest([surplus[index] for index in order])
    if not are_close(surplus, even=even, tuning=tuning):
        return list(surplus)
    weights = [rates[index] for index in order] if all(rate > 0 for rate in rates) else [1.0] * len(order)
    whole = sum(weights)
    middle = sum(weight * surplus[index] for weight, index in zip(weights, order, strict=True)) / whole
    place = sum(weight * number for number, weight in enumerate(weights)) / whole
    if not 0 < place < len(order) - 1:  # beside one of them the others weigh nothing: it alone keeps the sum
        return list(surplus)
    room = min((limit - middle) / (len(order) - 1 - place), (limit + middle) / place)
    step = min(even, room)
    if step <= nearest:
        return list(surplus)
    moved = list(surplus)
    for number, index in enumerate(order):
        moved[index] = middle + step * (number - place)
    return moved


def are_close(surplus: Sequence[float], *, even: float, tuning: SchedulerTuning) -> bool:
    """Whether two of the miners on one pool switch (nearly) together."""
    return len(surplus) > 1 and _nearest(sorted(surplus)) < tuning.phase_close * even


def _nearest(ordered: Sequence[float]) -> float:
    return min((later - earlier for earlier, later in pairwise(ordered)), default=0.0)
