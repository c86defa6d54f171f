"""Decides whether the weights move now, and how far: dead band, noise and step limit."""

from collections import deque
from dataclasses import dataclass

from proxy.balance.statistics import z_of
from proxy.balance.strategies import Parts, Target, rounded
from proxy.config.snapshot import BalanceConfig
from proxy.sentence import Sentence, sentence

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The weights after a poll."""

    parts: Parts
    moved: bool
    reason: str
    next: str
    """What happens next, a sentence."""


class StepBudget:
    """Limits the sum of the last hour's moves, in percentage points."""

    def __init__(self) -> None:
        self._moves: deque[tuple[float, float]] = deque()

    def left(self, now: float, per_hour: float) -> float:
        """Points that may be moved at monotonic time ``now``."""
        while self._moves and self._moves[0][0] <= now - HOUR_S:
            self._moves.popleft()
        return max(0.0, per_hour - sum(points for _, points in self._moves))

    def spend(self, now: float, points: float) -> None:
        """Count a move."""
        self._moves.append((now, points))


def distance(one: Parts, other: Parts) -> float:
    """Largest difference of a chain's part, in points."""
    return max((abs(one[chain] - other[chain]) for chain in one), default=0.0)


def describe(parts: Parts) -> str:
    """``BTC 60 %, BCH 40 %``."""
    return ", ".join(f"{chain.value} {part:g} %" for chain, part in parts.items())


def decide(current: Parts, target: Target, config: BalanceConfig, budget: StepBudget, now: float) -> Decision:
    """Move from ``current`` towards ``target`` as far as the limits allow."""
    wanted = rounded(target.parts)
    gap = distance(wanted, current)
    if gap == 0:
        return Decision(
            parts=current,
            moved=False,
            reason=sentence("The weights are where they should be."),
            next=sentence("Nothing, until the readings change."),
        )
    if gap < config.dead_band:
        return _stay(
            current,
            wanted,
            sentence(
                "the {gap:g} points that it differs are inside the dead-band of {band:g}",
                gap=gap,
                band=config.dead_band,
            ),
        )
    noise = z_of(config.significance) * target.noise if config.significance > 0 else 0.0
    if gap < noise:
        less = sentence("{gap:g} points are less than the noise of the fees ({noise:.1f})", gap=gap, noise=noise)
        return _stay(current, wanted, less)
    return _step(current, wanted, gap, config, budget, now)


def _step(current: Parts, wanted: Parts, gap: float, config: BalanceConfig, budget: StepBudget, now: float) -> Decision:
    part = min(1.0, budget.left(now, config.max_step_per_hour) / gap)
    parts = rounded({chain: current[chain] + (wanted[chain] - current[chain]) * part for chain in current})
    step = distance(parts, current)
    if step == 0 or step > gap * part + 1.0:
        used = sentence("the {points:g} points allowed in an hour are used up", points=config.max_step_per_hour)
        return _stay(current, wanted, used)
    budget.spend(now, step)
    if parts == wanted:
        return Decision(
            parts=parts,
            moved=True,
            reason=sentence("Moved to {parts}.", parts=describe(parts)),
            next=sentence("Nothing, until the readings change."),
        )
    return Decision(
        parts=parts,
        moved=True,
        next=sentence("Goes on towards {wanted} as the step per hour allows.", wanted=describe(wanted)),
        reason=sentence("Moved to {parts} on the way to {wanted}.", parts=describe(parts), wanted=describe(wanted)),
    )


def _stay(current: Parts, wanted: Parts, why: Sentence) -> Decision:
    return Decision(
        parts=current,
        moved=False,
        reason=sentence("Stayed at {parts}: {why}.", parts=describe(current), why=why),
        next=sentence("Would go to {wanted}, but {why}.", wanted=describe(wanted), why=why),
    )
