"""A miner's hash rate from its accepted shares, with how sure it is.

Shares are a Poisson process: the sum of ``W`` hashes expected for them, seen in ``T`` working seconds, says ``W / T``
hashes a second, with a relative standard error of ``1 / sqrt(n)``, n = W^2 / sum of squares. ``W`` and ``T`` are halved
each hour, so that the last hour counts most; a change larger than luck replaces what was known within a few minutes.
"""

import math

WINDOW_S = 3600.0
_BLOCK = 64
"""Shares that are compared with what was known."""
_SURPRISE = 4.5
"""Standard deviations between a block and what was known that are not called luck (about 1 in 100,000 blocks)."""
_SUGGESTED_INTERVAL_S = 3.33
"""Pools aim at about 18 shares a minute; a suggested difficulty is taken as a wish for that."""


class Estimate:
    """One miner's hash rate. Work in hashes, time in seconds of work."""

    __slots__ = ("_block_n", "_block_since", "_block_work", "_prior", "seconds", "squares", "work")

    def __init__(self, suggested_work: float | None = None) -> None:
        self.work = 0.0
        self.squares = 0.0
        self.seconds = 0.0
        self._prior = suggested_work / _SUGGESTED_INTERVAL_S if suggested_work else 0.0
        self._block_n = 0
        self._block_work = 0.0
        self._block_since = 0.0

    def add(self, work: float) -> bool:
        """Count an accepted share of ``work`` hashes. True: a block is full, call ``review`` when time is settled."""
        self.work += work
        self.squares += work * work
        self._block_work += work
        self._block_n += 1
        return self._block_n >= _BLOCK

    def pass_time(self, seconds: float) -> None:
        """Count ``seconds`` of work."""
        self.seconds = max(0.0, self.seconds + seconds)

    @property
    def rate(self) -> float:
        """Hashes a second; 0 while nothing is known."""
        if self.work and self.seconds > 0:
            return self.work / self.seconds
        return self._prior

    @property
    def shares(self) -> float:
        """How many equal shares it is as good as."""
        return self.work * self.work / self.squares if self.squares else 0.0

    @property
    def error(self) -> float:
        """Relative standard error, 1 while nothing is known."""
        return 1 / math.sqrt(self.shares) if self.shares >= 1 else 1.0

    @property
    def is_aged(self) -> bool:
        """Whether it is time to ``age``."""
        return self.seconds >= WINDOW_S

    def age(self) -> None:
        """Let what is known count half from now on."""
        self.work /= 2
        self.squares /= 2
        self.seconds /= 2
        self._block_work, self._block_n, self._block_since = 0.0, 0, self.seconds

    def review(self) -> bool:
        """Close the block; True: the miner's rate has changed, and what was known before is dropped."""
        block_s, work = self.seconds - self._block_since, self._block_work
        before_s, before_work = self.seconds - block_s, self.work - work
        known = before_work * before_work / self.squares if self.squares else 0.0
        changed = False
        if block_s > 0 and before_s > 0 and known >= _BLOCK / 2:
            size = work / self._block_n
            expected = before_work / before_s * block_s / size
            spread = math.sqrt(1 + expected / known)
            changed = abs(2 * (math.sqrt(self._block_n) - math.sqrt(expected))) > _SURPRISE * spread
            if changed:
                self.work, self.squares, self.seconds = work, work * size, block_s
        self._block_work, self._block_n, self._block_since = 0.0, 0, self.seconds
        return changed

    def dump(self) -> list[float]:
        """Return what ``load`` takes."""
        return [self.work, self.squares, self.seconds]

    @classmethod
    def load(cls, numbers: list[float]) -> "Estimate":
        """Return the estimate that ``dump`` wrote.

        Raises:
            ValueError: not three finite numbers of 0 or more.
        """
        if len(numbers) != 3 or not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise ValueError("an estimate is three numbers of 0 or more")
        made = cls()
        made.work, made.squares, made.seconds = numbers
        made._block_since = made.seconds
        return made
