"""Miners with one set of weights: their ledger, their policy, and each miner's next step."""

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Set

from proxy.config.snapshot import Policy
from proxy.in_parts import at_once, in_parts
from proxy.scheduling import phases, state
from proxy.scheduling.control import Control
from proxy.scheduling.fleet_totals import FleetTotals, total, total_in_parts
from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.policies import packing, slicing
from proxy.scheduling.policies.policy import Assignment, MinerLoad, Role, SplitPolicy
from proxy.scheduling.pool_load import PoolLoad
from proxy.scheduling.rounds import Rounds
from proxy.scheduling.surplus import Ledger, clamped
from proxy.scheduling.switch_budget import SwitchBudget
from proxy.scheduling.tuning import SchedulerTuning
from proxy.types import PoolKey, SessionId, SwitchReason

Move = Callable[[FleetMiner, PoolKey, SwitchReason], bool]
"""Moves a miner and notes it; False: it stays where it is."""
Wait = Callable[[FleetMiner, PoolKey], float]
"""How long (seconds) a move that is not urgent should wait for a new block's job."""


class Fleet:
    """Miners that share one target. All times are monotonic seconds."""

    def __init__(
        self,
        key: object,
        control: Control,
        *,
        now: float,
        wall: float,
        move: Move,
        wait: Wait,
        budget: SwitchBudget,
        returns: SwitchBudget,
        tuning: SchedulerTuning,
    ) -> None:
        self.key = key
        self.control = control
        self.miners: dict[SessionId, FleetMiner] = {}
        self.ledger = Ledger({}, now=now, wall=wall, tuning=tuning)
        self.due = math.inf
        """When the next check is due."""
        self.armed = math.inf
        """The check for which the timer queue has an entry."""
        self.is_returning = False
        """Whether miners are on their way back to a pool, a few a second; the ledger starts when they are."""
        self._move = move
        self._wait = wait
        self._budget = budget
        self._returns = returns
        self._tuning = tuning
        self._policies: dict[Policy, SplitPolicy] = {
            Policy.SLICING: slicing.Slicing(),
            Policy.PACKING: packing.Packing(tuning),
        }
        self._policy = self._policies[Policy.SLICING]
        self._rounds = Rounds({}, min_switch_s=control.min_switch_s, slice_s=control.slice_s, tuning=tuning)
        self._packed_at = -math.inf
        self._is_strict = False
        """Whether the next check places all anew."""
        self._placing: set[SessionId] = set()
        """Whom a check decides about: without those that left, or found or lost a pool, after it looked at them."""
        self._corrected_at = now
        self._totals: FleetTotals | None = None
        self._summed_at = -math.inf
        """When the sums of this ledger were made last."""
        self._pool_load = PoolLoad(tuning)
        self._started = 0
        """Miners that have started a round."""
        self._switches = 0
        """Switches since this ledger began."""

    # --- what others see ------------------------------------------------------------------------------------------

    @property
    def weights(self) -> Mapping[PoolKey, float]:
        """The weights that are aimed at, pools that are down left out."""
        return self.ledger.weights

    @property
    def policy(self) -> str:
        """Name of the policy in force."""
        return self._policy.name

    def totals(self, now: float) -> FleetTotals:
        """Settle all miners and sum them up."""
        self._totals, self._summed_at = total(self.miners, self.ledger, now), now
        return self._totals

    def follows_in(self, now: Callable[[], float]) -> Generator[None, None, float]:
        """Return the seconds until the split since the last change is certain to be within ``follow_tolerance`` of the
        target."""
        if len(self.weights) < 2:
            return 0.0
        whole = most = 0.0
        for together in in_parts(list(self.miners.values()), self._tuning.at_once):
            for miner in together:
                if miner.current is not None and (rate := miner.estimate.rate):
                    whole += rate
                    if miner.assignment.role is not Role.FIXED:
                        most += rate * self._rounds.of_slices(miner)
            yield
        if not whole or len(self.weights) < 2:
            return 0.0
        most *= max(weight * (1 - weight) for weight in self.weights.values()) / 2
        return max(0.0, most / whole / self._tuning.follow_tolerance - (now() - self.ledger.started))

    def totals_in_parts(self, now: Callable[[], float]) -> Generator[None, None, FleetTotals]:
        """The same, with pauses where the miners are many; at once if the ledger ends meanwhile."""
        part = self._tuning.at_once
        if len(self.miners) <= part:
            return self.totals(now())
        ledger = self.ledger
        totals = yield from total_in_parts(self.miners, ledger, now, part)
        if self.ledger is not ledger:
            return self.totals(now())
        self._totals, self._summed_at = totals, now()
        return totals

    def dump_in_parts(self, now: Callable[[], float]) -> Generator[None, None, dict[str, object]]:
        """Return the ledger for a restart; corrections are derived again from accepted work."""
        totals = yield from self.totals_in_parts(now)
        surplus = {pool: totals.surplus[pool] - totals.correction[pool] for pool in self.weights}
        return state.dump_ledger(self.ledger, surplus, totals.work)

    # --- what is aimed at -----------------------------------------------------------------------------------------

    def retarget(
        self,
        weights: Mapping[PoolKey, float],
        now: float,
        wall: float,
        cause: SwitchReason,
        *,
        kept: Ledger | None = None,
    ) -> None:
        """Use other weights from now on: begin a ledger (or go on with ``kept``) and move miners that cannot stay."""
        totals = self.totals(now)
        self._rounds = Rounds(
            weights, min_switch_s=self.control.min_switch_s, slice_s=self.control.slice_s, tuning=self._tuning
        )
        self.is_returning = cause is SwitchReason.RETURN and len(self.miners) > 1
        self._begin_ledger(weights, totals, now, wall, is_change=True)
        if kept is not None:
            self.ledger = kept
        for miner in list(self.miners.values()):
            miner.move_reason = cause
            if miner.current is None or miner.current in weights:
                continue
            if cause is not SwitchReason.RETURN or miner.current not in miner.ready:
                self.fail_over(miner, now, cause)
        self._is_strict = True
        if self._is_large:
            self.check_by(now)
        else:
            self.check(now)

    def _begin_ledger(
        self, weights: Mapping[PoolKey, float], totals: FleetTotals, now: float, wall: float, *, is_change: bool
    ) -> None:
        """Start a new ledger; it carries over at most as much surplus as leaves room for half a dwell of its own."""
        spare = min(weights.values(), default=0.0) * min(self._rounds.dwells.values(), default=0.0) / 2
        sliced_rate = sum(
            miner.estimate.rate for miner in self.miners.values() if miner.assignment.role is Role.RESIDUAL
        )
        carried_surplus = clamped(totals.surplus, weights, spare * sliced_rate)
        self.ledger = Ledger(weights, now=now, wall=wall, tuning=self._tuning, carried_surplus=carried_surplus)
        self._switches, self._summed_at = 0, -math.inf
        for miner in self.miners.values():
            miner.open_seconds.clear()
            miner.in_first_slice = miner.in_first_slice or is_change
            miner.surplus = clamped(miner.surplus, weights, spare)
            own_pool = miner.assignment.pool
            if miner.assignment.role is Role.SLICED or (own_pool is not None and own_pool not in weights):
                miner.assignment = Assignment()

    # --- who is in it ---------------------------------------------------------------------------------------------

    def add(self, miner: FleetMiner, now: float) -> None:
        """Add a miner; it is placed at the next check."""
        miner.settled = now
        miner.assignment, miner.in_first_slice = Assignment(), True
        miner.open_seconds.clear()
        self.miners[miner.session] = miner
        self.check_by(now + (self._placement_delay_s if miner.current is None else 0.0))

    def remove(self, miner: FleetMiner, now: float) -> None:
        """Remove a miner; its work stays in the ledger."""
        miner.settle(now, self.ledger)
        miner.close(self.ledger)
        del self.miners[miner.session]
        self._placing.discard(miner.session)
        self._pool_load.remove(miner, miner.current)
        miner.due = math.inf
        self.check_by(now + self._placement_delay_s)

    def unassign(self, miner: FleetMiner) -> None:
        """Take a miner off a pool that it lost."""
        self._placing.discard(miner.session)
        self._pool_load.remove(miner, miner.current)
        miner.unassign()

    @property
    def _placement_delay_s(self) -> float:
        """How long a check waits for others that join or leave. It looks at all miners, so a large fleet waits longer:
        five thousand that come within a minute would be looked at sixty times."""
        return max(self._tuning.placement_delay_s, len(self.miners) * self._tuning.placement_delay_each_s)

    def check_by(self, when: float) -> None:
        """Check no later than ``when``."""
        self.due = min(self.due, when)

    def start(self, miner: FleetMiner, now: float, allowed: Iterable[PoolKey], reason: SwitchReason) -> bool:
        """Put a miner without work on the pool of ``allowed`` that needs it most; False: none has a job for it."""
        if self._place(miner, now, allowed, reason):
            miner.in_first_slice = reason is SwitchReason.START
            return True
        miner.due = now + self._tuning.retry_s if miner.ready else math.inf
        return False

    def fail_over(self, miner: FleetMiner, now: float, reason: SwitchReason) -> bool:
        """Move a miner that cannot stay, whatever its dwell; True: it moved."""
        if self._place(miner, now, [pool for pool in self.weights if pool != miner.current], reason):
            return True
        miner.due = now + self._tuning.retry_s
        return False

    def go_back(self, miner: FleetMiner, now: float, pool: PoolKey) -> bool:
        """Move a miner back to the pool that it had to leave for a moment, whatever its dwell; True: it moved."""
        return pool in self.weights and self._place(miner, now, [pool], SwitchReason.RETURN)

    def _place(self, miner: FleetMiner, now: float, pools: Iterable[PoolKey], reason: SwitchReason) -> bool:
        old = miner.current
        for pool in self._by_need(miner, now, pools):
            if self._move(miner, pool, reason):
                self._pool_load.remove(miner, old)
                self._pool_load.add(miner, pool)
                miner.due = now
                self.check_by(now + self._placement_delay_s)
                return True
        return False

    def _by_need(self, miner: FleetMiner, now: float, pools: Iterable[PoolKey]) -> list[PoolKey]:
        """Return those of ``pools`` that the miner can go to, the one that needs it most first."""
        choices = [pool for pool in pools if pool in miner.ready]
        if len(choices) < 2:
            return choices
        self._pool_load.count(self.miners.values(), now)
        return self._pool_load.by_need(miner, self.weights, choices)

    def heard_again(self, miner: FleetMiner, now: float) -> None:
        """A share came after a silence: the miner's time counts again."""
        miner.end_quiet(now)
        miner.due = now
        if not self._is_large:  # else one that is silent by chance comes back every second, and no check waits long
            self.check_by(now)

    def ready_changed(self, miner: FleetMiner, now: float) -> None:
        """A working miner can use other pools than before: plan its next step again."""
        self._placing.discard(miner.session)
        if miner.in_first_slice and miner.assignment.role is Role.NEW:
            self._rebalance_new_miner(miner, now)
        if miner.assignment.role is Role.SLICED:
            time_shares = slicing.reachable(self.weights, miner.pools)
            if time_shares.keys() != miner.assignment.time_shares.keys():
                miner.settle(now, self.ledger)
                self._slice(miner, Assignment(role=Role.SLICED, time_shares=time_shares))
        miner.due = now

    def _rebalance_new_miner(self, miner: FleetMiner, now: float) -> None:
        """Move a miner that has only just started, if it would be of more use on a pool that has become ready.

        All connections are dialled at once and the first to bring a job is taken, so without this a fleet that connects
        together would begin on the quickest pool together, and switch away from it together.
        """
        best = next(iter(self._by_need(miner, now, self.weights)), None)
        if best is None or miner.current is None or best == miner.current:
            return
        is_worth_it = self._pool_load.is_worth_a_move(miner, self.weights, miner.current, best)
        if is_worth_it and self._place(miner, now, [best], SwitchReason.ASSIGN):
            miner.in_first_slice = True

    # --- decisions ------------------------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Correct the assignments that are wrong, all of them after a change of weights, and let miners take their
        steps."""
        at_once(self.check_in_parts(lambda: now))

    def check_in_parts(self, now: Callable[[], float]) -> Generator[None, None, None]:
        """The same of many miners, with pauses; nothing is decided if another ledger begins meanwhile: that has a check
        of its own."""
        self.due, ledger = math.inf, self.ledger
        strict, self._is_strict = self._is_strict, False
        totals = yield from self.totals_in_parts(now)
        loads = yield from self._loads(totals, now)
        if self.ledger is not ledger:
            self._placing.clear()
            return
        self._choose_policy(len(loads), totals)
        self._resize_budget(len(loads))
        moment = now()
        if self.is_returning and not strict and self._has_returned(moment):  # a strict check says who is to return
            self.is_returning = False
            wall = ledger.since + moment - ledger.started
            self._begin_ledger(self.weights, totals, moment, wall, is_change=False)
            ledger = self.ledger
            loads = yield from self._loads(totals, now)
        if strict or (
            yield from self._policy.is_due(
                loads, self.weights, surplus=totals.surplus, sigma=totals.sigma, horizon_s=self._horizon(moment)
            )
        ):
            yield from self._assign(loads, totals, now, ledger, strict=strict)
        self._placing.clear()
        if self.ledger is not ledger:
            return
        if strict:
            yield from self._give_reasons()
        moment = now()
        self._spread_correction(totals, moment)
        young = moment - ledger.started < self._tuning.young_s or self.is_returning
        pause = self._tuning.young_check_s if young else self._tuning.check_s
        if self.miners:
            self.check_by(moment + pause)
        self._spread_phases(moment)
        if self._is_large:
            yield
            for miner in self.miners.values():
                if miner.assignment.role is Role.RESIDUAL:
                    miner.due = now()  # with the sums of this check
            yield

    def _give_reasons(self) -> Generator[None, None, None]:
        """Who needs not move for the new weights moves for the fleet's sake alone from now on."""
        weights = self.weights
        for together in in_parts(list(self.miners.values()), self._tuning.at_once):
            for miner in together:
                is_away = miner.current is not None and miner.current not in weights
                if not is_away and miner.assignment.pool in (None, miner.current):
                    miner.move_reason = SwitchReason.ASSIGN
            yield

    @property
    def _is_large(self) -> bool:
        """Whether all miners are too many for one turn of the loop."""
        return len(self.miners) > self._tuning.at_once

    def _loads(self, totals: FleetTotals, now: Callable[[], float]) -> Generator[None, None, list[MinerLoad]]:
        """Those that work, as the policies see them."""
        working = [miner for miner in self.miners.values() if miner.current is not None and not miner.is_quiet]
        loads, doubt = list[MinerLoad](), self._rate_doubt(len(working), totals, now())
        self._placing = {miner.session for miner in working}
        for together in in_parts(working, self._tuning.at_once):
            loads += self._loads_of([miner for miner in together if miner.session in self._placing], doubt, now())
            yield
        return loads

    def _rate_doubt(self, working: int, totals: FleetTotals, now: float) -> float:
        """How many hashes a second a miner's rate may be wrong by for the miner to be packed."""
        is_young = now - self.ledger.started < self._tuning.exact_first_s
        return self._tuning.rate_doubt * totals.rate / math.sqrt(working) if working and not is_young else 0.0

    @staticmethod
    def _loads_of(miners: Iterable[FleetMiner], doubt: float, now: float) -> list[MinerLoad]:
        return [
            MinerLoad(
                miner.session,
                miner.estimate.rate,
                miner.is_known(now, doubt),
                miner.pools,
                miner.current,
                miner.assignment,
            )
            for miner in miners
        ]

    def _choose_policy(self, working: int, totals: FleetTotals) -> None:
        wanted = self.control.policy
        if wanted is Policy.AUTOMATIC:
            wanted = Policy.PACKING if working >= self._tuning.packing_from else Policy.SLICING
        policy = self._policies[wanted]
        if policy is self._policy or not working:
            return
        self._policy = policy
        for miner in self.miners.values():
            if miner.assignment.role is not Role.SLICED:
                limit = slicing.amplitude(self.weights, miner.current, self._rounds.period) if miner.current else 0.0
                surplus = {pool: work / totals.rate for pool, work in totals.surplus.items()} if totals.rate else {}
                miner.surplus = clamped(surplus, self.weights, limit)
                miner.assignment = Assignment()

    def _resize_budget(self, working: int) -> None:
        if self._rounds.period:
            tuning = self._tuning
            needed = tuning.switches_headroom * working * len(self.weights) / self._rounds.period
            self._budget.resize(
                max(tuning.switches_least_per_s, needed),
                max(tuning.switch_burst_least, working * tuning.switch_burst_part),
            )

    def _has_returned(self, now: float) -> bool:
        if now - self.ledger.started > self._tuning.return_patience_s + len(self.miners) / self._returns.rate:
            return True
        return all(
            miner.assignment.role is not Role.FIXED or miner.current == miner.assignment.pool
            for miner in self.miners.values()
        )

    def _assign(
        self, loads: list[MinerLoad], totals: FleetTotals, now: Callable[[], float], ledger: Ledger, *, strict: bool
    ) -> Generator[None, None, None]:
        """Place all of ``loads`` anew, if it is time to, unless ``ledger`` has ended: prepared in parts, and all whole
        miners are placed in one turn. Who leaves, or finds or loses a pool meanwhile, has its part of before until the
        next check."""
        moment = now()
        stuck = strict or moment - self._packed_at >= self._tuning.repack_pause_s
        loose = Role.NEW, Role.SLICED
        unplaced = stuck or any(load.assignment.role in loose for load in loads)
        yield
        if not unplaced and self._residual_rate() != 0:
            return
        loads = [load for load in loads if load.session in self._placing]
        if stuck:
            self._packed_at = moment
        decided = yield from self._policy.assign(
            loads,
            self.weights,
            surplus=totals.surplus if stuck and not strict else {},
            sigma=totals.rate_sigma,
            horizon_s=self._horizon(moment),
            strict=stuck,
        )
        placed: list[tuple[FleetMiner, Assignment]] = []
        for together in in_parts(loads, self._tuning.at_once):
            for load in together:
                if load.session not in self._placing:
                    continue
                miner, assignment = self.miners[load.session], decided[load.session]
                if _goes_on(miner, assignment):
                    continue
                if assignment.role is Role.SLICED:
                    self._slice(miner, assignment)
                    miner.due = moment
                else:
                    placed.append((miner, assignment))
            yield
        if self.ledger is not ledger:
            return
        for miner, assignment in placed:
            if miner.session in self._placing:
                miner.assignment, miner.due = assignment, moment
        self._replace_residual(decided.keys())
        self._budget.reset_retries()
        self._returns.reset_retries()
        yield

    def _slice(self, miner: FleetMiner, assignment: Assignment) -> None:
        """Slice a miner by itself."""
        time_shares = assignment.time_shares
        if miner.assignment.time_shares != time_shares:
            period = self._rounds.period
            limit = max((slicing.amplitude(time_shares, pool, period) for pool in time_shares), default=0)
            miner.surplus = clamped(miner.surplus, time_shares, limit)
            self._start_off_centre(miner)
        miner.assignment = assignment

    def _start_off_centre(self, miner: FleetMiner) -> None:
        """Begin the miner's round off centre, in large fleets, so that they do not all switch together."""
        phase = phases.start_phase(self._started, len(self.miners), self._tuning)
        self._started += 1
        pool = miner.current
        if not phase or pool is None or any(miner.surplus.values()):
            return
        begun = phase * slicing.amplitude(self.weights, pool, self._rounds.period)
        others = slicing.reachable(self.weights, frozenset(self.weights) - {pool})
        miner.surplus = {pool: begun, **{key: -begun * part for key, part in others.items()}}

    def _spread_phases(self, now: float) -> None:
        """Put miners that are sliced alike out of phase, where they are too few to have started off centre."""
        if len(self.miners) >= self._tuning.phase_spread_from:
            return
        for shift in phases.shifts(self.miners.values(), self._rounds.of_slices, self._tuning):
            # A slice that has just begun or is about to end leaves no room to put them apart: look again soon, and
            # not once a round at the same place in it.
            pause = shift.round_s / self._tuning.phase_checks_per_round
            self.check_by(now + max(self._tuning.phase_check_least_s, pause))
            if shift.seconds:
                time_shares = shift.miner.assignment.time_shares
                for key, part in time_shares.items():
                    by = shift.seconds if key == shift.pool else -shift.seconds * part / (1 - time_shares[shift.pool])
                    shift.miner.surplus[key] = shift.miner.surplus.get(key, 0.0) + by
                shift.miner.due = now

    def _replace_residual(self, decided: Set[SessionId]) -> None:
        """Take its part away from a residual miner that does not work (it is quiet, or waits), so that others do that
        work."""
        for session, miner in self.miners.items():
            if miner.assignment.role is Role.RESIDUAL and session not in decided:
                miner.assignment = Assignment()

    def _spread_correction(self, totals: FleetTotals, now: float) -> None:
        """Have miners that are sliced by themselves work off what the correction has grown by, a little at a time.

        Each is told once and keeps it in its own surplus, so neither a miner that leaves nor a restart makes the others
        pay again.
        """
        ledger, (span, self._corrected_at) = self.ledger, (now - self._corrected_at, now)
        if self._policy.name != slicing.Slicing.name or ledger.corrected is None:
            ledger.corrected = dict(totals.correction)
            return
        corrected = ledger.corrected
        owed = {pool: amount - corrected[pool] for pool, amount in totals.correction.items()}
        owed = clamped(owed, self.weights, self._tuning.correction_pace * min(span, self._tuning.check_s) * totals.rate)
        if not totals.rate or not any(owed.values()):
            return
        ledger.corrected = {pool: corrected[pool] + amount for pool, amount in owed.items()}
        seconds = {pool: work / totals.rate for pool, work in owed.items()}
        for miner in self.miners.values():
            if miner.assignment.role is Role.SLICED and miner.current is not None:
                for pool, extra in clamped(seconds, miner.assignment.time_shares, math.inf).items():
                    miner.surplus[pool] = miner.surplus.get(pool, 0.0) + extra
                miner.due = min(miner.due, now)

    def _horizon(self, now: float) -> float:
        """Return the seconds in which surplus should be worked off: the younger the ledger, the sooner."""
        tuning = self._tuning
        wanted = tuning.horizon_part * (now - self.ledger.started)
        return min(max(wanted, tuning.horizon_least_s), tuning.horizon_most_s)

    def _residual_rate(self) -> float:
        return sum(
            miner.estimate.rate
            for miner in self.miners.values()
            if miner.assignment.role is Role.RESIDUAL and not miner.is_quiet
        )

    # --- one miner's steps ----------------------------------------------------------------------------------------

    def step(self, miner: FleetMiner, now: float) -> None:
        """Do what is due for one miner and say when the next step is (``miner.due``)."""
        miner.settle(now, self.ledger)
        miner.due = math.inf
        if miner.current is None or not self.weights:
            return
        if miner.is_quiet and miner.current in self.weights:
            return
        match miner.assignment.role:
            case Role.FIXED:
                self._step_fixed(miner, now)
            case Role.SLICED:
                period = self._rounds.of_slices(miner, first=miner.in_first_slice)
                self._step_slice(miner, now, miner.surplus, period, math.inf)
            case Role.RESIDUAL:
                totals = self._recent_totals(now)
                if totals is None:
                    self.check_by(now)  # after it this step comes again
                    return
                surplus = self._fleet_surplus(miner, totals)
                period = self._rounds.of_residual(
                    miner,
                    working=totals.placed,
                    age_s=now - self.ledger.started,
                    switches=self._switches,
                )
                self._step_slice(miner, now, surplus, period, self._tuning.check_s)
            case Role.NEW if miner.is_quiet:
                self.fail_over(miner, now, miner.move_reason)
            case Role.NEW:
                miner.due = now + self._placement_delay_s
                self.check_by(miner.due)

    def _step_fixed(self, miner: FleetMiner, now: float) -> None:
        pool = miner.assignment.pool
        if pool not in self.weights or pool == miner.current or pool not in miner.ready:
            return
        reason = miner.move_reason
        urgent = reason in (SwitchReason.WEIGHT, SwitchReason.OPERATOR, SwitchReason.FAILOVER)
        self._switch(miner, pool, reason, now, urgent=urgent)
        if miner.current == pool:
            miner.move_reason = SwitchReason.ASSIGN

    def _step_slice(
        self, miner: FleetMiner, now: float, surplus: Mapping[PoolKey, float], period: float, longest: float
    ) -> None:
        time_shares, current = miner.assignment.time_shares, miner.current
        assert current is not None
        left = slicing.remaining_s(time_shares, surplus, current, period) if current in time_shares else 0.0
        if left <= 1e-6:
            target = slicing.next_pool(time_shares, surplus, current, miner.ready)
            if target is None:
                return
            if miner.assignment.role is Role.SLICED and self._is_held(miner, now, current, target):
                tuning = self._tuning
                looks_s = min(len(self.miners) * tuning.hold_look_each_s, tuning.horizon_least_s)
                miner.due = now + max(self._rounds.dwells[current], looks_s)
                return
            reason = SwitchReason.SLICE if current in time_shares else miner.move_reason
            self._switch(miner, target, reason, now, urgent=False)
            if miner.current != target:
                return
            left = max(slicing.remaining_s(time_shares, surplus, target, period), self._rounds.dwell(miner, target))
        miner.due = min(miner.due, now + max(min(left, longest), self._tuning.least_step_s))

    def _is_held(self, miner: FleetMiner, now: float, current: PoolKey, target: PoolKey) -> bool:
        """Whether a miner that is to be packed need not be sliced until then: one of many small ones, well placed."""
        if self._policy.name != packing.Packing.name or current not in self.weights:
            return False
        self._pool_load.count(self.miners.values(), now)
        load = self._pool_load
        if not load.is_small(miner):
            return False
        work = self._totals.work if self._totals is not None else {}
        whole, horizon_s = sum(work.values()), self._tuning.horizon_least_s
        # What the fleet has worked too much of on a pool until now is made up for within the horizon.
        over = {pool: (work.get(pool, 0.0) - self.weights[pool] * whole) / horizon_s for pool in (current, target)}
        return not load.is_worth_a_move(miner, self.weights, current, target, over)

    def _switch(self, miner: FleetMiner, pool: PoolKey, reason: SwitchReason, now: float, *, urgent: bool) -> None:
        """Move a miner if dwell and budget allow, else set when to try again."""
        if not urgent and not miner.in_first_slice:
            dwell = self._rounds.dwell(miner, miner.current) if miner.current else 0.0
            if now < miner.since + dwell - 1e-6:
                miner.due = miner.since + dwell
                return
        wait = 0.0 if urgent else self._wait(miner, pool)
        if wait > 0:
            miner.due = now + min(wait, self._tuning.block_wait_step_s)
            return
        budget = self._returns if reason is SwitchReason.RETURN else self._budget
        if not urgent and not budget.take(now):
            miner.due = max(budget.retry_at(now), now + self._tuning.least_step_s)
            return
        old = miner.current
        if self._move(miner, pool, reason):
            self._pool_load.remove(miner, old)
            self._pool_load.add(miner, pool)
            self._switches += 1
        else:
            miner.due = now + self._tuning.retry_s

    def _recent_totals(self, now: float) -> FleetTotals | None:
        """The sums of this moment; of a large fleet those of its last check, None where that is too long ago."""
        if not self._is_large:
            return self.totals(now)
        return self._totals if now - self._summed_at <= self._tuning.sums_kept_s else None

    def _fleet_surplus(self, miner: FleetMiner, totals: FleetTotals) -> Mapping[PoolKey, float]:
        """Return the part of the fleet's surplus, in seconds of its own, that this residual miner works off."""
        order = list(self.weights)
        residual = sorted(
            (other for other in self.miners.values() if other.assignment.role is Role.RESIDUAL),
            key=lambda other: order.index(next(iter(other.assignment.time_shares))),
        )
        parts = packing.split_surplus(totals.surplus, [other.assignment.time_shares for other in residual])
        rate = miner.estimate.rate
        part = parts[residual.index(miner)]
        return {pool: work / rate for pool, work in part.items()} if rate else {}


def _goes_on(miner: FleetMiner, assignment: Assignment) -> bool:
    """Whether there is no step to take for ``assignment``: the miner's slice goes on, or it is where it stays."""
    before = miner.assignment
    if before.role is not assignment.role:
        return False
    if assignment.role is Role.FIXED:
        return before.pool == assignment.pool == miner.current
    return assignment.role is Role.SLICED and before.time_shares == assignment.time_shares
