"""One timer looks after a connection: for its jobs, and that something is said on it."""

from typing import Any

import pytest

from proxy.engine.job_watch import JobWatch
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.stratum.patience import Patience

STALL_S = 100.0


class Connection:
    ended = False

    def __init__(self, clock: VirtualClock, *, idle_s: float) -> None:
        self.clock = clock
        self.idle_s = idle_s
        self.reports: list[float] = []
        self.looks = 0

    def job_overdue(self) -> None:
        self.reports.append(self.clock.now())

    def keep_alive(self) -> float:
        self.looks += 1
        return self.idle_s


@pytest.mark.parametrize("idle_s", [7.0, 400.0])
def test_overdue_jobs_are_reported_as_often_whether_or_not_the_connection_speaks_meanwhile(idle_s: float) -> None:
    clock = VirtualClock()
    connection: Any = Connection(clock, idle_s=idle_s)
    watch = JobWatch(connection, clock, Patience(30.0), STALL_S)
    watch.start()
    watch.job_came()
    came = clock.now()
    clock.advance(350)
    assert connection.reports == [pytest.approx(came + STALL_S * times) for times in (1, 2, 3)]
    assert connection.looks >= 350 // max(idle_s, STALL_S)
    watch.job_came()
    connection.reports.clear()
    clock.advance(STALL_S - 1)
    assert connection.reports == []
    connection.ended = True
    watch.stop()
    clock.advance(1000)
    assert connection.reports == []
