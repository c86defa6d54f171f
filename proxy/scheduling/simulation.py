"""The scheduler on a virtual clock with miners whose shares are Poisson and pools that set difficulty by vardiff.

The scheduler is the one the proxy runs. The simulation knows the true hash rates and counts the true work that the
scheduler cannot see. Deterministic for a given source of randomness.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from proxy.config.snapshot import ConfigSnapshot
from proxy.observe.events import EventStream
from proxy.ports import Random
from proxy.scheduling.policies.policy import Role
from proxy.scheduling.rounds import dwell, round_period
from proxy.scheduling.scheduler import Scheduler
from proxy.scheduling.tuning import DEFAULT_TUNING, SchedulerTuning
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import HASHES_PER_DIFFICULTY, PoolKey, SessionId, SwitchReason, WorkerName

TERA = 1e12
SHARES_PER_MINUTE = 18.0
_RETARGET_SHARES = 20
_RETARGET_S = 90.0
_SLACK = 1.6
"""A pool leaves the difficulty alone while the pace is within this factor of what it aims at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolBehaviour:
    """How a simulated pool treats miners."""

    start_difficulty: float = 10_000.0
    shares_per_minute: float = SHARES_PER_MINUTE
    vardiff: bool = True
    reject: float = 0.0
    """Part of the shares that it refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that happens at ``at`` for ``duration`` seconds."""

    at: float
    duration: float
    pool: PoolKey | None = None
    """A pool that is down."""
    worker: WorkerName | None = None
    """A miner that does not submit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSample:
    """What was worked and paid from the start until one instant."""

    at: float
    target: Mapping[PoolKey, float]
    split: Mapping[PoolKey, float]
    """Of true work."""
    paid: Mapping[PoolKey, float]
    """Of accepted difficulty."""
    error: float
    """Largest difference of ``split`` from ``target``."""
    slicing_bound: float
    """Half a dwell of what is sliced, as a part of all work."""
    estimate_bound: float
    """Two standard errors of what the estimates cannot know."""
    paid_in_band: float
    """Part of the pools whose accepted difficulty is in its own 95 % band around the target."""

    @property
    def bound(self) -> float:
        """Both terms."""
        return self.slicing_bound + self.estimate_bound


@dataclass(slots=True)
class SimulatedMiner:
    """A miner's truth."""

    session: SessionId
    worker: WorkerName
    rate: float
    difficulty: dict[PoolKey, float] = field(default_factory=dict)
    pace: dict[PoolKey, list[float]] = field(default_factory=dict)
    """By pool: shares since the last look, seconds on it."""
    pool: PoolKey | None = None
    since: float = 0.0
    seconds: dict[PoolKey, float] = field(default_factory=dict)
    shares: int = 0
    squares: float = 0.0
    version: int = 0
    is_mute: bool = False


