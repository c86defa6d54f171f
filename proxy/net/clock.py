"""The event loop's clock."""

import asyncio
import time
from collections.abc import Callable

from proxy.ports import Timer


class LoopClock:
    """``Clock`` on an asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.now = loop.time
        self.wall = time.time

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` at loop time ``when``; its errors reach the loop's exception handler."""
        return self._loop.call_at(when, callback)
