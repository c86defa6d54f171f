"""Few miners that are sliced alike stay out of phase, whatever moved them together."""

import random
from dataclasses import replace

import pytest

from proxy.config.snapshot import OverrideConfig, Policy
from proxy.scheduling import phases
from proxy.scheduling.simulation import TERA
from proxy.scheduling.tuning import DEFAULT_TUNING
from proxy.types import PoolKey
from tests.bench.split import bound_dwell, config_for, target_of
from tests.support.simulation import SteeredSimulation

A, B = PoolKey("A"), PoolKey("B")


def pair(
    weights: tuple[float, ...], rates: tuple[float, ...] = (100, 100), policy: Policy = Policy.AUTOMATIC
) -> SteeredSimulation:
    config = config_for(weights, 30)
    config = replace(config, schedules=(replace(config.schedules[0], policy=policy),))
    simulation = SteeredSimulation(config, random.Random(1))
    for rate in rates:
        simulation.add(rate * TERA)
        simulation.run_to(simulation.clock.now() + 7)
    return simulation


def together(simulation: SteeredSimulation, seconds: float) -> float:
    """Return the part of the time in which all miners are on one pool."""
    count, start = 0, simulation.clock.now()
    for number in range(1, int(2 * seconds) + 1):
        simulation.run_to(start + number / 2)
        count += len({miner.pool for miner in simulation.miners.values()}) == 1
    return count / int(2 * seconds)


def outage(simulation: SteeredSimulation, pool: PoolKey) -> None:
    simulation.set_pool(pool, False)
    simulation.run_to(simulation.clock.now() + 100)
    simulation.set_pool(pool, True)
    simulation.run_to(simulation.clock.now() + 180)


@pytest.mark.no_cover
@pytest.mark.parametrize("lost", [A, B])
@pytest.mark.parametrize(("weights", "most"), [((50, 50), 0.1), ((70, 30), 0.58), ((85, 15), 0.75), ((95, 5), 0.91)])
def test_two_miners_are_out_of_phase_again_a_few_rounds_after_a_pool_was_down(
    weights: tuple[float, ...], most: float, lost: PoolKey
):
    # Each on its own, they would be on one pool for w^2 + (1 - w)^2 of the time; in phase it was all of it, for ever.
    simulation = pair(weights)
    simulation.run_to(1000)
    outage(simulation, lost)
    assert together(simulation, 1200) <= most


@pytest.mark.no_cover
@pytest.mark.parametrize("after", [(50, 50), (15, 85), (30, 70)])
def test_two_miners_are_out_of_phase_after_a_change_of_weights(after: tuple[float, float]):
    simulation = pair((50, 50))
    simulation.run_to(600)
    simulation.apply(replace(simulation.config, override=OverrideConfig(weights={A: 100, B: 0})))
    simulation.run_to(900)
    simulation.apply(replace(simulation.config, override=OverrideConfig(weights=dict(zip((A, B), after, strict=True)))))
    simulation.run_to(1100)
    share = after[0] / 100
    assert together(simulation, 1200) <= share**2 + (1 - share) ** 2


def test_two_miners_are_out_of_phase_after_both_lost_their_connections_to_a_pool_that_is_up():
    simulation = pair((50, 50))
    simulation.run_to(600)
    # Both leave for A at the instant at which they have no surplus: equal from now on.
    for miner in simulation.miners.values():
        simulation.scheduler._miners[miner.session].surplus = {A: 0.0, B: 0.0}
        simulation.scheduler.set_ready(miner.session, frozenset({A}))
    simulation.run_to(640)
    for miner in simulation.miners.values():
        simulation.scheduler.set_ready(miner.session, frozenset({A, B}))
    simulation.run_to(900)
    assert together(simulation, 600) <= 0.5


@pytest.mark.parametrize("rates", [(100, 100), (80, 1), (50, 200)])
def test_the_fleet_is_split_as_exactly_as_before_while_its_miners_are_put_out_of_phase(rates: tuple[float, float]):
    simulation = pair((50, 50), rates)
    simulation.run_to(1000)
    outage(simulation, B)
    simulation.run_to(1800)
    simulation.start_sample()
    simulation.run_to(1860)
    sample = simulation.measure(target_of(simulation.config), bound_dwell(simulation.config))
    assert sample.error <= sample.bound + 1e-9


@pytest.mark.no_cover
@pytest.mark.parametrize("miners", [3, 5, 7])
def test_a_few_sliced_miners_do_not_all_switch_together_after_an_outage(miners: int):
    simulation = pair((50, 50), (100,) * miners, policy=Policy.SLICING)
    simulation.run_to(1000)
    outage(simulation, A)
    assert together(simulation, 1200) <= 0.3


@pytest.mark.parametrize(
    ("surplus", "rates"),
    [
        ([0.0, 0.0], [1.0, 1.0]),
        ([3.0, 3.1, 3.0], [5.0, 1.0, 0.5]),
        ([7.5, 7.5], [1.0, 1.0]),
        ([-7.4, -7.5], [1.0, 90.0]),
        ([9.0, 9.0], [1.0, 1.0]),
        ([1.0, 1.0], [0.0, 3.0]),
    ],
)
def test_shifts_cancel_by_rate_and_leave_nobody_outside_his_slice(surplus: list[float], rates: list[float]):
    moved = phases.apart(surplus, rates, even=30 / len(rates), limit=7.5, tuning=DEFAULT_TUNING)
    weights = rates if all(rates) else [1.0] * len(rates)
    before, after = (
        sum(rate * amount for rate, amount in zip(weights, amounts, strict=True)) for amounts in (surplus, moved)
    )
    assert after == pytest.approx(before)
    assert all(abs(amount) <= max(7.5 + 1e-9, abs(was)) for amount, was in zip(moved, surplus, strict=True))


def test_miners_that_are_apart_are_left_alone():
    assert phases.apart([-4.0, 4.0], [1.0, 1.0], even=15, limit=7.5, tuning=DEFAULT_TUNING) == [-4.0, 4.0]


@pytest.mark.parametrize("rates", [[4e-7, 1e12], [1e12, 4e-7], [1e-29, 2.6e-8], [1e-29, 1.0, 1e-29]])
def test_beside_a_miner_of_a_quadrillion_times_their_rate_others_are_moved_within_the_limit_or_not(
    rates: list[float],
) -> None:
    surplus = [0.2] * len(rates)
    moved = phases.apart(surplus, rates, even=2.5, limit=2.25, tuning=DEFAULT_TUNING)
    assert all(-2.25 <= each <= 2.25 for each in moved)
    assert sum(rate * each for rate, each in zip(rates, moved, strict=True)) == pytest.approx(0.2 * sum(rates))
