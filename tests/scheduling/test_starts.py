"""Miners that start together do not begin on one pool together, whichever pool's connection was the quickest."""

from collections import Counter

import pytest

from proxy.config.snapshot import Policy
from proxy.scheduling.fleet import Fleet
from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.surplus import Ledger
from proxy.types import PoolKey, SessionId, SwitchReason
from tests.scheduling.harness import A, B, C, SchedulerHarness, config, schedule


def start_on_b_first(fleet: SchedulerHarness, count: int) -> list[int]:
    """Connect miners whose connection to B is ready before that to A."""
    sessions = [fleet.join(number, ready=(B,)) for number in range(count)]
    fleet.clock.advance(0.05)
    for session in sessions:
        fleet.ready(session, A, B)
    return sessions


@pytest.mark.parametrize("policy", [Policy.SLICING, Policy.PACKING])
@pytest.mark.parametrize(("weights", "on_a"), [((50, 50), 5), ((70, 30), 7), ((20, 80), 2)])
def test_a_fleet_is_spread_as_soon_as_its_connections_are_there(
    policy: Policy, weights: tuple[float, float], on_a: int
):
    fleet = SchedulerHarness(config(schedule({A: weights[0], B: weights[1]}, policy=policy)))
    start_on_b_first(fleet, 10)
    assert Counter(fleet.pools().values()) == {A: on_a, B: 10 - on_a}
    assert {reason for *_, reason in fleet.moves} == {SwitchReason.START, SwitchReason.ASSIGN}
    assert len(fleet.moves) == 10 + on_a


def test_two_miners_take_turns():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50})))
    start_on_b_first(fleet, 2)
    apart = 0
    for _ in range(200):
        fleet.work(3)
        apart += len(set(fleet.pools().values())) == 2
    assert apart > 180


def test_one_miner_alone_stays_where_it_began_unless_it_owes_most_of_its_time_elsewhere():
    begun = {}
    for weight in (50, 70, 90):
        fleet = SchedulerHarness(config(schedule({A: weight, B: 100 - weight})))
        (rig,) = start_on_b_first(fleet, 1)
        begun[weight] = fleet.scheduler.current(rig)
    assert begun == {50: B, 70: B, 90: A}


def test_a_fleet_whose_pool_falls_is_spread_over_the_others():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 25, C: 25}, policy=Policy.SLICING), pools=(A, B, C)))
    sessions = [fleet.join(number, ready=(A, B, C)) for number in range(40)]
    assert Counter(fleet.pools().values()) == {A: 20, B: 10, C: 10}
    for session in sessions:
        fleet.ready(session, B, C)
    assert Counter(fleet.pools().values()) == {B: 20, C: 20}


def looks_at_miners(monkeypatch: pytest.MonkeyPatch, count: int) -> float:
    """How often a miner is looked at for each of ``count`` that join, five hundred a second."""
    looks = 0
    settle = FleetMiner.settle

    def counted(miner: FleetMiner, now: float, ledger: Ledger) -> None:
        nonlocal looks
        looks += 1
        settle(miner, now, ledger)

    fleet = SchedulerHarness(config(schedule({A: 50, B: 50})))
    with monkeypatch.context() as patched:
        patched.setattr(FleetMiner, "settle", counted)
        for number in range(count):
            fleet.join(number)
            fleet.clock.advance(0.002)
    return looks / count


@pytest.mark.no_cover
def test_a_miner_that_joins_a_large_fleet_is_as_little_work_as_in_a_small_one(monkeypatch: pytest.MonkeyPatch):
    assert looks_at_miners(monkeypatch, 4000) < 2 * looks_at_miners(monkeypatch, 500)


def test_a_step_is_taken_only_where_something_is_to_change(monkeypatch: pytest.MonkeyPatch):
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50})))
    for number in range(50):
        fleet.join(number)
    fleet.clock.advance(5.0)
    stepped: set[SessionId] = set()
    step = Fleet.step

    def noted(self: Fleet, miner: FleetMiner, now: float) -> None:
        stepped.add(miner.session)
        step(self, miner, now)

    monkeypatch.setattr(Fleet, "step", noted)
    last = fleet.join(50)
    fleet.clock.advance(2.0)
    assert stepped == {last}


def test_all_that_lose_a_pool_are_moved_before_any_of_them_takes_a_step(monkeypatch: pytest.MonkeyPatch):
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50})))
    for number in range(20):
        fleet.join(number)
    fleet.clock.advance(5.0)
    stepped = []
    step = Fleet.step

    def noted(self: Fleet, miner: FleetMiner, now: float) -> None:
        stepped.append(miner.session)
        step(self, miner, now)

    monkeypatch.setattr(Fleet, "step", noted)
    on_a = [SessionId(session) for session, pool in fleet.pools().items() if pool == A]
    for session in on_a:
        fleet.ready(session, B)
    assert not stepped
    assert set(fleet.pools().values()) == {B}
    fleet.clock.advance(0.0)
    assert stepped == on_a


def large_fleet(count: int, ready: tuple[PoolKey, ...] = (A, B)) -> SchedulerHarness:
    """Many equal miners that have worked for half a minute."""
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50})))
    for number in range(count):
        fleet.join(number, ready=ready)
    fleet.work(30, every=10)
    return fleet


@pytest.mark.no_cover
def test_the_small_miners_of_a_large_fleet_are_not_sliced_while_their_rates_are_learnt():
    fleet = large_fleet(400)
    before = len(fleet.moves)
    spent = fleet.work(70, every=10)
    assert len(fleet.moves) - before < 100  # sliced each, they would make 400
    assert spent[A] / sum(spent.values()) == pytest.approx(0.5, abs=0.01)


@pytest.mark.no_cover
def test_a_miner_that_is_large_in_a_large_fleet_is_sliced_all_the_same():
    fleet = large_fleet(400)
    before = len(fleet.moves)
    fleet.work(70, every=10, difficulty={SessionId(0): 100_000.0})
    assert {session for _, session, *_ in fleet.moves[before:]} >= {SessionId(0)}


@pytest.mark.no_cover
def test_a_large_fleet_that_began_on_one_pool_is_spread_and_the_other_gets_what_it_lacks():
    fleet = large_fleet(400, ready=(B,))
    for session in range(400):
        fleet.ready(session, A, B)
    spent = fleet.work(180, every=10)
    assert spent[A] - spent[B] == pytest.approx(30 * 400, rel=0.2)
