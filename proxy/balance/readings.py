"""The common form of what the sources say about a chain."""

import math
from dataclasses import dataclass

from proxy.balance.statistics import rate_factors
from proxy.types import HASHES_PER_DIFFICULTY, Chain

DGB_ALGORITHM_SPACING_S = 75.0
"""Seconds between two SHA-256d blocks of DigiByte: five algorithms of 15 s each. Its difficulty follows the hash rate
of the algorithm within about ten of its blocks, so the difficulty alone tells the hash rate."""

DGB_HEIGHTS_PER_BLOCK = 5
"""Heights that pass while DigiByte finds one SHA-256d block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The newest ``blocks`` blocks, found in ``seconds`` at the mean ``difficulty``."""

    blocks: float
    seconds: float
    difficulty: float

    @property
    def exposure(self) -> float:
        """Seconds per unit of difficulty: Gamma(blocks) distributed at a constant hash rate, at any difficulty."""
        return self.seconds / self.difficulty


def hash_rate(span: Span) -> float:
    """Hashes per second that find ``span.blocks`` in ``span.seconds`` on average."""
    return span.blocks * HASHES_PER_DIFFICULTY / span.exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A hash rate in H/s with the bounds of its 95 % interval, over how many blocks."""

    rate: float
    low: float
    high: float
    blocks: float


def measure(span: Span | None) -> Measured | None:
    """The hash rate of ``span`` with its 95 % interval."""
    if span is None:
        return None
    rate = hash_rate(span)
    low, high = rate_factors(span.blocks)
    return Measured(rate=rate, low=rate * low, high=rate * high, blocks=span.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkReading:
    """One chain as one source sees it."""

    chain: Chain
    source: str
    """Name of the source."""
    taken_at: float
    """Unix seconds: the time of the data."""
    difficulty: float
    height: int | None = None
    """Of the block that is being looked for."""
    spans: tuple[Span, ...] = ()
    """Windows that end at the tip, shortest first. Empty: the hash rate is unknown."""
    short_blocks: float = 0.0
    long_blocks: float = 0.0
    """Sizes of the short and the long window: each is the first span with at least so many blocks."""
    fee: float | None = None
    """Typical fees of a block in coins; None where no coinbase was seen."""
    fee_error: float = 0.0
    """Standard error of ``fee``."""
    price: float | None = None
    """Of one coin, in the source's currency."""
    note: str = ""
    """What is missing or odd, to show."""

    @property
    def short(self) -> Span | None:
        """The short window, None while it is not full."""
        return self._window(self.short_blocks)

    @property
    def long(self) -> Span | None:
        """The long window, None while it is not full."""
        return self._window(self.long_blocks)

    def _window(self, blocks: float) -> Span | None:
        return next((span for span in self.spans if span.blocks >= blocks > 0), None)


_MAX_VALUE = 1e30
"""Above any possible difficulty, duration, number of blocks or coins."""


def is_sane(reading: NetworkReading) -> bool:
    """Whether all numbers of ``reading`` are possible; a source may be wrong or lie."""
    measured = [number for span in reading.spans for number in (span.blocks, span.seconds, span.difficulty)]
    optional = [reading.price or 1.0, (reading.fee or 0.0) + 1.0, reading.fee_error + 1.0, (reading.height or 0) + 1.0]
    return (
        all(0 < number < _MAX_VALUE for number in (reading.difficulty, *measured, *optional))
        and (reading.fee or 0.0) >= 0
        and reading.fee_error >= 0
        and math.isfinite(reading.taken_at)
    )


MAX_WINDOWS_BACK = 4
"""Length of the longest span, in long windows."""


def scales(short: int, long: int) -> tuple[int, ...]:
    """Span sizes: short and its doublings below twice long, long itself, and ``MAX_WINDOWS_BACK`` times long."""
    doubled, wanted = short, {long, MAX_WINDOWS_BACK * long}
    while doubled < 2 * long:
        wanted.add(doubled)
        doubled *= 2
    return tuple(sorted(wanted))
