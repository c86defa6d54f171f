"""Hands the newest jobs of shared connections to their miners, so many in a turn of the loop.

A new block comes on all shared connections within milliseconds, for ten thousand miners. In one turn, whoever has a
share meanwhile would wait until the last of them has the job; between two turns all sockets are read. Clean jobs go
first, then who came first; the first turn begins at once, so a few miners wait for no other turn.
"""

from typing import Protocol

from proxy.ports import Clock

A_TURN = 128
"""Miners: two milliseconds or so."""


class Round(Protocol):
    """A connection with a job for its miners."""

    @property
    def is_urgent(self) -> bool:
        """Whether what the miners work on is worth nothing any more."""

    @property
    def is_handed_out(self) -> bool:
        """Whether all of them have the job."""

    def hand_out(self, most: int) -> int:
        """Give the job to the next of them, ``most`` at most. Returns to how many it was given."""


class JobRounds:
    """The engine's one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[Round, None] = {}
        """Each connection once: a newer job takes the place of one that is being handed out."""
        self._is_armed = False

    @property
    def is_open(self) -> bool:
        """Whether anybody still waits for a job."""
        return bool(self._open)

    def begin(self, connection: Round) -> None:
        """``connection`` has a job."""
        self._open[connection] = None
        if not self._is_armed:
            self._work()

    def _work(self) -> None:
        self._is_armed = True
        left = A_TURN
        try:
            while left > 0 and self._open:
                connection = next((each for each in self._open if each.is_urgent), None) or next(iter(self._open))
                left -= connection.hand_out(left)
                if connection.is_handed_out:
                    self._open.pop(connection, None)
        finally:
            self._is_armed = bool(self._open)
            if self._is_armed:
                self._clock.call_at(self._clock.now(), self._work)
