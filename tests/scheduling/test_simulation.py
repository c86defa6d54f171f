"""The simulation that ``simulate`` and the experiments use: faults, miners that leave, and what they worked."""

import random

import pytest

from proxy.scheduling.simulation import Fault, Simulation, bound_dwell
from proxy.types import PoolKey, SwitchReason
from tests.scheduling.harness import A, B, C, config, schedule

T = 1e12


def simulated(*rates: float) -> tuple[Simulation, list[PoolKey]]:
    moves: list[PoolKey] = []
    simulation = Simulation(
        config(schedule({A: 50.0, B: 50.0})), random.Random(1), on_move=lambda miner, pool, reason: moves.append(pool)
    )
    for rate in rates:
        simulation.add(rate * T)
    return simulation, moves


def test_a_pool_that_is_down_gets_no_work_until_it_is_back() -> None:
    simulation, moves = simulated(1.0, 1.0)
    simulation.run_to(600.0, [Fault(at=300.0, duration=300.0, pool=B)])
    before = simulation.work()[B]
    simulation.run_to(601.0)
    assert set(moves) == {A, B} and simulation.up[B]
    assert simulation.work()[B] == pytest.approx(before, rel=0.1)
    simulation.set_pool(B, False)
    session, switches = next(iter(simulation.miners)), simulation.switches
    assert simulation.move(session, B, SwitchReason.SLICE) is False
    assert (simulation.miners[session].pool, simulation.switches) == (A, switches)


def test_a_miner_that_falls_silent_finds_no_shares() -> None:
    simulation, _ = simulated(1.0)
    simulation.run_to(300.0)
    found = sum(simulation.accepted.values())
    simulation.run_to(900.0, [Fault(at=300.0, duration=600.0, worker="rig0")])
    assert sum(simulation.accepted.values()) == found
    simulation.run_to(1_800.0)
    assert sum(simulation.accepted.values()) > found


def test_the_work_of_miners_that_left_still_counts() -> None:
    simulation, _ = simulated(1.0)
    simulation.run_to(60.0)
    worked = sum(simulation.work().values())
    assert worked == pytest.approx(60.0 * T)
    simulation.remove(next(iter(simulation.miners.values())))
    for _ in range(2_001):
        simulation.remove(simulation.add(T))
    assert sum(simulation.work().values()) == pytest.approx(worked) and len(simulation._gone) == 2_000


def test_the_bound_of_three_pools_is_made_of_their_round() -> None:
    three = config(schedule({A: 50.0, B: 30.0, C: 20.0}), pools=(A, B, C))
    assert bound_dwell(three) > bound_dwell(config(schedule({A: 50.0, B: 50.0})))
