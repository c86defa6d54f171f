"""The lag meter notes how late the loop is."""

from collections.abc import Callable

import pytest

from proxy.net.lag_meter import LagMeter
from proxy.scheduling.virtual_clock import VirtualClock, VirtualTimer


class LateClock(VirtualClock):
    """A clock whose calls run ``late`` seconds after they were due."""

    late = 0.0

    def call_at(self, when: float, callback: Callable[[], None]) -> VirtualTimer:
        return super().call_at(when + self.late, callback)


def test_punctual_loop_has_no_lag() -> None:
    clock, seen = VirtualClock(), list[float]()
    meter = LagMeter(clock, seen.append)
    meter.start()
    clock.advance(10.0)
    assert seen == [0.0] * 40


def test_late_calls_are_the_lag() -> None:
    clock, seen = LateClock(), list[float]()
    meter = LagMeter(clock, seen.append)
    meter.start()
    clock.advance(2.0)
    clock.late = 0.02
    clock.advance(2.0)
    assert max(seen) == pytest.approx(0.02)
    assert min(seen) == 0.0


def test_stopped_meter_asks_for_nothing_more() -> None:
    clock, seen = VirtualClock(), list[float]()
    meter = LagMeter(clock, seen.append)
    meter.start()
    meter.stop()
    assert clock.pending == 0
