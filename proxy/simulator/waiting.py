"""Wait for a fact to become true, without polling: whoever changes something says so."""

import asyncio
from collections.abc import Callable


class Watchers:
    """Those who wait on one object."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def until(self, fact: Callable[[], bool], timeout_s: float) -> None:
        """Return once ``fact()`` holds; it is looked at whenever ``look`` is called.

        Raises:
            TimeoutError: it did not within ``timeout_s`` seconds.
        """
        if fact():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (fact, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        finally:
            self._waiting.remove(entry)

    def look(self) -> None:
        """Something changed."""
        for fact, future in self._waiting:
            if not future.done() and fact():
                future.set_result(None)
