"""When auto-balance believes that a hash rate has changed, how it follows the change, and when it lets go of it."""

import pytest

from proxy.balance.evidence import Evidence
from proxy.balance.readings import NetworkReading, Span
from proxy.balance.statistics import beta_cdf
from proxy.balance.strategies import normalised
from proxy.types import Chain


def reading(*windows: tuple[int, float]) -> NetworkReading:
    """The newest blocks of each window and the seconds that they took."""
    return NetworkReading(
        chain=Chain.BTC,
        source="oracle",
        taken_at=0.0,
        difficulty=1.0,
        spans=tuple(Span(blocks=blocks, seconds=seconds, difficulty=1.0) for blocks, seconds in windows),
        short_blocks=6,
        long_blocks=72,
    )


USUAL = reading((6, 3_600.0), (36, 21_600.0), (72, 43_200.0))
FALLEN = reading((6, 14_400.0), (36, 86_400.0), (72, 108_000.0))


def test_a_hash_rate_that_falls_is_followed_until_it_is_noise_again() -> None:
    evidence = Evidence()
    assert evidence.update(USUAL, 0.95, 2) is None
    change = evidence.update(FALLEN, 0.95, 2)
    assert change is not None and change.ratio == pytest.approx(0.25)
    assert evidence.update(FALLEN, 0.95, 2) is change
    assert evidence.update(USUAL, 0.95, 2) is None


def test_a_change_that_goes_on_is_followed_to_its_new_size() -> None:
    evidence = Evidence()
    first = evidence.update(FALLEN, 0.95, 2)
    further = evidence.update(reading((6, 57_600.0), (36, 345_600.0), (72, 367_200.0)), 0.95, 2)
    assert first is not None and further is not None and further.ratio < first.ratio / 2


def test_a_reading_with_one_window_says_nothing_of_a_change() -> None:
    evidence = Evidence()
    evidence.update(FALLEN, 0.95, 2)
    assert evidence.update(reading((6, 14_400.0)), 0.95, 2) is None


def test_the_beta_distribution_ends_at_0_and_1() -> None:
    assert (beta_cdf(-0.5, 2.0, 3.0), beta_cdf(1.5, 2.0, 3.0)) == (0.0, 1.0)


def test_weights_of_nothing_are_even() -> None:
    assert normalised({Chain.BTC: 0.0, Chain.BCH: 0.0}) == {Chain.BTC: 50.0, Chain.BCH: 50.0}
