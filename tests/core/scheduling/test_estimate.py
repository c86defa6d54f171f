"""A hash rate is known as well as its shares allow, and a change is seen within minutes."""

import math
import random

import pytest

from proxy.core.scheduling.estimate import Estimate


def feed(estimate: Estimate, rng: random.Random, rate: float, seconds: float, work: float) -> None:
    left = seconds
    while left > 0:
        wait = rng.expovariate(rate / work)
        estimate.pass_time(min(wait, left))
        left -= wait
        if left > 0 and estimate.add(work):
            estimate.review()
        if estimate.is_aged:
            estimate.age()


def test_nothing_is_known_before_the_first_share_but_what_the_miner_wished_for():
    assert Estimate().rate == 0
    assert Estimate(suggested_work=333.0).rate == pytest.approx(100)
    assert Estimate().error == 1


def test_the_stated_error_is_true():
    rng = random.Random(1)
    deviations = []
    for _ in range(300):
        estimate = Estimate()
        feed(estimate, rng, 100.0, 600, 300.0)
        deviations.append((estimate.rate / 100.0 - 1) / estimate.error)
    assert 0.85 < math.sqrt(sum(z * z for z in deviations) / len(deviations)) < 1.15


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_a_changed_rate_is_found_within_ten_minutes(factor: float):
    rng = random.Random(2)
    estimate = Estimate()
    feed(estimate, rng, 100.0, 3 * 3600, 300.0)
    feed(estimate, rng, 100.0 * factor, 900, 300.0)
    assert estimate.rate == pytest.approx(100.0 * factor, rel=0.25)


def test_luck_is_not_taken_for_a_change():
    rng = random.Random(3)
    estimate = Estimate()
    feed(estimate, rng, 100.0, 600, 300.0)
    for _ in range(200):
        feed(estimate, rng, 100.0, 600, 300.0)
        assert estimate.seconds > 600


def test_other_difficulties_count_by_their_work():
    rng = random.Random(4)
    estimate = Estimate()
    for work in (100.0, 1000.0, 50.0, 3000.0):
        feed(estimate, rng, 100.0, 600, work)
    assert estimate.rate == pytest.approx(100.0, rel=4 * estimate.error)
