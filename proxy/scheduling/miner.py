"""One miner's connection as the scheduler knows it: where it works, since when, and what it does with its time."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from proxy.scheduling.control import NO_CHOICE, MinerChoice
from proxy.scheduling.policies.policy import Assignment, Role
from proxy.scheduling.rate import Estimate, Exposure
from proxy.scheduling.surplus import Ledger
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import MAIN_LISTENER, ListenerId, PoolKey, SessionId, SwitchReason, WorkerName

_NOWHERE: Mapping[PoolKey, Exposure] = MappingProxyType({})
"""Of the miners that have never left a pool, as most have in a fleet that is packed."""


class FleetMiner:
    """One session of a fleet. Times are monotonic seconds."""

    __slots__ = (
        "armed",
        "assignment",
        "choice",
        "current",
        "due",
        "estimate",
        "in_first_slice",
        "is_proven",
        "is_quiet",
        "joined",
        "last_share",
        "listener",
        "move_reason",
        "open_seconds",
        "paused",
        "pool_seconds",
        "ready",
        "session",
        "settled",
        "since",
        "surplus",
        "tuning",
        "worker",
    )

    def __init__(
        self,
        session: SessionId,
        worker: WorkerName,
        estimate: Estimate,
        now: float,
        tuning: SchedulerTuning,
        listener: ListenerId = MAIN_LISTENER,
        choice: MinerChoice = NO_CHOICE,
        pool_seconds: dict[PoolKey, float] | None = None,
    ) -> None:
        self.session = session
        self.worker = worker
        self.listener = listener
        self.choice = choice
        self.estimate = estimate
        self.tuning = tuning
        self.joined = now
        self.settled = now
        self.since = now
        """When it last switched."""
        self.last_share: float | None = None
        self.paused = _NOWHERE
        """Exposure on the pools that it left, resumed when it returns."""
        self.is_proven = False
        """Whether a share of this connection was accepted."""
        self.is_quiet = False
        self.ready: frozenset[PoolKey] = frozenset()
        self.current: PoolKey | None = None
        self.assignment = Assignment()
        self.open_seconds: dict[PoolKey, float] = {}
        """Working seconds by pool that are not converted to work yet."""
        self.surplus: dict[PoolKey, float] = {}
        """Seconds on each pool above its time shares, while sliced."""
        self.in_first_slice = True
        """Whether it is in the first slice of a ledger, which may end before the dwell."""
        self.move_reason = SwitchReason.ASSIGN
        """The reason to give when it is moved to another fixed pool."""
        self.due = math.inf
        """When its next step is due."""
        self.armed = math.inf
        """The step for which the timer queue has an entry."""
        self.pool_seconds = pool_seconds if pool_seconds is not None else {}
        """Working seconds by pool, of all miners together."""

    @property
    def pools(self) -> frozenset[PoolKey]:
        """Where it can work now."""
        current = self.current
        return self.ready if current is None or current in self.ready else self.ready | {current}

    def is_known(self, now: float, enough: float) -> bool:
        """Whether its rate is known well enough for packing: to within ``enough`` hashes a second, or to a seventh."""
        shares, tuning = self.estimate.shares, self.tuning
        if shares >= tuning.known_shares or now - self.joined > tuning.learning_s:
            return True
        return shares >= tuning.known_least_shares and self.estimate.rate * self.estimate.error <= enough

    def share_s(self, pool: PoolKey) -> float:
        """Return the seconds that it needs for a share on ``pool`` on average; 0 while that is not known well."""
        exposure = self.estimate.exposure if pool == self.current else self.paused.get(pool)
        if exposure is None or self.estimate.shares < self.tuning.dwell_from_shares or not self.estimate.rate:
            return 0.0
        return exposure.size / self.estimate.rate

    def settle(self, now: float, ledger: Ledger) -> None:
        """Account for the time since the last call, except while the miner is quiet."""
        span, self.settled = now - self.settled, now
        if self.current is None or span <= 0 or self.is_quiet:
            return
        silent = now - self.last_share if self.last_share is not None else now - self.joined
        if silent > self.tuning.quiet_least_s and silent > self._quiet_after_s():
            self.is_quiet = True
            # What was booked since its last share on this pool was not worked.
            span = -min(silent - span, self.open_seconds.get(self.current, 0.0), now - span - self.since)
            span = min(span, 0.0)
        self._book(span, ledger)

    def _quiet_after_s(self) -> float:
        """Return the seconds without a share after which it counts as quiet."""
        rate = self.estimate.rate
        size = self.estimate.exposure.size or max((exposure.size for exposure in self.paused.values()), default=0.0)
        if self.last_share is None or not rate or not size:
            return self.tuning.first_share_grace_s
        return self.tuning.quiet_intervals * size / rate

    def _book(self, span: float, ledger: Ledger) -> None:
        pool = self.current
        assert pool is not None
        self.estimate.add_time(span)
        self.open_seconds[pool] = self.open_seconds.get(pool, 0.0) + span
        self.pool_seconds[pool] = self.pool_seconds.get(pool, 0.0) + max(span, 0.0)
        if self.assignment.role is Role.SLICED and pool in self.assignment.time_shares:
            for key, part in self.assignment.time_shares.items():
                self.surplus[key] = self.surplus.get(key, 0.0) - part * span
            self.surplus[pool] += span
        if self.estimate.is_aged:
            self.close(ledger)
            self.estimate.age()

    def count_share(self, pool: PoolKey, work: float, now: float) -> bool:
        """Count an accepted share of ``work`` hashes; True: call ``review`` when time is settled."""
        if pool != self.current:
            return self._count_late_share(pool, work)
        return self.estimate.add(work, 0.0 if self.is_quiet else now - self.settled)

    def _count_late_share(self, pool: PoolKey, work: float) -> bool:
        """Count a share of a pool that it has left since."""
        here = self.estimate.exposure
        if pool not in self.paused:
            self._pause(pool, Exposure())
        self.estimate.exposure = self.paused[pool]
        is_full = self.estimate.add(work)
        self.estimate.exposure = here
        return is_full

    def close(self, ledger: Ledger) -> None:
        """Convert the open seconds to work, with the present estimate."""
        ledger.close(self.open_seconds, self.estimate.rate, self.estimate.shares)
        self.open_seconds.clear()

    def begin(self, pool: PoolKey, now: float) -> None:
        """Note that it works on ``pool`` from now on."""
        if self.current is None:
            self.is_quiet = False
            self.settled = now
            if self.last_share is None:
                self.joined = now
            else:
                self.last_share = now
        else:
            self.unassign()
        self.current, self.since, self.in_first_slice = pool, now, False
        self.estimate.exposure = self.paused.get(pool) or Exposure()
        self.paused = {key: exposure for key, exposure in self.paused.items() if key != pool} or _NOWHERE

    def unassign(self) -> None:
        """Note that it works nowhere from now on; its time must be settled."""
        if self.current is not None:
            self._pause(self.current, self.estimate.pause())
        self.current = None

    def _pause(self, pool: PoolKey, exposure: Exposure) -> None:
        self.paused = {**self.paused, pool: exposure}

    def review(self, ledger: Ledger) -> None:
        """Check whether the rate has changed, when a block of shares is complete."""
        before, shares = self.estimate.rate, self.estimate.shares
        if self.estimate.review():
            ledger.close(self.open_seconds, before, shares)
            self.open_seconds.clear()

    def inherit(self, known: "FleetMiner") -> None:
        """Take over the surplus of the same worker from an earlier connection; its rate follows by ``prove``."""
        self.surplus, known.surplus = known.surplus, {}

    def prove(self, known: "FleetMiner | None") -> None:
        """Its first share of this connection was accepted: take over what is known of the worker's rate."""
        self.is_proven = True
        if known is not None and known.estimate.rate:
            known.estimate.pause()
            self.estimate.go_on_from(known.estimate)

    def end_quiet(self, now: float) -> None:
        """Let time count again: a share came after a silence."""
        self.is_quiet = False
        self.settled = now
