"""The time without any pool: miners are kept for a while, then disconnected, so that their fallback pools can work."""

from collections.abc import Callable, Iterable

from proxy.config.snapshot import ConfigSnapshot, Mode
from proxy.engine.pool import UpstreamPool
from proxy.observe.events import EventStream, NoPoolForLong, PoolWorksAgain
from proxy.ports import Clock, Timer
from proxy.scheduling.control import override_in_force
from proxy.types import AdminStatus, PoolKey


class Outage:
    """Knows since when no pool has worked, and whether that has been too long. ``disconnect_miners()`` closes the
    miners' connections and returns how many there were."""

    def __init__(self, *, clock: Clock, events: EventStream, disconnect_miners: Callable[[], int]) -> None:
        self.since: float | None = None
        """Monotonic seconds; None while a pool works."""
        self.is_long = False
        """Whether miners are disconnected and no subscribe is answered."""
        self.limit_s = 0.0
        """0: miners are kept however long it takes."""
        self._clock = clock
        self._events = events
        self._disconnect_miners = disconnect_miners
        self._timer: Timer | None = None

    def update(self, works: bool, limit_minutes: float) -> None:
        """Take note of whether a pool works now and how long miners are to be kept without one."""
        self.limit_s = 60.0 * limit_minutes
        if works:
            self._ends()
            return
        if self.since is None:
            self.since = self._clock.now()
        self._cancel()
        until = self.since + self.limit_s
        if not self.limit_s or self._clock.now() < until - 1e-6:
            self.is_long = False
        if self.limit_s and not self.is_long:
            self._timer = self._clock.call_at(until, self._too_long)

    def stop(self) -> None:
        """Cancel the timer."""
        self._cancel()

    def _ends(self) -> None:
        self._cancel()
        since, self.since = self.since, None
        if self.is_long and since is not None:
            self.is_long = False
            self._events.emit(PoolWorksAgain(after_s=round(self._clock.now() - since, 1)))

    def _too_long(self) -> None:
        self._timer = None
        self.is_long = True
        miners = self._disconnect_miners()
        self._events.emit(NoPoolForLong(minutes=round(self.limit_s / 60.0, 2), miners=miners))

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def any_works(pools: Iterable[UpstreamPool], config: ConfigSnapshot, wall: float) -> bool:
    """Whether a pool that miners may be sent to is up, or not known to be down, and does not refuse our user."""
    wanted = {key for key in wanted_pools(config, wall) if config.pools[key].status is AdminStatus.ENABLED}
    return any(pool.works for pool in pools if pool.key in wanted)


def wanted_pools(config: ConfigSnapshot, wall: float) -> set[PoolKey]:
    """The pools that some miner may be sent to as things are set now; rather one too many than one too few."""
    override = override_in_force(config, wall)
    weights = dict(override.weights) if override is not None else {}
    routed = {key for schedule in config.schedules if schedule.listener is not None for key in schedule.pools}
    routed |= {key for listener in config.miner_listeners for key in listener.directives.pools}
    balanced = override is not None and not weights
    if not weights:
        balanced = balanced or any(schedule.mode is Mode.AUTO_BALANCE for schedule in config.schedules)
        if balanced or not any(schedule.is_default for schedule in config.schedules):
            return set(config.pools)  # where no schedule is in force, all pools share the work
        weights = {key: weight for schedule in config.schedules for key, weight in schedule.allocations if weight > 0}
    fallbacks = {key for schedule in config.schedules for key in schedule.fallbacks}
    wanted = routed | fallbacks | {*config.pins.values()} | {key for key, weight in weights.items() if weight > 0}
    return wanted & config.pools.keys()
