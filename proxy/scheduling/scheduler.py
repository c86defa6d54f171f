"""The facade: what the engine tells the scheduler and asks of it. How it decides: docs/dev/decisions, 0011 to 0014."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol

from proxy.config.snapshot import ConfigSnapshot, OverrideKind
from proxy.observe.events import ControlChanged, EventStream, FailoverWeights, OverrideChanged, SchedulerTick
from proxy.ports import Clock
from proxy.scheduling import guard, state, timetable
from proxy.scheduling.control import Control, control_of, effective, override_in_force, usable, wanted_pools
from proxy.scheduling.fleet import Group
from proxy.scheduling.miner import Member
from proxy.scheduling.policies.policy import Role
from proxy.scheduling.rate import Estimate
from proxy.scheduling.snapshot import SchedulerSnapshot, pool_allocation
from proxy.scheduling.surplus import Ledger
from proxy.scheduling.timer_queue import TimerQueue
from proxy.types import HASHES_PER_DIFFICULTY, PoolKey, SessionId, SwitchReason, WorkerName

SURE_SHARES = 30.0
"""An estimate that rests on so many shares is within a fifth or so of the truth."""
_LOOK_AT_CLOCK_S = 60.0
"""The wall clock may jump, so the timetable is looked at this often at least."""
_POINT = 0.01
_NONSENSE = 1e30
"""No difficulty is as large: a pool may write anything, and a sum with infinity in it never recovers."""


class Mover(Protocol):
    """Whoever can put a session to work."""

    def move(self, session: SessionId, pool: PoolKey, reason: SwitchReason) -> bool:
        """Put the session to work on ``pool`` now. False: no fresh job there; it stays where it was."""


class Scheduler:
    """Decides which pool each session works on. Everything is synchronous and happens on one thread."""

    def __init__(
        self, *, clock: Clock, events: EventStream, mover: Mover, hashes_per_difficulty: float = HASHES_PER_DIFFICULTY
    ) -> None:
        self.on_pools_wanted_changed: Callable[[], None] = _nothing
        self.wait_s: Callable[[SessionId, PoolKey], float] = _no_wait
        """How long a switch should wait for the job of a block that others have, so that firmware starts anew once."""
        self._clock = clock
        self._events = events
        self._mover = mover
        self._hashes = hashes_per_difficulty
        self._config = ConfigSnapshot()
        self._balance: Mapping[PoolKey, float] | None = None
        self._open_now: frozenset[int] = frozenset()
        self._is_overridden = False
        self._up: dict[PoolKey, bool] = {}
        self._controls: dict[tuple[int | None, PoolKey | None, bool], Control] = {}
        """What was found out since the configuration, the timetable or auto-balance changed: few workers differ."""
        self._members: dict[SessionId, Member] = {}
        self._group_of: dict[SessionId, Group] = {}
        self._groups: dict[object, Group] = {}
        self._parked: OrderedDict[WorkerName, Member] = OrderedDict()
        self._timers = TimerQueue(clock, self._run)
        self._timetable_due = math.inf
        self._budget = guard.Budget(1.0, 4.0)
        self._returns = guard.Budget(self._config.health.returns_per_s, 1.0)
        self._pool_seconds: dict[PoolKey, float] = {}
        self._kept_ledgers: dict[int | None, Ledger] = {}
        self._decisions = 0
        self._told: tuple[object, ...] = ()

    # --- configuration and state of the world ---------------------------------------------------------------------

    def apply(self, config: ConfigSnapshot) -> None:
        """Take over a configuration; whatever it changes about weights acts at once."""
        wanted = self._pools_wanted_by_session()
        old, self._config = self._config, config
        self._controls.clear()
        lost = {pool for pool in old.pools if usable(old, pool) and not usable(config, pool)}
        self._up = {pool: up for pool, up in self._up.items() if pool in config.pools}
        self._returns.resize(config.health.returns_per_s, 1.0)
        self._tell_override(old, config)
        self._trim_parked()
        self._regroup(SwitchReason.OPERATOR if lost else SwitchReason.WEIGHT, wanted)

    def set_balance_weights(self, weights: Mapping[PoolKey, float] | None) -> None:
        """Take over what auto-balance computed; None: not known, the schedule's own weights hold."""
        wanted = self._pools_wanted_by_session()
        sound = {pool: weight for pool, weight in (weights or {}).items() if 0 < weight < math.inf}
        self._balance = sound or None
        self._controls.clear()
        self._regroup(SwitchReason.WEIGHT, wanted)

    def pool_status(self, pool: PoolKey, up: bool) -> None:
        """A pool counts as up or down: targets are recomputed without those that are down."""
        before = self._up.get(pool)
        if before is up:
            return
        wanted = self._pools_wanted_by_session()
        self._up[pool] = up
        if up:
            self._retarget_all(SwitchReason.WEIGHT if before is None else SwitchReason.RETURN, wanted)
            return
        self._retarget_all(SwitchReason.FAILOVER, wanted)
        if before:
            weights = effective(self._fleet_control(), self._up)
            down = tuple(sorted(key for key, is_up in self._up.items() if not is_up))
            self._events.emit(FailoverWeights(weights=weights, down=down))

    # --- miners ---------------------------------------------------------------------------------------------------

    def add_miner(self, session: SessionId, worker: WorkerName, suggested_difficulty: float | None = None) -> None:
        """A miner authorised. What is known of its name is found again."""
        now = self._clock.now()
        suggested = suggested_difficulty * self._hashes if suggested_difficulty and suggested_difficulty > 0 else None
        member = Member(session, worker, Estimate(suggested), now)
        known = self._parked.pop(worker, None)
        if known is not None:
            member.remember(known)
        self._members[session] = member
        self._enter(member, now)
        self._rearm()

    def remove_miner(self, session: SessionId) -> None:
        """A miner is gone; what it worked stays in the books, what is known of it is kept by its name."""
        member = self._members.pop(session, None)
        if member is None:
            return
        group = self._group_of.pop(session)
        group.remove(member, self._clock.now())
        self._bank_seconds(member)
        self._parked[member.worker] = member
        self._parked.move_to_end(member.worker)
        self._trim_parked()
        self._timers.plan_check(group)
        self._rearm()

    def set_ready(self, session: SessionId, pools: frozenset[PoolKey]) -> None:
        """Say which pools the session could be moved to right now."""
        member = self._members.get(session)
        if member is None or member.ready == pools:
            return
        now, group = self._clock.now(), self._group_of[session]
        member.ready = pools
        for pool in sorted(pools):
            if pool not in self._up and pool in self._config.pools:
                self.pool_status(pool, True)
        if member.current is not None and member.current not in pools:
            self._lost(member, group, now)
        elif member.current is None:
            group.start(member, now, self._allowed(member, group), SwitchReason.START)
        else:
            group.reach(member, now)
        self._settle_queue(member, group)

    def share(
        self, session: SessionId, pool: PoolKey, difficulty: float, accepted: bool, credited: float | None = None
    ) -> None:
        """A pool judged a share. ``difficulty`` is what the miner had been told, ``credited`` what the pool pays.

        ``difficulty`` 0: the hash is below what the miner was told (a block), so it says nothing about its rate.
        """
        member = self._members.get(session)
        if member is None:
            return
        now = self._clock.now()
        member.last_share = now
        group = self._group_of[session]
        if member.is_quiet:
            member.wake(now)
            member.due = now
            group.wake_at(now)
            self._settle_queue(member, group)
        if credited is None:
            credited = difficulty
        if not accepted or not (0 <= difficulty < _NONSENSE and 0 <= credited < _NONSENSE):
            return
        group.ledger.accept(pool, credited * self._hashes)
        if difficulty and member.found(pool, difficulty * self._hashes, now):
            member.settle(now, group.ledger)
            member.review(group.ledger)

    # --- questions ------------------------------------------------------------------------------------------------

    def pools_wanted(self, session: SessionId) -> frozenset[PoolKey]:
        """Return the pools that the session needs a ready connection to."""
        group = self._group_of.get(session)
        return wanted_pools(group.control, self._up) if group is not None else frozenset()

    def aimed_at(self, session: SessionId) -> frozenset[PoolKey]:
        """Return the pools that the session is to work on now, those that are down left out."""
        group = self._group_of.get(session)
        return frozenset(group.weights) if group is not None else frozenset()

    def current(self, session: SessionId) -> PoolKey | None:
        """Return the pool that the session works on."""
        member = self._members.get(session)
        return member.current if member is not None else None

    def rate(self, session: SessionId) -> float:
        """Return the session's estimated hashes a second; 0 while nothing is known."""
        member = self._members.get(session)
        if member is None:
            return 0.0
        member.settle(self._clock.now(), self._group_of[session].ledger)
        return member.estimate.rate

    def sure_rate(self, session: SessionId) -> float:
        """Return the estimate of a session that rests on ``SURE_SHARES`` shares; 0 while it rests on fewer."""
        member = self._members.get(session)
        return member.estimate.rate if member is not None and member.estimate.shares >= SURE_SHARES else 0.0

    def control(self, worker: WorkerName) -> Control:
        """Return who is in control of ``worker``."""
        wall, config = self._clock.wall(), self._config
        schedule = timetable.choose(config.schedules, worker, self._open_now)
        case = (schedule.id if schedule else None, config.pins.get(worker), override_in_force(config, wall) is None)
        known = self._controls.get(case)
        if known is None:
            known = control_of(config, worker, wall, open_now=self._open_now, balance=self._balance)
            self._controls[case] = known
        return known

    def role(self, session: SessionId) -> Role:
        """Return what part the session has in its fleet."""
        member = self._members.get(session)
        return member.assignment.role if member is not None else Role.NEW

    def snapshot(self) -> SchedulerSnapshot:
        """Return what pages and metrics show, as of now."""
        now = self._clock.now()
        control, group = self._fleet_control(), self._fleet_group()
        for member in self._members.values():
            member.settle(now, self._group_of[member.session].ledger)
        members = list(self._members.values())
        return SchedulerSnapshot(
            control=control,
            policy=group.policy if group else "",
            follows_in_s=group.follows_in(now, _POINT) if group else 0.0,
            pools={
                pool: pool_allocation(
                    pool, control, group.weights if group else {}, members, self._pool_seconds.get(pool, 0.0)
                )
                for pool in self._config.pools
            },
        )

    # --- who belongs where ----------------------------------------------------------------------------------------

    def _regroup(self, cause: SwitchReason, wanted: object) -> None:
        """Find out again who is in control of whom, and aim at what they want."""
        now, wall = self._clock.now(), self._clock.wall()
        self._open_now = timetable.open_schedules(self._config.schedules, wall)
        self._is_overridden = override_in_force(self._config, wall) is not None
        self._controls.clear()
        self._plan_timetable(now, wall)
        for member in self._members.values():
            self._enter(member, now, cause)
        self._drop_empty_groups()
        self._retarget_all(cause, wanted)

    def _enter(self, member: Member, now: float, cause: SwitchReason = SwitchReason.WEIGHT) -> None:
        """Put a miner into the group of whoever controls it."""
        control = self.control(member.worker)
        key: object = ("pin", member.worker) if control.source == "pin" else control.schedule_id
        old, group = self._group_of.get(member.session), self._groups.get(key)
        if group is None:
            group = Group(
                key,
                control,
                now=now,
                wall=self._clock.wall(),
                move=self._move,
                wait=self._wait,
                budget=self._budget,
                returns=self._returns,
            )
            self._groups[key] = group
        if not (group.members and group.control is control) and self._aim(group, control, cause):
            self._timers.plan_all(group)
        if old is group:
            return
        if old is not None:
            old.remove(member, now)
        self._group_of[member.session] = group
        group.add(member, now)
        if member.current is not None and member.current not in group.weights:
            group.rescue(member, now, cause)
        self._timers.plan(member)
        self._timers.plan_check(group)

    def _aim(self, group: Group, control: Control, cause: SwitchReason) -> bool:
        """Let a group follow ``control`` and what is up; True: it has to go for other weights, so all may move."""
        old, group.control = group.control, control
        weights = effective(control, self._up)
        if weights == group.weights and _timing(control) == _timing(old):
            return False
        now = self._clock.now()
        group.retarget(weights, now, self._clock.wall(), cause, kept=self._kept_ledger(group.key, weights))
        self._start_waiting(group, now)
        return True

    def _kept_ledger(self, key: object, weights: Mapping[PoolKey, float]) -> Ledger | None:
        """Return the ledger from before the restart, once, if it was kept for the same weights."""
        kept = self._kept_ledgers.get(key) if key is None or isinstance(key, int) else None
        if kept is None or kept.weights.keys() != weights.keys():
            return None
        if any(abs(kept.weights[pool] - weight) > 1e-9 for pool, weight in weights.items()):
            return None
        del self._kept_ledgers[key]  # type: ignore[arg-type]
        return kept

    def _drop_empty_groups(self) -> None:
        ids = {None, *(schedule.id for schedule in self._config.schedules)}
        self._groups = {key: group for key, group in self._groups.items() if group.members or key in ids}

    def _retarget_all(self, cause: SwitchReason, before: object) -> None:
        for group in list(self._groups.values()):
            worker = next((member.worker for member in group.members.values()), None)
            if worker is not None:
                self._aim(group, self.control(worker), cause)
            self._timers.plan_all(group)
        self._tell_control()
        self._run()
        if self._pools_wanted_by_session() != before:
            self.on_pools_wanted_changed()

    def _start_waiting(self, group: Group, now: float) -> None:
        for member in list(group.members.values()):
            if member.current is None and member.ready:
                group.start(member, now, self._allowed(member, group), SwitchReason.START)

    def _allowed(self, member: Member, group: Group) -> list[PoolKey]:
        """Return where a miner without work may start: what is aimed at, else what else is allocated, in order."""
        aimed = [pool for pool in group.weights if pool in member.ready]
        return aimed or [pool for pool in group.control.weights if pool in member.ready and self._up.get(pool)][:1]

    def _pools_wanted_by_session(self) -> dict[SessionId, frozenset[PoolKey]]:
        """Return the pools wanted by each session: they differ where a session's may have changed."""
        wanted = {group: wanted_pools(group.control, self._up) for group in self._groups.values()}
        return {session: wanted[group] for session, group in self._group_of.items()}

    def _fleet_group(self) -> Group | None:
        groups = [group for group in self._groups.values() if group.control.source != "pin" and group.members]
        return max(groups, key=lambda group: len(group.members), default=None)

    def _fleet_control(self) -> Control:
        group = self._fleet_group()
        return self.control(WorkerName("")) if group is None else group.control

    def _tell_control(self) -> None:
        control = self._fleet_control()
        told = (control.source, control.detail, control.mode, dict(control.weights))
        if told != self._told:
            self._told = told
            self._events.emit(
                ControlChanged(
                    source=control.source, detail=control.detail, mode=control.mode.value, weights=dict(control.weights)
                )
            )

    def _tell_override(self, old: ConfigSnapshot, new: ConfigSnapshot) -> None:
        if old.override == new.override:
            return
        override = new.override
        if override is None:
            self._events.emit(OverrideChanged(kind=OverrideKind.WEIGHTS.value, weights={}, set_by=""))
            return
        self._events.emit(
            OverrideChanged(kind=override.kind.value, weights=dict(override.weights), set_by=override.set_by)
        )

    # --- moves ----------------------------------------------------------------------------------------------------

    def _lost(self, member: Member, group: Group, now: float) -> None:
        """The pool that a miner works on is lost to it: elsewhere at once, or wait."""
        member.settle(now, group.ledger)
        allowed = [pool for pool in self._allowed(member, group) if pool != member.current]
        group.vacate(member)
        group.start(member, now, allowed, SwitchReason.FAILOVER)

    def _move(self, member: Member, pool: PoolKey, reason: SwitchReason) -> bool:
        now = self._clock.now()
        group = self._group_of[member.session]
        member.settle(now, group.ledger)
        if not self._mover.move(member.session, pool, reason):
            return False
        member.begin(pool, now)
        self._decisions += 1
        return True

    def _wait(self, member: Member, pool: PoolKey) -> float:
        return self.wait_s(member.session, pool)

    # --- time -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Do all that is due, then ask to be called for the next."""
        now, self._decisions = self._clock.now(), 0
        while (target := self._timers.take(now)) is not None:
            if isinstance(target, Member):
                self._run_member(target, now)
            else:
                target.check(now)
                self._start_waiting(target, now)
                self._timers.plan_all(target)
        if now >= self._timetable_due:
            self._look_at_timetable(now)
        if self._decisions and self._events.wants(SchedulerTick):
            weights = dict(effective(self._fleet_control(), self._up))
            self._events.emit(SchedulerTick(decisions=self._decisions, weights=weights))
        self._rearm()

    def _run_member(self, member: Member, now: float) -> None:
        group = self._group_of.get(member.session)
        if group is None:
            return
        if member.current is None:
            group.start(member, now, self._allowed(member, group), SwitchReason.START)
        else:
            group.step(member, now)
        self._timers.plan(member)
        self._timers.plan_check(group)

    def _look_at_timetable(self, now: float) -> None:
        wall = self._clock.wall()
        is_open = timetable.open_schedules(self._config.schedules, wall)
        is_overridden = override_in_force(self._config, wall) is not None
        if is_open != self._open_now or is_overridden is not self._is_overridden:
            self._regroup(SwitchReason.WEIGHT, self._pools_wanted_by_session())
        else:
            self._plan_timetable(now, wall)

    def _plan_timetable(self, now: float, wall: float) -> None:
        marks = [timetable.next_boundary(self._config.schedules, wall)]
        if override_in_force(self._config, wall) is not None and self._config.override is not None:
            marks.append(self._config.override.until)
        waits = [mark - wall for mark in marks if mark is not None]
        if self._config.override is not None and self._config.override.until is not None:
            # Also when its time is over: the clock may be set back.
            waits.append(_LOOK_AT_CLOCK_S)
        self._timetable_due = now + min([*waits, _LOOK_AT_CLOCK_S]) if waits else math.inf

    def _settle_queue(self, member: Member, group: Group) -> None:
        self._timers.plan(member)
        self._timers.plan_check(group)
        self._run()

    def _rearm(self) -> None:
        self._timers.wake(self._timetable_due)

    # --- what is kept ---------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, object]:
        """Return what should survive a restart: JSON-able, at most ``limits.max_workers`` workers."""
        now = self._clock.now()
        ledgers = []
        for key, group in self._groups.items():
            if group.weights and (key is None or isinstance(key, int)):
                ledgers.append([key, group.dump(now)])
        workers = [*self._parked.values(), *self._members.values()]
        kept = state.dump_workers(
            ((member.worker, member.estimate, member.in_hand) for member in workers), self._config.limits.max_workers
        )
        seconds = dict(self._pool_seconds)
        for member in self._members.values():
            for pool, spent in member.pool_time.items():
                seconds[pool] = seconds.get(pool, 0.0) + spent
        return {"version": state.VERSION, "ledgers": ledgers, "workers": kept, "seconds": seconds}

    def restore(self, dumped: Mapping[str, object]) -> None:
        """Take over what ``dump`` returned, best before the first ``apply``; what makes no sense is left out.

        A ledger goes on when its schedule comes to aim at the same weights again.
        """
        if not isinstance(dumped, Mapping) or dumped.get("version") != state.VERSION:
            return
        now, wall = self._clock.now(), self._clock.wall()
        self._kept_ledgers = state.load_ledgers(dumped.get("ledgers"), now=now, wall=wall)
        for name, (estimate, in_hand) in state.load_workers(dumped.get("workers"), self._most_workers()).items():
            member = Member(SessionId(-1), name, estimate, now)
            member.in_hand = in_hand
            self._parked[name] = member
        self._pool_seconds = {pool: spent for pool, spent in state.numbers(dumped.get("seconds")).items() if spent >= 0}

    def _most_workers(self) -> int:
        return self._config.limits.max_workers

    def _bank_seconds(self, member: Member) -> None:
        for pool, seconds in member.pool_time.items():
            self._pool_seconds[pool] = self._pool_seconds.get(pool, 0.0) + seconds
        member.pool_time.clear()

    def _trim_parked(self) -> None:
        while len(self._parked) > self._config.limits.max_workers:
            self._parked.popitem(last=False)


def _timing(control: Control) -> tuple[object, ...]:
    return control.min_switch_s, control.slice_s, control.policy


def _nothing() -> None:
    """Nobody listens yet."""


def _no_wait(session: SessionId, pool: PoolKey) -> float:
    """No switch waits."""
    return 0.0
