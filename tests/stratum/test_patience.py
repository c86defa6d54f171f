"""Patience grows with what answers take, and ends for a pool that is really silent."""

import pytest

from proxy.stratum.patience import MOST_S, Patience


@pytest.mark.parametrize(("latency", "limit"), [(0.05, 10.0), (3.0, 10.0), (12.0, 36.0), (50.0, MOST_S)])
def test_the_limit_is_three_times_the_latency_within_bounds(latency: float, limit: float) -> None:
    patience = Patience(10.0)
    for _ in range(5):
        patience.heard(latency)
    assert patience.limit_s == pytest.approx(limit)


def test_a_longer_setting_of_the_operator_stands() -> None:
    assert Patience(90.0).limit_s == 90.0
    assert Patience(90.0).handshake_s == 90.0


def test_a_pool_that_gets_slower_answer_by_answer_is_followed() -> None:
    patience = Patience(10.0)
    for tenth in range(300):
        latency = tenth / 10
        assert latency < patience.limit_s
        patience.heard(latency)


def test_from_the_third_on_each_handshake_in_vain_doubles_the_next_ones_time_up_to_a_minute() -> None:
    patience = Patience(10.0)
    waits = []
    for _ in range(6):
        waits.append(patience.handshake_s)
        patience.in_vain()
    assert waits == [15.0, 15.0, 15.0, 30.0, 60.0, 60.0]
    patience.heard(0.1)
    patience.reached()
    assert patience.handshake_s == 10.0
