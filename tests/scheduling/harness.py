"""A scheduler with a mover that checks every move: for tests of behaviour that need no shares of real size."""

from collections.abc import Mapping

from proxy.config.snapshot import ConfigSnapshot, Endpoint, PoolConfig, ScheduleConfig
from proxy.config.validate import validate
from proxy.observe.events import REGISTRY, Event, EventStream
from proxy.scheduling.scheduler import Scheduler
from proxy.scheduling.tuning import DEFAULT_TUNING, SchedulerTuning
from proxy.types import AdminStatus, PoolKey, SessionId, SwitchReason, WorkerName
from tests.support.clock import VirtualClock

A, B, C = PoolKey("A"), PoolKey("B"), PoolKey("C")


def pool(key: PoolKey, status: AdminStatus = AdminStatus.ENABLED) -> PoolConfig:
    return PoolConfig(key=key, wallet="wallet", endpoints=(Endpoint(host="pool.test", port=3333),), status=status)


def schedule(weights: Mapping[PoolKey, float], **fields: object) -> ScheduleConfig:
    fields = {"id": 1, "name": "always", "is_default": True, **fields}
    return ScheduleConfig(allocations=tuple(weights.items()), **fields)


def config(*schedules: ScheduleConfig, pools: tuple[PoolKey, ...] = (A, B), **fields: object) -> ConfigSnapshot:
    return validate(ConfigSnapshot(pools={key: pool(key) for key in pools}, schedules=schedules, **fields))


class SchedulerHarness:
    """The scheduler, its clock, the events it emitted, and the moves it made."""

    def __init__(
        self,
        snapshot: ConfigSnapshot,
        *,
        up: tuple[PoolKey, ...] | None = None,
        tuning: SchedulerTuning = DEFAULT_TUNING,
    ) -> None:
        self.clock = VirtualClock()
        self.events = EventStream()
        self.emitted: list[Event] = []
        for kind in REGISTRY.values():
            self.events.subscribe(kind, self.emitted.append)
        self.moves: list[tuple[float, SessionId, PoolKey, SwitchReason]] = []
        self.without_job: set[PoolKey] = set()
        self.wanted_changes = 0
        self.scheduler = Scheduler(clock=self.clock, events=self.events, mover=self, tuning=tuning)
        self.scheduler.on_pools_wanted_changed = self._wanted_changed
        self.scheduler.apply(snapshot)
        for key in snapshot.pools if up is None else up:
            self.scheduler.pool_status(key, True)

    def _wanted_changed(self) -> None:
        self.wanted_changes += 1

    def move(self, session: SessionId, pool: PoolKey, reason: SwitchReason) -> bool:
        if pool in self.without_job:
            return False
        self.moves.append((self.clock.now(), session, pool, reason))
        return True

    def join(self, number: int, ready: tuple[PoolKey, ...] = (A, B), worker: str | None = None) -> SessionId:
        session = SessionId(number)
        self.scheduler.add_miner(session, WorkerName(worker or f"rig{number}"))
        self.scheduler.set_ready(session, frozenset(ready))
        return session

    def ready(self, session: SessionId, *pools: PoolKey) -> None:
        self.scheduler.set_ready(session, frozenset(pools))

    def work(
        self,
        seconds: float,
        *,
        every: float = 3.0,
        difficulty: Mapping[SessionId, float] | None = None,
        sessions: tuple[SessionId, ...] | None = None,
    ) -> dict[PoolKey, float]:
        """Let time pass with a share of each session every few seconds; return miner-seconds by pool."""
        spent: dict[PoolKey, float] = {}
        end = self.clock.now() + seconds
        while self.clock.now() < end - 1e-9:
            self.clock.advance(min(every, end - self.clock.now()))
            for session in sessions if sessions is not None else tuple(self.scheduler._miners):
                current = self.scheduler.current(session)
                if current is not None:
                    spent[current] = spent.get(current, 0.0) + every
                    self.scheduler.share(session, current, (difficulty or {}).get(session, 1000.0), True)
        return spent

    def pools(self) -> dict[int, PoolKey | None]:
        return {session: self.scheduler.current(session) for session in self.scheduler._miners}

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.emitted if type(event) is kind]
