"""Who is in control of each worker now: determined once for all workers that the same rules match, until something
changes."""

import math
from collections.abc import Mapping

from proxy.config.snapshot import ConfigSnapshot
from proxy.ports import Clock
from proxy.scheduling import timetable
from proxy.scheduling.control import (
    NO_CHOICE,
    Control,
    MinerChoice,
    allowed_choice,
    control_of,
    override_in_force,
    pin_of,
)
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import MAIN_LISTENER, ListenerId, PoolKey, WorkerName


class Controls:
    """Control by worker, from the configuration, auto-balance's weights and the wall clock.

    Only ``refresh`` and ``is_outdated`` read the wall clock.
    """

    def __init__(self, clock: Clock, tuning: SchedulerTuning) -> None:
        self.config = ConfigSnapshot()
        self._clock = clock
        self._tuning = tuning
        self._balance: Mapping[PoolKey, float] | None = None
        self._open_now: frozenset[int] = frozenset()
        self._is_overridden = False
        self._known: dict[tuple[int | None, PoolKey | None, bool, MinerChoice], Control] = {}

    def set_config(self, config: ConfigSnapshot) -> None:
        """Use another configuration from the next ``refresh`` on."""
        self.config = config
        self._known.clear()

    def set_balance_weights(self, weights: Mapping[PoolKey, float] | None) -> None:
        """Use the weights that auto-balance computed; with None (or nothing usable) the schedule's own apply."""
        sound = {pool: weight for pool, weight in (weights or {}).items() if 0 < weight < math.inf}
        self._balance = sound or None
        self._known.clear()

    def refresh(self) -> None:
        """Determine what is in force now."""
        wall = self._clock.wall()
        self._open_now = timetable.open_schedules(self.config.schedules, wall)
        self._is_overridden = override_in_force(self.config, wall) is not None
        self._known.clear()

    def is_outdated(self) -> bool:
        """Whether something else has come into force since ``refresh``, by time or by a jump of the clock."""
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

    def of(self, worker: WorkerName, listener: ListenerId = MAIN_LISTENER, choice: MinerChoice = NO_CHOICE) -> Control:
        """Return who is in control of ``worker``, that came through ``listener`` and asked for ``choice``."""
        wall, config = self._clock.wall(), self.config
        schedule = timetable.choose(config.schedules, worker, self._open_now, listener)
        case = (
            schedule.id if schedule else None,
            pin_of(config, worker, schedule),
            override_in_force(config, wall) is None,
            allowed_choice(config, choice, schedule, listener),
        )
        known = self._known.get(case)
        if known is None:
            known = control_of(
                config, worker, wall, open_now=self._open_now, balance=self._balance, listener=listener, choice=choice
            )
            self._known[case] = known
        return known
