"""What a source tells about a chain's network, in the same words whatever the source."""

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
    """The hash rate of ``span`` and how well it is known."""
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
    """What people call the source."""
    taken_at: float
    """Unix seconds: when what it says was true."""
    difficulty: float
    height: int | None = None
    """Of the block that is being looked for."""
    spans: tuple[Span, ...] = ()
    """Windows that all end at the tip, from the shortest to the longest. Empty: nothing is known of the hash rate."""
    short_blocks: float = 0.0
    long_blocks: float = 0.0
    """Which of the spans are the short and the long window: the first with at least so many blocks."""
    fee: float | None = None
    """Typical fees of a block in coins; None where no coinbase was seen."""
    fee_error: float = 0.0
    """Standard error of ``fee``."""
    price: float | None = None
    """Of one coin, in the source's currency."""
    note: str = ""
    """What is missing or odd, for people."""

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


_MOST = 1e30
"""More than any difficulty, number of seconds, blocks or coins that can be true."""


def is_sane(reading: NetworkReading) -> bool:
    """Whether all numbers of ``reading`` can be true: a source may lie, and nonsense must not be weighed."""
    measured = [number for span in reading.spans for number in (span.blocks, span.seconds, span.difficulty)]
    optional = [reading.price or 1.0, (reading.fee or 0.0) + 1.0, reading.fee_error + 1.0, (reading.height or 0) + 1.0]
    return (
        all(0 < number < _MOST for number in (reading.difficulty, *measured, *optional))
        and (reading.fee or 0.0) >= 0
        and reading.fee_error >= 0
        and math.isfinite(reading.taken_at)
    )


MAX_LOOK_BACK = 4
"""Long windows that the test of significance looks back at most."""


def scales(short: int, long: int) -> tuple[int, ...]:
    """Numbers of blocks worth a span: short, doubled until past the long window, long itself, and all of the past."""
    doubled, wanted = short, {long, MAX_LOOK_BACK * long}
    while doubled < 2 * long:
        wanted.add(doubled)
        doubled *= 2
    return tuple(sorted(wanted))
