"""What the engine tells the scheduler and asks of it. How it decides: docs/dev/decisions, 0011 to 0014."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Protocol

from proxy.config.snapshot import ConfigSnapshot, OverrideKind
from proxy.in_parts import at_once, in_parts
from proxy.observe.events import (
    ControlChanged,
    EventStream,
    FailoverWeights,
    OverrideChanged,
    SchedulerTick,
    SplitTargetChanged,
)
from proxy.ports import Clock
from proxy.scheduling import state
from proxy.scheduling.control import NO_CHOICE, Control, MinerChoice, effective, usable, wanted_pools
from proxy.scheduling.controls import Controls
from proxy.scheduling.fleet import Fleet
from proxy.scheduling.known_workers import KnownWorkers
from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.policies.policy import Role
from proxy.scheduling.rate import Estimate
from proxy.scheduling.snapshot import PoolAllocation, SchedulerSnapshot
from proxy.scheduling.surplus import Ledger
from proxy.scheduling.switch_budget import SwitchBudget
from proxy.scheduling.timer_queue import TimerQueue
from proxy.scheduling.tuning import DEFAULT_TUNING, SchedulerTuning
from proxy.types import (
    HASHES_PER_DIFFICULTY,
    MAIN_LISTENER,
    ListenerId,
    PoolKey,
    SessionId,
    SwitchReason,
    WorkerName,
)

_LARGEST_DIFFICULTY = 1e30
"""No difficulty is as large: a pool may write anything, and a sum with infinity in it never recovers."""


class Mover(Protocol):
    """Puts sessions to work: the engine, or a simulation."""

    def move(self, session: SessionId, pool: PoolKey, reason: SwitchReason) -> bool:
        """Put the session to work on ``pool`` now. False: no fresh job there; it stays where it was."""


class Scheduler:
    """Decides which pool each session works on. Everything is synchronous and happens on one thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventStream,
        mover: Mover,
        hashes_per_difficulty: float = HASHES_PER_DIFFICULTY,
        tuning: SchedulerTuning = DEFAULT_TUNING,
    ) -> None:
        self.on_pools_wanted_changed: Callable[[], None] = _nothing
        self.wait_s: Callable[[SessionId, PoolKey], float] = _no_wait
        """How long a switch should wait for the job of a block that others have, so that firmware starts anew once."""
        self._clock = clock
        self._events = events
        self._mover = mover
        self._hashes = hashes_per_difficulty
        self._tuning = tuning
        self._controls = Controls(clock, tuning)
        self._up: dict[PoolKey, bool] = {}
        self._wanted: tuple[Control | None, frozenset[PoolKey]] = (None, frozenset())
        """The pools wanted under the control that was asked for last: the same for each miner that comes."""
        self._miners: dict[SessionId, FleetMiner] = {}
        self._fleet_of: dict[SessionId, Fleet] = {}
        self._fleets: dict[object, Fleet] = {}
        self._workers = KnownWorkers()
        self._checks: dict[Fleet, Generator[None, None, None]] = {}
        """Checks of large fleets that go on over several turns of the loop."""
        self._timers = TimerQueue(clock, self._run_some, tuning)
        self._timetable_due = math.inf
        self._budget = SwitchBudget(tuning.switches_least_per_s, tuning.switch_burst_least)
        self._returns = SwitchBudget(self._config.health.returns_per_s, tuning.return_burst)
        self._pool_seconds: dict[PoolKey, float] = {}
        self._kept_ledgers: dict[int | None, Ledger] = {}
        self._decisions = 0
        """Moves made in this run of the scheduler."""
        self._announced: tuple[object, ...] = ()
        """What the last ``ControlChanged`` said."""
        self._target: dict[PoolKey, float] = {}
        """What the last ``SplitTargetChanged`` said."""

    @property
    def _config(self) -> ConfigSnapshot:
        return self._controls.config

    # --- configuration and state of the world ---------------------------------------------------------------------

    def apply(self, config: ConfigSnapshot) -> None:
        """Use another configuration; changed weights take effect at once."""
        wanted = self._pools_wanted_by_session()
        old = self._config
        self._controls.set_config(config)
        lost = {pool for pool in old.pools if usable(old, pool) and not usable(config, pool)}
        self._up = {pool: up for pool, up in self._up.items() if pool in config.pools}
        self._wanted = None, frozenset()
        self._returns.resize(config.health.returns_per_s, self._tuning.return_burst)
        self._emit_override(old, config)
        self._workers.trim(config.limits.max_workers)
        self._assign_fleets(SwitchReason.OPERATOR if lost else SwitchReason.WEIGHT, wanted)

    def set_balance_weights(self, weights: Mapping[PoolKey, float] | None) -> None:
        """Use the weights that auto-balance computed; with None the schedule's own apply."""
        wanted = self._pools_wanted_by_session()
        self._controls.set_balance_weights(weights)
        self._assign_fleets(SwitchReason.WEIGHT, wanted)

    def pool_status(self, pool: PoolKey, up: bool) -> None:
        """A pool went up or down: compute the targets again, without the pools that are down."""
        before = self._up.get(pool)
        if before is up:
            return
        wanted = self._pools_wanted_by_session()
        self._up[pool] = up
        self._wanted = None, frozenset()
        if up:
            self._retarget_all(SwitchReason.WEIGHT if before is None else SwitchReason.RETURN, wanted)
            return
        self._retarget_all(SwitchReason.FAILOVER, wanted)
        if before:
            weights = effective(self._main_control(), self._up)
            down = tuple(sorted(key for key, is_up in self._up.items() if not is_up))
            self._events.emit(FailoverWeights(weights=weights, down=down))

    # --- miners ---------------------------------------------------------------------------------------------------

    def add_miner(
        self,
        session: SessionId,
        worker: WorkerName,
        listener: ListenerId = MAIN_LISTENER,
        choice: MinerChoice = NO_CHOICE,
    ) -> None:
        """Add a miner that has authorised. It weighs nothing until its first share is accepted.

        What it says of itself, its worker's name included, anybody can say. What is known of that name counts again
        from the first accepted share on, for whoever finds it first.
        """
        now = self._clock.now()
        miner = FleetMiner(
            session, worker, Estimate(self._tuning), now, self._tuning, listener, choice, self._pool_seconds
        )
        self._workers.joined(miner)
        self._miners[session] = miner
        self._enter(miner, now)
        self._rearm()

    def remove_miner(self, session: SessionId) -> None:
        """Remove a miner; its work stays in the ledger, and what is known of it is kept under its worker name."""
        miner = self._miners.pop(session, None)
        if miner is None:
            return
        fleet = self._fleet_of.pop(session)
        fleet.remove(miner, self._clock.now())
        if not fleet.miners and isinstance(fleet.key, tuple):  # choices are miners' words: none outlives them
            self._fleets.pop(fleet.key, None)
        self._workers.left(miner)
        self._workers.trim(self._config.limits.max_workers)
        self._timers.plan_check(fleet)
        self._rearm()

    def set_ready(self, session: SessionId, pools: frozenset[PoolKey]) -> None:
        """Say which pools the session could be moved to right now."""
        miner = self._miners.get(session)
        if miner is None or miner.ready == pools:
            return
        now, fleet = self._clock.now(), self._fleet_of[session]
        miner.ready = pools
        for pool in sorted(pools):
            if pool not in self._up and pool in self._config.pools:
                self.pool_status(pool, True)
        if miner.current is not None and miner.current not in pools:
            self._lost(miner, fleet, now)
            # A thousand may lose their pool at once: all are moved before anybody's next step.
            self._timers.plan(miner)
            self._timers.plan_check(fleet)
            self._rearm()
            return
        if miner.current is None:
            fleet.start(miner, now, self._allowed(miner, fleet), SwitchReason.START)
        else:
            fleet.ready_changed(miner, now)
        self._plan_and_run(miner, fleet)

    def go_back(self, session: SessionId, pool: PoolKey) -> None:
        """Move a session at once back to ``pool``, which it had to leave for a moment."""
        miner = self._miners.get(session)
        if miner is not None and miner.current not in (None, pool):
            fleet = self._fleet_of[session]
            fleet.go_back(miner, self._clock.now(), pool)
            self._plan_and_run(miner, fleet)

    def share(
        self, session: SessionId, pool: PoolKey, difficulty: float, accepted: bool, credited: float | None = None
    ) -> None:
        """Count a pool's verdict. ``difficulty`` is what the miner was assigned, ``credited`` what the pool pays.

        ``difficulty`` 0: the hash is below what the miner was assigned (a block), so it says nothing about its rate.
        """
        miner = self._miners.get(session)
        if miner is None:
            return
        now = self._clock.now()
        miner.last_share = now
        fleet = self._fleet_of[session]
        if miner.is_quiet:
            fleet.heard_again(miner, now)
            self._plan_and_run(miner, fleet)
        if credited is None:
            credited = difficulty
        if not accepted or not (0 <= difficulty < _LARGEST_DIFFICULTY and 0 <= credited < _LARGEST_DIFFICULTY):
            return
        fleet.ledger.accept(pool, credited * self._hashes)
        if difficulty and not miner.is_proven:
            self._workers.proved(miner)
        if difficulty and miner.count_share(pool, difficulty * self._hashes, now):
            miner.settle(now, fleet.ledger)
            miner.review(fleet.ledger)

    # --- questions ------------------------------------------------------------------------------------------------

    def pools_wanted(self, session: SessionId) -> frozenset[PoolKey]:
        """Return the pools that the session needs a ready connection to."""
        fleet = self._fleet_of.get(session)
        if fleet is None:
            return frozenset()
        if self._wanted[0] is not fleet.control:
            self._wanted = fleet.control, wanted_pools(fleet.control, self._up)
        return self._wanted[1]

    def aimed_at(self, session: SessionId) -> frozenset[PoolKey]:
        """Return the pools that the session is to work on now, without those that are down."""
        fleet = self._fleet_of.get(session)
        return frozenset(fleet.weights) if fleet is not None else frozenset()

    def is_known(self, worker: WorkerName) -> bool:
        """Whether a worker of that name has had an accepted share, as far as names are remembered."""
        return self._workers.is_known(worker)

    def current(self, session: SessionId) -> PoolKey | None:
        """Return the pool that the session works on."""
        miner = self._miners.get(session)
        return miner.current if miner is not None else None

    def rate(self, session: SessionId) -> float:
        """Return the session's estimated hashes a second; 0 while nothing is known.

        Before its first accepted share that is what is known of its worker's name: good enough to ask a pool for a
        difficulty, and of no weight in the split.
        """
        miner = self._miners.get(session)
        if miner is None:
            return 0.0
        miner.settle(self._clock.now(), self._fleet_of[session].ledger)
        return self._workers.rate(miner)

    def sure_rate(self, session: SessionId) -> float:
        """Return the estimate of a session that rests on ``sure_shares``; 0 while it rests on fewer."""
        miner = self._miners.get(session)
        return miner.estimate.rate if miner is not None and miner.estimate.shares >= self._tuning.sure_shares else 0.0

    def control(
        self, worker: WorkerName, listener: ListenerId = MAIN_LISTENER, choice: MinerChoice = NO_CHOICE
    ) -> Control:
        """Return who is in control of ``worker``, that came through ``listener`` and asked for ``choice``."""
        return self._controls.of(worker, listener, choice)

    def role(self, session: SessionId) -> Role:
        """Return the session's role in its fleet."""
        miner = self._miners.get(session)
        return miner.assignment.role if miner is not None else Role.NEW

    def snapshot(self) -> SchedulerSnapshot:
        """Return what pages and metrics show, as of now."""
        return at_once(self.snapshot_in_parts())

    def snapshot_in_parts(self) -> Generator[None, None, SchedulerSnapshot]:
        """``snapshot`` of many miners, with pauses; each is as its turn found it."""
        pools = yield from self.allocations_in_parts()
        fleet = self._main_fleet()
        follows_in_s = (yield from fleet.follows_in(self._clock.now)) if fleet else 0.0
        policy = fleet.policy if fleet else ""
        return SchedulerSnapshot(control=self._main_control(), policy=policy, follows_in_s=follows_in_s, pools=pools)

    def allocations_in_parts(self) -> Generator[None, None, dict[PoolKey, PoolAllocation]]:
        """What each pool has of the miners and is to get, in the same way."""
        count, rate = Counter[PoolKey](), defaultdict[PoolKey, float](float)
        for together in in_parts(list(self._miners.values()), self._tuning.at_once):
            now = self._clock.now()
            for miner in together:
                fleet_of_it = self._fleet_of.get(miner.session)
                if fleet_of_it is None:
                    continue
                miner.settle(now, fleet_of_it.ledger)
                if miner.current is not None:
                    count[miner.current] += 1
                    rate[miner.current] += 0.0 if miner.is_quiet else miner.estimate.rate
            yield
        fleet = self._main_fleet()
        control, weights = self._main_control(), fleet.weights if fleet else {}
        return {
            pool: PoolAllocation(
                weight=control.weights.get(pool, 0.0),
                target=weights.get(pool, 0.0),
                miners=count[pool],
                rate=rate[pool],
                seconds=self._pool_seconds.get(pool, 0.0),
            )
            for pool in self._config.pools
        }

    # --- who belongs where ----------------------------------------------------------------------------------------

    def _assign_fleets(self, cause: SwitchReason, wanted: object) -> None:
        """Determine again who controls each miner, and aim at the weights that follow."""
        now = self._clock.now()
        self._controls.refresh()
        self._timetable_due = self._controls.next_check()
        for miner in self._miners.values():
            self._enter(miner, now, cause)
        self._drop_empty_fleets()
        self._retarget_all(cause, wanted)

    def _enter(self, miner: FleetMiner, now: float, cause: SwitchReason = SwitchReason.WEIGHT) -> None:
        """Put a miner into the fleet of whoever controls it."""
        control = self._controls.of(miner.worker, miner.listener, miner.choice)
        key: object = control.schedule_id
        if control.source == "pin":
            key = ("pin", miner.worker, control.schedule_id)
        elif control.source == "miner":
            key = ("miner", control.schedule_id, *control.weights.items())
        old, fleet = self._fleet_of.get(miner.session), self._fleets.get(key)
        if fleet is None:
            fleet = Fleet(
                key,
                control,
                now=now,
                wall=self._clock.wall(),
                move=self._move,
                wait=self._wait,
                budget=self._budget,
                returns=self._returns,
                tuning=self._tuning,
            )
            self._fleets[key] = fleet
        if not (fleet.miners and fleet.control is control) and self._aim(fleet, control, cause):
            self._timers.plan_all(fleet)
        if old is fleet:
            return
        if old is not None:
            old.remove(miner, now)
        self._fleet_of[miner.session] = fleet
        fleet.add(miner, now)
        if miner.current is not None and miner.current not in fleet.weights:
            fleet.fail_over(miner, now, cause)
        self._timers.plan(miner)
        self._timers.plan_check(fleet)

    def _aim(self, fleet: Fleet, control: Control, cause: SwitchReason) -> bool:
        """Let a fleet follow ``control`` and the pools that are up; True: its weights changed, so all may move."""
        old, fleet.control = fleet.control, control
        weights = effective(control, self._up)
        if weights == fleet.weights and _timing(control) == _timing(old):
            return False
        now = self._clock.now()
        fleet.retarget(weights, now, self._clock.wall(), cause, kept=self._kept_ledger(fleet.key, weights))
        self._start_waiting(fleet, list(fleet.miners.values()), now)
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

    def _drop_empty_fleets(self) -> None:
        ids = {None, *(schedule.id for schedule in self._config.schedules)}
        self._fleets = {key: fleet for key, fleet in self._fleets.items() if fleet.miners or key in ids}

    def _retarget_all(self, cause: SwitchReason, before: object) -> None:
        for fleet in list(self._fleets.values()):
            miner = next(iter(fleet.miners.values()), None)
            if miner is not None:
                self._aim(fleet, self._controls.of(miner.worker, miner.listener, miner.choice), cause)
            self._timers.plan_all(fleet)
        self._emit_control()
        self._emit_target()
        self._run_some()
        if self._pools_wanted_by_session() != before:
            self.on_pools_wanted_changed()

    def _start_waiting(self, fleet: Fleet, miners: Iterable[FleetMiner], now: float) -> None:
        for miner in miners:
            if miner.current is None and miner.ready:
                fleet.start(miner, now, self._allowed(miner, fleet), SwitchReason.START)

    def _allowed(self, miner: FleetMiner, fleet: Fleet) -> list[PoolKey]:
        """Return where a miner without work may start: what is aimed at, else what else is allocated, in order."""
        aimed = [pool for pool in fleet.weights if pool in miner.ready]
        return aimed or [pool for pool in fleet.control.weights if pool in miner.ready and self._up.get(pool)][:1]

    def _pools_wanted_by_session(self) -> dict[SessionId, frozenset[PoolKey]]:
        """Return the pools wanted by each session: they differ where a session's may have changed."""
        wanted = {fleet: wanted_pools(fleet.control, self._up) for fleet in self._fleets.values()}
        return {session: wanted[fleet] for session, fleet in self._fleet_of.items()}

    def _main_fleet(self) -> Fleet | None:
        """The largest one, miners with rules of their own left out; one of a route only where there is no other."""
        fleets = [fleet for fleet in self._fleets.values() if not fleet.control.is_own and fleet.miners]
        return max(fleets, key=lambda fleet: (not fleet.control.routed, len(fleet.miners)), default=None)

    def _main_control(self) -> Control:
        fleet = self._main_fleet()
        return self.control(WorkerName("")) if fleet is None else fleet.control

    def _emit_control(self) -> None:
        control = self._main_control()
        present = (control.source, control.detail, control.mode, dict(control.weights))
        if present != self._announced:
            self._announced = present
            self._events.emit(
                ControlChanged(
                    source=control.source, detail=control.detail, mode=control.mode.value, weights=dict(control.weights)
                )
            )

    def _emit_target(self) -> None:
        weights = effective(self._main_control(), self._up)
        if weights != self._target:
            self._target = weights
            self._events.emit(SplitTargetChanged(weights=dict(weights)))

    def _emit_override(self, old: ConfigSnapshot, new: ConfigSnapshot) -> None:
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

    def _lost(self, miner: FleetMiner, fleet: Fleet, now: float) -> None:
        """A miner lost the pool that it works on: move it at once, or let it wait."""
        miner.settle(now, fleet.ledger)
        allowed = [pool for pool in self._allowed(miner, fleet) if pool != miner.current]
        fleet.unassign(miner)
        fleet.start(miner, now, allowed, SwitchReason.FAILOVER)

    def _move(self, miner: FleetMiner, pool: PoolKey, reason: SwitchReason) -> bool:
        now = self._clock.now()
        fleet = self._fleet_of[miner.session]
        miner.settle(now, fleet.ledger)
        if not self._mover.move(miner.session, pool, reason):
            return False
        miner.begin(pool, now)
        self._decisions += 1
        return True

    def _wait(self, miner: FleetMiner, pool: PoolKey) -> float:
        return self.wait_s(miner.session, pool)

    # --- time -----------------------------------------------------------------------------------------------------

    def _run_some(self) -> None:
        """Run what is due; of very much the rest comes in the next turn of the loop."""
        self._run(self._tuning.steps_at_once)

    def _run(self, most: float = math.inf) -> None:
        """Run every step that is due (``most`` of them), then set the timer for the next."""
        now, self._decisions = self._clock.now(), 0
        while most > 0 and (target := self._timers.take(now)) is not None:
            most -= 1
            if isinstance(target, FleetMiner):
                self._run_miner(target, now)
            elif target in self._checks:
                pass  # it is planned once more when that one has ended
            elif len(target.miners) <= self._tuning.at_once:
                at_once(self._check_in_parts(target))
            else:
                self._checks[target] = self._check_in_parts(target)
                self._clock.call_at(now, lambda fleet=target: self._go_on(fleet))  # type: ignore[misc]
        if now >= self._timetable_due:
            self._check_timetable()
        if self._decisions:
            self._emit_target()  # another fleet may be the largest now
            if self._events.wants(SchedulerTick):
                self._events.emit(SchedulerTick(decisions=self._decisions, weights=dict(self._target)))
        self._rearm()

    def _go_on(self, fleet: Fleet) -> None:
        """Do the next part of a fleet's check."""
        parts = self._checks.pop(fleet)
        if next(parts, parts) is parts:
            self._run_some()
        else:
            self._checks[fleet] = parts
            self._clock.call_at(self._clock.now(), lambda: self._go_on(fleet))

    def _check_in_parts(self, fleet: Fleet) -> Generator[None, None, None]:
        """A fleet's check, and what follows from it; with pauses where its miners are many."""
        yield from fleet.check_in_parts(self._clock.now)
        for together in in_parts(list(fleet.miners.values()), self._tuning.at_once):
            there = [miner for miner in together if self._fleet_of.get(miner.session) is fleet]
            self._start_waiting(fleet, there, self._clock.now())
            for miner in there:
                self._timers.plan(miner)
            yield
        self._timers.plan_check(fleet)

    def _run_miner(self, miner: FleetMiner, now: float) -> None:
        fleet = self._fleet_of.get(miner.session)
        if fleet is None:
            return
        if miner.current is None:
            fleet.start(miner, now, self._allowed(miner, fleet), SwitchReason.START)
        else:
            fleet.step(miner, now)
        self._timers.plan(miner)
        self._timers.plan_check(fleet)

    def _check_timetable(self) -> None:
        if self._controls.is_outdated():
            self._assign_fleets(SwitchReason.WEIGHT, self._pools_wanted_by_session())
        else:
            self._timetable_due = self._controls.next_check()

    def _plan_and_run(self, miner: FleetMiner, fleet: Fleet) -> None:
        self._timers.plan(miner)
        self._timers.plan_check(fleet)
        self._run_some()

    def _rearm(self) -> None:
        self._timers.arm(self._timetable_due)

    # --- what is kept ---------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, object]:
        """Return what should survive a restart: JSON-able, at most ``limits.max_workers`` workers."""
        return at_once(self.dump_in_parts())

    def dump_in_parts(self) -> Generator[None, None, dict[str, object]]:
        """``dump`` of many miners, with pauses in which something else may happen; each is as its turn found it."""
        ledgers = []
        for key, fleet in list(self._fleets.items()):
            if fleet.weights and (key is None or isinstance(key, int)):
                ledgers.append([key, (yield from fleet.dump_in_parts(self._clock.now))])
        most, part = self._config.limits.max_workers, self._tuning.at_once
        kept = yield from self._workers.dump_in_parts(list(self._miners.values()), most, part)
        return {"version": state.VERSION, "ledgers": ledgers, "workers": kept, "seconds": dict(self._pool_seconds)}

    def restore(self, dumped: Mapping[str, object]) -> None:
        """Load what ``dump`` returned, preferably before the first ``apply``; invalid parts are skipped.

        A ledger continues when its schedule aims at the same weights again.
        """
        if not isinstance(dumped, Mapping) or dumped.get("version") != state.VERSION:
            return
        now, wall = self._clock.now(), self._clock.wall()
        most = self._config.limits.max_workers
        self._kept_ledgers = state.load_ledgers(dumped.get("ledgers"), now=now, wall=wall, tuning=self._tuning)
        self._workers.restore(dumped.get("workers"), now=now, most=most, tuning=self._tuning)
        for pool, spent in state.numbers(dumped.get("seconds")).items():
            self._pool_seconds[pool] = self._pool_seconds.get(pool, 0.0) + max(spent, 0.0)


def _timing(control: Control) -> tuple[object, ...]:
    return control.min_switch_s, control.slice_s, control.policy


def _nothing() -> None:
    """Do nothing: no listener is set yet."""


def _no_wait(session: SessionId, pool: PoolKey) -> float:
    """Let no switch wait: nobody who knows of new blocks is set yet."""
    return 0.0
