"""A miner's hash rate from its accepted shares, with how sure it is.

Shares are a Poisson process: a miner of ``r`` hashes a second that works ``t`` seconds at shares of ``W`` hashes
finds ``r t / W`` of them on average. So ``t / W``, summed up over all difficulties, are its *chances*, and
``found / chances`` is the likeliest rate, with a relative standard error of ``1 / sqrt(found)``: each share says as
much as any other. (Work by time is right on average too, but a large share brings its luck in by its size.)
Both are halved each hour, so that the last hour counts most; a change larger than luck replaces what was known within a
few minutes.
"""

import math

WINDOW_S = 3600.0
_BLOCK = 64
"""Shares that are compared with what was known."""
_SURPRISE = 4.5
"""Standard deviations between a block and what was known that are not called luck (about 1 in 100,000 blocks)."""
_MOST_LEFT = 3.0
"""Shares that the last look for one counts as at most when its pool is left (luck takes longer once in 20)."""
_SUGGESTED_INTERVAL_S = 3.33
"""Pools aim at about 18 shares a minute; a suggested difficulty is taken as a wish for that."""


class Search:
    """The look for the next share on one pool."""

    __slots__ = ("chances", "seconds", "size")

    def __init__(self) -> None:
        self.size = 0.0
        """Hashes, as those of the last share there; 0: the first will tell."""
        self.seconds = 0.0
        """Spent since the last share there, while the miner worked there."""
        self.chances = 0.0
        """What they were counted as."""


class Estimate:
    """One miner's hash rate. Work in hashes, time in seconds of work."""

    __slots__ = ("_block_chances", "_block_found", "_block_seconds", "_prior", "chances", "found", "search", "seconds")

    def __init__(self, suggested_work: float | None = None) -> None:
        self.found = 0.0
        """Shares."""
        self.chances = 0.0
        """Shares expected of a miner of one hash a second."""
        self.seconds = 0.0
        self._prior = suggested_work / _SUGGESTED_INTERVAL_S if suggested_work else 0.0
        self.search = Search()
        self._block_found = 0
        self._block_chances = 0.0
        self._block_seconds = 0.0

    def turn(self, search: Search) -> None:
        """Go on with ``search`` from now on."""
        self.search = search

    def leave(self) -> Search:
        """Return what is to be gone on with when the miner comes back here.

        A pool may have set another difficulty since the last share, so what was spent on the next is counted as a few
        shares at most until that one tells.
        """
        search = self.search
        before = self.chances - search.chances
        surplus = search.chances - _MOST_LEFT * before / self.found if self.found and before > 0 else 0.0
        if surplus > 0:
            search.chances -= surplus
            self.chances -= surplus
        return search

    def add(self, work: float, unsettled: float = 0.0) -> bool:
        """Count an accepted share of ``work`` hashes; the last ``unsettled`` seconds before it are passed later.

        What was spent on it was spent at its size, whatever that was taken for. True: a block is full, call ``review``
        when time is settled.
        """
        search = self.search
        self.chances = max(0.0, self.chances + search.seconds / work - search.chances)
        search.size, search.seconds, search.chances = work, -unsettled, -unsettled / work
        self.found += 1
        self._block_found += 1
        return self._block_found >= _BLOCK

    def pass_time(self, seconds: float) -> None:
        """Count ``seconds`` of work; what is negative was not worked after all."""
        search = self.search
        self.seconds = max(0.0, self.seconds + seconds)
        search.seconds += seconds
        if search.size:
            chances = seconds / search.size
            search.chances += chances
            self.chances = max(0.0, self.chances + chances)

    @property
    def rate(self) -> float:
        """Hashes a second; 0 while nothing is known."""
        if self.found and self.chances > 0:
            return self.found / self.chances
        return self._prior

    @property
    def shares(self) -> float:
        """Shares that it rests on, the older ones counting less."""
        return self.found

    @property
    def error(self) -> float:
        """Relative standard error, 1 while nothing is known."""
        return 1 / math.sqrt(self.found) if self.found >= 1 else 1.0

    @property
    def is_aged(self) -> bool:
        """Whether it is time to ``age``."""
        return self.seconds >= WINDOW_S

    def age(self) -> None:
        """Let what is known count half from now on."""
        self.found /= 2
        self.chances /= 2
        self.seconds /= 2
        self._begin_block()

    def review(self) -> bool:
        """Close the block; True: the miner's rate has changed, and what was known before is dropped."""
        chances, seconds = self.chances - self._block_chances, self.seconds - self._block_seconds
        known, before = self.found - self._block_found, self._block_chances
        changed = False
        if chances > 0 and before > 0 and known >= _BLOCK / 2:
            expected = known / before * chances
            spread = math.sqrt(1 + expected / known)
            changed = abs(2 * (math.sqrt(self._block_found) - math.sqrt(expected))) > _SURPRISE * spread
            if changed:
                self.found, self.chances, self.seconds = float(self._block_found), chances, max(0.0, seconds)
        self._begin_block()
        return changed

    def _begin_block(self) -> None:
        self._block_found, self._block_chances, self._block_seconds = 0, self.chances, self.seconds

    def dump(self) -> list[float]:
        """Return what ``load`` takes: work, the sum of its shares' squares, seconds, as if all shares were alike."""
        work = self.rate * self.seconds if self.found else 0.0
        return [work, work * work / self.found if self.found else 0.0, self.seconds]

    @classmethod
    def load(cls, numbers: list[float]) -> "Estimate":
        """Return the estimate that ``dump`` wrote.

        Raises:
            ValueError: not three finite numbers of 0 or more.
        """
        if len(numbers) != 3 or not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise ValueError("an estimate is three numbers of 0 or more")
        made = cls()
        work, squares, made.seconds = numbers
        if work and squares and made.seconds:
            made.found = work / squares * work
            made.chances = made.found * (made.seconds / work)
            if not (math.isfinite(made.found) and 0 < made.chances < math.inf):
                raise ValueError("an estimate of numbers too large or too small")
        made._begin_block()
        return made
