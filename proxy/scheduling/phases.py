"""Keeps miners that are sliced alike out of phase: in phase, each pool sees all of their work or none.

Whatever moves them together (an outage, a change of weights, a pool that closes all its connections) leaves them with
equal surpluses, and equal surpluses make them switch at the same instants for ever. A shift of each one's own surplus
puts their switches apart; the shifts cancel by hash rate, so the fleet's split is as exact as before.
"""

from collections.abc import Sequence
from itertools import pairwise

_CLOSE = 0.5
"""Part of an even distance (a round divided by the miners) below which two switches count as being in phase."""


def apart(
    surplus: Sequence[float], rates: Sequence[float], *, gain: float, limit: float, period: float, fleet: int
) -> list[float]:
    """Return the surplus (seconds) on their pool that miners in phase should have instead; the same where none are.

    All work on one pool and leave it when their surplus reaches ``limit``; it grows by ``gain`` a second. ``fleet``
    is the number of miners sliced alike on whichever pool, ``period`` their round in seconds. The sum of surplus x
    rate is kept, and nobody's surplus is moved out of ``-limit..limit``.
    """
    order = sorted(range(len(surplus)), key=lambda index: surplus[index])
    nearest = _nearest([surplus[index] for index in order])
    even = gain * period / fleet
    if not are_close(surplus, gain=gain, period=period, fleet=fleet):
        return list(surplus)
    weights = [rates[index] for index in order] if all(rate > 0 for rate in rates) else [1.0] * len(order)
    whole = sum(weights)
    middle = sum(weight * surplus[index] for weight, index in zip(weights, order, strict=True)) / whole
    place = sum(weight * number for number, weight in enumerate(weights)) / whole
    room = min((limit - middle) / (len(order) - 1 - place), (limit + middle) / place)
    step = min(even, room)
    if step <= nearest:
        return list(surplus)
    moved = list(surplus)
    for number, index in enumerate(order):
        moved[index] = middle + step * (number - place)
    return moved


def are_close(surplus: Sequence[float], *, gain: float, period: float, fleet: int) -> bool:
    """Whether two of the miners on one pool switch (nearly) together."""
    return len(surplus) > 1 and _nearest(sorted(surplus)) < _CLOSE * gain * period / fleet


def _nearest(ordered: Sequence[float]) -> float:
    return min((later - earlier for earlier, later in pairwise(ordered)), default=0.0)
