"""Watches one connection for jobs: gives it up without a first one, and reports it when later ones are overdue."""

from typing import TYPE_CHECKING

from proxy.ports import Clock, Timer
from proxy.stratum.patience import Patience

if TYPE_CHECKING:
    from proxy.engine.upstream_connection import UpstreamConnection

FIRST_JOB_S = 20.0
"""A connection that has brought no job by then is no use: the pool accepts and says nothing."""
HANDSHAKE_ANSWERS = 3
"""The first job waits for so many: to subscribe, to authorize, and itself."""
OVERDUE_GAPS = 3.0
"""A job is overdue after so many times the usual time between two."""


class JobWatch:
    """One connection's. A slow pool has the time that its answers take on top of ``FIRST_JOB_S``."""

    __slots__ = ("_connection", "_deadlines", "_last_job_at", "_patience", "_stall_s", "_timer", "gap_s")

    def __init__(self, connection: "UpstreamConnection", clock: Clock, patience: Patience, stall_s: float) -> None:
        """``stall_s``: no job is overdue before, however often they came."""
        self.gap_s = 0.0
        """The usual time between two jobs (seconds); 0 until two were heard."""
        self._connection = connection
        self._deadlines = clock.deadlines
        self._patience = patience
        self._stall_s = stall_s
        self._last_job_at: float | None = None
        self._timer: Timer | None = None

    def start(self) -> None:
        """The connection stands."""
        self._timer = self._deadlines.call_at(self._deadlines.now() + FIRST_JOB_S, self._look)

    def end(self) -> None:
        """The connection ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        del self._connection

    def job_came(self) -> None:
        """Learn the usual time between jobs; the timer looks at it when it is due, not at each job."""
        now = self._deadlines.now()
        previous, self._last_job_at = self._last_job_at, now
        if previous is not None:
            gap = now - previous
            self.gap_s = gap if not self.gap_s else 0.8 * self.gap_s + 0.2 * gap

    def _look(self) -> None:
        now, connection = self._deadlines.now(), self._connection
        self._timer = None
        if self._last_job_at is None:
            within = self._first_job_within_s()
            if connection.lived_s < within - 1e-6:
                self._timer = self._deadlines.call_at(now + within - connection.lived_s, self._look)
            else:
                connection.close(f"no job within {within:.0f} s", wanted=False)
            return
        due = self._last_job_at + self._overdue_s()
        if now >= due - 1e-6:
            connection.job_overdue()
            due = now + self._overdue_s()
        self._timer = None if connection.ended else self._deadlines.call_at(due, self._look)

    def _overdue_s(self) -> float:
        return max(self._stall_s, OVERDUE_GAPS * self.gap_s)

    def _first_job_within_s(self) -> float:
        """A handshake that goes on has its patience on top."""
        more = 0.0 if self._connection.ready else self._patience.handshake_s
        return FIRST_JOB_S + HANDSHAKE_ANSWERS * (self._patience.latency_s or 0.0) + more
