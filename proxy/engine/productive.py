"""The difficulty that a miner last worked at on a pool, and for how long it stands where the pool's own fell below it.

Pools lower the difficulty of a connection that lies idle: public-pool divides it by 6 a minute before the fifth share,
MiningCore by 6 for every 90 s without one, ckpool settles at the mean over the time away. A miner that comes back would
flood the pool, and what it is given then is no measure for the next time: so only what the pool set while the miner
really worked there is remembered, and the miner is held to it until the pool is at half of it or above.

Work between the pool's difficulty and the one held earns no credit, and a pool may mean a low difficulty. So a value
that the pool does not return to is given up: after ``HOLD_S`` of work in which the pool did not raise its own (it has
heard enough: public-pool looks each 60 s, MiningCore each 90 s, ckpool after 72 shares), and after ``HOLD_MOST_S``
in any case. From then on the pool's own counts, exactly.
"""

HOLD_S = 120.0
HOLD_MOST_S = 600.0


class ProductiveDifficulty:
    """One miner's on one pool, over all connections to it. All times are monotonic seconds."""

    __slots__ = ("_below_s", "_last", "_since", "_still_s", "earned", "value")

    def __init__(self) -> None:
        self.value = 0.0
        """0 while nothing is known; before the first share the largest that the pool had set."""
        self.earned = False
        """Whether a share was accepted."""
        self._last = 0.0
        """The pool's own while the miner works there."""
        self._since: float | None = None
        """Until when work was counted; None while the miner works elsewhere."""
        self._still_s = 0.0
        """Work below ``value`` since the pool last raised its own."""
        self._below_s = 0.0
        """Work below half of ``value`` since the pool was last there."""

    def start_work(self, difficulty: float, now: float) -> None:
        """The miner works here from ``now`` on, the pool's own being ``difficulty``."""
        self._since, self._last = now, difficulty
        self._back(difficulty)

    def stop_work(self, now: float) -> None:
        """The miner works elsewhere from ``now`` on."""
        self._count(now)
        self._since = None

    def pool_set(self, difficulty: float, now: float, *, at_work: bool) -> None:
        """The pool set ``difficulty`` on the connection that the miner works on, or on one that lies idle."""
        if at_work:
            self._count(now)
            if difficulty > self._last:
                self._still_s = 0.0
            self._last = difficulty
            self._back(difficulty)
        elif not self.earned:
            self.value = max(self.value, difficulty)

    def accepted(self, difficulty: float) -> None:
        """The pool accepted a share of a job of ``difficulty``: more than was known counts at once, less not yet."""
        self.earned = True
        self.value = max(self.value, difficulty)

    def held(self, difficulty: float, now: float) -> float:
        """What the miner is held to on a job for which the pool has ``difficulty``; 0 for nothing."""
        self._count(now)
        return self.value if self._since is not None and difficulty < self.value / 2 else 0.0

    def _count(self, now: float) -> None:
        if self._since is None:
            return
        worked, self._since = now - self._since, now
        if self._last >= self.value:
            return
        self._still_s += worked
        if self._last < self.value / 2:
            self._below_s += worked
        if self._still_s >= HOLD_S or self._below_s >= HOLD_MOST_S:
            self.value, self._still_s, self._below_s = self._last, 0.0, 0.0

    def _back(self, difficulty: float) -> None:
        if difficulty >= self.value / 2:
            self._below_s = 0.0
        if difficulty >= self.value:
            self._still_s = 0.0
