"""Variable difficulty as pools do it: so many shares a minute, corrected when the rate is well off."""

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Vardiff:
    """``idle_divisor`` above 1 lowers the difficulty of a client that was idle for a window, again and again.

    ``early_shares`` above 0 is public-pool's way (StratumV1ClientStatistics.ts): before the client's so-manieth share
    the difficulty is divided at each check from ``window_s`` after it came; then the mean of the last ``window_shares``
    decides, however long ago they were. ``check_s`` is the time between checks.
    """

    shares_per_minute: float = 18.0
    window_s: float = 30.0
    window_shares: int = 20
    minimum: float = 1.0
    maximum: float = 1e12
    whole: bool = False
    powers_of_two: bool = False
    idle_divisor: float = 1.0
    early_shares: int = 0
    check_s: float = 5.0

    def clamp(self, difficulty: float) -> float:
        """``difficulty`` within limits, to four digits or whole."""
        if self.powers_of_two:
            difficulty = 2.0 ** round(math.log2(max(difficulty, 1e-9)))
        difficulty = float(max(1, round(difficulty))) if self.whole else float(f"{difficulty:.4g}")
        return min(max(difficulty, self.minimum), self.maximum)


MININGCORE_VARDIFF = Vardiff(shares_per_minute=4.0, window_s=90.0, idle_divisor=6.0)
"""BitcoinPool.cs and VarDiffManager.cs: about 90 s without a share divide the difficulty by 6, again and again."""

PUBLIC_POOL_VARDIFF = Vardiff(
    shares_per_minute=6.0,
    window_s=60.0,
    window_shares=30,
    powers_of_two=True,
    idle_divisor=6.0,
    early_shares=5,
    check_s=60.0,
)


class RateWatch:
    """Watches one client's shares and proposes another difficulty when theirs come twice too fast or too slow."""

    checks_on_shares = True

    def __init__(self, vardiff: Vardiff, now: float) -> None:
        self._vardiff = vardiff
        self._since = now
        self._shares = 0
        self._work = 0.0

    def note(self, difficulty: float, now: float) -> None:
        """A share of ``difficulty`` was accepted at ``now``."""
        self._shares += 1
        self._work += difficulty

    def proposal(self, current: float, now: float) -> float | None:
        """Another difficulty at ``now`` (seconds), or None to stay; the window starts anew when it was full."""
        elapsed = now - self._since
        if elapsed <= 0 or (elapsed < self._vardiff.window_s and self._shares < self._vardiff.window_shares):
            return None
        wanted = self._wanted(current, elapsed)
        self._since, self._shares, self._work = now, 0, 0.0
        return wanted if not 0.5 < wanted / current < 2 else None

    def _wanted(self, current: float, elapsed: float) -> float:
        if not self._shares:
            return self._vardiff.clamp(current / self._vardiff.idle_divisor)
        return self._vardiff.clamp(self._work / elapsed * 60 / self._vardiff.shares_per_minute)


class MeanWatch:
    """public-pool's: an early client's difficulty falls by the clock, a later one's follows its last shares' mean."""

    checks_on_shares = False

    def __init__(self, vardiff: Vardiff, now: float) -> None:
        self._vardiff = vardiff
        self._since = now
        self._shares: deque[tuple[float, float]] = deque(maxlen=vardiff.window_shares)

    def note(self, difficulty: float, now: float) -> None:
        """A share of ``difficulty`` was accepted at ``now``."""
        self._shares.append((now, difficulty))

    def proposal(self, current: float, now: float) -> float | None:
        """Another difficulty at ``now`` (seconds), or None to stay."""
        if len(self._shares) < self._vardiff.early_shares:
            idle = now - self._since > self._vardiff.window_s
            return self._vardiff.clamp(current / self._vardiff.idle_divisor) if idle else None
        elapsed = self._shares[-1][0] - self._shares[0][0]
        if elapsed <= 0:
            return None
        work = sum(difficulty for _, difficulty in self._shares)
        wanted = work / elapsed * 60 / self._vardiff.shares_per_minute
        return None if current / 2 <= wanted <= current * 2 else self._vardiff.clamp(wanted)


def watch_of(vardiff: Vardiff, now: float) -> RateWatch | MeanWatch:
    """The watch for a client that came at ``now``."""
    return MeanWatch(vardiff, now) if vardiff.early_shares else RateWatch(vardiff, now)
