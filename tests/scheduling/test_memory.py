"""What is known survives a reconnect and a restart, and never grows without end."""

import json
import random
from dataclasses import replace

import pytest

from proxy.config.snapshot import Limits, OverrideConfig, Policy
from proxy.scheduling.simulation import TERA, PoolBehaviour, SimulatedMiner, Simulation
from proxy.types import PoolKey, SwitchReason
from tests.bench.split import bound_dwell, config_for, target_of
from tests.scheduling.harness import A, B, SchedulerHarness, config, schedule
from tests.support import scheduler_oracle

HALVES = config(schedule({A: 50, B: 50}))


def test_a_worker_that_reconnects_is_found_again_by_its_name():
    fleet = SchedulerHarness(HALVES)
    rig = fleet.join(1, worker="attic")
    fleet.work(600)
    before = fleet.scheduler.rate(rig)
    fleet.scheduler.remove_miner(rig)
    again = fleet.join(2, worker="attic")
    assert fleet.scheduler.rate(again) == pytest.approx(before, rel=0.02)
    stranger = fleet.join(3, worker="shed")
    assert fleet.scheduler.rate(stranger) == 0


def test_a_miner_that_reconnects_all_the_time_is_still_split_evenly():
    fleet = SchedulerHarness(HALVES)
    spent = {A: 0.0, B: 0.0}
    for number in range(200):
        rig = fleet.join(number, worker="attic")
        for pool, seconds in fleet.work(21).items():
            spent[pool] += seconds
        fleet.scheduler.remove_miner(rig)
    assert spent[A] / (spent[A] + spent[B]) == pytest.approx(0.5, abs=0.06)


def test_only_so_many_names_are_remembered_the_oldest_go_first():
    fleet = SchedulerHarness(replace(HALVES, limits=Limits(max_workers=10)))
    for number in range(50):
        rig = fleet.join(number)
        fleet.work(30)
        fleet.scheduler.remove_miner(rig)
    assert len(fleet.scheduler._workers.away) == 10
    assert fleet.scheduler.rate(fleet.join(99, worker="rig49")) > 0
    assert fleet.scheduler.rate(fleet.join(98, worker="rig3")) == 0


def test_ledger_and_estimates_survive_a_restart():
    fleet = SchedulerHarness(HALVES)
    rigs = [fleet.join(number) for number in range(5)]
    fleet.work(1000)
    kept = json.loads(json.dumps(fleet.scheduler.dump()))
    before, pools = scheduler_oracle.fleet(fleet.scheduler), fleet.scheduler.snapshot().pools
    after = SchedulerHarness(HALVES, up=())
    after.clock.set_wall(fleet.clock.wall() + 30)
    after.scheduler.restore(kept)
    after.scheduler.apply(HALVES)
    after.scheduler.pool_status(A, True)
    after.scheduler.pool_status(B, True)
    for number in range(5):
        after.join(number)
    again = scheduler_oracle.fleet(after.scheduler)
    assert again.since == before.since
    assert again.work[A] == pytest.approx(before.work[A])
    assert again.surplus[A] == pytest.approx(before.surplus[A], rel=1e-6, abs=1e6)
    assert after.scheduler.snapshot().pools[A].seconds == pytest.approx(pools[A].seconds)
    assert after.scheduler.rate(rigs[0]) == pytest.approx(fleet.scheduler.rate(rigs[0]), rel=0.02)


def test_another_aim_after_a_restart_starts_another_ledger():
    fleet = SchedulerHarness(HALVES)
    fleet.join(1)
    fleet.work(300)
    after = SchedulerHarness(HALVES, up=())
    after.scheduler.restore(fleet.scheduler.dump())
    after.scheduler.apply(config(schedule({A: 70, B: 30})))
    after.scheduler.pool_status(A, True)
    after.scheduler.pool_status(B, True)
    after.join(1)
    assert scheduler_oracle.fleet(after.scheduler).work[A] == 0


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"version": 7},
        {"version": 1},
        {"version": 1, "ledgers": 5, "workers": [], "seconds": None},
        {"version": 1, "ledgers": [[1, {"weights": {"A": float("nan")}, "since": 1}], ["x", {}], [1]], "workers": {}},
        {"version": 1, "ledgers": [[1, {"weights": {"A": 0.5, "B": 0.5}, "since": "now"}]]},
        {"version": 1, "workers": {"rig1": [[1, 2], {}], "rig2": [[-1, 1, 1], {}], "rig3": "?", "rig4": [["1"], {}]}},
        {"version": 1, "seconds": {"A": -5, "B": float("inf")}},
    ],
)
def test_a_state_that_makes_no_sense_is_left_out(odd: dict[str, object]):
    fleet = SchedulerHarness(HALVES, up=())
    fleet.scheduler.restore(odd)
    fleet.scheduler.apply(HALVES)
    fleet.scheduler.pool_status(A, True)
    rig = fleet.join(1, (A,))
    fleet.work(60)
    assert fleet.scheduler.current(rig) == A
    assert fleet.scheduler.snapshot().pools[B].seconds == 0


@pytest.mark.simulation
def test_a_restart_in_the_middle_does_not_disturb_the_split():
    first = Simulation(config_for((70, 30), 30), random.Random(1))
    for rate in (80, 6, 1, 1):
        first.add(rate * TERA)
    first.run_to(1800)
    second = Simulation(config_for((70, 30), 30), random.Random(2))
    second.clock.set_wall(first.clock.wall())
    second.scheduler.restore(first.scheduler.dump())
    for rate in (80, 6, 1, 1):
        second.add(rate * TERA)
    second.run_to(900)
    sample = second.measure(target_of(second.config), bound_dwell(second.config))
    assert sample.error <= sample.bound


