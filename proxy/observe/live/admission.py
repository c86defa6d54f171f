"""Letting an address in again that is slowed down or refused: from the pages' threads to the loop."""

import asyncio
from collections.abc import Callable


class Admission:
    """Where pages ask; one per process (``admission``)."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._let_in: Callable[[str], None] | None = None

    def connect(self, let_in: Callable[[str], None]) -> None:
        """Call ``let_in`` on the running loop from now on."""
        self._loop, self._let_in = asyncio.get_running_loop(), let_in

    def disconnect(self) -> None:
        """Nobody is there any more."""
        self._loop = None

    def ask(self, address: str) -> bool:
        """Let ``address`` in; may be called from any thread. False: no proxy runs in this process."""
        loop = self._loop
        if loop is None or self._let_in is None or loop.is_closed():
            return False
        loop.call_soon_threadsafe(self._let_in, address)
        return True


admission = Admission()
