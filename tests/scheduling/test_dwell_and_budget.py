"""Dwell as DPMP v2 has it, a budget for the fleet, and starts that are spread."""

import pytest

from proxy.config.snapshot import Mode, Policy
from proxy.scheduling.phases import start_phase
from proxy.scheduling.rounds import dwell, miner_dwell, round_period
from proxy.scheduling.switch_budget import SwitchBudget
from proxy.scheduling.tuning import DEFAULT_TUNING
from proxy.types import PoolKey, SessionId, SwitchReason
from tests.scheduling.harness import A, B, C, SchedulerHarness, config, schedule
from tests.support import scheduler_oracle


@pytest.mark.parametrize(("weight", "seconds"), [(0.5, 20), (0.3, 12), (0.05, 10), (0.95, 20), (0.0, 10)])
def test_dwell_is_twice_the_weight_within_slice_and_min_switch(weight: float, seconds: float):
    assert dwell(weight, min_switch_s=20, slice_s=10, tuning=DEFAULT_TUNING) == seconds


@pytest.mark.parametrize(
    ("weight", "min_switch_s", "seconds"),
    [(0.5, 30, 30), (0.3, 30, 30), (0.05, 30, 30), (0.3, 120, 72), (0.05, 120, 30), (0.95, 120, 120), (0.05, 29, 15)],
)
def test_a_stay_on_a_minority_pool_is_thirty_seconds_unless_the_operator_wants_shorter_ones(
    weight: float, min_switch_s: float, seconds: float
):
    assert dwell(weight, min_switch_s=min_switch_s, slice_s=15, tuning=DEFAULT_TUNING) == seconds


@pytest.mark.parametrize(
    ("share_s", "min_switch_s", "seconds"),
    [(0, 30, 30), (3, 30, 30), (20, 30, 100), (600, 30, 300), (600, 300, 600), (600, 5, 50), (2, 5, 30)],
)
def test_a_stay_is_five_shares_within_reason(share_s: float, min_switch_s: float, seconds: float):
    assert miner_dwell(30, share_s, min_switch_s=min_switch_s, tuning=DEFAULT_TUNING) == seconds


def test_a_round_gives_each_pool_its_part_and_none_less_than_its_dwell():
    assert round_period({A: 0.7, B: 0.3}, {A: 30, B: 18}) == 60


def test_the_budget_lets_a_burst_through_and_then_its_rate():
    budget = SwitchBudget(2.0, 3.0)
    assert [budget.take(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert budget.retry_at(10.0) == pytest.approx(10.5)
    assert budget.take(10.5)
    assert not budget.take(10.6)


def test_those_that_wait_for_the_budget_get_turns_one_after_the_other():
    budget = SwitchBudget(2.0, 1.0)
    assert budget.take(10.0)
    assert [budget.retry_at(10.0) for _ in range(3)] == pytest.approx([10.5, 11.0, 11.5])
    assert [budget.take(when) for when in (10.5, 11.0, 11.5)] == [True] * 3
    budget.reset_retries()
    assert budget.retry_at(11.5) == pytest.approx(12.0)


@pytest.mark.no_cover
def test_miners_on_their_way_back_are_not_all_asked_for_each_that_goes():
    fleet = SchedulerHarness(config(schedule({A: 1, B: 1}, mode=Mode.PRIORITY)))
    rigs = [fleet.join(number) for number in range(200)]
    fleet.scheduler.pool_status(A, False)
    for rig in rigs:
        fleet.ready(rig, B)
    taken = 0

    class Counted(SwitchBudget):
        def take(self, now: float) -> bool:
            nonlocal taken
            taken += 1
            return super().take(now)

    returns = fleet.scheduler._returns
    counted = Counted(returns.rate, returns.burst)
    fleet.scheduler._returns = counted
    for served in fleet.scheduler._fleets.values():
        served._returns = counted
    for rig in rigs:
        fleet.ready(rig, A, B)
    fleet.scheduler.pool_status(A, True)
    begun = fleet.clock.now()
    while set(fleet.pools().values()) != {A}:
        fleet.work(1, every=1)
    assert fleet.clock.now() - begun == pytest.approx(200 / counted.rate, abs=3)
    assert taken < 3 * len(rigs)


def test_starts_are_spread_and_cancel():
    phases = [start_phase(index, 40, DEFAULT_TUNING) for index in range(41)]
    assert abs(sum(phases)) < 1
    assert len({round(value, 3) for value in phases}) > 30
    assert [start_phase(index, 4, DEFAULT_TUNING) for index in range(4)] == [0, 0, 0, 0]


def test_a_pool_without_a_job_is_tried_again_and_the_miner_keeps_working():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50})))
    rig = fleet.join(1)
    other = B if fleet.scheduler.current(rig) == A else A
    fleet.without_job.add(other)
    first = fleet.scheduler.current(rig)
    fleet.work(120)
    assert fleet.scheduler.current(rig) == first
    fleet.without_job.clear()
    fleet.work(10)
    assert fleet.scheduler.current(rig) == other


