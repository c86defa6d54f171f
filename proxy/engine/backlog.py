"""Connections that are looked at after the miners at work are served.

A new block comes on all connections of a fleet within milliseconds, on most of them for miners that work elsewhere or
have been served by then; a pool that dies ends as many at once. What is to be noted about each connection waits here, a
few in a turn of the loop: between two turns all sockets are read again, and what they bring for miners at work goes
first. While jobs are being handed out (``JobRounds``), or such a turn brought any, hardly anything is noted: the last
miners wait for theirs.
"""

from collections import OrderedDict
from typing import Protocol

from proxy.engine.job_rounds import JobRounds
from proxy.observe.events import EventStream
from proxy.ports import Clock

A_TURN = 32
A_PLACE = 8
"""Events that are told later, in a place of the backlog: some microseconds each."""
A_BUSY_TURN = 1
"""Not none: a pool that sends one job after the other must not keep anything from being noted."""
MOST_PUT_OFF = 8
"""Turns in a row that miners' jobs cut short: with some thousand connections there may be one in each, all day."""


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
        self._is_behind_miners = False
        """Whether miners at work were served since its last turn: more may follow."""
        self._put_off = 0
        """How many turns in a row were cut short for that."""
        self._waiting: OrderedDict[Behind, None] = OrderedDict()
        """Each once, however many jobs its pool sends: a flood of them must not fill memory. No plain dictionary: the
        first key of one from which thousands were taken is looked for among the gaps they left."""

    def add(self, connection: Behind) -> None:
        """Have ``connection`` catch up in a later turn of the loop."""
        self._waiting[connection] = None
        self._arm()

    def miner_served(self) -> None:
        """A miner at work has its new job: all connections bring theirs, or end, at once."""
        self._is_behind_miners = True

    def _arm(self) -> None:
        if not self._is_armed:
            self._is_armed = True
            self._clock.call_at(self._clock.now(), self._work)

    def _work(self) -> None:
        self._is_armed = False
        puts_off, self._is_behind_miners = self._is_behind_miners and self._put_off < MOST_PUT_OFF, False
        self._put_off = self._put_off + 1 if puts_off else 0
        is_busy = puts_off or self._rounds.is_open
        try:
            for _ in range(min(A_BUSY_TURN if is_busy else A_TURN, len(self._waiting))):
                connection, _ = self._waiting.popitem(last=False)
                connection.catch_up()
        finally:
            if self._waiting:
                self._arm()
            else:
                self._waiting = OrderedDict()  # an emptied table keeps the size that it had for a whole fleet


class LaterEvents:
    """What the lost connections of a fleet mean for the log and for all who count, told once nobody waits for work."""

    def __init__(self, events: EventStream, backlog: Backlog) -> None:
        self._events = events
        self._backlog = backlog
        events.on_later = self._wait

    def _wait(self) -> None:
        self._backlog.add(self)

    def catch_up(self) -> None:
        """Tell of the next few."""
        if self._events.tell_later(A_PLACE):
            self._wait()
