"""A limit on how many miners switch at once and per second."""

import math


class SwitchBudget:
    """Switches that the fleet may make: ``rate`` a second on average, ``burst`` at once.

    A miner that is refused gets a time to ask again, so that a thousand do not all ask for each switch that becomes
    free.
    """

    __slots__ = ("_last_retry", "_left", "_when", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._left = burst
        self._when = 0.0
        self._last_retry = -math.inf
        """When the last of those that wait may ask again."""

    def resize(self, rate: float, burst: float) -> None:
        """Set another rate; what is left is kept."""
        self.rate, self.burst = rate, burst
        self._left = min(self._left, burst)

    def reset_retries(self) -> None:
        """Hand out times to ask from the beginning again: all that wait are planned again."""
        self._last_retry = -math.inf

    def take(self, now: float) -> bool:
        """Take one switch at monotonic time ``now``; False: none is left, ask again at ``retry_at``."""
        self._left = min(self.burst, self._left + (now - self._when) * self.rate)
        self._when = now
        if self._left < 1 - 1e-9:
            return False
        self._left -= 1
        return True

    def retry_at(self, now: float) -> float:
        """Return when to ask again, after a refusal: those that ask later have to wait longer."""
        free = now + max(0.0, 1 - self._left) / self.rate
        self._last_retry = max(free, self._last_retry + 1 / self.rate)
        return self._last_retry