class Restarts:
    """Runs of one fleet, sliced by itself or packed, on halves; pool B refuses a part of its shares."""

    def __init__(self, policy: Policy, reject: float) -> None:
        plan = config_for((50, 50), 30)
        self.plan = replace(plan, schedules=(replace(plan.schedules[0], policy=policy),))
        self.reject = reject
        self.state: dict[str, object] = {}
        self.wall = 0.0
        self.longest_s = 0.0
        """That all five stood on one pool at once in the last run."""
        self.paid = 0.0
        """Pool A's part of what the last run was credited."""
        self._runs = 0

    def run(self, seconds: float) -> None:
        """From the start to the dump at the end; the miners connect one by one."""
        sim = Simulation(
            self.plan,
            random.Random(self._runs),
            behaviour={B: PoolBehaviour(reject=self.reject)},
            on_move=self._moved,
        )
        self._runs += 1
        if self.state:
            sim.clock.set_wall(self.wall + 10)
            sim.scheduler.restore(json.loads(json.dumps(self.state)))
        self._places: dict[int, PoolKey] = {}
        self._since, self.longest_s, self._sim = None, 0.0, sim
        for number in range(5):
            sim.add(100 * TERA, f"rig{number}")
            sim.run_to(sim.clock.now() + 2)
        sim.run_to(seconds)
        self._together(is_so=False)
        self.state, self.wall = sim.scheduler.dump(), sim.clock.wall()
        self.paid = sim.accepted[A] / sum(sim.accepted.values())

    def _moved(self, miner: SimulatedMiner, pool: PoolKey, reason: SwitchReason) -> None:
        self._places[miner.session] = pool
        self._together(is_so=len(self._places) == 5 and len(set(self._places.values())) == 1)

    def _together(self, *, is_so: bool) -> None:
        now = self._sim.clock.now()
        if self._since is not None:
            self.longest_s = max(self.longest_s, now - self._since)
        self._since: float | None = now if is_so else None


@pytest.mark.simulation
@pytest.mark.parametrize("policy", [Policy.SLICING, Policy.PACKING])
def test_what_was_corrected_before_a_restart_is_not_corrected_again(policy: Policy):
    runs = Restarts(policy, reject=0.08)
    runs.run(3 * 3600)
    for _ in range(4):
        runs.run(600)
        assert runs.longest_s < 45
        assert runs.paid == pytest.approx(0.5, abs=0.03)


def test_a_correction_is_worked_off_a_little_at_a_time_and_once():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50}, policy=Policy.SLICING)))
    rigs = [fleet.join(number) for number in range(2)]
    fleet.work(600)
    [inner] = fleet.scheduler._fleets.values()
    assert inner.ledger.corrected == {A: 0.0, B: 0.0}
    for rig in rigs:
        for _ in range(2000):
            fleet.scheduler.share(rig, A, 0.0, True, 1000.0)  # blocks below the assigned difficulty: credit, no rate
    spent = fleet.work(120)
    owed = inner.totals(fleet.clock.now()).correction[A]
    assert owed > 0 and inner.ledger.corrected is not None
    assert 0 < inner.ledger.corrected[A] < owed
    assert 0.3 < spent[A] / sum(spent.values()) < 0.5
    kept = json.loads(json.dumps(fleet.scheduler.dump()))
    after = SchedulerHarness(config(schedule({A: 50, B: 50}, policy=Policy.SLICING)), up=())
    after.clock.set_wall(fleet.clock.wall())
    after.scheduler.restore(kept)
    after.scheduler.apply(config(schedule({A: 50, B: 50}, policy=Policy.SLICING)))
    after.scheduler.pool_status(A, True)
    after.scheduler.pool_status(B, True)
    after.join(1)
    [again] = after.scheduler._fleets.values()
    assert again.ledger.corrected == pytest.approx(inner.ledger.corrected)


@pytest.mark.simulation
def test_tables_stay_small_for_thirty_days_of_coming_and_going():
    plan = config(schedule({A: 50, B: 50}, min_switch_s=600, slice_s=300), limits=Limits(max_workers=50))
    fleet = SchedulerHarness(plan)
    rng = random.Random(7)
    sizes = set()
    sessions: list[int] = []
    joined = 0
    for step in range(30 * 24):
        for _ in range(3):
            joined += 1
            sessions.append(fleet.join(joined, worker=f"rig{rng.randrange(10_000)}"))
        while len(sessions) > 12:
            fleet.scheduler.remove_miner(sessions.pop(rng.randrange(len(sessions))))
        if step % 7 == 0:
            fleet.scheduler.pool_status(B, step % 2 == 0)
            override = OverrideConfig(weights={A: rng.randrange(1, 99), B: 50}) if rng.random() < 0.5 else None
            fleet.scheduler.apply(replace(plan, override=override))
        fleet.work(120, every=60)
        if step % 3:
            while sessions:
                fleet.scheduler.remove_miner(sessions.pop())
        fleet.clock.advance(3480)
        fleet.moves.clear()
        fleet.emitted.clear()
        inner = fleet.scheduler
        sizes.add(
            max(
                len(inner._timers),
                len(inner._workers.away),
                len(inner._miners),
                len(inner._fleet_of),
                len(inner._fleets),
                fleet.clock.pending,
            )
        )
    assert max(sizes) < 600
    assert len(json.dumps(fleet.scheduler.dump())) < 20_000
