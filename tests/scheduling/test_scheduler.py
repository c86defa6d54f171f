"""What the scheduler answers at its edges: strangers, waiting, changed rates, restless rounds."""

import itertools

import pytest

from proxy.config.snapshot import Limits, Policy
from proxy.observe.events import SplitTargetChanged
from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.policies.policy import Assignment, Role
from proxy.scheduling.rate import Estimate, Exposure
from proxy.scheduling.rounds import Rounds, round_period
from proxy.scheduling.tuning import DEFAULT_TUNING
from proxy.types import SessionId, WorkerName
from tests.scheduling.harness import A, B, SchedulerHarness, config, schedule

HALVES = config(schedule({A: 50, B: 50}))


def test_of_a_session_that_is_not_there_nothing_is_known_and_nothing_breaks():
    fleet = SchedulerHarness(HALVES)
    scheduler, stranger = fleet.scheduler, SessionId(99)
    scheduler.remove_miner(stranger)
    scheduler.share(stranger, A, 1000.0, True)
    scheduler.set_ready(stranger, frozenset({A}))
    assert scheduler.pools_wanted(stranger) == scheduler.aimed_at(stranger) == frozenset()
    assert (scheduler.current(stranger), scheduler.rate(stranger)) == (None, 0.0)
    assert scheduler.role(stranger) is Role.NEW


def test_a_session_is_aimed_at_the_pools_that_are_up():
    fleet = SchedulerHarness(HALVES)
    rig = fleet.join(1)
    assert fleet.scheduler.aimed_at(rig) == {A, B}
    fleet.scheduler.pool_status(B, False)
    assert fleet.scheduler.aimed_at(rig) == {A}
    assert fleet.scheduler.pools_wanted(rig) == {A, B}


def test_a_switch_waits_for_the_job_of_a_new_block():
    fleet = SchedulerHarness(HALVES)
    fleet.join(1)
    fleet.work(120)
    fleet.scheduler.wait_s = lambda session, pool: 5.0
    before = len(fleet.moves)
    fleet.work(300)
    assert len(fleet.moves) == before
    fleet.scheduler.wait_s = lambda session, pool: 0.0
    fleet.work(5)
    assert len(fleet.moves) == before + 1


def test_a_miner_that_becomes_four_times_as_fast_is_known_to_be_within_minutes():
    fleet = SchedulerHarness(HALVES)
    rig = fleet.join(1)
    fleet.work(1200)
    before = fleet.scheduler.rate(rig)
    fleet.work(600, difficulty={rig: 4000.0})
    assert 3 * before < fleet.scheduler.rate(rig) < 4.5 * before


def test_at_most_as_many_workers_are_restored_as_may_be_kept():
    fleet = SchedulerHarness(HALVES)
    for number in range(20):
        fleet.join(number)
    fleet.work(60)
    after = SchedulerHarness(config(schedule({A: 50, B: 50}), limits=Limits(max_workers=5)), up=())
    after.scheduler.restore(fleet.scheduler.dump())
    assert len(after.scheduler._workers.away) == 5


def test_rounds_of_a_fleet_that_has_switched_more_often_than_allowed_are_longer_up_to_threefold():
    rounds = Rounds({A: 0.7, B: 0.3}, min_switch_s=30, slice_s=15, tuning=DEFAULT_TUNING)
    miner = FleetMiner(SessionId(1), WorkerName("rig"), Estimate(DEFAULT_TUNING), 0.0, DEFAULT_TUNING)
    miner.assignment = Assignment(role=Role.RESIDUAL, time_shares={A: 0.5, B: 0.5})
    calm, restless, wild = (
        rounds.of_residual(miner, working=20, age_s=3600, switches=switches) for switches in (0, 150, 100_000)
    )
    assert calm < restless < wild == pytest.approx(3 * calm)


WEIGHTS = ({A: 0.5, B: 0.5}, {A: 0.7, B: 0.3}, {A: 0.95, B: 0.05}, {A: 0.1, B: 0.7, "C": 0.2}, {A: 1.0})


@pytest.mark.no_cover
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("first", [False, True])
def test_the_round_of_a_sliced_miner_is_what_its_stays_make(weights, first):
    """The short way to it, for a fleet, says what the definition says."""
    whole, longest = sum(weights.values()), set[float]()
    usual = {pool: weight / whole for pool, weight in weights.items()}
    shares = ({}, usual, {A: 1.0}, {A: 0.5, B: 0.5})
    roles, here, elsewhere = (Role.NEW, Role.FIXED, Role.SLICED, Role.RESIDUAL), (0.0, 5e8, 9e9, 9e12), (None, 0.0, 4e9)
    for time_shares, role, size, size_there, found in itertools.product(
        shares, roles, here, elsewhere, (0.0, 0.3, 20.0)
    ):
        rounds = Rounds(weights, min_switch_s=30, slice_s=15, tuning=DEFAULT_TUNING)
        miner = FleetMiner(SessionId(1), WorkerName("rig"), Estimate(DEFAULT_TUNING), 0.0, DEFAULT_TUNING)
        miner.assignment, miner.current = Assignment(role=role, time_shares=time_shares), A
        miner.estimate.shares, miner.estimate.expected_shares, miner.estimate.exposure.size = found, found / 1e8, size
        if size_there is not None:
            miner.paused = {B: Exposure()}
            miner.paused[B].size = size_there
        stays = {pool: rounds.dwell(miner, pool, first=first) for pool in time_shares if pool in weights}
        if stays.keys() == time_shares.keys():
            wanted = max(rounds.period, round_period(time_shares, stays))
            assert rounds.of_slices(miner, first=first) == wanted
            longest.add(wanted)
    assert first or len(weights) < 2 or len(longest) > 1, "miners whose shares are rare have longer rounds"


def test_a_change_of_the_target_is_told_also_where_nobody_has_to_move():
    fleet = SchedulerHarness(HALVES)
    fleet.join(1)
    told = [event.weights for event in fleet.emitted if isinstance(event, SplitTargetChanged)]
    assert told == [{A: 1.0}, {A: 0.5, B: 0.5}], "pools come up one after the other"
    for weights in ({A: 100}, {A: 50, B: 50}):
        fleet.scheduler.apply(config(schedule(weights)))
    fleet.scheduler.pool_status(B, False)
    fleet.scheduler.pool_status(A, False)
    fleet.scheduler.pool_status(A, True)
    told = [event.weights for event in fleet.emitted if isinstance(event, SplitTargetChanged)][2:]
    assert told == [{A: 1.0}, {A: 0.5, B: 0.5}, {A: 1.0}, {}, {A: 1.0}]


def test_a_target_is_told_without_any_miner():
    fleet = SchedulerHarness(config(schedule({A: 30, B: 70})))
    assert [event.weights for event in fleet.emitted if isinstance(event, SplitTargetChanged)][-1] == {A: 0.3, B: 0.7}


def test_a_residual_miner_that_works_for_one_pool_alone_stops_nothing():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50}, policy=Policy.PACKING)))
    for number in range(40):
        fleet.join(number)
    were_alone, spent = False, {A: 0.0, B: 0.0}
    for _ in range(150):
        for pool, seconds in fleet.work(3).items():
            spent[pool] += seconds
        assignments = [miner.assignment for miner in fleet.scheduler._miners.values()]
        were_alone |= any(each.role is Role.RESIDUAL and len(each.time_shares) == 1 for each in assignments)
    assert were_alone, "what this is about"
    assert spent[A] / sum(spent.values()) == pytest.approx(0.5, abs=0.03)
