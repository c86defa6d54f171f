"""What pages and metrics may do in one turn of the loop, however many connections ask at once.

Twisted accepts up to a hundred connections at a time and reads whatever is ready: with two hundred requests that is a
quarter of a second in which no miner is served. Here a few are accepted and a few are read in a turn, the rest in the
next ones, in their order; between two turns every miner is heard.
"""
# mypy: allow-untyped-calls
# Twisted's transports have no annotations.

import asyncio
import functools
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet import tcp

ACCEPTS_A_TURN = 4
READS_A_TURN = 3
"""A request takes about a millisecond until it is handed to a thread."""


class Turns:
    """Gives ``most`` permissions in each turn of the running loop; who gets none is called later."""

    def __init__(self, most: int = READS_A_TURN) -> None:
        self._most = self._left = most
        self._waiting: deque[Callable[[], None]] = deque()
        self._turning = False

    def take(self) -> bool:
        """Whether there is one left in this turn."""
        self._turn_soon()
        if not self._left:
            return False
        self._left -= 1
        return True

    def wait(self, call: Callable[[], None]) -> None:
        """Call in a later turn, with a permission of that turn."""
        self._waiting.append(call)
        self._turn_soon()

    def _turn_soon(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turning, self._left = False, self._most
        if self._waiting:
            self._turn_soon()
        while self._waiting and self._left:
            self._left -= 1
            self._waiting.popleft()()


class _PacedConnection(tcp.Server):
    """Is read only where it has a permission; without one it is not looked at until it has."""

    _held = _may_read = _wants = False
    on_lost: Callable[[], None] | None = None
    """Called once, when it is over."""

    def __init__(self, turns: Turns, *args: Any) -> None:
        self._turns = turns
        super().__init__(*args)

    def startReading(self) -> None:
        self._wants = True
        if not self._held:
            super().startReading()

    def stopReading(self) -> None:
        self._wants = False
        super().stopReading()

    def doRead(self) -> Any:
        if self._may_read:
            self._may_read = False
        elif not self._turns.take():
            self._held = True
            super().stopReading()
            self._turns.wait(self._go_on)
            return None
        return super().doRead()

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        on_lost, self.on_lost = self.on_lost, None
        if on_lost is not None:
            on_lost()

    def _go_on(self) -> None:
        self._held = False
        if self._wants and self.connected:
            self._may_read = True
            super().startReading()


def pace(port: Any, turns: Turns) -> None:
    """Let a listening port of Twisted take its turns; ports may share them."""
    port.transport = functools.partial(_PacedConnection, turns)
    port.doRead = functools.partial(_accept_a_few, port)


def _accept_a_few(port: tcp.Port) -> None:
    port.numberAccepts = ACCEPTS_A_TURN
    tcp.Port.doRead(port)
