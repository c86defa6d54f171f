"""Who is in control of each worker now: found out once for all workers that are alike, until something changes."""

import math
from collections.abc import Mapping

from proxy.config.snapshot import ConfigSnapshot
from proxy.ports import Clock
from proxy.scheduling import timetable
from proxy.scheduling.control import Control, control_of, override_in_force
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import PoolKey, WorkerName


class Controls:
    """Control by worker, under a configuration, auto-balance's weights and what is in force by the wall clock.

    The wall clock is looked at in ``refresh`` and ``is_outdated`` only.
    """

    def __init__(self, clock: Clock, tuning: SchedulerTuning) -> None:
        self.config = ConfigSnapshot()
        self._clock = clock
        self._tuning = tuning
        self._balance: Mapping[PoolKey, float] | None = None
        self._open_now: frozenset[int] = frozenset()
        self._is_overridden = False
        self._known: dict[tuple[int | None, PoolKey | None, bool], Control] = {}

    def set_config(self, config: ConfigSnapshot) -> None:
        """Take over a configuration; call ``refresh`` to have it acted on."""
        self.config = config
        self._known.clear()

    def set_balance_weights(self, weights: Mapping[PoolKey, float] | None) -> None:
        """Take over what auto-balance computed; None (or nothing of use): the schedule's own weights hold."""
        sound = {pool: weight for pool, weight in (weights or {}).items() if 0 < weight < math.inf}
        self._balance = sound or None
        self._known.clear()

    def refresh(self) -> None:
        """Look anew at what is in force at this instant."""
        wall = self._clock.wall()
        self._open_now = timetable.open_schedules(self.config.schedules, wall)
        self._is_overridden = override_in_force(self.config, wall) is not None
        self._known.clear()

    def is_outdated(self) -> bool:
        """Whether the passing of time (or a jump of the clock) has put something else in force since ``refresh``."""
        wall = self._clock.wall()
        is_open = timetable.open_schedules(self.config.schedules, wall)
        is_overridden = override_in_force(self.config, wall) is not None
        return is_open != self._open_now or is_overridden is not self._is_overridden

    def next_check(self) -> float:
        """Return when (monotonic seconds) to ask ``is_outdated`` next."""
        now, wall = self._clock.now(), self._clock.wall()
        marks = [timetable.next_boundary(self.config.schedules, wall)]
        override = self.config.override
        if override_in_force(self.config, wall) is not None and override is not None:
            marks.append(override.until)
        waits = [mark - wall for mark in marks if mark is not None]
        if override is not None and override.until is not None:
            # Also when its time is over: the clock may be set back.
            waits.append(self._tuning.clock_check_s)
        return now + min([*waits, self._tuning.clock_check_s]) if waits else math.inf

    def of(self, worker: WorkerName) -> Control:
        """Return who is in control of ``worker``."""
        wall, config = self._clock.wall(), self.config
        schedule = timetable.choose(config.schedules, worker, self._open_now)
        case = (schedule.id if schedule else None, config.pins.get(worker), override_in_force(config, wall) is None)
        known = self._known.get(case)
        if known is None:
            known = control_of(config, worker, wall, open_now=self._open_now, balance=self._balance)
            self._known[case] = known
        return known
