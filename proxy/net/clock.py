"""The event loop's clock."""

import asyncio
import time
from collections.abc import Callable

from proxy.net.free_time import FreeTimeClock
from proxy.ports import Timer


class LoopClock:
    """``Clock`` on an asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.now = loop.time
        self.wall = time.time
        self._deadlines: FreeTimeClock | None = None

    @property
    def deadlines(self) -> FreeTimeClock:
        """The time in which the loop was free, counted from the first call on."""
        if self._deadlines is None:
            self._deadlines = FreeTimeClock(self)
        return self._deadlines

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` at loop time ``when``; its errors reach the loop's exception handler."""
        return self._loop.call_at(when, callback)
