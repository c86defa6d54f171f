"""Measures how late the event loop runs timers."""

from collections import deque
from collections.abc import Callable
from math import ceil

from proxy.ports import Clock, Timer

INTERVAL_S = 0.25
KEPT = 240
"""Samples for the percentiles: the last minute."""


class LagMeter:
    """Schedules a call every ``INTERVAL_S`` and records how late it comes, in seconds."""

    def __init__(self, clock: Clock, observe: Callable[[float], None] = lambda seconds: None) -> None:
        self._clock = clock
        self._observe = observe
        self._samples: deque[float] = deque(maxlen=KEPT)
        self._due = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Measure until ``stop``."""
        if self._timer is None:
            self._schedule()

    def stop(self) -> None:
        """Stop measuring; the samples are kept."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def percentile(self, percent: float) -> float:
        """The lag in seconds that ``percent`` of the last minute's samples do not exceed; 0 without samples."""
        ordered = sorted(self._samples)
        if not ordered:
            return 0.0
        return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]

    def _schedule(self) -> None:
        self._due = self._clock.now() + INTERVAL_S
        self._timer = self._clock.call_at(self._due, self._called)

    def _called(self) -> None:
        lag = max(0.0, self._clock.now() - self._due)
        self._samples.append(lag)
        self._observe(lag)
        self._schedule()
