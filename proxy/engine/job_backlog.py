"""Jobs whose connections are looked at after the miners at work have theirs.

A new block comes on all connections of a fleet within milliseconds, on most of them for miners that work elsewhere or
have been served by then. What is to be noted about each connection waits here, a few in a turn of the loop: between
two turns all sockets are read again, and what they bring for miners at work goes first.
"""

from collections import deque
from typing import Protocol

from proxy.ports import Clock

A_TURN = 32


class Noting(Protocol):
    """A connection with a job that is still to be noted."""

    def note_job(self) -> None:
        """Do it."""


class JobBacklog:
    """The engine's one; first come, first served."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[Noting] = deque()

    def add(self, connection: Noting) -> None:
        """Have ``connection`` note its job in a later turn of the loop."""
        self._waiting.append(connection)
        if len(self._waiting) == 1:
            self._arm()

    def _arm(self) -> None:
        self._clock.call_at(self._clock.now(), self._work)

    def _work(self) -> None:
        try:
            for _ in range(min(A_TURN, len(self._waiting))):
                self._waiting.popleft().note_job()
        finally:
            if self._waiting:
                self._arm()
