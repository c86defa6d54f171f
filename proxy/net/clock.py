"""The event loop's clock."""

import asyncio
import time
from collections.abc import Callable

from proxy.net.free_time import FreeTimeClock
from proxy.net.timer_wheel import COARSE_FROM_S, TimerWheel
from proxy.ports import Timer


class _LoopTimers:
    """The loop's own timers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        self.call_at = loop.call_at


class LoopClock:
    """``Clock`` on an asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wheel = TimerWheel(_LoopTimers(loop), self._failed)
        self.now = loop.time
        self.wall = time.time
        self._deadlines: FreeTimeClock | None = None

    @property
    def deadlines(self) -> FreeTimeClock:
        """The time in which the loop was free, counted from the first call on."""
        if self._deadlines is None:
            self._deadlines = FreeTimeClock(self, self._failed)
        return self._deadlines

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` at loop time ``when``; its errors reach the loop's exception handler.

        What is due in ``COARSE_FROM_S`` or later may be called a quarter of a second after its time.
        """
        if when - self.now() >= COARSE_FROM_S:
            return self._wheel.call_at(when, callback)
        return self._loop.call_at(when, callback)

    def _failed(self, error: Exception) -> None:
        self._loop.call_exception_handler({"message": "a timer's call failed", "exception": error})
