"""The difficulty of one miner on shared connections: so many shares a minute, whatever it hashes with.

A pool sets the difficulty of a shared connection for all its miners together, so each miner's own is decided here. As
pool software does it (ckpool src/stratifier.c: by the time a number of shares took; public-pool's client: by the work
of a window), with two paces: while nothing is known of the miner, little evidence is enough for a large step; once it
is, only a deviation that chance does not explain (``SURE`` standard deviations) changes anything, so a steady miner
keeps its difficulty for days.

Silence is weak evidence: who falls silent has most likely stopped. It lowers the difficulty to a part of what the
miner was known to work at, no further, so that one that comes back floods nobody and its shares say what it is. Only
shares that are found, too rarely, take it further down. A difficulty that is too high costs no work, only luck.

Only time at work counts, and only shares that reached the difficulty they were issued at: their sum over time is the
hash rate whatever the firmware takes the difficulty for.
"""

from proxy.stratum.difficulty import LEAST_DIFFICULTY

FLOOD = 24
"""So many shares are evidence however short the time was."""
FAR = 4.0
"""From so many times the aim (or a part of it) on, the miner is not left where it is until its next job comes."""
MOST_STEP = 64.0
SILENCE = 3.0
"""So many shares expected and none found: a step down, while little is known of the miner."""
SILENCE_STEP = 32.0
"""Large: what is far too low shows within seconds, what is far too high does not. No silence takes a miner whose rate
was known further down than one such step."""
LONG_SILENCE = 12.0
"""The same for a miner whose rate was known: chance brings this about once in 160,000 windows."""
FIRST_LOOK = 6.0
"""Expected shares after which a miner of whom little is known is looked at."""
KNOWN = 20.0
"""Expected shares after which the rate of a miner is known, where they were about as many as expected."""
SURE = 5.0
BAND = 1.5
"""A difficulty is kept while shares come at the aim, within this factor."""
FIRST_BAND = 1.7
WINDOW = 150.0
"""Expected shares after which the evidence is begun anew: ten minutes at 15 a minute."""


class Vardiff:
    """One miner's, over all shared connections. Times are monotonic seconds."""

    __slots__ = ("_at_work", "_given", "_silent", "_spent_s", "_work", "is_learning", "settle_s", "share_s", "suitable")

    def __init__(self, start: float, share_s: float, settle_s: float = 0.0, slowest: float = 0.0) -> None:
        """``start``: the first difficulty; ``share_s``: a share in so many seconds is the aim; ``settle_s``: how long
        the firmware may go on at a higher difficulty after it was given a lower one; ``slowest``: what suits the
        slowest device that has it."""
        self.suitable = max(start, LEAST_DIFFICULTY)
        """What suits the miner as far as is known; what it is given may be bounded by others."""
        self.share_s = share_s
        self.settle_s = settle_s
        self.is_learning = True
        """Whether little is known of the miner's rate."""
        self._silent = slowest
        """Silence takes the difficulty no lower."""
        self._given = self.suitable
        """What its shares are found at."""
        self._at_work: float | None = None
        """Until when time was counted, or from when on it counts; None while it works elsewhere."""
        self._spent_s = 0.0
        self._work = 0.0
        """Sum of difficulties since the evidence began."""

    def aim(self, share_s: float, now: float) -> None:
        """A share in so many seconds is the aim from now on: what is known of the miner's rate holds for it as well."""
        if share_s != self.share_s:
            ratio, self.share_s = share_s / self.share_s, share_s
            self.suitable = max(self.suitable * ratio, LEAST_DIFFICULTY)
            self._silent *= ratio
            self._begin(now)

    def given(self, difficulty: float, now: float) -> None:
        """The miner works from now on at ``difficulty``, here."""
        if self._at_work is None:
            self._at_work = now
        if difficulty != self._given:
            lower, self._given = difficulty < self._given, difficulty
            self._begin(now)
            if lower:
                self._at_work = now + self.settle_s

    def left(self, now: float) -> None:
        """The miner works where another one decides its difficulty."""
        self._count(now)
        self._at_work = None

    def share(self, difficulty: float, now: float) -> bool:
        """A share reached ``difficulty``. Returns whether the miner finds far too many."""
        if self._at_work is None or now < self._at_work:
            return False
        self._work += difficulty
        if self._work < FLOOD * self._given:
            return False
        self._count(now)
        return self._work * self.share_s >= FAR * self._given * self._spent_s

    @property
    def look_s(self) -> float:
        """After so many seconds at work without a share there is something to see."""
        return self.settle_s + (SILENCE if self.is_learning else LONG_SILENCE) * self.share_s

    def review(self, now: float) -> None:
        """Let the evidence change ``suitable``."""
        self._count(now)
        expected, found = self._spent_s / self.share_s, self._work / self._given
        if found >= FLOOD and found >= FAR * expected:
            self._step(min(found / expected, MOST_STEP) if expected > 0 else MOST_STEP, now)
            self.is_learning = True
        elif found == 0 and expected >= (SILENCE if self.is_learning else LONG_SILENCE):
            self.suitable = max(min(self._given, self._silent), self._given / SILENCE_STEP, LEAST_DIFFICULTY)
            self.is_learning = True
            self._begin(now)
        elif self.is_learning:
            self._learn(expected, found, now)
        elif abs(found - expected) > SURE * expected**0.5 and not expected / BAND <= found <= expected * BAND:
            if expected > 0:  # else the evidence was begun anew at this very moment
                self._step(found / expected, now)
        elif expected >= WINDOW:
            self._begin(now)

    def _learn(self, expected: float, found: float, now: float) -> None:
        ratio = (found + 1.0) / (expected + 1.0)  # one share of a miner at the aim beforehand: chance is large
        if expected >= FIRST_LOOK and not 1 / FIRST_BAND <= ratio <= FIRST_BAND:
            self._step(ratio, now)
            self.is_learning = expected < KNOWN
        elif expected >= KNOWN:
            self.is_learning = False
            self._silent = self._given / SILENCE_STEP

    def _step(self, factor: float, now: float) -> None:
        """Shares say that another difficulty suits."""
        self.suitable = max(self._given * factor, LEAST_DIFFICULTY)
        self._silent = self.suitable / SILENCE_STEP
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._count(now)
        self._spent_s = self._work = 0.0

    def _count(self, now: float) -> None:
        if self._at_work is not None:
            self._spent_s += max(0.0, now - self._at_work)
            self._at_work = max(now, self._at_work)


def is_far(suitable: float, given: float) -> bool:
    """Whether the miner is to be given another difficulty before its next job comes."""
    return not 1 / FAR < suitable / given < FAR