class Simulation:
    """A fleet, its pools and the scheduler. Times are seconds from the start."""

    def __init__(
        self,
        config: ConfigSnapshot,
        random: Random,
        *,
        behaviour: Mapping[PoolKey, PoolBehaviour] = {},
        switch_cost_s: float = 0.0,
        on_move: Callable[[SimulatedMiner, PoolKey, SwitchReason], None] | None = None,
        tuning: SchedulerTuning = DEFAULT_TUNING,
    ) -> None:
        self.clock = VirtualClock()
        self.events = EventStream()
        self.random = random
        self.config = config
        self.scheduler = Scheduler(clock=self.clock, events=self.events, mover=self, tuning=tuning)
        self.miners: dict[SessionId, SimulatedMiner] = {}
        self.switches = 0
        self.miner_seconds = 0.0
        self.lost_s = 0.0
        """Miner-seconds lost to switching at ``switch_cost_s`` each."""
        self.up = dict.fromkeys(config.pools, True)
        self._behaviour = {pool: behaviour.get(pool, PoolBehaviour()) for pool in config.pools}
        self._switch_cost_s = switch_cost_s
        self._on_move = on_move
        self._queue: list[tuple[float, int, SimulatedMiner, int]] = []
        self._count = 0
        self._next_session = 0
        self._gone: list[SimulatedMiner] = []
        self.accepted = dict.fromkeys(config.pools, 0.0)
        self._squares = dict.fromkeys(config.pools, 0.0)
        self._work = dict.fromkeys(config.pools, 0.0)
        self.scheduler.apply(config)
        for pool in config.pools:
            self.scheduler.pool_status(pool, True)

    # --- the world ------------------------------------------------------------------------------------------------

    def add(self, rate: float, worker: str | None = None, difficulty: float | None = None) -> SimulatedMiner:
        """Connect a miner of ``rate`` hashes a second; ``difficulty``: on all pools, in place of their own."""
        session = SessionId(self._next_session)
        self._next_session += 1
        miner = SimulatedMiner(session, WorkerName(worker or f"rig{session}"), rate)
        if difficulty is not None:
            miner.difficulty = dict.fromkeys(self.config.pools, difficulty)
        self.miners[session] = miner
        self.scheduler.add_miner(session, miner.worker)
        self.scheduler.set_ready(session, self._ready())
        return miner

    def set_rate(self, miner: SimulatedMiner, rate: float, difficulty: float) -> None:
        """A miner becomes faster or slower, and all pools follow with its difficulty."""
        self._settle(miner)
        for pool, seconds in miner.seconds.items():
            self._work[pool] += miner.rate * seconds
        miner.seconds = {}
        miner.rate = rate
        miner.difficulty = dict.fromkeys(self.config.pools, difficulty)
        self._plan_share(miner)

    def remove(self, miner: SimulatedMiner) -> None:
        """Disconnect a miner; its true work still counts."""
        self._settle(miner)
        miner.version += 1
        self.scheduler.remove_miner(miner.session)
        del self.miners[miner.session]
        self._gone.append(miner)
        self._fold_gone()

    def set_pool(self, pool: PoolKey, up: bool) -> None:
        """A pool goes down or comes back, for all at once."""
        self.up[pool] = up
        if not up:
            self.scheduler.pool_status(pool, False)
        for miner in list(self.miners.values()):
            self.scheduler.set_ready(miner.session, self._ready())
        if up:
            self.scheduler.pool_status(pool, True)

    def set_mute(self, worker: WorkerName, mute: bool) -> None:
        """A miner stops submitting, or starts again."""
        for miner in self.miners.values():
            if miner.worker == worker:
                self._settle(miner)
                miner.is_mute = mute
                self._plan_share(miner)

    def move(self, session: SessionId, pool: PoolKey, reason: SwitchReason) -> bool:
        """Do what the engine does: put the miner to work on ``pool``."""
        miner = self.miners[session]
        if not self.up[pool]:
            return False
        self._settle(miner)
        if self._on_move is not None:
            self._on_move(miner, pool, reason)
        if miner.pool is not None:
            self.switches += 1
            self.lost_s += self._switch_cost_s
        miner.pool = pool
        miner.difficulty.setdefault(pool, self._behaviour[pool].start_difficulty)
        miner.pace.setdefault(pool, [0.0, 0.0])
        self._plan_share(miner)
        return True

    def _ready(self) -> frozenset[PoolKey]:
        return frozenset(pool for pool, up in self.up.items() if up)

    # --- time -----------------------------------------------------------------------------------------------------

    def run_to(self, when: float, faults: Iterable[Fault] = ()) -> None:
        """Let time pass until ``when``, with ``faults`` that begin on the way."""
        steps: list[tuple[float, int, Callable[[], None]]] = []
        for index, fault in enumerate(faults):
            steps.append((fault.at, 2 * index, self._begin(fault, broken=True)))
            steps.append((fault.at + fault.duration, 2 * index + 1, self._begin(fault, broken=False)))
        for at, _, act in sorted(steps, key=lambda step: step[:2]):
            if at >= self.clock.now():
                self._advance(min(at, when))
                if at <= when:
                    act()
        self._advance(when)

    def _begin(self, fault: Fault, *, broken: bool) -> Callable[[], None]:
        def act() -> None:
            if fault.pool is not None:
                self.set_pool(fault.pool, not broken)
            if fault.worker is not None:
                self.set_mute(fault.worker, broken)

        return act

    def _advance(self, when: float) -> None:
        queue, clock = self._queue, self.clock
        while True:
            due = clock.next_due()
            first = queue[0][0] if queue else math.inf
            if first > when and (due is None or due > when):
                break
            if due is not None and due <= first:
                clock.advance_to(due)
                continue
            at, _, miner, version = heapq.heappop(queue)
            if miner.version == version:
                clock.advance_to(at)
                self._submit(miner)
        clock.advance_to(when)

    def _submit(self, miner: SimulatedMiner) -> None:
        pool = miner.pool
        assert pool is not None
        behaviour = self._behaviour[pool]
        difficulty = miner.difficulty[pool]
        accepted = not behaviour.reject or self.random.random() >= behaviour.reject
        if accepted:
            self.accepted[pool] += difficulty
            self._squares[pool] += difficulty * difficulty
        miner.shares += 1
        if behaviour.vardiff:
            miner.pace[pool][0] += 1
            if miner.pace[pool][0] >= _RETARGET_SHARES:
                self._retarget(miner, pool, behaviour)
        self._plan_share(miner)
        self.scheduler.share(miner.session, pool, difficulty, accepted)

    def _retarget(self, miner: SimulatedMiner, pool: PoolKey, behaviour: PoolBehaviour) -> None:
        self._settle(miner)
        shares, seconds = miner.pace[pool]
        pace = shares / max(seconds, 0.1) * 60 / behaviour.shares_per_minute
        if not 1 / _SLACK <= pace <= _SLACK:
            miner.difficulty[pool] *= min(max(pace, 1 / 16), 16.0)
        miner.pace[pool] = [0.0, 0.0]

    def _plan_share(self, miner: SimulatedMiner) -> None:
        """Draw the time of the next share; the process has no memory, so a switch may draw again."""
        miner.version += 1
        if miner.pool is None or miner.is_mute or not self.up[miner.pool]:
            return
        pool = miner.pool
        mean = miner.difficulty[pool] * HASHES_PER_DIFFICULTY / miner.rate
        wait = -mean * math.log(1.0 - self.random.random())
        behaviour = self._behaviour[pool]
        self._count += 1
        if behaviour.vardiff and wait > _RETARGET_S:
            self._plan_easier(miner, pool)
            return
        heapq.heappush(self._queue, (self.clock.now() + wait, self._count, miner, miner.version))

    def _plan_easier(self, miner: SimulatedMiner, pool: PoolKey) -> None:
        """Halve the difficulty of a miner that has not found a share for long, as vardiff pools do."""
        version = miner.version

        def ease() -> None:
            if miner.version == version:
                miner.difficulty[pool] /= 2
                self._plan_share(miner)

        self.clock.call_at(self.clock.now() + _RETARGET_S, ease)

    def _settle(self, miner: SimulatedMiner) -> None:
        now = self.clock.now()
        span, miner.since = now - miner.since, now
        if miner.pool is None:
            return
        self.miner_seconds += span
        if miner.is_mute or not self.up[miner.pool]:
            return
        miner.seconds[miner.pool] = miner.seconds.get(miner.pool, 0.0) + span
        miner.pace[miner.pool][1] += span

    # --- what was worked ---------------------------------------------------------------------------------------------

    def _fold_gone(self) -> None:
        """Keep the list of miners that left short: the oldest count as one without estimate error."""
        while len(self._gone) > 2000:
            old = self._gone.pop(0)
            for pool, seconds in old.seconds.items():
                self._work[pool] += old.rate * seconds

    def work(self) -> dict[PoolKey, float]:
        """Return true work by pool, in hashes."""
        work = dict(self._work)
        for miner in self.miners.values():
            self._settle(miner)
        for miner in (*self.miners.values(), *self._gone):
            for pool, seconds in miner.seconds.items():
                work[pool] += miner.rate * seconds
        return work

    def measure(self, target: Mapping[PoolKey, float], dwell_s: float) -> SimSample:
        """Compare what was worked and paid with ``target``; ``dwell_s`` is the smaller pool's."""
        work = self.work()
        total, paid = sum(work.values()) or 1.0, sum(self.accepted.values()) or 1.0
        split = {pool: amount / total for pool, amount in work.items()}
        pay = {pool: amount / paid for pool, amount in self.accepted.items()}
        return SimSample(
            at=self.clock.now(),
            target=target,
            split=split,
            paid=pay,
            error=max(abs(split[pool] - target.get(pool, 0.0)) for pool in split),
            slicing_bound=dwell_s / 2 * self._sliced_part(total),
            paid_in_band=self._paid_in_band(target, paid),
            estimate_bound=self._estimate_bound(target, total),
        )

    def _paid_in_band(self, target: Mapping[PoolKey, float], paid: float) -> float:
        """Return the part of the pools whose accepted difficulty is in its 95 % band.

        Shares are a Poisson process, so exact work has the variance ``target x size`` on each pool, ``size`` being the
        difficulty of a share there. The squares of what was found are no measure of it: who was unlucky found few
        shares, and a band made of them is narrow exactly where it should not be.
        """
        whole = sum(self._squares.values()) / paid
        noise = {
            pool: target.get(pool, 0.0) * paid * (self._squares[pool] / amount if amount else whole)
            for pool, amount in self.accepted.items()
        }
        inside = []
        for pool, amount in self.accepted.items():
            weight = target.get(pool, 0.0)
            variance = (1 - weight) ** 2 * noise[pool] + weight**2 * (sum(noise.values()) - noise[pool])
            inside.append(abs(amount - weight * paid) <= 1.96 * math.sqrt(variance))
        return sum(inside) / len(inside)

    def _sliced_part(self, total: float) -> float:
        """Return the hash rate being sliced over all true work (a part for each second of dwell)."""
        sliced = (Role.SLICED, Role.RESIDUAL)
        return sum(miner.rate for miner in self.miners.values() if self.scheduler.role(miner.session) in sliced) / total

    def _estimate_bound(self, target: Mapping[PoolKey, float], total: float) -> float:
        worst = 0.0
        for pool, weight in target.items():
            variance = 0.0
            for miner in (*self.miners.values(), *self._gone):
                seconds = sum(miner.seconds.values())
                over = miner.rate * (miner.seconds.get(pool, 0.0) - weight * seconds)
                variance += over * over / max(miner.shares, 1)
            worst = max(worst, 2 * math.sqrt(variance) / total)
        return worst


def target_of(config: ConfigSnapshot) -> dict[PoolKey, float]:
    """Return the normalised weights of the first schedule."""
    weights = config.schedules[0].weights()
    return {pool: weight / sum(weights.values()) for pool, weight in weights.items()}


def dwells_of(config: ConfigSnapshot, tuning: SchedulerTuning = DEFAULT_TUNING) -> dict[PoolKey, float]:
    """Return how long miners stay at least, by pool that has a weight."""
    schedule = config.schedules[0]
    return {
        pool: dwell(part, min_switch_s=schedule.min_switch_s, slice_s=schedule.slice_s, tuning=tuning)
        for pool, part in target_of(config).items()
        if part > 0
    }


def bound_dwell(config: ConfigSnapshot, tuning: SchedulerTuning = DEFAULT_TUNING) -> float:
    """Return the dwell that the bound is made of: the smaller pool's, for more pools ``max w (1 - w) x period``."""
    parts, dwells = target_of(config), dwells_of(config, tuning)
    if len(dwells) <= 2:
        return dwells[min(dwells, key=lambda pool: parts[pool])]
    return max(parts[pool] * (1 - parts[pool]) for pool in dwells) * round_period(parts, dwells)
