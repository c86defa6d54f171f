"""A miner's hash rate from its accepted shares, with how sure it is.

Shares are a Poisson process: a miner of ``r`` hashes a second that works ``t`` seconds at shares of ``W`` hashes
finds ``r t / W`` of them on average. So ``t / W``, summed up over all difficulties, are the shares to expect of a
miner of one hash a second, and ``shares / expected_shares`` is the likeliest rate, with a relative standard error of
``1 / sqrt(shares)``: each share says as much as any other. (Work by time is right on average too, but a large share
brings its luck in by its size.) Both are halved each hour, so that the last hour counts most; a change larger than
luck replaces what was known within a few minutes.
"""

import math

from proxy.scheduling.tuning import SchedulerTuning


class Exposure:
    """Time spent on one pool since the last share there."""

    __slots__ = ("expected_shares", "seconds", "size")

    def __init__(self) -> None:
        self.size = 0.0
        """Hashes of the last share there; 0: none yet."""
        self.seconds = 0.0
        """Spent since that share, while the miner worked there."""
        self.expected_shares = 0.0
        """What those seconds count as in the estimate."""


class Estimate:
    """One miner's hash rate. Work in hashes, time in seconds of work."""

    __slots__ = (
        "_block_expected",
        "_block_seconds",
        "_block_shares",
        "_tuning",
        "expected_shares",
        "exposure",
        "seconds",
        "shares",
    )

    def __init__(self, tuning: SchedulerTuning) -> None:
        self.shares = 0.0
        """Shares that it is based on; older ones count less."""
        self.expected_shares = 0.0
        """Shares to expect of a miner of one hash a second in the same time."""
        self.seconds = 0.0
        self._tuning = tuning
        self.exposure = Exposure()
        self._block_shares = 0
        self._block_expected = 0.0
        self._block_seconds = 0.0

    def pause(self) -> Exposure:
        """Return the exposure to go on with when the miner comes back to this pool.

        A pool may have set another difficulty since the last share, so the time since then counts as a few shares at
        most until the next one tells.
        """
        exposure = self.exposure
        before = self.expected_shares - exposure.expected_shares
        if self.shares and before > 0:
            excess = exposure.expected_shares - self._tuning.most_unfound_shares * before / self.shares
            if excess > 0:
                exposure.expected_shares -= excess
                self.expected_shares -= excess
        return exposure

    def go_on_from(self, known: "Estimate") -> None:
        """Take over what was ``known`` of the same miner, as of before the present exposure."""
        self.shares += known.shares
        self.expected_shares += known.expected_shares
        self.seconds += known.seconds
        self._begin_block()

    def add(self, work: float, unsettled: float = 0.0) -> bool:
        """Count an accepted share of ``work`` hashes; the last ``unsettled`` seconds before it are passed later.

        The time since the last share counts at this one's size. True: a block is full, call ``review`` when time is
        settled.
        """
        exposure = self.exposure
        self.expected_shares = max(0.0, self.expected_shares + exposure.seconds / work - exposure.expected_shares)
        exposure.size, exposure.seconds, exposure.expected_shares = work, -unsettled, -unsettled / work
        self.shares += 1
        self._block_shares += 1
        return self._block_shares >= self._tuning.rate_block_shares

    def add_time(self, seconds: float) -> None:
        """Add ``seconds`` of work; negative ones take back time that was not worked after all."""
        exposure = self.exposure
        self.seconds = max(0.0, self.seconds + seconds)
        exposure.seconds += seconds
        if exposure.size:
            expected_shares = seconds / exposure.size
            exposure.expected_shares += expected_shares
            self.expected_shares = max(0.0, self.expected_shares + expected_shares)

    @property
    def rate(self) -> float:
        """Hashes a second; 0 until a share was accepted, whatever the miner says of itself."""
        return self.shares / self.expected_shares if self.shares and self.expected_shares > 0 else 0.0

    @property
    def error(self) -> float:
        """Relative standard error, 1 while nothing is known."""
        return 1 / math.sqrt(self.shares) if self.shares >= 1 else 1.0

    @property
    def is_aged(self) -> bool:
        """Whether it is time to ``age``."""
        return self.seconds >= self._tuning.rate_window_s

    def age(self) -> None:
        """Halve the weight of what is known."""
        self.shares /= 2
        self.expected_shares /= 2
        self.seconds /= 2
        self._begin_block()

    def review(self) -> bool:
        """Close the block; True: the miner's rate has changed, and what was known before is dropped."""
        lately, seconds = self.expected_shares - self._block_expected, self.seconds - self._block_seconds
        known, before = self.shares - self._block_shares, self._block_expected
        changed = False
        if lately > 0 and before > 0 and known >= self._tuning.rate_block_shares / 2:
            expected = known / before * lately
            spread = math.sqrt(1 + expected / known)
            deviation = abs(2 * (math.sqrt(self._block_shares) - math.sqrt(expected)))
            changed = deviation > self._tuning.rate_change_sigmas * spread
            if changed:
                self.shares, self.expected_shares, self.seconds = float(self._block_shares), lately, max(0.0, seconds)
        self._begin_block()
        return changed

    def _begin_block(self) -> None:
        self._block_shares, self._block_expected, self._block_seconds = 0, self.expected_shares, self.seconds

    def dump(self) -> list[float]:
        """Return what ``load`` takes: work, the sum of its shares' squares, seconds, as if all shares were alike."""
        work = self.rate * self.seconds if self.shares else 0.0
        return [work, work * work / self.shares if self.shares else 0.0, self.seconds]

    @classmethod
    def load(cls, numbers: list[float], tuning: SchedulerTuning) -> "Estimate":
        """Return the estimate that ``dump`` wrote.

        Raises:
            ValueError: not three finite numbers of 0 or more.
        """
        if len(numbers) != 3 or not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise ValueError("an estimate is three numbers of 0 or more")
        made = cls(tuning)
        work, squares, made.seconds = numbers
        if work and squares and made.seconds:
            made.shares = work / squares * work
            made.expected_shares = made.shares * (made.seconds / work)
            if not (math.isfinite(made.shares) and 0 < made.expected_shares < math.inf):
                raise ValueError("an estimate of numbers too large or too small")
        made._begin_block()
        return made
