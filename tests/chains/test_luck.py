"""How lucky a fleet was, from the work it did."""

from math import exp, log

import pytest

from proxy.chains.luck import block_odds, effort, expected_best, seconds_per_block


def test_the_best_share_to_expect_is_beaten_in_half_of_all_runs():
    assert exp(-1000.0 / expected_best(1000.0)) == pytest.approx(0.5)
    assert expected_best(1000.0) == pytest.approx(1000.0 / log(2))
    assert expected_best(0.0) == 0.0


def test_effort_is_the_part_of_the_work_that_a_block_takes():
    assert effort(50.0, 200.0) == 0.25
    assert effort(50.0, 0.0) is None


def test_odds_of_a_block_and_the_time_to_one_agree():
    rate, network = 1e12, 1e6
    seconds = seconds_per_block(rate, network)
    assert seconds == pytest.approx(1e6 * 2**32 / 1e12)
    assert block_odds(rate, network, seconds) == pytest.approx(1 - exp(-1))
    assert block_odds(0.0, network, 1.0) == block_odds(rate, 0.0, 1.0) == 0.0
    assert seconds_per_block(0.0, network) is None