def test_a_quiet_miner_stays_where_it_is_and_goes_on_when_it_submits():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50})))
    rig = fleet.join(1)
    fleet.work(300)
    fleet.clock.advance(100)
    moves = len(fleet.moves)
    fleet.clock.advance(3600)
    assert len(fleet.moves) == moves
    assert scheduler_oracle.miners(fleet.scheduler)[0].is_quiet
    fleet.work(300)
    assert len(fleet.moves) > moves + 6
    assert not scheduler_oracle.miners(fleet.scheduler)[0].is_quiet
    assert rig in fleet.pools()


def test_a_lost_connection_moves_its_miner_at_once_and_nobody_else():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50})))
    rigs = [fleet.join(number) for number in range(6)]
    fleet.work(300)
    before = fleet.pools()
    victim = rigs[0]
    lost = before[victim]
    fleet.ready(victim, *({A, B} - {lost}))
    after = fleet.pools()
    assert after[victim] != lost
    assert {rig: after[rig] for rig in rigs[1:]} == {rig: before[rig] for rig in rigs[1:]}


def test_a_quiet_miner_leaves_a_pool_that_it_is_not_to_work_on_as_soon_as_another_has_a_job():
    fleet = SchedulerHarness(config(schedule({A: 100})))
    rig = fleet.join(1)
    fleet.work(300)
    fleet.clock.advance(3600)
    assert scheduler_oracle.miners(fleet.scheduler)[0].is_quiet
    fleet.without_job.add(B)
    fleet.scheduler.apply(config(schedule({B: 100})))
    fleet.clock.advance(10)
    assert fleet.scheduler.current(rig) == A
    fleet.without_job.clear()
    fleet.clock.advance(3)
    assert fleet.scheduler.current(rig) == B
    assert fleet.moves[-1][3] is SwitchReason.WEIGHT


def test_a_fleet_counts_from_anew_although_some_cannot_return_to_a_pool_that_came_back():
    fleet = SchedulerHarness(config(schedule({A: 40, B: 30, C: 30}, policy=Policy.PACKING), pools=(A, B, C)))
    fleet.without_job.add(C)
    rigs = [fleet.join(number, (A, B, C)) for number in range(12)]
    fleet.work(600)
    [inner] = fleet.scheduler._fleets.values()
    fleet.scheduler.pool_status(B, False)
    fleet.work(300)
    fleet.scheduler.pool_status(B, True)
    began = fleet.clock.now()
    fleet.work(20)
    assert inner.is_returning and inner.ledger.started == began
    fleet.work(60)
    assert not inner.is_returning and inner.ledger.started > began
    assert C not in {fleet.scheduler.current(rig) for rig in rigs}


class Leaving(SchedulerHarness):
    """Miners whose connection breaks while they are told of a switch."""

    is_breaking = False

    def move(self, session: SessionId, pool: PoolKey, reason: SwitchReason) -> bool:
        if self.is_breaking:
            self.scheduler.remove_miner(session)
        return super().move(session, pool, reason)


def test_a_miner_that_leaves_in_the_middle_of_its_switch_is_not_moved_again():
    fleet = Leaving(config(schedule({A: 50, B: 50})))
    fleet.join(1)
    stays = fleet.join(2)
    fleet.work(300)
    fleet.is_breaking = True
    moves = len(fleet.moves)
    fleet.scheduler.set_ready(SessionId(1), frozenset({A, B} - {fleet.scheduler.current(SessionId(1))}))
    fleet.is_breaking = False
    assert len(fleet.moves) == moves + 1
    fleet.work(600)
    assert fleet.scheduler.current(SessionId(1)) is None
    assert {session for _, session, _, _ in fleet.moves[moves + 1 :]} == {stays}


@pytest.mark.no_cover
def test_a_fleet_counts_from_anew_once_its_miners_are_back_on_a_pool_that_came_back():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50}, policy=Policy.PACKING)))
    rigs = [fleet.join(number) for number in range(40)]
    fleet.work(600)
    [inner] = fleet.scheduler._fleets.values()
    fleet.scheduler.pool_status(B, False)
    fleet.work(300)
    fleet.scheduler.pool_status(B, True)
    began = fleet.clock.now()
    assert inner.is_returning and inner.ledger.started == began
    while inner.is_returning:
        away = sum(fleet.scheduler.current(rig) == A for rig in rigs)
        fleet.work(1)
        assert fleet.clock.now() < began + 60
    assert away <= 22, "nearly all that belong to the other pool are there"
    assert inner.ledger.started > began
