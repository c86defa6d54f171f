"""Tests at each poll whether a chain's hash rate has changed, or whether it is noise.

Each chain is tested by itself: its newest blocks against those before, at several scales (6, 12, 24, ... blocks), with
the exact Beta distribution of block times. The configured confidence holds for one long window, in which the short
window is refilled ``long / short`` times; so one poll gets the part ``short / long`` of the allowed error, divided
evenly between chains and scales (Bonferroni: never less strict than configured).
"""

from dataclasses import dataclass
from math import log

from proxy.balance.readings import NetworkReading, Span
from proxy.balance.statistics import change_p_value, log_ratio_sd, z_of

RELEASE_P = 0.5
"""A change ends when its p-value is above this."""

FOLLOW_CONFIDENCE = 0.95
"""While a change lasts, its size is updated when it differs by more than this confidence interval."""

_ENOUGH, _SURELY_NOISE = 4, 0.6
"""From so many blocks on, a log ratio below this part of the normal bound skips the exact test, as in most polls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A hash rate that has changed: ``ratio`` of the newest ``blocks`` to those before."""

    ratio: float
    blocks: float


@dataclass(frozen=True, slots=True)
class _Comparison:
    newest: Span
    rest_blocks: float
    rest_exposure: float

    @property
    def ratio(self) -> float:
        return (self.newest.blocks / self.newest.exposure) / (self.rest_blocks / self.rest_exposure)

    @property
    def noise(self) -> float:
        return log_ratio_sd(self.newest.blocks, self.rest_blocks)

    @property
    def p_value(self) -> float:
        return change_p_value(self.newest.exposure, self.newest.blocks, self.rest_exposure, self.rest_blocks)

    def is_significant(self, alpha: float) -> bool:
        if self.newest.blocks >= _ENOUGH and abs(log(self.ratio)) < _SURELY_NOISE * z_of(1.0 - alpha) * self.noise:
            return False
        return self.p_value < alpha


def _comparisons(reading: NetworkReading) -> list[_Comparison]:
    """Each span against the blocks before it, where those are at least as many."""
    if len(reading.spans) < 2:
        return []
    whole = reading.spans[-1]
    pairs = [
        _Comparison(span, whole.blocks - span.blocks, whole.exposure - span.exposure) for span in reading.spans[:-1]
    ]
    return [pair for pair in pairs if pair.rest_blocks >= pair.newest.blocks and pair.rest_exposure > 0]


def alpha_per_poll(confidence: float, short_blocks: float, long_blocks: float) -> float:
    """Allowed probability that a poll takes noise for a change, at ``confidence`` for one long window."""
    return (1.0 - confidence) * min(1.0, short_blocks / long_blocks)


class Evidence:
    """State of one chain: no change, or a change that lasts."""

    def __init__(self) -> None:
        self.change: Change | None = None

    def update(self, reading: NetworkReading, confidence: float, chains: int) -> Change | None:
        """Take a reading. Returns the change that lasts, None while it is within noise."""
        comparisons = _comparisons(reading)
        if not comparisons:
            self.change = None
            return None
        count = len(comparisons)
        alpha = alpha_per_poll(confidence, reading.short_blocks, reading.long_blocks) / chains / count
        if self.change is None and not any(pair.is_significant(alpha) for pair in comparisons):
            return None
        self._follow(comparisons, count)
        return self.change

    def _follow(self, comparisons: list[_Comparison], count: int) -> None:
        clearest = min(comparisons, key=lambda pair: pair.p_value)
        p_value = min(1.0, clearest.p_value * count)
        found = Change(ratio=clearest.ratio, blocks=clearest.newest.blocks)
        if self.change is None:
            self.change = found
        elif p_value > RELEASE_P:
            self.change = None
        else:
            noise = z_of(FOLLOW_CONFIDENCE) * clearest.noise
            if abs(log(found.ratio / self.change.ratio)) > noise:
                self.change = found
