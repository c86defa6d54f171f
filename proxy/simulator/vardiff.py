"""Variable difficulty as pools do it: so many shares a minute, corrected when the rate is well off."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Vardiff:
    """``idle_divisor`` above 1 lowers the difficulty of a client that was idle for a window, as public-pool does."""

    shares_per_minute: float = 18.0
    window_s: float = 30.0
    window_shares: int = 20
    minimum: float = 1.0
    maximum: float = 1e12
    whole: bool = False
    idle_divisor: float = 1.0

    def clamp(self, difficulty: float) -> float:
        """``difficulty`` within limits, to four digits or whole."""
        difficulty = float(max(1, round(difficulty))) if self.whole else float(f"{difficulty:.4g}")
        return min(max(difficulty, self.minimum), self.maximum)


class RateWatch:
    """Watches one client's shares and proposes another difficulty when theirs come twice too fast or too slow."""

    def __init__(self, vardiff: Vardiff, now: float) -> None:
        self._vardiff = vardiff
        self._since = now
        self._shares = 0
        self._work = 0.0

    def note(self, difficulty: float) -> None:
        """A share of ``difficulty`` was accepted."""
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
