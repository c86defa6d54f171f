"""A hash rate is known as well as its shares allow, and a change is seen within minutes."""

import math
import random

import pytest

from proxy.scheduling.rate import Estimate, Exposure
from proxy.scheduling.tuning import DEFAULT_TUNING
from tests.scheduling.harness import A, B, SchedulerHarness, config, schedule
from tests.support import scheduler_oracle


def feed(estimate: Estimate, rng: random.Random, rate: float, seconds: float, work: float) -> None:
    left = seconds
    while left > 0:
        wait = rng.expovariate(rate / work)
        estimate.add_time(min(wait, left))
        left -= wait
        if left > 0 and estimate.add(work):
            estimate.review()
        if estimate.is_aged:
            estimate.age()


def test_nothing_is_known_before_the_first_share():
    assert Estimate(DEFAULT_TUNING).rate == 0
    assert Estimate(DEFAULT_TUNING).error == 1


@pytest.mark.no_cover
def test_the_stated_error_is_true():
    rng = random.Random(1)
    deviations = []
    for _ in range(300):
        estimate = Estimate(DEFAULT_TUNING)
        feed(estimate, rng, 100.0, 600, 300.0)
        deviations.append((estimate.rate / 100.0 - 1) / estimate.error)
    assert 0.85 < math.sqrt(sum(z * z for z in deviations) / len(deviations)) < 1.15


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_a_changed_rate_is_found_within_ten_minutes(factor: float):
    rng = random.Random(2)
    estimate = Estimate(DEFAULT_TUNING)
    feed(estimate, rng, 100.0, 3 * 3600, 300.0)
    feed(estimate, rng, 100.0 * factor, 900, 300.0)
    assert estimate.rate == pytest.approx(100.0 * factor, rel=0.25)


@pytest.mark.no_cover
def test_luck_is_not_taken_for_a_change():
    rng = random.Random(3)
    estimate = Estimate(DEFAULT_TUNING)
    feed(estimate, rng, 100.0, 600, 300.0)
    for _ in range(200):
        feed(estimate, rng, 100.0, 600, 300.0)
        assert estimate.seconds > 600


def test_other_difficulties_count_by_their_work():
    rng = random.Random(4)
    estimate = Estimate(DEFAULT_TUNING)
    for work in (100.0, 1000.0, 50.0, 3000.0):
        feed(estimate, rng, 100.0, 600, work)
    assert estimate.rate == pytest.approx(100.0, rel=4 * estimate.error)


def test_each_share_says_as_much_as_any_other_however_large():
    # A pool begins far too easy: 20 shares in seconds, then a few of sixteen times the size. By their work only the few
    # would count, with an error of 1 / sqrt(31) instead of 1 / sqrt(50).
    rng = random.Random(5)
    deviations = []
    for _ in range(400):
        estimate = Estimate(DEFAULT_TUNING)
        feed(estimate, rng, 100.0, 60, 300.0)
        feed(estimate, rng, 100.0, 30 * 48, 4800.0)
        deviations.append((estimate.rate / 100.0 - 1) * math.sqrt(20 + 30))
    assert 0.9 < math.sqrt(sum(z * z for z in deviations) / len(deviations)) < 1.1


def test_time_spent_on_a_share_counts_at_the_size_that_the_share_turns_out_to_have():
    estimate = Estimate(DEFAULT_TUNING)
    estimate.add_time(10)
    estimate.add(1000.0)
    assert estimate.rate == pytest.approx(100)
    estimate.add_time(40)
    estimate.add(4000.0)
    assert estimate.rate == pytest.approx(100)


def test_a_share_that_comes_before_its_time_is_settled_counts_the_same():
    early, late = Estimate(DEFAULT_TUNING), Estimate(DEFAULT_TUNING)
    for work in (100.0, 100.0, 400.0, 50.0):
        early.add(work, unsettled=3.0)
        early.add_time(3.0)
        late.add_time(3.0)
        late.add(work)
    early.add(70.0)
    late.add(70.0)
    assert early.rate == pytest.approx(late.rate, rel=0.25)
    assert early.shares == late.shares


def test_a_difficulty_set_just_before_a_pool_is_left_does_no_harm():
    estimate = Estimate(DEFAULT_TUNING)
    for _ in range(20):
        estimate.add_time(0.2)
        estimate.add(20.0)
    # The pool has raised the difficulty thirtyfold, and the miner leaves after 6 s without having found a share of it.
    estimate.add_time(6.0)
    left = estimate.pause()
    assert estimate.rate > 80, "it would be 40 if all of the six seconds counted as thirty shares not found"
    estimate.exposure = Exposure()
    estimate.add_time(3.0)
    estimate.add(300.0)
    estimate.exposure = left
    estimate.add(600.0)
    assert estimate.rate == pytest.approx(100, rel=0.01)


def test_what_is_kept_is_the_rate_and_its_certainty():
    estimate = Estimate(DEFAULT_TUNING)
    feed(estimate, random.Random(6), 100.0, 600, 300.0)
    again = Estimate.load(estimate.dump(), DEFAULT_TUNING)
    assert (again.rate, again.error) == pytest.approx((estimate.rate, estimate.error))


@pytest.mark.parametrize("numbers", [[1e300, 1e-300, 1.0], [1e-300, 1.0, 1.0], [1.0, 1.0], [1.0, math.nan, 1.0]])
def test_a_kept_estimate_that_makes_no_sense_is_refused(numbers: list[float]):
    with pytest.raises(ValueError):
        Estimate.load(numbers, DEFAULT_TUNING)


def test_nonsense_difficulties_are_not_counted():
    fleet = SchedulerHarness(config(schedule({A: 50, B: 50})))
    rig = fleet.join(1)
    fleet.work(60)
    before = fleet.scheduler.rate(rig)
    for difficulty in (0.0, -5.0, math.nan, math.inf):
        fleet.scheduler.share(rig, fleet.scheduler.current(rig), difficulty, True)
        fleet.scheduler.share(rig, fleet.scheduler.current(rig), 1000.0, True, credited=difficulty)
    fleet.work(60)
    assert before / 2 < fleet.scheduler.rate(rig) < 2 * before
    assert all(map(math.isfinite, scheduler_oracle.fleet(fleet.scheduler).surplus.values()))
