"""One miner's connection as the scheduler knows it: where it works, since when, and what it does with its time."""

import math

from proxy.scheduling.policies.policy import Assignment, Role
from proxy.scheduling.rate import Estimate, Search
from proxy.scheduling.surplus import Ledger
from proxy.types import PoolKey, SessionId, SwitchReason, WorkerName

QUIET_MIN_S = 60.0
_QUIET_INTERVALS = 6.0
"""Expected share intervals without a share (1 in 400 by luck) after which a miner counts as quiet."""
_PATIENCE_S = 600.0
"""A miner that has never submitted is believed to work this long."""
_KNOWN_SHARES = 48.0
"""A pool that begins too easy gets the first twenty in seconds; whole miners placed by those would be placed wrong."""
_FEWEST_SHARES = 6.0
_LEARNING_S = 300.0
_STAY_FROM_SHARES = 0.5
"""Shares (they count half after an hour) from which on stays follow the time that a share takes."""


class Member:
    """A session. Times are monotonic seconds."""

    __slots__ = (
        "armed",
        "assignment",
        "current",
        "due",
        "estimate",
        "free",
        "in_hand",
        "is_quiet",
        "joined",
        "last_share",
        "left",
        "moving",
        "open",
        "pool_time",
        "ready",
        "session",
        "settled",
        "since",
        "worker",
    )

    def __init__(self, session: SessionId, worker: WorkerName, estimate: Estimate, now: float) -> None:
        self.session = session
        self.worker = worker
        self.estimate = estimate
        self.joined = now
        self.settled = now
        self.since = now
        """Of its last switch."""
        self.last_share: float | None = None
        self.left: dict[PoolKey, Search] = {}
        """What it looked for on the pools that it left."""
        self.is_quiet = False
        self.ready: frozenset[PoolKey] = frozenset()
        self.current: PoolKey | None = None
        self.assignment = Assignment()
        self.open: dict[PoolKey, float] = {}
        """Working seconds by pool that are not valued for good."""
        self.in_hand: dict[PoolKey, float] = {}
        """Seconds above its own row, while sliced."""
        self.free = True
        """Whether the slice it is in may end before its dwell (the first of a ledger)."""
        self.moving = SwitchReason.ASSIGN
        """Why it would be moved to another fixed pool."""
        self.due = math.inf
        self.armed = math.inf
        self.pool_time: dict[PoolKey, float] = {}

    @property
    def pools(self) -> frozenset[PoolKey]:
        """Where it can work now."""
        return self.ready if self.current is None else self.ready | {self.current}

    def is_known(self, now: float, enough: float) -> bool:
        """Whether its rate is good enough to be packed by: at least to ``enough`` hashes a second, or to a seventh."""
        found = self.estimate.found
        if found >= _KNOWN_SHARES or now - self.joined > _LEARNING_S:
            return True
        return found >= _FEWEST_SHARES and self.estimate.rate * self.estimate.error <= enough

    def share_s(self, pool: PoolKey) -> float:
        """Return the seconds that it needs for a share on ``pool`` on average; 0 while that is not known well."""
        search = self.estimate.search if pool == self.current else self.left.get(pool)
        if search is None or self.estimate.found < _STAY_FROM_SHARES or not self.estimate.rate:
            return 0.0
        return search.size / self.estimate.rate

    def settle(self, now: float, ledger: Ledger) -> None:
        """Book the time since the last call; none of it while the miner is quiet."""
        span, self.settled = now - self.settled, now
        if self.current is None or span <= 0 or self.is_quiet:
            return
        silent = now - self.last_share if self.last_share is not None else now - self.joined
        if silent > QUIET_MIN_S and silent > self._patience():
            self.is_quiet = True
            # What was booked since its last share on this pool was not worked.
            span = -min(silent - span, self.open.get(self.current, 0.0), now - span - self.since)
            span = min(span, 0.0)
        self._book(span, ledger)

    def _patience(self) -> float:
        rate = self.estimate.rate
        size = self.estimate.search.size or max((search.size for search in self.left.values()), default=0.0)
        if self.last_share is None or not rate or not size:
            return _PATIENCE_S
        return _QUIET_INTERVALS * size / rate

    def _book(self, span: float, ledger: Ledger) -> None:
        pool = self.current
        assert pool is not None
        self.estimate.pass_time(span)
        self.open[pool] = self.open.get(pool, 0.0) + span
        self.pool_time[pool] = self.pool_time.get(pool, 0.0) + max(span, 0.0)
        if self.assignment.role is Role.SLICED and pool in self.assignment.row:
            for key, part in self.assignment.row.items():
                self.in_hand[key] = self.in_hand.get(key, 0.0) - part * span
            self.in_hand[pool] += span
        if self.estimate.is_aged:
            self.close(ledger)
            self.estimate.age()

    def found(self, pool: PoolKey, work: float, now: float) -> bool:
        """Count an accepted share of ``work`` hashes; True: call ``review`` when time is settled."""
        if pool != self.current:
            return self._straggler(pool, work)
        return self.estimate.add(work, 0.0 if self.is_quiet else now - self.settled)

    def _straggler(self, pool: PoolKey, work: float) -> bool:
        """Count a share of a pool that it has left since."""
        here = self.estimate.search
        self.estimate.turn(self.left.setdefault(pool, Search()))
        is_full = self.estimate.add(work)
        self.estimate.turn(here)
        return is_full

    def close(self, ledger: Ledger) -> None:
        """Value the open seconds for good, with the present estimate."""
        ledger.close(self.open, self.estimate.rate, self.estimate.shares)
        self.open.clear()

    def begin(self, pool: PoolKey, now: float) -> None:
        """It works on ``pool`` from now on."""
        if self.current is None:
            self.is_quiet = False
            self.settled = now
            if self.last_share is None:
                self.joined = now
            else:
                self.last_share = now
        else:
            self.vacate()
        self.current, self.since, self.free = pool, now, False
        self.estimate.turn(self.left.pop(pool) if pool in self.left else Search())

    def vacate(self) -> None:
        """It works nowhere from now on; its time is settled."""
        if self.current is not None:
            self.left[self.current] = self.estimate.leave()
        self.current = None

    def review(self, ledger: Ledger) -> None:
        """A block of shares is complete: see whether the rate has changed."""
        before, shares = self.estimate.rate, self.estimate.shares
        if self.estimate.review():
            ledger.close(self.open, before, shares)
            self.open.clear()

    def remember(self, known: "Member") -> None:
        """Take over what is known of the same worker from an earlier connection."""
        if known.estimate.rate:
            self.estimate = known.estimate
        self.in_hand = known.in_hand

    def wake(self, now: float) -> None:
        """A share came after a silence: time counts again."""
        self.is_quiet = False
        self.settled = now
