"""The most recent waiting times, bounded, and their percentiles."""

from array import array
from dataclasses import dataclass

KEPT = 512


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds; all 0 while ``count`` is."""

    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    count: int = 0


class Recent:
    """The last ``KEPT`` samples in a ring."""

    __slots__ = ("_next", "_samples")

    def __init__(self) -> None:
        self._samples = array("d")
        self._next = 0

    def add(self, seconds: float) -> None:
        """Keep one sample and forget the oldest."""
        if len(self._samples) < KEPT:
            self._samples.append(seconds)
            return
        self._samples[self._next] = seconds
        self._next = (self._next + 1) % KEPT

    def percentiles(self) -> Percentiles:
        """Nearest-rank percentiles of what is kept."""
        if not self._samples:
            return Percentiles()
        ordered = sorted(self._samples)
        last = len(ordered) - 1
        return Percentiles(ordered[last * 50 // 100], ordered[last * 90 // 100], ordered[last * 99 // 100], last + 1)
