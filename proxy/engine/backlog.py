"""Connections that are looked at after the miners at work are served.

A new block comes on all connections of a fleet within milliseconds, on most of them for miners that work elsewhere or
have been served by then; a pool that dies ends as many at once. What is to be noted about each connection waits here, a
few in a turn of the loop: between two turns all sockets are read again, and what they bring for miners at work goes
first. While jobs are being handed out (``JobRounds``) hardly anything is noted: the last miners wait for theirs.
"""

from collections import OrderedDict
from typing import Protocol

from proxy.engine.job_rounds import JobRounds
from proxy.ports import Clock

A_TURN = 32
A_BUSY_TURN = 1
"""Not none: a pool that sends one job after the other must not keep anything from being noted."""


class Behind(Protocol):
    """Something of which a job, or its end, is still to be noted."""

    def catch_up(self) -> None:
        """Note it."""


class Backlog:
    """The engine's one; first come, first served."""

    def __init__(self, clock: Clock, rounds: JobRounds) -> None:
        self._clock = clock
        self._rounds = rounds
        self._is_armed = False
        self._waiting: OrderedDict[Behind, None] = OrderedDict()
        """Each once, however many jobs its pool sends: a flood of them must not fill memory. No plain dictionary: the
        first key of one from which thousands were taken is looked for among the gaps they left."""

    def add(self, connection: Behind) -> None:
        """Have ``connection`` catch up in a later turn of the loop."""
        self._waiting[connection] = None
        self._arm()

    def _arm(self) -> None:
        if not self._is_armed:
            self._is_armed = True
            self._clock.call_at(self._clock.now(), self._work)

    def _work(self) -> None:
        self._is_armed = False
        try:
            for _ in range(min(A_BUSY_TURN if self._rounds.is_open else A_TURN, len(self._waiting))):
                connection, _ = self._waiting.popitem(last=False)
                connection.catch_up()
        finally:
            if self._waiting:
                self._arm()
            else:
                self._waiting = OrderedDict()  # an emptied table keeps the size that it had for a whole fleet
