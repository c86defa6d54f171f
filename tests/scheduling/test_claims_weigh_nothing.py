"""A miner counts in the split from its first accepted share on, and by its accepted shares only."""

import random
from dataclasses import replace

import pytest

from proxy.config.snapshot import Limits
from proxy.scheduling.simulation import TERA, Simulation
from proxy.scheduling.tuning import DEFAULT_TUNING
from proxy.types import HASHES_PER_DIFFICULTY, PoolKey, SessionId, WorkerName
from tests.bench.split import config_for
from tests.scheduling.harness import A, B, SchedulerHarness, config, schedule
from tests.support import scheduler_oracle
from tests.support.world import World

HALVES = config(schedule({A: 50, B: 50}))


@pytest.mark.no_cover
def test_strangers_without_a_share_move_no_split_however_many_and_whoever_they_say_they_are():
    trial = Simulation(config_for((70, 30), 30), random.Random(3))
    honest = [trial.add(100 * TERA) for _ in range(5)]
    trial.run_to(1800)
    before = trial.work()
    strangers = [trial.add(1e-9, name) for name in ("rig0", "rig1", "rig9", "stranger", "stranger")]
    for _ in range(30):
        trial.run_to(trial.clock.now() + 60)
        for stranger in strangers:
            trial.remove(stranger)
        strangers = [trial.add(1e-9, stranger.worker) for stranger in strangers]
    work = {pool: done - before[pool] for pool, done in trial.work().items()}
    assert work[A] / sum(work.values()) == pytest.approx(0.7, abs=0.01)
    assert all(trial.scheduler.rate(stranger.session) == 0 for stranger in strangers)
    assert all(trial.scheduler.rate(each.session) > 50 * TERA for each in honest)


def test_a_known_name_weighs_nothing_until_a_share_of_the_new_connection_is_accepted():
    fleet = SchedulerHarness(HALVES)
    rig = fleet.join(1, worker="attic")
    fleet.work(600)
    before = fleet.scheduler.rate(rig)
    fleet.scheduler.remove_miner(rig)
    again = fleet.join(2, worker="attic")
    fleet.clock.advance(2)
    [state] = scheduler_oracle.miners(fleet.scheduler)
    assert state.rate == 0
    assert fleet.scheduler.rate(again) == pytest.approx(before), "a pool is asked for a difficulty by what is known"
    assert fleet.scheduler.sure_rate(again) == 0
    fleet.work(3)
    [state] = scheduler_oracle.miners(fleet.scheduler)
    assert state.rate == pytest.approx(before, rel=0.05)


def test_a_rejected_share_proves_nothing():
    fleet = SchedulerHarness(HALVES)
    rig = fleet.join(1, worker="attic")
    fleet.work(600)
    fleet.scheduler.remove_miner(rig)
    again = fleet.join(2, worker="attic")
    for _ in range(100):
        fleet.clock.advance(1)
        fleet.scheduler.share(again, fleet.scheduler.current(again) or A, 1e9, False)
    [state] = scheduler_oracle.miners(fleet.scheduler)
    assert state.rate == 0


def test_a_stranger_takes_nothing_away_from_the_worker_whose_name_it_uses():
    fleet = SchedulerHarness(HALVES)
    rig = fleet.join(1, worker="attic")
    fleet.work(600)
    before = fleet.scheduler.rate(rig)
    fleet.scheduler.remove_miner(rig)
    for number in range(2, 22):
        stranger = fleet.join(number, worker="attic")
        fleet.clock.advance(30)
        kept = fleet.scheduler.dump()
        fleet.scheduler.remove_miner(stranger)
    again = fleet.join(99, worker="attic")
    fleet.work(3)
    assert fleet.scheduler.rate(again) == pytest.approx(before, rel=0.05)
    after = SchedulerHarness(HALVES, up=())
    after.scheduler.restore(kept)
    assert after.scheduler._workers.away[WorkerName("attic")].estimate.rate == pytest.approx(before, rel=0.05)


def test_a_stranger_that_finds_one_tiny_share_under_a_known_name_does_not_keep_its_weight():
    fleet = SchedulerHarness(HALVES)
    rig = fleet.join(1, worker="attic")
    fleet.work(600)
    before = fleet.scheduler.rate(rig)
    fleet.scheduler.remove_miner(rig)
    stranger = fleet.join(2, worker="attic")
    for _ in range(4):
        fleet.work(15, every=15, difficulty={stranger: 0.001})
    [state] = scheduler_oracle.miners(fleet.scheduler)
    assert state.rate < before / 100


def test_strangers_whose_first_share_is_overdue_are_no_load_when_others_are_placed():
    fleet = SchedulerHarness(replace(HALVES, limits=Limits(max_workers=100)))
    strangers = [fleet.join(number, (A,)) for number in range(50, 70)]
    fleet.clock.advance(DEFAULT_TUNING.first_share_grace_s + 60)
    honest = [fleet.join(number) for number in range(1, 9)]
    places = [fleet.scheduler.current(each) for each in honest]
    assert sorted(places) == [A] * 4 + [B] * 4
    assert {fleet.scheduler.current(each) for each in strangers} == {A}


@pytest.mark.no_cover
@pytest.mark.parametrize("poison", [2.0**-32, 1e-6, 1e12])
def test_an_estimate_that_a_pools_values_poisoned_recovers_within_minutes(poison: float):
    """A pool that has lied about its difficulty for a while, tells the truth again: 1 TH/s, a share in 4 s."""
    fleet = SchedulerHarness(HALVES)
    rig = fleet.join(1)
    truth = TERA * 4 / HASHES_PER_DIFFICULTY
    fleet.work(600, every=4, difficulty={rig: truth})
    fleet.work(60, every=0.5, difficulty={rig: poison})
    assert not 0.5 * TERA < fleet.scheduler.rate(rig) < 2 * TERA
    fleet.work(540, every=4, difficulty={rig: truth})
    assert fleet.scheduler.rate(rig) == pytest.approx(TERA, rel=0.2)


def split_of(strangers: int) -> float:
    """Pool A's part of the honest miners' shares, beside strangers that suggest an enormous difficulty."""
    world = World({"A": 8, "B": 8}, weights={"A": 70, "B": 30}, min_switch_s=10)
    honest = [world.miner(user=f"addr.rig{number}") for number in range(5)]
    for number in range(strangers):
        stranger = world.miner(user=f"addr.x{number}", handshake=False)
        stranger.call("mining.suggest_difficulty", [1e17], 1)
        stranger.call("mining.subscribe", ["cpuminer/2.5.1"], 2)
        stranger.call("mining.authorize", [stranger.user, "x"], 3)
    for second in range(400):
        world.advance(2)
        for miner in honest:
            miner.submit(nonce=f"{second:08x}")
    counts = {key: len(pool.submits) for key, pool in world.pools.items()}
    return counts["A"] / sum(counts.values())


@pytest.mark.no_cover
def test_miners_that_suggest_an_enormous_difficulty_and_send_nothing_move_no_split():
    assert split_of(strangers=5) == pytest.approx(0.7, abs=0.02)


def test_what_is_asked_of_a_session_that_is_not_there_is_nothing():
    fleet = SchedulerHarness(HALVES)
    assert fleet.scheduler.rate(SessionId(7)) == 0
    assert fleet.scheduler.current(SessionId(7)) is None
    fleet.scheduler.share(SessionId(7), PoolKey("A"), 1.0, True)
