"""Miners that start together do not begin on one pool together, whichever pool's connection was the quickest."""

from collections import Counter

import pytest

from proxy.config.snapshot import Policy
from proxy.scheduling.fleet import Fleet
from proxy.scheduling.miner import FleetMiner
from proxy.scheduling.surplus import Ledger
from proxy.types import SessionId, SwitchReason
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
