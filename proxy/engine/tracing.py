"""Whose raw traffic is logged, and until when."""

from collections.abc import Mapping

from proxy.engine.session import Session
from proxy.ports import Clock, Timer
from proxy.types import SessionId, WorkerName

LEAST_DELAY_S = 0.1
"""A trace ends at most this long after its time: the wall clock may lag behind the timer's."""


class WorkerTracing:
    """Switches tracing of ``sessions`` on and off, by worker and time."""

    def __init__(self, sessions: Mapping[SessionId, Session], clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._until: Mapping[WorkerName, float] = {}
        self._timer: Timer | None = None

    def apply(self, until: Mapping[WorkerName, float]) -> None:
        """Trace these workers, each until its time (unix seconds), and no others."""
        if until or self._until:
            self._until = until
            self._update()

    def is_traced(self, worker: WorkerName) -> bool:
        """Whether raw traffic of ``worker`` is wanted now."""
        return self._until.get(worker, 0.0) > self._clock.wall()

    def _update(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.wall()
        left = [until - now for until in self._until.values() if until > now]
        if left:
            self._timer = self._clock.call_at(self._clock.now() + max(min(left), LEAST_DELAY_S), self._update)
        for session in self._sessions.values():
            session.trace(self.is_traced(session.worker))
